"""Tensors that float16 does not hold are named, as the definition of ONNX finds them; others are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import BEYOND_HALF
from onnxcausal.analysis.result.inspection import FindingKind
from onnxcausal.onnxgraph.network.half_range import LARGEST, HalfRange
from onnxcausal.pipeline.compare import compare
from onnxcausal.pipeline.inspect import inspect
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.opening import Caution
from tests.support.opened import open_proto

HALF, FULL = TensorProto.FLOAT16, TensorProto.FLOAT
TRUSTED = Caution(limits=None)


def energies(kind: int, gain: float) -> onnx.ModelProto:
    """Return a classifier by the energy of each channel: x times a gain, squared, averaged, its root, a Gemm."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weight = np.eye(3, dtype=dtype)[:, :, None, None] * dtype.type(gain)
    stored = {"w": weight, "v": np.eye(3, dtype=dtype), "b": np.zeros(3, dtype)}
    ops = [
        helper.make_node("Cast", ["x"], ["xc"], to=kind, name="/in"),
        helper.make_node("Conv", ["xc", "w"], ["c"], name="/gain"),
        helper.make_node("Mul", ["c", "c"], ["q"], name="/square"),
        helper.make_node("GlobalAveragePool", ["q"], ["p"], name="/mean"),
        helper.make_node("Flatten", ["p"], ["f"], name="/flat"),
        helper.make_node("Sqrt", ["f"], ["l"], name="/root"),
        helper.make_node("Gemm", ["l", "v", "b"], ["z"], name="/fc"),
        helper.make_node("Cast", ["z"], ["scores"], to=FULL, name="/out"),
    ]
    graph = helper.make_graph(
        ops,
        "energies",
        [helper.make_tensor_value_info("x", FULL, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("scores", FULL, ["n", 3])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images with one loud channel, which is their class."""
    rng = np.random.default_rng(0)
    y = np.arange(60, dtype=np.int64) % 3
    x = rng.uniform(0.5, 1.0, size=(60, 3, 4, 4)).astype(np.float32)
    x[np.arange(60), y] += 1
    return x, y


def beyond(kind: int, gain: float) -> list[str]:
    x, _ = images()
    opened = open_proto(energies(kind, gain), x)
    halves = HalfRange(opened.network, opened.wiring.trace)
    halves.see(x[:30])
    halves.see(x[30:])
    assert not halves.refused
    return list(map(str, halves.found))


def test_tensors_beyond_the_range_are_those_that_the_definition_makes_infinite() -> None:
    x, _ = images()
    proto = energies(HALF, 150.0)
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for op in proto.graph.node for name in op.output[:1])
    with np.errstate(all="ignore"):
        values = ReferenceEvaluator(proto).run([op.output[0] for op in proto.graph.node], {"x": x})
    first = next(
        op.name for op, value in zip(proto.graph.node, values, strict=True) if not np.isfinite(np.asarray(value)).all()
    )
    found = beyond(HALF, 150.0)
    assert found[0].split()[0] == first == "/square"
    largest = (150.0 * float(x.max())) ** 2
    assert float(found[0].split("(")[1].rstrip(")")) == pytest.approx(largest, rel=0.01)


def test_sums_of_averages_count_and_what_fits_does_not() -> None:
    x, _ = images()
    gain = 100.0
    assert (gain * float(x.max())) ** 2 < LARGEST
    (only,) = beyond(HALF, gain)
    assert only.startswith("/mean (a sum of ")
    assert beyond(HALF, 10.0) == []
    assert beyond(FULL, 1e4) == []


def test_analyses_comparisons_and_inspections_name_them(tmp_path: Path) -> None:
    x, y = images()
    np.savez(tmp_path / "images.npz", x=x, y=y)
    for name, kind, gain in (("full", FULL, 300.0), ("half", HALF, 300.0), ("quiet", HALF, 1.0)):
        onnx.save(energies(kind, gain), tmp_path / f"{name}.onnx")
        (tmp_path / f"{name}.toml").write_text('[data]\nsource = "images.npz"\n[analysis]\nsamples = 15\n')
    machine = Machine.of(limits="none")
    noted = {
        name: [note for note in analyze(tmp_path / f"{name}.onnx", machine=machine).notes if BEYOND_HALF in note]
        for name in ("full", "half", "quiet")
    }
    assert (noted["full"], noted["quiet"]) == ([], [])
    (note,) = noted["half"]
    assert "/square (" in note
    found = compare(tmp_path / "full.onnx", tmp_path / "half.onnx", machine=machine)
    assert f"half.onnx: {note}" in found.notes
    for name, wanted in (("half", True), ("quiet", False), ("full", False)):
        path = tmp_path / f"{name}.onnx"
        findings = inspect(path, configure(path, None, {}), run=True, caution=TRUSTED).findings
        subjects = [found.subjects for found in findings if found.kind is FindingKind.BEYOND_HALF]
        assert bool(subjects) is wanted
        assert not wanted or subjects[0][0].startswith("/square (")
