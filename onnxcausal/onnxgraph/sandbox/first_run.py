"""Running a model on the first samples in a process of its own, under limits, where their values lead its work.

A loop may end on made-up inputs and never on real ones; a tensor may be as large as the samples say. What does not
follow from shapes is therefore seen on samples before this process runs one. Started as
`python -m onnxcausal.onnxgraph.sandbox.first_run`, with what to run on stdin.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx

from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.runner import run_samples
from onnxcausal.onnxgraph.sandbox.open_model import Job, answer, ask
from onnxcausal.samples.source import Inputs

MODEL, SAMPLES = "part.onnx", "samples.npy"
"""What is handed over."""
JOB = Job("onnxcausal.onnxgraph.sandbox.first_run", "running the model on the first samples")


def rehearse(network: Network, x: Inputs) -> None:
    """Run some samples in a process of its own, where the network is to be watched; else do nothing.

    Args:
        network: the network.
        x: samples, `[samples, ...]`.

    Raises:
        ModelError: they reach the limits of time or memory.
    """
    if network.limits is None:
        return
    name = network.model.name
    with TemporaryDirectory(prefix="onnxcausal-") as folder:
        (Path(folder) / MODEL).write_bytes(serialise(network.proto, name))
        np.save(Path(folder) / SAMPLES, x, allow_pickle=False)
        asked = {"folder": folder, "input": network.spec.name, "batch": network.plain.batch}
        ask(JOB, Path(name), network.limits, asked)


def _run(path: Path, asked: dict[str, Any]) -> str:
    """Run the samples of a folder, here and now; nobody needs the scores."""
    folder = Path(asked["folder"])
    part = onnx.load_model_from_string((folder / MODEL).read_bytes())
    run_samples(part, path.name, asked["input"], np.load(folder / SAMPLES, allow_pickle=False), asked["batch"])
    return ""


if __name__ == "__main__":
    answer(_run)
