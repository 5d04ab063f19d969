"""Where in the model the pre-softmax class scores stand (docs/method.md, "Samples and outcome")."""

from collections.abc import Sequence
from dataclasses import replace

import onnx

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.network.sample_axis import is_state
from onnxcausal.onnxgraph.network.tensor_name import tensor_of
from onnxcausal.onnxgraph.network.walk_back import OutcomeTensor, Walk

LABEL_TYPES = frozenset({onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.STRING})
"""Element types of outputs that name classes."""
SHOWN = 6
"""Outputs listed in a message."""


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
    walk = Walk(model)
    outputs = [value.name for value in model.proto.graph.output]
    if name is not None:
        name = tensor_of(model, walk.index, name)
    if name is not None and name not in outputs:
        return OutcomeTensor(name)
    found = [(output, walk.back(output)) for output in ([name] if name else outputs)]
    scores = [(output, outcome) for output, outcome in found if outcome is not None]
    if as_it_is:
        scores = [(output, OutcomeTensor(output)) for output, _ in scores]
    labels = {value.name for value in model.proto.graph.output if holds_labels(value)}
    if name is None and any(output not in labels for output, _ in scores):
        scores = [(output, outcome) for output, outcome in scores if output not in labels]
    if name is None and len(scores) > 1:
        values = {value.name: value for value in model.proto.graph.output}
        inputs = list(model.proto.graph.input)
        scores = [held for held in scores if not is_state(values[held[0]], inputs)] or scores
    if len({outcome.tensor for _, outcome in scores}) == 1:
        output, outcome = scores[0]
        return replace(outcome, is_single=_says_one_value(model.proto, output))
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


def _says_one_value(proto: onnx.ModelProto, output: str) -> bool:
    """Whether an output is declared with one value for each sample."""
    value = next(value for value in proto.graph.output if value.name == output)
    sizes = value.type.tensor_type.shape.dim
    return len(sizes) > 0 and all(size.dim_value == 1 for size in sizes[1:])


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
