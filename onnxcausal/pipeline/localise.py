"""By which layers two files of one model differ: each layer computed by the other file alone, and by its own alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.comparing.localisation import (
    ChannelDeviation,
    DecisionChange,
    LayerDeviation,
    LeftOut,
    Localisation,
)
from onnxcausal.causal.alignment import LayerOutline, match_layers
from onnxcausal.causal.change import holm
from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError, SamplesError
from onnxcausal.evaluation.accuracy_change import SIGNIFICANT, PairedChange, change_of
from onnxcausal.evaluation.deviation import Deviation, DeviationSum
from onnxcausal.evaluation.intervals import share_of
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.network.deployed import computes_coarsely
from onnxcausal.onnxgraph.runner.deadline import StoppedError
from onnxcausal.onnxgraph.swapping.swap import NotSwappableError, Side, Swap
from onnxcausal.pipeline.preparing.configuration import Configured
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.opening import open_unchanged
from onnxcausal.pipeline.preparing.prepare import Prepared, prepare
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.source import Inputs

MOST_SAMPLES = 1000
"""Samples that layers are exchanged on, at most: every layer runs all of them four times."""
MOST_BYTES = 2**28
"""What their inputs may take."""
WORST = 5
"""Channels of a layer that are listed."""
NO_DECISION = -1
"""Stands for the decision of scores that are no numbers."""

Decisions = NDArray[np.int64] | NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """A prepared file, as it is exchanged.

    Attributes:
        side: for exchanging layers.
        layers: its layers.
        x: inputs, `[samples, ...]`.
        batch: samples at once.
    """

    side: Side
    layers: tuple[Layer, ...]
    x: Inputs
    batch: int


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What one layer that is exchanged does.

    Attributes:
        deviation: of its output.
        change: of who is right.
        same: on how many samples the decision is the same.
    """

    deviation: Deviation
    change: PairedChange
    same: int


def localise(
    files: tuple[tuple[Path, str], tuple[Path, str]],
    configured: Configured,
    *,
    asked: bool,
    machine: Machine,
    progress: Progress,
) -> Localisation | None:
    """Return by which layers two files of one model differ; None where neither is quantised and nobody asked.

    Args:
        files: the old and the new model file, each with its SHA-256 as it was analysed.
        configured: settings of both.
        asked: measure it whatever the files are; else where one alone computes in whole numbers or half precision.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        OnnxCausalError: a file cannot be prepared, or there is nothing to measure it on.
    """
    models = [open_unchanged(path, known, machine.caution) for path, known in files]
    coarse = [computes_coarsely(model) for model in models]
    if not asked and coarse[0] == coarse[1]:
        return None
    first = 1 if coarse[0] and not coarse[1] else 0
    found = _exchanged(models[first], models[1 - first], configured, machine, progress)
    return found.model_copy(update={"reference": ("old", "new")[first]})


def _exchanged(
    reference: Model, other: Model, configured: Configured, machine: Machine, progress: Progress
) -> Localisation:
    here, there = (prepare(model, configured.values, machine=machine) for model in (reference, other))
    _check(here, there)
    indices = _drawn(here)
    batch = min(half.network.batch for half in (here, there))
    fixed = {prepared.network.plain.batch for prepared in (here, there)} - {None}
    if len(fixed) > 1:
        raise _nothing_to_run(here, "the two models are fixed to batches of different sizes")
    size = next((size for size in fixed if size), batch)
    halves = [_half(prepared, indices, size, machine) for prepared in (here, there)]
    task, labels = here.network.task, here.samples.labels[indices]
    right = [
        _right(_decided(prepared.network.scores(half.x), task), labels)
        for prepared, half in zip((here, there), halves, strict=True)
    ]
    measured: list[tuple[Layer, Layer, _Measured, _Measured]] = []
    left_out: list[LeftOut] = []
    for layer, others in _pairs(halves[0].layers, halves[1].layers, left_out):
        progress.layer(layer.name)
        try:
            alone = _measure(halves[0], Swap(halves[0].side, layer, halves[1].side, others), layer, labels)
            kept = _measure(halves[1], Swap(halves[1].side, others, halves[0].side, layer), others, labels)
        except StoppedError:
            raise
        except NotSwappableError as error:
            left_out.append(LeftOut(layer=layer.name, reason=str(error)))
        except ModelError as error:
            left_out.append(LeftOut(layer=layer.name, reason=f"{error.what}: {error.why}"))
        else:
            measured.append((layer, others, alone, kept))
    return Localisation(
        reference="old",
        samples=len(indices),
        accuracy=(float(right[0].mean()), float(right[1].mean())),
        layers=_records(measured),
        left_out=left_out,
    )


def _check(here: Prepared, there: Prepared) -> None:
    """Refuse what no decision can be measured on."""
    if here.samples.synthetic or there.samples.synthetic:
        raise _nothing_to_run(here, "no data was given")
    if len(here.samples) != len(there.samples) or here.classes.count != there.classes.count:
        raise _nothing_to_run(here, "the two models do not take the same samples, or decide between other classes")
    if here.network.task is not there.network.task or here.network.task is Task.REGRESSION:
        raise _nothing_to_run(here, "the outcome is no decision, or another one in either model")


def _nothing_to_run(here: Prepared, why: str) -> SamplesError:
    return SamplesError(
        "the layers cannot be exchanged",
        where=here.samples.source,
        why=why,
        remedy="give labelled data that both models take, or leave --which-layer out",
    )


def _drawn(here: Prepared) -> NDArray[np.int64]:
    """Return the positions of the samples: all, or a seeded draw of as many as are run, in order."""
    size = max(1, int(np.prod(here.samples.read(np.arange(1)).x.shape[1:], dtype=np.int64)) * 4)
    most = max(1, min(MOST_SAMPLES, MOST_BYTES // size))
    count = len(here.samples)
    if count > most:
        picked = np.random.default_rng(here.settings.seed).permutation(count)[:most]
        return np.sort(picked).astype(np.int64)
    return np.arange(count, dtype=np.int64)


def _half(prepared: Prepared, indices: NDArray[np.int64], batch: int, machine: Machine) -> _Half:
    read = prepared.samples.read(indices)
    if len(read.indices) != len(indices):
        raise _nothing_to_run(prepared, f"{len(indices) - len(read.indices)} sample(s) cannot be read")
    side = Side(prepared.network, prepared.wiring, machine.on_first_device().provider)
    return _Half(side, prepared.wiring.flow.layers, read.x, batch)


def _pairs(here: Sequence[Layer], there: Sequence[Layer], left_out: list[LeftOut]) -> list[tuple[Layer, Layer]]:
    """Return the layers that are the same; those of the reference that have no partner are left out."""
    names = [[layer.name for layer in layers] for layers in (here, there)]
    outlines = [
        [
            LayerOutline(name, layer.op_type, layer.parents, layer.children, layer.groups)
            for name, layer in zip(plain_names(named), layers, strict=True)
        ]
        for named, layers in zip(names, (here, there), strict=True)
    ]
    matches = match_layers(*outlines)
    matched = {match.old for match in matches}
    left_out += [
        LeftOut(layer=layer.name, reason="it has no partner in the other model")
        for number, layer in enumerate(here)
        if number not in matched
    ]
    return [(here[match.old], there[match.new]) for match in matches]


def plain_names(names: Sequence[str]) -> list[str]:
    """Return names of layers without what ONNX Runtime's quantiser appends to them, where they stay different.

    >>> plain_names(["fc", "conv_quant", "head_MatMul_quant"])
    ['fc', 'conv', 'head']
    """
    plain = [name.removesuffix("_quant").removesuffix("_MatMul") if name.endswith("_quant") else name for name in names]
    return plain if len(set(plain)) == len(plain) else list(names)


def _measure(host: _Half, swap: Swap, layer: Layer, labels: NDArray[np.generic]) -> _Measured:
    """Return what it does to a model that another file computes one of its layers."""
    task = host.side.network.task
    total = DeviationSum(layer.child_axis)
    before, after = [], []
    with np.errstate(all="ignore"):  # what overflows in half precision is told as such
        for found in swap.run(host.x, host.batch):
            total.add(found.own, found.others)
            before.append(_decided(found.own_scores, task))
            after.append(_decided(found.others_scores, task))
    decided = np.concatenate(before), np.concatenate(after)
    same = (decided[0] == decided[1]).reshape(len(labels), -1).all(axis=1)
    change = change_of(_right(decided[0], labels), _right(decided[1], labels))
    return _Measured(total.found(), change, int(same.sum()))


def _decided(scores: NDArray[np.floating], task: Task) -> Decisions:
    """Return what scores decide: a class, or of each class whether."""
    if task is Task.MULTILABEL:
        return np.asarray(scores > 0)
    decided: NDArray[np.int64] = np.nan_to_num(scores).argmax(axis=1).astype(np.int64)
    decided[~np.isfinite(scores).all(axis=1)] = NO_DECISION
    return decided


def _right(decided: NDArray[np.generic], labels: NDArray[np.generic]) -> NDArray[np.bool_]:
    return np.asarray((decided == labels).reshape(len(labels), -1).all(axis=1))


def _records(measured: Iterable[tuple[Layer, Layer, _Measured, _Measured]]) -> list[LayerDeviation]:
    """Return the layers, those that cost most first."""
    held = list(measured)
    if not held:
        return []
    p = holm(np.array([alone.change.p for *_, alone, _ in held])), holm(np.array([kept.change.p for *_, kept in held]))
    records = [
        LayerDeviation(
            reference=layer.name,
            other=others.name,
            deviation=_finite(alone.deviation.whole),
            typical=_finite(float(np.median(alone.deviation.channels))),
            worst=[
                ChannelDeviation(channel=channel, deviation=_finite(float(alone.deviation.channels[channel])))
                for channel in alone.deviation.worst(WORST)
            ],
            other_alone=_decisions(alone, float(p[0][number])),
            reference_alone=_decisions(kept, float(p[1][number])),
            enters=float(p[0][number]) <= SIGNIFICANT and alone.change.difference < 0,
        )
        for number, (layer, others, alone, kept) in enumerate(held)
    ]
    return sorted(records, key=_cost)


def _cost(record: LayerDeviation) -> tuple[float, float, float]:
    alone = record.other_alone
    return alone.after - alone.before, alone.agreement, -(np.inf if record.deviation is None else record.deviation)


def _decisions(found: _Measured, p: float) -> DecisionChange:
    change, agreement = found.change, share_of(found.same, found.change.n)
    return DecisionChange(
        before=change.before,
        after=change.after,
        lost=change.lost,
        gained=change.gained,
        interval=(change.low, change.high),
        p=p,
        agreement=agreement.mean,
        agreement_interval=(max(0.0, agreement.low), min(1.0, agreement.high)),
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
