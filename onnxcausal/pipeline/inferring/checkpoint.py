"""Finished chunks of a run: kept in the output folder's journal, found again when the run goes on."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from onnxcausal.analysis.formats.journal import Journal
from onnxcausal.analysis.result.settings import by_key
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import InterruptedRunError
from onnxcausal.onnxgraph.engine.interface import Findings, Probe
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.selection import Selection


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Keeps finished chunks, and gives them back to a run that was interrupted.

    Attributes:
        journal: where they are kept; None keeps nothing.
        context: what else a chunk's numbers depend on beside the run.
    """

    journal: Journal | None = None
    context: Mapping[str, object] = field(default_factory=dict)

    def of(self, target: int, chosen: Selection) -> "Checkpoint":
        """Return the ledger of one class on some samples."""
        return Checkpoint(self.journal, {"target": target, "samples": chosen.indices})

    def find(self, probe: Probe, columns: slice) -> Floats | None:
        """Return the effects of a probe on some samples, `[units, samples]`, if they were kept."""
        return None if self.journal is None else self.journal.find(self._key(probe, columns))

    def keep(self, probe: Probe, columns: slice, effects: Floats, findings: Findings) -> None:
        """Keep them, and what the engine has found so far."""
        if self.journal is not None:
            self.journal.keep(self._key(probe, columns), effects, findings)

    def _key(self, probe: Probe, columns: slice) -> dict[str, object]:
        return {**self.context, **probe.key(), "columns": [columns.start, columns.stop]}


@contextmanager
def open_ledger(out: Path | None, prepared: Prepared, progress: Progress) -> Iterator[Checkpoint]:
    """Open the ledger of a run; the journal goes when the block ends well, and stays when it does not.

    Args:
        out: the output folder; None keeps nothing.
        prepared: everything the numbers depend on.
        progress: told what was found.

    Raises:
        OutputError: another run is at work in the folder, or it cannot be written.
        InterruptedRunError: the block was interrupted by Ctrl-C; what it kept stays.
    """
    if out is None:
        yield Checkpoint()
        return
    journal = Journal(out, _identity(prepared))
    if journal.found:
        progress.note(f"going on with a run that was interrupted: {journal.found} finished chunk(s) found in {out}")
    if journal.refused:
        progress.note(
            f"{journal.refused} chunk(s) in {journal.path} are computed anew: this user's machine did not write them"
        )
    prepared.engine.recall(journal.findings)
    finished = False
    try:
        yield Checkpoint(journal)
        finished = True
    except KeyboardInterrupt as error:
        raise _interrupted(journal) from error
    finally:
        journal.close(finished=finished)


def _identity(prepared: Prepared) -> dict[str, object]:
    """Return everything that the numbers of a run depend on: model, data, settings, versions."""
    return {
        "model": prepared.network.model.sha256,
        "input": prepared.network.spec.name,
        "outcome": prepared.network.outcome.tensor,
        "as run": hashlib.sha256(prepared.network.proto.SerializeToString(deterministic=True)).hexdigest(),
        "data": prepared.origin.data_sha256,
        "preprocess": prepared.origin.preprocess,
        "reference": None if prepared.reference is None else prepared.reference.indices,
        "settings": by_key(prepared.settings),
        "versions": prepared.origin.versions,
        "providers": list(prepared.engine.providers),
        "options": prepared.network.plain.options,
    }


def _interrupted(journal: Journal) -> InterruptedRunError:
    kept = journal.found + journal.kept
    return InterruptedRunError(
        "interrupted",
        where=str(journal.path),
        why=f"the run was stopped by Ctrl-C; {kept} finished chunk(s) are kept" if kept else "stopped by Ctrl-C",
        remedy="run the same command again to go on where it stopped" if kept else "run the same command again",
    )
