"""Running a model on the first samples in a process of its own, under limits, before this one runs it.

What a file does may follow from what samples hold, how many they are and how large: made-up inputs do not show it.
Started as `python -m onnxcausal.onnxgraph.sandbox.first_run`, with what to run on stdin; it loads no more than it
needs, as it is started for every file.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.runner import run_samples
from onnxcausal.onnxgraph.sandbox.child import Job, answer, ask
from onnxcausal.samples.source import Inputs

if TYPE_CHECKING:
    from onnxcausal.onnxgraph.network.network import Network

MODEL, SAMPLES = "part.onnx", "samples.npy"
"""What is handed over."""
JOB = Job("onnxcausal.onnxgraph.sandbox.first_run", "running the model on the first samples")
TIME_SHARE = 0.25
"""Share of the time limit that a batch should take, by what one sample took: fewer samples where it would take more."""


def rehearse(network: "Network", x: Inputs, rows: int | None = None) -> None:
    """Run some samples in a process of its own, where the file is not trusted; else do nothing.

    Args:
        network: the network.
        x: samples, `[samples, ...]`.
        rows: samples of a batch that is run after each alone, two, and all of them: these, repeated.

    Raises:
        ModelError: they reach the limits of time or memory.
    """
    if network.limits is None:
        return
    name = network.model.name
    with TemporaryDirectory(prefix="onnxcausal-") as folder:
        (Path(folder) / MODEL).write_bytes(serialise(network.proto, name))
        np.save(Path(folder) / SAMPLES, x, allow_pickle=False)
        asked = {"folder": folder, "input": network.spec.name, "batch": network.plain.batch, "rows": rows}
        ask(JOB, Path(name), network.limits, asked)


def _run(path: Path, asked: dict[str, Any]) -> str:
    """Run the samples of a folder, here and now; nobody needs the scores."""
    folder = Path(asked["folder"])
    part = onnx.load_model_from_string((folder / MODEL).read_bytes())
    x = np.load(folder / SAMPLES, allow_pickle=False)
    parts = tried_together(x, asked["batch"], asked["rows"], TIME_SHARE * asked["limits"]["seconds"])
    run_samples(part, path.name, asked["input"], parts)
    return ""


def tried_together(x: Inputs, batch: int | None, rows: int | None, seconds: float) -> Iterator[Inputs]:
    """Return the samples of each run.

    Args:
        x: samples, `[samples, ...]`.
        batch: batch size that the model is fixed to; None where it takes any.
        rows: samples of a batch that is larger than that; None for none.
        seconds: what such a batch may take, by what one sample takes until the next is asked for.
    """
    return _fixed(x, batch) if batch else _open(x, rows or 0, seconds)


def _fixed(x: Inputs, batch: int) -> Iterator[Inputs]:
    """Yield batches of a fixed size: each sample alone, then all of them."""
    yield from (np.repeat(one, batch, axis=0) for one in np.split(x, len(x)))
    filled = _repeated(x, -(-len(x) // batch) * batch)
    yield from np.split(filled, len(filled) // batch)


def _open(x: Inputs, rows: int, seconds: float) -> Iterator[Inputs]:
    """Yield each sample alone, one of them twice, all of them, and a batch of as many as are asked for and fit."""
    begin = monotonic()
    yield from np.split(x, len(x))
    each = (monotonic() - begin) / len(x)
    yield _repeated(x[:1], 2)
    yield x
    fitting = min(rows, int(seconds / max(each, 1e-9)))
    if fitting > len(x):
        yield _repeated(x, fitting)


def _repeated(x: Inputs, rows: int) -> Inputs:
    return np.resize(x, (rows, *x.shape[1:]))


if __name__ == "__main__":
    answer(_run)
