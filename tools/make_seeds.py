"""Write the small models that the fuzzer starts from: sound ones with every structure, and broken ones.

python tools/make_seeds.py [--folder tests/seeds]
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parent.parent
LARGEST = 4096
"""Bytes of a seed."""
OPSET = 17
IR_VERSION = 8
LOCAL = "local"
BROKEN = (
    "truncated at 90 %",
    "output name that is not UTF-8",
    "cycle",
    "two ops make one tensor",
    "stored tensor that shadows an op's output",
    "weight with too few bytes",
    "weight whose size overflows",
    "Conv with group 0",
    "memory bomb: weight of 2^36 floats by Expand",
    "function that calls itself",
    "If in If, 20 deep",
    "names with colours",
    "class names: escapes",
    "external data: outside the folder: ../",
    "external data: missing",
)
"""Names of hostile files that are seeds too, those that are small."""


def main() -> None:
    """Write every seed."""
    parser = argparse.ArgumentParser(description="Write the fuzzer's seeds.")
    parser.add_argument("--folder", type=Path, default=ROOT / "tests" / "seeds")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    contents = {name: build().SerializeToString(deterministic=True) for name, build in SOUND.items()} | _broken()
    for name, content in contents.items():
        if len(content) >= LARGEST:
            sys.exit(f"{name} takes {len(content)} bytes, more than {LARGEST}")
        (folder / f"{name}.onnx").write_bytes(content)
    print(f"{len(contents)} seeds in {folder}, {sum(map(len, contents.values()))} bytes")


def _broken() -> dict[str, bytes]:
    """Return the hostile files that are small, by a name fit for a file."""
    sys.path.insert(0, str(ROOT))
    from tests.support.hostile import HOSTILE  # noqa: PLC0415  # found only by the path above

    contents = {}
    for hostile in HOSTILE:
        if hostile.name in BROKEN:
            with tempfile.TemporaryDirectory() as folder:
                words = "".join(sign if sign.isalnum() else " " for sign in hostile.name.lower()).split()
                contents["broken_" + "_".join(words)] = hostile.write(Path(folder)).read_bytes()
    return contents


def _op(op_type: str, inputs: Sequence[str], output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op_type, list(inputs), [output], name=output, **attributes)


def _weight(name: str, *shape: int, dtype: type[np.generic] = np.float32) -> onnx.TensorProto:
    values = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape) / 10 - 1
    return numpy_helper.from_array(values.astype(dtype), name)


def _held(name: str, values: object, dtype: type[np.generic] = np.int64) -> onnx.TensorProto:
    array: NDArray[np.generic] = np.array(values, dtype)
    return numpy_helper.from_array(array, name)


def _model(
    ops: Sequence[onnx.NodeProto],
    weights: Sequence[onnx.TensorProto] = (),
    *,
    shape: Sequence[int | str] = ("N", 3),
    element_type: int = TensorProto.FLOAT,
    opset: int = OPSET,
    ir_version: int = IR_VERSION,
    functions: Sequence[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        ops,
        "g",
        [helper.make_tensor_value_info("x", element_type, shape)],
        [helper.make_tensor_value_info("y", element_type, ["N", 3])],
        list(weights),
    )
    imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(LOCAL, 1)] if functions else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, functions=list(functions))


def _gemm() -> onnx.ModelProto:
    ops = [
        _op("Gemm", ["x", "w", "b"], "h", transB=1),
        _op("Relu", ["h"], "r"),
        _op("Gemm", ["r", "v"], "s"),
        _op("Softmax", ["s"], "y", axis=-1),
    ]
    return _model(ops, [_weight("w", 4, 3), _weight("b", 4), _weight("v", 4, 3)])


def _matmul() -> onnx.ModelProto:
    ops = [_op("Transpose", ["w0"], "w", perm=[1, 0]), _op("MatMul", ["x", "w"], "h"), _op("Add", ["h", "b"], "y")]
    return _model(ops, [_weight("w0", 3, 3), _weight("b", 3)])


def _conv(dtype: type[np.generic] = np.float32, element_type: int = TensorProto.FLOAT) -> onnx.ModelProto:
    ops = [
        _op("Conv", ["x", "w", "b"], "c", kernel_shape=[3, 3], pads=[1] * 4, group=2),
        _op("Relu", ["c"], "r"),
        _op("GlobalAveragePool", ["r"], "p"),
        _op("Flatten", ["p"], "f"),
        _op("Gemm", ["f", "v"], "y", transB=1),
    ]
    weights = [_weight("w", 4, 1, 3, 3, dtype=dtype), _weight("b", 4, dtype=dtype), _weight("v", 3, 4, dtype=dtype)]
    return _model(ops, weights, shape=["N", 2, 4, 4], element_type=element_type)


def _transposed() -> onnx.ModelProto:
    ops = [
        _op("ConvTranspose", ["x", "w"], "c", strides=[2, 2]),
        _op("ReduceMean", ["c"], "y", axes=[2, 3], keepdims=0),
    ]
    return _model(ops, [_weight("w", 2, 3, 2, 2)], shape=["N", 2, 2, 2])


def _qdq() -> onnx.ModelProto:
    ops = [
        _op("QuantizeLinear", ["x", "s", "z"], "xq"),
        _op("DequantizeLinear", ["xq", "s", "z"], "xd"),
        _op("DequantizeLinear", ["wq", "s", "z"], "w"),
        _op("MatMul", ["xd", "w"], "y"),
    ]
    weights = [_held("s", 0.1, np.float32), _held("z", 0, np.int8), _held("wq", np.arange(9).reshape(3, 3), np.int8)]
    return _model(ops, weights)


def _qlinearconv() -> onnx.ModelProto:
    ops = [
        _op("QuantizeLinear", ["x", "s", "z"], "xq"),
        _op("QLinearConv", ["xq", "s", "z", "wq", "s", "z", "s", "z"], "cq"),
        _op("DequantizeLinear", ["cq", "s", "z"], "c"),
        _op("Flatten", ["c"], "y"),
    ]
    weights = [_held("s", 0.1, np.float32), _held("z", 0, np.uint8), _held("wq", np.ones((3, 1, 2, 2)), np.uint8)]
    return _model(ops, weights, shape=["N", 1, 2, 2])


def _function() -> onnx.ModelProto:
    imports = [helper.make_opsetid("", OPSET)]
    body = [_op("MatMul", ["a", "m"], "h"), _op("Relu", ["h"], "o")]
    function = helper.make_function(LOCAL, "F", ["a", "m"], ["o"], body, imports)
    return _model([_op("F", ["x", "w"], "y", domain=LOCAL)], [_weight("w", 3, 3)], functions=[function])


def _branches() -> onnx.ModelProto:
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    first = helper.make_graph([_op("MatMul", ["h", "k"], "o")], "t", [], [output], [_weight("k", 3, 3)])
    second = helper.make_graph([_op("Identity", ["h"], "o")], "e", [], [output])
    ops = [_op("MatMul", ["x", "w"], "h"), _op("If", ["c"], "y", then_branch=first, else_branch=second)]
    return _model(ops, [_weight("w", 3, 3), _held("c", True, np.bool_)])  # noqa: FBT003


def _loop() -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    inputs = [("i", TensorProto.INT64), ("c", TensorProto.BOOL), ("v", TensorProto.FLOAT)]
    body = helper.make_graph(
        [_op("Identity", ["c"], "d"), _op("MatMul", ["v", "w"], "u")],
        "body",
        [value(name, kind, None) for name, kind in inputs],
        [value("d", TensorProto.BOOL, []), value("u", TensorProto.FLOAT, None)],
    )
    return _model([_op("Loop", ["n", "", "x"], "y", body=body)], [_weight("w", 3, 3), _held("n", 2)])


def _scan() -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [_op("Relu", ["a"], "o")],
        "body",
        [value("a", TensorProto.FLOAT, [3])],
        [value("o", TensorProto.FLOAT, [3])],
    )
    ops = [_op("Scan", ["x"], "h", body=body, num_scan_inputs=1), _op("MatMul", ["h", "w"], "y")]
    return _model(ops, [_weight("w", 3, 3)])


def _sparse() -> onnx.ModelProto:
    model = _model([_op("MatMul", ["x", "w"], "y")])
    places = _held("i", [0, 4, 8])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(_weight("w", 3), places, [3, 3]))
    return model


def _sparse_constant() -> onnx.ModelProto:
    tensor = helper.make_sparse_tensor(_weight("", 2), _held("", [[0, 0], [2, 2]]), [3, 3])
    return _model([_op("Constant", [], "w", sparse_value=tensor), _op("MatMul", ["x", "w"], "y")])


def _constants() -> onnx.ModelProto:
    ops = [
        _op("Constant", [], "w0", value=_weight("", 9)),
        _op("Constant", [], "d", value_ints=[3, 3]),
        _op("Constant", [], "k", value_float=2.0),
        _op("Reshape", ["w0", "d"], "w1"),
        _op("Mul", ["w1", "k"], "w"),
        _op("MatMul", ["x", "w"], "y"),
    ]
    return _model(ops)


def _shapes() -> onnx.ModelProto:
    ops = [
        _op("Shape", ["x"], "s"),
        _op("Gather", ["s", "zero"], "n", axis=0),
        _op("Concat", ["n", "rest"], "t", axis=0),
        _op("Reshape", ["x", "t"], "r"),
        _op("MatMul", ["r", "w"], "y"),
    ]
    return _model(ops, [_held("zero", [0]), _held("rest", [4]), _weight("w", 4, 3)], shape=["N", 2, 2])


def _labels() -> onnx.ModelProto:
    ops = [_op("MatMul", ["x", "w"], "h"), _op("Softmax", ["h"], "y"), _op("ArgMax", ["y"], "label", axis=1)]
    model = _model(ops, [_weight("w", 3, 3)])
    model.graph.output.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, ["N", 1]))
    model.metadata_props.add(key="names", value="{0: 'a', 1: 'b', 2: 'c'}")
    return model


def _oldest() -> onnx.ModelProto:
    """Return a model of IR version 3, whose weights are inputs too."""
    model = _model([_op("MatMul", ["x", "w"], "y")], [_weight("w", 3, 3)], opset=7, ir_version=3)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 3]))
    return model


def _external() -> onnx.ModelProto:
    model = _model([_op("MatMul", ["x", "w"], "y")], [_weight("w", 3, 3)])
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "model.onnx", offset=0, length=36)
    tensor.ClearField("raw_data")
    return model


def _typed_fields() -> onnx.ModelProto:
    """Return a model whose values stand in typed fields, not as raw bytes."""
    model = _model([_op("Gather", ["x", "i"], "h", axis=1), _op("MatMul", ["h", "w"], "y")])
    model.graph.initializer.append(helper.make_tensor("w", TensorProto.FLOAT, [3, 3], [0.5] * 9))
    model.graph.initializer.append(helper.make_tensor("i", TensorProto.INT64, [3], [2, 1, 0]))
    return model


SOUND: dict[str, Callable[[], onnx.ModelProto]] = {
    "gemm": _gemm,
    "matmul": _matmul,
    "conv": _conv,
    "conv_half": lambda: _conv(np.float16, TensorProto.FLOAT16),
    "conv_transpose": _transposed,
    "qdq": _qdq,
    "qlinearconv": _qlinearconv,
    "function": _function,
    "if": _branches,
    "loop": _loop,
    "scan": _scan,
    "sparse": _sparse,
    "sparse_constant": _sparse_constant,
    "constants": _constants,
    "shapes": _shapes,
    "labels": _labels,
    "ir3": _oldest,
    "external": _external,
    "typed_fields": _typed_fields,
}


if __name__ == "__main__":
    main()
