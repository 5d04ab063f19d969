"""What the parents of layers take on made-up inputs: where no data are at hand, all there is to hold their means to."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model, damage_told
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.forms.equivalence import BATCHES, drawn_feed
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.data_dependent import led_by_values
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import cut_model
from onnxcausal.onnxgraph.runner import run_feeds

SCALES = (1.0, 255.0)
"""What normal inputs are multiplied by: features are about 1 large mostly, grey levels reach 255."""
DRAWN = 2
"""Batches of each scale."""
SEED = 0
"""Of the inputs, which are the same for everyone."""


def made_up_ranges(
    model: Model, names: Collection[str], *, output: str | None = None, task: Task | None = None
) -> tuple[dict[str, tuple[float, float]], str]:
    """Return the least and the largest value that any parent of a layer takes on made-up inputs, and why there is none.

    The second is empty where the first holds every layer.

    Args:
        model: the model.
        names: layers, as the analysis names them.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.

    Raises:
        ModelError: the model cannot be analysed.
    """
    cut = cut_model(model, output, task)
    with damage_told(model.name):
        data = {layer.name: layer.data for layer in find_layers(index_graph(cut.proto, model.opset))}
        if led_by_values(cut.proto):
            return {}, "what it does is decided by the values of its inputs"
        given = {value.name for value in cut.proto.graph.input}
        inner = sorted({data[name] for name in names if name in data} - given)
        shown = cut_at(cut.proto, [*inner, cut.outcome.tensor])
        why = "its inputs are not all numbers of a known shape"
        for batch in BATCHES:  # some files with an open batch take one sample only
            feeds = _feeds(shown, batch)
            if not feeds:
                break
            try:
                found = run_feeds(shown, model.name, feeds)
            except ModelError as error:
                why = f"it does not run on made-up inputs: {error.why}"
                continue
            taken = {name: _range(feed[name] for feed in feeds) for name in feeds[0]}
            taken |= {name: _range(outputs[place] for outputs in found) for place, name in enumerate(inner)}
            return {name: taken[data[name]] for name in names if data.get(name) in taken}, ""
    return {}, why


def _feeds(proto: onnx.ModelProto, batch: int) -> list[dict[str, NDArray[np.generic]]]:
    """Return made-up inputs of every scale; none where there can be none."""
    rng = np.random.default_rng(SEED)
    feeds = []
    for scale in SCALES * DRAWN:
        feed = drawn_feed(proto, rng, batch)
        if feed is not None:
            feeds.append({name: _scaled(value, scale) for name, value in feed.items()})
    return feeds


def _range(values: Iterable[object]) -> tuple[float, float]:
    """Return the least and the largest of finite numbers; where there are none, a range in which no number lies."""
    least, most = np.inf, -np.inf
    for held in values:
        finite = held[np.isfinite(held)] if isinstance(held, np.ndarray) else np.empty(0)
        if finite.size:
            least, most = min(least, float(finite.min())), max(most, float(finite.max()))
    return least, most


def _scaled(value: NDArray[Any], scale: float) -> NDArray[Any]:
    """Return numbers multiplied; whole ones as they are."""
    return np.asarray(value * scale, value.dtype) if value.dtype.kind == "f" else value
