"""What the options of gates ask for, as the command is given them."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import Run
from tests.support.gated import X, Y, lay_out


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small classifier with data and a sidecar, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    lay_out(tmp_path)
    Path("good.toml").write_text('[data]\nsource = "data.npz"\n[analysis]\nsamples = 30\n')
    return "good.onnx"


def test_what_a_gate_asks_of_classes_is_said_on_the_command_line(model: str, run: Run) -> None:
    np.savez("data.npz", x=X[Y != 1], y=Y[Y != 1])
    given = ["analyze", model, "--quiet", "--fail-on", "accuracy < 0.5"]
    code, out, err = run(*given)
    assert code == 1
    assert "failed  classes: the model: 1 of 3 classes that must have a graph have none; class 1: no sample of" in out
    assert "do:    supply samples of these classes, or say which ones are meant: --target, or --require" in err
    assert 'note: good.toml sets data.source = "data.npz", analysis.samples = 30\n' in out
    for classes in ("data", "0,2", "0, 2"):
        assert run(*given, "--require-classes", classes)[0] == 0
    for classes in ("all", "0,1", "1"):
        assert run(*given, "--require-classes", classes)[0] == 1
    for classes in ("", "0,,2", "0,3", "cat"):
        assert run(*given, "--require-classes", classes)[0] == 2
    assert run(*given, "--target", "2")[0] == 0


@pytest.mark.attack("gates", "failed, exit code 1")
def test_without_data_no_gate_passes(model: str, run: Run) -> None:
    Path("good.toml").unlink()
    code, out, err = run(
        "analyze", model, "--quiet", "--samples", "30", "--fail-on", "nodes < 0", "--report", "junit=j"
    )
    assert code == 1
    assert "failed  data: the model: no data: the inputs are made up" in out
    assert "do:    supply labelled samples with --data" in err
    assert b"no data: the inputs are made up" in Path("j").read_bytes()
    assert run("analyze", model, "--quiet", "--samples", "30")[0] == 0


@pytest.mark.attack("gates", "failed, exit code 1")
def test_settings_that_came_with_the_model_are_no_gates_settings(model: str, run: Run) -> None:
    Path("good.toml").write_text('[data]\nsource = "data.npz"\n[analysis]\nbeta = 1.0\n')
    given = ["analyze", model, "--quiet", "--samples", "30", "--fail-on", "noisy_share > 0.99"]
    code, out, err = run(*given)
    assert code == 1
    assert "failed  settings: the model: good.toml decides what is measured: beta = 1.0; what gates say at" in out
    assert "do:    give these settings with the call if they are meant" in err
    assert run(*given, "--beta", "1.0", "--force")[0] == 0
