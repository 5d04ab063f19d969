"""From a model file and a configuration to everything an intervention needs."""

from dataclasses import dataclass, replace
from importlib.metadata import version as version_of

import numpy as np

from onnxcausal.analysis.result.layer_choice import left_out_of
from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.task import Task
from onnxcausal.errors import SamplesError
from onnxcausal.onnxgraph import runner
from onnxcausal.onnxgraph.engine.interface import Engine
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.stated import Vocabulary
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.pipeline.preparing.compatibility import check_classes, check_outcome, task_of
from onnxcausal.pipeline.preparing.configuration import Configuration, what_was_set
from onnxcausal.pipeline.preparing.data import Arrays, GivenData, first_samples, in_full, open_with_data, samples_of
from onnxcausal.pipeline.preparing.engine import open_engine
from onnxcausal.pipeline.preparing.enrolment import enrolled
from onnxcausal.pipeline.preparing.file_decisions import FileDecisions
from onnxcausal.pipeline.preparing.fitting import fitted, with_note
from onnxcausal.pipeline.preparing.machine import HERE, Machine
from onnxcausal.pipeline.preparing.metadata_names import names_in_metadata
from onnxcausal.pipeline.preparing.provenance import Origin
from onnxcausal.pipeline.preparing.ready import make_ready
from onnxcausal.pipeline.preparing.seen_probabilities import probabilities_seen
from onnxcausal.pipeline.preparing.targets import resolve_targets
from onnxcausal.samples.selection import Selection, choose_balanced
from onnxcausal.samples.source import Samples


@dataclass(frozen=True, slots=True)
class Classes:
    """What the scores are of.

    Attributes:
        count: number of classes.
        names: name of each class, if known.
        targets: classes to analyse.
        are_probabilities: whether the scores look like probabilities: none negative, their sum 1.
    """

    count: int
    names: tuple[str, ...] | None
    targets: tuple[int, ...]
    are_probabilities: bool


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Everything an intervention needs.

    Attributes:
        network: the model, cut at its class scores.
        file: what the file itself decides, which those scores are held to.
        wiring: its layers and their flow.
        samples: the data.
        reference: reference samples; None where nothing is replaced by a mean.
        classes: what the scores are of.
        reading: how the model is read.
        settings: settings of the method.
        left_out: layers that are not tested, in the order of the file.
        engine: runs interventions.
        origin: where the numbers come from, for records alone.
    """

    network: Network
    file: FileDecisions
    wiring: Wiring
    samples: Samples
    reference: Selection | None
    classes: Classes
    reading: Reading
    settings: Settings
    left_out: tuple[str, ...]
    engine: Engine
    origin: Origin

    @property
    def tested(self) -> tuple[Layer, ...]:
        """The layers that are tested, in the order of the file."""
        return tuple(layer for layer in self.wiring.flow.layers if layer.name not in self.left_out)

    def __post_init__(self) -> None:
        """Hold the settings, which are recorded, to what the engine does."""
        assert self.engine.replace is self.settings.replace, self.engine.replace


def prepare(
    model: Model, configuration: Configuration, *, arrays: Arrays | None = None, machine: Machine = HERE
) -> Prepared:
    """Return everything an intervention needs.

    Args:
        model: the model.
        configuration: what the run needs to know.
        arrays: data in memory, in place of what is configured.
        machine: what of the machine may be used.

    Raises:
        OnnxCausalError: as its subclasses say.
    """
    machine, set_by_user = machine.on_first_device(), configuration.preprocess
    configuration = enrolled(model, fitted(in_full(configuration, model), model), arrays, machine)
    network, given, samples, matched = _opened(model, configuration, arrays, machine)
    examples = first_samples(samples)
    ready = make_ready(network, examples, machine, len(samples), tried=samples.synthetic)
    scores = ready.network.scores(examples[:1])
    classes = scores.shape[1]
    fitting = configuration.model.centroid_names or names_in_metadata(model.metadata, classes)
    if fitting != matched and given is None and not samples.synthetic:
        samples = samples_of(network, configuration, given, fitting)
    samples = with_note(samples, set_by_user, configuration.preprocess)
    network, samples = _decided(ready.network, samples, configuration.model.task, classes)
    ready = replace(ready, network=network)
    names = samples.class_names or fitting
    targets = resolve_targets(configuration.analysis.targets, samples, classes, names)
    settings = configuration.to_settings(network.task)
    check_outcome(settings)
    left_out = left_out_of(settings, {layer.name: layer.op_type for layer in ready.wiring.flow.layers})
    reference = choose_balanced(samples, settings.samples, settings.seed) if settings.replace is Replace.MEAN else None
    engine = open_engine(
        ready,
        settings,
        machine=machine,
        example=examples[:1],
        reference=None if reference is None else reference.x,
    )
    probabilities = bool(((scores >= 0) & (scores <= 1)).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-4))
    return Prepared(
        network=network,
        file=FileDecisions(network, examples, Vocabulary(names), machine.provider),
        wiring=ready.wiring,
        samples=samples,
        reference=reference,
        classes=Classes(classes, names, targets, probabilities),
        reading=configuration.model,
        settings=settings,
        left_out=left_out,
        engine=engine,
        origin=_origin(configuration, samples, engine, () if given is None else given.inputs),
    )


def _opened(
    model: Model, configuration: Configuration, arrays: Arrays | None, machine: Machine
) -> tuple[Network, GivenData | None, Samples, tuple[str, ...] | None]:
    """Return the model in a session, read as its labels say, with the data and the names that were matched to it."""
    network, given = open_with_data(model, configuration, arrays, machine)
    known = configuration.model.centroid_names or names_in_metadata(model.metadata)
    samples, matched = _as_guessed(network, configuration, given, known, machine)
    task = task_of(network.task, configuration.model.task, samples.labels.ndim)
    if task is not network.task and configuration.model.task is None:  # which only the labels tell
        reading = replace(configuration.model, task=task)
        network, _ = open_with_data(model, replace(configuration, model=reading), arrays, machine)
    alone = task in (Task.BINARY, Task.MULTILABEL) and not network.decided_at and not samples.synthetic
    if alone and (seen := probabilities_seen(network, samples)):
        reading = replace(configuration.model, task=task)
        network, _ = open_with_data(model, replace(configuration, model=reading), arrays, machine, as_probability=True)
        network = replace(network, notes=(*network.notes, seen))
    return network, given, samples, matched


def _origin(configuration: Configuration, samples: Samples, engine: Engine, inputs: tuple[str, ...]) -> Origin:
    """Return where the numbers come from."""
    return Origin(
        data_source=samples.source,
        data_sha256=samples.digest(),
        synthetic=samples.synthetic,
        preprocess=what_was_set(configuration.preprocess) if samples.preprocessed else {},
        reading=what_was_set(configuration.model),
        versions={"onnxcausal": version_of("onnxcausal"), "onnxruntime": runner.version()},
        providers=engine.providers,
        inputs=inputs,
    )


def _as_guessed(
    network: Network,
    configuration: Configuration,
    given: GivenData | None,
    names: tuple[str, ...] | None,
    machine: Machine,
) -> tuple[Samples, tuple[str, ...] | None]:
    """Return the data, and the class names they were matched to: none where those do not go together."""
    try:
        return samples_of(network, configuration, given, names, machine), names
    except SamplesError:
        if names is None or configuration.model.centroid_names:
            raise
        return samples_of(network, configuration, given, None, machine), None


def _decided(network: Network, samples: Samples, asked: Task | None, classes: int) -> tuple[Network, Samples]:
    """Return model and samples with what the scores decide, which must fit the samples' classes."""
    task = task_of(network.task, asked, samples.labels.ndim)
    if task is Task.REGRESSION:
        samples = replace(samples, labels=np.ones((len(samples), classes), np.bool_), class_names=None)
    network = replace(network, task=task)
    check_classes(network, samples, classes)
    return network, samples
