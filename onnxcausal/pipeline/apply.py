"""The job `apply`: a model file with masks, in one of three forms."""

from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path

from onnxcausal.analysis.masks import check_model, read_masks
from onnxcausal.analysis.repair import Form
from onnxcausal.errors import ConfigError
from onnxcausal.onnxgraph.original import repairs
from onnxcausal.onnxgraph.repairforms import repair
from onnxcausal.pipeline.opening import CAREFUL, Caution, open_original
from onnxcausal.pipeline.placing import check_place, files_of, put


@dataclass(frozen=True, slots=True)
class MaskedLayer:
    """What was done to a layer.

    Attributes:
        name: the layer.
        edges: how many of its edges have a factor below 1.
        of: how many it has.
        mask: name of the tensor of its mask; empty where there is none in the file.
    """

    name: str
    edges: int
    of: int
    mask: str


@dataclass(frozen=True, slots=True)
class Applied:
    """A repaired file that was written.

    Attributes:
        model_file: name of the model.
        form: how masks stand in the file.
        layers: what was done to each layer, in file order.
        sha256: of the new file.
    """

    model_file: str
    form: Form
    layers: tuple[MaskedLayer, ...]
    sha256: str


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
            why="masks are written in one of three forms",
            remedy=f"choose one of {', '.join(Form)}",
        ) from error


def apply(
    model: Path, masks: Path, out: Path, *, form: Form = Form.MASKED, force: bool = False, caution: Caution = CAREFUL
) -> Applied:
    """Write a model file with masks.

    Args:
        model: the model file; left as it is.
        masks: file of masks of that model.
        out: the new file.
        form: how masks stand in it.
        force: replace another file in its place.
        caution: how far the model file is trusted.

    Raises:
        OnnxCausalError: as its subclasses say; nothing is written then.
    """
    asked = read_masks(masks)
    original = open_original(model, caution, asked.reading.output)
    check_model(asked, original.model.sha256, str(masks))
    sources = [*files_of(original), masks]
    check_place(out, sources, lambda: repairs(out, original.model.sha256), force=force)
    repaired = repair(original, asked, form, version_of("onnxcausal"))
    digest = put(out, repaired.proto, original, repaired.data, follow_links=caution.follow_links)
    inserted = repaired.record.inserted
    layers = tuple(
        MaskedLayer(name, int((mask != 1).sum()), mask.size, inserted.get(name, ""))
        for name, mask in repaired.masks.items()
    )
    return Applied(original.model.name, form, layers, digest)
