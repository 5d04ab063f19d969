"""What a file itself decides: the outputs behind the scores that are measured, run as they stand in the file.

What is measured is the tensor before the softmax. Whoever uses the file sees its outputs, and what stands between may
change the decision. So the outputs are run beside it (docs/method.md, "What the file itself decides").
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import onnx
from onnx import helper

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model, opset_of
from onnxcausal.onnxgraph.graph.edits import fresh, names_in
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.lowering.widen import holds_bfloat16, widened
from onnxcausal.onnxgraph.network.data_dependent import led_by_values
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.feeds import SampleShapes, with_one_input
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.outcome import holds_labels
from onnxcausal.onnxgraph.network.squashing import TRANSPARENT, behind
from onnxcausal.onnxgraph.network.walk_back import QUANTISING, RESHAPING, OutcomeTensor, Walk
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.source import InputSpec

COARSE_TYPES = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16})
"""Types of weights in which a rounding error is no small one."""


class Kind(StrEnum):
    """What an output says of a sample."""

    SCORES = "scores"
    """A score or probability of each class, as a tensor or a map."""
    LABEL = "label"
    """The class."""
    RANKING = "ranking"
    """The classes, the best one first."""


@dataclass(frozen=True, slots=True)
class DecidingOutput:
    """An output by which the file decides.

    Attributes:
        name: its name.
        kind: what it says.
        squashed_by: the op that made probabilities of the scores; empty where they are scores.
    """

    name: str
    kind: Kind
    squashed_by: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FileHead:
    """A file down to the outputs by which it decides; no session is kept open.

    Attributes:
        model: the file.
        outputs: those outputs.
        reading: how its inputs are given.
        joined: inputs that the data gives side by side, by name, with the shape of one sample of each.
        coarse: whether it computes in whole numbers or half precision, so that rounding decides what is close.
    """

    model: Model
    outputs: tuple[DecidingOutput, ...]
    reading: Reading
    joined: SampleShapes
    coarse: bool

    @property
    def is_led(self) -> bool:
        """Whether the values of samples lead the work of the file's ops."""
        return bool(led_by_values(inlined(self.part()[0])))

    def part(self) -> tuple[onnx.ModelProto, InputSpec, tuple[str, ...]]:
        """Return the file's ops as far as those outputs need them, its one input, and what each output is read from.

        Nothing is rewritten but what cannot run otherwise: bfloat16 is computed in float32.

        Raises:
            ModelError: an output needs an input that the data does not give.
        """
        names = [output.name for output in self.outputs]
        flat = inlined(self.model.proto)
        part = cut_at(widened(flat) if holds_bfloat16(flat) else self.model.proto, names)
        part, read = _dequantised(part, names)
        try:
            return *with_one_input(part, self.model.name, self.reading, self.joined), tuple(read)
        except ModelError as error:
            raise self._not_run(error) from error

    def opened(self, provider: Provider | None = None) -> tuple[Runner, tuple[str, ...]]:
        """Return a session on the file, and what each output is read from.

        Raises:
            ModelError: it cannot be run.
        """
        proto, spec, read = self.part()
        try:
            return Runner(proto, spec, self.model.name, provider), read
        except ModelError as error:
            raise self._not_run(error) from error

    def _not_run(self, error: ModelError) -> ModelError:
        return ModelError(
            "what the file itself decides cannot be told",
            where=f"{self.model.name}, output {', '.join(output.name for output in self.outputs)}",
            why=f"{error.what}: {error.why}",
            remedy="name the output that decides, and can be run, with --output",
        )


def deciding_outputs(model: Model, outcome: OutcomeTensor, asked: str | None) -> tuple[DecidingOutput, ...]:
    """Return the outputs by which a model decides: those that hold the scores, and those that name the class.

    Args:
        model: the model, without local functions.
        outcome: the tensor that is measured.
        asked: the output or inner tensor that was asked for; an output decides alone.

    Returns:
        None of them where the tensor is an inner one that no output hands on.
    """
    walk = Walk(model)
    values = {value.name: value for value in model.proto.graph.output}
    scores, labels = [], []
    for name, value in values.items():
        found = walk.back(name)
        if asked in values and name != asked:
            continue
        label = _label_kind(walk.index, value)
        if label is not None:
            labels.append(DecidingOutput(name, label))
        elif found is not None and (found.tensor, found.moves) == (outcome.tensor, outcome.moves):
            scores.append(DecidingOutput(name, Kind.SCORES, found.squashed_by))
    return (*scores, *labels) if scores else ()


def is_coarse(model: Model) -> bool:
    """Whether a model without local functions computes in whole numbers or half precision."""
    quantises = any("Quantize" in op.op_type for op in model.proto.graph.node)
    return quantises or any(tensor.data_type in COARSE_TYPES for tensor in model.proto.graph.initializer)


def computes_coarsely(model: Model) -> bool:
    """Whether a model computes in whole numbers or half precision, or holds its weights so."""
    flat = replace(model, proto=inlined(model.proto))
    packed = any(op.op_type == "MatMulNBits" for op in flat.proto.graph.node)
    halves = any(
        entry.t.data_type in COARSE_TYPES
        for op in flat.proto.graph.node
        if op.op_type == "Constant"
        for entry in op.attribute
    )
    return packed or halves or is_coarse(flat)


def _label_kind(index: GraphIndex, value: onnx.ValueInfoProto) -> Kind | None:
    """Return how an output names classes, None where it does not."""
    named = behind(index, value.name, TRANSPARENT | RESHAPING | QUANTISING)
    op = index.producing(named)
    if op is not None and op.op_type == "TopK" and named == op.output[1]:
        return Kind.RANKING
    label = holds_labels(value) or (op is not None and op.op_type == "ArgMax")
    return Kind.LABEL if label else None


def _dequantised(part: onnx.ModelProto, names: list[str]) -> tuple[onnx.ModelProto, list[str]]:
    """Return a part whose quantised outputs are read as the numbers they stand for, and what each is read from."""
    index = index_graph(part, opset_of(part))
    taken, read, added = names_in(part.graph), [], []
    for name in names:
        op = index.producing(name)
        if op is None or op.op_type != "QuantizeLinear" or op.domain not in ("", "ai.onnx"):
            read.append(name)
            continue
        number = fresh("onnxcausal/number", taken)
        settings = {entry.name: helper.get_attribute_value(entry) for entry in op.attribute if entry.name == "axis"}
        added.append(helper.make_node("DequantizeLinear", [name, *op.input[1:]], [number], **settings))
        read.append(number)
    part.graph.node.extend(added)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in read if name not in names)
    return part, read
