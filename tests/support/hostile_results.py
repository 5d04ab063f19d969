"""What this tool writes, as somebody else may lay it there: analyses, effects and maps that lie or bite."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.hostile_archives import MEBIBYTE, Member, archive, array, header, zeros
from tests.support.page_large import large_analysis

Change = Callable[[dict[str, Any]], object]


def lay(folder: Path) -> Path:
    """Write an honest analysis of two classes without its effects, and return its folder."""
    folder.mkdir(exist_ok=True)
    held = large_analysis(2, [6, 4]).model_dump(mode="json")
    (folder / "analysis.json").write_text(json.dumps(held))
    return folder


def _examined(count: int) -> Change:
    return lambda held: held["graphs"][0].update(examined=count)


def _layer(**values: object) -> Change:
    return lambda held: held["graphs"][0]["layers"][0].update(values)


ANALYSES: dict[str, tuple[Change, str]] = {
    "10^18 samples were tried": (_examined(10**18), "were tried"),
    "10^9 samples were tried": (_examined(10**9), "were tried"),
    "10^18 samples of a class that was left out": (
        lambda held: held["skipped"][0].update(examined=10**18, correct=10**17),
        "were tried",
    ),
    "10^18 samples were right": (lambda held: held["graphs"][0].update(correct=10**18), "right ones among"),
    "10^18 samples were used": (lambda held: held["graphs"][0].update(samples=10**18), "positions"),
    "a layer of 10^18 parents": (_layer(parents=10**18), "nodes are listed of"),
    "a node at 10^18": (lambda held: held["graphs"][0]["layers"][0]["nodes"][0].update(index=10**18), "listed of"),
    "a class of 10^30": (lambda held: held["graphs"][0].update(target=10**30), "64 bits"),
    "a class twice": (lambda held: held["graphs"][1].update(target=held["graphs"][0]["target"]), "twice"),
    "values of another kind": (_layer(nodes=["x"] * 5000), "5,000 of its values"),
    "unknown keys": (lambda held: held.update({str(number): 0 for number in range(5000)}), "5,000 of its values"),
}
"""What is changed in an honest analysis, and a part of why it is refused where it is compared."""


def _member(name: str, values: np.ndarray) -> Member:
    return Member(f"{name}.npy", array(values))


def _bomb(name: str, shape: str, mebibytes: int) -> bytes:
    head = header(shape, "'<f8'")
    size = len(head) + mebibytes * MEBIBYTE
    return archive(Member(f"{name}.npy", packed=zeros(mebibytes, head), size=size, crc=0))


OBSERVED = np.random.default_rng(0).normal(size=100)
EFFECTS: dict[str, tuple[bytes, str]] = {
    "of another length": (archive(_member("0/observed", OBSERVED[:7])), "shape is [7]"),
    "of other numbers": (archive(_member("0/observed", OBSERVED)), "mean outcome"),
    "NaN": (archive(_member("0/observed", OBSERVED * np.nan)), "mean outcome"),
    "text": (archive(_member("0/observed", np.full(100, "1.5"))), "holds no numbers"),
    "complex": (archive(_member("0/observed", OBSERVED * 1j)), "holds no numbers"),
    "objects": (archive(_member("0/observed", OBSERVED.astype(object))), "never unpickled"),
    "not there": (archive(_member("1/observed", OBSERVED)), "holds no 0/observed"),
    "4 GiB of zeros": (_bomb("0/observed", f"({4096 * MEBIBYTE // 8},)", 4095), "unpacks to more"),
    "200 MiB of zeros": (_bomb("0/observed", f"({200 * MEBIBYTE // 8},)", 200), "not [100]"),
    "encrypted": (archive(Member("0/observed.npy", array(OBSERVED), flags=1)), "encrypted"),
    "packed otherwise": (archive(Member("0/observed.npy", array(OBSERVED), method=95)), "method 95"),
    "damaged": (archive(Member("0/observed.npy", packed=b"\xff" * 900, size=928)), "damaged"),
    "no archive": (b"PK\x03\x04" + bytes(100), "no archive"),
}
"""What stands in place of effects, and a part of why it is refused."""


def maps(**changed: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the arrays of honest maps of two inputs, some of them changed or left out."""
    held = {
        "names": np.array(["a.png", "b.png"]),
        "predicted": np.array([3, 3]),
        "labels": np.array([3, -1]),
        "model_sha256": np.array("a" * 64),
        "pictures": np.zeros((2, 4, 4, 3), np.uint8),
        "inputs/3": np.array([0, 1]),
        "map/3": np.zeros((2, 4, 4), np.float32),
        "node_maps/3": np.zeros((2, 1, 2, 2), np.float32),
        "nodes/3": np.array([5]),
        "node_layer/3": np.array("conv"),
        "necessary/3": np.array([[0, 1]]),
    }
    return {name: values for name, values in (held | changed).items() if values is not None}


MAPS: dict[str, dict[str, np.ndarray | None]] = {
    "no names": {"names": None},
    "names of objects": {"names": np.array([{}, {}], object)},
    "names that are numbers": {"names": np.arange(2)},
    "half a letter in a name": {"names": np.array(["\ud800", "b"])},
    "too few names": {"names": np.array(["a"])},
    "names in a table": {"names": np.array([["a", "b"]])},
    "several hashes": {"model_sha256": np.array(["a", "b"])},
    "decisions of NaN": {"predicted": np.full(2, np.nan)},
    "decisions beyond 64 bits": {"predicted": np.full(2, 2**63, np.uint64)},
    "decisions that are dates": {"predicted": np.array(["2020", "2021"], "M8[Y]")},
    "levels beyond 255": {"pictures": np.full((2, 4, 4, 3), 256)},
    "pictures of other inputs": {"pictures": np.zeros((9, 4, 4, 3), np.uint8)},
    "a position that is not there": {"inputs/3": np.array([0, 2])},
    "maps of NaN": {"map/3": np.full((2, 4, 4), np.nan)},
    "maps beyond float32": {"map/3": np.full((2, 4, 4), 1e300)},
    "maps of text": {"map/3": np.full((2, 4, 4), "x")},
    "maps without axes": {"map/3": np.array(1.0)},
    "pictures without axes": {"pictures": np.array(0)},
    "positions without axes": {"inputs/3": np.array(0)},
    "nodes without axes": {"nodes/3": np.array(5)},
    "necessary nodes without axes": {"necessary/3": np.array(0)},
    "nodes in a table": {"nodes/3": np.array([[5]])},
    "necessary nodes without layers": {"necessary/3": np.array([0, 1])},
    "a class without maps": {"inputs/4": np.array([0])},
}
"""What is changed in honest maps."""
