"""A model made ready for interventions: cut at its class scores, its layers and flow known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.errors import ModelError, NothingToAnalyseError
from onnxcausal.onnxgraph.cut import cut_at
from onnxcausal.onnxgraph.flow import Flow, find_flow
from onnxcausal.onnxgraph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.labels import KEEPS_CHANNELS
from onnxcausal.onnxgraph.layers import Layer, find_layers
from onnxcausal.onnxgraph.model import Model
from onnxcausal.onnxgraph.outcome import OutcomeTensor, find_outcome
from onnxcausal.onnxgraph.runner import Provider, Runner
from onnxcausal.onnxgraph.trace import Trace
from onnxcausal.samples.source import Inputs, InputSpec


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A model cut at the tensor of its class scores, in a session.

    Attributes:
        model: the model.
        spec: the input that takes the samples.
        outcome: the tensor of the class scores.
        part: the model cut there.
        plain: a session on `part`.
    """

    model: Model
    spec: InputSpec
    outcome: OutcomeTensor
    part: onnx.ModelProto
    plain: Runner

    def scores(self, x: Inputs) -> NDArray[np.floating]:
        """Return the class scores, `[samples, classes]`.

        Raises:
            ModelError: the tensor does not hold one score per class.
        """
        scores = self.plain.run(x, [self.outcome.tensor])[0]
        if scores.size != len(scores) * max(scores.shape[1:], default=0):
            raise ModelError(
                "the outcome is not one score per class",
                where=f"{self.model.name}, tensor {self.outcome.tensor}",
                why=f"one sample gives {list(scores.shape[1:])}: a detector, a segmentation or a sequence",
                remedy="name a tensor [samples, classes] with --output",
            )
        return scores.reshape(len(scores), -1)


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """Layers of a network and how they are connected.

    Attributes:
        flow: layers, nodes and links.
        trace: shapes of one run.
        passed_over: ops that hold weights and mix channels but are no layers, "type name" each: no intervention is
            made there.
    """

    flow: Flow
    trace: Trace
    passed_over: tuple[str, ...]


def open_network(
    model: Model, *, input_name: str | None = None, output: str | None = None, provider: Provider | None = None
) -> Network:
    """Return the model in a session, cut at its class scores.

    Args:
        model: the model.
        input_name: the input that takes the samples; default: the only one.
        output: an output or inner tensor; default: the pre-softmax tensor of the only classification output.
        provider: execution provider.

    Raises:
        ModelError: the model is unsupported or broken.
        ConfigError: there is no tensor of that name, or no such provider.
    """
    spec = model.input_spec(input_name)
    outcome = find_outcome(model, output)
    part = cut_at(model.proto, [outcome.tensor])
    return Network(model, spec, outcome, part, Runner(part, spec, model.name, provider))


def find_wiring(network: Network, example: Inputs) -> Wiring:
    """Return the layers between input and class scores and the flow between them.

    Args:
        network: the network.
        example: one sample or more, on which shapes are seen.

    Raises:
        NothingToAnalyseError: there is no layer.
    """
    index = index_graph(network.part, network.model.opset)
    layers = find_layers(index)
    if not layers:
        counts = sorted({op.op_type for op in index.ops})
        raise NothingToAnalyseError(
            "the model has no layer to intervene on",
            where=f"{network.model.name}, up to tensor {network.outcome.tensor}",
            why=f"none of its ops is a Conv, ConvTranspose, Gemm or MatMul with a constant weight; it has "
            f"{', '.join(counts)}",
            remedy="supply a model whose weights stand in the file",
        )
    tensors = [name for op in index.ops for name in op.output if name]
    shown = cut_at(network.part, list(dict.fromkeys([*tensors, network.spec.name])))
    del shown.graph.output[len(tensors) :]
    trace = Runner(shown, network.spec, network.model.name).trace(example, tensors)
    shapes = {**trace.shapes, network.spec.name: example.shape}
    trace = Trace(shapes, trace.values)
    return Wiring(find_flow(index, layers, network.outcome.tensor, trace), trace, _passed_over(index, layers))


def _passed_over(index: GraphIndex, layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return the ops with a stored matrix that are neither layers nor known to keep channels apart."""
    analysed = {layer.op for layer in layers}
    return tuple(
        f"{op.op_type} {op.name}".strip()
        for number, op in enumerate(index.ops)
        if number not in analysed
        and (op.op_type not in KEEPS_CHANNELS or op.domain not in ("", "ai.onnx"))
        and any(len(index.initializers[name].dims) > 1 for name in op.input if name in index.initializers)
    )
