"""How many samples a model may be run on at once: any number, proven by a differential test, else one batch at a time.

Vendors fix the batch to 1, write it into Reshape shapes, reduce over it, or quantise by the range of the whole batch.
No check of the graph tells all of these, so a candidate must give five different samples, together, the scores that
the original gives them one by one.
"""

from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.normalisation import ranges
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Rows
from onnxcausal.onnxgraph.lowering.dynamic import quantise_by_sample
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.runner.deadline import StoppedError
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.onnxgraph.runner.rounding import FLOAT_NOISE
from onnxcausal.samples.source import Inputs

COMPARED = 5
"""Samples that are run one by one and together."""
FEWEST_COMPARED = 2
"""One sample alone tells nothing."""
ALLOWED = 15 * FLOAT_NOISE
"""Largest difference that rounding explains, in units of the float type's epsilon times the largest score."""
RECURRENT = frozenset(["GRU", "LSTM", "RNN"])
INITIAL_STATES = (5, 6)
"""Inputs of recurrent ops that hold one state per sample."""


def settle_batch(network: Network, x: Inputs, provider: Provider | None = None) -> Network:
    """Return the network as it may be run on batches, with a note where that is not the file's own way.

    Args:
        network: the network.
        x: samples, `[samples, ...]`; those that differ are compared, of which it takes two at least.
        provider: execution provider.

    Raises:
        ModelError: samples of the batch that the model is fixed to influence each other.
    """
    some = _different(x)
    if len(some) < FEWEST_COMPARED:
        return network
    fixed = network.plain.batch
    try:
        alone = _scores(network, np.repeat(some, fixed or 1, axis=0), fixed or 1)[:: fixed or 1]
    except StoppedError:
        raise
    except ModelError:
        return network  # what fails is refused where it is used
    finite = alone.dtype.kind == "f" and bool(np.isfinite(alone).all())
    if not finite or (not fixed and not _quantises(network.proto) and _agree(alone, network, some)):
        return network  # what is not finite, or no score, is refused where it is used
    opened = _proven(network, alone, some, provider)
    if opened is not None:
        return opened
    if fixed:
        if fixed > 1 and not _agree(alone, network, some):
            raise _interacting(network, fixed)
        why = (
            f"the model is fixed to batches of {fixed} and gives other scores when it is opened: run {fixed} at a time"
        )
        return replace(network, notes=(*network.notes, why))
    spec = replace(network.spec, shape=(1, *network.spec.shape[1:]))
    looped = replace(network, spec=spec, plain=network.runner(network.proto, provider, spec))
    why = "the outcome of a sample depends on the others in its batch: samples are run one at a time"
    if _fails(network, some):
        why = f"the model fails on {len(some)} samples together: they are run one at a time"
    return replace(looped, notes=(*network.notes, why))


def _fails(network: Network, x: Inputs) -> bool:
    """Whether samples cannot be run together at all."""
    try:
        _scores(network, x, len(x))
    except StoppedError:
        raise
    except ModelError:
        return True
    return False


def _proven(network: Network, alone: NDArray[np.floating], x: Inputs, provider: Provider | None) -> Network | None:
    """Return the network as it takes any batch, None where that gives other scores."""
    fixed, quantises = network.plain.batch, _quantises(network.proto)
    proto, notes = network.proto, []
    if fixed:
        proto = with_open_batch(proto, network.spec.name, fixed)
        notes.append(f"the model is fixed to batches of {fixed} and was opened for any")
    elif not quantises:
        return None
    opened = _opened(network, proto, provider)
    if opened is not None and quantises:
        if not _laid_out_by_sample(opened, x):
            return None
        opened = _opened(network, quantise_by_sample(proto), provider)
        notes.append("ranges of dynamic quantisation are those of each sample, as when it is run alone")
    if opened is None or not _agree(alone, opened, x):
        return None
    notes[-1] += f"; {len(x)} samples had the same scores together"
    return replace(opened, notes=(*network.notes, *notes), statistics=ranges(network.proto.graph.node))


def _laid_out_by_sample(network: Network, x: Inputs) -> bool:
    """Whether everything that is quantised by its own range has one row for each sample."""
    inputs = [op.input[0] for op in network.proto.graph.node if op.op_type == "DynamicQuantizeLinear"]
    shown = cut_at(network.proto, inputs)
    made = [name for name in inputs if name != network.spec.name]
    if not made:
        return True
    trace = network.runner(shown).trace(x, made)
    return all(trace.rows.get(name) == Rows(0, 1) for name in made)


def _quantises(proto: onnx.ModelProto) -> bool:
    return any(op.op_type == "DynamicQuantizeLinear" for op in proto.graph.node)


def _different(x: Inputs) -> Inputs:
    """Return the first few samples that differ from each other."""
    if not len(x):
        return x
    _, first = np.unique(x.reshape(len(x), -1), axis=0, return_index=True)
    return x[np.sort(first)[:COMPARED]]


def _interacting(network: Network, fixed: int) -> ModelError:
    return ModelError(
        "samples of one batch change each other's scores",
        where=f"{network.model.name}, input {network.spec}",
        why=f"the model is fixed to batches of {fixed}, in which a sample has other scores beside others than beside "
        "copies of itself",
        remedy="export the model with a batch size of 1",
    )


def with_open_batch(proto: onnx.ModelProto, data: str, batch: int) -> onnx.ModelProto:
    """Return a model whose input takes any number of samples, where a file fixes it.

    Shapes of Reshape ops that begin with the batch take what is left, or what they are given; initial states of
    recurrent ops that are 0 are left out. The caller compares.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    index = index_graph(changed, opset_of(changed))
    for value in changed.graph.input:
        if value.name == data:
            value.type.tensor_type.shape.dim[0].Clear()
            value.type.tensor_type.shape.dim[0].dim_param = "samples"
    for op in changed.graph.node:
        if op.op_type == "Reshape":
            _open_shape(changed, index.initializers.get(op.input[1]), index.producing(op.input[1]), op, batch)
        elif op.op_type in RECURRENT:
            for position in INITIAL_STATES:
                stored = index.initializers.get(op.input[position]) if position < len(op.input) else None
                if stored is not None and not numpy_helper.to_array(stored).any():
                    op.input[position] = ""
    return changed


def _open_shape(
    proto: onnx.ModelProto,
    stored: onnx.TensorProto | None,
    producer: onnx.NodeProto | None,
    op: onnx.NodeProto,
    batch: int,
) -> None:
    """Give a Reshape a shape of its own that leaves the first size open, where that is a number of samples."""
    if stored is None and producer is not None and producer.op_type == "Constant":
        stored = next((entry.t for entry in producer.attribute if entry.name == "value"), None)
    if stored is None:
        return
    sizes = numpy_helper.to_array(stored).copy()
    if sizes.ndim != 1 or not len(sizes) or sizes[0] <= 0 or sizes[0] % batch:
        return
    sizes[0] = 0 if -1 in sizes else -1
    name = f"onnxcausal/open/{op.output[0]}"
    proto.graph.initializer.append(numpy_helper.from_array(sizes, name))
    op.input[1] = name


def _opened(network: Network, proto: onnx.ModelProto, provider: Provider | None) -> Network | None:
    """Return the network on another model, None where ONNX Runtime refuses it."""
    spec = replace(network.spec, shape=(None, *network.spec.shape[1:]))
    try:
        return replace(network, spec=spec, proto=proto, plain=network.runner(proto, provider, spec))
    except ModelError:
        return None


def _scores(network: Network, x: Inputs, batch: int) -> NDArray[np.floating]:
    scores = network.plain.run(x, [network.outcome.tensor], batch=batch)[0]
    return scores.reshape(len(scores), -1)


def _agree(alone: NDArray[np.floating], network: Network, x: Inputs) -> bool:
    """Whether samples have the same scores together as one by one."""
    try:
        scores = _scores(network, x, len(x))
    except StoppedError:
        raise
    except ModelError:
        return False
    if scores.shape != alone.shape:
        return False
    unit = float(np.finfo(alone.dtype).eps) * float(np.abs(alone).max(initial=0.0))
    return bool(np.abs(scores - alone).max(initial=0.0) <= ALLOWED * unit)
