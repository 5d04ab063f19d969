"""What ops do with the channels of a tensor: which keep them apart, which mix them, and along which axes.

Both who follows channels (`flow.channel_rules`) and who removes them (`pruning.rules`) read it here: an op that is
added to the set that fits it, and to `mixed_axes` where it mixes along axes of its own, is known to both. Where its
axes stand in an operand, removal follows reductions alone and refuses the others.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.onnxgraph.graph.index import attribute, integers

Shape: TypeAlias = tuple[int, ...]

POINTWISE = frozenset(
    [
        "Abs",
        "Acos",
        "Acosh",
        "Add",
        "And",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "BitShift",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "Cosh",
        "Div",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "IsInf",
        "IsNaN",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Mean",
        "Min",
        "Mish",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
        "Pow",
        "Reciprocal",
        "Relu",
        "Round",
        "Selu",
        "Shrink",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Sum",
        "Swish",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
        "Where",
        "Xor",
    ]
)
"""Each position of the result depends on the same position of the operands alone."""

WITHOUT_PARAMETERS = frozenset(["Cast", "CastLike", "Dropout"])
"""The same, for the first operand; no other has anything of a channel."""

QUANTISING = frozenset(["DequantizeLinear", "QuantizeLinear"])
"""The same, for the first operand; scales and zero points may have a value a channel, along the op's axis."""

PER_CHANNEL = {"BatchNormalization": 4, "InstanceNormalization": 2}
"""Ops whose operands after the first have one value a channel, and how many of these there are."""

FIRST_ALONE = WITHOUT_PARAMETERS | QUANTISING | {"BatchNormalization", "DynamicQuantizeLinear"}
"""Each position of the result depends on the same position of the first operand alone; the others are parameters."""

NORMALISING = frozenset(
    [
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
    ]
)
"""Same channel, but for statistics that mix a little."""

SPATIAL = frozenset(
    ["AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool", "Resize", "Upsample"]
)
"""Mix along the axes they act on, and only along those."""

REDUCING = frozenset(
    [
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
    ]
)
"""Mix along the reduced axes."""

SQUASHING = frozenset(["Softmax", "LogSoftmax", "Hardmax"])
"""Mix along their axis."""

MOVING = frozenset(
    [
        "Concat",
        "DepthToSpace",
        "Expand",
        "Flatten",
        "Gather",
        "Pad",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
    ]
)
"""Copy values to other positions."""

BLIND = frozenset(["ConstantOfShape", "Shape", "Size"])
"""Their result does not depend on values."""

FUSED_POINTWISE = frozenset(["BiasGelu", "FastGelu", "Gelu", "QuickGelu"])
"""The same as `POINTWISE`, of the domain com.microsoft."""

SKIPPING = frozenset(["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
"""Normalise the sum of two tensors, of the domain com.microsoft; the fourth output is that sum."""
OWN_DOMAINS = ("", "ai.onnx")
FUSED_DOMAIN = "com.microsoft"

ALONG_AXES = NORMALISING | SPATIAL | REDUCING | SQUASHING
"""Mix what the first operand holds, along `mixed_axes` alone."""

TOLD_BY_OPERANDS = MOVING | REDUCING
"""Ops whose operands after the first say what they do: where values go, which axes are reduced."""

KEEPS_CHANNELS = POINTWISE | FIRST_ALONE | ALONG_AXES | MOVING | BLIND
"""Every op through which children can be followed, where its axes allow."""


def keeps_channels(op: onnx.NodeProto) -> bool:
    """Whether children can be followed through an op, where its axes allow."""
    own = op.domain in OWN_DOMAINS and op.op_type in KEEPS_CHANNELS
    return own or (op.domain == FUSED_DOMAIN and op.op_type in FUSED_POINTWISE | SKIPPING)


NORMALISING_TO_THE_END = frozenset(["LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"])
"""Normalise along their axis and all after it."""
RESIZING = frozenset(["Resize", "Upsample"])
"""Act on the axes whose size they change."""
SOFTMAX_PER_AXIS_OPSET = 13
"""Before it, Softmax runs over all axes from its axis on."""
FIRST_OF_MAPS = 2
"""The first axis of rows and columns: samples and channels stand before it."""


def mixed_axes(
    op: onnx.NodeProto,
    before: Shape,
    after: Shape | None,
    opset: int,
    axes: NDArray[np.generic] | None = None,
) -> Sequence[int] | None:
    """Return the axes of the first operand along which an op mixes what it holds; None where they are not known.

    Args:
        op: an op of the default domain, of which the first operand has channels.
        before: shape of that operand.
        after: shape of the first result; None where it is not known.
        opset: version of the default operator set.
        axes: what the second operand holds, of an op that takes its axes there; None where that is not known.

    >>> softmax = onnx.helper.make_node("Softmax", ["x"], ["y"], axis=1)
    >>> list(mixed_axes(softmax, (2, 3, 4), (2, 3, 4), 13)), list(mixed_axes(softmax, (2, 3, 4), (2, 3, 4), 12))
    ([1], [1, 2])
    """
    rank = len(before)
    if op.op_type in REDUCING:
        return _reduced_axes(op, rank, axes)
    if op.op_type in SPATIAL:
        return _spatial_axes(op, before, after)
    if op.op_type in SQUASHING:
        from_axis = attribute(op, "axis", -1 if opset >= SOFTMAX_PER_AXIS_OPSET else 1) % rank
        return (from_axis,) if opset >= SOFTMAX_PER_AXIS_OPSET else range(from_axis, rank)
    if op.op_type in NORMALISING:
        return _normalised_axes(op, rank)
    return () if op.op_type in FIRST_ALONE else None


def holds_data(op: onnx.NodeProto, position: int) -> bool:
    """Whether an operand of an op that moves values is moved; else it says how others are."""
    return position == 0 or op.op_type == "Concat"


def drops_axes(op: onnx.NodeProto) -> bool:
    """Whether the result of a reduction lacks the axes that are reduced."""
    return op.op_type in REDUCING and not attribute(op, "keepdims", 1)


def _reduced_axes(op: onnx.NodeProto, rank: int, given: NDArray[np.generic] | None) -> tuple[int, ...] | None:
    axes = integers(op, "axes")
    if axes is None and len(op.input) > 1 and op.input[1]:
        if given is None:
            return None
        axes = tuple(int(axis) for axis in np.atleast_1d(given))
    if not axes:
        axes = () if attribute(op, "noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(axis % rank for axis in axes)


def _spatial_axes(op: onnx.NodeProto, before: Shape, after: Shape | None) -> Sequence[int] | None:
    if after is None or len(after) != len(before):
        return None
    if op.op_type in RESIZING:
        return tuple(axis for axis, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    return range(FIRST_OF_MAPS, len(before))


def _normalised_axes(op: onnx.NodeProto, rank: int) -> Sequence[int]:
    if op.op_type in NORMALISING_TO_THE_END:
        return range(attribute(op, "axis", -1) % rank, rank)
    match op.op_type:
        case "InstanceNormalization":
            return range(FIRST_OF_MAPS, rank)
        case "LpNormalization":
            return (attribute(op, "axis", -1) % rank,)
        case "MeanVarianceNormalization":
            return tuple(axis % rank for axis in integers(op, "axes") or (0, 2, 3))
        case "LRN":
            return (1,)
        case _:  # GroupNormalization
            return range(rank)
