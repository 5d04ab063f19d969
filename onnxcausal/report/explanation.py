"""What people look at of an explanation: one picture per input."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context

from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.analysis.result.explanation import UNKNOWN, ClassMaps, Explanation
from onnxcausal.causal.attribution import peak_of
from onnxcausal.causal.outcome import Floats
from onnxcausal.report.figures.plots import place_plot
from onnxcausal.report.figures.tiles import Pixels, Tile, coloured, page
from onnxcausal.report.figures.why import why_wrong
from onnxcausal.report.text import shortened

MOST_PANELS = 6
"""Nodes shown for an input."""
OVERLAY = 0.65
"""Opacity of the map where it is 1."""
LONGEST_NAME = 60


def explanation_files(explanation: Explanation) -> dict[str, bytes]:
    """Return a picture of every input that has a map, and one more of each that the model decides wrongly, by name."""
    files = {}
    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        for number in range(len(explanation.names)):
            held = explanation.of_class(int(explanation.targets[number]))
            if held is not None and held.of(number) is not None:
                files[f"{file_stem(explanation, number)}.png"] = _picture(explanation, held, number)
        for number in explanation.wrong.tolist():
            pair = [explanation.of_class(int(each[number])) for each in (explanation.targets, explanation.labels)]
            if pair[0] is not None and pair[1] is not None:
                stem = file_stem(explanation, number)
                files[f"why-{stem}.png"] = why_wrong(explanation, pair[0], pair[1], number)
    return files


def file_stem(explanation: Explanation, number: int) -> str:
    """Return the name of an input's picture without its ending: its number and what of its name any disk takes."""
    return stem_of(explanation.names[number], number, len(explanation.names))


def stem_of(name: str, number: int, count: int) -> str:
    """Return the name of a picture without its ending, given its input's name and position among so many.

    >>> stem_of("cats/tom & jerry.png", 3, 20)
    '03-cats_tom_jerry'
    """
    stem = name if name.endswith("]") else str(Path(name).with_suffix(""))
    letters = re.sub(r"[^\w.-]+", "_", stem).strip("_.")[-LONGEST_NAME:]
    return f"{number:0{len(str(count - 1))}}-{letters}"


def pictures_of(names: Sequence[str]) -> set[str]:
    """Return the names of all pictures that may be written for inputs of the given names."""
    stems = [stem_of(name, number, len(names)) for number, name in enumerate(names)]
    return {f"{before}{stem}.png" for stem in stems for before in ("", "why-")}


def overlaid(picture: Pixels, values: Floats) -> Pixels:
    """Return a picture under a map `[height, width]` from 0 to 1: the higher, the more the map shows."""
    colours = coloured(values, "inferno", 0, 1).astype(np.float64)
    share = OVERLAY * np.clip(values, 0, 1)[..., None]
    grey = picture.astype(np.float64).mean(axis=-1, keepdims=True)
    return np.asarray((1 - share) * grey + share * colours, np.uint8)


def title(explanation: Explanation, number: int) -> str:
    """Return the line above an input's picture: its name, what the model says and what it is."""
    names = explanation.class_names
    told = f"{shortened(explanation.names[number], 50)}: {title_of(int(explanation.predicted[number]), names)}"
    own = int(explanation.labels[number])
    if own == UNKNOWN:
        return told
    right = own == int(explanation.predicted[number])
    return f"{told} (right)" if right else f"{told} (wrong: it is {title_of(own, names)})"


def _picture(explanation: Explanation, held: ClassMaps, number: int) -> bytes:
    place = held.of(number)
    assert place is not None
    values = held.maps[place]
    if explanation.pictures is None or values.ndim == 1:
        return place_plot(title(explanation, number), explanation.x[number], values, held, place)
    name = title_of(held.route.target, explanation.class_names)
    picture = explanation.pictures[number]
    layers = held.layers[0] if len(held.layers) == 1 else f"{len(held.layers)} layers"
    tiles = [
        Tile(picture, "input"),
        Tile(coloured(values, "inferno", 0, 1), f"map for class {name}\n{shortened(layers, 26)}"),
        Tile(overlaid(picture, values), "over the input"),
    ]
    responses = held.node_maps[place]
    if responses.ndim == values.ndim + 1:
        # The nodes that respond most to this input come first.
        order = np.argsort(-np.abs(responses).reshape(len(responses), -1).max(axis=1), kind="stable")[:MOST_PANELS]
        tiles += [_panel(responses[node], int(held.nodes[node]), held.node_layer) for node in order]
    return page(title(explanation, number), tiles)


def _panel(response: Floats, node: int, layer: str) -> Tile:
    """Return the signed response of one node with its peak."""
    limit = float(np.abs(response).max())
    peak = peak_of(response)
    height, width = response.shape
    place = ((peak.row + 0.5) / height, (peak.column + 0.5) / width)
    return Tile(coloured(response, "PuOr_r", -limit, limit), f"node {node}\n{shortened(layer, 26)}", place)
