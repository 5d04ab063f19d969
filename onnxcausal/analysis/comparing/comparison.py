"""The result of comparing two analyses, and its file format, version 1."""

import json
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from onnxcausal.analysis.comparing.localisation import Localisation
from onnxcausal.analysis.formats.analysis_file import DataRecord, Index, ModelRecord, Share
from onnxcausal.analysis.formats.record import Record
from onnxcausal.causal.alignment import MatchedBy
from onnxcausal.causal.significance import Role

FORMAT: Final = "onnxcausal-comparison/1"
SCHEMA_FILE = "comparison-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""

STRONGEST = 10
"""Nodes of a layer that a short comparison lists."""

Positive = Annotated[float, Field(ge=0)]


class SideRecord(Record):
    """One of the two analyses; `effects`: whether it came with the effect on every sample."""

    onnxcausal: str
    model: ModelRecord
    data: DataRecord
    effects: bool


class CriterionRecord(Record):
    """When a difference counts.

    Its p-value, adjusted over all tests of the comparison (Holm 1979), is at most `alpha`. What is tested is that it
    lies within `margin` standard deviations of the outcome; for accuracy, that share.
    """

    alpha: Share
    margin: Positive


class MatchRecord(Record):
    """A layer of both models, or of one that has no partner in the other; the reason says why."""

    old: str | None
    new: str | None
    by: MatchedBy | None
    reason: str | None


class NodeChange(Record):
    """A node whose role differs, or whose effect does beyond sampling.

    `difference` is new ATE less old ATE, `d` the same over the outcome's standard deviation, `p` adjusted; null where
    the node was not compared.
    """

    index: Index
    old_role: Role
    new_role: Role
    old_ate: float | None
    new_ate: float | None
    difference: float | None
    d: float | None
    p: Share | None
    beyond_sampling: bool


class LayerChange(Record):
    """One layer in the graph of one class.

    `compared` says how effects were compared: sample by sample (`paired`), on independent samples (`welch`), or not at
    all; then the reason says why. `tested` nodes were compared; `largest` is the largest difference among them, in
    standard deviations of the outcome. An edge runs from each necessary node to each target, within a group. Of the
    nodes, `role_changed` have another role; which are listed, the comparison's `nodes_listed` says.
    """

    old: str
    new: str
    compared: Literal["paired", "welch", "not"]
    reason: str | None
    tested: Index
    beyond_sampling: Index
    largest: Positive | None
    old_necessary: list[Index]
    new_necessary: list[Index]
    old_targets: list[Index]
    new_targets: list[Index]
    edges_appeared: Index
    edges_vanished: Index
    role_changed: Index
    nodes: list[NodeChange]


class MeanChange(Record):
    """Mean outcome over the samples; `d` is the difference in standard deviations, `p` adjusted.

    Compared sample by sample (`paired`), the difference is that on the samples which both used.
    """

    old: float
    new: float
    compared: Literal["paired", "welch"]
    d: float | None
    p: Share
    beyond_sampling: bool


class AccuracyChange(Record):
    """Correct of examined samples of the class; `p` adjusted."""

    old: tuple[Index, Index]
    new: tuple[Index, Index]
    p: Share
    beyond_sampling: bool


class ClassChange(Record):
    """What became of one class.

    `distance` is the largest difference in its mean outcome and in the effects of its nodes, in standard deviations of
    the outcome. It is null, `outcome` and `layers` are missing, where one of the two has no graph of the class.
    """

    target: Index
    class_name: str | None
    beyond_sampling: bool
    distance: Positive | None
    accuracy: AccuracyChange | None
    outcome: MeanChange | None
    layers: list[LayerChange]

    @property
    def changed(self) -> int:
        """Number of nodes whose effect differs beyond sampling."""
        return sum(layer.beyond_sampling for layer in self.layers)


class ComparisonFile(Record):
    """The content of a comparison.

    `same_model`: both are of the same file and data, so that nothing but sampling can differ. `differs`: the models
    differ beyond sampling, or in their layers. Classes that differ beyond sampling stand first, those with the largest
    `distance` before others. `nodes_listed`: each layer lists every node that changed its role or its effect, or only
    those with the strongest changes beyond sampling, at most 10. `localisation`, by which layers the models differ, is
    there where it was measured.
    """

    format: Literal["onnxcausal-comparison/1"] = FORMAT
    old: SideRecord
    new: SideRecord
    criterion: CriterionRecord
    same_model: bool
    differs: bool
    tests: Index
    nodes_listed: Literal["every", "strongest"] = "every"
    layers: list[MatchRecord]
    classes: list[ClassChange]
    not_compared: list[Index]
    notes: list[str]
    localisation: Localisation | None = None

    @model_serializer(mode="wrap")
    def _as_held(self, held: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Return what is written: no localisation where none was measured."""
        written: dict[str, object] = held(self)
        if self.localisation is None:
            written.pop("localisation", None)
        return written


def strongest_only(comparison: ComparisonFile) -> ComparisonFile:
    """Return a comparison that lists the strongest changes of each layer alone, so that it stays small."""
    classes = [
        found.model_copy(
            update={"layers": [layer.model_copy(update={"nodes": _strongest(layer)}) for layer in found.layers]}
        )
        for found in comparison.classes
    ]
    return comparison.model_copy(update={"nodes_listed": "strongest", "classes": classes})


def to_json(comparison: ComparisonFile) -> str:
    """Return the content of the file, ending in a newline; what holds no other list or record stands on one line."""
    return "".join(_laid_out(comparison.model_dump(mode="json"), "\n")) + "\n"


def schema() -> str:
    """Return the JSON Schema of the format, as shipped in `SCHEMA_FILE`."""
    return json.dumps(ComparisonFile.model_json_schema(), indent=1) + "\n"


def _strongest(layer: LayerChange) -> list[NodeChange]:
    """Return the nodes that changed most beyond sampling, by index."""
    changed = [node for node in layer.nodes if node.beyond_sampling]
    return sorted(sorted(changed, key=lambda node: -abs(node.d or 0.0))[:STRONGEST], key=lambda node: node.index)


def _laid_out(value: object, line: str) -> Iterator[str]:
    """Yield the text of a value; `line` begins a line of it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(isinstance(one, dict | list) for one in inner):
        yield json.dumps(value, allow_nan=False)
        return
    further = f"{line} "
    begin = "{" if isinstance(value, dict) else "["
    for key, one in value.items() if isinstance(value, dict) else enumerate(inner):
        yield begin + further + (f"{json.dumps(key)}: " if isinstance(value, dict) else "")
        yield from _laid_out(one, further)
        begin = ","
    yield line + ("}" if isinstance(value, dict) else "]")
