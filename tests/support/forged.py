"""Repaired files in which somebody put more than masks, or who say of themselves what is not so."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxcausal.analysis.formats.repair_metadata import KEY
from onnxcausal.onnxgraph.original.original import message_sha256

Change = Callable[[onnx.ModelProto], object]
"""Changes the message of a repaired file."""
Spelling = Callable[[bytes], bytes]
"""Changes the bytes of one."""
Claim = Callable[[dict[str, Any]], object]
"""Changes what it says of itself."""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def forge(path: Path, change: Change) -> None:
    """Change the message of a file."""
    proto = onnx.load(path, load_external_data=False)
    change(proto)
    path.write_bytes(proto.SerializeToString())


def claim(path: Path, change: Claim) -> None:
    """Change what a repaired file says of itself, spelled as honest ones are."""
    proto = onnx.load(path, load_external_data=False)
    entry = record_in(proto)
    held = json.loads(entry.value)
    change(held)
    entry.value = json.dumps(held, sort_keys=True, separators=(",", ":"))
    path.write_bytes(proto.SerializeToString())


def record_in(proto: onnx.ModelProto) -> onnx.StringStringEntryProto:
    found: onnx.StringStringEntryProto = next(entry for entry in proto.metadata_props if entry.key == KEY)
    return found


def evil_twin(model: Path) -> Path:
    """Write a model beside another, of the same layers, that answers otherwise."""
    proto = onnx.load(model, load_external_data=False)
    bias = stored(proto, "stored_3")
    bias.CopyFrom(numpy_helper.from_array(np.array([1e6, 0, 0], np.float32), bias.name))
    path = model.with_name("evil.onnx")
    path.write_bytes(proto.SerializeToString())
    return path


def stored(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(tensor for tensor in proto.graph.initializer if tensor.name == name)
    return found


def _array(change: Callable[[Any], None], name: str) -> Change:
    def changed(proto: onnx.ModelProto) -> None:
        tensor = stored(proto, name)
        values = numpy_helper.to_array(tensor).copy()
        change(values)
        tensor.CopyFrom(numpy_helper.from_array(values, name))

    return changed


def _next_number(values: Any) -> None:
    values.flat[0] = np.nextafter(values.flat[0], np.float32(9))


def _minus_zero(values: Any) -> None:
    values[values == 0] = -0.0


def _half(values: Any) -> None:
    values.flat[0] = 0.5


def _in_both_fields(proto: onnx.ModelProto) -> None:
    stored(proto, "stored_3").float_data.extend([1, 2, 3])


def _in_another_field(proto: onnx.ModelProto) -> None:
    tensor = stored(proto, "stored_3")
    values = numpy_helper.to_array(tensor).tolist()
    tensor.ClearField("raw_data")
    tensor.float_data.extend(values)


def _in_another_file(proto: onnx.ModelProto) -> None:
    tensor = stored(proto, "stored_3")
    tensor.external_data.add(key="location", value="elsewhere")


def _function(proto: onnx.ModelProto) -> None:
    negate = helper.make_node("Neg", ["a"], ["b"])
    proto.functions.append(helper.make_function("own", "F", ["a"], ["b"], [negate], [helper.make_opsetid("", 17)]))


def _second_record(proto: onnx.ModelProto) -> None:
    proto.metadata_props.insert(0, onnx.StringStringEntryProto(key=KEY, value="{}"))


MESSAGES: Mapping[str, Change] = {
    "a weight, by the least there is": _array(_next_number, "stored_0"),
    "a bias": _array(_next_number, "stored_3"),
    "a mask, of -0": _array(_minus_zero, "/gemm_2/Gemm.mask"),
    "a mask, of another factor": _array(_half, "/gemm_2/Gemm.mask"),
    "a weight in two fields": _in_both_fields,
    "a weight in another field": _in_another_field,
    "a weight that names a file": _in_another_file,
    "an op": lambda proto: proto.graph.node.add(op_type="Identity", input=["x"], output=["y"]),
    "ops in another order": lambda proto: proto.graph.node.insert(0, proto.graph.node.pop()),
    "a second output": lambda proto: proto.graph.output.add(name="x"),
    "a spare weight": lambda proto: proto.graph.initializer.append(numpy_helper.from_array(np.ones(3), "spare")),
    "a sparse weight": lambda proto: proto.graph.sparse_initializer.add(dims=[1]),
    "notes of shapes": lambda proto: proto.graph.value_info.add(name="x"),
    "notes of quantisation": lambda proto: proto.graph.quantization_annotation.add(tensor_name="x"),
    "metadata": lambda proto: proto.metadata_props.add(key="z", value="1"),
    "a second record": _second_record,
    "metadata of an op": lambda proto: proto.graph.node[0].metadata_props.add(key="z", value="1"),
    "metadata of the graph": lambda proto: proto.graph.metadata_props.add(key="z", value="1"),
    "metadata of a weight": lambda proto: proto.graph.initializer[0].metadata_props.add(key="z", value="1"),
    "a doc string": lambda proto: setattr(proto, "doc_string", "x"),
    "a doc string of an op": lambda proto: setattr(proto.graph.node[0], "doc_string", "x"),
    "an empty doc string": lambda proto: setattr(proto.graph.node[0], "doc_string", ""),
    "an attribute": lambda proto: proto.graph.node[0].attribute.append(helper.make_attribute("z", 1)),
    "a function": _function,
    "training": lambda proto: setattr(proto.training_info.add().algorithm, "name", "x"),
    "an operator set": lambda proto: proto.opset_import.add(domain="zz", version=1),
    "a version": lambda proto: setattr(proto, "model_version", 9),
    "a producer": lambda proto: setattr(proto, "producer_name", "ACME"),
    "a field that nobody knows": lambda proto: proto.MergeFromString(b"\xfa\x3e\x03abc"),
    "such a field in an op": lambda proto: proto.graph.node[0].MergeFromString(b"\xfa\x3e\x03abc"),
    "such a field in a weight": lambda proto: proto.graph.initializer[0].MergeFromString(b"\xf8\x3e\x07"),
}
"""What may be added to a repaired file, or changed in it, by name."""


def _long_number(content: bytes) -> bytes:
    assert content[0] == 8  # the field ir_version, of one byte
    return bytes([8, content[1] | 0x80, 0]) + content[2:]


def _two_parts(content: bytes) -> bytes:
    proto = onnx.ModelProto.FromString(content)
    rest = onnx.ModelProto()
    rest.graph.input.extend(proto.graph.input)
    del proto.graph.input[:]
    return bytes(proto.SerializeToString() + rest.SerializeToString())


def _hidden_in_a_tensor(content: bytes) -> bytes:
    """Return the bytes with the type of a weight written as a number of which 32 bits alone count."""
    proto = onnx.ModelProto.FromString(content)
    tensor = proto.graph.initializer[-1]
    written = tensor.SerializeToString()
    tail = onnx.TensorProto(data_type=tensor.data_type).SerializeToString()
    assert tail in written
    longer = bytes([tail[0], tail[1] | 0x80, 0x80, 0x80, 0x80, 0x10])  # 2 ** 32 more
    del proto.graph.initializer[-1]
    graph = proto.graph.SerializeToString() + _field(5, written.replace(tail, longer, 1))
    proto.ClearField("graph")
    return bytes(proto.SerializeToString() + _field(7, graph))


def _two_names(content: bytes) -> bytes:
    """Return the bytes with an op that has two names, of which the last one counts."""
    proto = onnx.ModelProto.FromString(content)
    ops = [op.SerializeToString() for op in proto.graph.node]
    del proto.graph.node[:]
    ops[0] = _field(3, b"another name") + ops[0]
    graph = b"".join(_field(1, op) for op in ops) + proto.graph.SerializeToString()
    proto.ClearField("graph")
    return bytes(proto.SerializeToString() + _field(7, graph))


def _field(number: int, content: bytes) -> bytes:
    """Return a field with a length as protobuf writes it."""
    length, size = bytearray(), len(content)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


SPELLINGS: Mapping[str, tuple[Spelling, str]] = {
    "a field twice, first": (lambda content: b"\x08\x03" + content, "ir_version stands twice"),
    "a field twice, last": (lambda content: content + b"\x08\x08", "ir_version stands twice"),
    "an empty graph behind": (lambda content: content + b"\x3a\x00", "graph stands twice"),
    "a graph in two parts": (_two_parts, "graph stands twice"),
    "a name of the producer, that is replaced": (
        lambda content: b"\x12\x04ACME\x12\x00" + content,
        "producer_name",
    ),
    "a longer number": (_long_number, "more bytes than it takes"),
    "a number of which a part counts": (_hidden_in_a_tensor, "data_type is a number that its type does not hold"),
    "an op with two names": (_two_names, "graph.node.name stands twice"),
    "a field that nobody knows": (lambda content: content + b"\xfa\x3e\x03abc", "field 1007"),
    "a second such field before": (lambda content: b"\xfa\x3e\x01a" + content, "field 1007"),
    "a graph with an empty name behind": (lambda content: content + b"\x3a\x02\x12\x00", "graph"),
}
"""What may be hidden in the bytes of a repaired file that parse, and what is said of it."""
JUNK: Mapping[str, Spelling] = {
    "a zero behind": lambda content: content + b"\0",
    "text behind": lambda content: content + b"hello",
    "a part of a field behind": lambda content: content + b"\x3a\x7f",
    "a zero before": lambda content: b"\0" + content,
    "an end too early": lambda content: content[:-1],
}
"""What makes the bytes no message."""


def _deep(held: dict[str, Any], levels: int) -> None:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"a": inner}
    held["masks"]["provenance"] = inner


CLAIMS: Mapping[str, Claim] = {
    "a version that praises": lambda held: held.update(onnxcausal="9.9.9 certified by ACME"),
    "a version with a script": lambda held: held.update(onnxcausal="<script>alert(1)</script>"),
    "a version of a million letters": lambda held: held.update(onnxcausal="9" * 10**6),
    "an empty version": lambda held: held.update(onnxcausal=""),
    "a version in colours": lambda held: held.update(onnxcausal="\x1b[31m1.0"),
    "a version in two lines": lambda held: held.update(onnxcausal="1.0\n"),
    "provenance of a million letters": lambda held: held["masks"].update(provenance={"payload": "B" * 10**6}),
    "provenance in levels": lambda held: _deep(held, 60),
    "provenance in many levels": lambda held: _deep(held, 900),
    "provenance with a number of 5000 digits": lambda held: held["masks"].update(provenance={"n": 10**4200}),
    "a key that nobody knows": lambda held: held.update(approved="yes"),
    "a key of masks that nobody knows": lambda held: held["masks"].update(approved="yes"),
    "a form that there is not": lambda held: held.update(form="approved"),
    "masks that are text": lambda held: held.update(masks="all"),
    "a hash that is none": lambda held: held["masks"]["model"].update(sha256="0" * 63),
    "a factor above 1": lambda held: held["masks"]["masks"][0].update(beta=1.5),
    "a factor below 0": lambda held: held["masks"]["masks"][0].update(beta=-0.5),
}
"""What a file may say of itself that no honest one does."""
TEXTS: Mapping[str, Callable[[str], str]] = {
    "no JSON": lambda text: text[:-1],
    "a number that is none": lambda text: text.replace('"beta":0.5', '"beta":NaN'),
    "an infinite number": lambda text: text.replace('"beta":0.5', '"beta":1e999'),
    "provenance with a number that is none": lambda text: text.replace('"masks":{', '"masks":{"provenance":{"a":NaN},'),
    "provenance with an infinite number": lambda text: text.replace('"masks":{', '"masks":{"provenance":{"a":1e999},'),
    "a key twice": lambda text: text.replace('{"form":', '{"form":"folded","form":'),
    "a list": lambda text: f"[{text}]",
    "nothing": lambda text: text[:0],
    "brackets": lambda text: "[" * 100_000 + text,
    "nine million letters": lambda text: text + " " * 9 * 10**6,
    "half a letter": lambda text: text.replace('"masks":{', '"masks":{"provenance":{"a":"\\ud800"},'),
}
"""The same in the text itself."""


def claims_to_be(path: Path, genuine: Path, how: str) -> None:
    """Let a repaired file of an evil model say that it is of a genuine one, in some of its hashes."""
    digest = sha256(genuine)
    message = message_sha256(onnx.load(genuine, load_external_data=False))

    def change(held: dict[str, Any]) -> None:
        held["masks"]["model"]["file"] = genuine.name
        if "model" in how:
            held["masks"]["model"]["sha256"] = digest
        if "file" in how:
            held["original"]["file_sha256"] = digest
        if "message" in how:
            held["original"]["message_sha256"] = message

    claim(path, change)
