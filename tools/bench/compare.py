"""Whether `compare` tells a model from its variants, and never from itself: 100 runs of each.

    python tools/bench/variants.py FOLDER --kind retrained      # and poisoned, poisoned-and-retrained
    python tools/bench/compare.py FOLDER

Each run analyses the shipped digits LeNet with one seed and another model with the next seed, so that the samples
differ too. Writes compare.md. The rows of MNIST need the data beside the project (tests/support/assets.py).
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import onnxcausal  # noqa: E402  # found beside this folder
from onnxcausal.analysis.comparing.comparison import ComparisonFile  # noqa: E402
from onnxcausal.analysis.comparing.contrast import MARGIN, Criterion, contrast  # noqa: E402
from onnxcausal.analysis.comparing.snapshot import Snapshot, snapshot_of  # noqa: E402
from onnxcausal.pipeline.preparing.machine import Machine  # noqa: E402
from tests.support import assets  # noqa: E402

FILE = Path(__file__).with_name("compare.md")
DIGITS, MNIST = (ROOT / "models" / f"{name}_lenet.onnx" for name in ("digits", "mnist"))
OF_DIGITS, OF_MNIST = 50, 100
"""Samples a class, of about 105 and about 980 that are classified correctly."""
CLASSES = 10
RUNS = 100
FIRST = 3
"""A class is among the first where it is one of so many."""
Array = NDArray[np.float32]
Weights = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Row:
    """What came of the runs of one kind: of how many the models differ, and where the changed class stands."""

    title: str
    runs: int
    differ: int
    places: tuple[int, ...]

    def __str__(self) -> str:
        """Return a line of the table."""
        first = sum(place == 0 for place in self.places)
        among = sum(place < FIRST for place in self.places)
        named = f"{first} | {among}" if self.places else " | "
        return f"| {self.title} | {self.runs} | {self.differ} | {named} |"


def main() -> None:
    """Print and write a row for each kind of variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the variants are")
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as place:
        for row in rows(given.folder, Path(place), given.runs):
            print(row, flush=True)
            lines.append(str(row))
    machine = (
        f"{platform.machine()}, Python {platform.python_version()}, onnxcausal {onnxcausal.__version__}, "
        f"ONNX Runtime {onnxruntime.__version__}, numpy {np.__version__}"
    )
    FILE.write_text(HEAD + "\n".join(lines) + TAIL + machine + "\n")


def rows(folder: Path, place: Path, runs: int) -> Iterator[Row]:
    """Yield the row of each kind."""
    same = renamed(DIGITS, place)
    strict = Criterion(alpha=0.05, margin=0.0)
    again = cache(lambda run: digits(same, 2 * run + 1))
    yield row("the same, in another file", runs, lambda run: (old(run), again(run)))
    yield row("the same, averages alone", runs, lambda run: averages(old(run), again(run)))
    yield row(
        "the same, averages alone, level 0.05, no margin",
        runs,
        lambda run: averages(old(run), again(run)),
        criterion=strict,
    )
    if assets.MNIST.exists():
        other = renamed(MNIST, place)
        yield row("the same, MNIST", runs, lambda run: (mnist(MNIST, 2 * run), mnist(other, 2 * run + 1)))
        yield row(
            "the same, MNIST, level 0.05, no margin",
            runs,
            lambda run: (mnist(MNIST, 2 * run), mnist(other, 2 * run + 1)),
            criterion=strict,
        )

    yield row("one weight to one class set to 0", runs, lambda run: tampered(run, place), changed=True)

    for title, change in (("weights rounded to 8 bits", rounded), ("5 % of noise on all weights", noisy)):
        yield row(title, runs, lambda run, change=change: edited(run, change, 2 * run + 1, place))
        yield row(f"{title}, the same images", runs, lambda run, change=change: edited(run, change, 2 * run, place))

    def variant(kind: str) -> Callable[[int], tuple[Snapshot, Snapshot]]:
        def sides(run: int) -> tuple[Snapshot, Snapshot]:
            with np.load(folder / f"{kind}-{run}.npz") as weights:
                path = written(dict(weights), place / f"{kind}.onnx")
            return old(run), digits(path, 2 * run + 1)

        return sides

    for kind, title in (
        ("poisoned", "half the labels of one class poisoned"),
        ("poisoned-a-little", "a fifth of the labels of one class poisoned"),
        ("retrained", "trained with another seed"),
        ("poisoned-and-retrained", "half the labels of one class poisoned, and another seed"),
    ):
        if count := held(folder, kind, runs):
            yield row(title, count, variant(kind), changed=kind != "retrained")


def row(
    title: str,
    runs: int,
    sides: Callable[[int], tuple[Snapshot, Snapshot]],
    *,
    criterion: Criterion | None = None,
    changed: bool = False,
) -> Row:
    """Return what came of runs; `changed`: run `r` changed class `r % 10`."""
    differ, places = 0, []
    for run in range(runs):
        found = contrast(*sides(run), criterion or Criterion())
        assert not found.same_model, "the hash would decide, not the numbers"
        differ += found.differs
        if changed:
            places.append(place_of(found, run % CLASSES))
    return Row(title, runs, differ, tuple(places))


def place_of(found: ComparisonFile, target: int) -> int:
    """Return at which place a class stands among those that changed; past all of them where it did not."""
    order = [change.target for change in found.classes if change.beyond_sampling]
    return order.index(target) if target in order else CLASSES


@cache
def old(run: int) -> Snapshot:
    """Return an analysis of the shipped model."""
    return digits(DIGITS, 2 * run)


def digits(path: Path, seed: int) -> Snapshot:
    """Return an analysis on the shipped digits."""
    return snapshot_of(
        onnxcausal.analyze(
            path, of_digits(), config=config(), samples=OF_DIGITS, seed=seed, machine=Machine.of(limits="none")
        ),
        path.name,
    )


@cache
def of_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the shipped digits."""
    with np.load(DIGITS.with_name("digits.npz")) as data:
        return data["x"], data["y"].astype(np.int64)


def config() -> Path:
    """Return the sidecar of the shipped model, which names the preprocessing."""
    return DIGITS.with_suffix(".toml")


@cache
def mnist(path: Path, seed: int) -> Snapshot:
    """Return an analysis on the MNIST test images."""
    images, labels = assets.mnist()
    data = (images, labels.astype(np.int64))
    sidecar = MNIST.with_suffix(".toml")
    return snapshot_of(
        onnxcausal.analyze(path, data, config=sidecar, samples=OF_MNIST, seed=seed, machine=Machine.of(limits="none")),
        path.name,
    )


def averages(*sides: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Return analyses without the effect on every sample, as a baseline in one file has them."""
    first, second = (side.without_effects() for side in sides)
    return first, second


def renamed(path: Path, place: Path) -> Path:
    """Write a model again with a remark, so that its hash is another."""
    model = onnx.load(path)
    model.doc_string = "the same function"
    copy = place / f"same-{path.name}"
    onnx.save(model, copy)
    return copy


def tampered(run: int, place: Path) -> tuple[Snapshot, Snapshot]:
    """Set the weight from the strongest node of the last layer to one class to 0."""
    target = run % CLASSES
    graph = old(run).graph(target)
    assert graph is not None
    node = min(graph.layers[0].nodes, key=lambda held: held.ate or 0.0).index
    weight = weights_of(DIGITS)["fc3.weight"].copy()
    weight[target, node] = 0
    path = written({"fc3.weight": weight}, place / "tampered.onnx")
    return old(run), digits(path, 2 * run + 1)


def edited(run: int, change: Callable[[Array, int], Array], seed: int, place: Path) -> tuple[Snapshot, Snapshot]:
    """Change all weights of the shipped model."""
    weights = {name: change(held, run) for name, held in weights_of(DIGITS).items() if name.endswith(".weight")}
    return old(run), digits(written(weights, place / "edited.onnx"), seed)


def rounded(weight: Array, _: int) -> Array:
    """Return a tensor rounded to 255 steps between its largest values of either sign."""
    step = np.abs(weight).max() / 127
    return (np.round(weight / step) * step).astype(np.float32)


def noisy(weight: Array, run: int) -> Array:
    """Return a tensor with normal noise, of 5 % of its spread."""
    noise = np.random.default_rng(run).normal(0, 0.05 * weight.std(), weight.shape)
    return (weight + noise).astype(np.float32)


def weights_of(path: Path) -> Weights:
    """Return the stored tensors of a model."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def written(weights: Weights, path: Path) -> Path:
    """Write the shipped model with other weights."""
    model = onnx.load(DIGITS)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    onnx.save(model, path)
    return path


def held(folder: Path, kind: str, runs: int) -> int:
    """Return how many variants of a kind are there, up to the runs asked for."""
    return next((run for run in range(runs) if not (folder / f"{kind}-{run}.npz").exists()), runs)


HEAD = f"""# Telling models apart

`onnxcausal compare` of LeNet-5 on the shipped digits with a variant of it. The two are analysed with different seeds,
on {OF_DIGITS} of about 105 images a class (MNIST: {OF_MNIST} of about 980); level 0.01 and margin {MARGIN} unless said.
The same function stands in a file of another hash, so that the numbers decide. Poisoned: in training, that share of the
labels of class `run % 10` are random others; the seed is the shipped model's unless said. The last two columns: how
often the class that was changed is the first of those that differ, and one of the first three. Written by
`tools/bench/compare.py`.

| the other model | runs | differs | class first | among three |
|---|---|---|---|---|
"""
TAIL = """

Nothing of the first five rows may differ: at level 0.05 without a margin up to 5 of 100 would be as promised. Fewer do,
because p-values are held by Holm's method, whatever their dependence, and because images that two draws share count as
independent. Two draws of the digits share half of their images, and where it is more than half, differences are those
on shared images, exactly 0 for the same function; the draws of MNIST share a tenth. Weights rounded to 8 bits shift the
mean outcome of some class by 0.03 standard deviations: more than the margin, and less than 0.05.

"""

if __name__ == "__main__":
    main()
