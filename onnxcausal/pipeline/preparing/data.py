"""From what was configured or passed to a model in a session and the samples it is run on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.task import Task
from onnxcausal.errors import SamplesError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.feeds import NOT_JOINED, SampleShapes, open_inputs, sample_axes
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import CutModel, Network, cut_model, open_network, tensor_in_full
from onnxcausal.pipeline.preparing.compatibility import check_fixed, check_one_per_class, check_unprocessed
from onnxcausal.pipeline.preparing.configuration import Configuration
from onnxcausal.pipeline.preparing.machine import HERE, Machine
from onnxcausal.pipeline.preparing.metadata_names import names_in_metadata
from onnxcausal.pipeline.preparing.ready import make_ready
from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.joined import joined, read_parts, samples_first
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.source import Inputs, Samples
from onnxcausal.samples.synthetic import CHUNK, probe_inputs, probe_shape, synthetic_samples
from onnxcausal.samples.table import read_columns

Parts = Mapping[str, NDArray[np.generic]]
"""An array for each input of a model, `[samples, ...]`, by name."""
Arrays = tuple[NDArray[np.generic] | Parts, NDArray[np.generic] | None]
"""Data passed from Python: `x [samples, ...]`, or one for each input by name; `y [samples]`, None where not known."""
PROBES_PER_SAMPLE = 10
"""Synthetic inputs made for each sample asked for: the model decides which classes they fall into."""
EXAMPLES = 5
"""Samples on which it is seen how a model takes them."""
JOINED_SUFFIXES = (".npz", ".csv")
"""Files that may hold an array or a column for every input of a model."""
FEWEST_EXAMPLES = 2
"""Of large samples."""
LARGE_SAMPLE = 5 * 2**18
"""Values of a sample beyond which it is a large one."""
MOST_AT_ONCE = 2**24
"""Values of made-up inputs that are labelled at once."""
READ_AT_ONCE = 16
"""Samples read in search of a readable one."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenData:
    """Data that was read before the model's input was known.

    Attributes:
        x: inputs, `[samples, ...]`, or one array for each input.
        y: labels; None where there are none.
        source: where they come from.
        class_names: name of each class, if known.
        inputs: the inputs that stand side by side in `x`, in their order; none where it is of one input.
    """

    x: NDArray[np.generic] | Parts
    y: NDArray[np.generic] | None
    source: str = "arrays"
    class_names: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()


def open_with_data(
    model: Model,
    configuration: Configuration,
    arrays: Arrays | None,
    machine: Machine,
    *,
    as_probability: bool = False,
) -> tuple[Network, GivenData | None]:
    """Return the model in a session, and the data where that had to be read to know its inputs.

    Args:
        model: the model.
        configuration: how it is read, and where the data are.
        arrays: data in memory, in place of what is configured.
        machine: what of the machine may be used.
        as_probability: take scores that are decided by themselves for probabilities.
    """
    reading = configuration.model
    cut = cut_as_read(model, reading)
    names = [spec.name for spec in open_inputs(cut.proto, reading)]
    held = _given(names, configuration, arrays, model)
    if held is not None and isinstance(held.x, Mapping):
        count = None if held.y is None else len(held.y)
        held = replace(held, x=samples_first(held.x, sample_axes(cut.proto, reading), count))
    given, joined_shapes = _one_input(held, names, configuration)
    network = open_network(
        cut,
        reading,
        joined=joined_shapes,
        provider=machine.provider,
        limits=machine.first_run,
        as_probability=as_probability,
    )
    return network, given


def in_full(configuration: Configuration, model: Model) -> Configuration:
    """Return a configuration with the whole name of the tensor of scores, where the end of it was written.

    Raises:
        ConfigError: there is no such tensor, or there are several.
    """
    reading = configuration.model
    if reading.output is None:
        return configuration
    return replace(configuration, model=replace(reading, output=tensor_in_full(model, reading.output)))


def cut_as_read(model: Model, reading: Reading) -> CutModel:
    """Return the model cut at its class scores.

    Raises:
        ModelError: it is unsupported or broken.
        ConfigError: there is no such tensor, or no such input.
    """
    cut = cut_model(model, reading.output, reading.task, reading.fixed)
    check_fixed(cut, reading)
    return cut


def _given(names: Sequence[str], configuration: Configuration, arrays: Arrays | None, model: Model) -> GivenData | None:
    """Return data in memory, or data that hold something for each of several inputs; None where it is neither."""
    source = configuration.data.source
    if arrays is not None:
        return GivenData(*arrays)
    if len(names) > 1 and source and Path(source).suffix in JOINED_SUFFIXES:
        return _read_parts(Path(source), names, configuration, model)
    return None


def _one_input(
    given: GivenData | None, names: Sequence[str], configuration: Configuration
) -> tuple[GivenData | None, SampleShapes]:
    """Return data as one input takes them, and the shapes of those that now stand side by side in it."""
    if given is None or not isinstance(given.x, Mapping):
        return given, NOT_JOINED
    missing = [name for name in names if name not in given.x]
    if missing:
        raise _nothing_for(missing[0], names, given.x)
    if len(names) == 1:
        return replace(given, x=given.x[names[0]]), NOT_JOINED
    check_unprocessed(configuration.preprocess, names)
    shapes = {name: given.x[name].shape[1:] for name in names}
    return replace(given, x=joined(given.x, names, given.source), inputs=tuple(names)), shapes


def _read_parts(source: Path, names: Sequence[str], configuration: Configuration, model: Model) -> GivenData:
    """Return the arrays or columns of several inputs."""
    if source.suffix == ".npz":
        return GivenData(*read_parts(source, names), source.name)
    labelled = configuration.model.task is not Task.REGRESSION
    classes = names_in_metadata(model.metadata)
    columns = read_columns(source, names, configuration.data.label_column, classes, labelled=labelled)
    return GivenData(columns.parts, columns.labels, source.name, columns.class_names)


def _nothing_for(name: str, names: Sequence[str], given: Parts) -> SamplesError:
    return SamplesError(
        f"the data has nothing for the input {name!r}",
        where="arrays",
        why=f"the model takes the inputs {', '.join(names)}; the data holds {', '.join(given)}",
        remedy=f"add an array named {name}, or give the input one value",
    )


def _no_labels(source: str) -> SamplesError:
    return SamplesError(
        "the data has no labels",
        where=source,
        why="whether the model is right about a sample shows only against its class",
        remedy="add an array y of class indices, or a column of labels; --task regression needs none",
    )


def samples_of(
    network: Network,
    configuration: Configuration,
    given: GivenData | None,
    names: Sequence[str] | None,
    machine: Machine = HERE,
) -> Samples:
    """Return the data: arrays, what is configured, or synthetic probe inputs.

    Args:
        network: the model in a session.
        configuration: where the data are, and how they are read.
        given: data that was read before.
        names: class names known from elsewhere.
        machine: what of the machine may be used where inputs are made up.
    """
    settings, data = configuration.preprocess, configuration.data
    labelled = network.task is not Task.REGRESSION
    if given is not None:
        x, y = given.x, given.y
        assert not isinstance(x, Mapping)
        if labelled and y is None:
            raise _no_labels(given.source)
        return array_samples(
            x, y if labelled else None, network.spec, settings, source=given.source, class_names=given.class_names
        )
    if data.source is None:
        return _made_up(network, configuration, machine)
    return load_samples(
        Path(data.source),
        network.spec,
        settings,
        labels=Path(data.labels) if data.labels else None,
        label_column=data.label_column,
        class_names=names,
        skip_bad=data.skip_bad,
        labelled=labelled,
        classes=(network.plain.output_shape or (None,))[-1],
    )


def _made_up(network: Network, configuration: Configuration, machine: Machine) -> Samples:
    """Return inputs that are made up, and labelled by the model within the bound on memory.

    Raises:
        ModelError: its scores are not one per class, as their shape tells before any run.
    """
    check_one_per_class(network)
    count, seed = configuration.analysis.samples * PROBES_PER_SAMPLE, configuration.analysis.seed
    if network.spec.is_integer:
        return synthetic_samples(network.spec, count, seed, network.scores)
    shape = probe_shape(network.spec)
    ready = make_ready(network, probe_inputs(network.spec, min(examples_of(shape), count), seed), machine, count)
    at_once = max(1, min(CHUNK, MOST_AT_ONCE // prod(shape)))
    return synthetic_samples(network.spec, count, seed, ready.network.scores, at_once=at_once)


def examples_of(shape: Sequence[int]) -> int:
    """Return on how many samples of a shape it is seen how a model takes them: large ones are run together in pairs."""
    return EXAMPLES if prod(shape) <= LARGE_SAMPLE else FEWEST_EXAMPLES


def first_samples(samples: Samples) -> Inputs:
    """Return some samples that can be read, `[samples, ...]`, one at least: up to one of each class first."""
    order = _of_different_classes(samples)
    found: list[Inputs] = []
    some: list[Inputs] = []
    for start in range(0, len(order), READ_AT_ONCE):
        found.append(samples.read(order[start : start + READ_AT_ONCE]).x)
        some = [x for x in found if len(x)]
        if some and sum(map(len, some)) >= examples_of(some[0].shape[1:]):
            break
    if some:
        return np.concatenate(some)[: examples_of(some[0].shape[1:])]
    raise SamplesError(
        "not one sample can be read",
        where=samples.source,
        why=f"all {len(samples)} are unreadable",
        remedy="repair the data",
    )


def _of_different_classes(samples: Samples) -> NDArray[np.int64]:
    """Return the positions of all samples, the first one of each class ahead."""
    labels = samples.labels if samples.labels.ndim == 1 else samples.labels.argmax(axis=1)
    _, ahead = np.unique(labels, return_index=True)
    return np.concatenate([ahead, np.setdiff1d(np.arange(len(labels)), ahead)])
