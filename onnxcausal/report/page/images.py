"""Pictures and maps as the page holds them: small, as data of the page itself."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxcausal.analysis.formats.analysis_file import GraphRecord
from onnxcausal.analysis.formats.saved_maps import SavedClass, SavedMaps
from onnxcausal.causal.outcome import Floats
from onnxcausal.report.page.found import Pictures
from onnxcausal.report.page.strongest import Strongest
from onnxcausal.report.text import shortened

SIDE = 96
"""Longer side of a picture, in pixels."""
EXACT_SIDE = 64
"""Pictures up to this size keep every pixel."""
MAP_SIDE = 48
"""Longer side of a map, in places."""
MOST_PLACES = 256
"""Places of a map of a sequence or table."""
INPUTS = 24
"""Explained inputs of a class."""
NODE_MAPS = 8
"""Single nodes whose maps are held of an input."""
QUALITY = 80
"""Of JPEG."""
LONGEST = 120
"""Characters of an input's name."""


def sample_pictures(strongest: Sequence[Sequence[Strongest]], pictures: Pictures, allowance: int) -> dict[int, str]:
    """Return pictures of the samples told of a class's nodes, by position, within an allowance of bytes.

    Args:
        strongest: samples of each layer's nodes, the strongest nodes first.
        pictures: gives pictures of samples.
        allowance: bytes they may take in the page.
    """
    wanted = list(dict.fromkeys(_round_robin(strongest)))
    shown: dict[int, str] = {}
    given = pictures(wanted)
    for position in wanted:
        if position in given:
            picture = picture_uri(given[position])
            allowance -= len(picture) + len(str(position)) + 4
            if allowance < 0:
                break
            shown[position] = picture
    return shown


def explained_inputs(
    graph: GraphRecord, maps: Iterable[SavedMaps], places: Mapping[str, int], allowance: int
) -> list[dict[str, Any]]:
    """Return the inputs that were explained for a class, as the page holds them.

    Args:
        graph: the class's graph.
        maps: explanations.
        places: number of each layer in the page, by name.
        allowance: bytes they may take in the page.
    """
    records: list[dict[str, Any]] = []
    for held in maps:
        found = held.classes.get(graph.target)
        for place in range(0 if found is None else min(INPUTS, len(found.inputs))):
            assert found is not None
            record = _explained(held, found, place, places.get(found.node_layer))
            allowance -= sum(map(len, _texts(record)))
            if allowance < 0:
                return records
            records.append(record)
    return records


def picture_uri(pixels: NDArray[np.uint8]) -> str:
    """Return a small picture as a `data:` address."""
    image = Image.fromarray(pixels)
    content = io.BytesIO()
    if max(image.size) <= EXACT_SIDE:
        grey = bool((pixels == pixels[..., :1]).all())
        (image.convert("L") if grey else image).save(content, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.save(content, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def map_record(values: Floats | NDArray[np.float32], *, signed: bool) -> dict[str, Any]:
    """Return a map `[height, width]` or `[length]` in steps: 0 to 255, of signed values 128 for 0."""
    limit = float(np.abs(values).max(initial=0.0)) if signed else 1.0
    scaled = values / (limit or 1.0)
    small = _smaller(np.atleast_2d(scaled), signed=signed)
    steps = np.clip(np.rint(128 + 127 * small if signed else 255 * small), 0, 255).astype(np.uint8)
    return {
        "height": steps.shape[0],
        "width": steps.shape[1],
        "signed": signed,
        "steps": base64.b64encode(steps.tobytes()).decode(),
    }


def _explained(held: SavedMaps, found: SavedClass, place: int, layer: int | None) -> dict[str, Any]:
    number = int(found.inputs[place])
    responses = found.node_maps[place]
    order = np.argsort(-np.abs(responses).reshape(len(responses), -1).max(axis=1, initial=0), kind="stable")
    return {
        "name": shortened(held.names[number], LONGEST),
        "predicted": int(held.predicted[number]),
        "label": int(held.labels[number]),
        "picture": None if held.pictures is None else picture_uri(held.pictures[number]),
        "map": map_record(found.maps[place], signed=False),
        "layer": layer,
        "nodes": [
            {"child": int(found.nodes[node]), "map": map_record(responses[node], signed=True)}
            for node in order[:NODE_MAPS]
            if responses.ndim in (2, 3)
        ],
    }


def _round_robin(strongest: Sequence[Sequence[Strongest]]) -> Iterable[int]:
    """Yield the samples of the strongest node of every layer, then those of the second, and so on."""
    for rank in range(max(map(len, strongest), default=0)):
        for nodes in strongest:
            if rank < len(nodes):
                yield from (position for position, _ in nodes[rank].samples)


def _smaller(values: Floats | NDArray[np.float32], *, signed: bool) -> Floats:
    """Return a map with few places: each the mean, of signed values the extremum, of those it stands for."""
    height, width = values.shape
    side = MOST_PLACES if height == 1 else MAP_SIDE
    rows = np.array_split(np.arange(height), min(height, side))
    columns = np.array_split(np.arange(width), min(width, side))
    small = np.empty((len(rows), len(columns)))
    for row, over in enumerate(rows):
        for column, across in enumerate(columns):
            block = values[over[0] : over[-1] + 1, across[0] : across[-1] + 1]
            small[row, column] = block.flat[np.abs(block).argmax()] if signed else block.mean()
    return small


def _texts(record: object) -> Iterable[str]:
    """Yield every text in a record."""
    if isinstance(record, str):
        yield record
    elif isinstance(record, dict):
        for value in record.values():
            yield from _texts(value)
    elif isinstance(record, list):
        for value in record:
            yield from _texts(value)
