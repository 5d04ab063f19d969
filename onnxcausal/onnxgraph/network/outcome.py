"""Where in the model the pre-softmax class scores stand (docs/method.md, "Samples and outcome")."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.network.tensor_name import tensor_of

SQUASHING = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
"""Ops that turn scores into probabilities."""
TRANSPARENT = frozenset({"Identity", "Cast", "ZipMap", "Dropout"})
"""Ops that hand the scores on."""
RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear"})
"""Ops that a probability may pass after its softmax."""
BOUNDING = frozenset({"Clip"})
"""Ops that keep a probability off 0 and 1."""
LABEL_TYPES = frozenset({onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.STRING})
"""Element types of outputs that name classes."""
SHOWN = 6
"""Outputs listed in a message."""
DECIDING = frozenset({"ArgMax", "ArrayFeatureExtractor", "TopK"})
"""Ops that leave only the label."""


@dataclass(frozen=True, slots=True)
class OutcomeTensor:
    """The tensor that holds the class scores.

    Attributes:
        tensor: its name.
        squashed_by: the op that turns the scores into probabilities and was cut off; empty where there is none.
    """

    tensor: str
    squashed_by: str = ""


def find_outcome(model: Model, name: str | None = None, *, as_it_is: bool = False) -> OutcomeTensor:
    """Return the pre-softmax tensor behind the model's classification output.

    Args:
        model: the model.
        name: an output, from which the search walks back, or any other tensor, which is taken as it is; the end of its
            name is enough where no other one has it. Default: the only output that holds scores.
        as_it_is: take an output itself, whatever it was made by.

    Raises:
        ConfigError: there is no tensor of that name.
        ModelError: several outputs hold scores, or none does (the model returns labels only).
    """
    index = index_graph(model.proto, model.opset)
    outputs = [value.name for value in model.proto.graph.output]
    if name is not None:
        name = tensor_of(model, index, name)
    if name is not None and name not in outputs:
        return OutcomeTensor(name)
    found = [(output, walk_back(index, output)) for output in ([name] if name else outputs)]
    scores = [(output, outcome) for output, outcome in found if outcome is not None]
    if as_it_is:
        scores = [(output, OutcomeTensor(output)) for output, _ in scores]
    labels = {value.name for value in model.proto.graph.output if holds_labels(value)}
    if name is None and any(output not in labels for output, _ in scores):
        scores = [(output, outcome) for output, outcome in scores if output not in labels]
    if len({outcome.tensor for _, outcome in scores}) == 1:
        return scores[0][1]
    if scores:
        raise ModelError(
            "the model has several outputs",
            where=model.name,
            why="any of them could be the decision: "
            + ", ".join(_described(model.proto, [output for output, _ in scores])),
            remedy="choose one with --output, or output under [model] in the sidecar",
        )
    raise ModelError(
        "the model returns labels only",
        where=f"{model.name}, output {', '.join(name for name, _ in found)}",
        why="a label (ArgMax) does not say how much an intervention changed the decision",
        remedy="name the tensor that holds the class scores with --output, or export the model with its scores",
    )


def walk_back(index: GraphIndex, output: str) -> OutcomeTensor | None:
    """Return the scores behind an output of a graph, None where it is a label."""
    op = index.producing(behind(index, output, TRANSPARENT | RESHAPING | BOUNDING))
    if op is not None and op.op_type in DECIDING:
        return None
    if op is not None and op.op_type in SQUASHING:
        return OutcomeTensor(behind(index, op.input[0], TRANSPARENT), f"{op.op_type} ({op.name or op.output[0]})")
    positive = _positive_of_two(index, op)
    if positive is not None:
        return OutcomeTensor(
            behind(index, positive.input[0], TRANSPARENT),
            f"{positive.op_type} ({positive.name or positive.output[0]})",
        )
    # What is cast may be whole numbers, on which no small effect shows.
    return OutcomeTensor(behind(index, output, TRANSPARENT - {"Cast"}))


def behind(index: GraphIndex, tensor: str, passed: frozenset[str]) -> str:
    """Return the tensor before any ops of the given types."""
    op = index.producing(tensor)
    seen = {tensor}
    while op is not None and op.op_type in passed and op.input[0] not in seen:
        tensor = op.input[0]
        seen.add(tensor)
        op = index.producing(tensor)
    return tensor


def _positive_of_two(index: GraphIndex, op: onnx.NodeProto | None) -> onnx.NodeProto | None:
    """Return the sigmoid `p` where an op puts `1 - p` and `p` side by side (scikit-learn's binary classifiers)."""
    if op is None or op.op_type != "Concat" or len(op.input) != 2:  # noqa: PLR2004
        return None
    positive = index.producing(behind(index, op.input[1], TRANSPARENT))
    negative = index.producing(behind(index, op.input[0], TRANSPARENT))
    if positive is None or negative is None or positive.op_type != "Sigmoid" or negative.op_type != "Sub":
        return None
    return positive if behind(index, negative.input[1], TRANSPARENT) == positive.output[0] else None


def holds_labels(value: onnx.ValueInfoProto) -> bool:
    """Whether an output holds classes, not scores."""
    return value.type.tensor_type.elem_type in LABEL_TYPES


def _described(proto: onnx.ModelProto, names: Sequence[str]) -> list[str]:
    """Return some outputs, the first few, with their shapes."""
    shapes = {}
    for value in proto.graph.output:
        sizes = value.type.tensor_type.shape.dim
        shapes[value.name] = ", ".join(
            str(size.dim_value) if size.dim_value else (size.dim_param or "?") for size in sizes
        )
    shown = [f"{name} [{shapes[name]}]" for name in names[:SHOWN]]
    return shown if len(names) <= SHOWN else [*shown, "..."]
