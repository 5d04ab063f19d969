"""The job `inspect`: what is in a model file, read without running it unless that is asked for."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onnxcausal.analysis.result.inspection import Branch, Inspection, LayerFacts, OpFacts
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model, damage_told, load_model
from onnxcausal.onnxgraph.inspecting.bypasses import find_branches, find_ways
from onnxcausal.onnxgraph.inspecting.file_facts import (
    file_facts,
    input_facts,
    no_outcome,
    op_counts,
    outcome_facts,
    output_facts,
)
from onnxcausal.onnxgraph.inspecting.findings import beyond_half, find_findings
from onnxcausal.onnxgraph.inspecting.layer_facts import layer_facts
from onnxcausal.onnxgraph.inspecting.static_wiring import Wired, told, wire_by_run, wire_nothing, wire_statically
from onnxcausal.onnxgraph.inspecting.unmaskable import find_unmaskable
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import CutModel, cut_model
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.sandbox.child import Job, answer, ask
from onnxcausal.pipeline.preparing.compatibility import check_fixed
from onnxcausal.pipeline.preparing.configuration import Configured
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.opening import CAREFUL, Caution, check_unchanged, open_model

INSPECTING = Job("onnxcausal.pipeline.inspect", "inspecting the model")


def inspect(path: Path, configured: Configured, *, run: bool = False, caution: Caution = CAREFUL) -> Inspection:
    """Return what is in a model file.

    Args:
        path: the file.
        configured: how it is read; data is not needed.
        run: run one probe sample, so that shapes are known that the file alone does not tell.
        caution: how far the file is trusted.

    Raises:
        ModelError: the file cannot be read as a model, or not within the limits.
        ConfigError: a tensor or an input that was asked for does not exist.
    """
    with Machine(caution=caution).bounds():
        return _within_bounds(path, configured.values.model, run=run, caution=caution)


def _within_bounds(path: Path, reading: Reading, *, run: bool, caution: Caution) -> Inspection:
    if caution.limits is not None and os.path.isfile(path):  # noqa: PTH113  # unlike Path, it takes any name
        tried = try_inspecting(path, reading, caution.limits, follow_links=caution.follow_links)
        found = _inspected(path, reading, run=run, caution=caution)
        check_unchanged(path, tried, found.file.sha256)
        return found
    return _inspected(path, reading, run=run, caution=caution)


def try_inspecting(path: Path, reading: Reading, limits: Limits, *, follow_links: bool) -> str:
    """Return the SHA-256 of a model that can be inspected within limits, in a process of its own.

    Raises:
        OnnxCausalError: what inspecting it raised, or a ModelError that says which limit was reached.
    """
    asked = {"reading": asdict(reading), "follow_links": follow_links}
    return ask(INSPECTING, path, limits, asked)


def _inspected(path: Path, reading: Reading, *, run: bool, caution: Caution) -> Inspection:
    model = load_model(path, follow_links=caution.follow_links)
    opened = _opened(model, path, reading, caution, run=run)
    cut, wired = opened.cut, opened.wired
    known = _NOTHING if wired is None else _described(wired, model.name)
    inputs = input_facts(model, None if cut is None else cut.proto, reading)
    outputs = output_facts(model, cut)
    layers = () if wired is None else wired.layers
    return Inspection(
        file=file_facts(model, path),
        inputs=inputs,
        outputs=outputs,
        outcome=no_outcome(opened.refused) if cut is None else outcome_facts(cut, wired),
        ops=op_counts(model.proto),
        layers=known.layers,
        others=known.others,
        branches=known.branches,
        rewritten=() if cut is None else cut.notes,
        findings=(
            *(() if wired is None else beyond_half(wired.beyond_half)),
            *find_findings(model, inputs, outputs, layers, known.branches),
        ),
        flow_reason=opened.refused or known.refused or ("" if wired is None else wired.reason),
        work=None if wired is None else wired.work,
        ran=wired is not None and wired.ran,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """A model cut at its outcome, and its layers; None where there is none, `refused` says why."""

    cut: CutModel | None
    wired: Wired | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Described:
    """What there is to say of a graph, or why there is nothing."""

    layers: tuple[LayerFacts, ...] = ()
    others: tuple[OpFacts, ...] = ()
    branches: tuple[Branch, ...] = ()
    refused: str = ""


_NOTHING = _Described()


def _opened(model: Model, path: Path, reading: Reading, caution: Caution, *, run: bool) -> _Opened:
    try:
        cut = cut_model(model, reading.output, reading.task, reading.fixed)
    except ModelError as error:
        return _without_outcome(model, told(error))
    check_fixed(cut, reading)
    refused = _refused(path, reading, caution) if run else ""
    try:
        with damage_told(model.name):
            wired = wire_by_run(cut, reading, caution.limits) if run and not refused else wire_statically(cut, reading)
            return _Opened(cut, wired, refused)
    except ModelError as error:
        return _Opened(cut, None, told(error))


def _without_outcome(model: Model, refused: str) -> _Opened:
    try:
        with damage_told(model.name):
            return _Opened(None, wire_nothing(model), refused)
    except ModelError:
        return _Opened(None, None, refused)


def _refused(path: Path, reading: Reading, caution: Caution) -> str:
    """Return why a model cannot be run in a process of its own; empty where it can."""
    try:
        open_model(path, caution, reading.output)
    except ModelError as error:
        return told(error)
    return ""


def _described(wired: Wired, name: str) -> _Described:
    try:
        with damage_told(name):
            others = find_unmaskable(wired.index, wired.layers)
            ways = find_ways(wired.index, wired.inputs, wired.outcome, wired.layers, others)
            branches = () if wired.outcome is None else find_branches(wired.index, ways, wired.outcome)
            return _Described(layer_facts(wired, ways), tuple(others.values()), branches)
    except ModelError as error:
        return _Described(refused=told(error))


def _harmless(path: Path, asked: dict[str, Any]) -> str:
    """Inspect a file, here and now, and return its hash; nobody needs what was found."""
    trusted = Caution(limits=None, follow_links=asked["follow_links"])
    return _inspected(path, Reading(**asked["reading"]), run=False, caution=trusted).file.sha256


if __name__ == "__main__":
    answer(_harmless)
