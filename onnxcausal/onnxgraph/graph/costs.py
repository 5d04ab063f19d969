"""What running a graph costs: multiply-adds and bytes for each sample, from its ops and the shapes of one run."""

from collections.abc import Iterable, Sequence

import numpy as np

from onnxcausal.onnxgraph.graph.index import GraphIndex, attribute, captured
from onnxcausal.onnxgraph.graph.trace import Trace


def multiply_adds(index: GraphIndex, ops: Iterable[int], trace: Trace) -> int:
    """Return the multiply-adds of convolutions and products among some ops, for one sample.

    Args:
        index: the graph.
        ops: positions of ops.
        trace: shapes of one run.
    """
    total = 0
    for number in ops:
        op = index.ops[number]
        shapes = [_shape(index, name, trace) for name in (*op.input[:2], *op.output[:1])]
        if len(shapes) < 3 or not all(shapes):  # noqa: PLR2004  # two operands and a result
            continue
        data, weight, result = shapes
        match op.op_type:
            case "Conv":
                total += int(np.prod(result) * np.prod(weight[1:]))
            case "ConvTranspose":
                total += int(np.prod(data) * np.prod(weight[1:]))
            case "Gemm":
                total += int(np.prod(result) * data[0 if attribute(op, "transA", 0) else 1])
            case "MatMul":
                total += int(np.prod(result) * data[-1])
    return -(-total // trace.batch)


def liveness_peak(index: GraphIndex, ops: Sequence[int], given: Iterable[str], trace: Trace) -> int:
    """Return the most bytes that live tensors take at once while some ops run, for one sample.

    A tensor lives from the op that makes it, or from the start if it is given, to its last use.

    Args:
        index: the graph.
        ops: positions of the ops, in the order they run.
        given: tensors there at the start.
        trace: shapes and types of one run.
    """
    last = {name: number for number in ops for name in (*index.ops[number].input, *captured(index.ops[number]))}
    alive = {name: _bytes(index, name, trace) for name in given}
    now = peak = sum(alive.values())
    for number in ops:
        op = index.ops[number]
        for name in op.output:
            alive[name] = _bytes(index, name, trace)
            now += alive[name]
        peak = max(peak, now)
        for name in {*op.input, *op.output, *captured(op)}:
            if name in alive and last.get(name, number) == number and name in last:
                now -= alive.pop(name)
    return peak


def _bytes(index: GraphIndex, name: str, trace: Trace) -> int:
    """Return what one sample of a tensor takes; fixed tensors are not counted."""
    return 0 if name in index.steady or name not in trace.shapes else trace.of_sample(name)


def _shape(index: GraphIndex, name: str, trace: Trace) -> tuple[int, ...]:
    if name in index.initializers:
        return tuple(index.initializers[name].dims)
    return trace.shapes.get(name, ())
