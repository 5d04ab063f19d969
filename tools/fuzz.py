"""Open mutated models: whatever a file holds, only the project's own errors may come out.

python tools/fuzz.py [--seconds 60] [--seeds tests/seeds]      guided by coverage; needs atheris
python tools/fuzz.py --mutate FILE --count N [--seed 0]        bytes of one model changed at random

What a file makes the loader do runs in a process of its own, up to the layers; of ONNX Runtime, only ops on stored
tensors. Files that give another error, end the process or take too long are kept in the findings folder.
Exit code: 0 nothing found, 1 something found, 2 atheris is not installed.
"""

import argparse
import faulthandler
import hashlib
import importlib.util
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "onnxcausal"
MEBIBYTE = 2**20
LONGEST_INPUT = 2**16
"""Bytes of a file made by the guided mode."""
GRACE_SECONDS = 60
"""How much longer than asked a process may take: to start, and to end."""
RUNNING = "model.onnx"
"""The file that is being opened."""


def main() -> int:
    """Return the exit code."""
    settings = _settings()
    if settings.inside is not None:
        return _inside(settings)
    if settings.mutate is None and importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris, or use --mutate")
        return 2
    settings.findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ended = _supervise(settings, folder)
        running = folder / "run" / RUNNING
        if ended:
            _keep(folder, running.read_bytes() if running.exists() else b"", ended)
        found = sorted((folder / "found").iterdir())
        for path in found:
            shutil.copy(path, settings.findings)
    print(f"{len(found)} findings in {settings.findings}" if found else "nothing found")
    return 1 if found else 0


def _settings() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Open mutated models.")
    parser.add_argument("--seconds", type=int, default=60, help="how long the guided mode runs")
    parser.add_argument("--seeds", type=Path, default=ROOT / "tests" / "seeds", help="folder of files to start from")
    parser.add_argument("--mutate", type=Path, help="a model whose bytes are changed at random")
    parser.add_argument("--count", type=int, default=1000, help="how many files to make of it")
    parser.add_argument("--seed", type=int, default=1, help="of the generator")
    parser.add_argument("--timeout", type=int, default=10, help="seconds that one file may take")
    parser.add_argument("--memory", type=int, default=4096, help="MiB that the process may hold")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "onnxcausal-findings")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)  # the process that opens the files
    return parser.parse_args()


def _supervise(settings: argparse.Namespace, folder: Path) -> str:
    """Run the process that opens the files; return how it ended, empty where it came to its end."""
    for name in ("run", "corpus", "found"):
        (folder / name).mkdir()
    if settings.mutate is None:
        for seed in sorted(settings.seeds.glob("*.onnx")):
            shutil.copy(seed, folder / "corpus")
    command = [sys.executable, __file__, *sys.argv[1:], "--inside", str(folder)]
    limit = settings.seconds + GRACE_SECONDS if settings.mutate is None else None
    try:
        code = subprocess.run(command, check=False, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        return "did not end"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}" if code else ""


def _inside(settings: argparse.Namespace) -> int:
    """Open files until told to stop; findings are written as they come."""
    guided = settings.mutate is None
    if guided:
        import atheris  # noqa: PLC0415  # installed only where it is used
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")  # of what a file holds, thousands of times
    with atheris.instrument_imports(include=["onnxcausal"]) if guided else nullcontext():
        open_file = _opener()
    seen: set[str] = set()

    def examine(content: bytes) -> None:
        path = settings.inside / "run" / RUNNING
        path.write_bytes(content)
        place, why = open_file(path)
        if place and place not in seen:  # once for each place
            seen.add(place)
            _keep(settings.inside, content, f"{place}: {why}")

    if guided:
        options = {
            "seed": settings.seed,
            "max_total_time": settings.seconds,
            "timeout": settings.timeout,
            "rss_limit_mb": settings.memory,
            "max_len": LONGEST_INPUT,
            "artifact_prefix": f"{settings.inside}/",
            "print_final_stats": 1,
        }
        given = [f"-{name}={value}" for name, value in options.items()]
        atheris.Setup([__file__, *given, str(settings.inside / "corpus")], examine)
        atheris.Fuzz()
        return 0
    resource.setrlimit(resource.RLIMIT_AS, (settings.memory * MEBIBYTE,) * 2)
    rng = random.Random(settings.seed)  # noqa: S311  # the same files each time
    whole = settings.mutate.read_bytes()
    for _ in range(settings.count):
        with _no_longer_than(settings.timeout):
            examine(mutated(whole, rng))
    return 0


def _opener() -> Callable[[Path], tuple[str, str]]:
    """Return what opens a file as far as its layers and returns where and why it went wrong, empty where not."""
    from onnxcausal.errors import OnnxCausalError  # noqa: PLC0415  # imported where it is instrumented
    from onnxcausal.onnxgraph.file.model import damage_told, load_model  # noqa: PLC0415
    from onnxcausal.onnxgraph.flow.layers import find_layers  # noqa: PLC0415
    from onnxcausal.onnxgraph.graph.index import index_graph  # noqa: PLC0415
    from onnxcausal.onnxgraph.network.feeds import with_one_input  # noqa: PLC0415
    from onnxcausal.onnxgraph.network.network import WHOLE_MODEL, cut_model  # noqa: PLC0415
    from onnxcausal.pipeline.preparing.metadata_names import names_in_metadata  # noqa: PLC0415

    def open_file(path: Path) -> tuple[str, str]:
        try:
            model = load_model(path)
            names_in_metadata(model.metadata)
            cut = cut_model(model)
            with damage_told(model.name):
                find_layers(index_graph(cut.proto, model.opset))
                with_one_input(cut.proto, model.name, WHOLE_MODEL)
        except OnnxCausalError:
            return "", ""
        except Exception as error:  # noqa: BLE001  # any other error is what is looked for
            return _place(error)
        return "", ""

    return open_file


def _place(error: Exception) -> tuple[str, str]:
    """Return an error's type and where in the package it arose, and what it says."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(frame.filename).parents]
    inner = frames[-1] if frames else None
    where = f"{Path(inner.filename).relative_to(ROOT)}:{inner.lineno}" if inner else "outside the package"
    return f"{type(error).__name__} at {where}", repr((str(error).splitlines() or [""])[0][:200])


def _keep(folder: Path, content: bytes, why: str) -> None:
    """Keep a file that was found, and say why."""
    digest = hashlib.sha256(content).hexdigest()
    (folder / "found" / f"{digest[:16]}.onnx").write_bytes(content)
    print(f"finding {digest[:16]}, {len(content)} bytes: {why}", flush=True)


@contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what takes longer; end the process where it does not return to Python."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeoutError(f"took longer than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    try:
        yield
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()


def mutated(whole: bytes, rng: random.Random) -> bytes:
    """Return bytes changed in one to eight places: flipped, set, deleted, doubled, or moved."""
    data = bytearray(whole)
    for _ in range(rng.randint(1, 8)):
        if not data:
            break
        start = rng.randrange(len(data))
        if rng.randrange(2):  # near the start, where most files have their graph
            start = rng.randrange(min(len(data), 4096))
        stop = min(len(data), start + rng.choice((1, 1, 2, 4, 16, 64, 1024)))
        match rng.choice(("flip", "set", "delete", "double", "splice")):
            case "flip":
                data[start] ^= 1 << rng.randrange(8)
            case "set":
                data[start] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case "delete":
                del data[start:stop]
            case "double":
                data[stop:stop] = data[start:stop]
            case _:
                place = rng.randrange(len(data))
                data[place : place + stop - start] = data[start:stop]
    return bytes(data)


if __name__ == "__main__":
    sys.exit(main())
