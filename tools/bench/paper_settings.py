"""Experiments that compare settings: which make nodes specific, how many edges suffice, what masking noise does."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from paper_subjects import FIGURES, SIZES, Case  # found beside this file

from onnxcausal.analysis.formats.evaluation import Evaluation
from onnxcausal.causal.significance import Role
from onnxcausal.evaluation.intervals import mean_of
from onnxcausal.onnxgraph.masking.masked import with_masks, without_nodes
from onnxcausal.pipeline.evaluate import EvaluateOptions, evaluate
from onnxcausal.pipeline.heldout.subject import neurons, open_subject
from onnxcausal.pipeline.preparing.configuration import configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE
from onnxcausal.pipeline.progress import Silent
from onnxcausal.pipeline.protocols.fidelity import portion_of

COVERAGES = (0.5, 0.8, 0.95)
MASKED = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Portions of the noisy, then of the neutral and dead nodes too."""
FEW = 4
"""With more classes than these, more settings are compared."""
PORTION = 0.2
"""The portion at which settings are compared."""


def sufficiency_curve(case: Case) -> dict[str, object]:
    """Measure the AUROC of graphs of several coverages under both replacements, beside random graphs."""
    rows = []
    for replace in ("zero", "mean"):
        for coverage in COVERAGES:
            found = evaluate(
                "sufficiency",
                case.model,
                str(case.data),
                options=EvaluateOptions(count=SIZES[case.name].held_out),
                **_smaller(case),
                replace=replace,
                coverage=coverage,
            )
            rows.append({"replace": replace, "coverage": coverage, **_sufficient(found, replace)})
            print(case.name, rows[-1], flush=True)
    _draw_curve(case, rows)
    return {"rows": rows, "samples": SIZES[case.name].samples_a_run, "classes": SIZES[case.name].repeated}


def specificity(case: Case) -> dict[str, object]:
    """Measure what masking 20 % of the necessary nodes does under several settings of the analysis."""
    rows = []
    combinations = [("zero", "logit", 0.8), ("mean", "logit", 0.8), ("zero", "margin", 0.8), ("mean", "margin", 0.8)]
    if SIZES[case.name].repeated > FEW:
        combinations += [("zero", "log-prob", 0.8), ("zero", "logit", 0.5), ("zero", "margin", 0.5)]
    for replace, outcome, coverage in combinations:
        found = evaluate(
            "fidelity",
            case.model,
            str(case.data),
            options=EvaluateOptions(count=SIZES[case.name].held_out, portions=(PORTION,)),
            **_smaller(case),
            replace=replace,
            outcome=outcome,
            coverage=coverage,
        )
        numbers = {
            f"{held.method}, {held.measure}": [held.mean, held.low, held.high]
            for held in found.where(target=None, at=PORTION)
            if held.method in ("critical", "random")
        }
        rows.append({"replace": replace, "outcome": outcome, "coverage": coverage, **numbers})
        print(case.name, rows[-1], flush=True)
    return {"rows": rows, "samples": SIZES[case.name].samples_a_run, "classes": SIZES[case.name].repeated}


def masking(case: Case) -> dict[str, object]:
    """Measure accuracy with noisy, then also neutral and dead nodes masked in every layer (figure 11)."""
    configured = configure_by_name(case.model, None, case.reading, case.data)
    subject = open_subject(case.model, configured, case.analysis, HERE, Silent())
    wiring = subject.prepared.wiring
    held = {target: subject.held_out(target, SIZES[case.name].held_out) for target in subject.routes}
    rows = []
    for kinds, roles in (("noisy", [Role.NOISY]), ("noisy, neutral, dead", [Role.NOISY, Role.NEUTRAL, Role.DEAD])):
        for portion in MASKED:
            own, other = [], []
            for target, route in subject.routes.items():
                masks = {}
                for layer in wiring.flow.layers:
                    step = route.step(layer.name)
                    if step is None or layer.name not in neurons(wiring):
                        continue
                    nodes = np.concatenate([step.having(role) for role in roles])
                    chosen = nodes[: portion_of(portion, len(nodes))]
                    if len(chosen):
                        features = np.concatenate([wiring.flow.nodes[layer.name][node] for node in chosen])
                        masks[layer.name] = without_nodes(layer, features)
                masked = with_masks(subject.network, masks, wiring)
                for each, x in held.items():
                    pair = [subject.right(network, x, each).mean() for network in (masked, subject.network)]
                    (own if each == target else other).append(pair[0] / pair[1])
            estimates = {"class": mean_of(np.array(own)), "others": mean_of(np.array(other))}
            rows.append({"masked": kinds, "portion": portion, **{key: list(value) for key, value in estimates.items()}})
    _draw_masking(case, rows)
    return {"rows": rows}


def _smaller(case: Case) -> dict[str, object]:
    """Return the settings of analyses that are made again and again."""
    size = SIZES[case.name]
    return {**case.settings, "targets": case.few[: size.repeated], "samples": size.samples_a_run}


def _sufficient(found: Evaluation, replace: str) -> dict[str, object]:
    """Return the numbers of one point of the curve."""
    means = {held.method: [held.mean, held.low, held.high] for held in found.where(target=None, measure="AUROC")}
    edges = found.where(target=None, measure="share of edges", method="graph")[0].mean
    return {
        "edges": edges,
        "graph": means[f"graph, {replace}"],
        "random": means[f"random graph, {replace}"],
        "full": means["full model"],
    }


def _draw_curve(case: Case, rows: list[dict[str, object]]) -> None:
    figure = Figure(figsize=(7, 4), dpi=110)
    axes = figure.subplots()
    for replace, colour in (("zero", "#c0392b"), ("mean", "#2471a3")):
        found = [row for row in rows if row["replace"] == replace]
        for kind, style in (("graph", "o-"), ("random", "o--")):
            x = [100 * float(str(row["edges"])) for row in found]
            y = [row[kind][0] for row in found]  # type: ignore[index]  # mean, low, high
            axes.plot(x, y, style, color=colour, ms=4, label=f"{kind}, {replace}", alpha=1 if kind == "graph" else 0.5)
    axes.set_xlabel("edges kept (%)")
    axes.set_ylabel("AUROC, class against rest")
    axes.set_title(f"{case.title}: coverage {', '.join(map(str, COVERAGES))}", fontsize=9)
    axes.legend(fontsize=8)
    figure.savefig(_figure("curve", case), metadata={"Software": None})


def _draw_masking(case: Case, rows: list[dict[str, object]]) -> None:
    figure = Figure(figsize=(7, 4), dpi=110)
    axes = figure.subplots()
    for kinds, colour in (("noisy", "#2471a3"), ("noisy, neutral, dead", "#7f8c8d")):
        found = [row for row in rows if row["masked"] == kinds]
        for measure, style in (("class", "o-"), ("others", "o--")):
            y = [row[measure][0] for row in found]  # type: ignore[index]  # mean, low, high
            axes.plot([row["portion"] for row in found], y, style, color=colour, ms=4, label=f"{kinds}: {measure}")
    axes.set_xlabel("portion masked")
    axes.set_ylabel("accuracy over that of the unmodified model")
    axes.set_title(case.title, fontsize=9)
    axes.legend(fontsize=8)
    figure.savefig(_figure("figure11", case), metadata={"Software": None})


def _figure(kind: str, case: Case) -> Path:
    return FIGURES / f"{kind}-{case.name}.png"
