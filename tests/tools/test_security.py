"""The security policy: each promise names tests, and these are there."""

import re

import pytest

from tests.support.pages import ROOT

TEXT = (ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")
(TABLE,) = re.findall(r"\| promise \| how \| tests \|\n\|---\|---\|---\|\n(.*?)\n\n", TEXT, re.DOTALL)
ROWS = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in TABLE.splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_every_promise_is_held_by_tests_that_are_there(row: list[str]) -> None:
    promise, how, tests = row
    assert promise
    assert how
    named = re.findall(r"`([^`]+)`", tests)
    assert named
    for name in named:
        assert re.fullmatch(r"tests/[\w/]+/test_\w+\.py", name), name
        assert re.search(r"^def test_", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE), name


def test_the_page_says_how_to_report_what_is_promised_and_what_is_not() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    assert headings == [
        "Reporting",
        "What is promised",
        "What holds each promise",
        "Checking a release",
        "What is not",
    ]
    assert "Memory safety of ONNX Runtime's kernels" in TEXT.partition("## What is not")[2]


def test_no_promise_stands_twice() -> None:
    assert len({row[0] for row in ROWS}) == len(ROWS) > 15
