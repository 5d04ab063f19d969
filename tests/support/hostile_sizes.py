"""Files that do no harm until a batch has some size, or its samples some value: then they take memory or time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.runner.memory import LARGEST_BATCH
from tests.support.hostile_parts import before_scores, floats, integers, op, sound

GROWN = 2**31
"""Values that are asked for: 8 GiB of floats."""
SIDE = 2048
"""Side of the matrices that are multiplied again and again."""
BOXES = 2**18
"""Boxes each of which is compared with all others, by one op."""
STRINGS_OPSET = 20


@dataclass(frozen=True, slots=True)
class Part:
    """Ops and stored tensors.

    Attributes:
        ops: the ops; what they make is called `met` or `big`.
        stored: the tensors.
        sizes: open axes of the input, where they are not the samples' alone.
    """

    ops: Sequence[onnx.NodeProto]
    stored: Sequence[onnx.TensorProto] = ()
    sizes: bool = False


def _scalar(name: str, value: float, dtype: type[np.generic] = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


def _size(tensor: str) -> list[onnx.NodeProto]:
    return [op("Shape", [tensor], "sizes"), op("Gather", ["sizes", "axis"], "size")]


def _above(tensor: str, bound: int) -> Part:
    """Return what makes `met`: 1 where a tensor has more rows than the bound, else 0."""
    ops = [op("Sub", ["size", "bound"], "beyond"), op("Clip", ["beyond", "none", "once"], "met")]
    return Part([*_size(tensor), *ops], [_scalar("axis", 0), _scalar("bound", bound)])


def _exactly(axis: int, meant: int) -> Part:
    """Return what makes `met`: 1 where the input has a size, else 0."""
    ops = [
        op("Sub", ["size", "meant"], "apart"),
        op("Abs", ["apart"], "distance"),
        op("Clip", ["distance", "none", "once"], "other"),
        op("Sub", ["once", "other"], "met"),
    ]
    return Part([*_size("x"), *ops], [_scalar("axis", axis), _scalar("meant", meant)], sizes=axis > 0)


BY_VALUES = Part(
    [
        op("ReduceMax", ["x"], "most", keepdims=0),
        op("ReduceMin", ["x"], "least", keepdims=0),
        op("Sub", ["most", "least"], "spread"),
        op("Sign", ["spread"], "differs"),
        op("Cast", ["differs"], "met", to=TensorProto.INT64),
    ]
)
"""Samples are not all of one value, as made-up ones are."""
WHEN = {
    "two samples or more": _above("x", 1),
    "seven samples": _exactly(0, 7),
    "more rows of a layer than a batch has samples": _above("active", LARGEST_BATCH),
    "samples of height four": _exactly(2, 4),
    "samples of differing values": BY_VALUES,
}


def _grown(ops: Sequence[onnx.NodeProto], *stored: onnx.TensorProto, values: int = GROWN) -> Part:
    """Return what makes `big` from `wanted`, a shape of one value, or `count`, the same as a scalar."""
    asked = [
        op("Mul", ["met", "grown"], "extra"),
        op("Add", ["extra", "once"], "count"),
        op("Reshape", ["count", "listed"], "wanted"),
    ]
    return Part([*asked, *ops], [_scalar("grown", values), integers("listed", 1), *stored])


def _multiplied(times: int) -> Part:
    ops = [
        op("Concat", ["wanted", "wanted"], "square", axis=0),
        op("ConstantOfShape", ["square"], "m0", value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1e-4])),
        *(op("MatMul", [f"m{number}", "m0"], f"m{number + 1}") for number in range(times)),
        op("Identity", [f"m{times}"], "big"),
    ]
    return _grown(ops, values=SIDE)


def _looped() -> Part:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [op("Identity", ["go"], "go_"), op("Neg", ["v"], "v_")],
        "body",
        [value("trip", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)],
        [value("go_", TensorProto.BOOL, []), value("v_", TensorProto.FLOAT, None)],
    )
    return _grown([op("Loop", ["count", "", "inner"], "big", body=body)], values=2**60)


def _doubled_text(times: int) -> Part:
    names = [f"s{number}" for number in range(times + 1)]
    ops = [
        op("Cast", ["wanted"], "key", to=TensorProto.FLOAT),
        op(
            "LabelEncoder",
            ["key"],
            "s0",
            domain="ai.onnx.ml",
            keys_floats=[2.0],
            values_strings=["a" * 2**20],
            default_string="",
        ),
        *(op("StringConcat", [names[n], names[n]], names[n + 1]) for n in range(times)),
        op(
            "LabelEncoder",
            [names[-1]],
            "big",
            domain="ai.onnx.ml",
            keys_strings=["b"],
            values_floats=[1.0],
            default_float=0.0,
        ),
    ]
    return _grown(ops, values=1)


ONE = floats("cell", np.ones(1, np.float32))
WHAT = {
    "ConstantOfShape": _grown([op("ConstantOfShape", ["wanted"], "big")]),
    "Expand": _grown([op("Expand", ["cell", "wanted"], "big")], ONE),
    "Tile": _grown([op("Tile", ["cell", "wanted"], "big")], ONE, values=2**29),
    "Range": _grown(
        [op("Range", ["none", "count", "once"], "range"), op("Cast", ["range"], "big", to=TensorProto.FLOAT)]
    ),
    "Pad": _grown([op("Concat", ["wanted", "listed"], "ends", axis=0), op("Pad", ["cell", "ends"], "big")], ONE),
    "Resize": _grown(
        [
            op("Cast", ["wanted"], "scale", to=TensorProto.FLOAT),
            op("Concat", ["ones", "scale"], "scales", axis=0),
            op("Resize", ["map", "", "scales"], "big"),
        ],
        floats("ones", np.ones(3, np.float32)),
        floats("map", np.ones((1, 1, 1, 1), np.float32)),
    ),
    "Einsum": _grown(
        [
            op("ConstantOfShape", ["wanted"], "vector"),
            op("Einsum", ["vector", "vector"], "big", equation="i,j->ij"),
        ],
        values=2**16,
    ),
    "NonZero": _grown(
        [
            op(
                "ConstantOfShape", ["wanted"], "ones", value=helper.make_tensor("v", TensorProto.BOOL, [1], [True])
            ),  # a quarter of what its places take
            op("NonZero", ["ones"], "places"),
            op("Cast", ["places"], "big", to=TensorProto.FLOAT),
        ],
        values=2**29,
    ),
    "TopK": _grown(
        [
            op("Expand", ["cell", "wanted"], "values"),
            helper.make_node("TopK", ["values", "wanted"], ["big", "at"], name="/big/TopK", axis=0),
        ],
        ONE,
        values=2**27,
    ),
    "StringConcat": _doubled_text(14),
    "a Loop": _looped(),
    "400 MatMul": _multiplied(400),
    "one NonMaxSuppression": _grown(
        [
            op("Concat", ["listed", "wanted", "four"], "shape", axis=0),
            op("Expand", ["box", "shape"], "boxes"),
            op("Concat", ["listed", "listed", "wanted"], "shape2", axis=0),
            op("Expand", ["cell", "shape2"], "given"),
            op("NonMaxSuppression", ["boxes", "given", "count", "certain"], "kept"),
            op("Cast", ["kept"], "big", to=TensorProto.FLOAT),
        ],
        integers("four", 4),
        floats("box", np.array([0, 0, 1, 1], np.float32)),
        floats("certain", np.array([1], np.float32)),
        ONE,
        values=BOXES,
    ),
}


def bomb(when: str, what: str) -> onnx.ModelProto:
    """Return the sound classifier with scores that, under a condition, take memory or time, and are the same."""
    model, condition, part = sound(), WHEN[when], WHAT[what]
    if what == "StringConcat":
        model.opset_import[0].version, model.ir_version = STRINGS_OPSET, 9
        model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 4))
    if condition.sizes:
        for axis in (2, 3):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
        # Of whatever is given, the same part is looked at.
        model.graph.node[0].input[0] = "corner"
        model.graph.node.insert(0, op("Slice", ["x", "from", "to", "along"], "corner"))
        model.graph.initializer.extend([integers("from", 0, 0), integers("to", 4, 4), integers("along", 2, 3)])
    joined = [
        op("ReduceMax", ["big"], "largest", keepdims=0),
        op("Mul", ["largest", "nothing"], "added"),
        op("Add", ["inner", "added"], "scores"),
    ]
    bounds = [_scalar("none", 0), _scalar("once", 1), _scalar("nothing", 0.0, np.float32)]
    before_scores(model, [*condition.ops, *part.ops, *joined], [*condition.stored, *part.stored, *bounds])
    return model


def write_bomb(folder: Path, when: str, what: str) -> Path:
    """Write such a file, and samples for it beside it; return its path."""
    path = folder / "bomb.onnx"
    onnx.save(bomb(when, what), path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1, 4, 4)).astype(np.float32)
    np.savez(folder / "samples.npz", x=x, y=_labels(x))
    return path


def _labels(x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the classes of samples by the model as it is without what harms."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in sound().graph.initializer}
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))
    maps = np.einsum("nhwij,cij->nchw", windows, weights["w"][:, 0]) + weights["b"][:, None, None]
    scores = np.maximum(maps, 0).reshape(len(x), -1) @ weights["v"].T + weights["c"]
    return np.asarray(scores.argmax(axis=1), np.int64)
