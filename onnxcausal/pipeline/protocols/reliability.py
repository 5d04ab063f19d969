"""Reliability: how often each node is selected again (Ahmad et al. 2023, sec. 5.1, fig. 7).

The whole route is inferred anew in each run. Three kinds of runs tell apart what varies: `beta` alone on the same
images, the images alone at the graph's own beta, and both.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.evaluation import EstimateRecord
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.causal.task import is_right
from onnxcausal.errors import SamplesError
from onnxcausal.evaluation.intervals import Estimate, mean_of
from onnxcausal.evaluation.reliability import (
    AROUND,
    BANDS,
    FIRST,
    LAST,
    appearance,
    betas,
    histogram,
    jaccard,
    recurrence,
)
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.graph import infer_graph
from onnxcausal.pipeline.preparing.prepare import Prepared
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.pipeline.protocols.numbers import numbers, over_classes
from onnxcausal.samples.selection import Selection, choose_correct

BETA, IMAGES, BOTH = "beta alone", "images alone", "beta and images"
FEWEST_DRAWS = 2
"""There must be so many times the images of one run, else all runs take nearly the same."""
POOL = 10
"""Images are drawn from up to this many times as many as one run takes."""
Selected = dict[str, NDArray[np.bool_]]
"""Which nodes of each layer each run selected, `[runs, nodes]`."""


def reliability(subject: Subject, runs: int, progress: Progress) -> Iterator[EstimateRecord]:
    """Yield for each class, layer and kind of run how often nodes are selected again.

    Args:
        subject: what is evaluated.
        runs: runs of each kind.
        progress: told what happens.

    Raises:
        SamplesError: no class has twice the images that one run takes.
    """
    whole: dict[tuple[str, str, str], list[Estimate]] = {}
    for target in subject.routes:
        progress.target(title_of(target, subject.prepared.classes.names))
        pool = _pool(subject.prepared, target)
        if len(pool.indices) < FEWEST_DRAWS * subject.prepared.settings.samples:
            title = title_of(target, subject.prepared.classes.names)
            subject.left_out.append(
                f"class {title} is left out: it has {len(pool.indices)} correctly classified samples"
            )
            continue
        for kind in (BETA, IMAGES, BOTH):
            selected = _runs(subject, target, pool, kind, runs)
            for layer, found in selected.items():
                for estimate, measure in _measures(found):
                    whole.setdefault((layer, kind, measure), []).append(estimate)
                    yield numbers(estimate, kind, measure, target=target, layer=layer)
            yield from _histograms(selected, kind, target)
    if not whole:
        raise SamplesError(
            "there are too few images to draw other ones",
            where=subject.prepared.samples.source,
            why="; ".join(subject.left_out[:3])
            + f"; one run takes {subject.prepared.settings.samples}, and {FEWEST_DRAWS} times as many are needed",
            remedy="let a run take fewer: --samples",
        )
    for (layer, kind, measure), estimates in whole.items():
        mean = mean_of(over_classes(estimate.mean for estimate in estimates))
        yield numbers(mean, kind, measure, layer=layer)


def _measures(selected: NDArray[np.bool_]) -> Iterator[tuple[Estimate, str]]:
    if selected.any():
        yield appearance(selected), "appearance"
        yield recurrence(selected), "recurrence"
        yield jaccard(selected), "Jaccard"


def _histograms(selected: Selected, kind: str, target: int) -> Iterator[EstimateRecord]:
    """Yield for each fifth of the runs which share of the nodes appears in up to 20, 40, ... 100 % of them."""
    runs = len(next(iter(selected.values())))
    if kind != BOTH or runs < 2 * BANDS:
        return
    for band, part in enumerate(np.array_split(np.arange(runs), BANDS)):
        together = np.concatenate([found[part] for found in selected.values()], axis=1)
        upper = FIRST + (LAST - FIRST) * (band + 1) / BANDS + AROUND
        for number, share in enumerate(histogram(together).tolist()):
            measure = f"share appearing in {100 * number // BANDS}-{100 * (number + 1) // BANDS} % of runs"
            ever = int(together.any(axis=0).sum())
            yield EstimateRecord(kind, measure, share, share, share, max(1, ever), target=target, at=upper)


def _pool(prepared: Prepared, target: int) -> Selection:
    """Return the images that runs draw from."""

    def right(scores: NDArray[np.floating]) -> NDArray[np.bool_]:
        return is_right(scores, target, prepared.settings.task)

    count, scores = POOL * prepared.settings.samples, prepared.network.scores
    with prepared.file.opened() as file:
        return choose_correct(
            prepared.samples, target, count, prepared.settings.seed, scores, right=right, agreed=file.agrees
        )


def _runs(subject: Subject, target: int, pool: Selection, kind: str, runs: int) -> Selected:
    """Infer the graph anew in each run; return the nodes it selected."""
    prepared, own = subject.prepared, subject.prepared.settings
    rng = np.random.default_rng([own.seed, target, 6, (BETA, IMAGES, BOTH).index(kind)])
    factors = np.full(runs, own.beta) if kind == IMAGES else betas(runs, rng)
    found: Selected = {
        layer.name: np.zeros((runs, len(prepared.wiring.flow.nodes[layer.name])), np.bool_)
        for layer in prepared.wiring.flow.layers
    }
    first = np.sort(rng.choice(len(pool.indices), own.samples, replace=False))
    chosen = _some(pool, first)
    for run, beta in enumerate(factors.tolist()):
        if kind != BETA:
            chosen = _some(pool, np.sort(rng.choice(len(pool.indices), own.samples, replace=False)))
        at_beta = replace(prepared, settings=replace(own, beta=beta))
        graph = infer_graph(at_beta, target, chosen, Silent(), Checkpoint())
        for layer in graph.layers:
            found[layer.name][run, layer.necessary] = True
    subject.chosen[target] = pool.indices.tolist()
    return found


def _some(pool: Selection, places: NDArray[np.int64]) -> Selection:
    return Selection(pool.x[places], pool.indices[places], pool.examined, pool.correct)
