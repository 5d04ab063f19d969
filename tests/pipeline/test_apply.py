"""The job `apply`: repaired files and where they go."""

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import onnxcausal
from onnxcausal.analysis.formats.masks import MaskRecord, MeanRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ConfigError, GateError, ModelError, OutputError
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.forms.equivalence import Sameness
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.network import cut_model
from onnxcausal.pipeline.apply import apply, parse_form
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.unmask import unmask
from onnxcausal.pipeline.verify import verify
from tests.support.networks import Builder
from tests.support.repairs import SOME_MEANS, edited_by_hand, replaced_by_hand, scores_of, write_masks, write_model

SEEDS = sorted((Path(__file__).parent.parent / "seeds").glob("*.onnx"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


@pytest.fixture
def split_model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "split", "w.bin")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("form", Form)
def test_a_repaired_file_computes_the_repair(model: Path, form: Form) -> None:
    out = model.with_name("out.onnx")
    before = model.read_bytes()
    applied = apply(model, model.with_name("masks.json"), out, form=form)
    onnx.checker.check_model(str(out), full_check=True)
    np.testing.assert_allclose(scores_of(out), edited_by_hand(), rtol=0, atol=1e-4)
    assert [(layer.name, layer.edges, layer.of) for layer in applied.layers] == [
        ("/gemm_0/Gemm", 2, 2560),
        ("/gemm_2/Gemm", 6, 120),
    ]
    assert applied.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert model.read_bytes() == before
    assert names(model.parent) == {"model.onnx", "masks.json", "out.onnx"}


@pytest.mark.parametrize("form", Form)
def test_means_take_the_place_of_paths_in_a_file(model: Path, split_model: Path, form: Form) -> None:
    for path in (model, split_model):
        out = path.with_name("out.onnx")
        applied = apply(path, write_masks(path, means=SOME_MEANS), out, form=form)
        onnx.checker.check_model(str(out), full_check=True)
        np.testing.assert_allclose(scores_of(out), replaced_by_hand(), rtol=0, atol=1e-4)
        shifts = {layer.name: layer.shift for layer in applied.layers}
        assert all(layer.replaced for layer in applied.layers)
        assert any(shifts.values()) == (form in (Form.MASKED, Form.SWITCHABLE))
        assert verify(out, path).byte_for_byte


@pytest.mark.parametrize("form", Form)
def test_external_data_stays_external_and_is_shared_in_the_same_folder(split_model: Path, form: Form) -> None:
    out = split_model.with_name("out.onnx")
    before = split_model.with_name("w.bin").read_bytes()
    apply(split_model, split_model.with_name("masks.json"), out, form=form)
    np.testing.assert_allclose(scores_of(out), edited_by_hand(), rtol=0, atol=1e-4)
    assert split_model.with_name("w.bin").read_bytes() == before
    new = names(split_model.parent) - {"model.onnx", "w.bin", "masks.json", "out.onnx"}
    assert len(new) == (form in (Form.FOLDED, Form.PRUNED))
    held = {tensor.name: tensor for tensor in onnx.load(out, load_external_data=False).graph.initializer}
    assert all(held[name].data_location == TensorProto.EXTERNAL for name in ("stored_0", "stored_1", "stored_2"))


@pytest.mark.parametrize("form", Form)
def test_external_data_is_copied_under_its_name_into_another_folder(
    split_model: Path, tmp_path: Path, form: Form
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    apply(split_model, split_model.with_name("masks.json"), place / "out.onnx", form=form)
    np.testing.assert_allclose(scores_of(place / "out.onnx"), edited_by_hand(), rtol=0, atol=1e-4)
    assert (place / "w.bin").read_bytes() == split_model.with_name("w.bin").read_bytes()
    apply(split_model, split_model.with_name("masks.json"), place / "out.onnx", form=form)


@pytest.mark.attack("apply", "refused, nothing written")
def test_another_file_in_the_place_of_the_weights_is_never_replaced(split_model: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "w.bin").write_bytes(b"another model's")
    with pytest.raises(OutputError, match="in the place of the model's weights"):
        apply(split_model, split_model.with_name("masks.json"), place / "out.onnx", force=True)
    assert names(place) == {"w.bin"}
    assert (place / "w.bin").read_bytes() == b"another model's"


def test_a_file_cannot_have_the_name_of_the_weights_copied_beside_it(split_model: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(OutputError, match="the name of the model's weights"):
        apply(split_model, split_model.with_name("masks.json"), tmp_path / "elsewhere" / "w.bin")
    assert not names(tmp_path / "elsewhere")


@pytest.mark.attack("apply", "refused, nothing written")
def test_masks_of_another_model_are_refused(model: Path) -> None:
    proto = onnx.load(model)
    proto.producer_name = "another"
    onnx.save(proto, model)
    with pytest.raises(ConfigError, match="of another model"):
        apply(model, model.with_name("masks.json"), model.with_name("out.onnx"))
    assert not model.with_name("out.onnx").exists()


@pytest.mark.attack("apply", "refused, nothing written")
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["model.onnx", "masks.json", "link.onnx"])
def test_nothing_is_written_over_what_it_is_made_from(model: Path, name: str, force: bool) -> None:
    model.with_name("link.onnx").symlink_to(model)
    before = {path.name: path.read_bytes() for path in model.parent.iterdir()}
    with pytest.raises(OutputError, match="replace what it is made from"):
        apply(model, model.with_name("masks.json"), model.with_name(name), force=force)
    assert {path.name: path.read_bytes() for path in model.parent.iterdir()} == before


@pytest.mark.attack("apply", "refused, nothing written")
def test_not_even_with_force_are_the_models_weights_replaced(split_model: Path) -> None:
    with pytest.raises(OutputError, match="replace what it is made from"):
        apply(split_model, split_model.with_name("masks.json"), split_model.with_name("w.bin"), force=True)


def test_a_file_of_others_needs_force_an_earlier_repair_does_not(model: Path) -> None:
    out, masks = model.with_name("out.onnx"), model.with_name("masks.json")
    out.write_bytes(b"a novel")
    with pytest.raises(OutputError, match="another file in the output's place"):
        apply(model, masks, out)
    assert out.read_bytes() == b"a novel"
    apply(model, masks, out, force=True)
    first = out.read_bytes()
    apply(model, masks, out, form=Form.FOLDED)
    assert out.read_bytes() != first
    with pytest.raises(OutputError, match="another file in the output's place"):
        apply(model, masks, model.parent, force=True)


def test_interrupted_writing_leaves_the_old_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, masks = model.with_name("out.onnx"), model.with_name("masks.json")
    apply(model, masks, out)
    before = {path.name: path.read_bytes() for path in model.parent.iterdir()}

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(model, masks, out, form=Form.FOLDED)
    assert {path.name: path.read_bytes() for path in model.parent.iterdir()} == before


def test_a_place_that_does_not_exist_is_refused(split_model: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        apply(split_model, split_model.with_name("masks.json"), split_model.parent / "no" / "out.onnx")
    assert not (split_model.parent / "no").exists()


def test_a_model_of_several_outputs_is_read_as_the_masks_say(tmp_path: Path) -> None:
    builder = Builder(np.random.default_rng(0))
    hidden = builder.add("Gemm", ["x", builder.weight(64, 4)])
    proto = builder.model(["N", 64], builder.add("Gemm", [hidden, builder.weight(4, 3)]))
    proto.graph.output.append(helper.make_tensor_value_info(hidden, TensorProto.FLOAT, ["N", 4]))
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    entry = MaskRecord(layer="/gemm_0/Gemm", parents=[1], beta=0.0)
    with pytest.raises(ModelError, match="several outputs"):
        apply(path, write_masks(path, entry), tmp_path / "out.onnx")
    apply(path, write_masks(path, entry, output=hidden), tmp_path / "out.onnx")
    entry = MaskRecord(layer="/gemm_1/Gemm", parents=[1], beta=0.0)  # below that tensor
    with pytest.raises(ConfigError, match="no layer '/gemm_1/Gemm'"):
        apply(path, write_masks(path, entry, output=hidden), tmp_path / "out.onnx")


def test_a_form_is_one_of_four() -> None:
    assert parse_form("folded") is Form.FOLDED
    with pytest.raises(ConfigError, match="unknown form 'sparse'"):
        parse_form("sparse")


@pytest.mark.parametrize("seed", SEEDS, ids=[path.stem for path in SEEDS])
def test_any_file_is_repaired_and_restored_or_refused_even_if_it_is_trusted(seed: Path, tmp_path: Path) -> None:
    try:
        model = load_model(seed)
        cut = cut_model(model)
        names = [layer.name for layer in find_layers(index_graph(cut.proto, model.opset))]
    except ModelError:
        return
    entries = [MaskRecord(layer=name, parents=[0], beta=0.0) for name in names]
    means = [MeanRecord(layer=name, parents=[0], values=[0.5]) for name in names]
    for form, given in itertools.product(Form, ([], means)):
        out = tmp_path / "out.onnx"
        masks = write_masks(seed, *entries, means=given, place=tmp_path)
        try:
            apply(seed, masks, out, form=form, machine=Machine.of(limits="none"))
            assert verify(out, seed, machine=Machine.of(limits="none")).byte_for_byte
        except (ModelError, ConfigError):
            continue
        except GateError as error:
            assert "the means" in error.what  # what does not run shows no means  # noqa: PT017
            continue
        if form in (Form.MASKED, Form.SWITCHABLE):
            unmask(out, tmp_path / "back.onnx", against=seed, machine=Machine.of(limits="none"))
            assert onnx.load(tmp_path / "back.onnx") == onnx.load(seed)


def test_from_python_names_do(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    applied = onnxcausal.apply("model.onnx", "masks.json", "out.onnx", form="switchable")
    assert applied.form is Form.SWITCHABLE
    assert onnxcausal.verify("out.onnx", "model.onnx")
    assert onnxcausal.unmask("out.onnx", "back.onnx")
    assert Path("back.onnx").read_bytes() == Path("model.onnx").read_bytes()
    with pytest.raises(ConfigError, match="unknown form 'sparse'"):
        onnxcausal.apply("model.onnx", "masks.json", "new.onnx", form="sparse")
    assert set(onnxcausal.__all__) <= set(dir(onnxcausal))


@pytest.mark.in_its_own_process
def test_a_file_is_opened_in_a_process_of_its_own_first(model: Path) -> None:
    apply(model, model.with_name("masks.json"), model.with_name("out.onnx"))
    assert model.with_name("out.onnx").exists()


def test_a_pruned_file_that_computes_something_else_is_not_written(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apart(*_: object) -> Sameness:
        return Sameness(difference=0.2, allowed=1e-4)

    monkeypatch.setattr("onnxcausal.pipeline.writing.pruned.compare_outputs", apart)
    with pytest.raises(ModelError, match="would not compute what the folded one does"):
        apply(model, model.with_name("masks.json"), model.with_name("out.onnx"), form=Form.PRUNED)
    assert not model.with_name("out.onnx").exists()


def test_a_pruned_file_tells_what_went(model: Path) -> None:
    applied = apply(model, model.with_name("masks.json"), model.with_name("out.onnx"), form=Form.PRUNED)
    assert applied.smaller is not None
    assert [(one.layer, one.parents, one.children) for one in applied.smaller.lost] == [
        ("/gemm_0/Gemm", (), (1, 2)),
        ("/gemm_2/Gemm", (1, 2), ()),
    ]
    assert applied.smaller.parameters == (40 * 65 + 3 * 41, 38 * 65 + 3 * 39)
    assert applied.smaller.difference is not None
    assert applied.smaller.difference < 1e-5
