"""Numbers as the page holds them: as short as what is shown of them."""

from collections.abc import Iterable

DIGITS = 4
"""Significant digits of an effect; `analysis.json` has all of them."""


def brief(value: float | None, digits: int = DIGITS) -> float | int | None:
    """Return a number of few digits, None for None.

    >>> brief(-1.38402345), brief(3.00001), brief(1.23456e-9, 2), brief(None)
    (-1.384, 3, 1.2e-09, None)
    """
    if value is None:
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 10**digits else short


def briefs(values: Iterable[float | None], digits: int = DIGITS) -> list[float | int | None]:
    """Return numbers of few digits."""
    return [brief(value, digits) for value in values]
