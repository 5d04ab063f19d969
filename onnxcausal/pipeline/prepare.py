"""From a model file and a configuration to everything an intervention needs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.result import Settings
from onnxcausal.causal.intervention import Replace
from onnxcausal.errors import SamplesError
from onnxcausal.onnxgraph.engine import Engine
from onnxcausal.onnxgraph.model import Model
from onnxcausal.onnxgraph.network import Network, Wiring, find_wiring, open_network
from onnxcausal.onnxgraph.reference import ReferenceEngine
from onnxcausal.onnxgraph.runner import Provider
from onnxcausal.pipeline.classes import names_in_metadata, resolve_targets
from onnxcausal.pipeline.configuration import Configuration
from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.choose import Chosen, choose_balanced
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.source import Inputs, Samples
from onnxcausal.samples.synthetic import synthetic_samples

Arrays = tuple[NDArray[np.generic], NDArray[np.generic]]
"""Data passed from Python: `x [samples, ...]`, `y [samples]`."""
PROBES_PER_SAMPLE = 10
"""Synthetic inputs made for each sample asked for: the model decides which classes they fall into."""
READ_AT_ONCE = 16
"""Samples read in search of a readable one."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Everything an intervention needs.

    Attributes:
        network: the model, cut at its class scores.
        wiring: its layers and their flow.
        samples: the data.
        classes: number of classes.
        class_names: name of each class, if known.
        targets: classes to analyse.
        settings: settings of the method.
        reference: reference samples; None where nothing is replaced by a mean.
        engine: runs interventions.
    """

    network: Network
    wiring: Wiring
    samples: Samples
    classes: int
    class_names: tuple[str, ...] | None
    targets: tuple[int, ...]
    settings: Settings
    reference: Chosen | None
    engine: Engine


def prepare(
    model: Model, configuration: Configuration, *, arrays: Arrays | None = None, provider: Provider | None = None
) -> Prepared:
    """Return everything an intervention needs.

    Args:
        model: the model.
        configuration: what the run needs to know.
        arrays: data in memory, in place of what is configured.
        provider: execution provider.

    Raises:
        OnnxCausalError: as its subclasses say.
    """
    network = open_network(
        model, input_name=configuration.model.input, output=configuration.model.output, provider=provider
    )
    samples = _samples(network, configuration, arrays)
    example = _first(samples)
    classes = network.scores(example).shape[1]
    names = samples.class_names or names_in_metadata(model.metadata)
    targets = resolve_targets(configuration.analysis.targets, samples.labels, classes, names, samples.source)
    settings = configuration.to_settings(ReferenceEngine.name)
    reference = choose_balanced(samples, settings.samples, settings.seed) if settings.replace is Replace.MEAN else None
    wiring = find_wiring(network, example)
    engine = ReferenceEngine(network, wiring, reference=None if reference is None else reference.x, provider=provider)
    return Prepared(network, wiring, samples, classes, names, targets, settings, reference, engine)


def _samples(network: Network, configuration: Configuration, arrays: Arrays | None) -> Samples:
    """Return the data: arrays, what is configured, or synthetic probe inputs."""
    settings, data = configuration.to_preprocess(), configuration.data
    names = names_in_metadata(network.model.metadata)
    if arrays is not None:
        return array_samples(*arrays, network.spec, settings, source="arrays", class_names=names)
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


def _first(samples: Samples) -> Inputs:
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
