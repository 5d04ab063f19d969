"""The journal of a run."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onnxcausal.analysis.formats.journal import APPLICATION, BESIDE, JOURNAL_FILE, TABLES, VERSION, Journal
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


@pytest.mark.attack("journal", "refused, exit code 2")
def test_a_file_that_is_no_journal_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_FILE).write_bytes(b"not a database, but somebody's notes " * 100)
    with pytest.raises(OutputError, match="journal of the run cannot be kept"):
        Journal(tmp_path, {"model": "a"})
    assert (tmp_path / JOURNAL_FILE).read_bytes().startswith(b"not a database")


@pytest.mark.attack("journal", "refused, exit code 2")
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


def kept_journal(folder: Path, run: dict[str, object] | None = None) -> None:
    """Leave a journal with one chunk, as a killed run does."""
    journal = Journal(folder, run or {"model": "a"})
    journal.keep(CHUNK, EFFECTS, {"deviation": {"/fc": 0.25}})
    journal.close(finished=False)


def changed(folder: Path, *statements: str) -> None:
    """Change a journal as somebody who has it can."""
    connection = sqlite3.connect(folder / JOURNAL_FILE, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


FORGED = {
    "effects": "UPDATE chunk SET effects = zeroblob(length(effects))",
    "effects of no length": "UPDATE chunk SET effects = x'010203'",
    "effects that are text": "UPDATE chunk SET effects = 'abc'",
    "no effects": "UPDATE chunk SET effects = NULL",
    "rows that do not divide": "UPDATE chunk SET rows = 2",
    "no rows": "UPDATE chunk SET rows = 0",
    "rows that are text": "UPDATE chunk SET rows = 'x'",
    "another hash": "UPDATE chunk SET sha256 = zeroblob(32)",
    "no seal": "UPDATE chunk SET seal = NULL",
    "a seal that is text": "UPDATE chunk SET seal = hex(seal)",
    "the chunk of another name": "UPDATE chunk SET chunk = 'x'",
    "a name that is no text": "UPDATE chunk SET chunk = x'ff'",
}


@pytest.mark.attack("journal", "computed anew")
@pytest.mark.parametrize("statement", FORGED.values(), ids=FORGED)
def test_what_was_changed_since_is_not_given_back(tmp_path: Path, statement: str) -> None:
    kept_journal(tmp_path)
    changed(tmp_path, statement)
    journal = Journal(tmp_path, {"model": "a"})
    assert journal.find(CHUNK) is None
    assert journal.found + journal.refused == 1
    journal.keep(CHUNK, EFFECTS * 2, {})
    found = journal.find(CHUNK)
    assert found is not None
    np.testing.assert_array_equal(found, EFFECTS * 2)
    journal.close(finished=True)


@pytest.mark.attack("journal", "computed anew")
def test_a_journal_of_another_user_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_journal(tmp_path / "out")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    journal = Journal(tmp_path / "out", {"model": "a"})
    assert (journal.found, journal.refused, journal.findings) == (0, 1, {})
    assert journal.find(CHUNK) is None
    journal.close(finished=False)


@pytest.mark.attack("journal", "computed anew")
def test_what_was_found_in_another_run_is_not_that_of_this_one(tmp_path: Path) -> None:
    kept_journal(tmp_path, {"model": "a"})
    Journal(tmp_path, {"model": "b"}).close(finished=False)
    stolen = Journal(tmp_path, {"model": "b"})
    run = stolen._run  # noqa: SLF001  # as somebody who reads the file sees it
    stolen.close(finished=False)
    changed(tmp_path, *(f"UPDATE {table} SET run = '{run}'" for table in TABLES))  # noqa: S608  # its own names
    journal = Journal(tmp_path, {"model": "b"})
    assert (journal.found, journal.refused, journal.findings) == (0, 1, {})
    journal.close(finished=False)


MARKED = f"PRAGMA application_id = {APPLICATION}"
CURRENT = f"PRAGMA user_version = {VERSION}"
MADE = [f"CREATE TABLE {table} {columns}" for table, columns in TABLES.items()]
ENDLESS = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c)"
CRAFTED = {
    "an endless view": [
        f"CREATE VIEW chunk AS {ENDLESS} SELECT 'a' AS run, 'b' AS chunk, i AS rows, x'' AS effects FROM c"  # noqa: S608
    ],
    "a view of findings": [MADE[0], "CREATE VIEW finding AS SELECT 'x' AS run, '{}' AS content, x'' AS seal"],
    "a trigger that fills memory": [
        *MADE,
        "CREATE TRIGGER t AFTER INSERT ON chunk BEGIN UPDATE chunk SET effects = zeroblob(900000000); END",
    ],
    "an endless trigger": [
        *MADE,
        f"CREATE TRIGGER t AFTER INSERT ON chunk BEGIN DELETE FROM finding WHERE 1 IN ({ENDLESS} SELECT i FROM c); END",  # noqa: S608
    ],
    "other columns": ["CREATE TABLE chunk (a TEXT)", "CREATE TABLE finding (b TEXT)"],
    "a column that is computed": [
        MADE[0].replace("rows INTEGER", "rows INTEGER AS (1)"),
        MADE[1],
    ],
    "an index of an expression": [*MADE, "CREATE INDEX i ON chunk (abs(rows))"],
    "a further table": [*MADE, "CREATE TABLE notes (text TEXT)"],
    "no table": [],
}


@pytest.mark.attack("journal", "put aside, nothing in it run")
@pytest.mark.parametrize("version", [CURRENT, "PRAGMA user_version = 2", "PRAGMA user_version = 99"])
@pytest.mark.parametrize("statements", CRAFTED.values(), ids=CRAFTED)
def test_nothing_in_a_crafted_journal_is_run(tmp_path: Path, statements: list[str], version: str) -> None:
    changed(tmp_path, MARKED, version, *statements)
    journal = Journal(tmp_path, {"model": "a"})
    assert (journal.found, journal.refused, journal.findings) == (0, 0, {})
    journal.keep(CHUNK, EFFECTS, {})
    found = journal.find(CHUNK)
    assert found is not None
    np.testing.assert_array_equal(found, EFFECTS)
    journal.close(finished=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.attack("journal", "refused, exit code 2")
@pytest.mark.parametrize("ending", BESIDE)
@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder", "link to nothing"])
def test_what_stands_in_the_place_of_the_journal_is_not_written_through(tmp_path: Path, ending: str, kind: str) -> None:
    victim, place = tmp_path / "victim", tmp_path / "out" / (JOURNAL_FILE + ending)
    victim.write_bytes(b"")
    place.parent.mkdir()
    match kind:
        case "link":
            place.symlink_to(victim)
        case "hard link":
            place.hardlink_to(victim)
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case _:
            place.symlink_to(tmp_path / "new")
    with pytest.raises(OutputError, match="journal of the run cannot be kept"):
        Journal(tmp_path / "out", {"model": "a"})
    assert victim.read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "victim"]


@pytest.mark.attack("journal", "refused, exit code 2")
def test_a_folder_that_is_a_link_holds_no_journal(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "home")
    with pytest.raises(OutputError, match="cannot be kept"):
        Journal(tmp_path / "out", {"model": "a"})
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.attack("journal", "refused or of no effect")
@pytest.mark.parametrize("ending", BESIDE[1:])
def test_rubbish_beside_the_journal_ends_in_an_error_or_does_no_harm(tmp_path: Path, ending: str) -> None:
    kept_journal(tmp_path)
    (tmp_path / (JOURNAL_FILE + ending)).write_bytes(bytes(range(256)) * 400)
    try:
        journal = Journal(tmp_path, {"model": "a"})
    except OutputError:
        return
    found = journal.find(CHUNK)
    assert found is None or (found == EFFECTS).all()
    journal.close(finished=True)


def test_a_chunk_too_large_to_be_read_back_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxcausal.analysis.formats.journal.LARGEST", EFFECTS.nbytes - 1)
    journal = Journal(tmp_path, {"model": "a"})
    journal.keep(CHUNK, EFFECTS, {})
    assert (journal.kept, journal.find(CHUNK)) == (0, None)
    journal.close(finished=True)
