"""The job of explaining inputs: from a causal graph to the places its nodes respond to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.output_folder import check_own_files, check_writable, save_files
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.analysis.result.explanation import (
    ARCHIVE,
    UNKNOWN,
    ClassMaps,
    Explanation,
    attributions_archive,
    read_archive,
)
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline.explaining.attribute import Attributor, open_attributor
from onnxcausal.pipeline.explaining.question import (
    Opened,
    Question,
    check_labels,
    open_for_inputs,
    open_with_inference,
    predicted_by,
    targets_of,
)
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.enrolment import as_enrolled
from onnxcausal.pipeline.preparing.fitting import fitted
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_model
from onnxcausal.pipeline.preparing.saved_analysis import check_saved
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.report.explanation import explanation_files, pictures_of
from onnxcausal.samples.inputs import pictures

MOST_BYTES = 2**28
"""What the maps of single nodes of a class may take; beyond, those that respond most to the first inputs are kept."""
FEWEST_NODES = 8
"""Nodes whose maps are kept in any case."""


def explain(
    model: str | Path,
    inputs: str | Path | Sequence[str | Path],
    *,
    analysis: str | Path | None = None,
    target: int | str | None = None,
    layer: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    config: str | Path | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
    **settings: object,
) -> Explanation:
    """Return attributions of inputs; the same job as `onnxcausal explain`.

    Args:
        model: the `.onnx` file; the sidecar beside it is used if it exists.
        inputs: image files, folders of images, `.npz` files with `x`.
        analysis: folder that `analyze` wrote; default: the causal graphs are inferred first.
        target: class to explain for, index or name; default: what the model decides about each input.
        layer: the layer whose maps are shown; default: all that have places, together.
        out: folder to write the outputs to; default: nothing is written.
        force: replace files in `out` that are not of this model's explanations.
        config: a configuration file in place of the sidecar.
        machine: what of the machine may be used, and how far the file is trusted; see `Machine.of`.
        progress: told what happens.
        **settings: any key of the sidecar.

    Raises:
        ConfigError: the analysis is of another model or made with other settings; a class or layer is not in it.
        ModelError: the model is unsupported or broken.
        SamplesError: an input cannot be read or does not fit.
        NothingToAnalyseError: no layer of the graph has places.
    """
    paths = (inputs,) if isinstance(inputs, str | Path) else tuple(inputs)
    return run(
        Path(model),
        configure_by_name(Path(model), config, settings),
        Question(
            tuple(map(Path, paths)),
            Path(analysis) if analysis is not None else None,
            target,
            layer,
        ),
        out=Path(out) if out is not None else None,
        force=force,
        machine=machine,
        progress=progress or Silent(),
    )


@bounded
def run(
    path: Path,
    configured: Configured,
    question: Question,
    *,
    out: Path | None = None,
    force: bool = False,
    machine: Machine = HERE,
    progress: Progress,
) -> Explanation:
    """Return attributions of inputs, and write them where asked.

    Args:
        path: the model file.
        configured: everything the run needs to know.
        question: what is to be explained.
        out: output folder; None writes nothing.
        force: replace files of other origin.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        OnnxCausalError: as `explain` says.
    """
    if out is not None:
        check_writable(out)
    saved = None if question.analysis is None else read_analysis(question.analysis)
    model = open_model(path, machine.caution, configured.values.model.output)
    if saved is not None:
        configured = as_enrolled(configured, saved)
        check_saved(saved, model, configured, str(question.analysis))
    values = fitted(configured.values, model)
    opened = (
        open_for_inputs(model, values, question.inputs, saved, machine)
        if saved is not None
        else open_with_inference(model, values, question, machine, progress)
    )
    explanation = _explained(opened, question)
    if out is not None:
        files = {ARCHIVE: attributions_archive(explanation), **explanation_files(explanation)}
        held, earlier = read_archive(out / ARCHIVE)
        check_own_files(out, files, lambda: held == model.sha256, force=force)
        save_files(out, files, lambda name: held == model.sha256 and name in pictures_of(earlier))
    return explanation


def _explained(opened: Opened, question: Question) -> Explanation:
    """Return the attributions of all inputs."""
    network, named = opened.network, opened.named
    predicted = predicted_by(network, named)
    check_labels(network, named)
    targets = targets_of(network, named, question, opened.class_names)
    asked = {int(target): np.flatnonzero(targets == target) for target in np.unique(targets)}
    wrong = np.flatnonzero((named.labels != UNKNOWN) & (named.labels != targets) & (targets == predicted))
    for number in wrong.tolist():
        own = int(named.labels[number])
        if own in opened.routes:
            asked[own] = np.union1d(asked.get(own, np.empty(0, np.int64)), [number])
    unknown = sorted(set(targets.tolist()) - set(opened.routes))
    if set(targets.tolist()) <= set(unknown):
        raise _no_graph(unknown[0], opened, "the class the model decides" if question.target is None else "--target")
    notes = [
        f"class {title_of(target, opened.class_names)} has no causal graph ({opened.missing}): "
        f"{len(asked[target])} input(s) have no map"
        for target in unknown
    ]
    notes += [f"{len(named.unreadable)} unreadable image(s) were left out"] if named.unreadable else []
    layers = () if question.layer is None else (question.layer,)
    classes = [
        _class_maps(open_attributor(network, opened.wiring, opened.routes[target], layers=layers), held, opened)
        for target, held in sorted(asked.items())
        if target in opened.routes
    ]
    flow = opened.wiring.flow
    return Explanation(
        model_file=network.model.name,
        model_sha256=network.model.sha256,
        names=named.names,
        x=named.x,
        pictures=pictures(named, network.spec, opened.configuration.preprocess),
        targets=targets,
        predicted=predicted,
        labels=named.labels,
        class_names=opened.class_names,
        classes=tuple(classes),
        shown=tuple((layer.name, len(flow.nodes[layer.name])) for layer in flow.layers),
        notes=(*opened.notes, *notes),
    )


def _class_maps(attributor: Attributor, inputs: NDArray[np.int64], opened: Opened) -> ClassMaps:
    """Return the attributions for one class, batch by batch; those of single nodes for the last layer with places."""
    trace = opened.wiring.trace.shapes
    placed = [layer.name for layer in opened.wiring.flow.layers if sum(size > 1 for size in trace[layer.output][2:])]
    shown = next((name for name in reversed(attributor.layers) if name in placed), attributor.layers[-1])
    size = attributor.responder.batch
    maps, node_maps = [], []
    strongest = np.arange(0)
    for start in range(0, len(inputs), size):
        responses = attributor.responder(opened.named.x[inputs[start : start + size]])
        maps.append(attributor.combined(responses))
        if not start:
            strongest = _strongest(responses[shown], len(inputs))
        node_maps.append(responses[shown][:, strongest].astype(np.float32))
    return ClassMaps(
        route=opened.routes[attributor.target],
        inputs=inputs,
        layers=attributor.layers,
        maps=np.concatenate(maps),
        node_layer=shown,
        nodes=attributor.nodes[shown][strongest],
        node_maps=np.concatenate(node_maps),
    )


def _strongest(responses: Floats, inputs: int) -> NDArray[np.int64]:
    """Return the nodes that respond most, `responses [some inputs, nodes, ...]`: as many as are kept of all inputs."""
    by_place = np.abs(responses).reshape(*responses.shape[:2], -1)
    of_node = inputs * by_place.shape[2] * np.dtype(np.float32).itemsize
    return np.argsort(-by_place.max(axis=2).mean(axis=0), kind="stable")[: max(FEWEST_NODES, MOST_BYTES // of_node)]


def _no_graph(target: int, opened: Opened, where: str) -> ConfigError:
    known = ", ".join(title_of(index, opened.class_names) for index in sorted(opened.routes)) or "none"
    return ConfigError(
        f"class {title_of(target, opened.class_names)} has no causal graph",
        where=f"{where}, {target}",
        why=f"{opened.missing}; classes with a graph are {known}",
        remedy="explain for one of these, or analyse the class first",
    )
