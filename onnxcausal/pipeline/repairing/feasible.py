"""What of a repair a model's file can take: which layers, which factors, which replacements, in the form asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, MeanRecord, ReadingRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.causal.intervention import Replace
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.forms import masked_file
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.pipeline.heldout.subject import neurons
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.preparing.provenance import reading_of

BETAS = (0.0, 0.25, 0.5, 0.75)
"""Factors on masked weights that are tried."""
TRIED = {Form.SWITCHABLE: Form.MASKED, Form.PRUNED: Form.FOLDED}
"""The form in which layers are tried, where that is another."""
Kind = TypeVar("Kind")
HALF = 0.5
"""A factor that neither removes nor keeps."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a file can take.

    Attributes:
        layers: layers that may be masked: their parents are neurons, and they stand in the file.
        betas: factors to try.
        replaces: replacements to try.
    """

    layers: tuple[Layer, ...]
    betas: tuple[float, ...]
    replaces: tuple[Replace, ...]


def find_reach(
    original: Original,
    prepared: Prepared,
    form: Form,
    *,
    beta: float | None,
    replace: Replace | None,
    notes: list[str],
) -> Reach:
    """Return what a file can take; notes say what it cannot.

    Each is tried on the file: what is refused here would be refused when the repair is written.

    Args:
        original: the model file.
        prepared: the model as it is analysed.
        form: how masks are to stand in the file.
        beta: the factor, where it is set by hand.
        replace: the replacement, where it is set by hand.
        notes: what a reader must know is added here.

    Raises:
        ConfigError: what is set by hand cannot be had.
        ModelError: the file cannot take the form at all.
    """
    tried = TRIED.get(form, form)
    own = neurons(prepared.wiring)
    reading = reading_of(prepared.origin)
    layers = [layer for layer in prepared.tested if layer.name in own]
    if prepared.left_out:
        notes.append(f"layers left out of the analysis are left alone: {listed(prepared.left_out)}")
    if _refusal(original, reading, layers, tried):
        layers = [layer for layer in layers if not _noted(original, reading, layer, tried, notes)]
    if layers and form is Form.SWITCHABLE:
        masked_file.repair(original, _masks(original, reading, layers[:1]), form, "")  # an old file has no switches
    if form is Form.PRUNED and beta:
        raise ConfigError(
            "what is merely attenuated cannot be taken out",
            where=f"--form pruned --beta {beta:g}",
            why="channels go where all their paths are removed",
            remedy="leave --beta out, or choose another --form",
        )
    searched = (0.0,) if form is Form.PRUNED else BETAS  # what is merely attenuated stays in the file
    betas: tuple[float, ...] = searched if beta is None else (beta,)
    replaces = tuple(Replace) if replace is None else (replace,)
    if layers and any(factor > 0 for factor in betas):
        why = _refusal(original, reading, layers, tried, beta=HALF)
        betas = _without(betas, (0.0,), why, "factors above 0", notes)
    if layers and Replace.MEAN in replaces:
        why = _refusal(original, reading, layers, tried, means=True)
        replaces = _without(replaces, (Replace.ZERO,), why, "replacing by the mean", notes)
    return Reach(tuple(layers), betas, replaces)


def _noted(original: Original, reading: ReadingRecord, layer: Layer, form: Form, notes: list[str]) -> bool:
    """Whether a layer cannot be masked, which is noted."""
    why = _refusal(original, reading, [layer], form)
    if why:
        notes.append(f"layer {layer.name} is left alone: {why}")
    return bool(why)


def _refusal(
    original: Original,
    reading: ReadingRecord,
    layers: Sequence[Layer],
    form: Form,
    *,
    beta: float = 0.0,
    means: bool = False,
) -> str:
    """Return why not all of some layers can be masked in the file; empty where they can."""
    try:
        masked_file.repair(original, _masks(original, reading, layers, beta=beta, means=means), form, "")
    except ModelError as error:
        return error.why
    return ""


def _masks(
    original: Original, reading: ReadingRecord, layers: Sequence[Layer], *, beta: float = 0.0, means: bool = False
) -> MasksFile:
    """Return masks of the first parent of some layers."""
    return MasksFile(
        model=ModelRecord(file=original.model.name, sha256=original.model.sha256),
        reading=reading,
        masks=[MaskRecord(layer=layer.name, parents=[0], beta=beta) for layer in layers],
        means=[MeanRecord(layer=layer.name, parents=[0], values=[1.0]) for layer in layers] if means else [],
    )


def _without(
    asked: tuple[Kind, ...], left: tuple[Kind, ...], why: str, what: str, notes: list[str]
) -> tuple[Kind, ...]:
    """Return what is asked for, or what is left of it where a file cannot take it all."""
    if not why:
        return asked
    kept = tuple(entry for entry in asked if entry in left)
    if not kept:
        raise ConfigError(
            f"the file cannot take {what}",
            where="--beta or --replace",
            why=why,
            remedy="leave the setting out, or choose another --form",
        )
    notes.append(f"{what} is not tried: {why}")
    return kept
