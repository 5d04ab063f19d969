"""What becomes of vendors' models and of hostile files, as models/SUPPORT.md says it."""

import re
from collections.abc import Mapping

import pytest

from tests.support.hostile import HOSTILE
from tests.support.pages import page, pages
from tests.support.support import Result, verdict
from tests.support.zoo import ZOO, Specimen
from tools.support import FILE, hostile_answers, hostile_row, row

ROWS = frozenset(line for line in FILE.read_text().splitlines() if line.startswith("| "))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("specimen", ZOO, ids=[specimen.name for specimen in ZOO])
def test_a_model_is_supported_as_the_table_says(specimen: Specimen) -> None:
    found = verdict(specimen)
    assert row(specimen, found) in ROWS
    assert found.result is not Result.REFUSED


def test_the_table_has_a_row_for_every_model_and_file_and_no_others() -> None:
    names = {specimen.name for specimen in ZOO}
    assert len(names) == len(ZOO)
    assert len({file.name for file in HOSTILE}) == len(HOSTILE)
    assert len(ROWS) == len(ZOO) + len(HOSTILE) + len({"| model | | how |", "| file | what it gets |"})


def test_the_pages_tell_how_many_there_are() -> None:
    told = [text for shown in (*pages(), page(".github/SECURITY.md")) for text in [" ".join(shown.text.split())]]
    models = [int(number) for text in told for number in re.findall(r"(\d+) models (?:and|as)", text)]
    files = [int(number) for text in told for number in re.findall(r"(\d+) broken", text)]
    assert set(models) == {len(ZOO)}
    assert set(files) == {len(HOSTILE)}


@pytest.mark.attack("model files", "refused, stopped at a limit, or analysed as the file is harmless", len(HOSTILE))
@pytest.mark.slow
def test_hostile_files_get_what_the_table_says_and_harm_nobody() -> None:
    answers = list(hostile_answers())
    assert len(answers) == len(HOSTILE)
    got = {str(answer["name"]): str(answer["got"]) for answer in answers}
    assert {"failed"}.isdisjoint(got.values()), [answer for answer in answers if answer["got"] == "failed"]
    assert all(answer["got"] == "analysed" for answer in answers if answer["harmless"])
    assert all(is_as_written(answer) for answer in answers), [a for a in answers if not is_as_written(a)]
    assert got["endless Loop"] == "stopped"


def is_as_written(answer: Mapping[str, object]) -> bool:
    """Whether a file got what the table says; a limit may be reached on a slow machine, or not on a fast one."""
    wanted = hostile_row(answer)
    if wanted in ROWS:
        return True
    name = wanted.rsplit(" | ", maxsplit=1)[0]
    written = next(line for line in ROWS if line.rsplit(" | ", maxsplit=1)[0] == name)
    return answer["got"] == "stopped" or bool(re.search(r"\| stopped \|$", written))
