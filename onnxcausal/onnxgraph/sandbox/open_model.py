"""Opening an unknown model in a process of its own, under limits, before this one touches it.

What a file does to whoever opens it (endless functions and loops, tensors that fill memory, damage that crashes a
library) it does to that process. Started as `python -m onnxcausal.onnxgraph.sandbox.open_model`, with what to open on
stdin.
"""

from pathlib import Path
from typing import Any

from onnxcausal.onnxgraph.file.model import damage_told, load_model
from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.extract import cut_at
from onnxcausal.onnxgraph.network.network import cut_model
from onnxcausal.onnxgraph.runner import run_once
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.sandbox.child import Job, answer, ask

OPENING = Job("onnxcausal.onnxgraph.sandbox.open_model", "opening the model")


def try_model(path: Path, limits: Limits, *, output: str | None = None, follow_links: bool = False) -> str:
    """Return the SHA-256 of a model that can be opened and run once within limits.

    Args:
        path: the file.
        limits: what opening it may take.
        output: an output or inner tensor of scores.
        follow_links: read weights behind links.

    Raises:
        OnnxCausalError: what opening it raised, or a ModelError that says which limit was reached.
    """
    return ask(OPENING, path, limits, {"output": output, "follow_links": follow_links})


def try_loading(path: Path, limits: Limits, *, follow_links: bool = False) -> str:
    """Return the SHA-256 of a model that can be loaded within limits; it is not run.

    Args:
        path: the file.
        limits: what loading it may take.
        follow_links: read weights behind links.

    Raises:
        OnnxCausalError: what loading it raised, or a ModelError that says which limit was reached.
    """
    return ask(OPENING, path, limits, {"follow_links": follow_links, "run": False})


def open_and_run(path: Path, *, output: str | None, follow_links: bool) -> str:
    """Open a model in this process and run it once; return its SHA-256.

    Raises:
        OnnxCausalError: it cannot be opened.
    """
    model = load_model(path, follow_links=follow_links)
    with damage_told(path.name):
        cut = cut_model(model, output)
        run_once(cut.proto, path.name)
        if cut.deciding:
            run_once(cut_at(model.proto, [one.name for one in cut.deciding]), path.name, refused=True)
        find_layers(index_graph(cut.proto, model.opset))
    return model.sha256


def _tried(path: Path, asked: dict[str, Any]) -> str:
    if asked.get("run", True):
        return open_and_run(path, output=asked["output"], follow_links=asked["follow_links"])
    return load_model(path, follow_links=asked["follow_links"]).sha256


if __name__ == "__main__":
    answer(_tried)
