"""Embeddings made to decide: of each class the centroid of its references, found by the model itself."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError, SamplesError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.pipeline.preparing.configuration import Configuration, Configured
from onnxcausal.pipeline.preparing.data import Arrays, first_samples, open_with_data, samples_of
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.metadata_names import names_in_metadata
from onnxcausal.pipeline.preparing.ready import make_ready
from onnxcausal.samples.source import Samples

MOST_REFERENCES = 100
"""References of a class that its centroid is of, at most."""
MOST_VALUES = 2**24
"""Numbers of all centroids together, at most: they stand in every file of results."""
DIGITS = 9
"""Significant digits with which a float32 is told apart from all others."""


def enrolled(model: Model, configuration: Configuration, arrays: Arrays | None, machine: Machine) -> Configuration:
    """Return a configuration in which an embedding has centroids; any other as it is.

    The centroid of a class is the mean of its references' embeddings, each made of length 1, and made so itself. The
    references are those of `data.references`, else the data; of a class with more than 100, 100 drawn by the seed.

    Args:
        model: the model.
        configuration: what the run needs to know.
        arrays: data in memory, in place of what is configured.
        machine: what of the machine may be used.

    Raises:
        ConfigError: references are named and nothing is compared with them.
        SamplesError: there is nothing to find centroids from, or a reference has no embedding.
        OnnxCausalError: as its subclasses say.
    """
    reading, data = configuration.model, configuration.data
    if reading.task is not Task.EMBEDDING:
        _refuse_unused(configuration)
        return configuration
    if reading.centroids is not None:
        return configuration
    held = configuration
    if data.references is not None:
        held = replace(configuration, data=replace(data, source=data.references, references=None))
        arrays = None
    elif data.source is None and arrays is None:
        raise _nothing_to_compare_with(model.name)
    network, given = open_with_data(model, held, arrays, machine)
    samples = samples_of(network, held, given, names_in_metadata(model.metadata))
    if samples.labels.ndim > 1:
        raise _several_classes(samples)
    network = make_ready(network, first_samples(samples), machine, len(samples)).network
    found = _centroids(network, samples, configuration.analysis.seed)
    told = replace(reading, centroids=tuple(map(tuple, found)), centroid_names=samples.class_names)
    return replace(configuration, model=told)


def as_enrolled(configured: Configured, saved: AnalysisFile) -> Configured:
    """Return a configuration with the centroids of a saved analysis, where it asks for an embedding's without them.

    Raises:
        ConfigError: references are named as well.
    """
    values = configured.values
    held = saved.settings.reading.get("centroids")
    if values.model.task is not Task.EMBEDDING or values.model.centroids is not None or held is None:
        return configured
    if values.data.references is not None:
        raise ConfigError(
            "the analysis has its references already",
            where="--references",
            why="the graphs are of the similarity to the centroids that stand in the analysis",
            remedy="leave --references out, or --analysis",
        )
    names = saved.settings.reading.get("centroid_names")
    told = replace(
        values.model,
        centroids=tuple(tuple(map(float, row)) for row in held),
        centroid_names=None if names is None else tuple(names),
    )
    return replace(configured, values=replace(values, model=told))


def _centroids(network: Network, samples: Samples, seed: int) -> list[list[float]]:
    """Return the centroid of each class, zeros of one without references."""
    present = samples.present.tolist()
    if present[0] < 0:
        raise _too_large(samples, f"one of them is of class {present[0]}")
    rows: list[Floats | None] = [None] * (_count(samples, present[-1]))
    for label in present:
        order = np.random.default_rng([seed, label, 3]).permutation(samples.of_class(label))[:MOST_REFERENCES]
        batch = samples.read(np.sort(order))
        if not len(batch.indices):
            raise _unreadable(samples, label, len(order))
        vectors = _of_length_one(network.scores(batch.x), samples, batch.indices)
        if len(rows) * vectors.shape[1] > MOST_VALUES:
            raise _too_large(samples, f"{len(rows):,} classes of {vectors.shape[1]:,} values each")
        (rows[label],) = _of_length_one(vectors.mean(axis=0, keepdims=True), samples, batch.indices)
    width = len(next(row for row in rows if row is not None))
    return [[0.0] * width if row is None else [float(f"{value:.{DIGITS}g}") for value in row] for row in rows]


def _count(samples: Samples, last: int) -> int:
    """Return the number of classes."""
    named = len(samples.class_names or ())
    if max(named, last) >= MOST_VALUES:
        raise _too_large(samples, f"a class is numbered {last}")
    return max(named, last + 1)


def _of_length_one(vectors: NDArray[np.floating], samples: Samples, indices: NDArray[np.int64]) -> Floats:
    """Return vectors divided by their lengths, `[samples, values]`."""
    exact = vectors.astype(np.float64)
    length = np.linalg.norm(exact, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(length[:, 0]) | (length[:, 0] == 0))
    if len(bad):
        raise ModelError(
            "a reference has no direction",
            where=f"{samples.source}, sample {int(indices[bad[0]])}",
            why="its embedding, or the mean of its class, is zero or not finite",
            remedy="check the preprocessing, and that --output names the embedding",
        )
    return np.asarray(exact / length)


def _refuse_unused(configuration: Configuration) -> None:
    if configuration.data.references is not None or configuration.model.centroids is not None:
        raise ConfigError(
            "nothing is compared with the references",
            where="references under [data], or centroids under [model]",
            why=f"the task is {configuration.model.task or 'not set'}, and its scores are the model's own",
            remedy="add --task embedding, or leave the references out",
        )


def _nothing_to_compare_with(name: str) -> SamplesError:
    return SamplesError(
        "there is nothing to compare the embedding with",
        where=f"{name}, --task embedding",
        why="whom a vector is like shows only against references, and neither they nor data were given",
        remedy="name data with labels with --data, and references of each class with --references if they are others",
    )


def _several_classes(samples: Samples) -> SamplesError:
    return SamplesError(
        "a reference is of several classes",
        where=samples.source,
        why=f"labels are {list(samples.labels.shape)}: a centroid is of one class",
        remedy="supply one class index for each sample",
    )


def _unreadable(samples: Samples, label: int, tried: int) -> SamplesError:
    return SamplesError(
        "no reference of a class can be read",
        where=f"{samples.source}, class {label}",
        why=f"all {tried} are unreadable",
        remedy="repair them, or leave the class out",
    )


def _too_large(samples: Samples, why: str) -> SamplesError:
    return SamplesError(
        "the references are of too many classes",
        where=samples.source,
        why=why,
        remedy="number classes from 0, without gaps; supply fewer of them",
    )
