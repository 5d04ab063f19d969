"""What is evaluated: a model, its causal graphs, and samples that the graphs were not inferred from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.analysis.formats.saved_analysis import read_analysis, routes_of
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.analysis.result.settings import Method
from onnxcausal.causal.route import Route, route_of
from onnxcausal.causal.task import Task, is_right
from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.classes import infer_classes, notes_of_left_out
from onnxcausal.pipeline.preparing.compatibility import check_several
from onnxcausal.pipeline.preparing.configuration import AnalysisSection, Configuration, Configured
from onnxcausal.pipeline.preparing.enrolment import as_enrolled
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.opening import open_model
from onnxcausal.pipeline.preparing.prepare import Prepared, prepare
from onnxcausal.pipeline.preparing.saved_analysis import check_saved
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.selection import tried
from onnxcausal.samples.source import Batch, Indices, Inputs

FEWEST = 2
"""Held-out samples of a class, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is evaluated.

    Attributes:
        prepared: the model, its layers and flow, the data, the settings.
        routes: the causal graph of each class.
        analysis_data: hash of the data that they were inferred from.
        used: positions of samples that were looked at for the graphs, in the data at hand.
        notes: what a reader must know.
        chosen: positions of the samples that were taken for the evaluation, by class.
        left_out: classes that could not be evaluated, and why.
    """

    prepared: Prepared
    routes: Mapping[int, Route]
    analysis_data: str
    used: Indices
    notes: tuple[str, ...] = ()
    chosen: dict[int, list[int]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def network(self) -> Network:
        """The unmodified model."""
        return self.prepared.network

    def each(self, count: int, progress: Progress, *, decided: bool = False) -> Iterator[tuple[Route, Inputs]]:
        """Yield the causal graph and held-out samples of every class that has enough of them.

        Args:
            count: samples of each.
            progress: told what happens.
            decided: as for `held_out`.

        Raises:
            SamplesError: no class has enough.
        """
        failed, found = None, False
        for target, route in self.routes.items():
            title = title_of(target, self.prepared.classes.names)
            progress.target(title)
            try:
                x = self.held_out(target, count, decided=decided)
            except SamplesError as error:
                failed = error
                self.left_out.append(f"class {title} is left out: {error.why}")
                continue
            yield route, x
            found = True
        if failed is not None and not found:
            raise failed

    def others(self, count: int) -> "Others":
        """Return held-out samples of all classes, about twice `count` together, two of each at least.

        Where there are more classes than `count`, of so many of them, drawn by chance.

        Raises:
            SamplesError: fewer than two classes have any left.
        """
        classes = self.prepared.samples.present
        if len(classes) > count:
            classes = np.random.default_rng([self.prepared.settings.seed, 10]).choice(classes, count, replace=False)
        of_each = max(FEWEST, -(-2 * count // max(1, len(classes) - 1)))
        found = {}
        for other in np.sort(classes).tolist():
            try:
                found[other] = self._drawn(other, of_each, decided=False)
            except SamplesError:
                continue  # what is left of the other classes does
        if len(found) < FEWEST:
            raise self._too_few(int(classes[0]), 0, decided=False)
        return Others(found, self.prepared.samples.labels)

    def reference(self, count: int) -> Inputs:
        """Return about `count` samples, equally many of each class, that are not evaluated where that can be.

        Of a class that was analysed they are among those looked at for its graph, else those that are evaluated last.
        """
        samples, seed = self.prepared.samples, self.prepared.settings.seed
        share = -(-count // len(samples.present))
        picked = []
        for target in samples.present.tolist():
            looked_at = np.intersect1d(samples.of_class(target), self.used)
            order = np.random.default_rng([seed, target, 5]).permutation(looked_at)
            picked.append(order[:share] if len(order) else self.free(target)[-share:])
        return samples.read(np.unique(np.concatenate(picked))).x

    def held_out(self, target: int, count: int, *, decided: bool = False) -> Inputs:
        """Return up to `count` samples of a class that the graphs were not inferred from.

        Args:
            target: the class.
            count: how many.
            decided: take those only that the model decides as the class; else right or wrong alike.

        Raises:
            SamplesError: there are fewer than two.
        """
        return self._drawn(target, count, decided=decided).x

    def _drawn(self, target: int, count: int, *, decided: bool) -> Batch:
        """Return held-out samples of a class with their positions; the file must decide as it is measured on them."""
        samples, order, task = self.prepared.samples, self.free(target), self.prepared.settings.task
        x: list[Inputs] = []
        indices: list[int] = []
        with self.prepared.file.opened() as file:
            for start in range(0, len(order), count):
                batch = samples.read(order[start : start + count])
                if len(batch.indices):
                    scores = self.network.scores(batch.x)
                    agreed = file.agrees(batch, scores)
                    kept = is_right(scores, target, task) & agreed if decided else np.ones(len(batch.x), np.bool_)
                    x.append(batch.x[kept])
                    indices += batch.indices[kept].tolist()
                if len(indices) >= count:
                    break
        if len(indices) < FEWEST:
            raise self._too_few(target, len(order), decided=decided)
        if len(indices[:count]) > len(self.chosen.get(target, [])):
            self.chosen[target] = indices[:count]
        return Batch(np.concatenate(x)[:count], np.array(indices[:count], np.int64))

    def free(self, target: int) -> Indices:
        """Return the positions of a class's samples that the graphs did not look at, in the order they are taken."""
        free = np.setdiff1d(self.prepared.samples.of_class(target), self.used)
        return np.random.default_rng([self.prepared.settings.seed, target, 2]).permutation(free)

    def _too_few(self, target: int, free: int, *, decided: bool) -> SamplesError:
        samples = self.prepared.samples
        used_up = f"{len(samples.of_class(target))} samples, of which the causal graphs looked at all but {free}"
        return SamplesError(
            "too few samples are left to evaluate on",
            where=f"{samples.source}, class {target}",
            why=used_up + (", and of those the model decides too few as the class" if decided and free else ""),
            remedy="analyse fewer of them with --samples, or evaluate on other data with --data",
        )

    def right(self, network: Network, x: Inputs, target: int) -> NDArray[np.bool_]:
        """Return which inputs a model decides as a class."""
        return is_right(network.scores(x), target, self.prepared.settings.task)


@dataclass(frozen=True, slots=True, eq=False)
class Others:
    """Held-out samples of several classes, to stand beside one of them.

    Attributes:
        batches: samples by class.
        labels: of the whole data, as `Samples.labels`.
    """

    batches: Mapping[int, Batch]
    labels: NDArray[np.int64] | NDArray[np.bool_]

    def beside(self, target: int) -> dict[int, Inputs]:
        """Return the samples of the other classes, by class; of samples of several classes those without this one."""
        found = {}
        for other, batch in self.batches.items():
            several = self.labels.ndim > 1
            kept = ~self.labels[batch.indices, target] if several else np.ones(len(batch.indices), np.bool_)
            if other != target and kept.any():
                found[other] = batch.x[kept]
        return found


def open_subject(
    path: Path, configured: Configured, analysis: Path | None, machine: Machine, progress: Progress
) -> Subject:
    """Return what is evaluated.

    Args:
        path: the model file.
        configured: everything the run needs to know.
        analysis: folder of a saved analysis; None infers the graphs first.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        OnnxCausalError: as its subclasses say.
    """
    model = open_model(path, machine.caution, configured.values.model.output)
    return subject_of(model, configured, analysis, machine, progress)


def subject_of(
    model: Model, configured: Configured, analysis: Path | None, machine: Machine, progress: Progress
) -> Subject:
    """Return what is evaluated, as `open_subject`, of a model that is open.

    Raises:
        OnnxCausalError: as its subclasses say.
    """
    saved = None if analysis is None else read_analysis(analysis)
    if saved is None:
        prepared = _classifying(prepare(model, configured.values, machine=machine))
        inferred = infer_classes(prepared, progress, Checkpoint())
        routes = {graph.target: route_of(graph) for graph in inferred.graphs}
        used = _together([*_tried(prepared, routes), _reference(prepared)])
        return Subject(prepared, routes, prepared.origin.data_sha256, used, tuple(inferred.notes))
    configured = as_enrolled(configured, saved)
    check_saved(saved, model, configured, str(analysis))
    prepared = _classifying(prepare(model, _as_analysed(configured.values, saved), machine=machine))
    every = {route.target: route for route in routes_of(saved)}
    routes = {target: route for target, route in every.items() if target in set(prepared.classes.targets)}
    if not routes:
        raise _not_analysed(prepared, every, str(analysis))
    told = tuple(notes_of_left_out(prepared))
    if saved.data.sha256 != prepared.origin.data_sha256:
        note = (
            f"the causal graphs are from other data ({saved.data.source}), and every sample here counts as held out; "
            "whether some are in both is not known"
        )
        return Subject(prepared, routes, saved.data.sha256, np.empty(0, np.int64), (note, *told))
    held = np.array(saved.data.reference_indices or [], np.int64)
    used = _together([*_tried(prepared, every), held, _reference(prepared)])
    return Subject(prepared, routes, saved.data.sha256, used, told)


def _as_analysed(configuration: Configuration, saved: AnalysisFile) -> Configuration:
    """Return the configuration with the settings of a saved analysis, and its classes unless some were asked for."""
    known = {key.name: getattr(saved.settings, key.name) for key in fields(Method)}
    asked = configuration.analysis.targets or tuple(graph.target for graph in saved.graphs)
    section = AnalysisSection(**known, targets=asked)
    return replace(configuration, analysis=section)


def _classifying(prepared: Prepared) -> Prepared:
    """Refuse a model that decides for no class, and data of one of several."""
    if prepared.settings.task is Task.REGRESSION:
        raise ConfigError(
            "the evaluation is of decisions",
            where="--task regression",
            why="accuracy and probability mean nothing for a model whose outcome is a value",
            remedy="evaluate a classifier",
        )
    check_several(prepared.samples, prepared.settings.task)
    return prepared


def _reference(prepared: Prepared) -> Indices:
    return np.empty(0, np.int64) if prepared.reference is None else prepared.reference.indices


def _tried(prepared: Prepared, routes: Mapping[int, Route]) -> list[Indices]:
    """Return the samples that were looked at to choose those the graphs were inferred from."""
    settings = prepared.settings
    return [
        tried(prepared.samples, target, route.samples, settings.samples, settings.seed)
        for target, route in routes.items()
    ]


def _not_analysed(prepared: Prepared, routes: Mapping[int, Route], where: str) -> ConfigError:
    names = prepared.classes.names
    return ConfigError(
        "the class is not in the analysis",
        where=f"{where}, --target {', '.join(title_of(target, names) for target in prepared.classes.targets[:3])}",
        why=f"analysed are {', '.join(title_of(target, names) for target in routes) or 'none'}",
        remedy="choose among them, or analyse the class first",
    )


def _together(parts: list[Indices]) -> Indices:
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]))


def neurons(wiring: Wiring) -> set[str]:
    """Return the layers whose parents are made by other layers, not read from the input."""
    return {link.consumer for links in wiring.flow.links.values() for link in links if link.consumer is not None}
