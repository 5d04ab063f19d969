"""From a model file and a configuration to everything an intervention needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result import EngineKind, Settings
from onnxcausal.causal.intervention import Replace
from onnxcausal.errors import ConfigError, ModelError, SamplesError
from onnxcausal.onnxgraph import runner
from onnxcausal.onnxgraph.engine import Engine
from onnxcausal.onnxgraph.memory import Memory, batch_within
from onnxcausal.onnxgraph.model import Model
from onnxcausal.onnxgraph.network import Network, Wiring, find_wiring, open_network
from onnxcausal.onnxgraph.pool import PoolEngine, Recipe
from onnxcausal.onnxgraph.provider import CUDA, Provider
from onnxcausal.onnxgraph.reference import ReferenceEngine
from onnxcausal.onnxgraph.suffixengine import SuffixEngine
from onnxcausal.pipeline.classes import names_in_metadata, resolve_targets
from onnxcausal.pipeline.configuration import Configuration
from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.choose import Chosen, choose_balanced
from onnxcausal.samples.load import METADATA, load_samples
from onnxcausal.samples.source import Inputs, Samples
from onnxcausal.samples.synthetic import synthetic_samples

Arrays = tuple[NDArray[np.generic], NDArray[np.generic]]
"""Data passed from Python: `x [samples, ...]`, `y [samples]`."""
PROBES_PER_SAMPLE = 10
"""Synthetic inputs made for each sample asked for: the model decides which classes they fall into."""
FEWEST_CLASSES = 2
"""A decision is between two classes or more."""
READ_AT_ONCE = 16
"""Samples read in search of a readable one."""


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
    reference: Chosen | None
    engine: Engine
    preprocess: Mapping[str, object]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the machine a run may use; none of it changes the numbers beyond float noise.

    Attributes:
        provider: execution provider; default: CUDA where there is a device, else CPU.
        memory: bound on memory in bytes; default: a share of what is free.
        devices: devices of the provider that share the work; empty: one.
    """

    provider: Provider | None = None
    memory: int | None = None
    devices: tuple[int, ...] = ()

    def on_first_device(self) -> "Machine":
        """Return the machine with its provider on the first of the devices that share the work."""
        if not self.devices or (self.provider is not None and self.provider.name != CUDA):
            return self
        options = {} if self.provider is None else self.provider.options
        return replace(self, provider=Provider(CUDA, {**options, "device_id": str(self.devices[0])}))


HERE = Machine()
"""The machine as it is found."""


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
    network = open_network(
        model, input_name=configuration.model.input, output=configuration.model.output, provider=machine.provider
    )
    samples = _samples(network, configuration, arrays, names_in_metadata(model.metadata))
    example = first_sample(samples)
    scores = network.scores(example)
    classes = scores.shape[1]
    if samples.names_from == METADATA and samples.class_names and len(samples.class_names) != classes:
        samples = _samples(network, configuration, arrays, None)  # those names are not of this model's classes
    _check_classes(network, samples, classes)
    names = samples.class_names or names_in_metadata(model.metadata, classes)
    targets = resolve_targets(configuration.analysis.targets, samples, classes, names)
    settings = configuration.to_settings()
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
        versions={"onnxcausal": version_of("onnxcausal"), "onnxruntime": runner.version()},
    )


def open_engine(
    network: Network,
    wiring: Wiring,
    settings: Settings,
    *,
    machine: Machine,
    memory: Memory,
    example: Inputs,
    reference: Inputs | None,
) -> Engine:
    """Return the engine that is set."""
    match settings.engine:
        case EngineKind.REFERENCE if machine.devices:
            raise ConfigError(
                "the reference engine runs on one device",
                where="--devices, --engine reference",
                why="it is there to compare with, not to be fast",
                remedy="leave one of the two out",
            )
        case EngineKind.REFERENCE:
            return ReferenceEngine(network, wiring, reference=reference, provider=machine.provider)
        case EngineKind.SUFFIX if machine.devices:
            recipes = [
                Recipe(
                    model=network.model,
                    input_name=network.spec.name,
                    output=network.outcome.tensor,
                    example=example,
                    reference=reference,
                    provider=network.plain.on_device(device, machine.provider),
                    memory=memory.bound // (len(machine.devices) + 1),
                    precision=settings.precision,
                )
                for device in machine.devices
            ]
            return PoolEngine(
                network, wiring, recipes, reference=reference, memory=memory, precision=settings.precision
            )
        case EngineKind.SUFFIX:
            return SuffixEngine(
                network,
                wiring,
                reference=reference,
                provider=machine.provider,
                memory=memory,
                precision=settings.precision,
            )


def _samples(
    network: Network, configuration: Configuration, arrays: Arrays | None, names: Sequence[str] | None
) -> Samples:
    """Return the data: arrays, what is configured, or synthetic probe inputs."""
    settings, data = configuration.to_preprocess(), configuration.data
    if arrays is not None:
        return array_samples(*arrays, network.spec, settings, source="arrays")
    if data.source is None:
        count = configuration.analysis.samples * PROBES_PER_SAMPLE
        return synthetic_samples(network.spec, count, configuration.analysis.seed, network.scores)
    return load_samples(
        Path(data.source),
        network.spec,
        settings,
        labels=Path(data.labels) if data.labels else None,
        label_column=data.label_column,
        class_names=names,
        skip_bad=data.skip_bad,
    )


def _check_classes(network: Network, samples: Samples, classes: int) -> None:
    """Refuse data whose classes cannot be those of the model.

    Raises:
        ModelError: the model has a single score.
        SamplesError: there are more or fewer class names than classes, or the data holds one class only.
    """
    if classes < FEWEST_CLASSES:
        raise ModelError(
            "the model has a single score",
            where=f"{network.model.name}, tensor {network.outcome.tensor}",
            why="whether a sample is classified correctly shows only between two scores or more",
            remedy="export the model with one score per class",
        )
    names = samples.class_names
    if names is not None and len(names) != classes:
        raise SamplesError(
            f"there are {len(names)} class names, but the model has {classes} classes",
            where=f"{samples.source}, names from {samples.names_from}",
            why=f"which name belongs to which score is not known; the names: {', '.join(names[:5])}"
            + (" ..." if len(names) > 5 else ""),  # noqa: PLR2004
            remedy="put a labels.txt beside the data, one name a line for every class of the model, in its order",
        )
    present = np.unique(samples.labels)
    if len(present) < FEWEST_CLASSES and not samples.synthetic:
        raise SamplesError(
            "the data holds one class only",
            where=samples.source,
            why=f"all {len(samples)} samples have the label {int(present[0])}",
            remedy="supply samples of at least two classes: whether the model is right shows only against another",
        )


def first_sample(samples: Samples) -> Inputs:
    """Return a sample that can be read, `[1, ...]`."""
    for start in range(0, len(samples), READ_AT_ONCE):
        x = samples.read(np.arange(start, min(start + READ_AT_ONCE, len(samples)))).x
        if len(x):
            return x[:1]
    raise SamplesError(
        "not one sample can be read",
        where=samples.source,
        why=f"all {len(samples)} are unreadable",
        remedy="repair the data",
    )
