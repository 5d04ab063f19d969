"""JSON is read in one way only, and within bounds."""

import json
from pathlib import Path

import pytest

from onnxcausal.filesystem.json_text import DEEPEST, parse_json, read_json
from tests.support.hostile_texts import JSON, PLACES

HONEST = [
    {"a": [1, -2.5, 1e-300, 0.1234567890123456789, True, None], "b": {}},
    {"text": 'quotes " and \\ and \\" and [{', "empty": "", "brackets": "[" * 500},
    [2**63 - 1, -(2**63), 0],
    {"letters": "\u00e9\u4e2d\U0001f600\x00\x1b"},
    [[0] * 5000, [""] * 5000],
    "word",
]


@pytest.mark.parametrize("value", HONEST)
@pytest.mark.parametrize("written", [{}, {"ensure_ascii": False}, {"indent": 1}])
def test_honest_json_is_read_as_it_was_written(value: object, written: dict[str, object]) -> None:
    assert parse_json(json.dumps(value, **written).encode()) == value  # type: ignore[arg-type]  # options


def test_a_byte_order_mark_and_the_deepest_nesting_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert parse_json(b"[" * DEEPEST + b"]" * DEEPEST)


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", JSON)
def test_hostile_json_is_a_value_error(name: str) -> None:
    text, why = JSON[name]
    with pytest.raises(ValueError, match=why) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 500


@pytest.mark.attack("own formats", "refused")
@pytest.mark.parametrize("name", PLACES)
def test_hostile_places_of_json_are_an_os_error(tmp_path: Path, name: str) -> None:
    PLACES[name](tmp_path / "a.json")
    with pytest.raises(OSError, match=r"."):
        read_json(tmp_path / "a.json")
