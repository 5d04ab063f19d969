"""Shell lines of CI definitions, run as CI runs them, with the programs they need replaced."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
REAL = f'exec "{sys.executable}" -m onnxcausal "$@"'
"""What stands for an installed onnxcausal."""
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""How GitHub and GitLab run lines in bash: the first that fails ends them."""


def run_lines(
    text: str, place: Path, programs: Mapping[str, str], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run lines in a folder; `programs` are bash scripts by the name of the program that they stand in for.

    Each call of such a program is kept in the file `called`, its arguments ended by NUL.
    """
    (place / "bin").mkdir(exist_ok=True)
    for program, script in programs.items():
        (place / "bin" / program).write_text(
            f'#!/bin/bash\nprintf "%s\\0" "$@" $\'\\n\' >> "{place}/called"\n{script}\n'
        )
        (place / "bin" / program).chmod(0o755)
    known = {"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(place)}
    return subprocess.run(
        [*BASH, "-c", text], cwd=place, env={**known, **variables}, capture_output=True, text=True, check=False
    )


def calls(place: Path) -> list[list[str]]:
    """Return the arguments of each call of a replaced program."""
    held = (place / "called").read_text().split("\n\0") if (place / "called").exists() else []
    return [call.split("\0")[:-1] for call in held if call]
