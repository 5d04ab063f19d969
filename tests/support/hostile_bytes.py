"""Files that are no models, damaged models, and models that say something false about themselves."""

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
from onnx import helper

from tests.support.hostile_parts import FILE, HostileFile, Write, built, changed, content, field, model_of, sound

HIGH, LARGEST_INT64 = 999, 2**63 - 1
GRAPH, NODE, OP_TYPE, DOC_STRING = 7, 1, 4, 10
"""Field numbers of ModelProto, GraphProto, NodeProto and GraphProto."""


def _sound_bytes() -> bytes:
    return bytes(sound().SerializeToString(deterministic=True))


def _zipped() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo(FILE), _sound_bytes())
    return held.getvalue()


def _folder(folder: Path) -> Path:
    path = folder / "x.onnx"
    path.mkdir()
    (path / FILE).write_bytes(_sound_bytes())
    return path


def _cut(percent: int) -> bytes:
    whole = _sound_bytes()
    return whole[: len(whole) * percent // 100]


def _flipped(first: float, last: float, seed: int, flips: int = 8) -> bytes:
    """Return the classifier with bits flipped in a part of the file."""
    rng = random.Random(seed)  # noqa: S311  # damage need not be secret
    data = bytearray(_sound_bytes())
    for _ in range(flips):
        data[rng.randrange(int(first * len(data)), int(last * len(data)))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(4096)  # noqa: S311


def _other_message() -> bytes:
    return bytes(sound().graph.initializer[0].SerializeToString())


def _no_graph() -> bytes:
    model = sound()
    model.ClearField("graph")
    return bytes(model.SerializeToString())


def _versions(**opsets: int) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid("", version) for version in opsets.values())

    return change


def _ir(version: int) -> Write:
    return changed(lambda model: setattr(model, "ir_version", version))


def _domain(domain: str, op_type: str) -> Write:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[1].domain = domain
        model.graph.node[1].op_type = op_type
        model.opset_import.append(helper.make_opsetid(domain, 1))

    return changed(change)


def _not_utf8(where: str) -> bytes:
    """Return the classifier with a string field that is not UTF-8: the parser takes it, reading it may not."""
    return _sound_bytes().replace(where.encode(), b"\xff\xfe" + where.encode()[2:])


def _not_utf8_metadata() -> bytes:
    model = sound()
    model.metadata_props.add(key="names", value="QQQQ")
    return bytes(model.SerializeToString()).replace(b"QQQQ", b"\xff\xfe\xc0\x80")


def _deep_groups() -> bytes:
    """Return a model whose bytes nest unknown protobuf groups 10^5 deep."""
    return _sound_bytes() + b"\xfb\x07" * 10**5 + b"\xfc\x07" * 10**5


def _false_length() -> bytes:
    """Return a file whose first string says it is 2 GiB long."""
    return b"\x08\x08\x12\xff\xff\xff\xff\x07" + b"a" * 100


NO_MODELS = (
    HostileFile("empty file", content(b"")),
    HostileFile("text file", content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")),
    HostileFile("HTML page", content(b"<!DOCTYPE html><html><body>404 Not Found</body></html>")),
    HostileFile("gzip of a model", content(lambda: gzip.compress(_sound_bytes(), mtime=0))),
    HostileFile("zip of a model", content(_zipped, "model.zip")),
    HostileFile("zip named .onnx", content(_zipped)),
    HostileFile("folder named x.onnx", _folder),
    HostileFile("another protobuf message", content(_other_message)),
    HostileFile("no graph", content(_no_graph)),
    HostileFile("graph without ops", built(lambda: model_of([]))),
    HostileFile("a string longer than the file", content(_false_length)),
    HostileFile("unknown groups nested 10^5 deep", content(_deep_groups)),
    *(HostileFile(f"random bytes, seed {seed}", content(partial(_noise, seed))) for seed in range(3)),
)
DAMAGED = (
    *(HostileFile(f"truncated at {percent} %", content(partial(_cut, percent))) for percent in (10, 50, 90, 99)),
    *(
        HostileFile(f"bits flipped in the {part}, seed {seed}", content(partial(_flipped, first, last, seed)))
        for part, first, last in (("header", 0.0, 0.02), ("graph", 0.02, 0.5), ("weights", 0.5, 0.75), ("end", 0.75, 1))
        for seed in range(4)
    ),
    HostileFile("op type that is not UTF-8", content(partial(_not_utf8, "Relu"))),
    HostileFile("tensor name that is not UTF-8", content(partial(_not_utf8, "active"))),
    HostileFile("output name that is not UTF-8", content(partial(_not_utf8, "scores"))),
    HostileFile("metadata that is not UTF-8", content(_not_utf8_metadata)),
    HostileFile(
        "op type that is not UTF-8, in an op no output needs",
        content(lambda: _sound_bytes() + field(GRAPH, field(NODE, field(OP_TYPE, b"\xff")))),
    ),
    HostileFile(
        "doc string that is not UTF-8",
        content(lambda: _sound_bytes() + field(GRAPH, field(DOC_STRING, b"\xff\xfe"))),
    ),
)
VERSIONS = (
    HostileFile("opset 0", changed(_versions(one=0))),
    HostileFile("opset -1", changed(_versions(one=-1))),
    HostileFile("opset 999", changed(_versions(one=HIGH))),
    HostileFile("opset 2^63 - 1", changed(_versions(one=LARGEST_INT64))),
    HostileFile("no opset import", changed(_versions())),
    HostileFile("two opset imports for one domain", changed(_versions(one=13, other=17))),
    HostileFile("two opset imports for one domain, one of them unknown", changed(_versions(one=17, other=HIGH))),
    HostileFile("IR version 0", _ir(0)),
    HostileFile("IR version 999", _ir(HIGH)),
    HostileFile("IR version -1", _ir(-1)),
    HostileFile("op of an unknown domain", _domain("com.example.Evil", "Run")),
    HostileFile("unknown op of com.microsoft", _domain("com.microsoft", "NoSuchOp")),
    HostileFile(
        "unknown op of the default domain", changed(lambda model: setattr(model.graph.node[1], "op_type", "?"))
    ),
    HostileFile("op without a type", changed(lambda model: setattr(model.graph.node[1], "op_type", ""))),
)
