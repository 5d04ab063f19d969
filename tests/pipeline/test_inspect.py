"""What is found in a model file without running it."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from onnxcausal.analysis.result.inspection import Finding, FindingKind, InputUse, Inspection, LinkKind
from onnxcausal.errors import ConfigError, ModelError
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.inspecting.static_wiring import wire_by_run, wire_statically
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import cut_model
from onnxcausal.onnxgraph.runner import Runner
from onnxcausal.pipeline.inspect import inspect
from onnxcausal.pipeline.preparing.configuration import configure
from tests.support.assets import ASSETS, needs_assets
from tests.support.networks import Builder, classifier, convolutional, mlp
from tests.support.zoo import ZOO, Specimen

SHIPPED = Path(__file__).parent.parent.parent / "models"
DIGITS = SHIPPED / "digits_lenet.onnx"
RNG = np.random.default_rng(0)
ONLY_BY_RUN = (
    "Loop over a MatMul, between Gemm",
    "Reshape through Shape, Gather and Concat",
    "com.microsoft FusedMatMul, weight on the left",
    "com.microsoft Attention, SkipLayerNormalization, BiasGelu",
    "scikit-learn pipeline, an input per column",
)
"""Specimens whose shapes the file alone does not tell."""


def inspected(folder: Path, proto: onnx.ModelProto, *, run: bool = False, **settings: object) -> Inspection:
    onnx.save(proto, folder / "model.onnx")
    flags = {f"model.{name}": (f"--{name}", setting) for name, setting in settings.items()}
    return inspect(folder / "model.onnx", configure(folder / "model.onnx", None, flags), run=run)


def findings(found: Inspection, kind: FindingKind) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind is kind]


def small() -> onnx.ModelProto:
    return mlp([RNG.normal(size=(8, 6)), RNG.normal(size=(3, 8))], [np.zeros(8), np.zeros(3)])


def built(specimen: Specimen) -> onnx.ModelProto:
    logging.disable(logging.WARNING)  # quantisers advise
    try:
        return specimen.build()
    finally:
        logging.disable(logging.NOTSET)


def test_the_shipped_model_is_described_from_outcome_to_input() -> None:
    found = inspect(DIGITS, configure(DIGITS, None, {}))
    assert (found.file.producer, found.file.opsets, found.file.parameters) == ("pytorch", {"": 18}, 61706)
    assert found.file.parameter_bytes == 4 * 61706
    assert [(given.name, given.type, given.shape, given.use) for given in found.inputs] == [
        ("image", "float32", ("batch", 1, 32, 32), InputUse.SAMPLES)
    ]
    assert (found.outcome.tensor, found.outcome.shape, found.outcome.task) == ("logits", (10,), "classification")
    assert [(layer.name, layer.parents, layer.children, layer.nodes) for layer in found.layers] == [
        ("/fc3/Gemm", 84, 10, 84),
        ("/fc2/Gemm", 120, 84, 120),
        ("/fc1/Gemm", 400, 120, 16),
        ("/conv2/Conv", 6, 16, 6),
        ("/conv1/Conv", 1, 6, 1),
    ]
    assert [layer.into[0].layer for layer in found.layers] == [None, *(layer.name for layer in found.layers[:-1])]
    assert [layer.fed_by for layer in found.layers][-2:] == [("/conv1/Conv",), (None,)]
    assert found.findings == ()
    assert not found.ran


def test_no_session_is_opened_on_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Runner, "__init__", refuse)
    monkeypatch.setattr("onnxcausal.onnxgraph.sandbox.open_model.try_model", refuse)
    assert inspect(DIGITS, configure(DIGITS, None, {})).work == 416520


def test_a_run_finds_the_same_as_the_file_where_that_tells_shapes() -> None:
    still, ran = (inspect(DIGITS, configure(DIGITS, None, {}), run=run) for run in (False, True))
    assert ran.ran
    assert replace(ran, ran=False) == still


@pytest.mark.parametrize("specimen", ZOO, ids=[specimen.name for specimen in ZOO])
def test_every_specimen_is_read_and_its_layers_are_those_of_a_run(specimen: Specimen, tmp_path: Path) -> None:
    settings: dict[str, Any] = dict(specimen.settings)
    still = inspected(tmp_path, built(specimen), **settings)
    assert still.layers
    assert (still.flow_reason == "") == (specimen.name not in ONLY_BY_RUN)
    reading = Reading(**settings)
    ran = wire_by_run(cut_model(Model("model.onnx", built(specimen), "0" * 64), reading.output), reading)
    if ran.flow is None:
        return
    assert [layer.name for layer in still.layers] == [layer.name for layer in reversed(ran.layers)]
    if still.flow_reason:
        return
    assert {layer.name: layer.nodes for layer in still.layers} == {
        name: len(nodes) for name, nodes in ran.flow.nodes.items()
    }
    for layer in still.layers:
        kinds = {link.consumer: link.kind.value for link in ran.flow.links[layer.name]}
        assert {link.layer: link.flow.value for link in layer.into} == kinds
    assert still.work == ran.work


@pytest.mark.parametrize("specimen", [s for s in ZOO if s.name not in ONLY_BY_RUN], ids=lambda specimen: specimen.name)
def test_shapes_types_and_rows_of_the_file_are_those_of_a_run(specimen: Specimen) -> None:
    settings: dict[str, Any] = dict(specimen.settings)
    reading = Reading(**settings)
    cut = cut_model(Model("model.onnx", built(specimen), "0" * 64), reading.output)
    still, ran = wire_statically(cut, reading).trace, wire_by_run(cut, reading).trace
    assert still is not None
    if ran is None:
        pytest.skip("the probe does not fit its open sizes")
    common = still.shapes.keys() & ran.shapes.keys()
    assert common
    for name in common:
        assert still.shapes[name] == ran.shapes[name], name
        assert still.types[name] == ran.types[name], name
        assert still.rows.get(name) == ran.rows.get(name), name
        if name in still.values and name in ran.values:
            np.testing.assert_array_equal(still.values[name], ran.values[name])


@needs_assets
@pytest.mark.parametrize("path", sorted((ASSETS / "models").glob("*.onnx")), ids=lambda path: path.stem)
def test_real_models_are_read_in_seconds(path: Path) -> None:
    start = time.process_time()  # of this process alone, whatever else the machine has to do
    try:
        found = inspect(path, configure(path, None, {}))
    except ModelError:
        assert path.stem in ("odd_ir1_no_opset_super_resolution", "odd_missing_external_data")
        return
    assert time.process_time() - start < 3
    assert found.layers or path.stem in ("odd_bad_graph_polygraphy", "odd_qonnx_TFC_1W1A")
    assert not findings(found, FindingKind.BYPASS)  # residual networks among them
    assert found.outcome.tensor is not None


def test_an_ambiguous_outcome_leaves_everything_else_to_see(tmp_path: Path) -> None:
    proto = small()
    proto.graph.output.append(helper.make_tensor_value_info("relu_1", 1, ["N", 8]))
    found = inspected(tmp_path, proto)
    assert found.outcome.tensor is None
    assert found.outcome.reason.startswith("the model has several outputs: any of them could be the decision")
    assert [layer.flow for layer in found.layers] == [LinkKind.UNKNOWN] * 2
    assert found.ops == {"Gemm": 2, "Relu": 1}
    chosen = inspected(tmp_path, proto, output="gemm_2")
    assert chosen.outcome.tensor == "gemm_2"
    assert findings(chosen, FindingKind.UNUSED_OUTPUT)[0].subjects == ("relu_1",)


def test_scores_at_many_places_are_shown_with_why_they_are_refused(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    found = inspected(tmp_path, b.model(["N", 3, 8, 8], b.add("Conv", ["x", b.weight(4, 3, 1, 1)]), output_rank=4))
    assert found.outcome.shape == (4, 8, 8)
    assert found.outcome.reason.startswith("the outcome is not one score per class: one sample gives [4, 8, 8]")
    reduced = inspected(tmp_path, onnx.load(tmp_path / "model.onnx"), reduce="mean")
    assert (reduced.outcome.shape, reduced.outcome.reason) == ((4,), "")


def test_a_tensor_or_input_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        inspected(tmp_path, small(), output="logit")
    with pytest.raises(ConfigError):
        inspected(tmp_path, small(), fixed={"mask": 1.0})


def test_shapes_that_only_a_run_tells_leave_the_flow_unknown(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    maps = b.add("Relu", [b.add("Conv", ["x", b.weight(4, 3, 3, 3)])])
    proto = b.model(["N", 3, "H", "W"], b.add("Flatten", [b.add("GlobalMaxPool", [maps])]))
    still, ran = inspected(tmp_path, proto), inspected(tmp_path, proto, run=True)
    assert still.flow_reason.startswith("shapes are known only from a run: --run")
    (layer,) = still.layers
    assert (layer.flow, layer.nodes, layer.cost) == (LinkKind.UNKNOWN, None, None)
    assert (layer.into[0].layer, layer.fed_by) == (None, (None,))
    assert ran.layers[0].flow is LinkKind.TRACKED


def residual(blocks: int) -> onnx.ModelProto:
    return classifier(["conv", *["residual"] * blocks], "average", 0)


def with_bypass(*, layers: int) -> onnx.ModelProto:
    """Return five convolutions and a Gemm whose scores get another addend, which passed some layers of its own."""
    proto = convolutional([4] * 5, size=8, classes=3)
    b = Builder(np.random.default_rng(1), ops=list(proto.graph.node))
    b.stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    side = b.add("ReduceMax", ["x"], axes=[2, 3], keepdims=0)
    for _ in range(layers):
        side = b.add("Gemm", [side, b.weight(3, 3)])
    return b.model(["N", 3, 8, 8], b.add("Add", [proto.graph.output[0].name, side]))


@pytest.mark.parametrize(("layers", "flagged"), [(0, True), (1, True), (2, True), (3, False), (4, False)])
def test_a_way_past_more_than_half_of_the_layers_is_a_bypass(layers: int, flagged: bool, tmp_path: Path) -> None:
    found = inspected(tmp_path, with_bypass(layers=layers))
    assert bool(found.branches) == flagged
    if flagged:
        (branch,) = found.branches
        assert (branch.layers, branch.main, branch.before) == (layers, 6, (None,))
        assert findings(found, FindingKind.BYPASS)[0].subjects[0] == branch.tensor


def test_residual_connections_are_no_bypass(tmp_path: Path) -> None:
    assert inspected(tmp_path, residual(6)).branches == ()


def test_a_layer_that_is_added_to_its_own_input_at_the_end_is_passed_by(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    found = inspected(tmp_path, b.model(["N", 4], b.add("Add", ["x", b.add("Gemm", ["x", b.weight(4, 4)])])))
    (branch,) = found.branches
    assert (branch.tensor, branch.layers, branch.main, branch.after) == ("x", 0, 1, (None,))


def test_shapes_are_no_way_past_the_layers(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("Relu", [b.add("Gemm", ["x", b.weight(4, 4)])])
    hidden = b.add("Reshape", [hidden, b.add("Shape", ["x"])])
    assert inspected(tmp_path, b.model(["N", 4], b.add("Gemm", [hidden, b.weight(4, 3)]))).branches == ()


def _unused(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((5, 5), np.float32), "left_over"))


def _zero(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((8, 6), np.float32), "stored_0"))


def _infinite(proto: onnx.ModelProto) -> None:
    values = numpy_helper.to_array(proto.graph.initializer[0]).copy()
    values[0, 0] = np.inf
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "stored_0"))


def _broken(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.add(name="odd", data_type=1, dims=[4, 4], raw_data=b"123")


def _replaceable(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("stored_0", 1, [8, 6]))


def _custom(proto: onnx.ModelProto) -> None:
    proto.graph.node.append(helper.make_node("Secret", ["x"], ["y"], domain="com.vendor"))
    proto.opset_import.append(helper.make_opsetid("com.vendor", 1))


def _path(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].doc_string = 'File "/home/ada/train.py", line 3; see https://example.org/home/x'


def _windows_path(proto: onnx.ModelProto) -> None:
    proto.metadata_props.add(key="checkpoint", value="C:\\Users\\ada\\best.pt")


def _hashed(proto: onnx.ModelProto) -> None:
    for number, op in enumerate(proto.graph.node):
        op.name = f"{number}f3c2a1b09d8e7f6a"
        for position, name in enumerate(op.input):
            if name.startswith("stored"):
                op.input[position] = f"onnx::Gemm_{name[7:]}"
    for tensor in proto.graph.initializer:
        tensor.name = f"onnx::Gemm_{tensor.name[7:]}"


def _extra_input(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("ids", 7, ["N"]))


@pytest.mark.parametrize(
    ("change", "kind", "subject"),
    [
        (_unused, FindingKind.UNUSED_WEIGHT, "left_over"),
        (_zero, FindingKind.ALL_ZERO, "stored_0"),
        (_infinite, FindingKind.NOT_FINITE, "stored_0"),
        (_broken, FindingKind.BROKEN_WEIGHT, "odd"),
        (_replaceable, FindingKind.REPLACEABLE_WEIGHT, "stored_0"),
        (_custom, FindingKind.CUSTOM_DOMAIN, "com.vendor::Secret"),
        (_path, FindingKind.EMBEDDED_PATH, "/home/ada/train.py"),
        (_windows_path, FindingKind.EMBEDDED_PATH, "C:\\Users\\ada\\best.pt"),
        (_hashed, FindingKind.MEANINGLESS_NAMES, "2f3c2a1b09d8e7f6a"),
        (_extra_input, FindingKind.UNUSED_INPUT, "ids"),
    ],
)
def test_what_a_reader_should_know_is_told(
    change: Callable[[onnx.ModelProto], None], kind: FindingKind, subject: str, tmp_path: Path
) -> None:
    assert inspected(tmp_path, small()).findings == ()
    proto = small()
    change(proto)
    (finding,) = findings(inspected(tmp_path, proto), kind)
    assert subject in finding.subjects
    assert len(set(finding.subjects)) == len(finding.subjects)
    if kind is FindingKind.EMBEDDED_PATH:
        assert finding.subjects == (subject,)


def test_integer_inputs_and_tables_are_told(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    rows = b.add("ReduceMean", [b.add("Gather", [b.weight(9, 4), "x"])], axes=[1], keepdims=0)
    graph = helper.make_graph(
        [*b.ops, helper.make_node("Gemm", [rows, b.weight(4, 3)], ["scores"])],
        "ids",
        [helper.make_tensor_value_info("x", 7, ["N", 5])],
        [helper.make_tensor_value_info("scores", 1, ["N", 3])],
        [numpy_helper.from_array(values, name) for name, values in b.stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = inspected(tmp_path, model)
    assert findings(found, FindingKind.INTEGER_INPUT)[0].subjects == ("x",)
    (table,) = found.others
    assert (table.op_type, table.weights, table.parameters) == ("Gather", ("stored_0",), 36)
    assert found.layers[0].flow is LinkKind.TRACKED


def test_a_convolution_whose_groups_do_not_fit_is_no_layer(tmp_path: Path) -> None:
    proto = convolutional([4], size=4, classes=3)
    proto.graph.node[0].attribute.append(helper.make_attribute("group", 2**62))
    found = inspected(tmp_path, proto)
    assert all(layer.op_type != "Conv" for layer in found.layers)
    assert any("Conv" in other.op_type for other in found.others)


def test_weights_in_other_files_are_listed(tmp_path: Path) -> None:
    onnx.save(small(), tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    found = inspect(tmp_path / "model.onnx", configure(tmp_path / "model.onnx", None, {}))
    (external,) = found.file.external
    assert (external.location, external.size, external.tensors) == (
        "weights.bin", (tmp_path / "weights.bin").stat().st_size, 4
    )  # fmt: skip


def test_a_weight_that_an_unknown_op_makes_is_left_out_and_the_op_named(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("MatMul", ["x", b.weight(6, 6)])
    model = b.model(["N", 6], b.add("MatMul", [hidden, b.weight(6, 3)]))
    first = model.graph.node[0]
    model.graph.node.insert(0, helper.make_node("Secret", [first.input[1]], ["decoded"], domain="com.vendor"))
    model.opset_import.append(helper.make_opsetid("com.vendor", 1))
    model.graph.node[1].input[1] = "decoded"
    (left_out,) = inspected(tmp_path, model).others
    assert left_out.reason == "its weight is made by ops of unknown domains: com.vendor::Secret"


def test_a_weight_made_in_countless_ways_is_looked_at_once(tmp_path: Path) -> None:
    b = Builder(np.random.default_rng(0))
    hidden = b.add("MatMul", ["x", b.weight(6, 6)])
    model = b.model(["N", 6], b.add("MatMul", [hidden, b.weight(6, 3)]))
    made = [helper.make_node("Secret", [model.graph.node[0].input[1]], ["made_0"], domain="com.vendor")]
    made += [helper.make_node("Add", [f"made_{depth}"] * 2, [f"made_{depth + 1}"]) for depth in range(60)]
    model.graph.node[0].input[1] = "made_60"
    for op in reversed(made):
        model.graph.node.insert(0, op)
    model.opset_import.append(helper.make_opsetid("com.vendor", 1))
    found = inspected(tmp_path, model)
    assert any("com.vendor::Secret" in other.reason for other in found.others)


@pytest.mark.parametrize("trains", [True, False])
def test_a_normalisation_left_in_training_is_told(tmp_path: Path, *, trains: bool) -> None:
    b = Builder(np.random.default_rng(0))
    maps = b.add("Conv", ["x", b.weight(4, 3, 3, 3)])
    per_channel = [b.store(np.full(4, value, np.float32)) for value in (1, 0, 0, 1)]
    b.ops.append(
        helper.make_node(
            "BatchNormalization",
            [maps, *per_channel],
            ["normal", "mean", "variance"] if trains else ["normal"],
            name="bn",
            training_mode=int(trains),
        )
    )
    flat = b.add("Flatten", [b.add("GlobalAveragePool", ["normal"])], axis=1)
    proto = b.model(["N", 3, 6, 6], b.add("Gemm", [flat, b.weight(4, 3)]))
    found = findings(inspected(tmp_path, proto), FindingKind.TRAINING_MODE)
    assert [finding.subjects for finding in found] == ([("BatchNormalization bn",)] if trains else [])
