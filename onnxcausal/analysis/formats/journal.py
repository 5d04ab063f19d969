"""The journal of a run: finished chunks, kept as they come, so that nothing is lost when the run is interrupted.

A SQLite file in the output folder. Each chunk is one transaction: killed at any moment, the file holds every chunk
that was finished. Its lock belongs to the process and goes with it, so a second run on the folder is refused while
the first is alive and not after.

A folder of results may come with the model, and a journal in it may hold anything. So only what this user's machine
sealed is given back (`filesystem.signing`), all else is computed anew; and the file is opened so that nothing in it is
run: it must have exactly the tables below, and reading it has bounds.
"""

import hashlib
import json
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import OutputError
from onnxcausal.filesystem.signing import is_seal, seal
from onnxcausal.filesystem.writing import OpenFolder

JOURNAL_FILE = "journal.sqlite"
APPLICATION = 0x6F6E6378
"""Marks the file as a journal of this program ("oncx"); a database without it is somebody else's."""
VERSION = 3
"""Of the tables below; the content of a journal of another version is put aside."""
TABLES = {
    "chunk": "(run TEXT, chunk TEXT, rows INTEGER, effects BLOB, sha256 BLOB, seal BLOB, PRIMARY KEY (run, chunk))",
    "finding": "(run TEXT PRIMARY KEY, content TEXT, seal BLOB)",
}
SCHEMA = {f"CREATE TABLE {table} {columns}" for table, columns in TABLES.items()} | {None}
"""What may be in it: the tables, and the indices that SQLite makes for their keys."""
BESIDE = ("", "-wal", "-shm", "-journal")
"""Files that SQLite may keep beside the journal, by what is added to its name."""
DAMAGE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file ends in; the second where SQLite cannot even tell of it."""
LARGEST = 2**28
"""Bytes that a chunk may have; a larger one is not kept."""
STEPS, MOST_STEPS = 10**6, 10**4
"""How often, counted in SQLite's own steps, it is asked whether a statement goes on, and how often that is granted."""


class Journal:
    """Finished chunks of one run.

    Attributes:
        path: the file.
        found: chunks of this run that an earlier process finished.
        refused: chunks of this run that were not sealed by this user, and are computed anew.
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
        self._run = _digest(run)
        try:
            self._folder = OpenFolder(folder, make=True)
        except OSError as error:
            raise _unusable(self.path, error.strerror or str(error)) from error
        try:
            self._check_place()
            self._connection = self._connected()
        except OSError as error:
            self._folder.close()
            raise _unusable(self.path, error.strerror or str(error)) from error
        except DAMAGE as error:
            self._folder.close()
            raise _refused(self.path, str(error)) from error
        try:
            self._open()
            self.found, self.refused = self._count()
            self.findings: dict[str, dict[str, str | float]] = self._found_earlier()
        except DAMAGE as error:
            self._connection.close()
            self._folder.close()
            raise _refused(self.path, str(error)) from error

    def find(self, chunk: Mapping[str, object]) -> Floats | None:
        """Return the effects of a finished chunk, `[nodes, samples]`; None where it is not finished."""
        query = "SELECT rows, effects, sha256 FROM chunk WHERE run = ? AND chunk = ?"
        try:
            row = self._connection.execute(query, [self._run, _digest(chunk)]).fetchone()
        except DAMAGE:
            return None
        if row is None or not isinstance(row[1], bytes) or hashlib.sha256(row[1]).digest() != row[2]:
            return None
        return np.frombuffer(row[1], "<f8").reshape(row[0], -1)

    def keep(
        self, chunk: Mapping[str, object], effects: Floats, findings: Mapping[str, Mapping[str, str | float]]
    ) -> None:
        """Keep the effects of a finished chunk, `[nodes, samples]`, and what the run has found so far.

        Raises:
            OutputError: the disk is full.
        """
        values = np.ascontiguousarray(effects, "<f8")
        if values.nbytes > LARGEST:
            return
        digest, name = hashlib.sha256(values.tobytes()).digest(), _digest(chunk)
        sealed = _seal_of(self._run, name, len(values), digest)
        row = [self._run, name, len(values), values.tobytes(), digest, seal(*sealed)]
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("INSERT OR REPLACE INTO chunk VALUES (?, ?, ?, ?, ?, ?)", row)
            if findings != self.findings:
                self.findings = {kind: dict(found) for kind, found in findings.items()}
                content = json.dumps(self.findings)
                found = [self._run, content, seal(self._run.encode(), content.encode())]
                self._connection.execute("INSERT OR REPLACE INTO finding VALUES (?, ?, ?)", found)
            self._connection.execute("COMMIT")
        except DAMAGE as error:
            raise _refused(self.path, str(error)) from error
        self.kept += 1

    def close(self, *, finished: bool) -> None:
        """Close the journal; the chunks of a finished run are removed, and the file with the last of them."""
        with suppress(*DAMAGE):  # a full disk, or a damaged file: nothing more can be tidied
            if finished:
                for table in TABLES:
                    self._connection.execute(f"DELETE FROM {table} WHERE run = ?", [self._run])  # noqa: S608  # ours
            empty = self._connection.execute("SELECT COUNT(*) FROM chunk").fetchone()[0] == 0
            self._connection.close()
            if empty:
                self._remove()
        self._folder.close()

    def _check_place(self) -> None:
        """Refuse links and files of others in the place of the journal; put an empty file where there is none."""
        for ending in BESIDE:
            self._folder.check(JOURNAL_FILE + ending, in_place=True)
        if JOURNAL_FILE not in self._folder.names():
            self._folder.add(JOURNAL_FILE, [])
            self._folder.place()

    def _connected(self) -> sqlite3.Connection:
        """Return a connection that runs nothing of what the file holds, takes the lock, and does not read for ever."""
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST + 2**20)
        if sys.version_info >= (3, 12):
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # noqa: FBT003  # it takes no keyword
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection

    def _bound(self) -> None:
        """Bound the statement that comes: a file can be made so that reading it does not end."""
        granted = iter(range(MOST_STEPS))
        self._connection.set_progress_handler(lambda: next(granted, None) is None, STEPS)

    def _open(self) -> None:
        """Take the lock and make the tables; what is not exactly a journal of this version is put aside."""
        self._bound()
        self._connection.execute("BEGIN EXCLUSIVE")
        made = self._connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        there = [row[0] for row in self._connection.execute("SELECT sql FROM sqlite_master LIMIT 100")]
        self._connection.execute("COMMIT")
        if not made and there:
            raise sqlite3.DatabaseError("it is a database that this program did not make")
        if there and (version != VERSION or not set(there) <= SCHEMA):
            self._connection.close()
            self._remove()
            self._check_place()
            self._connection = self._connected()
            self._bound()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("BEGIN EXCLUSIVE")
        self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
        self._connection.execute(f"PRAGMA user_version = {VERSION}")
        for table, columns in TABLES.items():
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} {columns}")
        self._connection.execute("COMMIT")
        # Without waiting for the disk: a killed process loses nothing, a power cut the last chunks at most.
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _count(self) -> tuple[int, int]:
        """Return how many chunks of this run this user sealed, and how many not; those are removed."""
        self._bound()
        query = "SELECT rowid, chunk, rows, sha256, seal FROM chunk WHERE run = ?"
        rows = self._connection.execute(query, [self._run]).fetchall()
        forged = [[row[0]] for row in rows if not _is_sealed(self._run, *row[1:])]
        self._connection.executemany("DELETE FROM chunk WHERE rowid = ?", forged)
        return len(rows) - len(forged), len(forged)

    def _found_earlier(self) -> dict[str, dict[str, str | float]]:
        """Return what this run found earlier, where this user sealed it."""
        self._bound()
        row = self._connection.execute("SELECT content, seal FROM finding WHERE run = ?", [self._run]).fetchone()
        self._connection.set_progress_handler(None, 0)
        if row is None or not isinstance(row[0], str) or not is_seal(row[1], self._run.encode(), row[0].encode()):
            return {}
        held: dict[str, dict[str, str | float]] = json.loads(row[0])
        return held

    def _remove(self) -> None:
        """Remove the file and what SQLite keeps beside it."""
        for ending in BESIDE:
            self._folder.remove(JOURNAL_FILE + ending)


def _seal_of(run: str, chunk: str, rows: int, sha256: bytes) -> tuple[bytes, ...]:
    """Return what is sealed of a chunk."""
    return run.encode(), chunk.encode(), str(rows).encode(), sha256


def _is_sealed(run: str, chunk: object, rows: object, sha256: object, given: object) -> bool:
    """Return whether a chunk was sealed by this user; a table may hold anything."""
    if not (isinstance(chunk, str) and isinstance(rows, int) and isinstance(sha256, bytes)):
        return False
    return is_seal(given, *_seal_of(run, chunk, rows, sha256))


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
