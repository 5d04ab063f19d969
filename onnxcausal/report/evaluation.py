"""What people read of an evaluation: a table and a figure like the paper's."""

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes

from onnxcausal.analysis.formats.evaluation import EstimateRecord, Evaluation, Protocol
from onnxcausal.analysis.result.analysis import title_of
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.figures.canvas import new_figure, to_png
from onnxcausal.report.text import printable, shortened

WIDTH_OF_NAME = 30
HEIGHT = 4.2
"""Height of a figure, in inches."""
DECADES = (0, 0.01, 0.1, 1, 10, 100)
"""Ticks of a logarithmic scale that begins with 0."""
HIGHLIGHT, PLAIN = "#c0392b", "#8795a1"
COLOURS = ("#c0392b", "#7f8c8d", "#2471a3", "#d68910", "#1e8449", "#7d3c98")
TITLES = {
    Protocol.RELIABILITY: "how often a node is selected again",
    Protocol.STABILITY: "how much maps change under noise (lower is more stable)",
    Protocol.FAITHFULNESS: "area over the curve as what maps point at is removed (higher is better)",
    Protocol.FIDELITY: "accuracy over that of the unmodified model, nodes masked in every layer",
    Protocol.SUFFICIENCY: "how well the graph alone separates a class from the others",
}


def table(evaluation: Evaluation) -> str:
    """Return the means over classes as text with their intervals, or the numbers of the only class."""
    targets = list(dict.fromkeys(held.target for held in evaluation.measured if held.target is not None))
    # The mean over one class has no interval, its own numbers have.
    shown = targets[0] if len(targets) == 1 else None
    histogram = evaluation.protocol is Protocol.RELIABILITY
    whole = [held for held in evaluation.measured if held.target == shown and not (histogram and held.at is not None)]
    titles = [f"{printable(evaluation.model.file)}: {evaluation.protocol.value}, {TITLES[evaluation.protocol]}"]
    titles += [f"note: {printable(note)}" for note in evaluation.notes]
    told = f"mean over {len(targets)} classes" if shown is None else f"class {title_of(shown, evaluation.class_names)}"
    titles.append(f"{printable(told)}, intervals at level 0.95")
    measures = list(dict.fromkeys(held.measure for held in whole))
    lines = []
    for measure in measures:
        found = [held for held in whole if held.measure == measure]
        rows = list(dict.fromkeys(held.layer or held.method for held in found))
        columns = list(dict.fromkeys(_column(held) for held in found))
        cells = {(held.layer or held.method, _column(held)): _cell(held) for held in found}
        wide = max(map(len, [*cells.values(), *columns]))
        heads = [Column(measure, "left", gap=0), *(Column(column, width=wide) for column in columns)]
        named = ([shortened(row, WIDTH_OF_NAME), *(cells.get((row, each), "") for each in columns)] for row in rows)
        lines += ["", *set_in_columns(heads, named)]
    return "\n".join([*titles, *lines]) + "\n"


def figure(evaluation: Evaluation) -> bytes:
    """Return the figure of an evaluation as PNG."""
    draw = {
        Protocol.RELIABILITY: _reliability,
        Protocol.STABILITY: _methods,
        Protocol.FAITHFULNESS: _methods,
        Protocol.FIDELITY: _fidelity,
        Protocol.SUFFICIENCY: _sufficiency,
    }
    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        return draw[evaluation.protocol](evaluation)


def _column(held: EstimateRecord) -> str:
    if held.layer is not None:
        return held.method
    return "" if held.at is None or held.measure in ("AUROC", "share of edges") else f"{held.at:.0%}"


def _cell(held: EstimateRecord) -> str:
    mean, low, high = (f"{value:.3g}" for value in (held.mean, held.low, held.high))
    return mean if low == high else f"{mean} ({low} to {high})"


def _title(axes: Axes, evaluation: Evaluation) -> None:
    axes.set_title(
        f"{printable(evaluation.model.file)}: {TITLES[evaluation.protocol]}", fontsize=10, loc="left", pad=10
    )


def _reliability(evaluation: Evaluation) -> bytes:
    """Draw the appearance per layer and kind of run, and the histograms over fifths of beta where there are any."""
    figure = new_figure(HEIGHT)
    bands = sorted({held.at for held in evaluation.measured if held.at is not None})
    grid = figure.add_gridspec(1, 2, width_ratios=(3, 2) if bands else (1, 0.001), left=0.2, right=0.97, bottom=0.14)
    axes = figure.add_subplot(grid[0])
    whole = evaluation.where(target=None, measure="appearance")
    layers = list(dict.fromkeys(held.layer for held in whole))
    for number, kind in enumerate(dict.fromkeys(held.method for held in whole)):
        found = [held for held in whole if held.method == kind]
        places = [layers.index(held.layer) + 0.25 * (number - 1) for held in found]
        _bars(axes, found, places, colour=COLOURS[number], thickness=0.23, label=kind)
    axes.set_yticks(range(len(layers)), labels=[shortened(str(layer), 28) for layer in layers], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("mean appearance of the nodes selected at least once", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(-0.4, -0.04))
    _title(axes, evaluation)
    if bands:
        _histograms(figure.add_subplot(grid[1]), evaluation, bands)
    return to_png(figure)


def _histograms(axes: Axes, evaluation: Evaluation, bands: list[float]) -> None:
    """Draw which share of nodes appears how often, a line for each fifth of beta."""
    for number, band in enumerate(bands):
        found = evaluation.where(at=band)
        measures = list(dict.fromkeys(held.measure for held in found))
        shares = [np.mean([held.mean for held in found if held.measure == measure]) for measure in measures]
        places = (np.arange(len(shares)) + 0.5) * 100 / len(shares)
        axes.plot(places, shares, "o-", ms=3, lw=1, color=COLOURS[number], label=f"beta up to {band:.2f}")
    axes.set_xlabel("appearance in runs (%)", fontsize=8)
    axes.set_ylabel("share of nodes", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6.5)


def _methods(evaluation: Evaluation) -> bytes:
    """Draw a bar for each explanation method."""
    measure = evaluation.measured[-1].measure
    found = sorted(evaluation.where(target=None, measure=measure), key=lambda held: held.mean)
    figure = new_figure(HEIGHT)
    axes = figure.add_axes((0.2, 0.16, 0.75, 0.7))
    for place, held in enumerate(found):
        _bars(axes, [held], [place], colour=HIGHLIGHT if held.method == "causal" else PLAIN, thickness=0.6)
    axes.set_yticks(range(len(found)), labels=[held.method for held in found], fontsize=8)
    axes.set_xlabel(f"{measure}, mean and interval over {found[0].n} images" if found else measure, fontsize=8)
    if evaluation.protocol is Protocol.STABILITY:
        axes.set_xscale("symlog", linthresh=0.01)
        ticks = [tick for tick in DECADES if tick <= 2 * max(held.mean for held in found)]
        axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.tick_params(axis="x", labelsize=7)
    _title(axes, evaluation)
    return to_png(figure)


def _fidelity(evaluation: Evaluation) -> bytes:
    """Draw accuracy against the portion masked: of the class, and of the others."""
    figure = new_figure(HEIGHT)
    for side, measure in enumerate(("class accuracy", "other accuracy")):
        axes = figure.add_axes((0.08 + 0.48 * side, 0.14, 0.41, 0.7))
        whole = evaluation.where(target=None, measure=measure)
        for number, method in enumerate(dict.fromkeys(held.method for held in whole)):
            found = [held for held in whole if held.method == method]
            x = [100 * (held.at or 0) for held in found]
            reach = [[held.mean - held.low for held in found], [held.high - held.mean for held in found]]
            y, colour = [held.mean for held in found], COLOURS[number]
            axes.errorbar(
                x, y, yerr=np.maximum(reach, 0), fmt="o-", ms=3, lw=1.4, capsize=2, color=colour, label=method
            )
        axes.set_ylim(0, 1.1)
        axes.set_xlabel("portion of the necessary nodes masked (%)", fontsize=8)
        axes.set_ylabel(f"{measure} over that of the unmodified model", fontsize=8)
        axes.tick_params(labelsize=7)
        if side == 0:
            axes.legend(fontsize=7)
            _title(axes, evaluation)
    return to_png(figure)


def _sufficiency(evaluation: Evaluation) -> bytes:
    """Draw the AUROC of each class against the share of edges."""
    figure = new_figure(HEIGHT)
    axes = figure.add_axes((0.08, 0.14, 0.6, 0.72))
    found = [held for held in evaluation.measured if held.measure == "AUROC" and held.target is not None]
    for number, method in enumerate(dict.fromkeys(held.method for held in found)):
        points = [held for held in found if held.method == method]
        x = [100 * (held.at or 0) for held in points]
        axes.scatter(x, [held.mean for held in points], s=18, color=COLOURS[number % len(COLOURS)], label=method)
    axes.axhline(0.5, color="#bbbbbb", lw=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("edges kept (%)", fontsize=8)
    axes.set_ylabel("AUROC, class against rest", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.02, 1))
    _title(axes, evaluation)
    return to_png(figure)


def _bars(
    axes: Axes,
    found: list[EstimateRecord],
    places: list[float],
    *,
    colour: str,
    thickness: float,
    label: str | None = None,
) -> None:
    """Draw lying bars with their intervals."""
    means = np.array([held.mean for held in found])
    reach = np.array([[max(0.0, held.mean - held.low), max(0.0, held.high - held.mean)] for held in found]).T
    axes.barh(places, means, thickness, color=colour, label=label)
    axes.errorbar(means, places, xerr=reach, fmt="none", ecolor="#333333", elinewidth=0.8, capsize=2)
