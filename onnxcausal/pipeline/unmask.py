"""The job `unmask`: the file that a masked or switchable one was made from.

What the file says of its original is its own claim. Without the original at hand, all that can be shown is that the
claim is true of what is left without the masks: that it has the hashes which the record names.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from onnxcausal.analysis.formats.repair_metadata import RepairRecord
from onnxcausal.errors import GateError
from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.forms.masked_file import altered, without_masks
from onnxcausal.onnxgraph.original.diff import first_difference
from onnxcausal.onnxgraph.original.external_bytes import hash_beside, locations_in, model_sha256
from onnxcausal.onnxgraph.original.original import Original, message_sha256, record_of
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import Caution, open_original
from onnxcausal.pipeline.writing.placing import check_place, files_of, has_content, put


@dataclass(frozen=True, slots=True)
class Unmasked:
    """A file without its masks that was written.

    Attributes:
        onnxcausal: version that made the masked file, as that file says.
        model_file: name of the original, as that file says.
        claimed: hash of the original, its weights in other files included, as that file says.
        sha256: the same hash of what was written.
        message_sha256: hash of its message, however a file spells it; it is the one that the masked file names.
        against: the file that it was compared with, and is the same message as; empty where with none.
    """

    onnxcausal: str
    model_file: str
    claimed: str
    sha256: str
    message_sha256: str
    against: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether what was written has the hash that the masked file names."""
        return self.sha256 == self.claimed


@bounded
def unmask(
    repaired: str | Path,
    out: str | Path,
    *,
    against: str | Path | None = None,
    other_bytes: bool = False,
    force: bool = False,
    machine: Machine = HERE,
) -> Unmasked:
    """Write what a repaired file is without its masks; the same job as `onnxcausal unmask`.

    It is written where it has the hash that the file's record names, or is the message of the file it is compared with.
    Bytes may be others than the original's where another program than protobuf wrote that, or an older one. Then only
    the original shows that its message is the same: name it, or say that other bytes are as good.

    Args:
        repaired: a masked or switchable file; left as it is.
        out: the new file.
        against: the file that it should be.
        other_bytes: write it though its hash is not the one that the record names.
        force: replace another file in its place.
        machine: how far the files are trusted; see `Machine.of`.

    Raises:
        GateError: it is not what the record names, or not the file it is compared with; nothing is written.
        ModelError: the file cannot be opened, is no repaired one, folded, or was changed since.
        OutputError: the new file cannot be written, or would replace another; nothing is written then.
    """
    repaired, out = Path(repaired), Path(out)
    caution = machine.caution
    found = open_original(repaired, caution, run=False)
    record = record_of(found)
    proto = without_masks(found, record)
    message = message_sha256(proto)
    if message != record.original.message_sha256:
        raise altered(found, "without its masks it is not the message that its record names")
    content = serialise(proto, out.name)
    digest = model_sha256(content, proto, found, follow_links=caution.follow_links)
    _check_record(found, record, is_alone=not locations_in(proto))
    original = None if against is None else open_original(Path(against), caution, run=False)
    if original is not None:
        _compare(found, record, proto, original, caution)
    elif digest != record.masks.model.sha256 and not other_bytes:
        raise _not_as_named(found, record, digest)
    sources = [*files_of(found), *([] if original is None else files_of(original))]
    check_place(out, sources, lambda: has_content(out, hashlib.sha256(content).hexdigest()), force=force)
    put(out, proto, found, follow_links=caution.follow_links)
    return Unmasked(
        onnxcausal=record.onnxcausal,
        model_file=record.masks.model.file,
        claimed=record.masks.model.sha256,
        sha256=digest,
        message_sha256=message,
        against="" if original is None else original.path.name,
    )


def _check_record(found: Original, record: RepairRecord, *, is_alone: bool) -> None:
    """Refuse a record whose hashes contradict each other.

    The hash of a model is that of its file, where no weights stand in other files; where some do, it is another.
    """
    file, model = record.original.file_sha256, record.masks.model.sha256
    if (file == model) is not is_alone:
        raise GateError(
            "the record of the repair contradicts itself",
            where=str(found.path),
            why=f"its masks are of a model with the hash {model}, its original is a file with the hash {file}",
            remedy="do not trust the file; take the original",
        )


def _compare(
    found: Original,
    record: RepairRecord,
    proto: Message,
    original: Original,
    caution: Caution,
) -> None:
    """Refuse what is not the original at hand, or was not made from it as the record says."""
    difference = first_difference(original.proto, proto)
    if not difference and original.model.sha256 != record.masks.model.sha256:
        difference = f"its record names {record.masks.model.sha256}, this file has {original.model.sha256}"
    for location in () if difference else sorted(locations_in(original.proto)):
        follow = caution.follow_links
        if hash_beside(found, location, follow_links=follow) != hash_beside(original, location, follow_links=follow):
            difference = f"the file of weights {location} holds something else"
    if difference:
        raise GateError(
            "without its masks the file is not the original",
            where=f"{found.path}, against {original.path}",
            why=difference,
            remedy="do not trust the file; take the original",
        )


def _not_as_named(found: Original, record: RepairRecord, digest: str) -> GateError:
    return GateError(
        "without its masks the file does not have the hash that its record names",
        where=str(found.path),
        why=f"what is left has {digest}, the record names {record.masks.model.sha256}: it is another model, or one "
        "whose bytes another program wrote, which only the original shows",
        remedy="name the original with --against, or take it; --other-bytes writes what is left all the same",
    )
