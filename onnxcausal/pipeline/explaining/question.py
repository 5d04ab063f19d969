"""What is to be explained, and the model, inputs and causal graphs that takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.analysis_file import AnalysisFile, left_out_in
from onnxcausal.analysis.formats.saved_analysis import routes_of
from onnxcausal.analysis.result.class_lookup import by_index, class_of, readings
from onnxcausal.analysis.result.explanation import UNKNOWN
from onnxcausal.analysis.result.layer_choice import listed
from onnxcausal.causal.route import Route, route_of
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.feeds import NOT_JOINED, open_inputs
from onnxcausal.onnxgraph.network.network import Network, open_network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.pipeline.explaining.several_inputs import read_several
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.classes import infer_classes
from onnxcausal.pipeline.preparing.configuration import Configuration
from onnxcausal.pipeline.preparing.data import EXAMPLES, cut_as_read
from onnxcausal.pipeline.preparing.file_decisions import FileDecisions
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.metadata_names import names_in_metadata
from onnxcausal.pipeline.preparing.prepare import prepare
from onnxcausal.pipeline.preparing.ready import make_ready
from onnxcausal.pipeline.progress import Progress
from onnxcausal.samples.class_names import number_of, read_class_names
from onnxcausal.samples.inputs import Named, load_inputs
from onnxcausal.samples.source import Batch


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained.

    Attributes:
        inputs: image files, folders of images, `.npz` files.
        analysis: folder of a saved analysis; None infers the graphs first.
        target: class to explain for, index or name; None: what the model decides.
        layer: the layer whose maps are shown; None: all of them together.
    """

    inputs: tuple[Path, ...]
    analysis: Path | None = None
    target: int | str | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A model, the inputs, and the causal graphs to explain them by.

    Attributes:
        network: the model in a session.
        wiring: its layers and flow.
        named: the inputs.
        configuration: how they were read.
        routes: causal graphs, by class.
        class_names: name of each class, if known.
        missing: why a class has no graph.
        notes: what a reader must know.
    """

    network: Network
    wiring: Wiring
    named: Named
    configuration: Configuration
    routes: Mapping[int, Route]
    class_names: tuple[str, ...] | None
    missing: str
    notes: tuple[str, ...] = ()


def open_for_inputs(
    model: Model, configuration: Configuration, paths: tuple[Path, ...], saved: AnalysisFile, machine: Machine
) -> Opened:
    """Return the model opened on the inputs, with the graphs of a saved analysis."""
    reading = configuration.model
    cut = cut_as_read(model, reading)
    several = len(open_inputs(cut.proto, reading)) > 1
    together, joined = read_several(paths, cut, reading) if several else (None, NOT_JOINED)
    network = open_network(cut, reading, joined=joined, provider=machine.provider, limits=machine.first_run)
    preprocess, skip_bad = configuration.preprocess, configuration.data.skip_bad
    guessed = _class_names(configuration, model, saved)
    named = together or load_inputs(paths, network.spec, preprocess, class_names=guessed, skip_bad=skip_bad)
    ready = make_ready(network, named.x[:EXAMPLES], machine, len(named.x))
    network = replace(ready.network, task=saved.settings.task)
    names = _class_names(configuration, model, saved, network.scores(named.x[:1]).shape[1])
    if names != guessed and together is None:
        named = load_inputs(paths, network.spec, preprocess, class_names=names, skip_bad=skip_bad)
    routes = {route.target: route for route in routes_of(saved)}
    left_out = left_out_in(saved)
    notes = (f"maps are of the layers that were tested, without {listed(left_out)}",) if left_out else ()
    return Opened(network, ready.wiring, named, configuration, routes, names, "it is not in the analysis", notes)


def open_with_inference(
    model: Model, configuration: Configuration, question: Question, machine: Machine, progress: Progress
) -> Opened:
    """Return the model opened on the data, with the graphs of the classes that the inputs need."""
    prepared = prepare(model, configuration, machine=machine)
    network, names = prepared.network, prepared.classes.names
    if prepared.origin.inputs:
        reading = prepared.reading
        named, _ = read_several(question.inputs, cut_as_read(model, reading), reading)
    else:
        named = load_inputs(
            question.inputs,
            network.spec,
            configuration.preprocess,
            class_names=names,
            skip_bad=configuration.data.skip_bad,
        )
    targets = targets_of(network, named, question, names)
    wanted = sorted(
        {*targets.tolist(), *(named.labels[named.labels != UNKNOWN].tolist())} & set(prepared.classes.targets)
    )
    inferred = infer_classes(
        replace(prepared, classes=replace(prepared.classes, targets=tuple(wanted))), progress, Checkpoint()
    )
    routes = {graph.target: route_of(graph) for graph in inferred.graphs}
    missing = "; ".join(f"class {entry.target}: {entry.reason}" for entry in inferred.skipped)
    missing = missing or "the data has no sample of it"
    return Opened(network, prepared.wiring, named, configuration, routes, names, missing, tuple(inferred.notes))


def predicted_by(network: Network, named: Named) -> NDArray[np.int64]:
    """Return the class with the highest score for each input.

    Raises:
        ModelError: the file itself decides otherwise.
    """
    scores = network.scores(named.x)
    FileDecisions(network, named.x[:EXAMPLES]).check(Batch(named.x, np.arange(len(named.x))), scores)
    return np.asarray(scores.argmax(axis=1), np.int64)


def check_labels(network: Network, named: Named) -> None:
    """Refuse labels that are none of the model's classes.

    Raises:
        SamplesError: there is one.
    """
    classes = network.scores(named.x[:1]).shape[1]
    outside = np.flatnonzero((named.labels != UNKNOWN) & ((named.labels < 0) | (named.labels >= classes)))
    if len(outside):
        raise SamplesError(
            "an input has a label outside the model's classes",
            where=named.names[int(outside[0])],
            why=f"it is {int(named.labels[outside[0]])}; the model has {classes} classes, 0 to {classes - 1}",
            remedy="correct it, or leave y out",
        )


def targets_of(
    network: Network, named: Named, question: Question, class_names: tuple[str, ...] | None
) -> NDArray[np.int64]:
    """Return the class that each input is explained for."""
    if question.target is not None:
        classes = network.scores(named.x[:1]).shape[1]
        return np.full(len(named.x), _index(question.target, by_index(classes, class_names)))
    scores = network.scores(named.x[:1])
    if network.task is Task.REGRESSION and scores.shape[1] > 1:
        raise ConfigError(
            "which output to explain is not known",
            where="--target",
            why=f"the model has {scores.shape[1]} outcomes, none of which it decides for",
            remedy="name one by its index: --target 0",
        )
    return predicted_by(network, named)


def _index(asked: int | str, classes: dict[int, str | None]) -> int:
    """Return the class that an index or a name stands for; an index that none has stays what it is."""
    number = number_of(str(asked).strip())
    if number is not None and not readings(asked, classes):
        return number
    known = any(classes.values())
    return class_of(
        asked,
        classes,
        where="--target",
        kind="target",
        why="" if known else "the names of the classes are not known",
        remedy="give the index of the class",
    )


def _class_names(
    configuration: Configuration, model: Model, saved: AnalysisFile, classes: int | None = None
) -> tuple[str, ...] | None:
    """Return the name of each class as far as they are known; an index stands for one that is not."""
    if configuration.data.labels:
        return read_class_names(Path(configuration.data.labels))
    found = names_in_metadata(model.metadata, classes)
    if found:
        return found
    held = {graph.target: graph.class_name for graph in saved.graphs if graph.class_name}
    return tuple(held.get(index, str(index)) for index in range(max(held) + 1)) if held else None
