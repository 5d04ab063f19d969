"""Ops whose work is led by what the samples hold, not only by their shapes: made-up inputs do not show it."""

from collections.abc import Iterable, Iterator

import onnx

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.index import bodies, index_graph, steady_in

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
