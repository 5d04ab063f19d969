"""The job `unmask`: the file that a masked or switchable one was made from."""

from hashlib import sha256
from pathlib import Path

from onnxcausal.onnxgraph.file.model import serialise
from onnxcausal.onnxgraph.forms.masked_file import altered, without_masks
from onnxcausal.onnxgraph.original.original import message_sha256, record_of
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_original
from onnxcausal.pipeline.writing.placing import check_place, files_of, has_content, put


@bounded
def unmask(
    repaired: str | Path,
    out: str | Path,
    *,
    force: bool = False,
    machine: Machine = HERE,
) -> bool:
    """Write the original of a repaired file; return whether its bytes are those of the original.

    The same job as `onnxcausal unmask`. The bytes are others where another program than protobuf wrote the original, or
    an older one; its message is the same.

    Args:
        repaired: a masked or switchable file; left as it is.
        out: the new file.
        force: replace another file in its place.
        machine: how far the file is trusted; see `Machine.of`.

    Raises:
        ModelError: the file cannot be opened, is no repaired one, folded, or was changed since.
        OutputError: the new file cannot be written, or would replace another; nothing is written then.
    """
    repaired, out = Path(repaired), Path(out)
    caution = machine.caution
    found = open_original(repaired, caution, run=False)
    record = record_of(found)
    proto = without_masks(found, record)
    if message_sha256(proto) != record.original.message_sha256:
        raise altered(found, "without its masks it is not the file that the masks were put into")
    digest = sha256(serialise(proto, out.name)).hexdigest()
    check_place(out, files_of(found), lambda: has_content(out, digest), force=force)
    put(out, proto, found, follow_links=caution.follow_links)
    return digest == record.original.file_sha256
