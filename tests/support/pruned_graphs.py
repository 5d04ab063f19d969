"""Generated graphs of many widths, in which channels meet, part, and travel far."""

from collections.abc import Callable
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import onnx
from onnx import helper

from tests.support.networks import Builder
from tests.support.pruned import conv, gemm

SIZE = 4
"""Height and width of all maps."""


@dataclass(frozen=True)
class Maps:
    """A tensor of maps and how many there are."""

    name: str
    width: int


Step = Callable[[Builder, list[Maps]], Maps]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[onnx.ModelProto, int]:
    """Draw an image classifier `x [N, 3, 4, 4] -> [N, 4]` and a seed."""
    seed = draw(st.integers(0, 2**20))
    steps = draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=9))
    return graph(steps, draw(st.sampled_from(sorted(ENDS))), seed), seed


def graph(steps: list[str], end: str, seed: int) -> onnx.ModelProto:
    """Return a classifier made of the named steps, each on one of the tensors there are so far."""
    b = Builder(np.random.default_rng(seed))
    made = [Maps(conv(b, "x", 6, 3), 6)]
    for step in steps:
        made.append(STEPS[step](b, made))
    return b.model(["N", 3, SIZE, SIZE], ENDS[end](b, made[-1]), opset=18)


def _some(b: Builder, made: list[Maps]) -> Maps:
    """Return one of the last tensors."""
    return made[-int(b.rng.integers(1, min(len(made), 3) + 1))]


def _conv(b: Builder, made: list[Maps]) -> Maps:
    x, out = _some(b, made), int(b.rng.integers(2, 8))
    return Maps(b.add("Relu", [conv(b, x.name, out, x.width, bias=bool(b.rng.integers(2)))]), out)


def _grouped(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    groups = int(b.rng.choice([group for group in range(1, x.width + 1) if x.width % group == 0]))
    out = groups * int(b.rng.integers(1, 4))
    return Maps(conv(b, x.name, out, x.width, group=groups), out)


def _transposed(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    groups = int(b.rng.choice([group for group in range(1, x.width + 1) if x.width % group == 0]))
    of_group = int(b.rng.integers(1, 4))
    weight = b.weight(x.width, of_group, 1, 1)
    return Maps(b.add("ConvTranspose", [x.name, weight, b.weight(groups * of_group)], group=groups), groups * of_group)


def _normal(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    op = str(b.rng.choice(["BatchNormalization", "InstanceNormalization", "PRelu", "Mul"]))
    if op in ("PRelu", "Mul"):
        return Maps(b.add(op, [x.name, b.weight(x.width, 1, 1)]), x.width)
    spread = [b.store(b.rng.uniform(0.5, 2, x.width).astype(np.float32))] if op == "BatchNormalization" else []
    means = [b.weight(x.width)] if spread else []
    return Maps(b.add(op, [x.name, b.weight(x.width), b.weight(x.width), *means, *spread]), x.width)


def _add(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    alike = [one for one in made if one.width == x.width]
    other = alike[int(b.rng.integers(len(alike)))]
    if other is x:
        other = Maps(conv(b, x.name, x.width, x.width), x.width)
    return Maps(b.add(str(b.rng.choice(["Add", "Mul", "Max"])), [x.name, other.name]), x.width)


def _concat(b: Builder, made: list[Maps]) -> Maps:
    x, other = _some(b, made), _some(b, made)
    return Maps(b.add("Concat", [x.name, other.name], axis=1), x.width + other.width)


def _split(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    if x.width < 2:
        return x
    first = int(b.rng.integers(1, x.width))
    names = [f"part_{len(b.ops)}_{number}" for number in range(2)]
    b.ops.append(helper.make_node("Split", [x.name, b.integers(first, x.width - first)], names, axis=1))
    if b.rng.integers(2):
        return Maps(names[1], x.width - first)
    return Maps(b.add("Concat", [names[1], b.add("Relu", [names[0]])], axis=1), x.width)


def _slice(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    start, stop = sorted(b.rng.choice(x.width + 1, 2, replace=False).tolist())
    vectors = [b.integers(start), b.integers(stop if b.rng.integers(2) else stop - x.width or 2**31), b.integers(1)]
    return Maps(b.add("Slice", [x.name, *vectors]), stop - start)


def _gather(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    indices = b.rng.integers(-x.width, x.width, int(b.rng.integers(1, x.width + 2)))
    return Maps(b.add("Gather", [x.name, b.integers(*indices.tolist())], axis=1), len(indices))


def _shuffle(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    groups = int(b.rng.choice([group for group in range(1, x.width + 1) if x.width % group == 0]))
    split = b.add("Reshape", [x.name, b.integers(0, groups, x.width // groups, SIZE, SIZE)])
    turned = b.add("Transpose", [split], perm=[0, 2, 1, 3, 4])
    return Maps(b.add("Reshape", [turned, b.integers(0, -1, SIZE, SIZE)]), x.width)


def _pixels(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    space = b.add("DepthToSpace", [conv(b, x.name, 8, x.width)], blocksize=2, mode=str(b.rng.choice(["DCR", "CRD"])))
    return Maps(b.add("MaxPool", [space], kernel_shape=[2, 2], strides=[2, 2]), 2)


def _pad(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    begin, end = b.rng.integers(0, 3, 2).tolist()
    return Maps(b.add("Pad", [x.name, b.integers(0, begin, 0, 0, 0, end, 0, 0)]), x.width + begin + end)


def _gate(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    squeezed = conv(b, b.add("GlobalAveragePool", [x.name]), 3, x.width, kernel=1)
    return Maps(b.add("Mul", [b.add("Sigmoid", [conv(b, squeezed, x.width, 3, kernel=1)]), x.name]), x.width)


def _attend(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    return Maps(b.add("Mul", [x.name, b.add("Sigmoid", [conv(b, x.name, 1, x.width)])]), x.width)


def _last(b: Builder, made: list[Maps]) -> Maps:
    x, out = _some(b, made), int(b.rng.integers(2, 7))
    last = b.add("Transpose", [x.name], perm=[0, 2, 3, 1])
    mixed = b.add("Add", [b.add("MatMul", [last, b.weight(x.width, out)]), b.weight(out)])
    if b.rng.integers(2):
        mixed = b.add("LayerNormalization", [mixed, b.weight(out), b.weight(out)])
    return Maps(b.add("Transpose", [b.add("Relu", [mixed])], perm=[0, 3, 1, 2]), out)


def _shared(b: Builder, made: list[Maps]) -> Maps:
    x = _some(b, made)
    weight = b.weight(x.width, x.width, 1, 1)
    return Maps(b.add("Conv", [b.add("Relu", [b.add("Conv", [x.name, weight])]), weight]), x.width)


def _average(b: Builder, x: Maps) -> str:
    return gemm(b, b.add("ReduceMean", [x.name, b.integers(2, 3)], keepdims=0), x.width, 4)


def _flatten(b: Builder, x: Maps) -> str:
    size = b.add("Gather", [b.add("Shape", ["x"]), b.store(np.array([0], np.int64))])
    shape = b.add("Concat", [size, b.integers(x.width * SIZE**2)], axis=0)
    weight = b.weight(5, x.width * SIZE**2)
    hidden = b.add("Relu", [b.add("Gemm", [b.add("Reshape", [x.name, shape]), weight, b.weight(5)], transB=1)])
    return gemm(b, hidden, 5, 4)


def _left(b: Builder, x: Maps) -> str:
    maps = b.add("Reshape", [x.name, b.integers(0, x.width, -1)])
    return b.add("ReduceMax", [b.add("MatMul", [b.weight(4, x.width), maps]), b.integers(2)], keepdims=0)


STEPS: dict[str, Step] = {
    "add": _add, "attend": _attend, "concat": _concat, "conv": _conv, "gate": _gate, "gather": _gather,
    "grouped": _grouped, "last": _last, "normal": _normal, "pad": _pad, "pixels": _pixels, "shared": _shared,
    "shuffle": _shuffle, "slice": _slice, "split": _split, "transposed": _transposed,
}  # fmt: skip
ENDS: dict[str, Callable[[Builder, Maps], str]] = {"average": _average, "flatten": _flatten, "left": _left}
