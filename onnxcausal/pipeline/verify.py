"""The job `verify`: that a repaired file is exactly a model and its masks."""

from hashlib import sha256
from pathlib import Path

from onnxcausal.errors import GateError
from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.original.diff import first_difference
from onnxcausal.onnxgraph.original.external_bytes import hash_beside, locations_in
from onnxcausal.onnxgraph.original.original import Original, record_of
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import Caution, open_original


@bounded
def verify(repaired: str | Path, against: str | Path, *, machine: Machine = HERE) -> bool:
    """Make sure that a file is a model with exactly the masks it names; return whether it is so byte for byte.

    The masks that the file names are applied to the model again. Bytes differ where another program wrote the file
    anew; its message is the same.

    Args:
        repaired: the repaired file.
        against: the model it was made from.
        machine: how far the file is trusted; see `Machine.of`.

    Raises:
        GateError: it is not; the first difference is named.
        OnnxCausalError: a file cannot be opened, or is no repaired file.
    """
    repaired, against = Path(repaired), Path(against)
    caution = machine.caution
    found = open_original(repaired, caution, run=False)
    record = record_of(found)
    original = open_original(against, caution, record.masks.reading.output)
    if original.model.sha256 != record.masks.model.sha256:
        raise _differs(
            repaired,
            against,
            f"it was made from {record.masks.model.file} with the hash {record.masks.model.sha256}; this model has "
            f"{original.model.sha256}",
        )
    expected = repair(original, record.masks, record.form, record.onnxcausal)
    difference = first_difference(expected.proto, found.proto) or _beside(found, original, expected, caution)
    if difference:
        raise _differs(repaired, against, difference)
    return sha256(serialise(expected.proto, repaired.name)).hexdigest() == found.model.file_sha256


def _beside(found: Original, original: Original, expected: Repaired, caution: Caution) -> str:
    """Return which file of weights differs; empty where none does."""
    for location in sorted(locations_in(expected.proto)):
        digest = hash_beside(found, location, follow_links=caution.follow_links)
        if location in expected.data:
            is_same = sha256(expected.data[location]).hexdigest() == digest
        else:
            is_same = hash_beside(original, location, follow_links=caution.follow_links) == digest
        if not is_same:
            return f"the file of weights {location} holds something else"
    return ""


def _differs(repaired: Path, against: Path, difference: str) -> GateError:
    return GateError(
        "the file is not the model and its masks",
        where=f"{repaired}, against {against}",
        why=difference,
        remedy="apply the masks to the model anew; do not trust this file",
    )
