"""Analyses as large as they come, made up in code."""

import numpy as np

from onnxcausal.analysis.formats.analysis_file import (
    AnalysisFile,
    DataRecord,
    GraphRecord,
    LayerRecord,
    LinkRecord,
    ModelRecord,
    NodeRecord,
    OutcomeRecord,
    SkippedRecord,
    ToolRecord,
)
from onnxcausal.analysis.formats.settings_record import settings_record
from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.graph import FlowKind
from onnxcausal.causal.significance import Role, SelectedBy

SHARES = {Role.NECESSARY: 0.15, Role.NOISY: 0.1, Role.MINOR: 0.35, Role.NEUTRAL: 0.3, Role.DEAD: 0.1}


def large_analysis(
    classes: int, widths: list[int], *, name: str = "layer{0}", class_name: str = "class {0}", synthetic: bool = False
) -> AnalysisFile:
    """Return an analysis of so many classes and of layers with so many nodes, from the outcome upwards."""
    rng = np.random.default_rng(0)
    settings = Settings()
    return AnalysisFile(
        tool=ToolRecord(onnxcausal="0.1.0", onnxruntime="1.31.1", providers=["CPUExecutionProvider"]),
        model=ModelRecord(file="large.onnx", sha256="a" * 64),
        data=DataRecord(source="images", sha256="b" * 64, synthetic=synthetic),
        settings=settings_record(settings, {}, {}),
        graphs=[_graph(rng, target, widths, name, class_name.format(target)) for target in range(classes)],
        skipped=[SkippedRecord(target=classes, class_name=class_name.format(classes), reason="no sample")],
        notes=[],
    )


def without_links(analysis: AnalysisFile) -> AnalysisFile:
    """Return an analysis as version 1 of the format held it."""
    return analysis.model_copy(
        update={
            "graphs": [
                graph.model_copy(
                    update={
                        "layers": [
                            layer.model_copy(update={"links": None, "to_outcome": None}) for layer in graph.layers
                        ]
                    }
                )
                for graph in analysis.graphs
            ]
        }
    )


def _graph(rng: np.random.Generator, target: int, widths: list[int], name: str, class_name: str) -> GraphRecord:
    targets, layers = [target], []
    for number, width in enumerate(widths):
        nodes = _nodes(rng, width)
        layers.append(
            LayerRecord(
                name=name.format(number),
                op_type="Conv",
                weight=f"{name.format(number)}.weight",
                parents=width,
                children=widths[number - 1] if number else 1000,
                targets=targets,
                flow=FlowKind.UNTRACKED if number == 1 else FlowKind.TRACKED,
                selected_by=SelectedBy.COVERAGE,
                reason=None,
                nodes=nodes,
                links=[LinkRecord(layer=name.format(number - 1), children=targets, nodes=targets)] if number else [],
                to_outcome=[] if number else targets,
            )
        )
        targets = [node.index for node in nodes if node.role is Role.NECESSARY]
    return GraphRecord(
        target=target,
        class_name=class_name,
        samples=100,
        sample_indices=list(range(100)),
        examined=110,
        correct=100,
        outcome=OutcomeRecord(tensor="logits", mean=10.0, sd=2.0, floor=1e-6),
        layers=layers,
    )


def _nodes(rng: np.random.Generator, width: int) -> list[NodeRecord]:
    roles = list(SHARES)
    roles_drawn = [Role.NECESSARY, *rng.choice(len(roles), width - 1, p=list(SHARES.values())).tolist()]
    nodes = []
    for index, drawn in enumerate(roles_drawn):
        role = drawn if isinstance(drawn, Role) else roles[drawn]
        size = float(rng.lognormal(-2, 1)) * {Role.NECESSARY: -1, Role.NOISY: 1, Role.DEAD: 0}.get(role, 0.1)
        margin = abs(size) / 5 + (0 if role is Role.DEAD else 1e-3)
        q = 1.0 if role in (Role.NEUTRAL, Role.DEAD) else float(rng.uniform(0, 0.05))
        nodes.append(
            NodeRecord(index=index, ate=size, ci=(size - margin, size + margin), d=size / 2, p=q / 2, q=q, role=role)
        )
    return nodes
