"""The job `verify`: a repaired file is the original and its masks, or the first difference is named."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.analysis.formats.masks import MaskRecord
from onnxcausal.analysis.formats.repair_metadata import KEY, Form
from onnxcausal.errors import GateError
from onnxcausal.pipeline.apply import apply
from onnxcausal.pipeline.unmask import unmask
from onnxcausal.pipeline.verify import verify
from tests.support.networks import Builder
from tests.support.repairs import SOME_MEANS, write_masks, write_model, written_otherwise


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


@pytest.fixture
def split_model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "split", "w.bin")


@pytest.mark.parametrize("form", Form)
def test_what_was_applied_verifies(model: Path, split_model: Path, tmp_path: Path, form: Form) -> None:
    (tmp_path / "elsewhere").mkdir()
    for path in (model, split_model):
        for out in (path.with_name("out.onnx"), tmp_path / "elsewhere" / "out.onnx"):
            apply(path, path.with_name("masks.json"), out, form=form, force=True)
            assert verify(out, path)


def test_a_repaired_file_written_anew_by_another_program_is_the_same_message(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    written_otherwise(out)
    assert not verify(out, model)
    assert unmask(out, model.with_name("back.onnx"))


def test_an_original_that_another_program_wrote_is_verified_against(model: Path) -> None:
    written_otherwise(model)
    out = model.with_name("out.onnx")
    apply(model, write_masks(model), out)
    assert verify(out, model)


def test_a_model_of_several_outputs_is_read_as_the_record_says(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    hidden = builder.add("Gemm", ["x", builder.weight(64, 4)])
    proto = builder.model(["N", 64], builder.add("Gemm", [hidden, builder.weight(4, 3)]))
    proto.graph.output.append(helper.make_tensor_value_info(hidden, TensorProto.FLOAT, ["N", 4]))
    path, out = tmp_path / "model.onnx", tmp_path / "out.onnx"
    path.write_bytes(proto.SerializeToString())
    masks = write_masks(path, MaskRecord(layer="/gemm_0/Gemm", parents=[1], beta=0.0), output=hidden)
    apply(path, masks, out)
    assert verify(out, path)
    assert unmask(out, tmp_path / "back.onnx")


def test_changed_weights_beside_a_repaired_file_do_not_verify(split_model: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    for form, name in ((Form.MASKED, "w.bin"), (Form.FOLDED, "onnxcausal-*.data")):
        apply(split_model, split_model.with_name("masks.json"), place / "out.onnx", form=form)
        (changed,) = place.glob(name)
        content = changed.read_bytes()
        changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(GateError, match="not the model and its masks") as caught:
            verify(place / "out.onnx", split_model)
        assert f"weights {changed.name} holds something else" in caught.value.why
        changed.write_bytes(content)


def changed_weight(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[1]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 1, tensor.name))


def changed_mask(proto: onnx.ModelProto) -> None:
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name.endswith(".mask"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 0.5, tensor.name))


def changed_record(proto: onnx.ModelProto) -> None:
    entry = next(entry for entry in proto.metadata_props if entry.key == KEY)
    entry.value = entry.value.replace('"beta":0.5', '"beta":0.4')


def changed_note(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].doc_string = "harmless"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (changed_weight, "graph.initializer[1] (stored_1).raw_data"),
        (changed_mask, "graph.initializer[4] (/gemm_0/Gemm.mask).raw_data"),
        (changed_record, "graph.initializer[4] (/gemm_0/Gemm.mask).raw_data"),
        (changed_note, "doc_string is 'harmless'"),
    ],
)
def test_what_was_changed_in_a_repaired_file_is_named(
    model: Path, change: Callable[[onnx.ModelProto], None], named: str
) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    proto = onnx.load(out)
    change(proto)
    onnx.save(proto, out)
    with pytest.raises(GateError, match="not the model and its masks") as caught:
        verify(out, model)
    assert named in caught.value.why


def test_changed_means_do_not_verify(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, write_masks(model, means=SOME_MEANS), out)
    proto = onnx.load(out)
    tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == "/gemm_2/Gemm.shift")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
    onnx.save(proto, out)
    with pytest.raises(GateError, match="not the model and its masks") as caught:
        verify(out, model)
    assert "(/gemm_2/Gemm.shift).raw_data" in caught.value.why
    apply(model, model.with_name("masks.json"), out)
    proto = onnx.load(out)
    record = next(entry for entry in proto.metadata_props if entry.key == KEY)
    record.value = record.value.replace('"values":[4.0,9.0]', '"values":[4.5,9.0]')
    onnx.save(proto, out)
    with pytest.raises(GateError, match="not the model and its masks"):
        verify(out, model)


def test_a_repair_of_another_model_does_not_verify(model: Path) -> None:
    out, other = model.with_name("out.onnx"), model.with_name("other.onnx")
    apply(model, model.with_name("masks.json"), out)
    proto = onnx.load(model)
    proto.producer_name = "another"
    onnx.save(proto, other)
    with pytest.raises(GateError) as caught:
        verify(out, other)
    for path in (model, other):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in caught.value.why
