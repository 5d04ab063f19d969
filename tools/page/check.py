"""Check the types and the style of the scripts of the report's page, with TypeScript and ESLint.

python tools/page/check.py

Needs Node.js from 20.19 on with npm, which installs them beside this file the first time; without, it says so and ends
with 2. Neither of them is needed to make a page or to read it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules" / ".package-lock.json"
SCRIPTS = "onnxcausal/report/page/web"
CHECKS = (
    ("typescript/bin/tsc", "--project", "tools/page"),
    ("eslint/bin/eslint.js", "--config", "tools/page/eslint.config.js", "--max-warnings", "0", SCRIPTS, "tools/page"),
)
OLDEST = (20, 19)
"""Version of Node.js that ESLint needs."""
FAILED, NOT_HERE = 1, 2


def main() -> int:
    """Return 0 where all is well, 1 where something is found or cannot be installed, 2 where npm is not to be had."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None or version_of(node) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        print(
            f"no npm with Node.js from {needed} on: the scripts of the report's page are not checked", file=sys.stderr
        )
        return NOT_HERE
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        if subprocess.run(install, cwd=HERE, check=False).returncode:
            return FAILED
    for program, *arguments in CHECKS:
        command = [node, str(HERE / "node_modules" / program), *arguments]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return FAILED
    return 0


def version_of(node: str) -> tuple[int, ...]:
    """Return the version of Node.js, from a line like `v20.19.2`."""
    told = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in told.strip().removeprefix("v").split("-")[0].split("."))


if __name__ == "__main__":
    sys.exit(main())
