"""Preprocessing that is left to the model's file: the size of a letterbox, or all of it where a detector tells."""

import json
from collections.abc import Mapping
from dataclasses import replace

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.detection.columns import AXES
from onnxcausal.onnxgraph.network.detection.detector import is_ultralytics, shape_of
from onnxcausal.onnxgraph.network.feeds import open_inputs
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.pipeline.preparing.configuration import Configuration
from onnxcausal.samples.letterbox import LETTERBOX
from onnxcausal.samples.preprocess import MOST_SIDE, Preprocess, sides_of
from onnxcausal.samples.source import AS_THEY_ARE, Samples

USUAL = Preprocess(resize=LETTERBOX, rescale=1 / 255)
"""How images enter the files that Ultralytics writes."""
LONGEST_SIZE = 64
"""Letters of the metadata property `imgsz`, at most."""


def fitted(configuration: Configuration, model: Model) -> Configuration:
    """Return a configuration whose preprocessing is what the file says, where it was left to the file.

    Where no preprocessing is set at all, a detector that Ultralytics wrote gets the one that such files take. A
    letterbox without a size gets that of the model's input, or of its metadata (`imgsz`) where that is left open.

    Args:
        configuration: what was set.
        model: the model.
    """
    settings = configuration.preprocess
    if settings == Preprocess() and _detects(model, configuration.model):
        settings = USUAL
    if settings.resize == LETTERBOX:
        settings = settings.with_letterbox(_sides(model, configuration.model, settings))
    return configuration if settings == configuration.preprocess else replace(configuration, preprocess=settings)


def _detects(model: Model, reading: Reading) -> bool:
    """Whether a file is read as a detector that Ultralytics wrote."""
    asked = reading.task is Task.DETECTOR or (reading.task is None and reading.output is None)
    shapes = [shape_of(value) for value in model.proto.graph.output]
    boxes = any(shape is not None and len(shape) >= AXES for shape in shapes)
    return asked and boxes and not reading.is_of_a_part and is_ultralytics(model.metadata)


def with_note(samples: Samples, given: Preprocess, used: Preprocess) -> Samples:
    """Return samples that tell of preprocessing that was taken from the file where none was set.

    Args:
        samples: the samples.
        given: the preprocessing that was set.
        used: the one that is used.
    """
    if given != Preprocess() or used == given:
        return samples
    if not samples.preprocessed:  # what is not applied was not set by anyone
        return replace(samples, notes=tuple(note for note in samples.notes if note != AS_THEY_ARE))
    told = f"preprocessing as Ultralytics has it, as none was set: {used.resize}, grey levels divided by 255"
    return replace(samples, notes=(*samples.notes, told))


def _sides(model: Model, reading: Reading, settings: Preprocess) -> tuple[int, int] | None:
    """Return height and width of the images that a model takes; None where neither input nor metadata tell."""
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    specs = [spec for spec in open_inputs(model.proto, reading) if spec.name not in stored]
    chosen = [spec for spec in specs if reading.input in (None, spec.name)]
    found = sides_of(chosen[0], settings.layout) if len(chosen) == 1 else None
    return found or _image_size(model.metadata)


def _image_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Return height and width in metadata, written as one number or as a list of two; None where there are none."""
    text = metadata.get("imgsz", "")
    try:
        held = json.loads(text) if len(text) <= LONGEST_SIZE else None
    except (ValueError, RecursionError):
        return None
    match held if isinstance(held, list) else [held, held]:
        case [int(height), int(width)] if min(height, width) > 0 and max(height, width) <= MOST_SIDE:
            return int(height), int(width)
        case _:
            return None
