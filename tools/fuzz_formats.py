"""Read mutated files of this tool's own formats: whatever they hold, only the project's own errors may come out.

python tools/fuzz_formats.py [--seconds 60] [--seed 1] [FORMAT ...]

Starts from honest files of a small analysis and what was made of it. JSON is changed as a value (types exchanged,
numbers made huge, parts removed, doubled, nested or emptied) and as text; everything else as bytes. What reads a file
goes on as its users do: a baseline is compared, a sidecar configured, an analysis and what was evaluated, explained and
repaired made into a page. Files that give another error or take too long are kept in the findings folder.
Exit code: 0 nothing found, 1 something found.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import MEBIBYTE, ROOT, _no_longer_than, _place, mutated

sys.path.insert(0, str(ROOT))

from onnxcausal import Machine, analyze, apply, evaluate, explain
from onnxcausal.analysis.comparing.contrast import contrast
from onnxcausal.analysis.comparing.snapshot import read_snapshot
from onnxcausal.analysis.formats.evaluation import read_evaluation
from onnxcausal.analysis.formats.journal import JOURNAL_FILE, Journal
from onnxcausal.analysis.formats.masks import read_masks
from onnxcausal.analysis.formats.saved_maps import read_maps
from onnxcausal.errors import OnnxCausalError
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.preparing.configuration import configure, project_gates
from onnxcausal.pipeline.report import report

MODEL, DATA = ROOT / "models" / "digits_lenet.onnx", ROOT / "models" / "digits.npz"
SECONDS, MEMORY = 20, 4096
"""What reading one file may take, in seconds and MiB; the first is far more than any honest one takes."""
EFFECTS = np.arange(21.0).reshape(3, 7)
SIDECAR = """
[data]
source = "digits.npz"
skip_bad = true
[preprocess]
resize = [8, 8]
mean = [0.5]
std = [0.25]
rescale = 0.0625
[model]
output = "logits"
[analysis]
targets = [0, 3]
samples = 20
alpha = 0.05
[gates]
fail_on = ["accuracy < 0.9"]
margin = 0.1
baseline = "model.baseline"
"""
PROJECT = '[tool.onnxcausal.gates]\nfail_on = "accuracy < 0.9"\nmargin = 0.5\nbaseline = "b"\n'
MASKS = {
    "format": "onnxcausal-masks/1",
    "masks": [{"layer": "/fc1/Gemm", "parents": [1, 2], "children": [0], "beta": 0.5}],
    "means": [{"layer": "/fc1/Gemm", "parents": [1], "values": [0.25]}],
}


@dataclass(frozen=True)
class Findings:
    """What was found, once for each place in the code."""

    folder: Path
    places: set[str] = field(default_factory=set)

    def keep(self, form: str, path: Path, error: Exception) -> None:
        """Keep a file, and say what came of it."""
        where, why = _place(error)
        if where in self.places:
            return
        self.places.add(where)
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / f"{form}-{len(self.places)}{path.suffix}"
        shutil.copy(path, kept)
        print(f"finding {kept}: {where}: {why}", flush=True)


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description="Read mutated files of this tool's own formats.")
    parser.add_argument("formats", nargs="*", help=f"of {', '.join(READERS)} (all)")
    parser.add_argument("--seconds", type=int, default=60, help="how long, all formats together")
    parser.add_argument("--seed", type=int, default=1, help="of the generator")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "onnxcausal-findings")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of what a file holds, thousands of times
    names = asked.formats or list(READERS)
    findings = Findings(asked.findings)
    with tempfile.TemporaryDirectory() as name:
        honest = Path(name) / "honest"
        _make(honest)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY * MEBIBYTE,) * 2)
        for form in names:
            read = 0
            rng = random.Random(f"{asked.seed} {form}")  # noqa: S311  # the same files each time
            _examine(form, honest, Path(name) / "run", None, findings)  # as it is, it must be read
            end = time.monotonic() + asked.seconds / len(names)
            while time.monotonic() < end:
                _examine(form, honest, Path(name) / "run", rng, findings)
                read += 1
            print(f"{form}: {read} files read", flush=True)
    print(f"{len(findings.places)} findings in {findings.folder}" if findings.places else "nothing found")
    return 1 if findings.places else 0


def _make(folder: Path) -> None:
    """Write honest files of every format."""
    folder.mkdir()
    machine = Machine.of(limits="none")
    analysed = folder / "analysed"
    analyze(MODEL, DATA, targets=[3, 8], samples=12, out=analysed, machine=machine)
    small = EvaluateOptions(count=8, portions=(0.2,))
    evaluate("fidelity", MODEL, DATA, analysis=analysed, options=small, out=analysed, machine=machine)
    with np.load(DATA) as data:
        np.savez(folder / "some.npz", x=data["x"][:2])
    explain(MODEL, folder / "some.npz", analysis=analysed, out=analysed, machine=machine)
    (folder / "model.toml").write_text(SIDECAR)
    (folder / "pyproject.toml").write_text(PROJECT)
    held = json.loads((analysed / "analysis.json").read_text())
    (folder / "k.masks.json").write_text(json.dumps({**MASKS, "model": held["model"]}))
    journal = Journal(folder, {"model": "a"})
    journal.keep({"layer": "/fc"}, EFFECTS, {"deviation": {"/fc": 0.25}})
    journal.close(finished=False)


def _read_page(path: Path) -> None:
    report(path.parent, out=path.parent / "page.html", force=True)


def _read_baseline(path: Path) -> None:
    held = read_snapshot(path.parent)
    contrast(held, held)


def _read_journal(path: Path) -> None:
    journal = Journal(path.parent, {"model": "a"})
    journal.find({"layer": "/fc"})
    journal.keep({"layer": "/other"}, EFFECTS, {})
    journal.close(finished=True)


def _read_sidecar(path: Path) -> None:
    configured = configure(path.with_suffix(".onnx"), None, {})
    configured.values.to_settings(None)  # type: ignore[arg-type]  # any task


def _read_masks(path: Path) -> None:
    read_masks(path)
    with suppress(OnnxCausalError):
        apply(MODEL, path, path.parent / "masked.onnx", machine=Machine.of(limits="none"), force=True)


READERS: Mapping[str, tuple[str, Callable[[Path], object]]] = {
    "analysis": ("analysed/analysis.json", _read_page),
    "effects": ("analysed/effects.npz", _read_baseline),
    "baseline": ("analysed/analysis.json", _read_baseline),
    "evaluation": ("analysed/evaluation-fidelity.json", read_evaluation),
    "attributions": ("analysed/attributions.npz", read_maps),
    "masks": ("k.masks.json", _read_masks),
    "sidecar": ("model.toml", _read_sidecar),
    "project": ("pyproject.toml", lambda path: project_gates(path.parent)),
    "journal": (JOURNAL_FILE, _read_journal),
}
"""For each format, its honest file and what is done with a mutated one."""


def _examine(form: str, honest: Path, place: Path, rng: random.Random | None, findings: Findings) -> None:
    """Read one file of a format, mutated unless there is no generator; keep it where something else comes out."""
    name, read = READERS[form]
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(honest, place)
    path = place / name
    whole = path.read_bytes()
    if rng is not None:
        path.write_bytes(_changed(whole, rng) if path.suffix == ".json" else _text_or_bytes(whole, path, rng))
    try:
        with _no_longer_than(SECONDS):
            read(path)
    except OnnxCausalError as error:
        if rng is None:
            raise AssertionError(f"the honest file of {form} is refused: {error}") from error
    except Exception as error:  # noqa: BLE001  # any other error is what is looked for
        findings.keep(form, path, error)


def _text_or_bytes(whole: bytes, path: Path, rng: random.Random) -> bytes:
    """Return a file with bytes changed, or, of text, with a value exchanged."""
    if path.suffix != ".toml" or rng.randrange(3) == 0:
        return mutated(whole, rng)
    lines = whole.decode().splitlines()
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        key, sign, _ = lines[at].partition("=")
        if sign:
            lines[at] = f"{key}= {rng.choice(TOML_VALUES)}"
    return "\n".join(lines).encode()


TOML_VALUES = (
    "1e400", "-1", "0", "nan", "inf", "9" * 400, '""', '"x"', "[]", "[[]]", "true", "1979-05-27", "{}", "[1, 'a']",
    "[1000000000, 1000000000]", "[" * 50 + "]" * 50, '"\\u0000"', "-0.0", "1e-320", "[nan]", '"' + "x" * 100000 + '"',
)  # fmt: skip
VALUES = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**18, 10**400, -(10**18), 0.0, -0.0, 1e308, -1e308, 5e-324, "", "x",
    "\0", "\x1b[31m", "\u202e", "9" * 100, [], {}, [[]], [None], ["x"], {"": None}, [0] * 1000,
)  # fmt: skip


def _changed(whole: bytes, rng: random.Random) -> bytes:
    """Return JSON with some of its values changed, or, now and then, its text."""
    if rng.randrange(5) == 0:
        return mutated(whole, rng)
    held = json.loads(whole)
    for _ in range(rng.randint(1, 3)):
        _change(held, rng)
    text = json.dumps(held)
    match rng.randrange(30):
        case 0:
            text = text.replace("1", rng.choice(("NaN", "Infinity", "1e400", "9" * 5000)), 1)
        case 1:
            text = "[" * 10**5 + text
        case 2:
            text = text.replace('"format"', '"format": "x", "format"', 1)
        case 3:
            return text.encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))
        case _:
            pass
    return text.encode()


def _change(held: Any, rng: random.Random) -> None:
    """Change one value somewhere inside."""
    inside = held
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        if not keys:
            return
        key = rng.choice(keys)
        if not isinstance(inside[key], dict | list) or rng.randrange(4) == 0:
            break
        inside = inside[key]
    match rng.randrange(6):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, list):
            inside.insert(0, inside[key])
        case 2 if isinstance(inside, dict):
            inside[str(rng.choice(VALUES))] = inside[key]
        case 3 if isinstance(inside[key], int | float) and not isinstance(inside[key], bool):
            inside[key] = rng.choice((-inside[key], inside[key] + 1, inside[key] * 10**6, inside[key] * 0))
        case _:
            inside[key] = deepcopy(rng.choice(VALUES))  # later changes may go on inside


if __name__ == "__main__":
    sys.exit(main())
