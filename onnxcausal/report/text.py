"""Strings that come from a model or from file names, made safe to show."""

from collections.abc import Iterable

from onnxcausal.errors import printable

__all__ = ["apart", "printable", "shortened"]

WIDER = (1, 1.25, 1.5, 2, 2.5, 3)
"""How much wider names may be than was asked for, so that they stay apart."""


def apart(names: Iterable[str], width: int) -> dict[str, str]:
    """Return names shortened to a width, or to a larger one that keeps apart those that differ, by the whole name.

    Names that only differ far from both ends are not kept apart: no table takes them.

    >>> apart(["encoder.block.0.proj", "encoder.block.1.proj"], 12)
    {'encoder.block.0.proj': 'encoder….0.proj', 'encoder.block.1.proj': 'encoder….1.proj'}
    """
    whole = list(dict.fromkeys(names))
    distinct = len({printable(name) for name in whole})
    found: dict[str, str] = {}
    for share in WIDER:
        found = {name: shortened(name, int(share * width)) for name in whole}
        if len(set(found.values())) == distinct:
            break
    return found


def shortened(text: str, width: int) -> str:
    """Return the text with its middle left out where it is longer than `width`.

    >>> shortened("layer3.0.conv2.weight", 11)
    'layer…eight'
    """
    text = printable(text)
    if len(text) <= width:
        return text
    half = (width - 1) // 2
    return f"{text[: width - 1 - half]}…{text[len(text) - half :]}"
