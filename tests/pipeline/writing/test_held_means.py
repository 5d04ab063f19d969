"""Means are held to what their nodes take: on data, else on made-up inputs."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal.analysis.formats.masks import MaskRecord, MeanRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.analysis.formats.verification import MeansState
from onnxcausal.errors import ConfigError, GateError, ModelError
from onnxcausal.pipeline.apply import apply
from onnxcausal.pipeline.verify import verify
from onnxcausal.pipeline.writing.held_means import SLACK
from tests.support.networks import mlp
from tests.support.repairs import WEIGHTS, write_masks, write_model

COUNT = 300
FIRST, SECOND = "/gemm_0/Gemm", "/gemm_2/Gemm"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path)


@pytest.fixture
def data(model: Path) -> Path:
    x = np.random.default_rng(5).normal(size=(COUNT, 64)).astype(np.float32)
    np.savez(model.with_name("d.npz"), x=x, y=np.arange(COUNT) % 3)
    return model.with_name("d.npz")


def hidden(data: Path) -> np.ndarray:
    """Return what the second layer's parents take."""
    x = np.load(data)["x"]
    return np.asarray(np.maximum(x @ WEIGHTS[0].T.astype(np.float32), 0))


def with_mean(model: Path, value: float, *, layer: str = SECOND, parent: int = 2, beta: float = 0.0) -> Path:
    entry = MaskRecord(layer=layer, parents=[parent], beta=beta)
    return write_masks(model, entry, means=[MeanRecord(layer=layer, parents=[parent], values=[value])])


def test_a_mean_of_the_data_is_taken_and_said_to_be_checked(model: Path, data: Path) -> None:
    out = model.with_name("out.onnx")
    masks = with_mean(model, float(hidden(data)[:, 2].mean()))
    applied = apply(model, masks, out, data=data)
    assert "means lie within what their nodes take on 256 samples of d.npz" in applied.means
    found = verify(out, model, data=data)
    assert found.means.state == MeansState.WITHIN_DATA


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_all_between_the_least_and_the_largest_value_is_taken(model: Path, data: Path, share: float) -> None:
    taken = hidden(data)[:, 2]
    value = float(taken.min() + share * (taken.max() - taken.min()))
    assert apply(model, with_mean(model, value), model.with_name("out.onnx"), data=data).means


@pytest.mark.attack("means in masks.json", "refused, nothing written")
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    ("value", "beta"),
    [(1e10, 0.9999999), (-1e10, 0.9999999), (1e10, 0.0), (1e3, 0.999), (-1e3, 0.0), (1e30, 1.0), (-1.0, 0.0)],
)
def test_a_bias_at_will_is_refused_with_data(model: Path, data: Path, form: Form, value: float, beta: float) -> None:
    out = model.with_name("out.onnx")
    with pytest.raises((GateError, ModelError)) as caught:
        apply(model, with_mean(model, value, beta=beta), out, form=form, data=data)
    assert not out.exists()
    if isinstance(caught.value, GateError):
        assert "parent 2" in caught.value.where
        assert f"{value:.6g}" in caught.value.why


@pytest.mark.attack("means in masks.json", "refused, nothing written")
@pytest.mark.parametrize("value", [1e10, -1e10, 1e6, -1.0])
def test_a_bias_at_will_is_refused_without_data_too(model: Path, value: float) -> None:
    out = model.with_name("out.onnx")
    with pytest.raises(GateError, match="beyond what its node takes") as caught:
        apply(model, with_mean(model, value), out)
    assert "made-up inputs" in caught.value.why
    assert not out.exists()


@pytest.mark.attack("means in masks.json", "refused, nothing written")
@pytest.mark.parametrize("value", [1e10, -1e10, 1e6])
def test_such_a_file_does_not_verify_either(model: Path, data: Path, value: float) -> None:
    out = model.with_name("out.onnx")
    told = apply(model, with_mean(model, value), out, any_means=True).means
    assert "means not checked, as --any-means says" in told
    for given in (None, data):
        with pytest.raises(GateError, match="beyond what its node takes"):
            verify(out, model, data=given)
        found = verify(out, model, data=given, any_means=True)
        assert found.byte_for_byte
        assert found.means.state == MeansState.ANY
        largest = np.abs(WEIGHTS[1][:, 2].astype(np.float32)).max()
        assert found.layers[0].added == pytest.approx(abs(value) * largest)


@pytest.mark.attack("means in masks.json", "refused, nothing written")
def test_one_mean_beyond_is_found_among_many(model: Path, data: Path) -> None:
    means = hidden(data).mean(axis=0)
    values = [float(value) for value in means]
    values[17] = float(hidden(data)[:, 17].max() * 3)
    entry = MaskRecord(layer=SECOND, parents=list(range(40)), beta=0.5)
    masks = write_masks(model, entry, means=[MeanRecord(layer=SECOND, parents=list(range(40)), values=values)])
    with pytest.raises(GateError) as caught:
        apply(model, masks, model.with_name("out.onnx"), data=data)
    assert "parent 17" in caught.value.where


def test_a_node_that_does_not_speak_on_the_data_may_have_a_small_mean(model: Path, data: Path) -> None:
    largest = float(hidden(data).max())
    x = np.load(data)["x"]
    quiet = x[hidden(data)[:, 2] == 0]
    assert 0 < len(quiet) < COUNT
    np.savez(data, x=quiet, y=np.arange(len(quiet)) % 3)
    out = model.with_name("out.onnx")
    assert apply(model, with_mean(model, 0.5 * SLACK * largest), out, data=data).means
    with pytest.raises(GateError, match="beyond what its node takes"):
        apply(model, with_mean(model, 2 * SLACK * largest), out, data=data)


def test_the_inputs_themselves_are_parents_too(model: Path, data: Path) -> None:
    out = model.with_name("out.onnx")
    assert apply(model, with_mean(model, -0.2, layer=FIRST), out, data=data).means
    with pytest.raises(GateError):
        apply(model, with_mean(model, -9.0, layer=FIRST), out, data=data)
    assert apply(model, with_mean(model, -0.2, layer=FIRST), out).means
    with pytest.raises(GateError):
        apply(model, with_mean(model, -9000.0, layer=FIRST), out)


def test_without_data_it_is_said_that_nothing_was_checked(model: Path) -> None:
    out = model.with_name("out.onnx")
    applied = apply(model, with_mean(model, 4.0), out)
    assert applied.means.startswith("means not checked: no data are named")
    assert verify(out, model).means.state == MeansState.NOT_CHECKED


def test_the_sidecar_names_the_data(model: Path, data: Path) -> None:
    model.with_suffix(".toml").write_text(f'[data]\nsource = "{data.name}"\n')
    out = model.with_name("out.onnx")
    assert "of d.npz" in apply(model, with_mean(model, 4.0), out).means
    with pytest.raises(GateError):
        apply(model, with_mean(model, 500.0), out)


def test_without_means_neither_sidecar_nor_data_are_read(model: Path) -> None:
    model.with_suffix(".toml").write_text('[data]\nsource = "none.npz"\n')
    out = model.with_name("out.onnx")
    assert apply(model, write_masks(model), out).means == ""
    assert verify(out, model).means.state == MeansState.NONE


@pytest.mark.attack("means in masks.json", "refused, nothing written")
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "null", "[]"])
def test_a_mean_that_is_no_number_is_refused(model: Path, text: str) -> None:
    masks = with_mean(model, 0.125)
    assert "[0.125]" in masks.read_text()
    masks.write_text(masks.read_text().replace("[0.125]", f"[{text}]"))
    out = model.with_name("out.onnx")
    with pytest.raises(ConfigError):
        apply(model, masks, out, any_means=True)
    assert not out.exists()


@pytest.mark.attack("means in masks.json", "refused, nothing written")
@pytest.mark.parametrize("form", Form)
def test_a_bias_that_would_be_infinite_is_refused_whatever_is_said(model: Path, form: Form) -> None:
    out = model.with_name("out.onnx")
    with pytest.raises(ModelError, match="too large"):
        apply(model, with_mean(model, 1e39), out, form=form, any_means=True)
    assert not out.exists()


@pytest.mark.attack("means in masks.json", "refused, nothing written")
def test_two_numbers_that_are_infinite_together_are_refused_in_a_bias(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    onnx.save(mlp([np.ones((2, 2)), np.ones((2, 2))], [np.zeros(2), np.full(2, 3e38)]), model)
    out = model.with_name("out.onnx")
    with pytest.raises(ModelError, match="cannot be added to the bias") as caught:
        apply(model, with_mean(model, 2e38, parent=0), out, form=Form.FOLDED, any_means=True)
    assert "would overflow" in caught.value.why
