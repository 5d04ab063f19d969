"""The job `unmask`: the original comes back."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError, OutputError
from onnxcausal.pipeline.apply import apply
from onnxcausal.pipeline.unmask import unmask
from tests.support.repairs import SOME_MEANS, scores_of, write_masks, write_model, written_otherwise


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
    assert unmask(out, back)
    assert back.read_bytes() == model.read_bytes()
    assert unmask(out, back)  # over itself
    apply(model, write_masks(model, means=SOME_MEANS), out, form=form)
    assert unmask(out, back)
    assert back.read_bytes() == model.read_bytes()


def test_an_original_in_other_bytes_comes_back_as_the_same_message(model: Path) -> None:
    written_otherwise(model)
    masks = write_masks(model)
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, masks, out)
    assert not unmask(out, back)
    assert onnx.load(back) == onnx.load(model)
    assert not unmask(out, back)  # over itself


@pytest.mark.parametrize("form", [Form.MASKED, Form.SWITCHABLE])
def test_weights_of_other_files_come_back_with_the_original(split_model: Path, tmp_path: Path, form: Form) -> None:
    out = split_model.with_name("out.onnx")
    apply(split_model, split_model.with_name("masks.json"), out, form=form)
    (tmp_path / "elsewhere").mkdir()
    for back in (split_model.with_name("back.onnx"), tmp_path / "elsewhere" / "back.onnx"):
        assert unmask(out, back)
        np.testing.assert_array_equal(scores_of(back), scores_of(split_model))


def test_a_file_of_others_needs_force(model: Path) -> None:
    out, back = model.with_name("out.onnx"), model.with_name("back.onnx")
    apply(model, model.with_name("masks.json"), out)
    back.write_bytes(b"a novel")
    with pytest.raises(OutputError, match="another file in the output's place"):
        unmask(out, back)
    assert back.read_bytes() == b"a novel"
    assert unmask(out, back, force=True)
    with pytest.raises(OutputError, match="replace what it is made from"):
        unmask(out, out, force=True)


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
    assert unmask(out, model.with_name("back.onnx"))
    out.write_bytes(b"junk")
    with pytest.raises(ModelError, match="not an ONNX model"):
        unmask(out, model.with_name("back.onnx"))
