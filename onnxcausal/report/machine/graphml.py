"""The causal graph as GraphML, for graph tools.

Two kinds of nodes: `parent` (a node of a layer's input, with its role and effect) and `child` (a target child of a
layer). Two kinds of edges: `path` (a necessary parent to a target child of the same layer, over its weights) and
`flow` (a target child to the parent it becomes in a layer below, or to the outcome).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import CausalGraph, LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.report.text import printable

NODE_KEYS = {
    "kind": "string",
    "layer": "string",
    "index": "int",
    "role": "string",
    "ate": "double",
    "q": "double",
}
EDGE_KEYS = {"kind": "string", "strength": "double"}
GRAPH_KEYS = {"model": "string", "data": "string", "target": "string", "outcome": "string"}
OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class _Element:
    """A node or an edge before it is written: its XML attributes and its data."""

    attributes: dict[str, str]
    data: dict[str, object] = field(default_factory=dict)


def graphml(analysis: Analysis, graph: CausalGraph) -> bytes:
    """Return the causal graph of one class as GraphML."""
    root = ET.Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
    for target, keys in (("graph", GRAPH_KEYS), ("node", NODE_KEYS), ("edge", EDGE_KEYS)):
        for name, kind in keys.items():
            ET.SubElement(root, "key", {"id": f"{target}-{name}", "for": target, "attr.name": name, "attr.type": kind})
    body = ET.SubElement(root, "graph", id=f"class-{graph.target}", edgedefault="directed")
    described = {
        "model": analysis.model_file,
        "data": analysis.data_source,
        "target": analysis.title(graph.target),
        "outcome": f"{analysis.settings.outcome.value} of tensor {analysis.outcome_tensor}",
    }
    _describe(body, "graph", described)
    position = {layer.name: number for number, layer in enumerate(graph.layers)}
    outcome = {"kind": OUTCOME, "layer": analysis.title(graph.target), "index": graph.target}
    _add(body, "node", _Element({"id": OUTCOME}, outcome))
    for number, layer in enumerate(graph.layers):
        for element in _nodes(layer, number):
            _add(body, "node", element)
    for number, layer in enumerate(graph.layers):
        for element in _edges(layer, number, position):
            _add(body, "edge", element)
    ET.indent(root, " ")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _nodes(layer: LayerResult, number: int) -> Iterator[_Element]:
    verdicts = layer.verdicts
    if verdicts is None:
        return
    for index, role in enumerate(verdicts.roles):
        data = {"kind": "parent", "layer": layer.name, "index": index, "role": role.value}
        tested = role is not Role.UNTESTED
        effect = {"ate": float(verdicts.ate[index]), "q": float(verdicts.q[index])} if tested else {}
        yield _Element({"id": f"p{number}.{index}"}, data | effect)
    for child in layer.targets.tolist():
        yield _Element({"id": f"c{number}.{child}"}, {"kind": "child", "layer": layer.name, "index": child})


def _edges(layer: LayerResult, number: int, position: dict[str, int]) -> Iterator[_Element]:
    verdicts = layer.verdicts
    if verdicts is None:
        return
    for parent, child in layer.edges():
        ends = {"source": f"p{number}.{parent}", "target": f"c{number}.{child}"}
        yield _Element(ends, {"kind": "path", "strength": abs(float(verdicts.ate[parent]))})
    for below, child, node in layer.links:
        yield _Element({"source": f"c{number}.{child}", "target": f"p{position[below]}.{node}"}, {"kind": "flow"})
    for child in layer.to_outcome.tolist():
        yield _Element({"source": f"c{number}.{child}", "target": OUTCOME}, {"kind": "flow"})


def _add(body: ET.Element, target: str, element: _Element) -> None:
    _describe(ET.SubElement(body, target, element.attributes), target, element.data)


def _describe(written: ET.Element, target: str, data: Mapping[str, object]) -> None:
    for name, value in data.items():
        ET.SubElement(written, "data", key=f"{target}-{name}").text = printable(
            repr(value) if isinstance(value, float) else str(value)
        )
