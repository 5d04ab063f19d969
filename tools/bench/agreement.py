"""How far adaptive runs agree with full ones, over real models: whole analyses, from the outcome to the input.

python tools/bench/agreement.py

Takes the models and data beside the project (tests/support/assets.py); writes agreement.md.
"""

import io
import platform
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import onnxcausal  # noqa: E402  # found beside this folder
from onnxcausal.analysis.result.analysis import Analysis  # noqa: E402
from onnxcausal.causal.graph import LayerResult  # noqa: E402
from onnxcausal.causal.significance import Role  # noqa: E402
from tests.support import assets  # noqa: E402

FILE = Path(__file__).with_name("agreement.md")
CIFAR_CLASSES = (0, 3, 5)
"""Classes of the CIFAR-10 models that are compared, for the time it takes."""
PER_CLASS = 200
"""CIFAR-10 images at hand for each class, of which 100 that are classified correctly are used."""
MNIST_IMAGES = 2500


def main(only: Sequence[str]) -> None:
    """Print a row for each model, or for some; write them where they are all."""
    rows, nodes, same, alike = [], 0, 0, 0
    pictures, labels = cifar()
    for name in [name for name in assets.PREPARED if not only or name in only]:
        if name.startswith("cifar"):
            x, y, targets = assets.levelled(name, pictures), labels, CIFAR_CLASSES
        else:
            images, digits = assets.mnist()
            x, y = assets.levelled(name, images[:MNIST_IMAGES, :, :, None]), digits[:MNIST_IMAGES].astype(np.int64)
            targets = tuple(range(10))
        path = assets.model_path(name)
        full, fast = (
            onnxcausal.analyze(path, (x, y), targets=targets, adaptive=adaptive) for adaptive in (False, True)
        )
        found = np.array(list(compared(full, fast)))
        nodes, same, alike = nodes + found[:, 0].sum(), same + found[:, 1].sum(), alike + found[:, 4].sum()
        share, used = found[:, 1].sum() / found[:, 0].sum(), found[:, 2].sum() / found[:, 3].sum()
        roles = found[:, 4].sum() / found[:, 0].sum()
        rows.append(
            f"| {name} | {len(targets)} | {int(found[:, 0].sum()):,} | {share:.2%} | {roles:.2%} | {used:.0%} |"
        )
        print(rows[-1], flush=True)
    if only:
        return
    machine = f"{platform.machine()}, Python {platform.python_version()}, onnxcausal {onnxcausal.__version__}"
    FILE.write_text(
        "# Adaptive sampling against full runs\n\n"
        "Whole analyses of real models, 100 images of each class, from the outcome to the input: a node on which the "
        "two differ changes the\ntargets of all layers above it. Written by `tools/bench/agreement.py`.\n\n"
        "A role is the same where both give it, or where the adaptive run says `weak` and the full one `minor` or "
        "`neutral`.\n\n"
        "| model | classes | nodes | necessary or not: the same | roles the same | samples used |\n"
        "|---|---|---|---|---|---|\n"
        + "\n".join([*rows, f"| all | | {nodes:,} | {same / nodes:.2%} | {alike / nodes:.2%} | |"])
        + f"\n\n{machine}\n"
    )


def compared(full: Analysis, fast: Analysis) -> Iterator[tuple[int, int, float, int, int]]:
    """Yield for each layer of each class: nodes, those as necessary, samples used of how many, those of one role."""
    for graph in full.graphs:
        pairs = zip(graph.layers, fast.graph(graph.target).layers, strict=True)
        for whole, part in pairs:
            necessary = [set() if layer.verdicts is None else set(layer.necessary.tolist()) for layer in (whole, part)]
            nodes = len(whole.connected)
            used = 0 if part.effects is None else int(part.effects.used.sum())
            asked = 0 if part.effects is None else nodes * len(graph.samples)
            yield nodes, nodes - len(necessary[0] ^ necessary[1]), used, asked, alike(whole, part, nodes)


def alike(whole: LayerResult, part: LayerResult, nodes: int) -> int:
    """Return how many nodes have the same role in both runs."""
    if whole.verdicts is None or part.verdicts is None:
        return nodes if whole.verdicts is part.verdicts else 0
    weak = (Role.MINOR, Role.NEUTRAL)
    pairs = zip(whole.verdicts.roles, part.verdicts.roles, strict=True)
    return sum(one is other or (other is Role.WEAK and one in weak) for one, other in pairs)


def cifar() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return CIFAR-10 images `[images, 32, 32, 3]` and their classes."""
    images, labels = [], []
    with zipfile.ZipFile(assets.CIFAR) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".png", ".jpeg")))
        folders = sorted({Path(name).parent.name for name in names})
        for label, folder in enumerate(folders):
            for name in [name for name in names if Path(name).parent.name == folder][:PER_CLASS]:
                images.append(np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")))
                labels.append(label)
    return np.stack(images), np.array(labels)


if __name__ == "__main__":
    main(sys.argv[1:])
