"""The job `apply`: a model file with masks, in one of four forms."""

from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

import numpy as np

from onnxcausal.analysis.masks import MasksFile, check_model, read_masks
from onnxcausal.analysis.repair import Form
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.original import Original, repairs
from onnxcausal.onnxgraph.pruning import Removed, with_weights
from onnxcausal.onnxgraph.repairforms import Repaired, repair
from onnxcausal.onnxgraph.sameness import compare_outputs
from onnxcausal.onnxgraph.stored import count_parameters
from onnxcausal.pipeline.opening import caution_of, open_original
from onnxcausal.pipeline.placing import check_place, files_of, put

SEED = 0
"""Of the random inputs on which a pruned file is compared."""


@dataclass(frozen=True, slots=True)
class MaskedLayer:
    """What was done to a layer.

    Attributes:
        name: the layer.
        edges: how many of its edges have a factor below 1.
        of: how many it has.
        mask: name of the tensor of its mask; empty where there is none in the file.
        shift: name of the tensor that is added to its output; empty where there is none.
        replaced: whether means take the place of some of its paths, be it in a tensor or in its bias.
    """

    name: str
    edges: int
    of: int
    mask: str
    shift: str = ""
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class KeptNodes:
    """Nodes of a layer that are masked in full and stay in a pruned file, with weights of 0.

    Attributes:
        layer: the layer.
        nodes: the nodes.
        why: the op that needs them, and what for.
    """

    layer: str
    nodes: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Smaller:
    """What was taken out of a pruned file.

    Attributes:
        lost: parents and children that layers lost, of how many, in file order; those that lost nothing are absent.
        kept: nodes that could not go.
        parameters: stored numbers before and after.
        difference: the largest difference of outputs from those of the folded form on random inputs, as a share of
            the largest output; None where they were not compared.
        why_not_compared: why not, then.
    """

    lost: tuple[Removed, ...]
    kept: tuple[KeptNodes, ...]
    parameters: tuple[int, int]
    difference: float | None
    why_not_compared: str


@dataclass(frozen=True, slots=True)
class Applied:
    """A repaired file that was written.

    Attributes:
        model_file: name of the model.
        form: how masks stand in the file.
        layers: what was done to each layer, in file order.
        sha256: of the new file.
        smaller: what was taken out of a pruned file; None for other forms.
    """

    model_file: str
    form: Form
    layers: tuple[MaskedLayer, ...]
    sha256: str
    smaller: Smaller | None = None


def parse_form(text: str) -> Form:
    """Return the form a user names.

    Raises:
        ConfigError: there is none of that name.
    """
    try:
        return Form(text)
    except ValueError as error:
        raise ConfigError(
            f"unknown form {text!r}",
            where="--form",
            why="masks are written in one of four forms",
            remedy=f"choose one of {', '.join(Form)}",
        ) from error


def apply(
    model: str | Path,
    masks: str | Path,
    out: str | Path,
    *,
    form: str = Form.MASKED,
    force: bool = False,
    limits: str | None = None,
    follow_links: bool = False,
) -> Applied:
    """Write a model file with masks; the same job as `onnxcausal apply`.

    A pruned file is run beside the folded form first, on random inputs.

    Args:
        model: the model file; left as it is.
        masks: file of masks of that model.
        out: the new file.
        form: how masks stand in it: `masked`, `folded` or `switchable`.
        force: replace another file in its place.
        limits: what opening the file may take, as for `analyze`.
        follow_links: read weights behind links.

    Raises:
        ConfigError: the masks cannot be read, or are of another model.
        ModelError: the model is unsupported or broken, or a layer does not take the masks in that form.
        OutputError: the new file cannot be written, or would replace another; nothing is written then.
    """
    model, masks, out = Path(model), Path(masks), Path(out)
    caution, chosen = caution_of(limits, follow_links=follow_links), parse_form(form)
    asked = read_masks(masks)
    original = open_original(model, caution, asked.reading.output)
    check_model(asked, original.model.sha256, str(masks))
    sources = [*files_of(original), masks]
    check_place(out, sources, lambda: repairs(out, original.model.sha256), force=force)
    repaired = repair(original, asked, chosen, version_of("onnxcausal"))
    smaller = compare_pruned(repaired, original, asked) if chosen is Form.PRUNED else None
    digest = put(out, repaired.proto, original, repaired.data, follow_links=caution.follow_links)
    inserted, shifts = repaired.record.inserted, repaired.record.shifts
    layers = tuple(
        MaskedLayer(
            name,
            int((mask != 1).sum()),
            mask.size,
            inserted.get(name, ""),
            shifts.get(name, ""),
            name in repaired.shifts,
        )
        for name, mask in repaired.masks.items()
    )
    return Applied(original.model.name, chosen, layers, digest, smaller)


def compare_pruned(repaired: Repaired, original: Original, masks: MasksFile) -> Smaller:
    """Return what was taken out of a file.

    Raises:
        ModelError: without it the file computes something else.
    """
    folded = repair(original, masks, Form.FOLDED, repaired.record.onnxcausal)
    one, other = (with_weights(form.proto, original, form.data) for form in (folded, repaired))
    same = compare_outputs(one, other, original.model.name, np.random.default_rng(SEED))
    if same.difference is not None and not same.difference <= same.allowed:
        raise ModelError(
            "the pruned file would not compute what the folded one does",
            where=original.model.name,
            why=f"on random inputs its outputs differ by {same.difference:.2g} of the largest; rounding may make "
            f"{same.allowed:.2g} of it",
            remedy="use --form folded; please report the model, since this should not happen",
        )
    return Smaller(
        lost=repaired.removed,
        kept=tuple(KeptNodes(kept.layer, kept.nodes, kept.reason.told()) for kept in repaired.kept),
        parameters=(count_parameters(original.proto).number, count_parameters(repaired.proto).number),
        difference=same.difference,
        why_not_compared=same.why,
    )
