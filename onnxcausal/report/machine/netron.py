"""What Netron shows beside an op of a model: the roles and the strongest effects of its nodes, class by class.

Netron cuts the name of an entry after some 15 letters, its text after 2,000, and lines at the width of its sidebar; a
text of several lines is shown open. So an entry is a class, its name short, and its lines are broken here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.filesystem.json_text import parse_json
from onnxcausal.report.text import shortened

STRONGEST = 10
"""Nodes whose effects are shown."""
LISTED = 60
"""Nodes that are named of a role."""
WIDTH = 56
"""Letters of a line that Netron's sidebar shows whole in a window of usual width."""
NAMED = (Role.NECESSARY, Role.NOISY)
"""Roles whose nodes are named one by one."""
SIGNATURE = "netron:attachment"
"""How a file says that it is an attachment for Netron."""
MODEL = "onnxcausal.analysed"
"""Field of an attachment that holds the hash of the model it is for."""


def entries(analysis: Analysis) -> dict[str, dict[str, str]]:
    """Return metadata by the layer's name: the text of `class 3` for each class."""
    found: dict[str, dict[str, str]] = {}
    for graph in analysis.graphs:
        name = analysis.class_name(graph.target)
        for layer in graph.layers:
            if layer.verdicts is not None:
                told = [
                    *([] if name is None else [shortened(name, WIDTH)]),
                    *_roles(layer),
                    "change of the outcome when removed (interval):",
                    *_effects(layer),
                ]
                found.setdefault(layer.name, {})[f"class {graph.target}"] = "\n".join(told)
    return found


def attachment(of_ops: Mapping[str, Mapping[str, str]], model_sha256: str) -> bytes:
    """Return the file that Netron lays over an open model.

    Args:
        of_ops: entries by the name of the op in the file.
        model_sha256: hash of the model's file.
    """
    items = [
        {"kind": "node", "target": op, "name": name, "value": text}
        for op, held in of_ops.items()
        for name, text in held.items()
    ]
    content = {"signature": SIGNATURE, MODEL: model_sha256, "metadata": items}
    return (json.dumps(content, indent=1) + "\n").encode()


def is_attachment_of(content: bytes, model_sha256: str) -> bool:
    """Whether a file says of itself that it is such an attachment for a model with this hash."""
    try:
        held = parse_json(content)
    except ValueError:
        return False
    return isinstance(held, dict) and held.get("signature") == SIGNATURE and held.get(MODEL) == model_sha256


def _roles(layer: LayerResult) -> Iterator[str]:
    """Yield how many nodes there are of each role, and which."""
    counts = {role: layer.having(role).tolist() for role in Role}
    for role in NAMED:
        yield from wrap(f"{len(counts[role])} {role.value}{_listed(counts[role])}", WIDTH, subsequent_indent="  ")
    others = [f"{len(nodes)} {role.value}" for role, nodes in counts.items() if role not in NAMED and nodes]
    yield from wrap(", ".join(others), WIDTH)


def _listed(nodes: Sequence[int]) -> str:
    if not nodes:
        return ""
    more = f" and {len(nodes) - LISTED} more" if len(nodes) > LISTED else ""
    return f": {', '.join(map(str, nodes[:LISTED]))}{more}"


def _effects(layer: LayerResult) -> Iterator[str]:
    """Yield the strongest effects with their intervals, in the outcome's unit."""
    verdicts = layer.verdicts
    assert verdicts is not None
    order = sorted(range(len(verdicts.roles)), key=lambda node: -_size(float(verdicts.ate[node])))[:STRONGEST]
    for node in order:
        if verdicts.roles[node] not in (Role.DEAD, Role.UNTESTED):
            interval = f"{verdicts.low[node]:+.3g} to {verdicts.high[node]:+.3g}"
            yield f"  node {node}: {verdicts.ate[node]:+.3g} ({interval}), {verdicts.roles[node].value}"


def _size(ate: float) -> float:
    return abs(ate) if ate == ate else 0.0  # noqa: PLR0124  # NaN of an untested node
