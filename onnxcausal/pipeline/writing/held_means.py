"""Means of masks held to what the nodes they are of take: a mean beyond that is no mean, it is any bias at will."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from onnxcausal.analysis.formats.masks import MasksFile, ReadingRecord, means_by_layer
from onnxcausal.analysis.formats.verification import MeansState
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import GateError
from onnxcausal.onnxgraph.forms.made_up_ranges import made_up_ranges
from onnxcausal.onnxgraph.masking.mean_ablation import parent_ranges
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.pipeline.preparing.configuration import Configuration, Configured
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.prepare import prepare

BLOCK = 256
"""Samples read at once."""
SLACK = 0.01
"""Share of the largest value in a layer by which a mean may lie outside: a node may seldom speak."""
NOISE = 1e-6
"""The same on made-up inputs, which are so large that nothing but float noise lies outside."""


@dataclass(frozen=True, slots=True)
class HeldMeans:
    """What is known of the means of masks.

    Attributes:
        state: what is known.
        told: the same for people; empty where there are none.
    """

    state: MeansState
    told: str = ""


def hold_means(
    original: Original,
    masks: MasksFile,
    where: Path,
    configure: Callable[[], Configured],
    machine: Machine,
    *,
    any_means: bool,
) -> HeldMeans:
    """Return what is known of the means of masks.

    Args:
        original: the model.
        masks: its masks.
        where: the file that they stand in, for errors.
        configure: how the model is read, and its data; asked where there are means alone.
        machine: what of the machine may be used.
        any_means: take any means.

    Raises:
        GateError: a mean lies beyond what its node takes, or this cannot be told.
        OnnxCausalError: the model or the data cannot be read.
    """
    means = means_by_layer(masks)
    if not means:
        return HeldMeans(MeansState.NONE)
    if any_means:
        return HeldMeans(MeansState.ANY, "means not checked, as --any-means says")
    values = as_made(configure().values, masks.reading)
    if values.data.source is None:
        return _held_to_made_up(original, masks, means, where)
    return _held_to_data(original, values, means, where, machine)


def as_made(values: Configuration, reading: ReadingRecord) -> Configuration:
    """Return a configuration that reads the model as its masks were made for, where it does not say otherwise."""
    section = values.model
    told = replace(section, output=section.output or reading.output, task=section.task or reading.task)
    return replace(values, model=told)


def _held_to_data(
    original: Original, values: Configuration, means: Mapping[str, Mapping[int, float]], where: Path, machine: Machine
) -> HeldMeans:
    """Hold means to what their nodes take on samples, as many as it needs, in their order."""
    prepared = prepare(original.model, values, machine=machine)
    samples, network = prepared.samples, prepared.network
    ranges: dict[str, tuple[Floats, Floats]] = {}
    outside = None
    read = 0
    for start in range(0, len(samples), BLOCK):
        batch = samples.read(np.arange(start, min(start + BLOCK, len(samples))))
        if not len(batch.indices):
            continue
        read += len(batch.indices)
        for name, (least, most) in parent_ranges(network, prepared.wiring, batch.x, set(means)).items():
            before = ranges.get(name, (least, most))
            ranges[name] = np.minimum(before[0], least), np.maximum(before[1], most)
        outside = _first_outside(means, ranges, SLACK)
        if outside is None:
            return HeldMeans(
                MeansState.WITHIN_DATA, f"means lie within what their nodes take on {read} samples of {samples.source}"
            )
    if outside is None:
        raise _unknown(where, f"not one sample of {samples.source} can be read")
    raise _beyond(where, outside, f"on {read} samples of {samples.source}")


def _held_to_made_up(
    original: Original, masks: MasksFile, means: Mapping[str, Mapping[int, float]], where: Path
) -> HeldMeans:
    """Hold means to what any node of their layers takes on made-up inputs: what is no mean shows by its size."""
    reading = masks.reading
    found, why = made_up_ranges(original.model, set(means), output=reading.output, task=reading.task)
    if why:
        raise _unknown(where, f"no data are named, and {why}")
    ranges: dict[str, tuple[Floats, Floats]] = {}
    for name, (least, most) in found.items():
        size = max(means[name]) + 1
        ranges[name] = np.full(size, least), np.full(size, most)
    outside = _first_outside(means, ranges, NOISE)
    if outside is not None:
        raise _beyond(where, outside, "on made-up inputs (no data are named)")
    told = ", ".join(f"{least:.3g} to {most:.3g} in {name}" for name, (least, most) in sorted(found.items()))
    return HeldMeans(
        MeansState.NOT_CHECKED,
        f"means not checked: no data are named; on made-up inputs nodes take {told}",
    )


@dataclass(frozen=True, slots=True)
class _Outside:
    """A mean that its node does not take; `most` is below `least` where nothing is known of the node."""

    layer: str
    parent: int
    mean: float
    least: float
    most: float


def _first_outside(
    means: Mapping[str, Mapping[int, float]], ranges: Mapping[str, tuple[Floats, Floats]], share: float
) -> _Outside | None:
    """Return the first mean that lies outside of a range by more than a share of the largest value in its layer."""
    for layer, of_layer in means.items():
        if layer not in ranges:
            return _Outside(layer, *next(iter(of_layer.items())), np.inf, -np.inf)
        least, most = ranges[layer]
        finite = np.abs(np.concatenate([least[np.isfinite(least)], most[np.isfinite(most)]]))
        slack = share * float(finite.max(initial=0.0))
        for parent, mean in of_layer.items():
            if parent >= len(least) or not least[parent] - slack <= mean <= most[parent] + slack:
                known = parent < len(least)
                ends = (float(least[parent]), float(most[parent])) if known else (np.inf, -np.inf)
                return _Outside(layer, parent, mean, *ends)
    return None


def _beyond(where: Path, outside: _Outside, on: str) -> GateError:
    if outside.most < outside.least:
        return _unknown(where, f"nothing is known of what parent {outside.parent} of layer {outside.layer} takes {on}")
    return GateError(
        "a mean is beyond what its node takes",
        where=f"{where}, means of layer {outside.layer}, parent {outside.parent}",
        why=f"it is {outside.mean:.6g}, the node takes {outside.least:.6g} to {outside.most:.6g} {on}: it would be any "
        "bias at will",
        remedy="name the data that the means are of with --data or in a sidecar, or make the masks anew; "
        "--any-means takes any",
    )


def _unknown(where: Path, why: str) -> GateError:
    return GateError(
        "the means cannot be held to what their nodes take",
        where=f"{where}, means",
        why=why,
        remedy="name the data that the means are of with --data or in a sidecar; --any-means takes any",
    )
