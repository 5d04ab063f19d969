"""Which ops keep the channels of a tensor apart, and how."""

import onnx

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

FIRST_ALONE = frozenset(
    [
        "BatchNormalization",
        "Cast",
        "CastLike",
        "DequantizeLinear",
        "Dropout",
        "DynamicQuantizeLinear",
        "QuantizeLinear",
    ]
)
"""The same, for the first operand; the others are parameters."""

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

KEEPS_CHANNELS = POINTWISE | FIRST_ALONE | NORMALISING | SPATIAL | REDUCING | SQUASHING | MOVING | BLIND
"""Every op through which children can be followed, where its axes allow."""


def keeps_channels(op: onnx.NodeProto) -> bool:
    """Whether children can be followed through an op, where its axes allow."""
    own = op.domain in OWN_DOMAINS and op.op_type in KEEPS_CHANNELS
    return own or (op.domain == FUSED_DOMAIN and op.op_type in FUSED_POINTWISE | SKIPPING)
