"""Where two messages differ."""

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

SHOWN = 60
"""Letters of a value that are shown."""


def first_difference(expected: Message, found: Message) -> str:
    """Return where two messages of one type differ first, and how; empty where they are equal.

    >>> from onnx import NodeProto
    >>> first_difference(NodeProto(input=["a", "b"]), NodeProto(input=["a", "c"]))
    "input[1] is 'c' in place of 'b'"
    """
    if _content(expected) == _content(found):
        return ""
    for entry in expected.DESCRIPTOR.fields:
        here, there = getattr(expected, entry.name), getattr(found, entry.name)
        repeated = getattr(entry, "is_repeated", None)
        if repeated is None:
            repeated = entry.label == entry.LABEL_REPEATED
        if repeated:
            told = _in_list(entry.name, list(here), list(there))
        elif isinstance(here, Message):
            told = _below(entry.name, here, there)
        else:
            told = "" if here == there else _told(entry.name, here, there)
        if told:
            return told
        if not repeated and entry.has_presence and expected.HasField(entry.name) != found.HasField(entry.name):
            return f"{entry.name} is {'missing' if expected.HasField(entry.name) else 'set'}"
    return _of_unknown(expected, found)


def _of_unknown(expected: Message, found: Message) -> str:
    """Return how two messages differ in fields that this version does not know."""
    here, there = ({entry.field_number for entry in UnknownFieldSet(held)} for held in (expected, found))
    more, less = sorted(there - here), sorted(here - there)
    if more:
        return f"field {more[0]}, which the format does not have, is set"
    if less:
        return f"field {less[0]} is missing"
    return "a field that this version does not know, or how a number is spelled"


def _in_list(name: str, expected: list[object], found: list[object]) -> str:
    for position, (here, there) in enumerate(zip(expected, found, strict=False)):
        place = f"{name}[{position}]"
        if isinstance(here, Message) and isinstance(there, Message):
            told = _below(f"{place}{_named(here)}", here, there)
        else:
            told = "" if here == there else _told(place, here, there)
        if told:
            return told
    if len(expected) != len(found):
        return f"{name} has {len(found)} entries in place of {len(expected)}"
    return ""


def _below(place: str, expected: Message, found: Message) -> str:
    told = first_difference(expected, found)
    return f"{place}.{told}" if told else ""


def _named(message: Message) -> str:
    name = getattr(message, "name", "") or getattr(message, "key", "")
    return f" ({name})" if isinstance(name, str) and name else ""


def _told(place: str, expected: object, found: object) -> str:
    if isinstance(expected, bytes) and isinstance(found, bytes) and len(expected) == len(found):
        position = next(number for number, (a, b) in enumerate(zip(expected, found, strict=True)) if a != b)
        return f"{place} differs from byte {position} on"
    return f"{place} is {_short(found)} in place of {_short(expected)}"


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, bytes) else f"{len(value)} bytes"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _content(message: Message) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))
