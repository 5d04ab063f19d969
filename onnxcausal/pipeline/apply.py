"""The job `apply`: a model file with masks, in one of four forms."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

import numpy as np

from onnxcausal.analysis.formats.masks import check_model, read_masks
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.original.original import repairs
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_original
from onnxcausal.pipeline.writing.held_means import hold_means
from onnxcausal.pipeline.writing.mask_nodes import as_features
from onnxcausal.pipeline.writing.placing import check_place, files_of, put
from onnxcausal.pipeline.writing.pruned import PrunedSize, compare_pruned


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
class Applied:
    """A repaired file that was written.

    Attributes:
        model_file: name of the model.
        form: how masks stand in the file.
        layers: what was done to each layer, in file order.
        sha256: of the new file.
        means: what is known of the means that are in the masks, and what they add; empty where there are none.
        smaller: what was taken out of a pruned file; None for other forms.
        notes: what a reader must know, one sentence each.
    """

    model_file: str
    form: Form
    layers: tuple[MaskedLayer, ...]
    sha256: str
    means: str = ""
    smaller: PrunedSize | None = None
    notes: tuple[str, ...] = ()


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
    data: str | Path | None = None,
    config: str | Path | None = None,
    any_means: bool = False,
    machine: Machine = HERE,
    **settings: object,
) -> Applied:
    """Write a model file with masks; the same job as `onnxcausal apply`.

    A pruned file is run beside the folded form first, on random inputs. Means are held to what their nodes take: on
    the data, where any are named, else on made-up inputs.

    Args:
        model: the model file; left as it is. The sidecar beside it is used if it exists and there are means.
        masks: file of masks of that model.
        out: the new file.
        form: how masks stand in it: `masked`, `folded`, `pruned` or `switchable`.
        force: replace another file in its place.
        data: file or folder of samples that means are held to; default: what the sidecar names.
        config: a configuration file in place of the sidecar.
        any_means: take means that are no means.
        machine: how far the file is trusted; see `Machine.of`.
        **settings: any key of the sidecar.

    Raises:
        GateError: a mean is beyond what its node takes; nothing is written.
        ConfigError: the masks cannot be read, or are of another model.
        ModelError: the model is unsupported or broken, or a layer does not take the masks in that form.
        OutputError: the new file cannot be written, or would replace another; nothing is written then.
    """
    model = Path(model)

    def configure() -> Configured:
        return configure_by_name(model, config, settings, data)

    return run(model, Path(masks), Path(out), configure, form=form, force=force, any_means=any_means, machine=machine)


@bounded
def run(
    model: Path,
    masks: Path,
    out: Path,
    configure: Callable[[], Configured],
    *,
    form: str,
    force: bool,
    any_means: bool,
    machine: Machine,
) -> Applied:
    """Write a model file with masks.

    Args:
        model: the model file.
        masks: file of masks.
        out: the new file.
        configure: how the model is read, and its data; asked where there are means alone.
        form: how masks stand in the file.
        force: replace another file in its place.
        any_means: take means that are no means.
        machine: what of the machine may be used.

    Raises:
        OnnxCausalError: as `apply` says.
    """
    caution, chosen = machine.caution, parse_form(form)
    asked = read_masks(masks)
    original = open_original(model, caution, asked.reading.output)
    check_model(asked, original.model.sha256, str(masks))
    asked, told_of_nodes = as_features(asked, original.model, str(masks))
    sources = [*files_of(original), masks]
    check_place(out, sources, lambda: repairs(out, original.model.sha256), force=force)
    repaired = repair(original, asked, chosen, version_of("onnxcausal"))
    if chosen is Form.PRUNED and not repaired.removed:
        raise _nothing_to_prune(original.model.name)
    held = hold_means(original, asked, masks, configure, machine, any_means=any_means)
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
    told = f"{held.told}; they add up to {_largest(repaired):.3g} to what a child gets" if held.told else ""
    return Applied(original.model.name, chosen, layers, digest, told, smaller, told_of_nodes)


def _largest(repaired: Repaired) -> float:
    """Return the largest number that is added to what a child of any layer gets."""
    return max((float(np.abs(shift).max()) for shift in repaired.shifts.values()), default=0.0)


def _nothing_to_prune(name: str) -> ModelError:
    return ModelError(
        "no channel can be removed",
        where=name,
        why="no node is masked in full: a factor above 0, or a path left to any child, keeps its channel in use",
        remedy="use --form folded, or mask all paths of a node with a factor of 0",
    )
