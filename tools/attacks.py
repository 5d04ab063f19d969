"""Count the attacks that the tests try, and write the table of docs/security.md.

python tools/attacks.py            run them, and write the table of those that got what is said
python tools/attacks.py --check    only collect them: is the table that of these tests? exit code 1 where it is not

A test says with `@pytest.mark.attack(AREA, GOT)` what its cases attack and what they get, and with a third argument
how many it tries at once. An attack that gets anything else fails its test, and then nothing is written.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- attacks -->", "<!-- end of attacks -->"
MARK = "attack"


class Counting:
    """What pytest tells while it runs or collects."""

    def __init__(self, *, run: bool) -> None:
        """Count tests that pass, or tests that are found."""
        self._run = run
        self.found: Counter[tuple[str, str]] = Counter()
        self.failed: list[str] = []

    def pytest_collection_finish(self, session: Any) -> None:
        """Count what was found."""
        if not self._run:
            for item in session.items:
                self._count(item.user_properties)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count what passed."""
        if report.failed:
            self.failed.append(report.nodeid)
        elif self._run and report.when == "call" and report.passed:
            self._count(report.user_properties)

    def _count(self, properties: list[tuple[str, Any]]) -> None:
        for name, said in properties:
            if name == MARK:
                self.found[said[0], said[1]] += said[2] if len(said) > 2 else 1  # noqa: PLR2004


def main() -> int:
    """Return the exit code."""
    check = "--check" in sys.argv[1:]
    counting = Counting(run=not check)
    how = ["--collect-only", "-q", "-n", "0"] if check else ["-q"]
    code = pytest.main([*how, "-m", MARK, "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[counting])
    if code or counting.failed:
        print(f"not written: {len(counting.failed)} attack(s) got something else")
        return int(code) or 1
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    written = f"{before}{BEGIN}\n{table(counting.found)}\n{END}{rest.split(END)[1]}"
    if check:
        print("the table is that of the tests" if text == written else f"run {Path(__file__).name}: the table is older")
        return 0 if text == written else 1
    PAGE.write_text(written)
    print(f"{sum(counting.found.values())} attacks in {PAGE}")
    return 0


def table(found: Counter[tuple[str, str]]) -> str:
    """Return the table of areas, numbers and results."""
    areas = Counter[str]()
    for (area, _), number in found.items():
        areas[area] += number
    rows = ["| area | tried | what each got |", "|---|---:|---|"]
    for area in sorted(areas):
        got = "; ".join(f"{result} ({number})" for (of, result), number in sorted(found.items()) if of == area)
        rows.append(f"| {area} | {areas[area]} | {got} |")
    rows.append(f"| **all** | **{sum(areas.values())}** | |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
