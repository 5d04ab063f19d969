"""Small files that are unusual, and right."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from tests.support.commands import run
from tests.support.networks import Builder


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def classifier(*tail: str, heads: int = 1) -> onnx.ModelProto:
    """Return two layers, and ops after the scores; a second head has a layer and a softmax of its own."""
    builder = Builder(np.random.default_rng(0))
    hidden = builder.add("Relu", [builder.add("Gemm", ["x", builder.weight(6, 8)])])
    scores = builder.add("Gemm", [hidden, builder.weight(8, 3)])
    for op_type in tail:
        scores = builder.add(op_type, [scores])
    other = builder.add("Softmax", [builder.add("Gemm", [hidden, builder.weight(8, 4)])]) if heads > 1 else ""
    model = builder.model(["N", 6], scores)
    if other:
        model.graph.output.append(helper.make_tensor_value_info(other, onnx.TensorProto.FLOAT, ["N", 4]))
    return model


@pytest.mark.parametrize("again", [[("", 17), ("", 17)], [("", 17), ("ai.onnx", 17)], [("", 17), ("m", 1), ("m", 1)]])
def test_an_operator_set_that_is_named_twice_alike_is_one(
    again: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(classifier(), "once.onnx")
    model = classifier()
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*entry) for entry in again)
    onnx.save(model, "twice.onnx")
    assert run(capsys, "inspect", "twice.onnx")[0] == 0
    results = []
    for name in ("once", "twice"):
        assert run(capsys, "analyze", f"{name}.onnx", "--samples", "5", "--quiet")[0] == 0
        results.append(json.loads(Path(f"{name}.causal/analysis.json").read_text())["graphs"])
    assert results[0] == results[1]


@pytest.mark.parametrize("two", [[("", 17), ("", 16)], [("", 17), ("ai.onnx", 18)], [("", 17), ("m", 1), ("m", 2)]])
def test_two_versions_of_one_operator_set_are_refused(
    two: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    model = classifier()
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*entry) for entry in two)
    Path("m.onnx").write_bytes(model.SerializeToString())
    code, _, err = run(capsys, "inspect", "m.onnx")
    assert code == 3
    assert "it names two versions of one operator set" in err


@pytest.mark.parametrize("op_type", ["ReduceMean", "ReduceMax"])
def test_a_single_number_for_all_samples_is_refused_by_inspect_as_by_analyze(
    op_type: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = classifier()
    model.graph.node.append(helper.make_node(op_type, [model.graph.output[0].name], ["o"], keepdims=0))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("o", onnx.TensorProto.FLOAT, []))
    onnx.save(model, "m.onnx")
    np.savez("d.npz", x=np.ones((4, 6), np.float32), y=np.arange(4) % 3)
    told = "the model's output does not have one row per sample"
    code, out, _ = run(capsys, "inspect", "m.onnx")
    assert code == 0
    assert f"{told}: it is a single number, however many samples there are" in out
    assert "IndexError" not in out
    code, _, err = run(capsys, "analyze", "m.onnx", "--data", "d.npz")
    assert code == 3
    assert told in err


class Samples(CalibrationDataReader):  # type: ignore[misc]  # the package ships no types
    """Hands out samples, all at once."""

    def __init__(self) -> None:
        self._batches = iter([{"x": np.random.default_rng(1).normal(size=(32, 6)).astype(np.float32)}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


@pytest.mark.parametrize(
    ("tail", "heads", "cut_off"),
    [
        (("Softmax",), 1, ["Softmax"]),
        (("Sigmoid", "Identity"), 1, ["Sigmoid", "Identity"]),
        ((), 1, []),
        (("Softmax",), 2, ["Softmax", "Gemm", "Softmax"]),
    ],
)
@pytest.mark.parametrize("quantised", [False, True])
def test_no_weight_is_among_what_is_cut_off(
    tail: tuple[str, ...], heads: int, cut_off: list[str], quantised: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    model = classifier(*tail, heads=heads)
    onnx.save(model, "m.onnx")
    if quantised:
        quantize_static("m.onnx", "m.onnx", Samples(), quant_format=QuantFormat.QDQ)
    code, out, _ = run(capsys, "inspect", "m.onnx", "--json", "--output", model.graph.output[0].name)
    assert code == 0
    held = json.loads(out)["outcome"]["cut_off"]
    found = [name.split()[0] for name in held]
    assert sorted(name for name in found if name not in ("QuantizeLinear", "DequantizeLinear")) == sorted(cut_off)
    assert not any("weight" in name for name in held)
