"""What becomes of models as vendors ship them: analysed exactly, around some ops, or refused."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import onnx
import onnxruntime as ort

from onnxcausal.causal.graph import FlowKind
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.feeds import NOT_JOINED, open_inputs
from onnxcausal.onnxgraph.network.io_spec import Reading, Reduction
from onnxcausal.onnxgraph.network.network import cut_model, open_network
from onnxcausal.onnxgraph.network.rebatch import settle_batch
from onnxcausal.onnxgraph.network.wiring import find_wiring
from onnxcausal.onnxgraph.runner.rounding import FLOAT_NOISE
from onnxcausal.samples.joined import joined
from tests.support.opened import Inputs, Opened, assert_equal_to_edited_weights, assert_suffix_equals_reference
from tests.support.zoo import Specimen

AGREES = 20 * FLOAT_NOISE
"""Largest difference of scores that rounding explains, in units of epsilon times the largest score."""


class Result(StrEnum):
    EXACT = "exact"
    AROUND = "around"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a model.

    Attributes:
        result: exact where every weight that mixes channels is in a layer, around where some are not.
        how: what a reader must know beside it.
    """

    result: Result
    how: str


def open_specimen(specimen: Specimen) -> tuple[Opened, Inputs]:
    """Return a model opened as an analysis does, and its samples, several inputs side by side."""
    proto, inputs = specimen.build(), specimen.inputs()
    settings = dict(specimen.settings)
    if "reduce" in settings:
        settings["reduce"] = Reduction(str(settings["reduce"]))
    reading = Reading(**settings)  # type: ignore[arg-type]  # as the zoo writes them
    digest = hashlib.sha256(proto.SerializeToString()).hexdigest()
    cut = cut_model(Model("model.onnx", proto, digest), reading.output, reading.task)
    names = [spec.name for spec in open_inputs(cut.proto, reading)]
    shapes = {name: inputs[name].shape[1:] for name in names} if len(names) > 1 else NOT_JOINED
    x = joined(inputs, names, "zoo") if len(names) > 1 else inputs[names[0]].astype(np.float32)
    network = settle_batch(open_network(cut, reading, joined=shapes), x)
    return Opened(proto, network, find_wiring(network, x[:1])), x


def verdict(specimen: Specimen) -> Verdict:
    """Return what becomes of a model, having checked every layer: suffix, reference and an independent computation."""
    try:
        opened, x = open_specimen(specimen)
    except ModelError as error:
        return Verdict(Result.REFUSED, f"{error.what}: {error.why}")
    assert_scores_of_the_file(opened, specimen)
    engine = assert_suffix_equals_reference(opened, x, seed=1)
    assert_exact_scores(opened, x)
    assert_equal_to_edited_weights(opened, x, 0.0, seed=2)
    passed_over = opened.wiring.passed_over
    result = Result.AROUND if passed_over else Result.EXACT
    return Verdict(result, "; ".join(["float64", *_remarks(opened, engine.notes), *_unmasked(passed_over)]))


def assert_exact_scores(opened: Opened, x: Inputs) -> None:
    """Compare the scores with those in float64: ops from their definitions mean what ONNX Runtime means by them."""
    scores = opened.network.scores(x)
    tolerance = opened.within(AGREES) * np.abs(scores).max()
    np.testing.assert_allclose(scores, opened.exact_scores(x), rtol=0, atol=tolerance)


def assert_scores_of_the_file(opened: Opened, specimen: Specimen) -> None:
    """Compare the scores with those of the file, its ops as they stand, sample by sample where batches interact."""
    if any(tensor.data_type == onnx.TensorProto.BFLOAT16 for tensor in opened.proto.graph.initializer):
        return  # ONNX Runtime does not run it
    produced = {name for op in inlined(opened.proto).graph.node for name in op.output}
    tensor = opened.network.outcome.tensor
    if tensor not in produced:
        return  # scores that were reduced, or put side by side
    part = cut_at(inlined(opened.proto), [tensor])
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(part.SerializeToString(), options)
    inputs = specimen.inputs()
    fixed = {i.name: i.shape[0] if i.shape and isinstance(i.shape[0], int) else 1 for i in session.get_inputs()}
    rows = []
    for number in range(len(next(iter(inputs.values())))):
        feeds = {name: np.repeat(inputs[name][number : number + 1], count, axis=0) for name, count in fixed.items()}
        rows.append(session.run(None, feeds)[0].reshape(max(fixed.values()), -1)[0])
    x = joined(inputs, list(fixed), "zoo") if len(fixed) > 1 else inputs[next(iter(fixed))]
    scores = opened.network.scores(x.astype(np.float32))
    expected = np.stack(rows).reshape(scores.shape)
    tolerance = opened.within(AGREES) * np.abs(expected).max()
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)


def assert_some_equal_to_float64(opened: Opened, x: Inputs, seed: int, nodes: int = 3, layers: int = 1) -> None:
    """Compare effects of random nodes on random targets, in every so many layers, with float64 edits of the weights."""
    rng = np.random.default_rng(seed)
    exact = opened.exact_scores(x)
    chosen = min(1, exact.shape[1] - 1)
    engine = opened.engine()
    for layer in opened.layers[::layers]:
        targets = np.sort(rng.choice(layer.children, rng.integers(1, layer.children + 1), replace=False))
        every = opened.wiring.flow.nodes[layer.name]
        few = rng.choice(len(every), min(nodes, len(every)), replace=False)
        probe = PathProbe(layer, every, targets).of(few)
        found = engine.effects(probe, x, lambda scores: outcome_of(scores, chosen))
        for node, te in zip(few, found, strict=True):
            edited = opened.edited_scores(layer, every[node], targets, 0.0, x)
            scale = max(np.abs(exact).max(), np.abs(edited).max())
            difference = np.abs(te - (edited - exact)[:, chosen]).max()
            assert difference <= opened.within(AGREES) * scale, (layer.name, node, difference / scale)


def _remarks(opened: Opened, notes: Iterable[str]) -> list[str]:
    network = opened.network
    remarks = [] if network.task is Task.CLASSIFICATION else [f"task {network.task}"]
    kinds = {link.kind for links in opened.wiring.flow.links.values() for link in links}
    if FlowKind.UNTRACKED in kinds:
        remarks.append("flow in part untracked")
    elif FlowKind.NORMALISED in kinds:
        remarks.append("flow in part normalised")
    said = " ".join(network.notes)
    for sign, remark in SIGNS.items():
        if sign in said:
            remarks.append(remark)
    if any("whole-model form" in note for note in notes):
        remarks.append("a layer in whole-model form")
    return remarks


SIGNS = {
    "whole numbers": "in whole numbers",
    "bfloat16 is computed": "in float32",
    "opened for any": "batch opened",
    "gives other scores when": "one batch at a time",
    "one at a time": "one sample at a time",
    "ranges of dynamic": "range of each sample",
}
"""What notes say, in a few words."""


def _unmasked(passed_over: tuple[str, ...]) -> list[str]:
    kinds = sorted({name.split()[0] for name in passed_over})
    return [f"no interventions in {', '.join(kinds)}"] if kinds else []
