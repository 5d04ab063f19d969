"""Write models/SUPPORT.md: what becomes of every model of the zoo, and of every hostile file.

python tools/support.py
"""

import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.support import Verdict, verdict  # noqa: E402  # found beside this folder
from tests.support.zoo import ZOO, Kind, Specimen  # noqa: E402

FILE = ROOT / "models" / "SUPPORT.md"
BEGINNING = """\
# What is supported

Written by `tools/support.py` from the tests themselves, which check that it is current.

## Models

Each row is a small model built in code as vendors and exporters write it. *exact*: its scores are those of the file,
run op by op without optimisation, and in every layer, once it stands in standard ops, the `suffix` engine equals the
`reference` engine, and both equal a computation with edited weights, in float64 from the definitions of the ops
(*float64*). Where a model rounds to steps, a value at the border of two takes the one that the model's float type gives
it: there each op's result is rounded to that type, and averages over places are summed in ONNX Runtime's order.
*around*: the same, but the weights in the ops named are not intervened on. *refused*: with the reason. Quantised models
are also held to the file itself with its quantised weights edited (`test_lowering.py`), and effects of QDQ models to
those of their float parents: each within what half a step of every value and weight can add up to, and beyond it by no
more than what interventions push out of the calibrated ranges (`test_float_parent.py`; both in
`tests/onnxgraph/lowering`).
"""
HOSTILE = """
## Files that are broken or hostile

Each is opened in a process of its own under limits, and analysed if it opens. *refused*: an error that says why, exit
code 2 to 5. *stopped*: it reached the limits of time or memory, and the parent says so. Nothing crashes the parent,
hangs, shows a traceback, or reads or writes outside the folders it was given.

| file | what it gets |
|---|---|
"""


def row(specimen: Specimen, found: Verdict) -> str:
    """Return the row of one model."""
    return f"| {specimen.name} | {found.result} | {found.how} |"


def hostile_row(answer: Mapping[str, object]) -> str:
    """Return the row of one hostile file; which limit is reached first differs between machines."""
    got = str(answer["got"])
    return f"| {_plain(str(answer['name']))} | {got}{': ' + str(answer['what']) if got == 'refused' else ''} |"


def hostile_answers() -> Iterator[dict[str, object]]:
    """Yield what becomes of every hostile file."""
    command = [sys.executable, "-m", "tests.support.hostile_runner"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    yield from map(json.loads, told.splitlines())


def page(verdicts: Iterable[tuple[Specimen, Verdict]], answers: Iterable[Mapping[str, object]]) -> str:
    """Return the whole page."""
    text = [BEGINNING]
    found = list(verdicts)
    for kind in Kind:
        text.append(f"\n### {kind[0].upper()}{kind[1:]}\n\n| model | | how |\n|---|---|---|\n")
        text += [row(specimen, got) + "\n" for specimen, got in found if specimen.kind is kind]
    return "".join([*text, HOSTILE, *(hostile_row(answer) + "\n" for answer in answers)])


def _plain(text: str) -> str:
    """Return text that a table shows as it is."""
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # quantisers advise to pre-process
    FILE.write_text(page(((specimen, verdict(specimen)) for specimen in ZOO), hostile_answers()))
