"""The page and the figure of tools/bench/compress.py."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from onnxcausal.pipeline.compressing.controls import MAGNITUDE, RANDOM

PAGE, FIGURE = Path(__file__).with_name("compress.md"), Path(__file__).with_name("compress.png")
CAUSAL = "causal effects"
COLOURS = {CAUSAL: "#1e8449", MAGNITUDE: "#c0392b", RANDOM: "#8795a1"}
HEAD = """# How small models get before they lose

Written by `tools/bench/compress.py` from what it measured. Channels are taken out in one of three orders until a
share of the stored numbers is left: by what their removal does to the log-probability of the right class, over all
classes and per number saved (`onnxcausal compress`); by the size of their weights (L1, relative to the layer's mean);
by chance (mean of three draws). Groups and samples are the same for all, and the others have as many stored numbers
left as the causal file, to the nearest group. Effects are measured, and layers re-fitted, on samples to choose on;
accuracy is that on other samples, which neither these nor the causal graphs saw. *re-fit*: the layers that lost
inputs get the least-squares solution for the original's outputs. Latency is of one sample, median of 31 runs in turns
with the original, as a share of it: on a busy machine a rough number. On such small models it hardly follows the
size. That sizes of effects count, and not losses alone, was decided on the samples to choose on of these two models.
"""


def write(cases: Sequence[dict[str, Any]]) -> None:
    """Write the page and the figure."""
    lines = [HEAD, f"{_machine()}\n", "![accuracy against stored numbers](compress.png)\n"]
    for case in cases:
        lines += _section(case)
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    _draw(cases)


def _section(case: dict[str, Any]) -> Iterator[str]:
    yield f"## {case['title']}\n"
    yield (
        f"{case['parameters']:,} stored numbers, {case['groups']} groups of channels; {case['chosen']:,} samples to "
        f"choose on, {case['n']:,} to report on; accuracy before: {case['before']:.1%}. Took {case['seconds']:.0f} s.\n"
    )
    yield "| numbers left | causal | re-fit | L1 | re-fit | random | re-fit | latency: causal | L1 | random |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for share in _shares(case):
        cells = [f"{np.mean([row['parameters'] for row in _of(case, share, CAUSAL)]) / case['parameters']:.1%}"]
        cells += [f"{_mean(case, share, method, refit=refit):.1%}" for method in COLOURS for refit in (False, True)]
        cells += [f"{np.mean([row['latency'] for row in _of(case, share, method)]):.0%}" for method in COLOURS]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield from _below(case)
    yield ""


def _below(case: dict[str, Any]) -> Iterator[str]:
    """Yield where the causal curve is below another one, and whether that is more than chance."""
    found = []
    for refit in (False, True):
        for share in _shares(case):
            own = _mean(case, share, CAUSAL, refit=refit)
            for method in (MAGNITUDE, RANDOM):
                other = _mean(case, share, method, refit=refit)
                if own < other:
                    rows = [row for row in _of(case, share, method) if row["refit"] == refit]
                    smallest = min(row["p"] for row in rows)
                    where = f"{'with' if refit else 'without'} re-fit at {share:.0%}, {method}"
                    chance = f"McNemar p {'' if len(rows) == 1 else 'of the draws at least '}{smallest:.2g}"
                    found.append(f"- {where}: {100 * (own - other):+.1f} points ({chance})")
    if found:
        yield "The causal curve is below another one here, and on or above them everywhere else:\n"
        yield from found
    else:
        yield "The causal curve is on or above the others at every size, with and without re-fit."
    single = [
        f"{row['share']:.0%}{' re-fitted' if row['refit'] else ''} "
        f"({-100 * row['causal_minus']:+.1f} points, p {row['p']:.2g})"
        for row in case["rows"]
        if row["method"] == RANDOM and row["causal_minus"] < 0
    ]
    if single:
        yield f"\nSingle random draws that are above the causal file: {', '.join(single)}."


def _shares(case: dict[str, Any]) -> list[float]:
    return sorted({row["share"] for row in case["rows"]}, reverse=True)


def _of(case: dict[str, Any], share: float, method: str) -> list[dict[str, Any]]:
    return [row for row in case["rows"] if row["share"] == share and row["method"] == method]


def _mean(case: dict[str, Any], share: float, method: str, *, refit: bool) -> float:
    return float(np.mean([row["after"] for row in _of(case, share, method) if row["refit"] == refit]))


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("onnx", "numpy"))
    runtime = next(version(name) for name in ("onnxruntime-gpu", "onnxruntime") if _installed(name))
    return (
        f"Measured with ONNX Runtime {runtime} (CPU), {versions}, Python {platform.python_version()} on "
        f"{os.cpu_count()} cores ({platform.machine()}) that other work shared."
    )


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:
        return False


def _draw(cases: Sequence[dict[str, Any]]) -> None:
    drawing = Figure(figsize=(5.2 * len(cases), 4.0))
    FigureCanvasAgg(drawing)
    for place, case in enumerate(cases, 1):
        axes = drawing.add_subplot(1, len(cases), place)
        for method, colour in COLOURS.items():
            for refit in (False, True):
                x = [100 * _of(case, share, method)[0]["parameters"] / case["parameters"] for share in _shares(case)]
                y = [100 * _mean(case, share, method, refit=refit) for share in _shares(case)]
                style = "-o" if refit else "--s"
                axes.plot(x, y, style, color=colour, ms=4, lw=1.4, label=f"{method}{', re-fit' if refit else ''}")
        axes.axhline(100 * case["before"], color="black", lw=0.8)
        axes.invert_xaxis()
        axes.set_xlabel("stored numbers left, %")
        axes.set_ylabel("accuracy, %")
        axes.set_title(case["title"], fontsize=10)
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, fontsize=8, ncols=len(COLOURS), loc="lower center")
    drawing.tight_layout(rect=(0, 0.14, 1, 1))
    drawing.savefig(FIGURE, dpi=110, metadata={"Software": None})
