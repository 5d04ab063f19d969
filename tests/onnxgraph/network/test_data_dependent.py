"""Ops whose work follows what the samples hold."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.data_dependent import led_by_values
from tests.support.hostile_data import BY_DATA
from tests.support.hostile_parts import floats, integers, model_of, op, sound

GROWN = [floats("one", np.ones(1, np.float32)), integers("first", 0), integers("last", 1)]
EXPAND = op("Expand", ["one", "sizes"], "scores")


def whole(tensor: str, name: str) -> onnx.NodeProto:
    return op("Cast", [tensor], name, to=TensorProto.INT64)


def body(ops: list[onnx.NodeProto], made: str) -> onnx.GraphProto:
    return helper.make_graph(ops, "body", [], [helper.make_tensor_value_info(made, TensorProto.FLOAT, None)])


def test_plain_networks_are_not_led() -> None:
    assert not led_by_values(sound())


def test_sizes_that_follow_from_shapes_are_not_led() -> None:
    assert not led_by_values(model_of([op("Shape", ["x"], "sizes"), EXPAND], GROWN))


def test_sizes_that_follow_from_values_are_led() -> None:
    assert led_by_values(model_of([whole("x", "sizes"), EXPAND], GROWN)) == {"Expand"}


def test_shapes_that_follow_from_values_are_led_before_anybody_asks_for_them() -> None:
    ops = [op("NonZero", ["x"], "places"), op("Shape", ["places"], "sizes"), EXPAND]
    assert led_by_values(model_of(ops, GROWN)) == {"NonZero"}


def test_the_order_of_a_file_does_not_matter() -> None:
    assert led_by_values(model_of([EXPAND, whole("x", "sizes")], GROWN)) == {"Expand"}
    assert not led_by_values(model_of([EXPAND, op("Shape", ["x"], "sizes")], GROWN))


def test_a_branch_that_values_choose_is_led_and_one_that_shapes_choose_is_not() -> None:
    def branching(condition: onnx.NodeProto) -> onnx.ModelProto:
        branches = {name: body([op("Identity", ["x"], "made")], "made") for name in ("then_branch", "else_branch")}
        small = op("Slice", [condition.output[0], "first", "last"], "chosen")
        boolean = op("Cast", ["chosen"], "choice", to=TensorProto.BOOL)
        return model_of([condition, small, boolean, op("If", ["choice"], "scores", **branches)], GROWN)

    assert not led_by_values(branching(op("Shape", ["x"], "of_shape")))
    assert led_by_values(branching(whole("x", "of_values"))) == {"If"}


@pytest.mark.parametrize(("sizes", "led"), [(op("Shape", ["x"], "sizes"), set()), (whole("x", "sizes"), {"Expand"})])
def test_bodies_are_looked_into(sizes: onnx.NodeProto, led: set[str]) -> None:
    ends = [op("Expand", ["one", "sizes"], "made")]
    branches = {"then_branch": body(ends, "made"), "else_branch": body(ends, "made")}
    fixed = op("Cast", ["last"], "choice", to=TensorProto.BOOL)
    assert led_by_values(model_of([sizes, fixed, op("If", ["choice"], "scores", **branches)], GROWN)) == led


def test_what_a_body_is_given_hides_a_stored_tensor_of_its_name() -> None:
    value = helper.make_tensor_value_info
    step = helper.make_graph(
        [whole("first", "sizes"), op("Expand", ["one", "sizes"], "made")],
        "step",
        [value("first", TensorProto.FLOAT, None)],
        [value("made", TensorProto.FLOAT, None)],
    )
    assert led_by_values(model_of([op("Scan", ["x"], "scores", body=step, num_scan_inputs=1)], GROWN)) == {"Expand"}


def test_hostile_files_whose_harm_follows_from_values_are_led(tmp_path: Path) -> None:
    found = [led_by_values(load_model(file.write(tmp_path)).proto) for file in BY_DATA]
    assert found == [{"Loop"}, {"Loop"}, {"ConstantOfShape"}, {"Expand"}]
