"""What people and graph tools read."""

import io
from pathlib import Path
from typing import Any

import matplotlib.image
import networkx as nx
import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.report.files import report_files
from onnxcausal.report.machine.graphml import graphml
from onnxcausal.report.summary import summary
from tests.support.networks import classifier, mlp

SHIPPED = Path(__file__).parent.parent.parent / "models"


@pytest.fixture(scope="module")
def digits() -> Analysis:
    return analyze(SHIPPED / "digits_lenet.onnx", targets=[3], samples=20)


def analysed(folder: Path, proto: onnx.ModelProto, shape: tuple[int, ...], **settings: Any) -> Analysis:
    onnx.save(proto, folder / "model.onnx")
    rng = np.random.default_rng(0)
    return analyze(folder / "model.onnx", (rng.normal(1, 1, shape), np.arange(shape[0]) % 2), **settings)


def read(content: bytes) -> nx.DiGraph:
    return nx.read_graphml(io.BytesIO(content))


def test_the_graphml_file_holds_the_graph(digits: Analysis) -> None:
    graph = digits.graph(3)
    written = read(graphml(digits, graph))
    for number, layer in enumerate(graph.layers):
        for index, role in enumerate(layer.roles):
            node = written.nodes[f"p{number}.{index}"]
            assert (node["layer"], node["index"], node["role"]) == (layer.name, index, role.value)
            assert node["ate"] == layer.ate[index]
        paths = {(f"p{number}.{parent}", f"c{number}.{child}") for parent, child in layer.edges()}
        found = {
            (source, target)
            for source, target, data in written.edges(data=True)
            if data["kind"] == "path" and source.startswith(f"p{number}.")
        }
        assert found == paths
    assert len(graph.layers[1].necessary) * len(graph.layers[1].targets) == sum(1 for _ in graph.layers[1].edges())


def test_every_necessary_node_has_a_way_to_the_outcome(digits: Analysis) -> None:
    written = read(graphml(digits, digits.graph(3)))
    reaching = nx.ancestors(written, "outcome")
    necessary = {name for name, data in written.nodes(data=True) if data.get("role") == "necessary"}
    assert necessary
    assert necessary <= reaching
    assert not {name for name in reaching if written.nodes[name].get("role") not in ("necessary", None)}


def test_hostile_names_are_harmless_in_every_output(tmp_path: Path) -> None:
    proto = mlp([np.random.default_rng(0).normal(size=(2, 4))], [np.zeros(2)])
    proto.graph.node[0].name = "<script>&\x1b[31m\x00\u202e$x_$"
    onnx.helper.set_model_props(proto, {"names": '["<b>one", "\\u001b]0;two\\u0007"]'})
    analysis = analysed(tmp_path, proto, (40, 4))
    assert not set(summary(analysis)) & {"\x1b", "\x00", "\u202e", "\x07"}
    for name, content in report_files(analysis).items():
        if name.endswith(".graphml"):
            assert read(content).nodes["p0.0"]["layer"].startswith("<script>&\ufffd[31m")
        else:
            assert content.startswith(b"\x89PNG")


def test_pictures_are_pictures_and_the_same_each_time(digits: Analysis) -> None:
    first, second = report_files(digits), report_files(digits)
    assert first == second
    for name in ("graph-3.png", "ate-3.png"):
        pixels = matplotlib.image.imread(io.BytesIO(first[name]))
        assert pixels.std() > 0.05
        assert pixels.shape[1] == 1210


def test_the_heat_map_shows_effects_by_their_sign(tmp_path: Path) -> None:
    analysis = analysed(tmp_path, mlp([np.array([[3.0, -1.0], [-9.0, -9.0]])], [np.array([5.0, 0.0])]), (30, 2))
    pixels = matplotlib.image.imread(io.BytesIO(report_files(analysis)["ate-0.png"]))
    row = pixels[pixels.shape[0] // 3 : pixels.shape[0] // 2, 360:960, :3].mean(axis=0)
    left, right = row[:250].mean(axis=0), row[350:].mean(axis=0)
    assert left[0] > left[2]  # red: the outcome falls
    assert right[2] > right[0]  # blue: it rises


def test_a_route_that_ends_is_told_in_the_table(tmp_path: Path) -> None:
    weights = [np.eye(4), np.stack([-np.ones(4), np.zeros(4)])]
    analysis = analysed(tmp_path, mlp(weights, [np.full(4, 3.0), np.array([90.0, 0.0])]), (30, 4), targets=[0])
    assert "nothing here speaks for the class" in summary(analysis)
    assert "not reached: no necessary node" in summary(analysis)
    assert report_files(analysis)["graph-0.png"].startswith(b"\x89PNG")


def test_an_untracked_flow_is_told_in_the_table(tmp_path: Path) -> None:
    proto = classifier(["conv", "conv"], "average", 0)
    first = proto.graph.node[1].output[0]
    proto.graph.node.insert(2, onnx.helper.make_node("Softmax", [first], ["mixed"], axis=1))
    proto.graph.node[3].input[0] = "mixed"
    assert "flow untracked" in summary(analysed(tmp_path, proto, (40, 4, 6, 6)))
