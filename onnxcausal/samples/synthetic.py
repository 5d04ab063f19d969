"""Synthetic probe inputs, for a model that comes without data."""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.samples.source import Batch, Indices, Inputs, InputSpec, Samples

SOURCE = "synthetic probe inputs"
"""Name of the source wherever it is shown."""
FREE_SIZE = 32
"""Size taken for an axis that the model leaves open."""
MOST_PROBES = 10**5
"""Inputs that are made up, at most."""
CHUNK = 64
"""Inputs made and labelled at once, where they are small: bounds memory."""


def synthetic_samples(
    spec: InputSpec,
    count: int,
    seed: int,
    predict: Callable[[Inputs], NDArray[np.floating]],
    *,
    at_once: int = CHUNK,
) -> Samples:
    """Return seeded inputs of the right shape, labelled by the model itself.

    Images (three axes or more) have the 1/f amplitude spectrum of natural images (Field 1987), zero mean and unit
    variance; features are standard normal. Each input depends on the seed and its own position alone.

    Args:
        spec: the model's input.
        count: how many inputs to make.
        seed: of the generator.
        predict: class scores `[samples, classes]` of inputs.
        at_once: inputs made and labelled at once.

    Raises:
        SamplesError: the input takes integers, for which no probe is defined.
        ConfigError: too many are asked for.
    """
    if count > MOST_PROBES:
        raise ConfigError(
            "too many probe inputs are asked for",
            where="samples, [analysis]",
            why=f"{count:,} would be made, of at most {MOST_PROBES:,}, and the model run on each",
            remedy="ask for fewer with --samples, or supply data with --data",
        )
    if spec.is_integer:
        raise SamplesError(
            "no probe inputs can be made up for an integer input",
            where=f"input {spec}",
            why="token indices or grey levels cannot be drawn without knowing their meaning",
            remedy="supply data with --data",
        )
    shape = probe_shape(spec)

    def read(wanted: Indices) -> Batch:
        return Batch(np.stack([probe_input(shape, seed, int(index)) for index in wanted]), wanted)

    labels = np.concatenate(
        [
            predict(read(np.arange(start, min(start + at_once, count))).x).argmax(axis=1)
            for start in range(0, count, at_once)
        ]
    )
    described = hashlib.sha256(f"{SOURCE} {shape} {count} {seed}".encode()).hexdigest()
    return Samples(SOURCE, labels.astype(np.int64), read, lambda: described, synthetic=True)


def probe_inputs(spec: InputSpec, count: int, seed: int) -> Inputs:
    """Return the first probe inputs for an input of numbers, `[samples, ...]`."""
    return np.stack([probe_input(probe_shape(spec), seed, index) for index in range(count)])


def probe_input(shape: tuple[int, ...], seed: int, index: int) -> Inputs:
    """Return one probe input of the given shape, zero mean, unit variance.

    >>> float(probe_input((3, 8, 8), seed=0, index=5).std().round(3))
    1.0
    """
    noise = np.random.default_rng([seed, index]).standard_normal(shape)
    image_axes = 2
    large = [axis for axis, size in enumerate(shape) if size > 3][-image_axes:]  # noqa: PLR2004  # more than colours
    if len(large) == image_axes:
        frequencies = np.meshgrid(*[np.fft.fftfreq(shape[axis]) for axis in large], indexing="ij")
        radius = np.hypot(*frequencies)
        radius[0, 0] = np.inf  # no mean
        spectrum = np.ones(len(shape), int)
        for axis in large:
            spectrum[axis] = shape[axis]
        noise = np.fft.ifftn(np.fft.fftn(noise, axes=large) / radius.reshape(spectrum), axes=large).real
        noise = (noise - noise.mean()) / noise.std()
    return np.asarray(noise, np.float32)


def probe_shape(spec: InputSpec) -> tuple[int, ...]:
    """Return the shape of a made-up input, without the axis of the samples."""
    return tuple(FREE_SIZE if size is None else size for size in spec.shape[1:])
