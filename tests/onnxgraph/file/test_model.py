"""Reading model files."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import input_spec, load_model
from tests.support.assets import model_path, needs_assets
from tests.support.networks import Builder


def external(tmp_path: Path) -> Path:
    builder = Builder(np.random.default_rng(0))
    model = builder.model(["N", 64], builder.add("Gemm", ["x", builder.weight(64, 64)]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    return tmp_path / "m.onnx"


def test_a_single_file_is_hashed_as_it_stands(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    onnx.save(builder.model(["N", 4], builder.add("Relu", ["x"])), tmp_path / "m.onnx")
    model = load_model(tmp_path / "m.onnx")
    assert model.sha256 == hashlib.sha256((tmp_path / "m.onnx").read_bytes()).hexdigest()
    assert model.name == "m.onnx"


def test_weights_in_another_file_are_loaded_and_hashed(tmp_path: Path) -> None:
    path = external(tmp_path)
    first = load_model(path)
    assert numpy_helper.to_array(first.proto.graph.initializer[0]).shape == (64, 64)
    data = bytearray((tmp_path / "m.data").read_bytes())
    data[5] ^= 1
    (tmp_path / "m.data").write_bytes(data)
    assert load_model(path).sha256 != first.sha256


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = external(tmp_path)
    (tmp_path / "m.data").unlink()
    with pytest.raises(ModelError, match="cannot be used") as caught:
        load_model(path)
    assert "m.data" in caught.value.where


def test_weights_outside_the_models_folder_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 64 * 64 * 4)
    path = external(tmp_path)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../secret"
    (tmp_path / "inner" / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its folder"):
        load_model(tmp_path / "inner" / "m.onnx")


def test_an_old_operator_set_is_refused(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    model = builder.model(["N", 4], builder.add("Relu", ["x"]))
    model.opset_import[0].version = 6
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="too old"):
        load_model(tmp_path / "m.onnx")


def test_several_inputs_are_listed(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    model = builder.model(["N", 4], builder.add("Relu", ["x"]))
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, ["N", 2]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="exactly one input") as caught:
        input_spec(load_model(tmp_path / "m.onnx").proto, "m.onnx")
    assert "x [any, 4]; mask [any, 2]" in caught.value.why


@needs_assets
@pytest.mark.parametrize(
    "name", ["odd_missing_external_data", "odd_ir1_no_opset_super_resolution", "odd_qonnx_TFC_1W1A"]
)
def test_files_onnx_runtime_refuses_are_refused_with_a_reason(name: str) -> None:
    from onnxcausal.onnxgraph.network.network import open_network  # noqa: PLC0415

    with pytest.raises(ModelError) as caught:
        open_network(load_model(model_path(name)))
    assert caught.value.why
    assert caught.value.remedy


@needs_assets
def test_external_data_gives_the_scores_of_the_inline_file() -> None:
    from onnxcausal.onnxgraph.network.network import open_network  # noqa: PLC0415

    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    inline, outside = (
        open_network(load_model(model_path(name))).scores(x) for name in ("cifar10_resnet56", "odd_resnet56_external")
    )
    np.testing.assert_array_equal(inline, outside)
