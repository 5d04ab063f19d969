"""Models whose samples do not stand where they seem to: the suffix engine must notice."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest

from tests.support.networks import Builder
from tests.support.opened import assert_suffix_equals_reference, open_as_is

STEPS, WIDTH = 4, 4


def sequences(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, STEPS, WIDTH)).astype(np.float32)


def head(b: Builder, tokens: str) -> str:
    """Weigh the steps and classify."""
    weights = b.store(np.random.default_rng(5).normal(size=(1, STEPS, 1)).astype(np.float32))
    pooled = b.add("ReduceSum", [b.add("Mul", [tokens, weights]), b.integers(1)], keepdims=0)
    return b.add("Gemm", [pooled, b.weight(3, WIDTH)], transB=1)


def steps_before_samples() -> onnx.ModelProto:
    """Flatten `[steps, samples, width]` for a Gemm, as attention is exported: rows of one sample are far apart."""
    b = Builder(np.random.default_rng(0))
    first = b.add("Transpose", [b.add("Relu", [b.add("MatMul", ["x", b.weight(WIDTH, WIDTH)])])], perm=[1, 0, 2])
    flat = b.add("Reshape", [first, b.integers(-1, WIDTH)])
    hidden = b.add("Gemm", [flat, b.weight(WIDTH, WIDTH), b.weight(WIDTH)], transB=1)
    back = b.add("Transpose", [b.add("Reshape", [hidden, b.integers(STEPS, -1, WIDTH)])], perm=[1, 0, 2])
    return b.model(["N", STEPS, WIDTH], head(b, b.add("Relu", [back])))


def fixed_batch_of_two() -> onnx.ModelProto:
    """Put the steps first in a batch that is fixed, so that no axis shows where the samples are."""
    b = Builder(np.random.default_rng(0))
    first = b.add("Transpose", ["x"], perm=[1, 0, 2])
    added = b.add("Relu", [b.add("Add", [b.add("MatMul", [first, b.weight(WIDTH, WIDTH)]), first])])
    hidden = b.add("Relu", [b.add("MatMul", [added, b.weight(WIDTH, WIDTH)])])
    return b.model([2, STEPS, WIDTH], head(b, b.add("Transpose", [hidden], perm=[1, 0, 2])))


def flat_positions() -> onnx.ModelProto:
    """Choose one step per sample by its position in the whole flattened batch."""
    b = Builder(np.random.default_rng(0))
    largest = b.add("ArgMax", [b.add("ReduceSum", ["x", b.integers(2)], keepdims=0)], axis=1, keepdims=0)
    count = b.add("Gather", [b.add("Shape", ["x"]), b.store(np.array(0, np.int64))], axis=0)
    numbers = b.add("Range", [b.store(np.array(0, np.int64)), count, b.store(np.array(1, np.int64))])
    positions = b.add("Add", [largest, b.add("Mul", [numbers, b.store(np.array(STEPS, np.int64))])])
    hidden = b.add("Relu", [b.add("MatMul", ["x", b.weight(WIDTH, WIDTH)])])
    chosen = b.add("Gather", [b.add("Reshape", [hidden, b.integers(-1, WIDTH)]), positions], axis=0)
    return b.model(["N", STEPS, WIDTH], b.add("Gemm", [chosen, b.weight(3, WIDTH)], transB=1))


@pytest.mark.parametrize("count", [2, 8, 60, 100])
@pytest.mark.parametrize("make", [steps_before_samples, fixed_batch_of_two, flat_positions])
def test_a_layout_that_is_not_sample_by_sample_is_noticed(make: object, count: int) -> None:
    assert callable(make)
    x = sequences(1, count)
    engine = assert_suffix_equals_reference(open_as_is(make(), x), x, 1)
    assert engine.notes


@pytest.mark.parametrize("shape", [(1, -1, WIDTH), (0, -1, WIDTH)])
def test_a_fixed_batch_of_one_is_opened_only_where_the_suffix_allows_it(shape: Sequence[int]) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("MatMul", ["x", b.weight(WIDTH, WIDTH)])])
    reshaped = b.add("Reshape", [hidden, b.integers(*shape)])
    pooled = b.add("ReduceMean", [reshaped], axes=[1], keepdims=0)
    proto = b.model([1, STEPS, WIDTH], b.add("Gemm", [pooled, b.weight(3, WIDTH)], transB=1))
    x = sequences(2, 9)
    assert not assert_suffix_equals_reference(open_as_is(proto, x), x, 2).notes
