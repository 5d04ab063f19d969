"""The rewrites in their order: what ops that hide their weights are replaced by."""

from collections import Counter
from dataclasses import dataclass

import onnx

from onnxcausal.onnxgraph.file.model import opset_of
from onnxcausal.onnxgraph.graph.edits import names_in
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.lowering import dynamic, fused, integers, qdq, quantised
from onnxcausal.onnxgraph.lowering.expansion import Rule, expand
from onnxcausal.onnxgraph.lowering.widen import holds_bfloat16, widened

CONTRIB = "com.microsoft"
POOLING = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")
OLDEST_QUANTISED = 10
"""Opset of the first quantised ops."""
FUSED: dict[tuple[str, str], Rule] = {
    (CONTRIB, "FusedConv"): fused.fused_conv,
    (CONTRIB, "FusedGemm"): fused.fused_gemm,
    (CONTRIB, "FusedMatMul"): fused.fused_matmul,
    (CONTRIB, "TransposeMatMul"): fused.fused_matmul,
    (CONTRIB, "MatMulNBits"): fused.matmul_nbits,
}
QUANTISED: dict[tuple[str, str], Rule] = {
    ("", "QLinearConv"): integers.qlinear_conv,
    ("", "QLinearMatMul"): integers.qlinear_matmul,
    (CONTRIB, "QGemm"): integers.qgemm,
    ("", "ConvInteger"): integers.conv_integer,
    ("", "MatMulInteger"): integers.matmul_integer,
    (CONTRIB, "DynamicQuantizeMatMul"): dynamic.dynamic_quantize_matmul,
    (CONTRIB, "MatMulIntegerToFloat"): dynamic.matmul_integer_to_float,
    (CONTRIB, "QLinearAdd"): quantised.binary("Add"),
    (CONTRIB, "QLinearMul"): quantised.binary("Mul"),
    (CONTRIB, "QLinearSigmoid"): quantised.unary("Sigmoid"),
    (CONTRIB, "QLinearLeakyRelu"): quantised.unary("LeakyRelu", "alpha"),
    (CONTRIB, "QLinearAveragePool"): quantised.unary("AveragePool", *POOLING),
    (CONTRIB, "QLinearGlobalAveragePool"): quantised.unary("GlobalAveragePool"),
    (CONTRIB, "QLinearSoftmax"): quantised.softmax,
    (CONTRIB, "QLinearConcat"): quantised.concat,
}
BETWEEN_QDQ: dict[tuple[str, str], Rule] = {
    ("", "Conv"): qdq.qdq_conv,
    ("", "Gemm"): qdq.qdq_gemm,
    ("", "MatMul"): qdq.qdq_matmul,
}


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A model whose layers show their weights.

    Attributes:
        proto: the model.
        notes: what was rewritten, one sentence each.
    """

    proto: onnx.ModelProto
    notes: tuple[str, ...]


def lower(proto: onnx.ModelProto) -> Lowered:
    """Return a model that computes the same with layers in place of quantised and fused ops.

    Args:
        proto: a model without local functions; not changed.
    """
    notes = []
    if holds_bfloat16(proto):
        proto = widened(proto)
        notes.append("bfloat16 is computed in float32: weights are the same, rounding in between is finer")
    present = {(op.domain, op.op_type) for op in proto.graph.node}
    between = {"DequantizeLinear"} & {op_type for _, op_type in present}
    if not between and present.isdisjoint(FUSED.keys() | QUANTISED.keys()):
        return Lowered(proto, tuple(notes))
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    taken = names_in(changed.graph)
    opset = opset_of(changed)
    replaced = Counter(expand(changed, index_graph(changed, opset), FUSED, taken))
    whole = Counter[str]()
    if opset >= OLDEST_QUANTISED:
        whole.update(expand(changed, index_graph(changed, opset), QUANTISED, taken))
        whole.update(expand(changed, index_graph(changed, opset), BETWEEN_QDQ, taken))
    if replaced:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(replaced.items()))
        notes.append(f"fused ops are computed as the ops they are made of, in the model's float type ({kinds})")
    if whole:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(whole.items()))
        notes.append(
            f"quantised ops are computed on whole numbers in float32 ({kinds}): effects are those of the quantised "
            "model, a path is removed by setting its quantised weights to their zero point"
        )
    return Lowered(changed if replaced or whole else proto, tuple(notes))
