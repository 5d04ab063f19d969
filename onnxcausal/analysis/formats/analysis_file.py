"""The file format `analysis.json`, version 2.

Version 1 lacked the links between layers; everything else is the same, and it is still read. Floats are written in
full; nothing in the file depends on time, host or path, so the same inputs, settings and versions give the same bytes.
"""

import json
import math
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from onnxcausal.analysis.formats.record import Record
from onnxcausal.analysis.formats.settings_record import CompleteSettings, settings_record
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.analysis.result.settings import recorded
from onnxcausal.causal.graph import CausalGraph, FlowKind, LayerResult, Rejected
from onnxcausal.causal.screening import Hidden
from onnxcausal.causal.significance import Role, SelectedBy

FORMAT: Final = "onnxcausal-analysis/2"
EARLIER: Final = ("onnxcausal-analysis/1",)
"""Formats of earlier versions, whose content is one of this version too."""
SCHEMA_FILE = "analysis-2.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""

Index = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ToolRecord(Record):
    """Versions that made the numbers."""

    onnxcausal: str
    onnxruntime: str
    providers: list[str]


class ModelRecord(Record):
    """The model analysed."""

    file: str
    sha256: Sha256


class DataRecord(Record):
    """The data used; `reference_indices` only with `replace = mean`."""

    source: str
    sha256: Sha256
    synthetic: bool
    reference_indices: list[Index] | None = None


class NodeRecord(Record):
    """One parent.

    `d` is null where the outcome is constant; all numbers of an untested node are null. `samples`, those the node was
    measured on, is there in adaptive runs only.
    """

    index: Index
    ate: float | None
    ci: tuple[float, float] | None
    d: float | None
    p: Share | None
    q: Share | None
    role: Role
    samples: Index | None = None


class UntestedRecord(Record):
    """What the untested nodes of a layer do when their paths are changed all at once.

    Effects of opposite sign cancel in it. `largest` is the largest bound among them on the norm of a contribution.
    """

    nodes: Index
    ate: float
    ci: tuple[float, float]
    largest: float


class LinkRecord(Record):
    """Where targets of a layer flow to in a layer below: child `children[i]` becomes necessary node `nodes[i]`."""

    layer: str
    children: list[Index]
    nodes: list[Index]

    @model_validator(mode="after")
    def _are_pairs(self) -> "LinkRecord":
        if len(self.children) != len(self.nodes):
            raise ValueError(f"there are {len(self.children)} children and {len(self.nodes)} nodes")
        return self


class LayerRecord(Record):
    """One layer; `nodes` holds every parent, and is empty where no route leads to the layer, or it was left out.

    `untested` is there where a budget left nodes out, `groups` where parents and children fall into several: a parent
    then has a path to the children of its own group alone, otherwise to all.

    `links` tells which necessary nodes of layers below the targets become; what is untracked has none. `to_outcome`
    holds the targets that flow into the outcome itself. Both are there where a route leads to the layer, but for files
    of version 1.

    `left_out` is there, and true, where the settings left the layer out. `through` names the layers left out that
    targets flow into: which of their nodes are necessary is not known, so all that lead on to targets count, and there
    are no links to them.
    """

    name: str
    op_type: str
    weight: str
    parents: Index
    children: Index
    targets: list[Index]
    flow: FlowKind
    selected_by: SelectedBy
    reason: str | None
    nodes: list[NodeRecord]
    untested: UntestedRecord | None = None
    groups: Index | None = None
    links: list[LinkRecord] | None = None
    to_outcome: list[Index] | None = None
    left_out: Literal[True] | None = None
    through: list[str] | None = None


class OutcomeRecord(Record):
    """The observed outcome over the samples; effects below `floor` cannot be told from float noise."""

    tensor: str
    mean: float
    sd: Annotated[float, Field(ge=0)]
    floor: Annotated[float, Field(ge=0)]


class RejectedRecord(Record):
    """Samples that are not of a class which is decided by itself, of which the model says so of `correct`."""

    examined: Index
    correct: Index


class GraphRecord(Record):
    """The causal graph of one class; layers run from the outcome upwards.

    The model was asked about `examined` samples of the class, of which it classified `correct` correctly, until
    `samples` of them were found. Where each class is decided by itself, it was asked about others too.
    """

    target: Index
    class_name: str | None
    samples: Index
    sample_indices: list[Index]
    examined: Index
    correct: Index
    rejected: RejectedRecord | None = None
    outcome: OutcomeRecord
    layers: list[LayerRecord]


class SkippedRecord(Record):
    """A class that could not be analysed; the model was right on `correct` of the `examined` samples."""

    target: Index
    class_name: str | None
    reason: str
    examined: Index | None = None
    correct: Index | None = None
    rejected: RejectedRecord | None = None


class AnalysisFile(Record):
    """The content of `analysis.json`; `inputs` is there where the data gave several side by side."""

    format: Literal["onnxcausal-analysis/2"] = FORMAT
    tool: ToolRecord
    model: ModelRecord
    data: DataRecord
    inputs: list[str] | None = None
    settings: CompleteSettings
    graphs: list[GraphRecord]
    skipped: list[SkippedRecord]
    notes: list[str]


def to_json(analysis: Analysis) -> str:
    """Return the content of `analysis.json`, ending in a newline."""
    record = to_record(analysis).model_dump(mode="json")
    _drop_unset(record["data"], "reference_indices")
    _drop_unset(record, "inputs")
    record["settings"] = recorded(record["settings"])
    for entry in (*record["graphs"], *record["skipped"]):
        _drop_unset(entry, "rejected")
    for layer in (layer for graph in record["graphs"] for layer in graph["layers"]):
        for key in ("untested", "groups", "links", "to_outcome", "left_out", "through"):
            _drop_unset(layer, key)
        for node in layer["nodes"]:
            _drop_unset(node, "samples")
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def to_record(analysis: Analysis) -> AnalysisFile:
    """Return the analysis as it is written."""
    return AnalysisFile(
        tool=ToolRecord(**analysis.versions, providers=list(analysis.providers)),
        model=ModelRecord(file=analysis.model_file, sha256=analysis.model_sha256),
        data=DataRecord(
            source=analysis.data_source,
            sha256=analysis.data_sha256,
            synthetic=analysis.synthetic,
            reference_indices=analysis.reference.tolist() or None,
        ),
        inputs=list(analysis.inputs) or None,
        settings=settings_record(analysis.settings, analysis.preprocess, analysis.reading),
        graphs=[_graph(analysis, graph) for graph in analysis.graphs],
        skipped=[
            SkippedRecord(
                target=entry.target,
                class_name=analysis.class_name(entry.target),
                reason=entry.reason,
                examined=entry.examined,
                correct=entry.correct,
                rejected=_rejected(entry.rejected),
            )
            for entry in analysis.skipped
        ],
        notes=list(analysis.notes),
    )


def left_out_in(analysis: AnalysisFile) -> tuple[str, ...]:
    """Return the layers that an analysis left out, from the outcome upwards; they are the same for every class."""
    return tuple(layer.name for graph in analysis.graphs[:1] for layer in graph.layers if layer.left_out)


def schema() -> str:
    """Return the JSON Schema of `analysis.json`, as shipped in `SCHEMA_FILE`."""
    return json.dumps(AnalysisFile.model_json_schema(), indent=1) + "\n"


def _rejected(rejected: Rejected | None) -> RejectedRecord | None:
    return None if rejected is None else RejectedRecord(examined=rejected.examined, correct=rejected.correct)


def _graph(analysis: Analysis, graph: CausalGraph) -> GraphRecord:
    return GraphRecord(
        target=graph.target,
        class_name=analysis.class_name(graph.target),
        samples=len(graph.samples),
        sample_indices=graph.samples.tolist(),
        examined=graph.examined,
        correct=graph.correct,
        rejected=_rejected(graph.rejected),
        outcome=OutcomeRecord(
            tensor=analysis.outcome_tensor,
            mean=float(graph.observed.mean()),
            sd=float(graph.observed.std(ddof=1)),
            floor=graph.floor,
        ),
        layers=[_layer(analysis, layer) for layer in graph.layers],
    )


def _layer(analysis: Analysis, layer: LayerResult) -> LayerRecord:
    shape = analysis.layers[layer.name]
    verdicts = layer.verdicts
    reason = layer.reason if verdicts is None else verdicts.reason
    return LayerRecord(
        name=layer.name,
        op_type=shape.op_type,
        weight=shape.weight,
        parents=shape.parents,
        children=shape.children,
        targets=layer.targets.tolist(),
        flow=layer.flow,
        selected_by=SelectedBy.NONE if verdicts is None else verdicts.selected_by,
        reason=reason or None,
        nodes=[] if verdicts is None else _nodes(layer, adaptive=analysis.settings.adaptive),
        untested=None if layer.hidden is None else _untested(layer.hidden),
        groups=shape.groups if shape.groups > 1 else None,
        links=None if verdicts is None else _links(layer),
        to_outcome=None if verdicts is None else layer.to_outcome.tolist(),
        left_out=True if layer.left_out else None,
        through=list(layer.through) or None,
    )


def _links(layer: LayerResult) -> list[LinkRecord]:
    """Return the links of a layer by the layer below that they lead to."""
    found: dict[str, list[tuple[int, int]]] = {}
    for below, child, node in layer.links:
        found.setdefault(below, []).append((child, node))
    return [
        LinkRecord(layer=below, children=[child for child, _ in pairs], nodes=[node for _, node in pairs])
        for below, pairs in found.items()
    ]


def _untested(hidden: Hidden) -> UntestedRecord:
    return UntestedRecord(nodes=hidden.nodes, ate=hidden.ate, ci=(hidden.low, hidden.high), largest=hidden.largest)


def _drop_unset(record: dict[str, Any], key: str) -> None:
    """Remove a key that only some runs have."""
    if record[key] is None:
        del record[key]


def _nodes(layer: LayerResult, *, adaptive: bool) -> list[NodeRecord]:
    verdicts, effects = layer.verdicts, layer.effects
    assert verdicts is not None
    assert effects is not None
    used = effects.used.tolist()
    arrays = (verdicts.ate, verdicts.low, verdicts.high, verdicts.d, verdicts.p, verdicts.q)
    return [
        NodeRecord(
            index=index,
            ate=_finite(ate),
            ci=None if math.isnan(low) else (low, high),
            d=_finite(d),
            p=_finite(p),
            q=_finite(q),
            role=role,
            samples=used[index] if adaptive else None,
        )
        for index, (ate, low, high, d, p, q, role) in enumerate(
            zip(*(array.tolist() for array in arrays), verdicts.roles, strict=True)
        )
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
