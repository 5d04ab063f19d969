"""The page as one file: template, style, scripts and data, under a policy that lets nothing else in."""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from onnxcausal.analysis.formats.analysis_file import GraphRecord
from onnxcausal.report.page.classes import class_record
from onnxcausal.report.page.found import Found
from onnxcausal.report.page.images import explained_inputs, sample_pictures
from onnxcausal.report.page.overview import evaluations, layer_places, overview
from onnxcausal.report.page.script import joined
from onnxcausal.report.page.strongest import Strongest, strongest_samples
from onnxcausal.report.page.wires import Wires, wires_of

LIMIT = 9 * 2**20
"""Bytes of a page: what a browser opens without delay."""
PICTURES = 3 * 2**20
"""Bytes of it that pictures and maps may take."""
KEPT = (None, 256, 128, 64, 32, 16, 8, 4)
"""Nodes of each layer and role whose numbers are held: the first that fits."""
LEAST_PER_NODE = 6
"""Bytes that the numbers of a node take at the least, compressed."""
LIBRARY = "cytoscape.min.js"
FOLDERS = ("graph", "panels")
"""Drawing of graphs; a script of its own."""
MODEL_META = "onnxcausal-model"
"""Name of the entry that tells which model a page is of."""
ANALYSIS_META = "onnxcausal-analysis"
"""Name of the entry that tells which analysis it shows."""
COMPRESSION = 9


def page(found: Found, *, limit: int = LIMIT) -> bytes:
    """Return the page; the same content gives the same bytes.

    Args:
        found: what it shows.
        limit: bytes it should take; where numbers of all nodes would take more, those of the strongest are held, and
            the page says so.
    """
    graphs = found.analysis.graphs
    places = layer_places(found.analysis)
    samples = [strongest_samples(graph, found.effects) for graph in graphs]
    pictures = _pictures(found, samples, places)
    room = limit - len(_frame({})) - sum(map(len, pictures.values()))
    nodes = sum(len(layer.nodes) for graph in graphs for layer in graph.layers)
    wires = [wires_of(graph) for graph in graphs]
    content: dict[str, str] = {}
    for keep in KEPT:
        if keep is None and nodes * LEAST_PER_NODE > room:
            continue
        content = _content(found, places, wires, samples, keep)
        if sum(map(len, content.values())) <= room:
            break
    return _frame(content | pictures, found.analysis.model.sha256, found.digest)


def model_of_page(content: bytes) -> str:
    """Return the hash of the model that a page is of; empty where it is no page of this tool."""
    return _hash_in(content, MODEL_META)


def analysis_of_page(content: bytes) -> str:
    """Return the hash of the analysis that a page shows; empty where it is no page of this tool."""
    return _hash_in(content, ANALYSIS_META)


def escaped(value: object) -> str:
    r"""Return JSON that may stand in a script block: ASCII, and nothing in it ends the block or begins markup.

    >>> print(escaped("</script>"))
    "\u003c/script\u003e"
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def packed(value: object) -> str:
    """Return JSON compressed (zlib), in base64."""
    content = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(content, COMPRESSION)).decode()


def _hash_in(content: bytes, name: str) -> str:
    match = re.search(rf'<meta name="{name}" content="([0-9a-f]{{64}})">'.encode(), content)
    return "" if match is None else match[1].decode()


def _content(
    found: Found,
    places: Mapping[str, int],
    wires: Sequence[Sequence[Wires | None]],
    samples: Sequence[Sequence[Sequence[Strongest]]],
    keep: int | None,
) -> dict[str, str]:
    """Return the data blocks of the page, by their names."""
    blocks = {"overview": escaped(overview(found, places, keep))}
    if found.evaluations:
        blocks["evaluations"] = packed(evaluations(found))
    for number, graph in enumerate(found.analysis.graphs):
        numbers = [places[layer.name] for layer in graph.layers]
        record = class_record(graph, numbers, wires[number], samples[number], keep)
        blocks[f"class-{graph.target}"] = packed(record)
    return blocks


def _pictures(
    found: Found, samples: Sequence[Sequence[Sequence[Strongest]]], places: Mapping[str, int]
) -> dict[str, str]:
    """Return the blocks of pictures and maps, by their names; each class has the same share of their room."""
    graphs = found.analysis.graphs
    share = PICTURES // max(1, len(graphs))
    blocks = {}
    for number, graph in enumerate(graphs):
        record = _pictures_of(found, graph, samples[number], places, share)
        if record:
            blocks[f"pictures-{graph.target}"] = escaped(record)
    return blocks


def _pictures_of(
    found: Found, graph: GraphRecord, samples: Sequence[Sequence[Strongest]], places: Mapping[str, int], share: int
) -> dict[str, Any]:
    record: dict[str, Any] = {}
    explained = explained_inputs(graph, found.maps, places, share)
    if explained:
        record["inputs"] = explained
    left = share - len(json.dumps(explained))
    shown = sample_pictures(samples, found.pictures, left) if found.pictures is not None else {}
    if shown:
        record["samples"] = {str(position): picture for position, picture in sorted(shown.items())}
    return record


def _frame(blocks: Mapping[str, str], model_sha256: str = "0" * 64, digest: str = "0" * 64) -> bytes:
    """Return the template with everything in its place."""
    style, library, script, template = _parts()
    kinds = {"overview": "application/json"}
    data = "\n".join(
        f'<script type="{"application/json" if name in kinds or name.startswith("pictures-") else "text/plain"}" '
        f'id="{name}">{block}</script>'
        for name, block in blocks.items()
    )
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(library)} {_source(script)}",
            f"style-src {' '.join(map(_source, _styles(template, style)))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    placed = {
        "POLICY": policy,
        "MODEL": model_sha256,
        "ANALYSIS": digest,
        "STYLE": style,
        "DATA": data,
        "LIBRARY": library,
        "SCRIPT": script,
    }
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda match: placed[match[1]], template).encode()


def _styles(template: str, style: str) -> list[str]:
    """Return the content of every style element: the page's own, and what stands in the template."""
    return [
        found.replace("{{STYLE}}", style) for found in re.findall(r"<style[^>]*>(.*?)</style>", template, re.DOTALL)
    ]


@lru_cache(maxsize=1)
def _parts() -> tuple[str, str, str, str]:
    """Return style, library, script and template."""
    web = files("onnxcausal.report.page") / "web"

    def text(name: str) -> str:
        return (web / name).read_text(encoding="utf-8")

    return text("page.css"), text(LIBRARY), joined(modules()), text("page.html")


def modules() -> dict[str, str]:
    """Return the page's scripts by their names, whatever folder they stand in."""
    web = files("onnxcausal.report.page") / "web"
    entries = [entry for place in (web, *(web / folder for folder in FOLDERS)) for entry in place.iterdir()]
    scripts = [entry for entry in entries if entry.name.endswith(".js") and entry.name != LIBRARY]
    return {entry.name: entry.read_text(encoding="utf-8") for entry in scripts}


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
