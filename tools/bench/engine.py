"""Measure the suffix engine against the other ways to intervene; ratios are of one process.

    python tools/bench/engine.py lenet MNIST_IMAGES.gz
    python tools/bench/engine.py resnet20 RESNET20.onnx CIFAR_FOLDER
    python tools/bench/engine.py squeezenet SQUEEZENET.onnx IMAGE_FOLDER
    python tools/bench/engine.py mobilenetv2 MOBILENETV2.onnx IMAGE_FOLDER
    python tools/bench/engine.py resnet18 IMAGE_FOLDER

Each writes its column to engine.json, and engine.md anew, beside this file; resnet20 draws engine.png. Where CUDA runs
all ways are on the device, and the files are called engine-cuda. Needs the `train` extra (PyTorch) and a machine with
nothing else to do. An intervention is on one node, on all samples.
Ways that take long are timed on seeded nodes of every layer, and their time weighted by the layer's nodes.
"""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from cases import MODELS, SAMPLES, SEED, Case, imagenet, lenet, resnet18, resnet20
from matplotlib.figure import Figure
from numpy.typing import NDArray
from page import page, stem
from rivals import InTorch, hooked_way, published_way, session_way

from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.outcome import outcome_of
from onnxcausal.causal.significance import Role
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.engine.reference import ReferenceEngine
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.runner.memory import Memory, resident_memory
from onnxcausal.pipeline.inferring.checkpoint import Checkpoint
from onnxcausal.pipeline.inferring.measure import Bench, measure
from onnxcausal.pipeline.progress import Silent

HERE = Path(__file__).parent
SLOW = ("published", "session", "reference", "hooks")
ADAPTIVE_NODES = 32
"""Nodes of a layer of a large network that adaptive runs are timed on: a strong node is one among many."""
EACH = 8 * 2**30
"""Memory bound of each of two engines that take turns, in bytes."""
BOUND = 2 * 2**30
"""Memory bound of the ResNet-18 at 224, in bytes."""


@dataclass
class Clocked:
    """An engine and the seconds spent in it; statistics on the effects are not counted, for any way."""

    engine: Any
    seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        """Time the engine's methods."""
        found = getattr(self.engine, name)

        def clocked(*given: Any, **settings: Any) -> Any:
            start = time.perf_counter()
            result = found(*given, **settings)
            self.seconds += time.perf_counter() - start
            return result

        return clocked if callable(found) else found


def timed(work: Callable[[], object]) -> float:
    """Return the seconds something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@dataclass
class Spent:
    """What an analysis ran, summed over nodes.

    Attributes:
        samples: samples that were run.
        work: multiply-adds of their suffixes.
    """

    samples: float = 0.0
    work: float = 0.0

    def add(self, samples: int, work: int) -> None:
        """Count samples on a layer, of which each takes some work."""
        self.samples += samples
        self.work += samples * work


def infer(case: Case, engine: Any, target: int, settings: Settings, spent: Spent) -> list[PathProbe]:
    """Walk up one class; return its probes, and count what was run."""
    outcome = partial(outcome_of, target=target)
    x, flow = case.samples[target], case.wiring.flow
    bench = Bench(engine, x, outcome, engine.observe(x, outcome), Checkpoint(), Silent())
    necessary: dict[str, NDArray[np.int64]] = {}
    probes = []
    for layer in reversed(flow.layers):
        targets = flow.targets(layer, necessary, np.array([target])).children
        if len(targets):
            probes.append(PathProbe(layer, flow.nodes[layer.name], targets))
            found = measure(probes[-1], bench, settings)
            necessary[layer.name] = found.verdicts.having(Role.NECESSARY)
            spent.add(int(found.effects.used.sum()), engine.cost(probes[-1]).work)
    return probes


def opened(case: Case) -> Clocked:
    """Return an engine, its opening counted."""
    start = time.perf_counter()
    clocked = Clocked(SuffixEngine(case.network, case.wiring))
    clocked.seconds = time.perf_counter() - start
    return clocked


class SlowWays:
    """The other ways on one network; each gives the same scores, which is checked."""

    def __init__(self, case: Case, few: int, batch: int) -> None:
        """Take samples for the published way, linear in them by construction, and the batch of the others."""
        self.case, self.few, self.batch = case, few, batch
        self.model = InTorch(case.network, case.wiring)
        self.reference = ReferenceEngine(case.network, case.wiring)

    def seconds(self, probe: PathProbe, node: int, target: int) -> dict[str, float]:
        """Return how long one intervention takes each way."""
        x = self.case.samples[target]
        tensor = torch.tensor(np.asarray(x, np.float32))
        few, one = min(self.few, len(x)), probe.of(np.array([node]))
        found: dict[str, NDArray[np.floating]] = {}
        taken = {}
        for way, work in (
            ("published", lambda: published_way(self.model, probe, node, tensor[:few])),
            ("session", lambda: session_way(self.case.network, probe, node, x, self.batch)),
            ("hooks", lambda: hooked_way(self.model, probe, node, tensor, self.batch)),
        ):
            start = time.perf_counter()
            found[way] = work()[:few]
            taken[way] = time.perf_counter() - start
        for way, scores in found.items():
            difference = np.abs(scores - found["session"]).max() / np.abs(scores).max()
            assert difference < 1e-3, (way, probe.layer.name, difference)  # noqa: PLR2004  # the same effects
        taken["published"] *= len(x) / few
        # A call runs the null intervention beside the one asked for.
        taken["reference"] = timed(lambda: self.reference.effects(one, x, partial(outcome_of, target=target))) / 2
        return taken


def compare(case: Case, *, few: int, per_layer: int) -> tuple[dict[str, float], str]:
    """Return the ratios on a network whose analysis is run whole, and a line about it.

    The ways take turns, class by class, so that a machine that grows faster or slower does so for all of them.
    """
    print(f"{case.name} ...", file=sys.stderr)
    classes = range(len(case.samples))
    infer(case, opened(case), 0, Settings(adaptive=True), Spent())  # warms up, as the other ways are when timed
    slow = SlowWays(case, few, batch=32)
    engines, spent = {way: opened(case) for way in (False, True)}, {way: Spent() for way in (False, True)}
    rng = np.random.default_rng(SEED)
    timed_nodes: dict[str, list[dict[str, float]]] = {}
    nodes: dict[str, int] = {}
    for target in classes:
        probes, _ = (infer(case, engines[way], target, Settings(adaptive=way), spent[way]) for way in engines)
        for probe in probes:
            name = probe.layer.name
            number = [layer.name for layer in case.wiring.flow.layers].index(name)
            nodes[name] = nodes.get(name, 0) + len(probe.nodes)
            if (number + target) % (len(classes) // per_layer) == 0:
                node = int(rng.integers(len(probe.nodes)))
                timed_nodes.setdefault(name, []).append(slow.seconds(probe, node, target))
    seconds = {
        way: sum(nodes[name] * float(np.mean([taken[way] for taken in found])) for name, found in timed_nodes.items())
        for way in SLOW
    }
    assert timed_nodes.keys() == nodes.keys()
    full, part, count = spent[False], spent[True], sum(nodes.values())
    fast, fewer = engines[False].seconds, engines[True].seconds
    line = (
        f"{case.name}: {len(classes)} classes, up to {SAMPLES} samples each, {count:,} interventions; suffix "
        f"{fast:.2f} s = {count / fast:,.0f} a second, adaptive {fewer:.2f} s on "
        f"{part.samples / full.samples:.0%} of the samples, {part.work / full.work:.0%} of the work, "
        f"reference {seconds['reference']:.1f} s (other ways: a seeded node of a layer in {per_layer} classes)"
    )
    ratios = {way: taken / fast for way, taken in seconds.items()} | {"adaptive": seconds["reference"] / fewer}
    print(line, ratios, file=sys.stderr)
    return ratios, line


def compare_sampled(case: Case, *, nodes: int, every: int) -> tuple[dict[str, float], str]:
    """Return the ratios on a large network from seeded nodes of its layers, every child a target, and a line."""
    print(f"{case.name} ...", file=sys.stderr)
    rng = np.random.default_rng(SEED)
    x, outcome, flow = case.samples[0], partial(outcome_of, target=0), case.wiring.flow
    slow = SlowWays(case, few=1, batch=4)
    engine = SuffixEngine(case.network, case.wiring)
    fast, spent, counted, inside = timed(lambda: engine.observe(x, outcome)), 0.0, 0.0, inside_runtime()
    seconds = dict.fromkeys(SLOW, 0.0)
    for number, layer in enumerate(flow.layers):
        probe = PathProbe(layer, flow.nodes[layer.name], np.arange(layer.children))
        chosen = np.sort(rng.permutation(len(probe.nodes))[:nodes])
        # The first call also opens the session and runs the null intervention; both are counted once.
        opening = timed(lambda: engine.effects(probe.of(chosen), x, outcome))  # noqa: B023
        before = inside()
        again = timed(lambda: engine.effects(probe.of(chosen), x, outcome))  # noqa: B023
        counted += inside() - before
        spent += again
        fast += opening + again * (len(probe.nodes) / len(chosen) - 1)
        if number % every == 0:
            for way, taken in slow.seconds(probe, int(chosen[0]), 0).items():
                seconds[way] += taken
    share = counted / spent
    count = sum(len(found) for found in flow.nodes.values())
    ratios = {way: taken * count / len(flow.layers[::every]) / fast for way, taken in seconds.items()}
    line = (
        f"{case.name}: {len(x)} images, {count:,} nodes; {nodes} seeded nodes of each layer timed (other ways: one of "
        f"every {every}th layer, they cost the same on each); {share:.0%} of an open "
        f"layer's time inside ONNX Runtime"
    )
    print(line, ratios, file=sys.stderr)
    return ratios, line


def inside_runtime() -> Callable[[], float]:
    """Start counting the seconds spent inside ONNX Runtime; call the result for their sum."""
    total = [0.0]
    for name in ("run", "run_with_iobinding"):
        real = getattr(ort.InferenceSession, name)

        def counted(*given: Any, real: Callable[..., Any] = real, **settings: Any) -> Any:
            start = time.perf_counter()
            result = real(*given, **settings)
            total[0] += time.perf_counter() - start
            return result

        setattr(ort.InferenceSession, name, counted)
    return lambda: total[0]


def floor(case: Case) -> str:
    """Return how far one class's run is from what its multiply-adds alone would take, as a row of the table."""
    engine = SuffixEngine(case.network, case.wiring)
    clocked, x = Clocked(engine), case.samples[0]
    probes = infer(case, clocked, 0, Settings(), Spent())
    passes = sum(len(probe) * engine.cost(probe).work for probe in probes) / case.wiring.work
    plain = min(timed(lambda: case.network.scores(x)) for _ in range(5))
    square = np.random.default_rng(SEED).normal(size=(1024, 1024)).astype(np.float32)
    rate = 1024**3 / min(timed(lambda: square @ square) for _ in range(5))
    work = passes * case.wiring.work * len(x)
    return (
        f"| {case.name} | {passes:.1f} | {clocked.seconds:.3f} s | {clocked.seconds / (passes * plain):.2f} | "
        f"{clocked.seconds / (work / rate):.1f} | {plain / (case.wiring.work * len(x) / rate):.1f} |"
    )


def linearity(case: Case) -> None:
    """Draw the cost against the number of nodes, samples and classes."""
    layer = case.wiring.flow.layers[len(case.wiring.flow.layers) // 2]
    probe = PathProbe(layer, case.wiring.flow.nodes[layer.name], np.arange(layer.children))
    outcome = partial(outcome_of, target=0)
    engine = SuffixEngine(case.network, case.wiring)
    engine.effects(probe.of(np.arange(1)), case.samples[0], outcome)  # opens the session

    def seconds(nodes: int, samples: int, classes: int) -> float:
        def work() -> None:
            for part in itertools.islice(itertools.cycle(case.samples), classes):
                engine.effects(probe.of(np.arange(nodes)), np.array(part[:samples]), outcome)

        return min(timed(work) for _ in range(3))

    numbers = {"nodes": range(4, 33, 4), "samples": range(12, 97, 12), "classes": range(1, 9)}
    usual = {"nodes": 8, "samples": 48, "classes": 1}
    figure = Figure(figsize=(9, 2.8), dpi=110)
    for axis, (name, at) in zip(figure.subplots(1, 3), numbers.items(), strict=True):
        found = [seconds(**(usual | {name: number})) for number in at]
        slope, start = np.polyfit(at, found, 1)
        axis.plot(at, found, "o", color="#c0392b")
        axis.plot([0, max(at)], [start, start + slope * max(at)], color="#555555", lw=1)
        axis.set(xlabel=name, xlim=(0, None), ylim=(0, None))
        axis.set_ylabel("seconds" if name == "nodes" else "")
    figure.suptitle(f"{case.name}, layer {layer.name}", fontsize=9)
    figure.tight_layout()
    figure.savefig(HERE / f"{stem(case.network.plain.providers[0])}.png")


def peak(images: Path) -> str:
    """Return the peak memory of this process after interventions on every layer of a ResNet-18 at 224."""
    case = resnet18(images, 24)
    before = resident_memory()
    engine = SuffixEngine(case.network, case.wiring, memory=Memory.of(BOUND))
    x, outcome = case.samples[0], partial(outcome_of, target=0)
    for layer in case.wiring.flow.layers:
        probe = PathProbe(layer, case.wiring.flow.nodes[layer.name], np.arange(layer.children))
        engine.effects(probe.of(np.arange(2)), x, outcome)
    # The kernel's high-water mark of this process; that of getrusage includes its parent.
    highest = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    weights = sum(len(tensor.raw_data) for tensor in case.network.proto.graph.initializer)
    return (
        f"{case.name}, {len(x)} images, every layer, bound {BOUND / 2**30:.1f} GiB: peak resident memory "
        f"{highest / 2**30:.2f} GiB ({before / 2**30:.2f} GiB before the engine, weights {weights / 2**30:.2f} GiB)"
    )


def adaptive_share(case: Case, *, nodes: int, every: int) -> tuple[float, Spent]:
    """Return the time of adaptive runs, and what they ran, over full ones, on seeded nodes of some layers.

    Each way has an engine, whose sessions are counted.
    """
    rng = np.random.default_rng(SEED)
    x, outcome, flow = case.samples[0], partial(outcome_of, target=0), case.wiring.flow
    engines = {way: SuffixEngine(case.network, case.wiring, memory=Memory.of(EACH)) for way in (True, False)}
    benches = {
        way: Bench(one, x, outcome, one.observe(x, outcome), Checkpoint(), Silent()) for way, one in engines.items()
    }
    seconds, spent = dict.fromkeys(engines, 0.0), {way: Spent() for way in engines}
    for layer in flow.layers[::every]:
        probe = PathProbe(layer, flow.nodes[layer.name], np.arange(layer.children))
        some = probe.of(np.sort(rng.permutation(len(probe.nodes))[:nodes]))
        for way, bench in benches.items():
            start = time.perf_counter()
            measured = measure(some, bench, Settings(adaptive=way))
            seconds[way] += time.perf_counter() - start
            spent[way].add(int(measured.effects.used.sum()), bench.engine.cost(probe).work)
    part, full = spent[True], spent[False]
    return seconds[True] / seconds[False], Spent(part.samples / full.samples, part.work / full.work)


def small(case: Case, few: int, per_layer: int) -> dict[str, Any]:
    """Return what is reported of a network whose analysis is run whole."""
    row = floor(case)
    ratios, line = compare(case, few=few, per_layer=per_layer)
    return {"ratios": ratios, "lines": [line], "floor": row}


def large(case: Case, more: Case) -> dict[str, Any]:
    """Return what is reported of a large network; `more` holds the images of the adaptive runs."""
    ratios, line = compare_sampled(case, nodes=3, every=5)
    share, part = adaptive_share(more, nodes=ADAPTIVE_NODES, every=4)
    ratios["adaptive"] = ratios["reference"] / share
    told = (
        f"{case.name}, adaptive: {len(more.samples[0])} images, {ADAPTIVE_NODES} seeded nodes of every 4th layer: "
        f"{share:.0%} of a full run's time, {part.samples:.0%} of its samples, {part.work:.0%} of its work"
    )
    return {"ratios": ratios, "lines": [line, told], "floor": ""}


def measured_case(name: str, paths: list[Path]) -> tuple[str, dict[str, Any]]:
    """Return the title of a case and what is reported of it."""
    match name, paths:
        case "lenet", [images]:
            case = lenet(images)
            return case.name, small(case, 20, 10)
        case "resnet20", [model, images]:
            case = resnet20(model, images)
            linearity(case)
            return case.name, small(case, 4, 2)
        case (("squeezenet" | "mobilenetv2"), [model, images]):
            title = {"squeezenet": "SqueezeNet", "mobilenetv2": "MobileNetV2"}[name]
            return title, large(imagenet(title, model, images, 8), imagenet(title, model, images, SAMPLES))
        case "resnet18", [images]:
            case = resnet18(images, 8)
            found = large(case, resnet18(images, SAMPLES))
            command = [sys.executable, __file__, "peak", str(images)]
            told = subprocess.run(command, check=True, capture_output=True, text=True)
            found["lines"].append(told.stdout.strip())
            return case.name, found
    raise SystemExit(__doc__)


def providers_here() -> tuple[str, ...]:
    """Return the execution providers of sessions on this machine."""
    return open_network(load_model(MODELS / "mnist_lenet.onnx")).plain.providers


def main(name: str, paths: list[Path]) -> None:
    """Measure one case, and write all that were measured."""
    if name == "peak":
        print(peak(paths[0]))
        return
    title, told = measured_case(name, paths)
    provider = providers_here()[0]
    held = HERE / f"{stem(provider)}.json"
    found = json.loads(held.read_text()) if held.exists() else {}
    found[title] = told
    held.write_text(json.dumps(found, indent=1) + "\n")
    held.with_suffix(".md").write_text(page(found, provider))


if __name__ == "__main__":
    main(sys.argv[1], [Path(argument) for argument in sys.argv[2:]])
