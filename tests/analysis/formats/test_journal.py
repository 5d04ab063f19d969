"""The journal of a run."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onnxcausal.analysis.formats.journal import APPLICATION, JOURNAL_FILE, Journal
from onnxcausal.errors import OutputError

EFFECTS = np.random.default_rng(0).normal(size=(3, 7))
CHUNK = {"layer": "/fc", "features": np.arange(3), "columns": [0, 7]}


def test_what_was_kept_is_found_again_to_the_last_bit(tmp_path: Path) -> None:
    first = Journal(tmp_path / "out", {"model": "a"})
    assert first.find(CHUNK) is None
    first.keep(CHUNK, EFFECTS, {})
    first.close(finished=False)
    again = Journal(tmp_path / "out", {"model": "a"})
    assert again.found == 1
    found = again.find(CHUNK)
    assert found is not None
    np.testing.assert_array_equal(found, EFFECTS)
    assert again.find({**CHUNK, "features": np.arange(1, 4)}) is None
    again.close(finished=True)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_another_run_neither_finds_nor_loses_it(tmp_path: Path) -> None:
    first = Journal(tmp_path, {"beta": 0.0})
    first.keep(CHUNK, EFFECTS, {})
    first.close(finished=False)
    other = Journal(tmp_path, {"beta": 0.5})
    assert other.found == 0
    assert other.find(CHUNK) is None
    other.keep(CHUNK, EFFECTS * 2, {})
    other.close(finished=True)
    again = Journal(tmp_path, {"beta": 0.0})
    assert again.found == 1
    again.close(finished=False)


def test_a_second_run_on_the_folder_is_refused_while_the_first_is_alive(tmp_path: Path) -> None:
    first = Journal(tmp_path, {"model": "a"})
    with pytest.raises(OutputError, match="another run is at work"):
        Journal(tmp_path, {"model": "b"})
    first.close(finished=False)
    Journal(tmp_path, {"model": "b"}).close(finished=False)


def test_a_killed_process_leaves_what_it_finished_and_no_lock(tmp_path: Path) -> None:
    code = f"""
import os, signal, numpy as np
from pathlib import Path
from onnxcausal.analysis.formats.journal import Journal
journal = Journal(Path({str(tmp_path)!r}), {{"model": "a"}})
for chunk in range(5):
    journal.keep({{"chunk": chunk}}, np.full((2, 3), chunk), {{}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode < 0
    journal = Journal(tmp_path, {"model": "a"})
    assert journal.found == 5
    found = journal.find({"chunk": 4})
    assert found is not None
    np.testing.assert_array_equal(found, np.full((2, 3), 4.0))
    journal.close(finished=False)


def test_a_file_that_is_no_journal_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).write_bytes(b"not a database, but somebody's notes " * 100)
    with pytest.raises(OutputError, match="journal of the run cannot be kept"):
        Journal(tmp_path, {"model": "a"})
    assert (tmp_path / JOURNAL_FILE).read_bytes().startswith(b"not a database")


def test_somebody_elses_database_is_refused_and_stays(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / JOURNAL_FILE)
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    before = (tmp_path / JOURNAL_FILE).read_bytes()
    with pytest.raises(OutputError, match="journal of the run cannot be kept") as caught:
        Journal(tmp_path, {"model": "a"})
    assert "did not make" in caught.value.why
    assert (tmp_path / JOURNAL_FILE).read_bytes() == before


def test_findings_are_kept_with_the_chunks(tmp_path: Path) -> None:
    first = Journal(tmp_path, {"model": "a"})
    first.keep(CHUNK, EFFECTS, {"deviation": {"/fc": 0.25}})
    first.close(finished=False)
    again = Journal(tmp_path, {"model": "a"})
    assert again.findings == {"deviation": {"/fc": 0.25}}
    again.close(finished=True)
    assert Journal(tmp_path, {"model": "a"}).findings == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        Journal(tmp_path, {"model": "a"})


def test_a_journal_of_another_version_is_put_aside(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / JOURNAL_FILE)
    connection.execute("CREATE TABLE chunk (something TEXT)")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    journal = Journal(tmp_path, {"model": "a"})
    journal.keep(CHUNK, EFFECTS, {})
    assert journal.found == 0
    journal.close(finished=True)
