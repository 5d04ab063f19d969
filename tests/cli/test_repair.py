"""The command `onnxcausal repair` as a user meets it."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.commands import run
from tests.support.networks import mlp

SETTINGS = ("--class", "0", "--samples", "40", "--outcome", "margin")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a network of which neuron 7 takes samples of class 0 for class 1, its data, and a sidecar."""
    monkeypatch.chdir(tmp_path)
    second = np.zeros((3, 8))
    for target in range(3):
        second[target, 2 * target : 2 * target + 2] = 1.0
    second[1, 7] = 2.0
    onnx.save(mlp([np.eye(8), second], [np.zeros(8), np.zeros(3)]), "model.onnx")
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(0, 0.1, (600, 8)))
    y = np.repeat(np.arange(3), 200)
    for row, target in enumerate(y.tolist()):
        x[row, 2 * target : 2 * target + 2] += rng.uniform(0.3, 1.0, 2)
    x[:200, 7] += rng.uniform(0, 1.0, 200)
    np.savez("data.npz", x=x.astype(np.float32), y=y)
    Path("model.toml").write_text('[data]\nsource = "data.npz"\n')


def test_a_repair_is_told_written_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "repair", "model.onnx", *SETTINGS, "--max-drop", "10%", "-o", "out.onnx")
    assert code == 0, err
    assert "/gemm_2/Gemm: 7\n" in out
    assert "random nodes / smallest weights" in out
    assert err.endswith("written to out.onnx\n")
    assert sorted(path.name for path in Path().iterdir()) == [
        "data.npz",
        "model.onnx",
        "model.toml",
        "out.onnx",
        "out.repair.json",
        "out.repair.png",
    ]
    code, out, _ = run(capsys, "verify", "out.onnx", "--against", "model.onnx")
    assert code == 0
    assert out.startswith("out.onnx is model.onnx and its masks, byte for byte\n")
    assert "note: the masks were chosen on samples of this data" in out
    code, out, err = run(capsys, "verify", "out.onnx", "--against", "model.onnx", "--count", "20", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["plan"] is None
    assert found["overall"]["n"] == 60
    assert "byte for byte" in err
    assert any("a score changes by up to" in note for note in found["notes"])
    assert any("layer /gemm_2/Gemm: a weight changes by up to" in note for note in found["notes"])


def test_masks_alone_are_json_and_may_be_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        code, out, _ = run(
            capsys, "repair", "model.onnx", *SETTINGS, "--plan-only", "-o", "masks.json", "--json", "--quiet"
        )
        assert code == 0
        assert json.loads(out)["masks"]["masks"] == json.loads(Path("masks.json").read_text())["masks"]
    Path("masks.json").write_text("mine")
    code, _, err = run(capsys, "repair", "model.onnx", *SETTINGS, "--plan-only", "-o", "masks.json")
    assert code == 2
    assert "there is another file in the output's place" in err


def test_what_so_few_samples_cannot_show_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "repair", "model.onnx", *SETTINGS, "-o", "out.onnx")
    assert (code, out) == (4, "")
    assert "error: too few samples to exclude a loss" in err
    assert "539 are needed even if none of them is lost" in err
    assert not Path("out.onnx").exists()


def test_nothing_to_repair_is_exit_code_5(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(
        capsys, "repair", "model.onnx", "--class", "2", *SETTINGS[2:], "--max-drop", "10%", "-o", "out.onnx"
    )
    assert code == 5
    assert "no repair is better than the model as it is" in err


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--max-drop", "much"], "the share cannot be read"),
        (["--portion", "200%"], "a setting lies outside its range"),
        (["--replace", "nothing"], "unknown replacement"),
        (["--form", "paper"], "unknown form"),
        (["--objective", "fame"], "the objective cannot be read"),
        (["--class", "9"], "unknown target"),
    ],
)
def test_wrong_settings_are_named(wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "repair", "model.onnx", "--samples", "40", "-o", "out.onnx", *wrong)
    assert code == 2
    assert told in err


def test_a_repaired_model_is_not_repaired_on_top(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "repair", "model.onnx", *SETTINGS, "--max-drop", "10%", "-o", "out.onnx", "--quiet")
    shutil.copy("model.toml", "out.toml")
    code, _, err = run(capsys, "repair", "out.onnx", *SETTINGS, "--max-drop", "10%", "-o", "again.onnx")
    assert code == 2
    assert "the model is repaired already" in err
