"""Where the masks of a repair come from, as it stands among them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from onnxcausal.analysis.formats.saved_analysis import analysis_sha256
from onnxcausal.analysis.result.settings import by_key
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.repairing.choose import ChosenPlan
from onnxcausal.pipeline.repairing.options import RepairOptions


def provenance_of(
    subject: Subject, chosen: ChosenPlan, options: RepairOptions, analysis: Path | None
) -> dict[str, Any]:
    """Return hashes of the data and the causal graphs, and all settings.

    Args:
        subject: what is repaired.
        chosen: the plan.
        options: settings of the repair.
        analysis: folder of the analysis; None where the graphs were inferred in this run.
    """
    prepared, objective, plan = subject.prepared, chosen.objective, chosen.best.plan
    settings = {
        "objective": options.objective,
        "repaired": list(objective.repaired),
        "protected": list(objective.protected),
        "max_drop": options.max_drop,
        "given": {"portion": options.portion, "beta": options.beta, "replace": options.replace},
        "plan": {"stage": plan.stage, "portion": plan.portion, "beta": plan.beta, "replace": plan.replace},
        "count": options.count,
        "analysis": by_key(prepared.settings),
        "preprocess": dict(prepared.origin.preprocess),
        "reading": dict(prepared.origin.reading),
    }
    held: dict[str, Any] = {"data_sha256": prepared.origin.data_sha256, "graphs_sha256": _hash_of_graphs(subject)}
    if analysis is not None:
        held["analysis_sha256"] = analysis_sha256(analysis)
    plain: dict[str, Any] = json.loads(json.dumps(held | {"settings": settings}, default=str))
    return plain


def _hash_of_graphs(subject: Subject) -> str:
    """Return a hash of the roles of every node in every graph, and of the samples these were inferred from."""
    graphs = {
        str(target): {
            "samples": route.samples.tolist(),
            "roles": {step.layer: list(step.roles) for step in route.steps},
        }
        for target, route in subject.routes.items()
    }
    return hashlib.sha256(json.dumps(graphs, sort_keys=True).encode()).hexdigest()
