"""Make what is released: a wheel, a source archive, their bill of materials, and the hashes of all of them.

python -m tools.release [FOLDER]   (default: dist)

Hatchling must be installed, and onnxcausal of this version with all that it needs. The same commit in the same
environment gives the same bytes. Whoever gets the files checks them with `sha256sum --check SHA256SUMS`.
"""

import json
import subprocess
import sys
from pathlib import Path

from tools.sbom import ROOT, sbom, sha256

SUMS, BILL = "SHA256SUMS", "onnxcausal.cdx.json"


def main(out: Path) -> None:
    """Make a release in a folder, which must be empty or not be there."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        sys.exit(f"{out} is not empty: what is released must be of one commit")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(out.resolve())], cwd=ROOT, check=True)
    describe(out)


def describe(out: Path) -> None:
    """Write the bill of materials of the files in a folder, and then the hashes of all of them."""
    built = sorted(path for path in out.iterdir() if path.name.endswith((".whl", ".tar.gz")))
    bill = sbom("onnxcausal", built)
    root = bill["metadata"]["component"]
    if not all(path.name.startswith(f"onnxcausal-{root['version']}") for path in built):
        sys.exit(f"what is installed is {root['version']}, what was built is {', '.join(path.name for path in built)}")
    (out / BILL).write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    lines = [f"{sha256(path)}  {path.name}\n" for path in sorted([*built, out / BILL])]
    (out / SUMS).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
