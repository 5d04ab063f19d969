"""Compression: what goes first, how much goes, what is written, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from onnxcausal import analyze, apply, compress, verify
from onnxcausal.analysis.formats.compression import SCHEMA_FILE, schema, to_json
from onnxcausal.analysis.formats.masks import MaskRecord
from onnxcausal.analysis.formats.masks import to_json as masks_json
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.analysis.formats.refit_metadata import REFIT_KEY
from onnxcausal.analysis.formats.repair_metadata import KEY
from onnxcausal.cli import main
from onnxcausal.errors import ConfigError, GateError, ModelError, OutputError, SamplesError
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.graph.tensors import count_parameters
from onnxcausal.onnxgraph.masking.masked import with_masks
from onnxcausal.pipeline.compress import FIGURE, RECORD, Compression
from onnxcausal.pipeline.compressing.options import CompressOptions
from onnxcausal.pipeline.repairing.plan import masks_of
from onnxcausal.report.compress import figure, table
from tests.support.networks import mlp
from tests.support.opened import open_proto

ROOT = Path(__file__).parent.parent.parent
MODEL = ROOT / "models" / "digits_lenet.onnx"
HALF = CompressOptions(target_size=0.5, count=60)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs") / "out"
    analyze(MODEL, samples=15, out=folder)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compressed")


@pytest.fixture(scope="module")
def found(analysis: Path, place: Path) -> Compression:
    return compress(MODEL, place / "small.onnx", analysis=analysis, options=HALF)


@pytest.fixture(scope="module")
def refitted(analysis: Path, place: Path) -> Compression:
    options = replace(HALF, target_size=0.25, refit=True)
    return compress(MODEL, place / "fitted.onnx", analysis=analysis, options=options)


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    with np.load(ROOT / "models" / "digits.npz") as held:
        return (held["x"][:, None] / 255).astype(np.float32), held["y"].astype(np.int64)


def scores(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(ort.InferenceSession(path).run(None, {"image": x})[0])


def test_the_file_is_as_small_as_asked_for_and_no_group_smaller(found: Compression, place: Path) -> None:
    before, after = found.record.parameters
    assert after == count_parameters(onnx.load(place / "small.onnx")).number
    assert before == count_parameters(onnx.load(MODEL)).number
    assert 0.45 * before < after <= 0.5 * before


def test_the_file_is_the_model_and_masks_and_proven_to_be(found: Compression, place: Path) -> None:
    assert verify(place / "small.onnx", MODEL).byte_for_byte
    onnx.checker.check_model(onnx.load(place / "small.onnx"), full_check=True)
    x, _ = digits()
    model = open_proto(onnx.load(MODEL), x[:2])
    own = {entry.layer: np.array(entry.parents) for entry in found.masks.masks}
    nodes = {
        layer: np.array([n for n, features in enumerate(model.wiring.flow.nodes[layer]) if features[0] in held])
        for layer, held in own.items()
    }
    in_memory = with_masks(model.network, masks_of(model.wiring, nodes, 0.0), model.wiring)
    expected = in_memory.scores(x[:100])
    np.testing.assert_allclose(scores(place / "small.onnx", x[:100]), expected, atol=4e-6 * np.abs(expected).max())


def test_causal_effects_lose_less_than_weights_and_chance_at_as_many_numbers(found: Compression) -> None:
    own = found.record.overall.after
    assert len(found.record.others) == 4
    for other in found.record.others:
        assert abs(other.parameters - found.record.parameters[1]) < 0.02 * found.record.parameters[0]
        assert other.overall.after < own
        assert other.overall.before == found.record.overall.before


def test_the_record_is_of_its_format_and_stands_beside_the_file(found: Compression, place: Path) -> None:
    written = json.loads((place / f"small{RECORD}").read_text())
    assert written == json.loads(to_json(found.record))
    jsonschema.validate(written, json.loads(schema()))
    assert (SCHEMAS / SCHEMA_FILE).read_text() == schema()
    assert (place / f"small{FIGURE}").read_bytes() == figure(found.record)
    assert [cost.bytes for cost in found.record.cost] == [
        MODEL.stat().st_size,
        (place / "small.onnx").stat().st_size,
    ]
    shown = table(found.record)
    assert "smallest weights (L1)" in shown
    assert "/fc1/Gemm" in shown


def test_the_file_does_on_the_reported_samples_what_the_record_says(found: Compression, place: Path) -> None:
    x, y = digits()
    report = np.concatenate([np.array(held) for held in found.record.split.report.values()])
    chosen = np.concatenate([np.array(held) for held in found.record.split.search.values()])
    assert not np.intersect1d(report, chosen).size
    right = scores(place / "small.onnx", x[report]).argmax(axis=1) == y[report]
    assert right.mean() == pytest.approx(found.record.overall.after)
    for entry in found.record.classes:
        assert right[y[report] == entry.target].mean() == pytest.approx(entry.change.after)


def test_a_fitted_file_is_better_and_says_that_it_is_no_masks(
    refitted: Compression, analysis: Path, place: Path, tmp_path: Path
) -> None:
    plain = compress(MODEL, tmp_path / "plain.onnx", analysis=analysis, options=replace(HALF, target_size=0.25))
    assert plain.masks.masks == refitted.masks.masks
    assert refitted.record.overall.after > plain.record.overall.after + 0.05
    metadata = load_model(place / "fitted.onnx").metadata
    assert KEY not in metadata
    held = json.loads(metadata[REFIT_KEY])
    assert held["refit"] is True
    assert held["masks"]["model"]["sha256"] == refitted.record.model.sha256
    with pytest.raises(ModelError, match="no repaired file"):
        verify(place / "fitted.onnx", MODEL)
    x, y = digits()
    report = np.concatenate([np.array(each) for each in refitted.record.split.report.values()])
    right = scores(place / "fitted.onnx", x[report]).argmax(axis=1) == y[report]
    assert right.mean() == pytest.approx(refitted.record.overall.after)


@pytest.mark.slow
def test_the_same_run_gives_the_same_file(refitted: Compression, analysis: Path, place: Path, tmp_path: Path) -> None:
    again = compress(
        MODEL, tmp_path / "again.onnx", analysis=analysis, options=replace(HALF, target_size=0.25, refit=True)
    )
    assert again.masks == refitted.masks
    assert (tmp_path / "again.onnx").read_bytes() == (place / "fitted.onnx").read_bytes()


def test_neurons_that_do_nothing_go_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    planted(tmp_path / "m.onnx", rng)
    planted_data(tmp_path / "d.npz", rng)
    found = compress(
        tmp_path / "m.onnx",
        tmp_path / "small.onnx",
        data=tmp_path / "d.npz",
        options=CompressOptions(target_size=0.55),
        samples=20,
    )
    (entry,) = found.masks.masks
    assert entry.parents == [6, 7, 8, 9, 10, 11]
    assert (found.record.overall.lost, found.record.overall.gained) == (0, 0)
    by_weight = found.record.others[0]
    assert by_weight.overall.lost > 0


def planted(path: Path, rng: np.random.Generator) -> None:
    """Write a network of twelve neurons: two make each of three classes; six have large weights and say nothing."""
    first = np.vstack([np.eye(6), 5 * rng.normal(size=(6, 6))])
    second = np.zeros((3, 12))
    for target in range(3):
        second[target, 2 * target : 2 * target + 2] = 1.0
    onnx.save(mlp([first, second], [np.zeros(12), np.zeros(3)]), path)


def planted_data(path: Path, rng: np.random.Generator) -> None:
    x = np.abs(rng.normal(0, 0.1, (300, 6)))
    y = np.repeat(np.arange(3), 100)
    for row, target in enumerate(y):
        x[row, 2 * target : 2 * target + 2] += rng.uniform(0.3, 1.0, 2)
    np.savez(path, x=x.astype(np.float32), y=y)


@pytest.mark.slow
def test_the_largest_compression_within_a_drop_is_taken(analysis: Path, tmp_path: Path) -> None:
    options = CompressOptions(max_drop=0.04, count=60)
    found = compress(MODEL, tmp_path / "small.onnx", analysis=analysis, options=options)
    assert found.record.overall.least >= -0.04
    taken = found.record.parameters[1]
    inside = [entry.parameters for entry in found.record.tried if entry.least >= -0.04]
    assert taken == min(inside)
    assert len(found.record.tried) > len(inside)


def test_a_drop_that_cannot_be_excluded_is_refused_and_nothing_is_written(analysis: Path, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="may lose too much") as caught:
        compress(MODEL, tmp_path / "small.onnx", analysis=analysis, options=CompressOptions(max_drop=0.0, count=10))
    assert "cannot be excluded" in caught.value.why
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (CompressOptions(target_size=0.001), "are left"),
        pytest.param(CompressOptions(target_latency=0.0001, count=5), "the fastest takes", marks=pytest.mark.slow),
    ],
)
def test_a_target_out_of_reach_says_what_was_reached(
    options: CompressOptions, told: str, analysis: Path, tmp_path: Path
) -> None:
    with pytest.raises(GateError, match="cannot be made so") as caught:
        compress(MODEL, tmp_path / "small.onnx", analysis=analysis, options=options)
    assert told in caught.value.why
    assert not list(tmp_path.iterdir())


def test_a_latency_that_is_met_by_the_largest_file_takes_that(
    analysis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([[10.0, 9.0], [10.0, 7.0], [10.0, 6.0]])
    monkeypatch.setattr("onnxcausal.pipeline.compressing.choose.milliseconds", lambda *_: next(times))
    options = CompressOptions(target_latency=0.7, count=5)
    found = compress(MODEL, tmp_path / "small.onnx", analysis=analysis, options=options)
    assert [entry.latency for entry in found.record.tried] == [0.9, 0.7]
    assert found.record.parameters[1] == found.record.tried[1].parameters


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"target_size": 0.5, "max_drop": 0.01},
        {"target_size": 1.0},
        {"target_size": 0.0},
        {"target_latency": -0.5},
        {"max_drop": 2.0},
        {"target_size": 0.5, "count": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        CompressOptions(**wrong)  # type: ignore[arg-type]  # one of each kind


@pytest.mark.parametrize("given", [[], ["--target-size", "50%", "--max-drop", "1%"], ["--target-size", "half"]])
def test_the_command_refuses_them_too(given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["compress", str(MODEL), "-o", str(tmp_path / "small.onnx"), *given])
    assert caught.value.code == 2
    assert "--target-size" in capsys.readouterr().err


@pytest.mark.slow
def test_what_stands_in_the_way_stays_and_an_earlier_result_goes(
    refitted: Compression, analysis: Path, place: Path, tmp_path: Path
) -> None:
    del refitted
    (tmp_path / "small.onnx").write_text("mine")
    with pytest.raises(OutputError):
        compress(MODEL, tmp_path / "small.onnx", analysis=analysis, options=HALF)
    assert (tmp_path / "small.onnx").read_text() == "mine"
    (tmp_path / "small.onnx").write_bytes((place / "fitted.onnx").read_bytes())
    compress(MODEL, tmp_path / "small.onnx", analysis=analysis, options=HALF)
    assert verify(tmp_path / "small.onnx", MODEL).byte_for_byte


def test_a_smaller_model_is_not_compressed_again(found: Compression, refitted: Compression, place: Path) -> None:
    del found, refitted
    data = ROOT / "models" / "digits.npz"
    for name in ("small.onnx", "fitted.onnx"):
        with pytest.raises(ConfigError, match="already"):
            compress(place / name, place / "smaller.onnx", data=data, options=HALF, rescale=1 / 255)


def test_masks_of_a_fitted_model_are_proven_against_it(refitted: Compression, place: Path, tmp_path: Path) -> None:
    fitted = load_model(place / "fitted.onnx")
    entry = MaskRecord(layer="/fc3/Gemm", parents=[0], beta=0.5)
    model = refitted.masks.model.model_copy(update={"sha256": fitted.sha256})
    masks = refitted.masks.model_copy(update={"masks": [entry], "model": model})
    (tmp_path / "masks.json").write_text(masks_json(masks))
    apply(place / "fitted.onnx", tmp_path / "masks.json", tmp_path / "masked.onnx")
    assert verify(tmp_path / "masked.onnx", place / "fitted.onnx").byte_for_byte


def test_too_few_samples_are_refused(analysis: Path, tmp_path: Path) -> None:
    with np.load(ROOT / "models" / "digits.npz") as held:
        few = np.concatenate([np.flatnonzero(held["y"] == target)[:3] for target in range(10)])
        np.savez(tmp_path / "few.npz", x=held["x"][few], y=held["y"][few])
    with pytest.raises(SamplesError):
        compress(MODEL, tmp_path / "s.onnx", analysis=analysis, data=tmp_path / "few.npz", options=HALF)
