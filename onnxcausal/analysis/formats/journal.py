"""The journal of a run: finished chunks, kept as they come, so that nothing is lost when the run is interrupted.

A SQLite file in the output folder. Each chunk is one transaction: killed at any moment, the file holds every chunk
that was finished. Its lock belongs to the process and goes with it, so a second run on the folder is refused while
the first is alive and not after.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import OutputError

JOURNAL_FILE = "journal.sqlite"
APPLICATION = 0x6F6E6378
"""Marks the file as a journal of this program ("oncx"); a database without it is somebody else's."""
VERSION = 2
"""Of the tables below; the content of a journal of another version is put aside."""
TABLES = {
    "chunk": "(run TEXT, chunk TEXT, rows INTEGER, effects BLOB, PRIMARY KEY (run, chunk))",
    "finding": "(run TEXT PRIMARY KEY, content TEXT)",
}
BESIDE = ("", "-wal", "-shm", "-journal")
"""Files that SQLite may keep beside the journal, by what is added to its name."""


class Journal:
    """Finished chunks of one run.

    Attributes:
        path: the file.
        found: chunks of this run that an earlier process finished.
        kept: chunks that this process added.
        findings: what else the run found so far, plain values by kind and name.
    """

    def __init__(self, folder: Path, run: Mapping[str, object]) -> None:
        """Open the journal, making folder and file where they are missing.

        Args:
            folder: the output folder.
            run: everything the numbers depend on; chunks of another run are neither used nor touched.

        Raises:
            OutputError: another process is at work in the folder, or the file cannot be written.
        """
        self.path = folder / JOURNAL_FILE
        self.kept = 0
        self._made = not folder.exists()
        self._run = _digest(run)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=0, isolation_level=None)
            self._check_ours()
            self._open()
        except sqlite3.OperationalError as error:
            raise _refused(self.path, str(error)) from error
        except (OSError, sqlite3.DatabaseError) as error:
            raise _unusable(self.path, str(error)) from error
        query = "SELECT COUNT(*) FROM chunk WHERE run = ?"
        self.found = int(self._connection.execute(query, [self._run]).fetchone()[0])
        row = self._connection.execute("SELECT content FROM finding WHERE run = ?", [self._run]).fetchone()
        self.findings: dict[str, dict[str, str | float]] = json.loads(row[0]) if row else {}

    def find(self, chunk: Mapping[str, object]) -> Floats | None:
        """Return the effects of a finished chunk, `[nodes, samples]`; None where it is not finished."""
        query = "SELECT rows, effects FROM chunk WHERE run = ? AND chunk = ?"
        row = self._connection.execute(query, [self._run, _digest(chunk)]).fetchone()
        return None if row is None else np.frombuffer(row[1], "<f8").reshape(row[0], -1)

    def keep(
        self, chunk: Mapping[str, object], effects: Floats, findings: Mapping[str, Mapping[str, str | float]]
    ) -> None:
        """Keep the effects of a finished chunk, `[nodes, samples]`, and what the run has found so far.

        Raises:
            OutputError: the disk is full.
        """
        values = np.ascontiguousarray(effects, "<f8")
        row = [self._run, _digest(chunk), len(values), values.tobytes()]
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?)", row)
            if findings != self.findings:
                self.findings = {kind: dict(found) for kind, found in findings.items()}
                content = [self._run, json.dumps(self.findings)]
                self._connection.execute("INSERT OR REPLACE INTO finding VALUES (?, ?)", content)
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise _refused(self.path, str(error)) from error
        self.kept += 1

    def close(self, *, finished: bool) -> None:
        """Close the journal; the chunks of a finished run are removed, and the file with the last of them."""
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk: nothing more can be tidied
            if finished:
                for table in TABLES:
                    self._connection.execute(f"DELETE FROM {table} WHERE run = ?", [self._run])  # noqa: S608  # ours
            empty = self._connection.execute("SELECT COUNT(*) FROM chunk").fetchone()[0] == 0
            self._connection.close()
            if empty:
                for ending in BESIDE:
                    self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
                if self._made and not any(self.path.parent.iterdir()):
                    self.path.parent.rmdir()

    def _check_ours(self) -> None:
        """Refuse a database that this program did not make."""
        made = self._connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
        if not made and self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            self._connection.close()
            raise sqlite3.DatabaseError("it is a database that this program did not make")

    def _open(self) -> None:
        """Take the lock and make the table."""
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        # Without waiting for the disk: a killed process loses nothing, a power cut the last chunks at most.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN EXCLUSIVE")
        if self._connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            for table in TABLES:
                self._connection.execute(f"DROP TABLE IF EXISTS {table}")
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        for table, columns in TABLES.items():
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} {columns}")
        self._connection.execute("COMMIT")


def _digest(content: Mapping[str, object]) -> str:
    """Return a hash of anything made of plain values and arrays."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return _of_array(value)
    raise TypeError(f"{type(value).__name__} has no place in a digest")


def _of_array(value: NDArray[np.generic]) -> list[object]:
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return [str(value.dtype), list(value.shape), digest]


def _refused(path: Path, why: str) -> OutputError:
    if "locked" in why:
        return OutputError(
            "another run is at work in the output folder",
            where=str(path.parent),
            why="it holds the lock of the folder's journal",
            remedy="wait for it to end, stop it, or choose another folder with --out",
        )
    return _unusable(path, why)


def _unusable(path: Path, why: str) -> OutputError:
    return OutputError(
        "the disk is full" if "full" in why else "the journal of the run cannot be kept",
        where=str(path),
        why=why,
        remedy="free some space and run the same command again: finished work is kept"
        if "full" in why
        else f"choose another folder with --out, or remove {path.name} if it is damaged",
    )
