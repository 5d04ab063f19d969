"""The command `onnxcausal report` as a user meets it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onnxcausal import analyze
from tests.support.commands import run

MODELS = Path(__file__).parent.parent.parent / "models"


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysed")
    analyze(MODELS / "digits_lenet.onnx", targets=[3], samples=10, out=folder)
    return folder


def test_it_tells_what_is_in_the_report_and_where_it_is(
    analysed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "page.html"
    code, out, err = run(capsys, "report", analysed, "-o", place, "--data", MODELS / "digits.npz")
    assert code == 0
    assert out.startswith("digits_lenet.onnx: report of 1 class(es), pictures of samples (0.")
    assert err == f"written to {place}\n"
    assert place.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["nowhere"], 2, "the analysis cannot be read"),
        (["ANALYSED", "--with", "nowhere"], 2, "no such results"),
        (["ANALYSED", "--data", "nowhere.npz"], 4, "there is no such data"),
        ([], 2, "Missing argument"),
    ],
)
def test_mistakes_are_told_in_four_lines(
    analysed: Path, arguments: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(analysed) if argument == "ANALYSED" else argument for argument in arguments]
    found, out, err = run(capsys, "report", *given)
    assert found == code
    assert not out
    assert named in err
    assert len(err.splitlines()) == 4


def test_a_report_needs_neither_onnx_nor_its_runtime(analysed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(analysed, tmp_path / "analysis")
    script = (
        "import sys; from onnxcausal.pipeline.report import report; report(sys.argv[1]); "
        "print({'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
