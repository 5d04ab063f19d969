"""The output folder."""

import errno
import json
import os
from pathlib import Path

import pytest

from onnxcausal import analyze
from onnxcausal.analysis.formats.output_folder import check_folder, save, write_file
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.errors import OutputError

SHIPPED = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(SHIPPED / "digits_lenet.onnx", targets=[3], samples=10)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_check_of_a_new_folder_leaves_no_trace(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b", "0" * 64, force=False)
    assert names(tmp_path) == []


def test_a_new_folder_is_made_when_there_is_something_to_write(analysis: Analysis, tmp_path: Path) -> None:
    save(analysis, tmp_path / "a" / "b", {})
    assert names(tmp_path / "a" / "b") == ["analysis.json", "effects.npz"]


def test_the_same_model_is_analysed_again_another_needs_force(analysis: Analysis, tmp_path: Path) -> None:
    save(analysis, tmp_path, {})
    check_folder(tmp_path, analysis.model_sha256, force=False)
    with pytest.raises(OutputError, match="analysis of another model"):
        check_folder(tmp_path, "0" * 64, force=False)
    check_folder(tmp_path, "0" * 64, force=True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "other/1"}'])
@pytest.mark.parametrize("name", ["analysis.json", "effects.npz", "graph-9.png"])
def test_files_of_others_are_never_overwritten_or_removed_without_force(
    tmp_path: Path, content: str, name: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match="did not write") as caught:
        check_folder(tmp_path, "0" * 64, force=False)
    assert name in caught.value.why
    check_folder(tmp_path, "0" * 64, force=True)


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        check_folder(tmp_path / "file", "0" * 64, force=False)


def test_files_of_classes_no_longer_analysed_are_removed_and_all_others_kept(
    analysis: Analysis, tmp_path: Path
) -> None:
    save(analysis, tmp_path, {"graph-3.graphml": b"old", "ate-3.png": b"old"})
    for name in ("graph-9.graphml", "notes.txt", "graph-of-mine.png"):
        (tmp_path / name).write_text("mine")
    save(analysis, tmp_path, {"graph-3.graphml": b"new"})
    kept = ["graph-3.graphml", "graph-9.graphml", "graph-of-mine.png", "notes.txt"]
    assert names(tmp_path) == ["analysis.json", "effects.npz", *kept]
    assert (tmp_path / "graph-3.graphml").read_text() == "new"


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_full_disk_leaves_what_was_there(
    analysis: Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    for name in ("analysis.json", "effects.npz"):
        (tmp_path / name).write_text("old")
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        save(analysis, tmp_path, {"graph-3.graphml": b"new"})
    assert names(tmp_path) == ["analysis.json", "effects.npz"]
    assert {(tmp_path / name).read_text() for name in names(tmp_path)} == {"old"}


def test_one_file_is_written_whole(tmp_path: Path) -> None:
    write_file(tmp_path / "stats.json", json.dumps({}).encode())
    assert names(tmp_path) == ["stats.json"]
    with pytest.raises(OutputError):
        write_file(tmp_path / "missing" / "stats.json", b"")
