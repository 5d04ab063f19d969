"""From a model file and a configuration to everything an intervention needs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of

import numpy as np

from onnxcausal.analysis.result.analysis import Settings
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph import runner
from onnxcausal.onnxgraph.engine.interface import Engine
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.rebatch import settle_batch
from onnxcausal.onnxgraph.network.wiring import Wiring, find_wiring
from onnxcausal.onnxgraph.runner.memory import Memory, batch_within
from onnxcausal.onnxgraph.sandbox.first_run import rehearse
from onnxcausal.pipeline.preparing.compatibility import check_classes, check_outcome, task_of
from onnxcausal.pipeline.preparing.configuration import Configuration
from onnxcausal.pipeline.preparing.data import Arrays, first_samples, open_with_data, samples_of
from onnxcausal.pipeline.preparing.engine import open_engine
from onnxcausal.pipeline.preparing.machine import HERE, Machine
from onnxcausal.pipeline.preparing.targets import names_in_metadata, resolve_targets
from onnxcausal.samples.load import METADATA
from onnxcausal.samples.selection import Selection, choose_balanced
from onnxcausal.samples.source import Samples


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Everything an intervention needs.

    Attributes:
        network: the model, cut at its class scores.
        wiring: its layers and their flow.
        samples: the data.
        data_sha256: hash of the data.
        classes: number of classes.
        holds_probabilities: whether the class scores look like probabilities: none negative, their sum 1.
        class_names: name of each class, if known.
        targets: classes to analyse.
        settings: settings of the method.
        reference: reference samples; None where nothing is replaced by a mean.
        engine: runs interventions.
        preprocess: preprocessing that was set and applied, by key.
        reading: how the model is read, where that was set, by key.
        versions: version of each program that makes the numbers.
    """

    network: Network
    wiring: Wiring
    samples: Samples
    data_sha256: str
    classes: int
    holds_probabilities: bool
    class_names: tuple[str, ...] | None
    targets: tuple[int, ...]
    settings: Settings
    reference: Selection | None
    engine: Engine
    preprocess: Mapping[str, object]
    reading: Mapping[str, object]
    versions: Mapping[str, str]

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
    machine = machine.on_first_device()
    network, given = open_with_data(model, configuration, arrays, machine.provider, machine.caution.limits)
    samples = samples_of(network, configuration, given, names_in_metadata(model.metadata))
    examples = first_samples(samples)
    rehearse(network, examples)
    network = settle_batch(network, examples, machine.provider)
    example = examples[:1]
    scores = network.scores(example)
    classes = scores.shape[1]
    if samples.names_from == METADATA and samples.class_names and len(samples.class_names) != classes:
        samples = samples_of(network, configuration, given, None)  # those names are not of this model's classes
    network, samples = _decided(network, samples, configuration.model.task, classes)
    names = samples.class_names or names_in_metadata(model.metadata, classes)
    targets = resolve_targets(configuration.analysis.targets, samples, classes, names)
    settings = replace(configuration.to_settings(), task=network.task)
    check_outcome(settings)
    reference = choose_balanced(samples, settings.samples, settings.seed) if settings.replace is Replace.MEAN else None
    wiring = find_wiring(network, example)
    memory = Memory.of(machine.memory, network.plain.device)
    network = replace(network, batch=batch_within(memory, wiring.row_bytes))
    engine = open_engine(
        network,
        wiring,
        settings,
        machine=machine,
        memory=memory,
        example=example,
        reference=None if reference is None else reference.x,
    )
    probabilities = bool(((scores >= 0) & (scores <= 1)).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-4))
    return Prepared(
        network=network,
        wiring=wiring,
        samples=samples,
        data_sha256=samples.digest(),
        classes=classes,
        holds_probabilities=probabilities,
        class_names=names,
        targets=targets,
        settings=settings,
        reference=reference,
        engine=engine,
        preprocess=configuration.preprocess.model_dump(mode="json", exclude_none=True) if samples.preprocessed else {},
        reading=configuration.model.model_dump(mode="json", exclude_defaults=True),
        versions={"onnxcausal": version_of("onnxcausal"), "onnxruntime": runner.version()},
    )


def _decided(network: Network, samples: Samples, asked: Task | None, classes: int) -> tuple[Network, Samples]:
    """Return model and samples with what the scores decide, which must fit the samples' classes."""
    task = task_of(network.task, asked, samples.labels.ndim)
    if task is Task.REGRESSION:
        samples = replace(samples, labels=np.ones((len(samples), classes), np.bool_), class_names=None)
    network = replace(network, task=task)
    check_classes(network, samples, classes)
    return network, samples
