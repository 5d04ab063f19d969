"""A model made ready for interventions: cut at its class scores, its layers and flow known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxcausal.causal.task import Task
from onnxcausal.errors import ModelError, NothingToAnalyseError
from onnxcausal.onnxgraph.file.model import Model, damage_told
from onnxcausal.onnxgraph.flow.shape_inference import open_shape, static_trace
from onnxcausal.onnxgraph.graph.branches import with_branches_taken
from onnxcausal.onnxgraph.graph.index import RANDOM, index_graph
from onnxcausal.onnxgraph.graph.inliner import inlined
from onnxcausal.onnxgraph.lowering.lower import lower
from onnxcausal.onnxgraph.network.data_dependent import condition_of
from onnxcausal.onnxgraph.network.decision import decide_by
from onnxcausal.onnxgraph.network.deployed import DecidingOutput, FileHead, deciding_outputs, is_coarse
from onnxcausal.onnxgraph.network.detection.best_boxes import PRESENT_AT, check_probabilities
from onnxcausal.onnxgraph.network.detection.columns import Detector
from onnxcausal.onnxgraph.network.detection.levels import with_detector
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.feeds import NOT_JOINED, SampleShapes, fixed_values, with_one_input
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.outcome import find_outcome
from onnxcausal.onnxgraph.network.places import OpenShape
from onnxcausal.onnxgraph.network.tensor_name import tensor_of
from onnxcausal.onnxgraph.network.walk_back import OutcomeTensor, with_moves
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.runner.memory import LARGEST_BATCH
from onnxcausal.onnxgraph.runner.provider import Provider
from onnxcausal.samples.source import Inputs, InputSpec

NOTHING_FIXED: Mapping[str, float] = MappingProxyType({})
"""No input has one value for every sample."""
WHOLE_MODEL = Reading()
"""A model read as it stands."""
AS_THEY_ARE = (Task.REGRESSION, Task.EMBEDDING)
"""Tasks of outputs that hold no scores of classes, and are taken as they are."""
LARGEST_FIXED_BATCH = 2**16
"""Samples of a batch that a model is fixed to, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A model cut at the tensor of its class scores, in a session.

    Attributes:
        model: the model.
        spec: the input that takes the samples.
        outcome: the tensor of the class scores.
        proto: the model cut there.
        plain: a session on `proto`.
        task: what the scores decide.
        batch: samples run at once where the model leaves that open.
        notes: what was done to the model before it is run, one sentence each.
        statistics: tensors that a rewrite knows to hold ranges of others, each with what it quantises.
        limits: what a first run on samples may take; None for a file that is trusted.
        decided_at: what the file's own score of a class is held to, where each is decided by itself.
        head: the outputs of the file that decide by those scores; None where none does.
        joined: the inputs that stand side by side in its one input; none where it takes one.
    """

    model: Model
    spec: InputSpec
    outcome: OutcomeTensor
    proto: onnx.ModelProto
    plain: Runner
    task: Task = Task.CLASSIFICATION
    batch: int = LARGEST_BATCH
    notes: tuple[str, ...] = ()
    statistics: Mapping[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    decided_at: float = 0.0
    head: FileHead | None = None
    joined: tuple[str, ...] = ()

    def runner(self, proto: onnx.ModelProto, provider: Provider | None = None, spec: InputSpec | None = None) -> Runner:
        """Return a session on another form of the model.

        Args:
            proto: the form.
            provider: execution provider.
            spec: its input; default: that of this one.

        Raises:
            ModelError: ONNX Runtime refuses it.
        """
        return Runner(proto, spec or self.spec, self.model.name, provider)

    def scores(self, x: Inputs, batch: int | None = None) -> NDArray[np.floating]:
        """Return the class scores, `[samples, classes]`.

        Args:
            x: inputs, `[samples, ...]`.
            batch: samples run at once; default: `batch` of the network.

        Raises:
            ModelError: the tensor does not hold one score per class, or a detector's are no probabilities.
        """
        scores = self.plain.run(x, [self.outcome.tensor], batch=batch or self.batch)[0]
        if scores.dtype.kind != "f":
            raise ModelError(
                "the outcome is not a score",
                where=f"{self.model.name}, tensor {self.outcome.tensor}",
                why=f"it holds values of type {scores.dtype}, on which no small effect shows",
                remedy="name a tensor of floating-point class scores with --output",
            )
        if scores.size != len(scores) * max(scores.shape[1:], default=0):
            raise self.not_one_per_class(scores.shape[1:])
        if self.decided_at == PRESENT_AT:
            check_probabilities(scores, f"{self.model.name}, tensor {self.outcome.tensor}")
        return scores.reshape(len(scores), -1)

    def not_one_per_class(self, shape: Sequence[int]) -> ModelError:
        """Return the refusal of scores of such a shape of one sample."""
        sizes = ", ".join(str(size) if size else "any" for size in shape)
        return ModelError(
            "the outcome is not one score per class",
            where=f"{self.model.name}, tensor {self.outcome.tensor}",
            why=f"one sample gives [{sizes}]: a detector, a segmentation or a sequence",
            remedy="name a tensor [samples, classes] with --output, choose a place with --at, or make it one score "
            "per class with --reduce; --task detector takes the best of all boxes",
        )


@dataclass(frozen=True, slots=True, eq=False)
class CutModel:
    """A model as far as it can be read without running it.

    Attributes:
        model: the model.
        outcome: the tensor of the class scores.
        proto: the model cut there, its layers in standard ops.
        notes: what was rewritten, one sentence each.
        deciding: the outputs of the file that decide by those scores.
        coarse: whether it computes in whole numbers or half precision.
        detector: what is known of a detector's output; None where the model is none.
    """

    model: Model
    outcome: OutcomeTensor
    proto: onnx.ModelProto
    notes: tuple[str, ...]
    deciding: tuple[DecidingOutput, ...] = ()
    coarse: bool = False
    detector: Detector | None = None


def cut_model(
    model: Model, output: str | None = None, task: Task | None = None, fixed: Mapping[str, float] = NOTHING_FIXED
) -> CutModel:
    """Return the model cut at its class scores, its local functions inlined, its layers in standard ops.

    Args:
        model: the model.
        output: an output or inner tensor; default: the pre-softmax tensor of the only classification output.
        task: what the scores decide, if that is known; values are not walked back from.
        fixed: value of inputs that are the same for every sample, by name: an If that they decide is its branch.

    Raises:
        ModelError: the model is unsupported or broken.
        ConfigError: there is no tensor of that name.
    """
    with damage_told(model.name):
        straight, taken = _without_decided(inlined(model.proto), fixed)
        lowered = lower(straight)
        flat = replace(model, proto=lowered.proto)
        flat, tensor, detector = with_detector(flat, output, task)
        outcome = find_outcome(flat, tensor, as_it_is=task in AS_THEY_ARE or detector is not None)
        whole, tensor = with_moves(flat.proto, outcome)
        proto = cut_at(whole, [tensor])
        _refuse_chance(proto, model.name)
        _refuse_doubled(flat.proto, model.name)
        deciding = deciding_outputs(flat, outcome, output) if detector is None else ()
        coarse = bool(lowered.notes) or is_coarse(flat)
    notes = (*taken, *lowered.notes)
    return CutModel(model, replace(outcome, tensor=tensor), proto, notes, deciding, coarse, detector)


def _without_decided(proto: onnx.ModelProto, fixed: Mapping[str, float]) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return a model in which an If that fixed inputs decide is its branch, and a note of each."""
    given = fixed_values(proto, fixed)
    return with_branches_taken(proto, lambda whole, op: condition_of(whole, op, given))


def tensor_in_full(model: Model, name: str) -> str:
    """Return the whole name of a tensor of which the end is enough, as `cut_model` finds it.

    Raises:
        ModelError: the model is unsupported or broken.
        ConfigError: there is no such tensor, or there are several.
    """
    if any(name in op.output for op in model.proto.graph.node):
        return name
    with damage_told(model.name):
        flat = replace(model, proto=lower(inlined(model.proto)).proto)
        return tensor_of(flat, index_graph(flat.proto, flat.opset), name)


def open_network(
    model: Model | CutModel,
    reading: Reading = WHOLE_MODEL,
    *,
    joined: SampleShapes = NOT_JOINED,
    provider: Provider | None = None,
    limits: Limits | None = None,
    as_probability: bool = False,
) -> Network:
    """Return the model in a session, with one score per class.

    Args:
        model: the model, cut or not.
        reading: which of its tensors are used, and how.
        joined: inputs that the data gives side by side, by name, with the shape of one sample of each.
        provider: execution provider.
        limits: what a first run on samples may take; None for a file that is trusted.
        as_probability: take scores that are decided by themselves for probabilities.

    Raises:
        ModelError: the model is unsupported or broken.
        ConfigError: there is no tensor of that name, or no such provider.
    """
    cut = cut_model(model, reading.output, reading.task, reading.fixed) if isinstance(model, Model) else model
    if not cut.proto.graph.node:  # ONNX Runtime fails on a graph that hands on what it is given
        raise NothingToAnalyseError(
            "the model has no layer to intervene on",
            where=f"{cut.model.name}, up to tensor {cut.outcome.tensor}",
            why="the scores are an input, or stored in the file: no op makes them",
            remedy="supply a model whose weights stand in the file, or name another tensor with --output",
        )
    proto, spec = with_one_input(cut.proto, cut.model.name, reading, joined)
    if spec.shape and (spec.shape[0] or 0) > LARGEST_FIXED_BATCH:
        raise _batch_too_large(spec, cut.model.name)
    runner = Runner(proto, spec, cut.model.name, provider)
    decision = decide_by(
        proto,
        runner.output_shape or _shape_known(cut, proto, spec),
        name=cut.model.name,
        spec=spec,
        outcome=cut.outcome,
        reading=reading,
        as_probability=as_probability,
        detector=cut.detector,
    )
    if decision.proto is not proto:
        runner = Runner(decision.proto, spec, cut.model.name, provider)
    return Network(
        model=cut.model,
        spec=spec,
        outcome=replace(cut.outcome, tensor=decision.tensor),
        proto=decision.proto,
        plain=runner,
        task=decision.task or Task.CLASSIFICATION,
        notes=(*cut.notes, *decision.notes, *_not_compared(cut, reading)),
        limits=limits,
        decided_at=decision.decided_at,
        head=_head(cut, reading, joined),
        joined=tuple(joined),
    )


def _shape_known(cut: CutModel, proto: onnx.ModelProto, spec: InputSpec) -> OpenShape | None:
    """Return the sizes of the scores as our inference has them, else as the file says of a single one."""
    found = open_shape(static_trace(proto, spec), cut.outcome.tensor, spec)
    return found or ((None, 1) if cut.outcome.is_single else None)


def _head(cut: CutModel, reading: Reading, joined: SampleShapes) -> FileHead | None:
    """Return what the file decides by; None where no output does, or its scores are chosen or reduced here."""
    if not cut.deciding or reading.is_of_a_part or reading.task in AS_THEY_ARE:
        return None
    head = FileHead(cut.model, cut.deciding, reading, joined, cut.coarse)
    _refuse_chance(inlined(head.part()[0]), cut.model.name)
    return head


def _not_compared(cut: CutModel, reading: Reading) -> tuple[str, ...]:
    """Return what a reader must know of scores that no output of the file follows from."""
    if cut.deciding or cut.detector is not None or reading.is_of_a_part or reading.task in AS_THEY_ARE:
        return ()
    told = f"no output of the file is the tensor {cut.outcome.tensor} or its softmax"
    return (f"{told}: what is measured was not compared with what the file itself decides",)


def _refuse_chance(proto: onnx.ModelProto, name: str) -> None:
    """Refuse scores that are others every time."""
    drawn = [op for op in proto.graph.node if op.op_type in RANDOM]
    if drawn:
        raise ModelError(
            "the model's scores depend on chance",
            where=f"{name}, op {drawn[0].name or drawn[0].op_type}",
            why=f"{drawn[0].op_type} draws other numbers in every run: no effect can be told from them",
            remedy="export the model for inference",
        )


def _refuse_doubled(proto: onnx.ModelProto, name: str) -> None:
    """Refuse tensors that are made, or stored, twice: which one counts is not known."""
    made = Counter(output for op in proto.graph.node for output in op.output if output)
    made.update(tensor.name for tensor in proto.graph.initializer)
    doubled = sorted(tensor for tensor, times in made.items() if times > 1)
    if doubled:
        raise ModelError(
            "a tensor is made twice",
            where=f"{name}, tensor {doubled[0]}",
            why="two ops or stored tensors give it a value, and which one counts is not defined",
            remedy="check that the file is complete; export it again",
        )


def _batch_too_large(spec: InputSpec, name: str) -> ModelError:
    return ModelError(
        "the model is fixed to a batch that is too large",
        where=f"{name}, input {spec}",
        why=f"every run would take {spec.shape[0]:,} samples",
        remedy="export the model with an open batch, or one of its real size",
    )
