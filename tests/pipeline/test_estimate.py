"""What a run would take."""

import json
from pathlib import Path

import pytest

from onnxcausal.cli import main
from onnxcausal.pipeline.estimate import estimate
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import HERE

DIGITS = Path(__file__).parent.parent.parent / "models" / "digits_lenet.onnx"


def test_the_estimate_counts_layers_nodes_and_work() -> None:
    found = estimate(DIGITS, configure(DIGITS, None, {}), HERE)
    assert [layer.nodes for layer in found.layers] == [84, 120, 16, 6, 1]
    assert [layer.how for layer in found.layers] == ["closed form", *["suffix"] * 4]
    assert found.interventions == 2270
    # From the input layer on: all but the first convolution, and one of its one parent's contributions.
    assert found.layers[-1].work == found.whole_work
    assert found.layers[1].work == 84 + 84 * 10
    assert found.work == 10 * 100 * sum(layer.nodes * layer.work for layer in found.layers)
    assert found.seconds > 0


def test_a_dry_run_prints_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["analyze", str(DIGITS), "--dry-run", "--budget", "50"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "/fc2/Gemm" in shown
    assert "at most 1,230 interventions" in shown
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):
        main(["analyze", str(DIGITS), "--dry-run", "--json"])
    assert json.loads(capsys.readouterr().out)["interventions"] == 2270


def test_the_reference_engine_costs_the_whole_model_per_node() -> None:
    configured = configure(DIGITS, None, {"analysis.engine": ("--engine", "reference")})
    found = estimate(DIGITS, configured, HERE)
    assert {layer.work for layer in found.layers} == {found.whole_work}
    assert {layer.how for layer in found.layers} == {"whole model"}
