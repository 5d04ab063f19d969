"""The page and the figure of tools/bench/repair.py."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from onnxcausal.onnxgraph import runner

Found = Mapping[str, Mapping[str, Any]]
FIGURE = Path(__file__).with_name("repair.png")
PAGE = Path(__file__).with_name("repair.md")
COLOURS = ("#c0392b", "#d68910", "#1e8449")
HEAD = """
# What repairs do

Written by `tools/bench/repair.py` from what it measured. Nodes are chosen on some samples and everything here is
measured on others that neither the choice nor the causal graphs saw. Changes are of accuracy, in points; p-values are
of McNemar's exact test.
"""
CURVES = """
## Figure 11: masking more and more nodes

The paper masks a growing portion of the noisy nodes of a class and shows that its accuracy rises. So it does here, at
the cost of all other classes, which the paper does not show. Sparing nodes that any other class needs takes most of
the cost away; choosing by what a node's removal gains for the class less what it costs the others leaves the better
part of the gain. Means over classes; "kept" weights are attenuated to half (beta 0.5).
"""
LEVERS = """
## Defects, and what earns its place

A repair is chosen among portions, factors and replacements on one part of the samples, where no class may lose more
than 5 points, and reported on another, whatever it does there (the gate of `onnxcausal repair` would want hundreds of
samples a class, which the digits do not have). The controls mask as many nodes of the same layers, among those that no
class needs: ten random choices (mean; how many of them help the class significantly), and those of the smallest
weights. The settings of a table share the samples they are reported on, so that the best row flatters itself a little.

What earns its place: **protecting every class**, without which the class rises most and another one goes; and graphs
on the **margin**, whose necessary nodes are fewer, so that more are free to be masked. **Attenuating** costs the others
less for the same gain in ResNet-20 and MobileNetV1 (above); in LeNet-5 removal was better, and the search, which tries
both, took it. **Means** came out behind nothing at all in each repair that was tried. Random choices help a class at
times that hangs by a thread, as half-labelled fours do, but not on average; with many nodes that no class is protected
from, any choice does. In ResNet-20 no repair of the weakest class held on other samples within the loss allowed.
"""


def write(found: Found) -> None:
    """Write the page and draw the figure."""
    _draw(found)
    PAGE.write_text("\n".join(_page(found)) + "\n")


def _page(found: Found) -> Iterator[str]:
    yield HEAD.strip()
    yield ""
    packages = f"onnxcausal {version('onnxcausal')}, ONNX Runtime {runner.version()}, numpy {np.__version__}"
    yield f"{platform.machine()}, Python {platform.python_version()}, {packages}."
    yield CURVES.rstrip()
    for held in found.values():
        if held["curves"]:
            yield ""
            yield from _curves(held)
    yield ""
    yield f"![accuracy against the portion masked]({FIGURE.name})"
    yield LEVERS.rstrip()
    for held in found.values():
        if held["levers"]:
            yield ""
            yield from _levers(held)
    yield ""
    yield "Time taken: " + ", ".join(f"{held['title']} {held['seconds'] / 60:.0f} min" for held in found.values()) + "."


def _curves(held: Mapping[str, Any]) -> Iterator[str]:
    rows = held["curves"]
    portions = list(dict.fromkeys(row["portion"] for row in rows))
    classes = len({row["target"] for row in rows})
    yield f"{held['title']}, mean over {classes} classes, up to {held['count']} held-out samples of each:"
    yield ""
    yield "| nodes, the class / the others | " + " | ".join(f"{portion:.0%}" for portion in portions) + " |"
    yield "|---" * (1 + len(portions)) + "|"
    for way, beta in _lines(rows):
        cells = [_pair(rows, way, beta, portion) for portion in portions]
        yield f"| {way}{'' if beta == 0 else ', kept at half'} | " + " | ".join(cells) + " |"


def _lines(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(way, beta) for way in dict.fromkeys(row["way"] for row in rows) for beta in (0.0, 0.5)]


def _pair(rows: list[dict[str, Any]], way: str, beta: float, portion: float) -> str:
    own, others = _means(rows, way, beta, portion)
    return f"{100 * own:+.1f} / {100 * others:+.1f}"


def _means(rows: list[dict[str, Any]], way: str, beta: float, portion: float) -> tuple[float, float]:
    """Return the mean changes over classes; a class without such nodes does not change."""
    found = [row for row in rows if row["way"] == way and row["portion"] == portion]
    taken = [row for row in found if row["beta"] == beta or not row["nodes"]]
    return float(np.mean([row["own"] for row in taken])), float(np.mean([row["others"] for row in taken]))


def _levers(held: Mapping[str, Any]) -> Iterator[str]:
    rows = held["levers"]
    first = next((row for row in rows if "own" in row), None)
    yield f"{held['title']}, class {held['defect']}" + (
        f", right on {first['own']['before']:.1%} of {first['own']['n']} samples:" if first else ":"
    )
    yield ""
    yield (
        "| setting | nodes, beta, replaced by | the class | p | class that loses most | p | all samples "
        "| random nodes | smallest weights |"
    )
    yield "|---" * 9 + "|"
    for row in rows:
        if "nothing" in row:
            yield f"| {row['setting']} | no plan: {row['nothing']} |" + " |" * 7
            continue
        own, worst, overall = (row[key] for key in ("own", "worst", "overall"))
        defect = str(held["defect"])
        random, smallest = (
            f"{100 * control['classes'][defect]:+.1f} ({control['gains']} of {control['repeats']})"
            for control in row["controls"]
        )
        plan = f"{row['nodes']}, {row['beta']:g}, {row['replace']}"
        loses = f"{row['worst_class']}: {_points(worst)} | {worst['p']:.2g}"
        yield (
            f"| {row['setting']} | {plan} | {_points(own)} | {own['p']:.2g} | {loses} | {_points(overall)} "
            f"| {random} | {smallest} |"
        )


def _points(change: Mapping[str, float]) -> str:
    return f"{100 * (change['after'] - change['before']):+.1f}"


def _draw(found: Found) -> None:
    shown = [held for held in found.values() if held["curves"]]
    if not shown:
        return
    figure = Figure(figsize=(4.6 * len(shown), 4.6), dpi=110)
    for place, held in enumerate(shown, 1):
        axes = figure.add_subplot(1, len(shown), place)
        rows = held["curves"]
        portions = list(dict.fromkeys(row["portion"] for row in rows))
        for colour, way in zip(COLOURS, dict.fromkeys(row["way"] for row in rows), strict=True):
            pairs = np.array([_means(rows, way, 0.0, portion) for portion in portions])
            axes.plot(portions, 100 * pairs[:, 0], "o-", color=colour, ms=4, label=f"{way}: the class")
            axes.plot(portions, 100 * pairs[:, 1], "x--", color=colour, ms=4, alpha=0.6, label="the others")
        axes.axhline(0, color="black", lw=0.7)
        axes.set_title(str(held["title"]), fontsize=9)
        axes.set_xlabel("portion of the nodes masked", fontsize=8)
        axes.set_ylabel("change of accuracy, points" if place == 1 else "", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(FIGURE, metadata={"Software": None})
