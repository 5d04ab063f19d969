"""Columns of text on the terminal."""

import pytest

from onnxcausal.report.columns import Column, set_in_columns

COLUMNS = [Column("layer", "left", gap=0), Column("nodes", width=7), Column("flow to", "left")]


def test_columns_are_as_wide_as_their_widest_cell_and_keep_to_their_side() -> None:
    rows = [["conv", "8", "fc"], ["a longer name", "123456789", ""]]
    assert set_in_columns(COLUMNS, rows) == [
        "  layer              nodes  flow to",
        "  conv                   8  fc",
        "  a longer name  123456789",
    ]


def test_columns_without_headings_have_no_line_for_them() -> None:
    assert set_in_columns([Column(side="left", gap=0), Column()], [["a", "1"], ["bc", "20"]]) == [
        "  a    1",
        "  bc  20",
    ]
    assert set_in_columns(COLUMNS, []) == ["  layer    nodes  flow to"]


def test_names_are_shown_as_they_are_without_colours_or_control_characters() -> None:
    name = "[red]x[/red] :smile: https://a.b 17 \x1b[31m\n\t\u202e"
    _, line = set_in_columns(COLUMNS, [[name, "1", ""]])
    assert line == "  [red]x[/red] :smile: https://a.b 17 \ufffd[31m\ufffd\ufffd\ufffd        1"


@pytest.mark.parametrize(
    "variables", [{"COLUMNS": "20"}, {"FORCE_COLOR": "1", "TERM": "xterm"}, {"TTY_COMPATIBLE": "1"}]
)
def test_no_terminal_changes_what_is_shown(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    long = "x" * 500
    assert set_in_columns(COLUMNS, [[long, "1", long]])[1] == f"  {long}        1  {long}"


def test_wide_letters_take_two_places() -> None:
    _, first, second = set_in_columns(COLUMNS, [["图层", "1", ""], ["abcd", "2", ""]])
    assert (first, second) == ("  图层         1", "  abcd         2")
