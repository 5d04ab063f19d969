"""Small files that ask for much memory or time, and files that hold very many or deeply nested parts."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.hostile_parts import (
    HUGE,
    OPSET,
    HostileFile,
    Write,
    before_scores,
    changed,
    content,
    field,
    floats,
    integers,
    named,
    op,
    set_attribute,
    sound,
)

GRAPH, NODE = 7, 1
NODE_INPUT, NODE_OUTPUT, NODE_TYPE, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_GRAPH, ATTRIBUTE_TYPE_GRAPH = 1, 6, b"\xa0\x01\x05"
GRAPH_NAME, GRAPH_OUTPUT = 2, 12
MANY, VERY_MANY = 10**5, 10**6
ENDLESS = 2**62
LOCAL = "local"
"""Domain of a model's own functions."""


def _bomb(ops: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto], *, lasting: bool) -> Write:
    """Return what writes a model whose scores take in the sum of `big`, which is made from the shape `wanted`.

    Args:
        ops: make `big`.
        weights: stored tensors; `wanted` is one of them, under the name `stored`.
        lasting: let the shape depend on the input, so that it is known in the run only, not when the model is opened.
    """
    shape = [op("Identity", ["stored"], "wanted")]
    if lasting:
        shape = [
            op("Shape", ["x"], "sizes"),
            op("Slice", ["sizes", "one", "two"], "channels"),  # [1]
            op("Mul", ["channels", "stored"], "wanted"),
        ]
    joined = [op("ReduceMax", ["big"], "most", keepdims=0), op("Add", ["inner", "most"], "scores")]
    bounds = [integers("one", 1), integers("two", 2)]
    return changed(lambda model: before_scores(model, [*shape, *ops, *joined], [*weights, *bounds]))


def _both(name: str, ops: Sequence[onnx.NodeProto], *weights: onnx.TensorProto) -> tuple[HostileFile, HostileFile]:
    return (
        HostileFile(f"memory bomb: {name}, when opened", _bomb(ops, weights, lasting=False)),
        HostileFile(f"memory bomb: {name}, in the run", _bomb(ops, weights, lasting=True)),
    )


def _weight_by(*ops: onnx.NodeProto, weights: Sequence[onnx.TensorProto] = ()) -> Write:
    """Return what writes a model whose convolution's weight is computed by the ops from stored tensors."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.remove(named(model, "w"))
        model.graph.initializer.extend(weights)
        kept = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*ops, *kept])

    return changed(change)


def _doubled(first: str, last: str, times: int) -> list[onnx.NodeProto]:
    """Return ops that append a tensor to itself, again and again."""
    names = [first, *(f"{last}_{number}" for number in range(1, times)), last]
    return [op("Concat", [names[n], names[n]], names[n + 1], axis=0) for n in range(times)]


def _function(name: str, ops: Sequence[onnx.NodeProto]) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(LOCAL, 1)]
    return helper.make_function(LOCAL, name, ["a"], ["b"], list(ops), imports)


def _functions(*functions: onnx.FunctionProto) -> Write:
    """Return what writes a model that calls the last of its functions."""

    def change(model: onnx.ModelProto) -> None:
        before_scores(model, [op(functions[-1].name, ["inner"], "scores", domain=LOCAL)])
        model.opset_import.append(helper.make_opsetid(LOCAL, 1))
        model.functions.extend(functions)

    return changed(change)


def _call(name: str, given: str, made: str) -> onnx.NodeProto:
    return op(name, [given], made, domain=LOCAL)


def _chain_of_functions(levels: int, calls: int) -> Write:
    """Return what writes functions each of which calls the one before it several times."""
    functions = [_function("F0", [op("Neg", ["a"], "b")])]
    for level in range(1, levels + 1):
        names = ["a", *(f"c{call}" for call in range(1, calls)), "b"]
        ops = [_call(f"F{level - 1}", names[call], names[call + 1]) for call in range(calls)]
        functions.append(_function(f"F{level}", ops))
    return _functions(*functions)


def _loop(trips: int, body: Sequence[onnx.NodeProto], made: str) -> Write:
    """Return what writes a model whose scores pass through a loop that ends after that many trips."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [op("Identity", ["go"], "go_on"), *body],
        "body",
        [value("trip", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, None)],
        [value("go_on", TensorProto.BOOL, []), value(made, TensorProto.FLOAT, None)],
    )
    scalars = [_scalar("trips", np.array(trips, np.int64)), _scalar("true", np.array(True))]  # noqa: FBT003
    loop = op("Loop", ["trips", "true", "inner"], "looped", body=graph)
    rest = [op("ReduceMax", ["looped"], "most", keepdims=0), op("Add", ["inner", "most"], "scores")]
    return changed(lambda model: before_scores(model, [loop, *rest], scalars))


def _scalar(name: str, value: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(value, name)


def _nested(depth: int) -> bytes:
    """Return the bytes of a model with an If in an If in an If; parsers limit the depth, so no parser is used."""

    def body(ops: bytes) -> bytes:
        return ops + field(GRAPH_NAME, b"g") + field(GRAPH_OUTPUT, field(1, b"o"))

    def branch(name: bytes, graph: bytes) -> bytes:
        return field(NODE_ATTRIBUTE, field(ATTRIBUTE_NAME, name) + field(ATTRIBUTE_GRAPH, graph) + ATTRIBUTE_TYPE_GRAPH)

    leaf = body(field(NODE, field(NODE_INPUT, b"inner") + field(NODE_OUTPUT, b"o") + field(NODE_TYPE, b"Identity")))
    graph, node = leaf, b""
    for level in range(depth):
        made = b"scores" if level == depth - 1 else b"o"
        branches = branch(b"then_branch", graph) + branch(b"else_branch", leaf)
        node = field(NODE, field(NODE_INPUT, b"go") + field(NODE_OUTPUT, made) + field(NODE_TYPE, b"If") + branches)
        graph = body(node)
    model = sound()
    before_scores(model, [], [_scalar("go", np.array(True))])  # noqa: FBT003
    return bytes(model.SerializeToString()) + field(GRAPH, node)


def _sized(number: int) -> tuple[int, bytes]:
    name = b"t%d" % number
    return len(name), name


def _many_ops(count: int) -> bytes:
    """Return the bytes of a model with a chain of that many ops; made as bytes, which is quick."""
    model = sound()
    before_scores(model, [op("Relu", [f"t{count}"], "scores")])
    model.graph.node[-2].output[0] = "t0"
    last = model.graph.node.pop()
    tail, chain = field(NODE_TYPE, b"Relu"), bytearray()
    for number in range(count):
        body = b"\x0a%c%b\x12%c%b%b" % (*_sized(number), *_sized(number + 1), tail)
        chain += b"\x0a%c%b" % (len(body), body)
    graph = bytes(chain) + field(NODE, last.SerializeToString())
    return bytes(model.SerializeToString()) + field(GRAPH, graph)


def _many_weights(model: onnx.ModelProto) -> None:
    model.graph.initializer.extend(floats(f"n{number}", np.zeros(1, np.float32)) for number in range(MANY))


def _many_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.extend(onnx.ValueInfoProto(name=f"o{number}") for number in range(MANY))
    model.graph.node.extend(op("Neg", ["scores"], f"o{number}") for number in range(MANY))


def _many_made(model: onnx.ModelProto) -> None:
    parts = helper.make_node("Split", ["wide"], [f"o{number}" for number in range(MANY)], axis=1)
    tile = op("Tile", ["inner", "times"], "wide")
    before_scores(model, [tile, parts, op("Identity", ["o0"], "scores")], [integers("times", 1, MANY)])


def _many_used(model: onnx.ModelProto) -> None:
    before_scores(model, [op("Sum", ["inner"] * MANY, "scores")])


def _reversed(count: int) -> Callable[[onnx.ModelProto], None]:
    """Return what puts ops on stored tensors into the file, last first."""

    def change(model: onnx.ModelProto) -> None:
        names = ["c", *(f"r{number}" for number in range(1, count)), "bias"]
        ops = [op("Neg", [names[n]], names[n + 1]) for n in range(count)]
        model.graph.node[3].input[2] = "bias"
        model.graph.node.extend(reversed(ops))

    return change


def _alike(model: onnx.ModelProto) -> None:
    """Give 2 * 10^4 layers one name."""
    count = 2 * 10**4
    names = ["inner", *(f"m{number}" for number in range(1, count)), "scores"]
    ops = [helper.make_node("MatMul", [names[n], "eye"], [names[n + 1]], name="same") for n in range(count)]
    before_scores(model, ops, [floats("eye", np.eye(3, dtype=np.float32))])


LISTED = integers("stored", HUGE)
MEMORY = (
    *_both("ConstantOfShape of 2^36 floats", [op("ConstantOfShape", ["wanted"], "big")], LISTED),
    *_both(
        "Expand to 2^36 floats", [op("Expand", ["c0", "wanted"], "big")], LISTED, floats("c0", np.ones(1, np.float32))
    ),
    *_both("Tile 2^36 times", [op("Tile", ["c0", "wanted"], "big")], LISTED, floats("c0", np.ones(1, np.float32))),
    *_both(
        "Pad by 2^36 floats",
        [op("Concat", ["wanted", "one"], "ends", axis=0), op("Pad", ["c0", "ends"], "big")],
        LISTED,
        floats("c0", np.ones(1, np.float32)),
    ),
    *_both(
        "Resize to 2^36 floats",
        [op("Concat", ["ones", "wanted"], "sizes4", axis=0), op("Resize", ["map", "", "", "sizes4"], "big")],
        LISTED,
        integers("ones", 1, 1, 1),
        floats("map", np.ones((1, 1, 1, 1), np.float32)),
    ),
    *_both(
        "Range of 2^36 integers",
        [
            op("Squeeze", ["wanted"], "limit"),
            op("Range", ["zero", "limit", "step"], "range"),
            op("Cast", ["range"], "big", to=TensorProto.FLOAT),
        ],
        LISTED,
        _scalar("zero", np.array(0, np.int64)),
        _scalar("step", np.array(1, np.int64)),
    ),
    *_both("Reshape to 2^40 values", [op("Reshape", ["inner", "wanted"], "big")], integers("stored", 2**40)),
    *_both("ConstantOfShape of negative size", [op("ConstantOfShape", ["wanted"], "big")], integers("stored", -5)),
    *_both(
        "ConstantOfShape whose size overflows",
        [op("ConstantOfShape", ["wanted"], "big")],
        integers("stored", 2**32, 2**32, 2),
    ),
    HostileFile(
        "memory bomb: input appended to itself 40 times",
        changed(
            lambda model: before_scores(
                model,
                [
                    *_doubled("inner", "big", 40),
                    op("ReduceMax", ["big"], "most", keepdims=0),
                    op("Add", ["inner", "most"], "scores"),
                ],
            )
        ),
    ),
    HostileFile(
        "memory bomb: weight of 2^36 floats by ConstantOfShape",
        _weight_by(op("ConstantOfShape", ["dims"], "w"), weights=[integers("dims", 2**32, 1, 4, 4)]),
    ),
    HostileFile(
        "memory bomb: weight of 2^36 floats by Expand",
        _weight_by(
            op("Expand", ["w0", "dims"], "w"),
            weights=[floats("w0", np.ones((1, 1, 1, 1), np.float32)), integers("dims", 2**32, 1, 4, 4)],
        ),
    ),
    HostileFile(
        "memory bomb: weight appended to itself 40 times",
        _weight_by(*_doubled("w0", "w", 40), weights=[floats("w0", np.ones((2, 1, 3, 3), np.float32))]),
    ),
    HostileFile(
        "memory bomb: MaxPool pads 2^30",
        changed(
            lambda model: before_scores(
                model,
                [
                    op("Reshape", ["inner", "four"], "map"),
                    op("AveragePool", ["map"], "big", kernel_shape=[2**31, 2**31], pads=[2**30] * 4),
                    op("Reshape", ["big", "two"], "scores"),
                ],
                [integers("four", -1, 3, 1, 1), integers("two", -1, 3)],
            )
        ),
    ),
)
TIME = (
    HostileFile("endless Loop", _loop(ENDLESS, [op("Neg", ["v"], "w_")], "w_")),
    HostileFile("endless Loop that doubles a tensor", _loop(ENDLESS, [op("Concat", ["v", "v"], "w_", axis=0)], "w_")),
    HostileFile("functions that call twice, 40 deep", _chain_of_functions(40, 2)),
    HostileFile("functions that call once, 2000 deep", _chain_of_functions(2000, 1)),
    HostileFile("function that calls itself", _functions(_function("F", [_call("F", "a", "b")]))),
    HostileFile(
        "functions that call each other",
        _functions(_function("F", [_call("G", "a", "b")]), _function("G", [_call("F", "a", "b")])),
    ),
    HostileFile("two functions of one name", _functions(*[_function("F", [op("Neg", ["a"], "b")])] * 2)),
    HostileFile("function without ops", _functions(_function("F", []))),
    HostileFile("function that makes no output", _functions(_function("F", [op("Neg", ["a"], "other")]))),
    HostileFile("Conv over 2^31 steps", changed(lambda m: set_attribute(m.graph.node[0], "pads", [2**14] * 4))),
    HostileFile("If in If, 20 deep", content(partial(_nested, 20)), harmless=True),
    HostileFile("If in If, 31 deep", content(partial(_nested, 31))),
    HostileFile("If in If, 200 deep", content(partial(_nested, 200))),
    HostileFile("If in If, 2000 deep", content(partial(_nested, 2000))),
)
CROWDS = (
    HostileFile("10^6 ops", content(partial(_many_ops, VERY_MANY))),
    HostileFile("10^5 stored tensors", changed(_many_weights), harmless=True),
    HostileFile("10^5 outputs", changed(_many_outputs)),
    HostileFile("one op of 10^5 outputs", changed(_many_made)),
    HostileFile("one op of 10^5 inputs", changed(_many_used)),
    HostileFile("20000 fixed ops, last first", changed(_reversed(20_000))),
    HostileFile("20000 layers of one name", changed(_alike)),
)
BOMBS = (*MEMORY, *TIME, *CROWDS)
