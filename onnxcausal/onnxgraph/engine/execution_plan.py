"""How interventions on each layer are run: by its suffix, in closed form, or, where neither fits, whole."""

from dataclasses import dataclass

import numpy as np

from onnxcausal.onnxgraph.engine.contribution import ContributionForm, find_form
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.flow.suffix import Suffix, find_suffix
from onnxcausal.onnxgraph.graph.costs import liveness_peak, multiply_adds
from onnxcausal.onnxgraph.graph.index import GraphIndex
from onnxcausal.onnxgraph.graph.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class ExecutionPlan:
    """How interventions on one layer are run.

    Attributes:
        form: how the contributions of its paths are computed.
        suffix: what is re-executed after it.
        closed: whether a change of its output is the same change of the class scores, so that nothing is re-executed.
        row_bytes: what the tensors of one pair of node and sample take while the suffix runs.
        work: multiply-adds of one such pair.
    """

    form: ContributionForm
    suffix: Suffix
    closed: bool
    row_bytes: int
    work: int

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.form.layer

    @property
    def tensors(self) -> tuple[str, ...]:
        """What must be known of the unmodified run."""
        return (self.layer.data, *(() if self.closed else (self.layer.output, *self.suffix.crossing)))


def find_route(index: GraphIndex, layer: Layer, outcome: str, trace: Trace) -> ExecutionPlan | str:
    """Return how interventions on a layer are run, or why its suffix does not serve.

    Args:
        index: the graph, cut at the class scores.
        layer: the layer.
        outcome: tensor of the class scores.
        trace: shapes and types of one run.
    """
    weight = value_of(index, index.ops[layer.op].input[layer.weight_input])
    assert weight is not None, layer.name
    form = find_form(index, layer, weight, trace)
    if form is None:
        return "its data and its output are not laid out sample by sample"
    suffix = find_suffix(index, layer)
    mixed = [name for name in suffix.crossing if name not in trace.rows]
    if mixed:
        return f"tensor {mixed[0]}, which its suffix needs, is not laid out sample by sample"
    grid = 2 * trace.of_sample(layer.output)
    peak = liveness_peak(index, suffix.ops, [layer.output, *suffix.crossing], trace)
    own = multiply_adds(index, [layer.op], trace) // max(1, layer.parents)
    return ExecutionPlan(
        form=form,
        suffix=suffix,
        closed=_is_closed(form, suffix, outcome, trace),
        row_bytes=grid + peak,
        work=own + multiply_adds(index, suffix.ops, trace),
    )


def _is_closed(form: ContributionForm, suffix: Suffix, outcome: str, trace: Trace) -> bool:
    """Whether each child of a product is one class score, in the same order."""
    layer = form.layer
    if form.convolves or not suffix.linear:
        return False
    rows = trace.rows.get(layer.output), trace.rows.get(outcome)
    flat = all(place is not None and (place.axis, place.multiple) == (0, 1) for place in rows)
    sizes = {int(np.prod(trace.shapes[name])) // trace.batch for name in (layer.output, outcome)}
    return flat and sizes == {layer.children}
