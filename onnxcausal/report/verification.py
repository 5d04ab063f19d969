"""What people read of a verification: what is proven of a file, how much is changed, and what the file merely says."""

from onnxcausal.analysis.formats.verification import ChangedLayerRecord, VerificationFile
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.text import printable, shortened

LAYERS = (
    Column("layer", "left", gap=0),
    Column("edges"),
    Column("of"),
    Column("largest weight"),
    Column("changes by"),
    Column("added"),
)
WIDTH_OF_NAME = 48
MOST_SHOWN = 80
"""Letters of what a file says of itself."""


def text(found: VerificationFile) -> str:
    """Return what is proven as text, ending in a newline."""
    return "\n".join([headline(found), *_more(found)]) + "\n"


def headline(found: VerificationFile) -> str:
    """Return what is proven in one sentence."""
    how = "byte for byte" if found.byte_for_byte else "as the same message in other bytes"
    return f"{printable(found.repaired.file)} is {printable(found.against.file)} and its masks, {how}"


def notes(found: VerificationFile) -> list[str]:
    """Return what a reader of what the masks change must know of it, a sentence each."""
    changed = [
        f"layer {held.layer}: a weight changes by up to {held.weight:.3g}, the largest is {held.largest:.3g}; up to "
        f"{held.added:.3g} is added"
        for held in found.layers
    ]
    return [headline(found), *([found.means.told] if found.means.told else []), *changed]


def _more(found: VerificationFile) -> list[str]:
    lines = set_in_columns(LAYERS, [_cells(held) for held in found.layers])
    if found.means.told:
        lines.append(f"  {printable(found.means.told)}")
    lines.append(f"  the file says, unproven: {said(found.claims.onnxcausal, found.claims.file)}")
    keys = ", ".join(found.claims.provenance)
    return [*lines, *([f"  and of its provenance: {shortened(keys, MOST_SHOWN)}"] if keys else [])]


def said(version: str, file: str) -> str:
    """Return what a file says of how it was made."""
    return f"made by onnxcausal {shortened(version, MOST_SHOWN)} from {shortened(file, MOST_SHOWN)}"


def _cells(held: ChangedLayerRecord) -> list[str]:
    numbers = [f"{held.largest:.3g}", f"{held.weight:.3g}", f"{held.added:.3g}"]
    return [shortened(held.layer, WIDTH_OF_NAME), f"{held.edges:,}", f"{held.of:,}", *numbers]
