"""Rows of text set in columns, as all tables on the terminal are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxcausal.report.text import printable

WIDE = 1_000_000
"""Width of a terminal on which no line is ever broken or cut."""
INDENT = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is set.

    Attributes:
        title: its heading.
        side: the side that its cells keep to.
        width: at least.
        gap: spaces before it.
    """

    title: str = ""
    side: Literal["left", "right"] = "right"
    width: int = 0
    gap: int = 2


def set_in_columns(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for each row below one of headings, which is left out where no column has any.

    Nothing in a cell is taken for markup, and nothing is coloured, wherever it is shown.

    >>> set_in_columns([Column("layer", "left", gap=0), Column("nodes")], [["conv[red]", "8"]])
    ['  layer      nodes', '  conv[red]      8']
    """
    table = Table(box=None, padding=0, show_header=any(column.title for column in columns))
    for column in columns:
        title = Text(" " * column.gap + column.title)
        table.add_column(title, justify=column.side, min_width=column.gap + column.width, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(" " * column.gap + printable(cell)) for column, cell in zip(columns, row, strict=True)))
    plain = Console(file=StringIO(), width=WIDE, color_system=None, force_terminal=False, force_jupyter=False)
    with plain.capture() as shown:
        plain.print(table)
    return [(INDENT + line).rstrip() for line in shown.get().splitlines()]
