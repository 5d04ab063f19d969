"""The job `apply`: a model file with masks, in one of four forms."""

from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.analysis.formats.masks import check_model, read_masks
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.forms.masked_file import repair
from onnxcausal.onnxgraph.original.original import repairs
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_original
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
        smaller: what was taken out of a pruned file; None for other forms.
    """

    model_file: str
    form: Form
    layers: tuple[MaskedLayer, ...]
    sha256: str
    smaller: PrunedSize | None = None


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


@bounded
def apply(
    model: str | Path,
    masks: str | Path,
    out: str | Path,
    *,
    form: str = Form.MASKED,
    force: bool = False,
    machine: Machine = HERE,
) -> Applied:
    """Write a model file with masks; the same job as `onnxcausal apply`.

    A pruned file is run beside the folded form first, on random inputs.

    Args:
        model: the model file; left as it is.
        masks: file of masks of that model.
        out: the new file.
        form: how masks stand in it: `masked`, `folded` or `switchable`.
        force: replace another file in its place.
        machine: how far the file is trusted; see `Machine.of`.

    Raises:
        ConfigError: the masks cannot be read, or are of another model.
        ModelError: the model is unsupported or broken, or a layer does not take the masks in that form.
        OutputError: the new file cannot be written, or would replace another; nothing is written then.
    """
    model, masks, out = Path(model), Path(masks), Path(out)
    caution, chosen = machine.caution, parse_form(form)
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
