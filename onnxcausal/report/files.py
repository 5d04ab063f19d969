"""The files a person or a graph tool reads, by name."""

from matplotlib import rc_context

from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.report.figures.causal_graph import picture
from onnxcausal.report.figures.heatmap import heatmap
from onnxcausal.report.machine.graphml import graphml


def report_files(analysis: Analysis) -> dict[str, bytes]:
    """Return `graph-<target>.graphml`, `graph-<target>.png` and `ate-<target>.png` of every analysed class."""
    files = {}
    # Names come from the model: a dollar sign in one is no formula.
    with rc_context({"text.parse_math": False}):
        for graph in analysis.graphs:
            files[f"graph-{graph.target}.graphml"] = graphml(analysis, graph)
            files[f"graph-{graph.target}.png"] = picture(analysis, graph)
            files[f"ate-{graph.target}.png"] = heatmap(analysis, graph)
    return files
