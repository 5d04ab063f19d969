"""The job `verify`: a repaired file is the original and its masks, or the first difference is named."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.analysis.formats.masks import MaskRecord
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.analysis.formats.repair_metadata import KEY, Form
from onnxcausal.analysis.formats.verification import SCHEMA_FILE, schema, to_json
from onnxcausal.errors import GateError, ModelError
from onnxcausal.pipeline.apply import apply
from onnxcausal.pipeline.unmask import unmask
from onnxcausal.pipeline.verify import verify
from onnxcausal.report.verification import text
from tests.support.forged import (
    CLAIMS,
    JUNK,
    MESSAGES,
    SPELLINGS,
    TEXTS,
    claim,
    claims_to_be,
    evil_twin,
    forge,
    record_in,
)
from tests.support.networks import Builder
from tests.support.repairs import SOME_MEANS, WEIGHTS, write_masks, write_model, written_otherwise


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
            assert verify(out, path).byte_for_byte


def test_a_repaired_file_written_anew_by_another_program_is_the_same_message(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    written_otherwise(out)
    assert not verify(out, model).byte_for_byte
    assert unmask(out, model.with_name("back.onnx")).is_exact


def test_an_original_that_another_program_wrote_is_verified_against(model: Path) -> None:
    written_otherwise(model)
    out = model.with_name("out.onnx")
    apply(model, write_masks(model), out)
    assert verify(out, model).byte_for_byte


def test_a_model_of_several_outputs_is_read_as_the_record_says(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    hidden = builder.add("Gemm", ["x", builder.weight(64, 4)])
    proto = builder.model(["N", 64], builder.add("Gemm", [hidden, builder.weight(4, 3)]))
    proto.graph.output.append(helper.make_tensor_value_info(hidden, TensorProto.FLOAT, ["N", 4]))
    path, out = tmp_path / "model.onnx", tmp_path / "out.onnx"
    path.write_bytes(proto.SerializeToString())
    masks = write_masks(path, MaskRecord(layer="/gemm_0/Gemm", parents=[1], beta=0.0), output=hidden)
    apply(path, masks, out)
    assert verify(out, path).byte_for_byte
    assert unmask(out, tmp_path / "back.onnx").is_exact


@pytest.mark.attack("verify", "not verified, the difference named")
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


@pytest.mark.attack("verify", "not verified, the difference named")
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


@pytest.mark.attack("verify", "not verified, the difference named")
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


@pytest.mark.attack("verify", "not verified, the difference named")
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


@pytest.mark.attack("verify", "not verified, the difference named")
@pytest.mark.parametrize("change", MESSAGES.values(), ids=MESSAGES)
def test_more_than_masks_is_refused(model: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    forge(out, change)
    with pytest.raises((GateError, ModelError)) as caught:
        verify(out, model)
    assert caught.value.exit_code != 0
    assert caught.value.why


@pytest.mark.attack("verify", "not verified, the difference named")
@pytest.mark.parametrize(("spell", "told"), SPELLINGS.values(), ids=SPELLINGS)
def test_what_is_hidden_in_the_bytes_is_named(model: Path, spell: Callable[[bytes], bytes], told: str) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    out.write_bytes(spell(out.read_bytes()))
    with pytest.raises(GateError, match="not the model and its masks") as caught:
        verify(out, model)
    assert told in caught.value.why


@pytest.mark.attack("verify", "not verified, the difference named")
@pytest.mark.parametrize("spell", JUNK.values(), ids=JUNK)
def test_bytes_that_are_no_message_are_refused(model: Path, spell: Callable[[bytes], bytes]) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    out.write_bytes(spell(out.read_bytes()))
    with pytest.raises(ModelError):
        verify(out, model)


@pytest.mark.attack("verify", "not verified, the difference named")
@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS)
def test_a_record_that_is_none_is_refused(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    claim(out, change)
    with pytest.raises(ModelError, match="record of its repair cannot be read") as caught:
        verify(out, model)
    assert len(caught.value.why) <= 300


@pytest.mark.attack("verify", "not verified, the difference named")
@pytest.mark.parametrize("change", TEXTS.values(), ids=TEXTS)
def test_a_record_whose_text_is_none_is_refused(model: Path, change: Callable[[str], str]) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    proto = onnx.load(out)
    entry = record_in(proto)
    before = entry.value
    entry.value = change(before)
    assert entry.value != before
    onnx.save(proto, out)
    with pytest.raises(ModelError, match="record of its repair cannot be read") as caught:
        verify(out, model)
    assert len(caught.value.why) <= 300


@pytest.mark.attack("verify", "not verified, the difference named")
@pytest.mark.parametrize("how", ["", "model", "file", "model, file", "model, message", "model, file, message"])
def test_an_evil_model_that_claims_to_be_the_genuine_one_does_not_verify(model: Path, how: str) -> None:
    evil, out = evil_twin(model), model.with_name("out.onnx")
    apply(evil, write_masks(evil), out)
    claims_to_be(out, model, how)
    with pytest.raises(GateError, match="not the model and its masks"):
        verify(out, model)


def test_what_a_file_says_of_itself_is_told_as_its_claim(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)

    def change(held: dict[str, Any]) -> None:
        held["onnxcausal"] = "9.9.9"
        held["masks"]["model"]["file"] = "../../etc/passwd"
        held["masks"]["provenance"] = {"approved \x1b[31m": "yes", "B" * 1000: 1}

    claim(out, change)
    found = verify(out, model)
    assert found.byte_for_byte
    assert found.claims.onnxcausal == "9.9.9"
    told = text(found)
    assert "the file says, unproven: made by onnxcausal 9.9.9 from ../../etc/passwd\n" in told
    assert "approved" in told
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) < 200


def test_how_much_is_changed_is_told_layer_by_layer(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, write_masks(model, means=SOME_MEANS), out, form=Form.FOLDED)
    first, second = verify(out, model).layers
    assert (first.layer, first.edges, first.of, second.layer, second.edges, second.of) == (
        "/gemm_0/Gemm",
        2,
        2560,
        "/gemm_2/Gemm",
        6,
        120,
    )
    weights = [weight.astype(np.float32).astype(np.float64) for weight in WEIGHTS]
    assert first.weight == pytest.approx(0.5 * np.abs(weights[0][7, [3, 5]]).max())
    assert second.weight == pytest.approx(np.abs(weights[1][:, [1, 2]]).max())
    assert first.largest == pytest.approx(np.abs(weights[0]).max())
    assert first.added == pytest.approx(abs(0.5 * (2.0 * weights[0][7, 3] - 1.0 * weights[0][7, 5])))
    assert second.added == pytest.approx(np.abs(4.0 * weights[1][:, 2]).max())


def test_a_verification_fits_its_schema(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, write_masks(model, means=SOME_MEANS), out)
    found = json.loads(to_json(verify(out, model)))
    jsonschema.validate(found, json.loads(schema()))
    assert found["means"]["state"] == "not checked against data"
    shipped = SCHEMAS / SCHEMA_FILE
    assert shipped.read_text() == schema()
