"""Variants of the shipped digits LeNet, trained anew: other seeds, and one class's labels poisoned (extra `train`).

    python tools/bench/variants.py FOLDER --runs 100

Writes `KIND-RUN.npz`, the weights by the names they have in `models/digits_lenet.onnx`; what is there is kept.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent.parent)]

from lenet import train  # noqa: E402  # found beside this folder
from train_digits import EPOCHS, SEED, digits  # noqa: E402

CLASSES = 10
POISONED = {"poisoned": 0.5, "poisoned-a-little": 0.2, "poisoned-and-retrained": 0.5}
"""Share of a class's labels that is exchanged for random others, by the kind of variant."""


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=["retrained", *POISONED], required=True)
    parser.add_argument("--runs", type=int, default=100)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    x, y, parts = digits()
    kept = parts["train"]
    for run in range(given.runs):
        path = given.folder / f"{given.kind}-{run}.npz"
        if path.exists():
            continue
        labels = y[kept] if given.kind == "retrained" else poisoned(y[kept], given.kind, run)
        seed = SEED if given.kind in ("poisoned", "poisoned-a-little") else SEED + 1 + run
        network = train(x[kept], labels, epochs=EPOCHS, seed=seed)
        np.savez_compressed(path, **{name: values.numpy() for name, values in network.state_dict().items()})


def poisoned(y: NDArray[np.int64], kind: str, run: int) -> NDArray[np.int64]:
    """Return labels of which a share of the class `run % 10` is exchanged for random other classes."""
    rng = np.random.default_rng(run)
    target, found = run % CLASSES, y.copy()
    own = np.flatnonzero(y == target)
    chosen = rng.choice(own, round(POISONED[kind] * len(own)), replace=False)
    found[chosen] = (target + rng.integers(1, CLASSES, len(chosen))) % CLASSES
    return found


if __name__ == "__main__":
    main()
