"""Make `models/mnist_lenet.onnx` from the MNIST training set, whose images are not part of the project.

Run from the project's root, with the extra `train` installed:

    python tools/train_mnist.py FOLDER

FOLDER holds `train-images-idx3-ubyte.gz`, `t10k-images-idx3-ubyte.gz` and their labels.
"""

import sys
from pathlib import Path

import numpy as np
from lenet import accuracy, export, train
from numpy.typing import NDArray

from onnxcausal.samples.arrays import read_idx_pair
from onnxcausal.samples.resize import resize

MODELS = Path(__file__).parent.parent / "models"
EPOCHS = 12
SEED = 0
SIDE = 32


def main(folder: Path) -> None:
    """Train on all training images, export, and print what `models/README.md` records."""
    x, y = images(folder / "train-images-idx3-ubyte.gz")
    network = train(x, y, epochs=EPOCHS, seed=SEED)
    digest = export(network, MODELS / "mnist_lenet.onnx")
    print(f"trained on {len(x)} images, seed {SEED}, {EPOCHS} epochs")
    x, y = images(folder / "t10k-images-idx3-ubyte.gz")
    print(f"test accuracy {accuracy(network, x, y):.4f} ({len(x)} images)")
    print(f"sha256 {digest}")


def images(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images of an IDX pair, enlarged to 32x32, and their labels."""
    x, y = read_idx_pair(path)
    enlarged = np.stack([resize(image[:, :, None], SIDE, SIDE)[:, :, 0] for image in x.astype(np.uint8)])
    return enlarged, y.astype(np.int64)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
