"""The command `onnxcausal inspect` as a user meets it."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from onnxcausal.cli import main
from tests.support.networks import mlp

DIGITS = Path(__file__).parent.parent.parent / "models" / "digits_lenet.onnx"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["inspect", *[str(argument) for argument in arguments]])
    shown = capsys.readouterr()
    return int(caught.value.code or 0), shown.out, shown.err


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    weights = [np.ones((8, 6)), np.ones((3, 8))]
    onnx.save(mlp(weights, [np.zeros(8), np.zeros(3)]), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_nothing_is_written_unless_a_picture_is_asked_for(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, model)
    assert (code, err) == (0, "")
    assert "outcome  gemm_2 [3], classification" in out
    assert [path.name for path in model.parent.iterdir()] == ["model.onnx"]
    assert run(capsys, model, "--picture", "layers.png")[0] == 0
    assert (model.parent / "layers.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_file_gives_the_same_json_with_a_run_or_without(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still, again, ran = (run(capsys, model, "--json", *flags) for flags in ([], [], ["--run"]))
    assert still == again
    assert json.loads(still[1])["format"] == "onnxcausal-inspection/1"
    assert json.loads(ran[1]) == json.loads(still[1]) | {"ran": True}


def test_the_data_a_sidecar_names_need_not_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(DIGITS, tmp_path / "digits.onnx")
    (tmp_path / "digits.toml").write_text('[data]\nsource = "missing.npz"\n[model]\noutput = "relu_3"\n')
    assert run(capsys, tmp_path / "digits.onnx", "--output", "logits")[0] == 0


@pytest.mark.parametrize(
    ("flags", "code", "named"),
    [
        (["--output", "gemm_3"], 2, "did you mean 'gemm_2'?"),
        (["--set", "mask=1"], 2, "the model has no input 'mask'"),
        (["--set", "mask"], 2, "--set mask"),
        (["--config", "none.toml"], 2, "none.toml"),
        (["--picture", "no/such/folder.png"], 2, "the output cannot be written"),
    ],
)
def test_mistakes_get_four_lines(
    model: Path, flags: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, _, err = run(capsys, model, *flags)
    assert ended == code
    assert named in err
    assert len(err.splitlines()) == 4


def test_what_is_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    code, _, err = run(capsys, tmp_path / "model.onnx")
    assert code == 3
    assert "the file is not an ONNX model" in err


def test_an_ambiguous_outcome_is_no_error_and_can_be_chosen(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = onnx.load(model)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("relu_1", 1, ["N", 8]))
    onnx.save(proto, model)
    code, out, _ = run(capsys, model)
    assert code == 0
    assert "outcome  none: the model has several outputs" in out
    assert "outcome  relu_1 [8]" in run(capsys, model, "--output", "relu_1")[1]


def test_several_models_are_shown_and_those_that_fail_are_all_named(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first.onnx", "last.onnx"):
        (model.parent / name).write_bytes(b"not a model")
    code, out, err = run(capsys, "first.onnx", model, "last.onnx", model)
    assert code == 3
    assert out == "\n".join([run(capsys, model)[1]] * 2)
    assert [line for line in err.splitlines() if "where" in line] == ["  where: first.onnx", "  where: last.onnx"]


@pytest.mark.parametrize("flags", [["--json"], ["--picture", "layers.png"]])
def test_what_is_of_one_model_is_refused_for_several(
    model: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, model, model, *flags)
    assert (code, out) == (2, "")
    assert f"{flags[0]} is of one model" in err
    assert [path.name for path in model.parent.iterdir()] == ["model.onnx"]
