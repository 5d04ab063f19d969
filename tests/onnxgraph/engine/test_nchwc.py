"""Maps kept in blocks: what ONNX Runtime makes of a probe graph, and that slices give the same values as pools."""

from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.engine.assembly import Assembly
from onnxcausal.onnxgraph.engine.execution_plan import ExecutionPlan, find_route
from onnxcausal.onnxgraph.engine.nchwc import keep_in_blocks
from onnxcausal.onnxgraph.engine.probe_graph import build_probe_graph
from onnxcausal.onnxgraph.graph.edits import names_in
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Rows, Trace
from tests.support.networks import Builder, classifier
from tests.support.opened import Opened, open_proto

MOST = np.iinfo(np.int64).max


def images(seed: int, count: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 6, 6)).astype(np.float32)


def as_run(opened: Opened, number: int, folder: Path, *, in_blocks: bool) -> onnx.ModelProto:
    """Return the probe graph of a layer as ONNX Runtime runs it."""
    index = index_graph(opened.network.proto, opened.network.model.opset)
    route = find_route(index, opened.layers[number], opened.network.outcome.tensor, opened.wiring.trace)
    assert isinstance(route, ExecutionPlan)
    graph = build_probe_graph(
        opened.network.proto, route.form, route.suffix, opened.wiring.trace, width=1, in_blocks=in_blocks
    )
    return optimised(graph.proto, folder / f"{in_blocks}.onnx")


def optimised(proto: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """Return a model as ONNX Runtime runs it."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4  # it warns that such a file is for this machine alone
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


def count(proto: onnx.ModelProto, *kinds: str) -> int:
    return sum(op.op_type in kinds for op in proto.graph.node)


def test_sums_after_convolutions_are_done_within_them(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    alone = b.model(["N", 16, 4, 4], b.add("Conv", ["x", b.weight(16, 16, 3, 3)], kernel_shape=[3, 3]), output_rank=4)
    if not count(optimised(alone, tmp_path / "alone.onnx"), "ReorderInput"):
        pytest.skip("on this processor ONNX Runtime has no blocks")
    opened = open_proto(classifier(["sliced"], "average", 0), images(0))
    # Sums and slices after each layer; where a layer's output itself is added to, both operands are given in no blocks.
    for number, (before, after) in enumerate(((3, 0), (3, 1), (1, 0))):
        plain, kept = (as_run(opened, number, tmp_path, in_blocks=in_blocks) for in_blocks in (False, True))
        assert (count(plain, "Add", "Slice"), count(kept, "Add", "Slice")) == (before, after)
        assert count(kept, "ReorderInput", "ReorderOutput") <= count(plain, "ReorderInput", "ReorderOutput")


def sliced(shape: list[int], starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> gs.Graph:
    """Return a graph of one slice."""
    names = ["starts", "ends", "axes", "steps"]
    values = [np.array(numbers, np.int64) for numbers in (starts, ends, axes, steps)]
    graph = helper.make_graph(
        [helper.make_node("Slice", ["x", *names], ["y"])],
        "one slice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in zip(names, values, strict=True)],
    )
    return gs.import_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


SLICES = {
    "both axes": ([0, 0], [MOST, MOST], [2, 3], [2, 3], True),
    "one axis, from behind": ([0], [MOST], [-1], [2], True),
    "to the end": ([0], [7], [2], [2], True),
    "every place": ([0], [MOST], [2], [1], False),
    "not to the end": ([0], [5], [2], [2], False),
    "from the second": ([1], [MOST], [2], [2], False),
    "backwards": ([-1], [-MOST], [2], [-1], False),
    "channels": ([0], [MOST], [1], [2], False),
    "samples": ([0], [MOST], [0], [2], False),
    "the first sample": ([0, 0], [1, MOST], [0, 2], [1, 2], False),
}


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_that_is_a_pool_gives_the_same_values_and_others_stay(name: str) -> None:
    *numbers, is_pool = SLICES[name]
    x = np.random.default_rng(0).normal(size=(4, 16, 7, 6)).astype(np.float32)
    x[0, 0, 0, :4], x[1, 0, 0, 0] = [np.nan, np.inf, -np.inf, 1e-42], np.float32(3e38)
    graph = sliced(list(x.shape), *numbers)
    before = gs.export_onnx(graph)
    trace = Trace({"x": (1, *x.shape[1:])}, {}, {"x": x.dtype}, {"x": Rows(0, 1)})
    assembly = Assembly(names_in(before.graph))
    keep_in_blocks(assembly, list(graph.nodes), trace)
    graph.nodes = assembly.ops
    after = gs.export_onnx(graph)
    assert [op.op_type for op in after.graph.node] == ["AveragePool" if is_pool else "Slice"]
    given, changed = (
        ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        for proto in (before, after)
    )
    np.testing.assert_array_equal(given, changed)


def test_maps_that_do_not_fit_into_blocks_are_left_alone() -> None:
    x = np.zeros((2, 12, 4, 4), np.float32)  # twelve channels
    graph = sliced(list(x.shape), [0], [MOST], [2], [2])
    assembly = Assembly(set())
    keep_in_blocks(assembly, list(graph.nodes), Trace({"x": x.shape}, {}, {"x": x.dtype}, {"x": Rows(0, 1)}))
    assert [op.op for op in assembly.ops] == ["Slice"]
