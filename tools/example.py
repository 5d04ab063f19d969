"""Writes the image that the README explains: a nine of the shipped digits that the shipped model takes for an eight.

python tools/example.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

MODELS = Path(__file__).parent.parent / "models"
NINE = 20
"""Its position in digits.npz."""


def main() -> None:
    """Write the image into a folder named by its class."""
    with np.load(MODELS / "digits.npz") as held:
        image, label = held["x"][NINE], int(held["y"][NINE])
    file = MODELS / "examples" / str(label) / "nine.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file)


if __name__ == "__main__":
    main()
