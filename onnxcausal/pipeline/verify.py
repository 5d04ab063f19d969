"""The job `verify`: that a repaired file is exactly a model and its masks."""

from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.verification import ChangedLayerRecord, ClaimRecord, MeansRecord, VerificationFile
from onnxcausal.errors import GateError
from onnxcausal.onnxgraph.file.model import load_bytes, serialise
from onnxcausal.onnxgraph.forms.masked_file import Repaired, repair
from onnxcausal.onnxgraph.forms.sizes import sizes_of
from onnxcausal.onnxgraph.original.diff import first_difference
from onnxcausal.onnxgraph.original.external_bytes import hash_beside, locations_in
from onnxcausal.onnxgraph.original.original import Original, record_of
from onnxcausal.onnxgraph.original.spelling import hidden_in
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import Caution, open_original
from onnxcausal.pipeline.writing.held_means import HeldMeans, hold_means


def verify(
    repaired: str | Path,
    against: str | Path,
    *,
    data: str | Path | None = None,
    config: str | Path | None = None,
    any_means: bool = False,
    machine: Machine = HERE,
    **settings: object,
) -> VerificationFile:
    """Make sure that a file is a model with exactly the masks it names; return what is proven of it, and what is not.

    The masks that the file names are applied to the model again. Bytes differ where another program wrote the file
    anew; its message is the same, and nothing else is in its bytes. Means are held to what their nodes take.

    Args:
        repaired: the repaired file.
        against: the model it was made from; the sidecar beside it is used if it exists.
        data: file or folder of samples that means are held to; default: what the sidecar names.
        config: a configuration file in place of the sidecar.
        any_means: take means that are no means.
        machine: how far the file is trusted; see `Machine.of`.
        **settings: any key of the sidecar.

    Raises:
        GateError: it is not; the first difference is named. Or a mean is beyond what its node takes.
        OnnxCausalError: a file cannot be opened, or is no repaired file.
    """
    against = Path(against)

    def configure() -> Configured:
        return configure_by_name(against, config, settings, data)

    return run(Path(repaired), against, configure, any_means=any_means, machine=machine)


@bounded
def run(
    repaired: Path, against: Path, configure: Callable[[], Configured], *, any_means: bool, machine: Machine
) -> VerificationFile:
    """Return what is proven of a repaired file.

    Args:
        repaired: the repaired file.
        against: the model it was made from.
        configure: how the model is read, and its data; asked where there are means alone.
        any_means: take means that are no means.
        machine: what of the machine may be used.

    Raises:
        OnnxCausalError: as `verify` says.
    """
    caution = machine.caution
    found = open_original(repaired, caution, run=False)
    record = record_of(found)
    original = open_original(against, caution, record.masks.reading.output)
    if original.model.sha256 != record.masks.model.sha256:
        raise _differs(
            repaired,
            against,
            f"it says that it was made from {record.masks.model.file} with the hash {record.masks.model.sha256}; this "
            f"model has {original.model.sha256}",
        )
    expected = repair(original, record.masks, record.form, record.onnxcausal)
    difference = first_difference(expected.proto, found.proto) or _beside(found, original, expected, caution)
    if difference:
        raise _differs(repaired, against, difference)
    content = serialise(expected.proto, repaired.name)
    is_same = sha256(content).hexdigest() == found.model.file_sha256
    if not is_same:
        _check_bytes(repaired, against, found, len(content))
    held = hold_means(original, record.masks, repaired, configure, machine, any_means=any_means)
    return _record(found, original, expected, held, byte_for_byte=is_same)


def _check_bytes(repaired: Path, against: Path, found: Original, length: int) -> None:
    """Refuse a file whose bytes hold more than its message."""
    content = load_bytes(repaired, found.model)
    hidden = hidden_in(content, found.proto.DESCRIPTOR)
    if hidden:
        more = len(content) - length
        counted = f", {more:,} byte(s) more" if more > 0 else ""
        raise _differs(repaired, against, f"the file's bytes are not those of its message{counted}: {hidden}")


def _record(
    found: Original, original: Original, expected: Repaired, held: HeldMeans, *, byte_for_byte: bool
) -> VerificationFile:
    record = expected.record
    return VerificationFile(
        repaired=ModelRecord(file=found.path.name, sha256=found.model.sha256),
        against=ModelRecord(file=original.path.name, sha256=original.model.sha256),
        byte_for_byte=byte_for_byte,
        form=record.form,
        layers=[ChangedLayerRecord(**asdict(size)) for size in sizes_of(original, expected)],
        means=MeansRecord(state=held.state, told=held.told),
        claims=ClaimRecord(
            onnxcausal=record.onnxcausal, file=record.masks.model.file, provenance=record.masks.provenance
        ),
    )


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
