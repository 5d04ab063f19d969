"""Pictures made of square tiles with a line of text below each: many of them in little time."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from onnxcausal.report.text import printable

TILE = 168
"""Longer side of a tile, in pixels."""
GAP = 8
LINE = 16
"""Height of a line of text."""
FONT_SIZE = 11
PEAK = 4
"""Radius of the dot on a peak, in pixels."""
PAPER, INK, PEAK_COLOUR = (255, 255, 255), (40, 40, 40), (220, 30, 30)

Pixels = NDArray[np.uint8]
"""`[height, width, 3]`, red first."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One picture with its text.

    Attributes:
        pixels: the picture.
        text: what stands below it; lines are separated by line breaks.
        peak: row and column of a place to mark, as shares of height and width.
    """

    pixels: Pixels
    text: str
    peak: tuple[float, float] | None = None


def coloured(values: NDArray[np.floating], name: str, low: float, high: float) -> Pixels:
    """Return values in the colours of one of matplotlib's maps, from `low` to `high`."""
    colours = mpl.colormaps[name]
    share = (values - low) / ((high - low) or 1.0)
    return np.asarray(colours(np.clip(share, 0, 1))[..., :3] * 255, np.uint8)


def page(title: str, tiles: Sequence[Tile]) -> bytes:
    """Return a PNG of tiles in a row under a title; the same tiles give the same bytes."""
    shaped = [_enlarged(tile.pixels) for tile in tiles]
    height = max(picture.height for picture in shaped)
    lines = max(tile.text.count("\n") + 1 for tile in tiles)
    width = sum(picture.width for picture in shaped) + GAP * (len(tiles) + 1)
    whole = Image.new("RGB", (width, height + LINE * (lines + 1) + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(whole)
    draw.text((GAP, GAP // 2), printable(title), INK, font=_font(bold=True))
    left, top = GAP, LINE + GAP
    for tile, picture in zip(tiles, shaped, strict=True):
        whole.paste(picture, (left, top))
        if tile.peak is not None:
            row, column = top + tile.peak[0] * picture.height, left + tile.peak[1] * picture.width
            draw.ellipse((column - PEAK, row - PEAK, column + PEAK, row + PEAK), PEAK_COLOUR, PAPER)
        for number, line in enumerate(tile.text.split("\n")):
            place = (left, top + picture.height + 2 + number * LINE)
            draw.text(place, _fitting(printable(line), picture.width), INK, font=_font(bold=False))
        left += picture.width + GAP
    content = io.BytesIO()
    whole.save(content, "PNG")
    return content.getvalue()


def _enlarged(pixels: Pixels) -> Image.Image:
    """Return a picture whose longer side is a tile's; small ones keep their pixels in sight."""
    picture = Image.fromarray(pixels)
    factor = TILE / max(picture.size)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)


def _fitting(text: str, width: int) -> str:
    """Return the text, cut where it is wider than its tile."""
    font = _font(bold=False)
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip("…") + "…" if len(text) > 2 else ""  # noqa: PLR2004
    return text


@lru_cache(maxsize=2)
def _font(*, bold: bool) -> ImageFont.FreeTypeFont:
    """Return the font that comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, FONT_SIZE)
