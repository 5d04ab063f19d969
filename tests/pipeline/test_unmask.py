"""The job `unmask`: the original comes back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import GateError, ModelError, OutputError
from onnxcausal.pipeline.apply import apply
from onnxcausal.pipeline.unmask import unmask
from tests.support.forged import CLAIMS, MESSAGES, claim, claims_to_be, evil_twin, forge, sha256
from tests.support.repairs import SOME_MEANS, scores_of, write_masks, write_model, written_otherwise

ON_THE_FIRST_OP = (
    "metadata of an op",
    "a doc string of an op",
    "an empty doc string",
    "an attribute",
    "such a field in an op",
)
"""What stands on the first op of a masked file, which multiplies a mask and goes with it."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


@pytest.fixture
def split_model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "split", "w.bin")


@pytest.mark.parametrize("form", [Form.MASKED, Form.SWITCHABLE])
def test_unmasking_gives_the_bytes_of_the_original(model: Path, form: Form) -> None:
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, model.with_name("masks.json"), out, form=form)
    assert unmask(out, back).is_exact
    assert back.read_bytes() == model.read_bytes()
    assert unmask(out, back).is_exact  # over itself
    apply(model, write_masks(model, means=SOME_MEANS), out, form=form)
    assert unmask(out, back).is_exact
    assert back.read_bytes() == model.read_bytes()


def test_an_original_in_other_bytes_comes_back_as_the_same_message(model: Path) -> None:
    written_otherwise(model)
    masks = write_masks(model)
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, masks, out)
    with pytest.raises(GateError, match="does not have the hash that its record names") as caught:
        unmask(out, back)
    assert sha256(model) in caught.value.why
    assert not back.exists()
    for found in (unmask(out, back, other_bytes=True), unmask(out, back, against=model)):
        assert not found.is_exact
        assert (found.claimed, found.sha256) == (sha256(model), sha256(back))
        assert onnx.load(back) == onnx.load(model)


@pytest.mark.parametrize("form", [Form.MASKED, Form.SWITCHABLE])
def test_weights_of_other_files_come_back_with_the_original(split_model: Path, tmp_path: Path, form: Form) -> None:
    out = split_model.with_name("out.onnx")
    apply(split_model, split_model.with_name("masks.json"), out, form=form)
    (tmp_path / "elsewhere").mkdir()
    for back in (split_model.with_name("back.onnx"), tmp_path / "elsewhere" / "back.onnx"):
        assert unmask(out, back).is_exact
        np.testing.assert_array_equal(scores_of(back), scores_of(split_model))


def test_a_file_of_others_needs_force(model: Path) -> None:
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, model.with_name("masks.json"), out)
    back.write_bytes(b"a novel")
    with pytest.raises(OutputError, match="another file in the output's place"):
        unmask(out, back)
    assert back.read_bytes() == b"a novel"
    assert unmask(out, back, force=True).is_exact
    with pytest.raises(OutputError, match="replace what it is made from"):
        unmask(out, out, force=True)


@pytest.mark.attack("unmask", "refused, nothing written")
def test_a_file_that_was_changed_since_is_refused(model: Path) -> None:
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, model.with_name("masks.json"), out)
    proto = onnx.load(out)
    proto.graph.node[-1].doc_string = "harmless"
    onnx.save(proto, out)
    with pytest.raises(ModelError, match="changed since the masks were put in"):
        unmask(out, back)
    assert not back.exists()


@pytest.mark.in_its_own_process
def test_a_file_is_loaded_in_a_process_of_its_own_first(model: Path) -> None:
    out = model.with_name("out.onnx")
    apply(model, model.with_name("masks.json"), out)
    assert unmask(out, model.with_name("back.onnx")).is_exact
    out.write_bytes(b"junk")
    with pytest.raises(ModelError, match="not an ONNX model"):
        unmask(out, model.with_name("back.onnx"))


@pytest.mark.attack("unmask", "refused, nothing written")
@pytest.mark.parametrize("how", ["model", "file", "model, file", "message", "model, message", "model, file, message"])
@pytest.mark.parametrize("form", [Form.MASKED, Form.SWITCHABLE])
def test_an_evil_model_that_claims_to_be_the_genuine_one_is_not_written(model: Path, how: str, form: Form) -> None:
    evil, out, back = evil_twin(model), model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(evil, write_masks(evil, means=SOME_MEANS), out, form=form)
    claims_to_be(out, model, how)
    for against in (None, model):
        with pytest.raises((GateError, ModelError)):
            unmask(out, back, against=against)
        assert not back.exists()


@pytest.mark.attack("unmask", "told as the file's claim")
def test_an_evil_model_is_told_as_what_it_is(model: Path) -> None:
    evil, out, back = evil_twin(model), model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(evil, write_masks(evil), out)
    claims_to_be(out, model, "name alone")
    with pytest.raises(GateError, match="is not the original"):
        unmask(out, back, against=model)
    found = unmask(out, back)
    assert (found.claimed, found.sha256, found.against) == (sha256(evil), sha256(evil), "")
    claims_to_be(out, model, "model, file")
    found = unmask(out, back, other_bytes=True, force=True)
    assert not found.is_exact
    assert (found.claimed, found.sha256) == (sha256(model), sha256(evil))


def test_with_the_original_at_hand_it_is_compared(model: Path, split_model: Path) -> None:
    for path in (model, split_model):
        out, back = path.with_name("out.onnx"), path.with_name("back.onnx")
        apply(path, path.with_name("masks.json"), out)
        found = unmask(out, back, against=path)
        assert (found.against, found.is_exact) == ("model.onnx", True)
        with pytest.raises(OutputError, match="replace what it is made from"):
            unmask(out, path, against=path, force=True)
    with pytest.raises(GateError, match="is not the original"):
        unmask(model.with_name("out.onnx"), back, against=split_model, force=True)


@pytest.mark.attack("unmask", "refused, nothing written")
def test_other_weights_beside_it_are_not_the_original(split_model: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    apply(split_model, split_model.with_name("masks.json"), place / "out.onnx")
    weights = place / "w.bin"
    held = weights.read_bytes()
    weights.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    with pytest.raises(GateError, match="does not have the hash that its record names"):
        unmask(place / "out.onnx", place / "back.onnx")
    with pytest.raises(GateError, match="is not the original") as caught:
        unmask(place / "out.onnx", place / "back.onnx", against=split_model)
    assert "w.bin holds something else" in caught.value.why
    assert not (place / "back.onnx").exists()


@pytest.mark.attack("unmask", "refused, or gone with the masks")
@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_more_than_masks_is_refused_or_gone_with_the_masks(model: Path, name: str) -> None:
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, model.with_name("masks.json"), out)
    forge(out, MESSAGES[name])
    of_masks = name.startswith("a mask") or name in ON_THE_FIRST_OP
    if of_masks:
        assert unmask(out, back).is_exact
        assert back.read_bytes() == model.read_bytes()
        return
    with pytest.raises(ModelError):
        unmask(out, back)
    assert not back.exists()


@pytest.mark.attack("unmask", "refused, nothing written")
@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS)
def test_a_record_that_is_none_is_refused(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, model.with_name("masks.json"), out)
    claim(out, change)
    with pytest.raises(ModelError, match="record of its repair cannot be read"):
        unmask(out, back)
    assert not back.exists()
