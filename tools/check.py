"""Run every check of the project, the slow tests included; stop at the first that fails.

python tools/check.py
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("lint-imports",),
    ("mkdocs", "build", "--strict", "-f", "tools/mkdocs.yml"),  # not --quiet, with which it counts no warnings
    ("python", "tools/page/check.py"),
    ("pytest", "-m", "slow or not slow"),
    ("python", "tools/fuzz.py", "--seconds", "30"),
    ("python", "tools/fuzz.py", "--mutate", "models/digits_lenet.onnx", "--count", "500"),
    ("python", "tools/fuzz_formats.py", "--seconds", "60"),
)
NOT_HERE = {("tools/fuzz.py", 2), ("tools/page/check.py", 2)}
"""What a check says where it is not to be had: the fuzzer has no build for every platform, npm is not everywhere."""


def main() -> int:
    """Return the exit code of the first check that fails, 0 when all pass."""
    for command in CHECKS:
        print("$", " ".join(command), flush=True)
        # The tools of this interpreter's environment, whether or not it is activated.
        program = Path(sys.executable).with_name(command[0])
        code = subprocess.run([program, *command[1:]], cwd=ROOT, check=False).returncode
        if code and (*command[1:2], code) not in NOT_HERE:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
