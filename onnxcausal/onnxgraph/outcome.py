"""Where in the model the pre-softmax class scores stand (method: section 2)."""

import difflib
from dataclasses import dataclass

import onnx

from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.model import Model

SQUASHING = frozenset({"Softmax", "LogSoftmax", "Sigmoid"})
"""Ops that turn scores into probabilities."""
TRANSPARENT = frozenset({"Identity", "Cast", "ZipMap", "Dropout"})
"""Ops that hand the scores on."""
RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
"""Ops that a probability may pass after its softmax."""
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


def find_outcome(model: Model, name: str | None = None) -> OutcomeTensor:
    """Return the pre-softmax tensor behind the model's classification output.

    Args:
        model: the model.
        name: an output, from which the search walks back, or any other tensor, which is taken as it is. Default: the
            only output that holds scores.

    Raises:
        ConfigError: there is no tensor of that name.
        ModelError: several outputs hold scores, or none does (the model returns labels only).
    """
    index = index_graph(model.proto, model.opset)
    outputs = [value.name for value in model.proto.graph.output]
    if name is not None and name not in outputs:
        if name not in index.producer:
            raise _unknown_tensor(model, index, name)
        return OutcomeTensor(name)
    found = [(output, _walk_back(index, output)) for output in ([name] if name else outputs)]
    scores = [(output, outcome) for output, outcome in found if outcome is not None]
    if len({outcome.tensor for _, outcome in scores}) == 1:
        return scores[0][1]
    if scores:
        raise ModelError(
            "the model has several outputs",
            where=model.name,
            why="any of them could be the decision: "
            + ", ".join(_describe(model.proto, output) for output, _ in scores),
            remedy="choose one with --output, or output under [model] in the sidecar",
        )
    raise ModelError(
        "the model returns labels only",
        where=f"{model.name}, output {', '.join(name for name, _ in found)}",
        why="a label (ArgMax) does not say how much an intervention changed the decision",
        remedy="name the tensor that holds the class scores with --output, or export the model with its scores",
    )


def _walk_back(index: GraphIndex, output: str) -> OutcomeTensor | None:
    """Return the scores behind an output, None where it is a label."""
    op = index.producing(_behind(index, output, TRANSPARENT | RESHAPING))
    if op is not None and op.op_type in DECIDING:
        return None
    if op is not None and op.op_type in SQUASHING:
        return OutcomeTensor(_behind(index, op.input[0], TRANSPARENT), f"{op.op_type} ({op.name or op.output[0]})")
    # What is cast may be whole numbers, on which no small effect shows.
    return OutcomeTensor(_behind(index, output, TRANSPARENT - {"Cast"}))


def _behind(index: GraphIndex, tensor: str, passed: frozenset[str]) -> str:
    """Return the tensor before any ops of the given types."""
    op = index.producing(tensor)
    while op is not None and op.op_type in passed:
        tensor = op.input[0]
        op = index.producing(tensor)
    return tensor


def _unknown_tensor(model: Model, index: GraphIndex, name: str) -> ConfigError:
    outputs = [value.name for value in model.proto.graph.output]
    near = difflib.get_close_matches(name, [*outputs, *index.producer], n=1)
    return ConfigError(
        f"the model has no tensor {name!r}",
        where=model.name,
        why=f"its outputs are {', '.join(outputs)}",
        remedy=f"did you mean {near[0]!r}?" if near else "name an output or an inner tensor of the model",
    )


def _describe(proto: onnx.ModelProto, name: str) -> str:
    value = next(value for value in proto.graph.output if value.name == name)
    sizes = [
        str(size.dim_value) if size.dim_value else (size.dim_param or "?") for size in value.type.tensor_type.shape.dim
    ]
    return f"{name} [{', '.join(sizes)}]"
