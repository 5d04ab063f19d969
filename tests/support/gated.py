"""A small classifier with data, held to gates as the command does it, without the command."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx

from onnxcausal.analysis.gating.checks import Status
from onnxcausal.pipeline.analyze import run
from onnxcausal.pipeline.gating.gates import Gated, ask, check
from onnxcausal.pipeline.gating.policy import Given
from onnxcausal.pipeline.preparing.configuration import configure, project_gates
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.progress import Silent
from tests.support.networks import mlp

RNG = np.random.default_rng(0)
FIRST, SECOND, OTHER = RNG.normal(size=(8, 6)), RNG.normal(size=(3, 8)), RNG.normal(size=(3, 8))
X = RNG.normal(1, 2, size=(600, 6)).astype(np.float32)
Y = (np.maximum(X @ FIRST.T, 0) @ SECOND.T).argmax(axis=1)
LOST = np.array([0.0, 0.0, -1000.0])
HERE = Machine.of(limits="none")


@dataclass(frozen=True, slots=True)
class Try:
    """A model that is held to gates.

    Attributes:
        given: what is given with the call.
        model: `good.onnx`, `lost.onnx` that never says class 2, or `other.onnx`.
        data: the file of the data; None for none.
        sidecar: what the file beside the model says.
        project: what `pyproject.toml` says.
        flags: settings given with the call.
    """

    given: Given
    model: str = "good.onnx"
    data: str | None = "data.npz"
    sidecar: str = ""
    project: str = ""
    flags: Mapping[str, object] = field(default_factory=dict)


def lay_out(folder: Path) -> None:
    """Write the models and their data."""
    zero, none = np.zeros(8), np.zeros(3)
    onnx.save(mlp([FIRST, SECOND], [zero, none]), folder / "good.onnx")
    onnx.save(mlp([FIRST, SECOND], [zero, LOST]), folder / "lost.onnx")
    onnx.save(mlp([FIRST, SECOND + 0.5 * OTHER], [zero, none]), folder / "other.onnx")
    np.savez(folder / "data.npz", x=X, y=Y)
    np.savez(folder / "without2.npz", x=X[Y != 2], y=Y[Y != 2])


def held_to_gates(folder: Path, tried: Try) -> Gated:
    """Return what comes of gates, in a folder that `lay_out` wrote to.

    Raises:
        OnnxCausalError: as the command would.
    """
    model = folder / tried.model
    model.with_suffix(".toml").write_text(tried.sidecar)
    (folder / "pyproject.toml").write_text(f"[tool.onnxcausal.gates]\n{tried.project}")
    flags: dict[str, tuple[str, object]] = {
        name: (f"--{name.split('.')[1]}", value) for name, value in tried.flags.items()
    }
    if "samples" not in tried.sidecar:
        flags.setdefault("analysis.samples", ("--samples", 30))
    if tried.data is not None:
        flags["data.source"] = ("--data", str(folder / tried.data))
    configured = configure(model, None, flags)
    asked = ask(configured, project_gates(folder), placed(tried.given, folder), out=folder / "out", stem=model.stem)
    return check(run(model, configured, machine=HERE, progress=Silent()), asked)


def placed(given: Given, folder: Path) -> Given:
    """Return what was given, with its paths in a folder."""
    return replace(
        given,
        baseline=given.baseline and folder / given.baseline,
        evaluation=given.evaluation and folder / given.evaluation,
    )


def failed(gated: Gated) -> list[tuple[str, int | None]]:
    """Return rule and class of every check that failed, in order."""
    return [(found.rule, found.target) for found in gated.checks if found.status is Status.FAILED]


def message(gated: Gated, rule: str) -> str:
    """Return what the first check of a rule says."""
    return next(found.message for found in gated.checks if found.rule == rule)
