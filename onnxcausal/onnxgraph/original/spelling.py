"""How the bytes of a file spell a message: whether they hold anything that is not of the message.

Another program may write the fields of a message in another order, or a list of numbers in one piece or one by one; the
message is the same. But of a field that stands twice the last one counts, and a number may be written with more bytes
than it takes: what is hidden so is in the file and not in the message.
"""

from google.protobuf.descriptor import Descriptor, FieldDescriptor

NUMBER, EIGHT, LENGTH, FOUR = 0, 1, 2, 5
"""How a value is written: a number of any length, eight bytes, a length and as many bytes, four bytes."""
SIZES = {EIGHT: 8, FOUR: 4}
WAYS = {
    FieldDescriptor.TYPE_DOUBLE: EIGHT,
    FieldDescriptor.TYPE_FLOAT: FOUR,
    FieldDescriptor.TYPE_STRING: LENGTH,
    FieldDescriptor.TYPE_BYTES: LENGTH,
    FieldDescriptor.TYPE_MESSAGE: LENGTH,
}
"""How a value of a type is written; the others of the format are numbers."""
SHORT = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM)
"""Numbers of 32 bits, of which negative ones are written with 64."""
SEVEN, MORE = 0x7F, 0x80
"""Of a byte of a number: its bits, and that another byte follows."""


class _HiddenError(Exception):
    """Something is in the bytes and not in the message."""


def hidden_in(content: bytes, kind: Descriptor) -> str:
    """Return what the bytes of a message hold beside it, the first thing; empty where they hold the message alone.

    Fields that this version does not know are of the message, which keeps them.

    Args:
        content: bytes that parse as a message.
        kind: of this kind.

    >>> from onnx import ModelProto
    >>> hidden_in(ModelProto(ir_version=8).SerializeToString(), ModelProto.DESCRIPTOR)
    ''
    >>> hidden_in(bytes([8, 3, 8, 8]), ModelProto.DESCRIPTOR)
    'ir_version stands twice'
    """
    try:
        _check(memoryview(content), kind)
    except _HiddenError as found:
        return str(found)
    return ""


def _check(content: memoryview, kind: Descriptor) -> None:
    """Look at the fields of a message."""
    fields = {entry.number: entry for entry in kind.fields}
    seen: dict[str, int] = {}
    at = 0
    while at < len(content):
        tag, at = _number(content, at, "a field's number")
        entry, way = fields.get(tag >> 3), tag & 7
        name = f"field {tag >> 3}" if entry is None else entry.name
        value: int | memoryview
        if way == NUMBER:
            value, at = _number(content, at, name)
        elif way in (EIGHT, LENGTH, FOUR):
            length, at = _number(content, at, f"the length of {name}") if way == LENGTH else (SIZES[way], at)
            value, at = content[at : at + length], at + length
        else:
            raise _HiddenError(f"{name} is a group, which the format does not have")
        if entry is None or way not in ((_way(entry), LENGTH) if _is_list(entry) else (_way(entry),)):
            continue  # the message keeps it as a field that it does not know
        _check_number_of(entry, way, seen)
        _check_value(entry, value)


def _check_number_of(entry: FieldDescriptor, way: int, seen: dict[str, int]) -> None:
    """Refuse a second value of a field that has one, and a list in several pieces."""
    name = entry.name if entry.containing_oneof is None else entry.containing_oneof.name
    one_by_one = _is_list(entry) and way == _way(entry)
    if name in seen and not (one_by_one and seen[name] == way):
        raise _HiddenError(f"{entry.name} stands twice")
    seen[name] = way


def _check_value(entry: FieldDescriptor, value: int | memoryview) -> None:
    """Look at one value of a field."""
    if isinstance(value, int):
        _check_fits(entry, value)
    elif entry.message_type is not None:
        try:
            _check(value, entry.message_type)
        except _HiddenError as found:
            raise _HiddenError(f"{entry.name}.{found}") from None
    elif _way(entry) != LENGTH and _is_list(entry):
        if not value:
            raise _HiddenError(f"{entry.name} is written, and empty")
        at = 0
        while _way(entry) == NUMBER and at < len(value):
            number, at = _number(value, at, entry.name)
            _check_fits(entry, number)


def _check_fits(entry: FieldDescriptor, value: int) -> None:
    """Refuse a number of which the message holds a part alone."""
    signed = value - 2**64 if value >= 2**63 else value
    if entry.type in SHORT and not -(2**31) <= signed < 2**31:
        raise _HiddenError(f"{entry.name} is a number that its type does not hold")


def _number(content: memoryview, at: int, name: str) -> tuple[int, int]:
    """Return a number, and where the bytes after it begin."""
    value, start = 0, at
    while True:
        byte = content[at]
        value |= (byte & SEVEN) << 7 * (at - start)
        at += 1
        if not byte & MORE:
            break
    if (not byte and at - start > 1) or value >= 2**64:
        raise _HiddenError(f"{name} is written with more bytes than it takes")
    return value, at


def _way(entry: FieldDescriptor) -> int:
    """Return how a field's value is written, one of them where it is a list."""
    return WAYS.get(entry.type, NUMBER)


def _is_list(entry: FieldDescriptor) -> bool:
    found = getattr(entry, "is_repeated", None)
    return bool(entry.label == entry.LABEL_REPEATED if found is None else found)
