"""ONNX Runtime's own operators in float64, from their definitions."""

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun
from scipy.special import erf

Array = NDArray[np.float64]


def _gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + erf(x / np.sqrt(2))))


class BiasGelu(OpRun):
    """GELU of a sum."""

    op_domain = "com.microsoft"

    def _run(self, x: Array, bias: Array) -> tuple[Array]:
        return (_gelu(x + bias),)


class FastGelu(OpRun):
    """GELU by its tanh approximation (Hendrycks and Gimpel 2016)."""

    op_domain = "com.microsoft"

    def _run(self, x: Array, bias: Array | None = None) -> tuple[Array]:
        y = x if bias is None else x + bias
        return (0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3))),)


class QuickGelu(OpRun):
    """GELU by a sigmoid."""

    op_domain = "com.microsoft"

    def _run(self, x: Array, *, alpha: float | None = None) -> tuple[Array]:
        return (x / (1 + np.exp(-(1.702 if alpha is None else alpha) * x)),)


class SkipLayerNormalization(OpRun):
    """LayerNormalization of a sum, over the last axis."""

    op_domain = "com.microsoft"

    def _run(
        self,
        x: Array,
        skip: Array,
        gamma: Array,
        beta: Array | None = None,
        bias: Array | None = None,
        *,
        epsilon: float | None = None,
    ) -> tuple[Array, ...]:
        total = x + skip + (0 if bias is None else bias)
        centred = total - total.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + (1e-12 if epsilon is None else epsilon))
        result = centred / deviation * gamma + (0 if beta is None else beta)
        return (result, np.zeros(1), np.zeros(1), total)[: len(self.onnx_node.output)]


class FusedMatMul(OpRun):
    """`alpha A' B'`, the last two axes of each exchanged where that is asked for."""

    op_domain = "com.microsoft"

    def _run(
        self,
        a: Array,
        b: Array,
        *,
        alpha: float | None = None,
        transA: int | None = None,
        transB: int | None = None,
        transBatchA: int | None = None,
        transBatchB: int | None = None,
    ) -> tuple[Array]:
        assert not transBatchA
        assert not transBatchB
        left = np.swapaxes(a, -1, -2) if transA else a
        right = np.swapaxes(b, -1, -2) if transB else b
        return ((1.0 if alpha is None else alpha) * (left @ right),)


class Attention(OpRun):
    """Every head's `softmax(Q K' scale) V`, heads side by side, where `Q, K, V = x W + b` stand side by side."""

    op_domain = "com.microsoft"

    def _run(
        self,
        x: Array,
        weight: Array,
        bias: Array,
        *others: Array | None,
        num_heads: int,
        scale: float | None = None,
        **_: object,  # defaults of the standard op of that name
    ) -> tuple[Array]:
        assert all(other is None for other in others)  # no mask, no past
        assert {entry.name for entry in self.onnx_node.attribute} <= {"num_heads", "scale"}
        samples, steps, _ = x.shape
        size = weight.shape[1] // 3 // num_heads
        mixed = (x @ weight + bias).reshape(samples, steps, 3, num_heads, size)
        query, key, value = np.moveaxis(mixed, (2, 3), (0, 2))  # [samples, heads, steps, size] each
        logits = query @ np.swapaxes(key, -1, -2) * (scale or size**-0.5)
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return (np.moveaxis(shares @ value, 1, 2).reshape(samples, steps, num_heads * size),)
