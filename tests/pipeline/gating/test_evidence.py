"""A baseline or an evaluation that was read is bound to the analysis, held together, and said to be read."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxcausal import evaluate
from onnxcausal.analysis.gating.checks import Status
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.gating.policy import Given
from tests.support.gated import HERE, Try, failed, held_to_gates, lay_out, message

Forge = Callable[[dict[str, Any]], None]
GATE = "fidelity > 1000"
NAMED = Given((GATE,), evaluation=Path("kept"))
RECORD = "evaluation-fidelity.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, data, a baseline, and evaluations of all protocols that gates are of."""
    place = tmp_path_factory.mktemp("made")
    lay_out(place)
    assert failed(held_to_gates(place, Try(Given(baseline=Path("blessed"), update=True)))) == []
    options = EvaluateOptions(count=20, runs=3, portions=(0.2, 0.5))
    for protocol in ("fidelity", "sufficiency", "reliability"):
        evaluate(
            protocol,
            place / "good.onnx",
            place / "data.npz",
            options=options,
            out=place / "kept",
            machine=HERE,
            samples=30,
        )
    return place


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "made"))


def forge(path: Path, change: Forge) -> None:
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


def read_by(held: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records that the gate reads, and the mean over classes."""
    return [one for one in held["records"] if (one["method"], one["measure"]) == ("critical", "class accuracy")]


@pytest.mark.parametrize("gate", [GATE, "sufficiency < 0", "reliability < -1"])
def test_an_honest_evaluation_that_was_named_is_believed_and_said_to_be_read(folder: Path, gate: str) -> None:
    gated = held_to_gates(folder, Try(Given((gate,), evaluation=Path("kept"))))
    assert failed(gated) == []
    measure = gate.split(maxsplit=1)[0]
    path = folder / "kept" / f"evaluation-{measure}.json"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert message(gated, measure).endswith(f" (read from {path}, sha256 {sha256[:12]}, not measured)")
    note = (
        f"the evaluation of {measure}, named by --evaluation, was read from {path} (sha256 {sha256}) and not measured"
    )
    assert note in gated.notes


def test_the_project_may_name_an_evaluation(folder: Path) -> None:
    gated = held_to_gates(folder, Try(Given((GATE,)), project='evaluation = "kept"\n'))
    assert failed(gated) == []
    assert any("named by pyproject.toml, was read from" in note for note in gated.notes)


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize(
    ("place", "sidecar"),
    [("good.evaluation", ""), ("out", ""), ("kept", '[gates]\nevaluation = "kept"\n')],
    ids=["beside the model", "in the output folder", "by the sidecar"],
)
def test_an_evaluation_that_nobody_named_is_not_read(folder: Path, place: str, sidecar: str) -> None:
    if place != "kept":
        (folder / "kept").rename(folder / place)
    with pytest.raises(ConfigError, match="an evaluation that nobody named") as caught:
        held_to_gates(folder, Try(Given((GATE,)), sidecar=sidecar))
    assert caught.value.remedy.endswith(f"--evaluation {folder / place}")


def _set_all(held: dict[str, Any], value: float) -> None:
    for record in read_by(held):
        record |= {"mean": value}


def _better_class(held: dict[str, Any]) -> None:
    record = next(one for one in read_by(held) if one["target"] == 1)
    record |= {"mean": 0.5, "interval": [0.4, 0.6]}


def _better_mean(held: dict[str, Any]) -> None:
    record = next(one for one in read_by(held) if one["target"] is None)
    record |= {"mean": 0.5, "interval": [0.4, 0.6]}


def _other_interval(held: dict[str, Any]) -> None:
    record = next(one for one in read_by(held) if one["target"] is None)
    record |= {"interval": [record["mean"] - 0.1, record["mean"] + 0.1]}


def _without_class(held: dict[str, Any]) -> None:
    held["records"] = [one for one in held["records"] if one["target"] != 2]


def _means_alone(held: dict[str, Any]) -> None:
    held["records"] = [one for one in held["records"] if one["target"] is None]


def _negative(held: dict[str, Any]) -> None:
    for record in read_by(held):
        record |= {"mean": -1.0, "interval": [-2.0, 0.0]}


def _on_its_own_samples(held: dict[str, Any]) -> None:
    held["split"]["evaluated_on"]["0"] = held["split"]["inferred_on"]["0"]


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda held: _set_all(held, 0.123456), id="all means"),
        pytest.param(_better_class, id="one class"),
        pytest.param(_better_mean, id="the mean over classes"),
        pytest.param(_other_interval, id="its interval"),
        pytest.param(_without_class, id="a class left out"),
        pytest.param(_means_alone, id="all classes left out"),
        pytest.param(lambda held: held["records"].append(read_by(held)[0]), id="a number twice"),
        pytest.param(_negative, id="a negative share"),
        pytest.param(lambda held: held.update(protocol="sufficiency"), id="another protocol"),
        pytest.param(_on_its_own_samples, id="samples of the graph"),
    ],
)
def test_an_evaluation_that_contradicts_itself_is_refused(folder: Path, change: Forge) -> None:
    forge(folder / "kept" / RECORD, change)
    with pytest.raises(ConfigError, match="the evaluation contradicts itself"):
        held_to_gates(folder, Try(NAMED))


@pytest.mark.attack("gates", "refused, exit code 2")
def test_an_area_of_more_than_one_is_refused(folder: Path) -> None:
    def change(held: dict[str, Any]) -> None:
        for record in held["records"]:
            if record["measure"] == "AUROC":
                record |= {"mean": 2.0, "interval": [2.0, 2.0]}

    forge(folder / "kept" / "evaluation-sufficiency.json", change)
    with pytest.raises(ConfigError, match="contradicts itself") as caught:
        held_to_gates(folder, Try(Given(("sufficiency < 0.9",), evaluation=Path("kept"))))
    assert caught.value.why.endswith("is 2, which it cannot be")


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param(lambda held: held["model"].update(sha256="0" * 64), "another model", id="model"),
        pytest.param(lambda held: held["data"].update(sha256="0" * 64), "other data", id="data"),
        pytest.param(
            lambda held: held["split"].update(analysis_data_sha256="0" * 64), "other data", id="data of the graphs"
        ),
        pytest.param(lambda held: held["settings"].update(beta=0.5), "other settings", id="beta"),
        pytest.param(lambda held: held["settings"].update(samples=29), "other settings", id="samples"),
        pytest.param(lambda held: held["settings"].update(seed=9), "other settings", id="seed"),
        pytest.param(
            lambda held: held["settings"].update(reading={"output": "fake"}), "other settings", id="the output read"
        ),
        pytest.param(lambda held: held["split"]["inferred_on"].update({"0": [1, 2, 3]}), "other graphs", id="samples"),
    ],
)
def test_an_evaluation_of_another_analysis_is_refused(folder: Path, change: Forge, what: str) -> None:
    forge(folder / "kept" / RECORD, change)
    with pytest.raises(ConfigError, match=f"the evaluation is of {what}"):
        held_to_gates(folder, Try(NAMED))


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize(
    ("tried", "what"),
    [
        pytest.param(Try(NAMED, "other.onnx"), "another model", id="model"),
        pytest.param(
            Try(Given((GATE,), evaluation=Path("kept"), require=("data",)), data="without2.npz"),
            "other data",
            id="data",
        ),
        pytest.param(Try(NAMED, flags={"analysis.seed": 1}), "other settings", id="seed"),
        pytest.param(Try(NAMED, flags={"analysis.samples": 40}), "other settings", id="samples"),
    ],
)
def test_an_analysis_of_something_else_takes_no_evaluation(folder: Path, tried: Try, what: str) -> None:
    with pytest.raises(ConfigError, match=f"the evaluation is of {what}"):
        held_to_gates(folder, tried)


@pytest.mark.attack("gates", "failed, exit code 1")
def test_a_class_that_the_evaluation_lacks_fails_where_it_is_required(folder: Path) -> None:
    evaluate(
        "fidelity",
        folder / "good.onnx",
        folder / "data.npz",
        options=EvaluateOptions(count=20, portions=(0.2,)),
        out=folder / "some",
        machine=HERE,
        samples=30,
        targets=[0, 1],
    )
    gated = held_to_gates(folder, Try(Given((GATE,), evaluation=Path("some"))))
    assert failed(gated) == [("fidelity", 2)]
    gated = held_to_gates(folder, Try(Given((GATE,), evaluation=Path("some"), require=(0, 1))))
    assert failed(gated) == []
    assert [found.target for found in gated.checks if found.status is Status.SKIPPED] == [2]


def test_what_a_baseline_is_of_is_said(folder: Path) -> None:
    sha256 = hashlib.sha256((folder / "blessed" / "analysis.json").read_bytes()).hexdigest()
    gated = held_to_gates(folder, Try(Given(baseline=Path("blessed"))))
    read = f"was read from {folder / 'blessed'} (sha256 {sha256}) and not measured"
    assert gated.notes == (f"the baseline, named by --baseline, {read}: of the same model, on the same data",)
    assert message(gated, "unchanged").endswith(
        f"(baseline read from {folder / 'blessed'}, sha256 {sha256[:12]}, not measured)"
    )
    other = Given(("distance > 1000",), Path("blessed"), require=("data",))
    with np.load(folder / "data.npz") as held:
        np.savez(folder / "half.npz", x=held["x"][::2], y=held["y"][::2])
    gated = held_to_gates(folder, Try(other, "other.onnx", data="half.npz"))
    assert "of a model of hash" in gated.notes[-1]
    assert "on other data (" in gated.notes[-1]
    assert message(gated, "distance").endswith("not measured)")


def _twice(held: dict[str, Any]) -> None:
    held["graphs"].append(held["graphs"][0])


def _skipped_too(held: dict[str, Any]) -> None:
    held["skipped"].append({"target": 0, "class_name": None, "reason": "hidden"})


def _layer_twice(held: dict[str, Any]) -> None:
    held["graphs"][0]["layers"].append(held["graphs"][0]["layers"][0])


def _node_gone(held: dict[str, Any]) -> None:
    held["graphs"][0]["layers"][0]["nodes"].pop()


def _effect_moved(held: dict[str, Any]) -> None:
    held["graphs"][0]["layers"][0]["nodes"][0]["ate"] = 1e6


def _impossible_skip(held: dict[str, Any]) -> None:
    held["skipped"].append({"target": 7, "class_name": None, "reason": "none", "examined": 3, "correct": 4})


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_twice, id="a class twice"),
        pytest.param(_skipped_too, id="a class with and without a graph"),
        pytest.param(_layer_twice, id="a layer twice"),
        pytest.param(_node_gone, id="a node left out"),
        pytest.param(_effect_moved, id="an effect outside its interval"),
        pytest.param(_impossible_skip, id="more right than tried"),
        pytest.param(lambda held: held["graphs"][0].update(samples=31), id="more samples than positions"),
        pytest.param(lambda held: held["graphs"][0].update(examined=1), id="more right than examined"),
    ],
)
def test_a_baseline_that_contradicts_itself_is_refused(folder: Path, change: Forge) -> None:
    forge(folder / "blessed" / "analysis.json", change)
    with pytest.raises(ConfigError, match="the analysis contradicts itself"):
        held_to_gates(folder, Try(Given(baseline=Path("blessed"))))


@pytest.mark.attack("gates", "refused, exit code 2")
def test_a_baseline_whose_effects_spread_otherwise_is_refused(folder: Path) -> None:
    forge(folder / "blessed" / "analysis.json", lambda held: held["graphs"][0]["outcome"].update(sd=1e3))
    with pytest.raises(ConfigError, match="belong to another analysis") as caught:
        held_to_gates(folder, Try(Given(baseline=Path("blessed"))))
    assert "the spread of the outcome" in caught.value.why


@pytest.mark.attack("gates", "failed, exit code 1")
def test_a_baseline_of_made_up_inputs_fails(folder: Path) -> None:
    forge(folder / "blessed" / "analysis.json", lambda held: held["data"].update(synthetic=True))
    gated = held_to_gates(folder, Try(Given(baseline=Path("blessed"))))
    assert ("data", None) in failed(gated)
    assert message(gated, "data").startswith("the baseline is of made-up inputs (")
