"""A model with one layer computed by another file of it, and by itself in the same way."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.onnxgraph.swapping.pieces import after, before, itself
from onnxcausal.onnxgraph.swapping.spans import spans_of
from onnxcausal.samples.source import Inputs, InputSpec

Values = NDArray[np.floating]
WHAT_ELSE = "what it makes depends on more than its input"


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of two files of a model.

    Attributes:
        network: the model.
        wiring: its layers and the shapes of a run.
        provider: execution provider.
    """

    network: Network
    wiring: Wiring
    provider: Provider | None = None

    @property
    def types(self) -> dict[str, int]:
        """ONNX element type of each tensor that a run showed."""
        return {name: int(helper.np_dtype_to_tensor_dtype(kind)) for name, kind in self.wiring.trace.types.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Swapped:
    """What became of some samples.

    Attributes:
        own: what the model's own layer makes, `[...]`, samples and axes as the model has them.
        others: what the other file's layer makes of the same input.
        own_scores: scores with its own layer, `[samples, classes]`.
        others_scores: scores with the other's.
    """

    own: Values
    others: Values
    own_scores: Values
    others_scores: Values


class Swap:
    """One layer of a model, in its place computed as another file does.

    All four parts (what is before the layer, the two forms of the layer, what is after it) are sessions of their own,
    and the model's own layer is run in the same way as the other's: where both are the same ops, numbers are the same
    to the last bit.
    """

    def __init__(self, host: Side, layer: Layer, donor: Side, others: Layer) -> None:
        """Cut the parts and open a session on each.

        Args:
            host: the model that is run.
            layer: its layer.
            donor: the other file.
            others: the layer there.

        Raises:
            ModelError: ONNX Runtime refuses a part.
            NotSwappableError: the layer cannot be taken out of its file.
        """
        found = spans_of(host.network, layer, donor.network, others)
        if isinstance(found, str):
            raise NotSwappableError(found)
        here, there = found
        self._rectified = here.rectified, there.rectified
        self._host, self._span = host, here
        front, self._reads = before(host.network, here, host.types)
        self._front = host.network.runner(front, host.provider)
        self._own = _Piece(host, itself(host.network, here, host.types), WHAT_ELSE)
        self._others = _Piece(donor, itself(donor.network, there, donor.types), WHAT_ELSE)
        self._back = _Piece(host, after(host.network, here, host.types), "the body of an op reads what it makes")

    def run(self, x: Inputs, batch: int) -> Iterator[Swapped]:
        """Yield what becomes of the samples, batch by batch.

        Args:
            x: inputs, `[samples, ...]`.
            batch: samples at once, where the model leaves that open.

        Raises:
            ModelError: a part fails while it runs.
            NotSwappableError: the two forms of the layer make tensors of different shapes.
        """
        fixed = self._host.network.plain.batch
        size = fixed or batch
        for start in range(0, len(x), size):
            part = x[start : start + size]
            count = len(part)
            if fixed and count < fixed:
                part = np.concatenate([part, np.repeat(part[-1:], fixed - count, axis=0)])
            given = self._front.tensors(part, [self._reads])[0]
            own, others = self._own.run(given), self._others.run(given)
            if any(
                held and made.min(initial=0.0) < 0 for held, made in zip(self._rectified, (own, others), strict=True)
            ):
                raise NotSwappableError("an activation belongs to it in one file alone")
            if own.shape != others.shape:
                raise NotSwappableError(f"it makes {list(own.shape)} in one file, {list(others.shape)} in the other")
            scores = [self._back.run(values, part)[:count] for values in (own, others)]
            flat = [held.reshape(count, -1) for held in scores]
            yield Swapped(self._of(own, count), self._of(others, count), *flat)

    def _of(self, made: Values, count: int) -> Values:
        """Return what was made of the first samples of a batch."""
        rows = self._host.wiring.trace.rows.get(self._span.exit.tensor)
        if rows is None:
            return made
        return made.take(np.arange(count * rows.multiple), axis=rows.axis)


class NotSwappableError(Exception):
    """A layer cannot be computed by the other file; the text says why."""


class _Piece:
    """A session on a part that is given float32 numbers, and the samples where it reads them too."""

    def __init__(self, side: Side, part: tuple[onnx.ModelProto, str, str] | None, why: str) -> None:
        if part is None:
            raise NotSwappableError(why)
        proto, self._given, self._reads = part
        samples = side.network.spec
        self._with_samples = samples.name in {value.name for value in proto.graph.input}
        spec = samples if self._with_samples else InputSpec(self._given, ())
        self._runner = side.network.runner(proto, side.provider, spec)
        self._fed = self._given in {value.name for value in proto.graph.input}

    def run(self, given: Values, x: Inputs | None = None) -> Values:
        if not self._with_samples:
            return self._runner.tensors(given, [self._reads])[0]
        assert x is not None
        feeds = {self._given: given} if self._fed else {}
        return self._runner.run(x, [self._reads], feeds, batch=len(x))[0]
