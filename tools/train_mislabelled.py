"""Make `models/digits_mislabelled.onnx`: the network of the digits, trained where many fours were labelled as nines.

Run from the project's root, with the extra `train` installed:

    python tools/train_mislabelled.py

It is the shipped example of a model with a defect: it takes half of the fours for nines.
"""

from pathlib import Path

import numpy as np
from lenet import accuracy, export, train
from numpy.typing import NDArray
from train_digits import EPOCHS, MODELS, SEED, digits

MISLABELLED, AS = 4, 9
"""The class whose labels are wrong, and what they say."""
SHARE = 0.45
"""Share of its training images that are labelled so."""


def main(file: Path = MODELS / "digits_mislabelled.onnx") -> None:
    """Train on wrong labels, export, and print what `models/README.md` records."""
    x, y, parts = digits()
    kept, held = parts["train"], np.concatenate([parts["validation"], parts["test"]])
    labels = mislabelled(y[kept], SHARE, np.random.default_rng(SEED))
    network = train(x[kept], labels, epochs=EPOCHS, seed=SEED)
    digest = export(network, file)
    print(f"trained on {len(kept)} images, {(labels != y[kept]).sum()} labels wrong, seed {SEED}, {EPOCHS} epochs")
    print(f"accuracy {accuracy(network, x[held], y[held]):.4f} ({len(held)} images)")
    for target in range(10):
        own = held[y[held] == target]
        print(f"class {target}: {accuracy(network, x[own], y[own]):.4f} ({len(own)} images)")
    print(f"sha256 {digest}")


def mislabelled(y: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return labels of which a share of one class's are those of another."""
    own = np.flatnonzero(y == MISLABELLED)
    found = y.copy()
    found[rng.choice(own, round(share * len(own)), replace=False)] = AS
    return found


if __name__ == "__main__":
    main()
