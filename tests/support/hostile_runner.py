"""Opens and analyses every hostile file in a process of its own, under limits; prints what became of each as JSON.

Run as `python -m tests.support.hostile_runner`. The processes are forked from this one, which has loaded
everything and opened nothing: starting anew for each of some hundred files would take minutes.
"""

import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.errors import OnnxCausalError
from onnxcausal.onnxgraph.sandbox.child import bound_process
from onnxcausal.onnxgraph.sandbox.open_model import open_and_run
from onnxcausal.pipeline.analyze import analyze
from onnxcausal.pipeline.preparing.machine import Machine
from tests.support.hostile import HOSTILE

SECONDS, MEMORY = 6.0, 3 * 2**30
ALARM = -int(signal.SIGALRM)


def outcome_of_file(path: Path) -> dict[str, str]:
    """Return what a file gets: analysed, an error of ours, or anything else, which must not be."""
    try:
        bound_process(SECONDS, MEMORY)
        if path.is_file():
            open_and_run(path, output=None, follow_links=False)
        analysis = analyze(path, samples=20, machine=Machine.of(limits="none"))
        assert isinstance(analysis, Analysis)
    except OnnxCausalError as error:
        return {"got": "refused", "what": error.what, "why": error.why}
    except BaseException:  # noqa: BLE001  # that is what is looked for
        return {"got": "failed", "what": traceback.format_exc()}
    return {"got": "analysed", "what": ""}


def in_a_fork(path: Path) -> dict[str, str]:
    """Return what a file gets in a process forked from this one."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        told = json.dumps(outcome_of_file(path)).encode()
        with os.fdopen(theirs, "wb") as pipe:
            pipe.write(told)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == ALARM:
        return {"got": "stopped", "what": "time"}
    if not told:
        return {"got": "stopped", "what": f"crash, exit code {code}"}
    answer: dict[str, Any] = json.loads(told)
    return answer


def main() -> None:
    """Print one line for each file."""
    wanted = sys.argv[1:]
    for hostile in HOSTILE:
        if wanted and not any(part in hostile.name for part in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            answer = in_a_fork(hostile.write(Path(folder)))
        print(json.dumps({"name": hostile.name, "harmless": hostile.harmless, **answer}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
