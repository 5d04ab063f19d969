"""Layers that a graph optimiser fused with what follows them (com.microsoft), taken apart again."""

from typing import Any

import numpy as np
from onnx import numpy_helper

from onnxcausal.onnxgraph.graph.index import attribute
from onnxcausal.onnxgraph.lowering.expansion import Expansion

CLIP_OF_INPUTS = 11
"""Opset from which Clip takes its bounds as inputs."""
CONVOLUTION = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
MATRIX_AXES = 2
PARAMETERS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Elu": ("alpha",), "Selu": ("alpha", "gamma")}
"""Attributes of activations, in the order in which a fused op lists them."""
PLAIN = frozenset(["Relu", "Tanh", "Sigmoid", "Softplus", "Softsign"])
"""Activations without attributes."""


def fused_conv(e: Expansion) -> bool:
    """FusedConv: x, w, bias, a tensor to add; then an activation."""
    kept = e.settings(*CONVOLUTION)
    total = e.add("Conv", [name for name in (e.given(i) for i in range(3)) if name], name=e.op.name, **kept)
    if e.given(3):
        total = e.add("Add", [total, e.given(3)])
    settings = e.settings("activation", "activation_params")
    return _activated(e, total, settings.get("activation", b""), settings.get("activation_params", []))


def fused_gemm(e: Expansion) -> bool:
    """FusedGemm: a, b, c; then an activation."""
    kept = e.settings("alpha", "beta", "transA", "transB")
    total = e.add("Gemm", [name for name in (e.given(i) for i in range(3)) if name], name=e.op.name, **kept)
    names = ("activation_alpha", "activation_beta", "activation_gamma")
    parameters = [value for name, value in e.settings(*names).items() if isinstance(value, float)]
    return _activated(e, total, e.settings("activation").get("activation", b""), parameters)


def fused_matmul(e: Expansion) -> bool:
    """FusedMatMul: a, b, either transposed in its last two axes, times alpha."""
    if attribute(e.op, "transBatchA", 0) or attribute(e.op, "transBatchB", 0):
        return False
    operands = []
    for position, name in enumerate(("transA", "transB")):
        operand = e.given(position)
        if attribute(e.op, name, 0):
            rank = e.rank(operand)
            if rank is None or rank < MATRIX_AXES:
                return False
            operand = e.add("Transpose", [operand], perm=[*range(rank - 2), rank - 1, rank - 2])
        operands.append(operand)
    alpha = e.settings("alpha").get("alpha", 1.0)
    output = e.op.output[0]
    total = e.add("MatMul", operands, name=e.op.name, output=output if alpha == 1.0 else "")
    if alpha != 1.0:
        stored = next((name for name in e.op.input if e.tensor(name) is not None), "")
        e.add("Mul", [total, e.constant(np.array(alpha, e.dtype(stored)))], output=output)
    return True


def matmul_nbits(e: Expansion) -> bool:
    """MatMulNBits: a, weight packed in blocks `[children, blocks, bytes]`, scales, zero points; the bias last."""
    weight, scales, zeros = (e.tensor(e.given(i)) for i in (1, 2, 3))
    bits, block = attribute(e.op, "bits", 4), attribute(e.op, "block_size", 0)
    parents, children = attribute(e.op, "K", 0), attribute(e.op, "N", 0)
    if weight is None or scales is None or bits not in (4, 8) or e.given(4) or (zeros is None and e.given(3)):
        return False
    blocks = -(-parents // block)
    levels = _unpacked(numpy_helper.to_array(weight), bits).reshape(children, blocks, -1)[:, :, :block]
    steps = numpy_helper.to_array(scales).reshape(children, blocks, 1)
    offsets = np.full((children, blocks), 2 ** (bits - 1), np.float32)
    if zeros is not None:
        packed = numpy_helper.to_array(zeros).reshape(children, -1)
        offsets = (packed if packed.dtype.kind == "f" else _unpacked(packed, bits))[:, :blocks].astype(np.float32)
    full = (levels.astype(np.float32) - offsets[:, :, None]) * steps.astype(np.float32)
    matrix = full.reshape(children, -1)[:, :parents].T.astype(steps.dtype)
    bias = e.given(5)
    total = e.add(
        "MatMul",
        [e.given(0), e.constant(np.ascontiguousarray(matrix))],
        name=e.op.name,
        output="" if bias else e.op.output[0],
    )
    if bias:
        e.add("Add", [total, bias], output=e.op.output[0])
    return True


def _unpacked(values: np.ndarray, bits: int) -> np.ndarray:
    """Return numbers of 4 or 8 bits along the last axis; the lower half of a byte comes first."""
    if bits == 8:  # noqa: PLR2004
        return values
    return np.stack([values & 15, values >> 4], axis=-1).reshape(*values.shape[:-1], -1)


def _activated(e: Expansion, total: str, activation: object, parameters: object) -> bool:
    """Make the op's output: its sum through an activation."""
    name = activation.decode() if isinstance(activation, bytes) else ""
    values = [float(value) for value in parameters] if isinstance(parameters, list | tuple) else []
    output = e.op.output[0]
    if name == "Clip" and len(values) == 2:  # noqa: PLR2004
        if e.index.opset < CLIP_OF_INPUTS:
            e.add("Clip", [total], output=output, min=values[0], max=values[1])
        else:
            bounds = [e.constant(np.array(value, e.dtype(e.given(1)))) for value in values]
            e.add("Clip", [total, *bounds], output=output)
    elif name in PARAMETERS:
        settings: dict[str, Any] = dict(zip(PARAMETERS[name], values, strict=False))
        e.add(name, [total], output=output, **settings)
    elif name in PLAIN:
        e.add(name, [total], output=output)
    elif not name:
        e.add("Identity", [total], output=output)
    else:
        return False
    return True
