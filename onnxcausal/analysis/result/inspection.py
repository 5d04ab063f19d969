"""What is in a model file, as an auditor reads it before anything is analysed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from onnxcausal.causal.task import Task

StatedShape = tuple[int | str | None, ...]
"""Sizes of a tensor as the file states them: a number, a name, or None where it is left open."""


class LinkKind(StrEnum):
    """How surely it is known which children of a layer reach what follows."""

    TRACKED = "tracked"
    """Every op between is an index map or acts channel by channel."""
    NORMALISED = "normalised"
    """A normalisation lies between, whose statistics mix channels a little."""
    UNTRACKED = "untracked"
    """A mixing or unknown op lies between: every child is a target."""
    UNKNOWN = "unknown"
    """The file alone does not tell."""


class InputUse(StrEnum):
    """What an input is given."""

    SAMPLES = "samples"
    """The samples."""
    JOINED = "joined"
    """A part of the samples, beside other inputs."""
    FIXED = "fixed"
    """One value, the same for every sample."""
    WEIGHT = "weight"
    """Nothing: it is stored, though a caller may replace it."""
    UNUSED = "unused"
    """Nothing: the outcome does not depend on it."""
    UNKNOWN = "unknown"
    """Not known, as there is no outcome."""


class FindingKind(StrEnum):
    """What a reader should know before trusting the file."""

    BYPASS = "bypass"
    """A way from the input joins past most of the layers, or past all of them."""
    BROKEN_WEIGHT = "broken weight"
    """What is stored does not fit its own type and shape."""
    NOT_FINITE = "not finite"
    """A stored tensor holds NaN or infinity."""
    ALL_ZERO = "all zero"
    """A stored weight is zero all over."""
    UNUSED_WEIGHT = "unused weight"
    """A stored tensor is used by nothing."""
    REPLACEABLE_WEIGHT = "replaceable weight"
    """A stored tensor is listed as an input: a caller may replace it."""
    CUSTOM_DOMAIN = "custom domain"
    """An op is defined outside the file and outside ONNX Runtime."""
    BEYOND_HALF = "beyond half precision"
    """On a probe sample that was run, a float16 tensor holds values that float16 does not."""
    RANDOM = "random"
    """An op draws random numbers."""
    TRAINING_MODE = "training mode"
    """A normalisation takes its mean and variance from the batch at hand."""
    EMBEDDED_PATH = "embedded path"
    """A doc string or a property holds a path of the machine the file was made on."""
    MEANINGLESS_NAMES = "meaningless names"
    """Names of layers are numbers or hashes."""
    UNUSED_INPUT = "unused input"
    """The outcome does not depend on an input."""
    UNUSED_OUTPUT = "unused output"
    """An output does not follow from the outcome: an analysis does not look at it."""
    INTEGER_INPUT = "integer input"
    """An input takes whole numbers, for which no probe inputs can be made up."""


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file beside the model that holds weights.

    Attributes:
        location: its place as the model names it.
        size: bytes of the whole file; None where it cannot be seen.
        tensors: how many tensors stand in it.
    """

    location: str
    size: int | None
    tensors: int


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file says of itself.

    Attributes:
        name: without its folder.
        sha256: of its bytes; where weights stand in other files, of those bytes too.
        size: bytes of the file itself.
        ir_version: version of the format.
        opsets: version of each domain's operators; the default domain is "".
        producer: program that wrote it.
        producer_version: that program's version.
        model_version: the model's own version.
        domain: the model's domain.
        graph: the graph's name.
        doc: the model's doc string.
        metadata: the model's properties.
        functions: number of local functions.
        parameters: stored numbers, but for those of the types int64, bool and string, which are shapes and indices.
        parameter_bytes: what they take.
        parameter_types: how many there are of each type.
        external: files that hold weights.
    """

    name: str
    sha256: str
    size: int
    ir_version: int
    opsets: Mapping[str, int]
    producer: str
    producer_version: str
    model_version: int
    domain: str
    graph: str
    doc: str
    metadata: Mapping[str, str]
    functions: int
    parameters: int
    parameter_bytes: int
    parameter_types: Mapping[str, int]
    external: tuple[ExternalFile, ...]


@dataclass(frozen=True, slots=True)
class InputFacts:
    """An input of the model.

    Attributes:
        name: its name.
        type: type of its elements, or what else it is.
        shape: sizes; None where the file does not say how many axes there are.
        use: what it is given.
        value: the value it is fixed to.
    """

    name: str
    type: str
    shape: StatedShape | None
    use: InputUse
    value: float | None


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """An output of the model.

    Attributes:
        name: its name.
        type: type of its elements, or what else it is.
        shape: sizes; None where the file does not say how many axes there are.
        from_outcome: whether it is the outcome or is computed from it.
    """

    name: str
    type: str
    shape: StatedShape | None
    from_outcome: bool


@dataclass(frozen=True, slots=True)
class OutcomeFacts:
    """The tensor on which effects would be measured.

    Attributes:
        tensor: its name; None where there is none.
        shape: shape of one sample's scores; None where it is not known.
        task: what the scores decide; None where it is not known.
        squashed_by: the op that turns the scores into probabilities; empty where there is none.
        cut_off: ops that do not decide the outcome and are left out, "type name" each.
        reason: why there is none, or why an analysis would refuse it; empty where all is well.
    """

    tensor: str | None
    shape: tuple[int, ...] | None
    task: Task | None
    squashed_by: str
    cut_off: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """That children of a layer reach another one, or the outcome, without meeting a layer.

    Attributes:
        layer: the layer they reach; None for the outcome.
        flow: how surely it is known which of them do.
        children: how many of them do; None where that is not known.
        reason: why not; empty where it is known.
    """

    layer: str | None
    flow: LinkKind
    children: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class CostFacts:
    """What interventions on a layer take, for one sample.

    Attributes:
        work: multiply-adds of an intervention on one node.
        passes: the same, in passes of the whole model.
        all_work: multiply-adds of one intervention on each of its nodes.
        all_passes: the same, in passes of the whole model.
        row_bytes: memory of one intervention.
        how: `suffix`, `closed form`, or `whole model` with the reason.
    """

    work: int
    passes: float
    all_work: int
    all_passes: float
    row_bytes: int
    how: str


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer: a weighted op on which interventions are made.

    Attributes:
        name: the op's name, made unique.
        op_type: its type.
        weight: the stored tensor behind its weight.
        weight_shape: shape of the weight where it is used.
        weight_type: type of the weight where it is used.
        parents: number of parent features.
        children: number of children.
        groups: parents and children fall into this many groups.
        nodes: number of nodes; None where it is not known.
        depth: most layers on a way from the input to it, itself included.
        into: what its children reach.
        fed_by: layers whose children reach its parents; None stands for the input.
        cost: what interventions on it take; None where it is not known.
    """

    name: str
    op_type: str
    weight: str
    weight_shape: tuple[int, ...]
    weight_type: str
    parents: int
    children: int
    groups: int
    nodes: int | None
    depth: int
    into: tuple[LinkFacts, ...]
    fed_by: tuple[str | None, ...]
    cost: CostFacts | None

    @property
    def flow(self) -> LinkKind:
        """The least sure of its links; unknown where it has none."""
        kinds = {link.flow for link in self.into}
        return max(kinds, key=list(LinkKind).index, default=LinkKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class OpFacts:
    """An op that holds weights and is no layer.

    Attributes:
        name: its name; where that is empty, its first output's.
        op_type: its type.
        domain: its domain.
        weights: the stored tensors it uses.
        parameters: numbers in them.
        reason: why no intervention is made on it.
    """

    name: str
    op_type: str
    domain: str
    weights: tuple[str, ...]
    parameters: int
    reason: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A way from the input that joins the main path past most of its layers.

    Attributes:
        tensor: what joins.
        joins: ops at which it does.
        layers: most weighted ops on a way from the input to it.
        main: most weighted ops on a way from the input to the outcome.
        after: layers it comes from without meeting another; None stands for the input.
        before: layers it reaches behind its joins without meeting another; None stands for the outcome.
    """

    tensor: str
    joins: tuple[str, ...]
    layers: int
    main: int
    after: tuple[str | None, ...]
    before: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reader should know.

    Attributes:
        kind: what kind of thing.
        text: what was found, in words of this program.
        subjects: names and texts of the model that it is about.
    """

    kind: FindingKind
    text: str
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a model file.

    Attributes:
        file: what it says of itself.
        inputs: inputs in the file's order.
        outputs: outputs in the file's order.
        outcome: the tensor effects would be measured on.
        ops: number of ops of each type, "domain::type" for those of other domains; those in bodies included.
        layers: layers from the outcome upwards.
        others: ops that hold weights and are no layers.
        branches: ways past most of the layers.
        rewritten: what is rewritten before interventions are made, one sentence each.
        findings: what a reader should know.
        flow_reason: why the flow is not known; empty where it is.
        work: multiply-adds of the model on one sample; None where shapes are not known.
        ran: whether the model was run.
    """

    file: FileFacts
    inputs: tuple[InputFacts, ...]
    outputs: tuple[OutputFacts, ...]
    outcome: OutcomeFacts
    ops: Mapping[str, int]
    layers: tuple[LayerFacts, ...]
    others: tuple[OpFacts, ...]
    branches: tuple[Branch, ...]
    rewritten: tuple[str, ...]
    findings: tuple[Finding, ...]
    flow_reason: str
    work: int | None
    ran: bool
