"""Ops whose work is led by what the samples hold, not only by their shapes, and conditions that are not."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.external import array_of
from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.flow.constant_folding import value_of
from onnxcausal.onnxgraph.graph.index import RANDOM, GraphIndex, bodies, index_graph, steady_in
from onnxcausal.onnxgraph.runner import run_op

ENDLESS = frozenset(["Loop", "BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch"])
"""Ops that go on until a condition holds, which any tensor may decide."""
SHAPED_BY = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "CropAndResize": (3,),
    "DFT": (1, 2),
    "DynamicTimeWarping": (0,),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "If": (0,),
    "ImageDecoder": (0,),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NonMaxSuppression": (0, 1, 2, 3, 4),
    "NonZero": (0,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "RemovePadding": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 2, 3),
    "SequenceAt": (1,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "SplitToSequence": (1,),
    "Squeeze": (1,),
    "StringSplit": (0,),
    "Tile": (1, 2),
    "Tokenizer": (0,),
    "TopK": (1,),
    "Unique": (0,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}
"""Inputs whose values decide the shape of what an op makes, or which of its bodies is run.

Where none of these ops is led by the samples, every shape follows from shapes, and so does what Shape ops tell.
"""
REDUCED_BY = (1,)
"""The axes of ops that reduce."""
MOST_FOLLOWED, MOST_VALUES = 10_000, 4096
"""Ops that are followed back from a condition, and values of a tensor on the way, at most."""


def led_by_values(proto: onnx.ModelProto) -> frozenset[str]:
    """Return the types of ops, those in bodies included, whose work may follow what the samples hold.

    Args:
        proto: the model as it is run, without local functions.
    """
    steady = index_graph(proto, opset_of(proto)).steady
    return frozenset(_led(proto.graph.node, steady))


def _led(ops: Iterable[onnx.NodeProto], steady: frozenset[str]) -> Iterator[str]:
    for op in ops:
        if op.op_type in ENDLESS or any(
            op.input[position] and op.input[position] not in steady
            for position in _shaped_by(op.op_type)
            if position < len(op.input)
        ):
            yield op.op_type
        for body in bodies(op):
            yield from _led(body.node, steady_in(body, steady))


def _shaped_by(op_type: str) -> tuple[int, ...]:
    return SHAPED_BY.get(op_type, REDUCED_BY if op_type.startswith("Reduce") else ())


def condition_of(proto: onnx.ModelProto, op: onnx.NodeProto, given: Mapping[str, NDArray[np.generic]]) -> bool | None:
    """Return what the condition of an If always is; None where it depends on samples, or on their shape.

    Args:
        proto: the model.
        op: the If.
        given: what inputs hold that have one value for every sample, by name.
    """
    index = index_graph(proto, opset_of(proto))
    held = dict(given)
    pending, followed = [str(op.input[0])], 0
    while pending:
        name = pending[-1]
        if name in held:
            pending.pop()
            continue
        followed += 1
        value, missing = _made(index, name, held)
        if followed > MOST_FOLLOWED or (value is None and not missing):
            return None
        if value is None:
            pending += missing
        else:
            held[name] = value
    condition = held[str(op.input[0])]
    return bool(condition.reshape(-1)[0]) if condition.size == 1 else None


def _made(
    index: GraphIndex, name: str, held: Mapping[str, NDArray[np.generic]]
) -> tuple[NDArray[np.generic] | None, list[str]]:
    """Return what a tensor holds; else what must be known first; neither where it cannot be known."""
    stored, op = index.initializers.get(name), index.producing(name)
    if stored is not None:
        return (array_of(stored) if prod(stored.dims) <= MOST_VALUES else None), []
    if op is None or op.domain not in ("", "ai.onnx") or any(bodies(op)) or op.op_type in RANDOM:
        return None, []
    if op.op_type == "Constant":
        return value_of(index, name), []
    missing = [str(given) for given in op.input if given and given not in held]
    if missing:
        return None, missing
    try:
        found = run_op(op, [held[given] if given else None for given in op.input], index.opset)
    except ModelError:
        return None, []
    made = dict(zip([output for output in op.output if output], found, strict=True))[name]
    return (made if made.size <= MOST_VALUES else None), []
