"""Make `models/digits_lenet.onnx` and `models/digits.npz` from scikit-learn's handwritten digits.

Run from the project's root, with the extra `train` installed:

    python tools/train_digits.py
"""

from pathlib import Path

import numpy as np
from lenet import accuracy, export, train
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from onnxcausal.samples.resize import resize

MODELS = Path(__file__).parent.parent / "models"
HELD_BACK = 0.6
"""Share of the images kept from training: so many that every class has 100 to analyse."""
EPOCHS = 60
SEED = 0
SIDE = 32


def main() -> None:
    """Split, train, export, and print what `models/README.md` records."""
    x, y, parts = digits()
    kept, validation, test = (parts[part] for part in ("train", "validation", "test"))
    network = train(x[kept], y[kept], epochs=EPOCHS, seed=SEED)
    digest = export(network, MODELS / "digits_lenet.onnx")
    order = np.concatenate([validation, test])
    part = np.repeat(["validation", "test"], [len(validation), len(test)])
    np.savez_compressed(MODELS / "digits.npz", x=x[order], y=y[order].astype(np.uint8), part=part, source_index=order)
    print(f"trained on {len(kept)} images, seed {SEED}, {EPOCHS} epochs")
    print(f"validation accuracy {accuracy(network, x[validation], y[validation]):.4f} ({len(validation)} images)")
    print(f"test accuracy {accuracy(network, x[test], y[test]):.4f} ({len(test)} images)")
    print(f"sha256 {digest}")


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Return all images, their labels, and which of them are in which part."""
    held = load_digits()
    levels = np.rint(held.images * 255 / 16).astype(np.uint8)
    x = np.stack([resize(image[:, :, None], SIDE, SIDE)[:, :, 0] for image in levels])
    y = held.target.astype(np.int64)
    kept, back = train_test_split(np.arange(len(x)), test_size=HELD_BACK, random_state=SEED, stratify=y)
    validation, test = train_test_split(back, test_size=0.5, random_state=SEED, stratify=y[back])
    return x, y, {"train": kept, "validation": validation, "test": test}


if __name__ == "__main__":
    main()
