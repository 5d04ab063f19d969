"""What the bytes of a message hold beside it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, TypeProto

from onnxcausal.onnxgraph.original.spelling import hidden_in
from tests.support.networks import mlp

SEEDS = sorted((Path(__file__).parents[2] / "seeds").glob("*.onnx"))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.stem)
def test_what_protobuf_writes_hides_nothing(seed: Path) -> None:
    try:
        proto = onnx.load_model_from_string(seed.read_bytes())
    except Exception:  # noqa: BLE001  # a broken one
        return
    assert not hidden_in(proto.SerializeToString(), ModelProto.DESCRIPTOR)


def test_fields_in_another_order_and_lists_in_one_piece_or_one_by_one_hide_nothing() -> None:
    proto = mlp([np.ones((2, 3))], [np.zeros(2)])
    late = ModelProto(ir_version=proto.ir_version).SerializeToString()
    proto.ClearField("ir_version")
    assert not hidden_in(proto.SerializeToString() + late, ModelProto.DESCRIPTOR)
    one_by_one, in_one_piece = b"\x40\x01\x40\x02", b"\x42\x02\x01\x02"  # AttributeProto.ints
    for spelled in (one_by_one, in_one_piece):
        assert list(AttributeProto.FromString(spelled).ints) == [1, 2]
        assert not hidden_in(spelled, AttributeProto.DESCRIPTOR)
    floats = b"\x22\x08" + np.array([1, 2], "<f4").tobytes()  # TensorProto.float_data
    assert not hidden_in(floats, TensorProto.DESCRIPTOR)
    assert not hidden_in(b"\x25" + floats[2:6] + b"\x25" + floats[6:], TensorProto.DESCRIPTOR)


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (b"\x40\x01\x42\x01\x02", AttributeProto, "ints stands twice"),
        (b"\x42\x01\x01\x42\x01\x02", AttributeProto, "ints stands twice"),
        (b"\x42\x00", AttributeProto, "ints is written, and empty"),
        (b"\x42\x02\x81\x00", AttributeProto, "ints is written with more bytes than it takes"),
        (b"\x40\x81\x80\x00", AttributeProto, "ints is written with more bytes than it takes"),
        (b"\x10\x81\x80\x80\x80\x10", TensorProto, "data_type is a number that its type does not hold"),
        (b"\x10" + b"\xff" * 9 + b"\x03", TensorProto, "data_type is written with more bytes than it takes"),
        (b"\x90\x00\x01", TensorProto, "a field's number is written with more bytes than it takes"),
        (b"\x42\x81\x00a", TensorProto, "the length of name is written with more bytes than it takes"),
        (b"\x42\x01a\x42\x01b", TensorProto, "name stands twice"),
        (b"\x0a\x00\x0a\x00", TypeProto, "tensor_type stands twice"),
        (b"\x22\x00\x0a\x00", TypeProto, "tensor_type stands twice"),  # one of several, of which the last counts
        (b"\x0a\x04\x08\x01\x08\x02", TypeProto, "tensor_type.elem_type stands twice"),
        (b"\x15\x00\x00\x00\x00\x15\x00\x00\x80\x3f", AttributeProto, "f stands twice"),
    ],
)
def test_what_is_hidden_is_named(content: bytes, kind: type[TensorProto], told: str) -> None:
    kind.FromString(content)  # it parses
    assert hidden_in(content, kind.DESCRIPTOR) == told


def test_a_number_below_zero_has_the_bytes_that_it_takes() -> None:
    for number in (-1, -(2**31), 2**31 - 1):
        assert not hidden_in(TensorProto(data_type=number).SerializeToString(), TensorProto.DESCRIPTOR)
    assert not hidden_in(AttributeProto(i=-(2**63)).SerializeToString(), AttributeProto.DESCRIPTOR)


def test_fields_that_nobody_knows_are_of_the_message() -> None:
    for unknown in (b"\xfa\x3e\x03abc", b"\xf8\x3e\x07", b"\xfd\x3e\x00\x00\x00\x00", b"\xf9\x3e" + bytes(8)):
        proto = ModelProto.FromString(unknown)
        assert proto.SerializeToString() == unknown
        assert not hidden_in(unknown, ModelProto.DESCRIPTOR)
    assert (
        hidden_in(b"\xfb\x3e\xfc\x3e", ModelProto.DESCRIPTOR) == "field 1007 is a group, which the format does not have"
    )
