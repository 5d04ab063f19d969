"""What is in a model file, as people read it on a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from onnxcausal.analysis.result.inspection import (
    FileFacts,
    InputFacts,
    InputUse,
    Inspection,
    LayerFacts,
    LinkKind,
    OutputFacts,
    StatedShape,
)
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.text import apart, printable, shortened

NAME_WIDTH, WEIGHT_WIDTH, LINK_WIDTH, TEXT_WIDTH = 36, 24, 28, 160
"""Longest names and texts shown whole."""
MOST_NAMED = 3
"""Names shown of a longer list."""
MOST_LISTED = 12
"""Lines shown of a list that is not of layers."""
KIBI = 1024


def as_text(inspection: Inspection) -> str:
    """Return an inspection as people read it."""
    lines = [*_file(inspection.file), "", *_ends(inspection), "", *_layers(inspection)]
    if inspection.others:
        parameters = sum(other.parameters for other in inspection.others)
        lines += ["", f"weights on which no intervention is made: {parameters:,} parameters"]
        lines += _listed(
            f"{printable(other.domain + '::' if other.domain else '')}{printable(other.op_type)} "
            f"{shortened(other.name, NAME_WIDTH)}: {other.reason}"
            for other in inspection.others
        )
    if inspection.rewritten:
        lines += ["", "rewritten before interventions are made:"]
        lines += _listed(printable(note) for note in inspection.rewritten)
    if inspection.findings:
        lines += ["", "to know:"]
        lines += _listed(
            f"{finding.kind}: {finding.text}: {_named(finding.subjects)}" for finding in inspection.findings
        )
    return "\n".join(lines) + "\n"


def _file(file: FileFacts) -> Iterator[str]:
    made = f", made by {shortened(f'{file.producer} {file.producer_version}'.strip(), 60)}"
    opsets = ", ".join(f"{shortened(domain, 30)} {version}".strip() for domain, version in sorted(file.opsets.items()))
    yield f"{printable(file.name)}: IR {file.ir_version}, opset {opsets}{made if file.producer else ''}"
    types = ", ".join(printable(name) for name in file.parameter_types)
    yield f"{file.parameters:,} parameters ({types or 'none'}), {size_text(file.parameter_bytes)}"
    if file.domain or file.model_version:
        yield f"model version {file.model_version}, domain {shortened(file.domain, 60) or 'none'}"
    if file.doc:
        yield f"doc: {shortened(file.doc, TEXT_WIDTH)}"
    if file.functions:
        yield f"{file.functions} local function(s)"
    yield from _listed(
        f"{shortened(key, NAME_WIDTH)} = {shortened(value, TEXT_WIDTH - NAME_WIDTH)}"
        for key, value in file.metadata.items()
    )
    for external in file.external:
        size = "not there" if external.size is None else size_text(external.size)
        yield f"weights in {shortened(external.location, TEXT_WIDTH)}: {external.tensors} tensor(s), file of {size}"


def _ends(inspection: Inspection) -> Iterator[str]:
    """Yield inputs, outputs and the outcome."""
    asked = [given for given in inspection.inputs if given.use is not InputUse.WEIGHT]
    yield from (_end("input", given, _use(given)) for given in asked[:MOST_LISTED])
    if len(asked) > MOST_LISTED:
        yield f"and {len(asked) - MOST_LISTED} more inputs"
    for output in inspection.outputs[:MOST_LISTED]:
        yield _end("output", output, "")
    if len(inspection.outputs) > MOST_LISTED:
        yield f"and {len(inspection.outputs) - MOST_LISTED} more outputs"
    outcome = inspection.outcome
    if outcome.tensor is None:
        yield f"outcome  none: {shortened(outcome.reason, TEXT_WIDTH)}"
        return
    task = "" if outcome.task is None else f", {outcome.task}"
    yield f"outcome  {shortened(outcome.tensor, NAME_WIDTH)} {_shape(outcome.shape)}{task}"
    if outcome.cut_off:
        yield f"         cut off: {_named(outcome.cut_off)}"
    if outcome.reason:
        yield f"         refused by an analysis: {shortened(outcome.reason, TEXT_WIDTH)}"


def _end(kind: str, value: InputFacts | OutputFacts, use: str) -> str:
    return f"{kind:<8} {shortened(value.name, NAME_WIDTH)} {_shape(value.shape)} {value.type}{use}"


def _use(given: InputFacts) -> str:
    return f": {given.use} {given.value:g}" if given.value is not None else f": {given.use}"


def _layers(inspection: Inspection) -> Iterator[str]:
    layers = inspection.layers
    if not layers:
        yield f"no layers: {shortened(inspection.flow_reason, TEXT_WIDTH)}"
        return
    wide = "parents x children" + (" /groups" if any(layer.groups > 1 for layer in layers) else "")
    counted = [Column(wide), Column("nodes"), Column("passes", width=7)]
    columns = [Column("layer", "left", gap=0), Column("weight", "left"), *counted, Column("flow to", "left")]
    names = apart((layer.name for layer in layers), NAME_WIDTH)
    yield from set_in_columns(columns, (_layer(layer, names[layer.name]) for layer in layers))
    total = [layer.cost for layer in layers if layer.cost is not None]
    if inspection.work is not None and len(total) == len(layers):
        yield (
            f"  (an intervention on every node: {sum(cost.all_passes for cost in total):.1f} passes of the model a "
            f"sample, of {inspection.work:,} multiply-adds)"
        )
    if inspection.ran:
        yield "  (shapes and flow as a run of one probe sample showed them)"
    if inspection.flow_reason:
        yield f"  flow unknown: {shortened(inspection.flow_reason, TEXT_WIDTH)}"


def _layer(layer: LayerFacts, name: str) -> list[str]:
    return [
        name,
        shortened(layer.weight, WEIGHT_WIDTH),
        f"{layer.parents} x {layer.children}" + (f" /{layer.groups}" if layer.groups > 1 else ""),
        "?" if layer.nodes is None else str(layer.nodes),
        "?" if layer.cost is None else f"{layer.cost.all_passes:.2f}",
        flow_text(layer),
    ]


def flow_text(layer: LayerFacts) -> str:
    """Return what a layer's children reach, and how surely that is known."""
    told: list[str] = []
    for kind in LinkKind:
        links = [link for link in layer.into if link.flow is kind]
        if not links:
            continue
        names = [shortened(link.layer, LINK_WIDTH) if link.layer is not None else "outcome" for link in links]
        reason = links[0].reason if kind is LinkKind.UNTRACKED else ""
        sure = "" if kind is LinkKind.TRACKED else f" ({kind}{': ' if reason else ''}{shortened(reason, TEXT_WIDTH)})"
        told.append(_some(names) + sure)
    return "; ".join(told) or "no layer"


def _named(names: Sequence[str]) -> str:
    return _some([shortened(name, TEXT_WIDTH // 2) for name in names])


def _some(names: Sequence[str]) -> str:
    """Return the first of several names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _listed(lines: Iterable[str]) -> list[str]:
    """Return the first lines, indented, and how many more there are."""
    every = list(lines)
    more = len(every) - MOST_LISTED
    return [f"  {line}" for line in every[:MOST_LISTED]] + ([f"  and {more} more"] if more > 0 else [])


def _shape(shape: StatedShape | None) -> str:
    if shape is None:
        return "of unknown shape"
    return "[" + ", ".join("?" if size is None else shortened(str(size), LINK_WIDTH) for size in shape) + "]"


def size_text(size: int) -> str:
    """Return a number of bytes with its unit.

    >>> size_text(800), size_text(252_232)
    ('800 bytes', '246.3 KiB')
    """
    if size < KIBI:
        return f"{size} bytes"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = min(len(units), max(power for power in range(1, 5) if size >= KIBI**power))
    return f"{size / KIBI**power:.1f} {units[power - 1]}"
