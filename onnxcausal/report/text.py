"""Strings that come from a model or from file names, made safe to show."""

from onnxcausal.errors import printable

__all__ = ["printable", "shortened"]


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
