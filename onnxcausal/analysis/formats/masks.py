"""Which paths of a model are multiplied by how much, and their file format `masks.json`, version 1.

An edge that several entries name gets the smallest of their factors, so that the entries of two files can be put
together in any order, and an entry that both have counts once. So do the means; two of one parent must be the same.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from onnxcausal.analysis.formats.analysis_file import Index, ModelRecord, Share
from onnxcausal.analysis.formats.metadata_text import check_free
from onnxcausal.analysis.formats.reading import read_record
from onnxcausal.analysis.formats.record import Record
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError

FORMAT: Final = "onnxcausal-masks/1"
SCHEMA_FILE = "masks-1.schema.json"
"""The shipped JSON Schema, in `SCHEMAS`."""

Indices = Annotated[list[Index], Field(min_length=1)]


class ReadingRecord(Record):
    """How the analysis read the model, which decides its layers' names; null where it was not told.

    `output` is the tensor named with `--output`, `task` that named with `--task`.
    """

    output: str | None = None
    task: Task | None = None


class MaskRecord(Record):
    """The weights from some nodes or parent features of a layer to some children, multiplied by `beta`.

    The layer and its `nodes` are those of `analysis.json`; `parents` are the features that a node has one or many of
    (behind a flattened map, one for each place). Without `children`, all children are meant; those of another group
    than a parent's have no path from it.
    """

    layer: Annotated[str, Field(min_length=1)]
    nodes: Indices | None = None
    parents: Indices = Field(default_factory=list)
    children: Indices | None = None
    beta: Share

    @model_validator(mode="after")
    def _nodes_or_parents(self) -> Self:
        if bool(self.parents) == (self.nodes is not None):
            raise ValueError("an entry names either nodes or parents")
        return self

    @field_validator("beta")
    @classmethod
    def _without_sign(cls, beta: float) -> float:
        return beta + 0.0  # -0.0 would be a mask of other bytes that removes as much


class MeanRecord(Record):
    """The mean of some parent features of a layer over samples and places, a value for each parent.

    What masks take of a parent's paths is replaced by what a map of its mean contributes away from borders; of parents
    without a mean, by nothing. In a quantised layer it is the mean of the whole numbers less their zero point.
    """

    layer: Annotated[str, Field(min_length=1)]
    parents: Indices
    values: Annotated[list[float], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_value_per_parent(self) -> Self:
        if len(self.values) != len(self.parents):
            raise ValueError(f"{len(self.parents)} parents have {len(self.values)} values")
        return self


class MasksFile(Record):
    """The content of `masks.json`.

    `provenance` is free; by convention it holds `analysis_sha256`, `data_sha256` and `settings`.
    """

    format: Literal["onnxcausal-masks/1"] = FORMAT
    model: ModelRecord
    reading: ReadingRecord = ReadingRecord()
    masks: list[MaskRecord]
    means: list[MeanRecord] = Field(default_factory=list)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @field_validator("provenance")
    @classmethod
    def _within_bounds(cls, provenance: dict[str, Any]) -> dict[str, Any]:
        check_free(provenance)
        return provenance


def with_provenance(masks: MasksFile, provenance: Mapping[str, Any]) -> MasksFile:
    """Return the same masks with another account of where they come from."""
    return masks.model_copy(update={"provenance": dict(provenance)})


def in_order(masks: MasksFile) -> MasksFile:
    """Return the same masks as they are written: one entry per layer, children and factor, all of it sorted.

    Raises:
        ConfigError: a parent has two different means.
    """
    together: dict[tuple[str, tuple[int, ...] | None, float, str], set[int]] = defaultdict(set)
    for entry in masks.masks:
        children = None if entry.children is None else tuple(sorted(set(entry.children)))
        kind = "parents" if entry.nodes is None else "nodes"
        together[entry.layer, children, entry.beta, kind] |= set(entry.nodes or entry.parents)
    entries = [
        MaskRecord.model_validate(
            {"layer": layer, kind: sorted(found), "children": children and list(children), "beta": beta}
        )
        for (layer, children, beta, kind), found in sorted(
            together.items(), key=lambda held: (held[0][0], held[0][1] or (), held[0][2], held[0][3])
        )
    ]
    means = [
        MeanRecord(layer=layer, parents=list(found), values=list(found.values()))
        for layer, found in means_by_layer(masks).items()
    ]
    return masks.model_copy(update={"masks": entries, "means": means})


def means_by_layer(masks: MasksFile) -> dict[str, dict[int, float]]:
    """Return the means of parents, by layer and parent, both sorted.

    Raises:
        ConfigError: a parent has two different ones.
    """
    means: dict[str, dict[int, float]] = defaultdict(dict)
    for entry in masks.means:
        of_layer = means[entry.layer]
        for parent, value in zip(entry.parents, entry.values, strict=True):
            if of_layer.setdefault(parent, value) != value:
                raise _two_means(entry.layer, parent, of_layer[parent], value)
    return {layer: dict(sorted(of_layer.items())) for layer, of_layer in sorted(means.items())}


def to_record(masks: MasksFile) -> dict[str, Any]:
    """Return the content of `masks.json`, without what is not set."""
    held = in_order(masks).model_dump(mode="json", exclude_none=True)
    for entry in held["masks"]:
        if not entry["parents"]:
            del entry["parents"]
    return {key: value for key, value in held.items() if value or key not in ("reading", "means", "provenance")}


def to_json(masks: MasksFile) -> str:
    """Return the content of `masks.json`, an entry a line, ending in a newline."""
    parts = []
    for key, value in to_record(masks).items():
        if key in ("masks", "means") and value:
            lines = ",\n".join(f"  {json.dumps(entry, allow_nan=False)}" for entry in value)
            parts.append(f' "{key}": [\n{lines}\n ]')
        else:
            indented = json.dumps(value, indent=1, sort_keys=key == "provenance", allow_nan=False)
            parts.append(f" {json.dumps(key)}: " + indented.replace("\n", "\n "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read_masks(path: Path) -> MasksFile:
    """Return the masks in a file, in order.

    Raises:
        ConfigError: there is no such file, it is damaged, or of another format.
    """
    remedy = "name a file of masks; its form is described in docs/formats.md"
    return in_order(read_record(path, MasksFile, FORMAT, what="masks", remedy=remedy))


def check_model(masks: MasksFile, sha256: str, where: str) -> None:
    """Refuse the masks of another model.

    Args:
        masks: the masks.
        sha256: hash of the model at hand.
        where: the file of the masks.

    Raises:
        ConfigError: the hashes differ.
    """
    if masks.model.sha256 != sha256:
        raise ConfigError(
            "the masks are of another model",
            where=where,
            why=f"they are of {masks.model.file} with the hash {masks.model.sha256}; this model has {sha256}",
            remedy="name the model that the masks were made for, or make masks for this one",
        )


def schema() -> str:
    """Return the JSON Schema of the format, as shipped in `SCHEMA_FILE`."""
    return json.dumps(MasksFile.model_json_schema(), indent=1) + "\n"


def _two_means(layer: str, parent: int, first: float, second: float) -> ConfigError:
    return ConfigError(
        f"parent {parent} has two different means",
        where=f"masks, means of layer {layer}",
        why=f"{first!r} and {second!r}: they were made from different data",
        remedy="keep the means that were made from one data set",
    )
