"""Models whose weights stand, or seem to stand, in other files."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tests.support.hostile_parts import FILE, HostileFile, before_scores, named, op, sound

DATA = "weights.bin"
OUTSIDE = "outside.bin"
"""A file outside the model's folder, of the right size: it would be taken for weights."""


def weight_bytes() -> bytes:
    """Return what the external file should hold."""
    return bytes(named(sound(), "v").raw_data)


def _outside(tensor: TensorProto, location: str, settings: dict[str, str]) -> None:
    """Let a tensor say that its data stands in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **settings}.items():
        tensor.external_data.add(key=key, value=value)


Around = Callable[[Path], None]
"""Puts files into the model's folder; the file outside stands in the folder above."""


def _nothing(folder: Path) -> None:
    del folder


def _data(folder: Path) -> None:
    (folder / DATA).write_bytes(weight_bytes())


def _link(target: str) -> Around:
    return lambda folder: (folder / DATA).symlink_to(target)


def _link_inside(folder: Path) -> None:
    (folder / "other.bin").write_bytes(weight_bytes())
    (folder / DATA).symlink_to("other.bin")


def _linked_folder(folder: Path) -> None:
    (folder / "sub").symlink_to("..", target_is_directory=True)


def _hard_link(folder: Path) -> None:
    os.link(folder.parent / OUTSIDE, folder / DATA)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / DATA)


def _directory(folder: Path) -> None:
    (folder / DATA).mkdir()


def _unreadable(folder: Path) -> None:
    _data(folder)
    (folder / DATA).chmod(0)


def _sparse_file(folder: Path) -> None:
    """Write a file of 2^40 zero bytes that takes no room."""
    with (folder / DATA).open("wb") as file:
        file.truncate(2**40)


def _at(
    location: str | Callable[[Path], str],
    around: Around = _nothing,
    *,
    where: Callable[[onnx.ModelProto], TensorProto] = lambda model: named(model, "v"),
    change: Callable[[onnx.ModelProto], object] = lambda _: None,
    **settings: str,
) -> Callable[[Path], Path]:
    """Return what writes a model whose tensor refers to a location, which may follow from the model's folder."""

    def write(folder: Path) -> Path:
        inner = folder.resolve() / "model"
        inner.mkdir()
        (folder / OUTSIDE).write_bytes(weight_bytes())
        around(inner)
        model = sound()
        change(model)
        _outside(where(model), location if isinstance(location, str) else location(inner), settings)
        (inner / FILE).write_bytes(model.SerializeToString(deterministic=True))
        return inner / FILE

    return write


def _constant(model: onnx.ModelProto) -> None:
    """Let a Constant op hold the weight of the last op."""
    tensor = named(model, "v")
    node = op("Constant", [], "v", value=tensor)
    model.graph.initializer.remove(tensor)
    model.graph.node.insert(0, node)


def _branches(model: onnx.ModelProto) -> None:
    """Let a body hold a weight that is added to the scores."""
    output = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    weight = helper.make_tensor("k", TensorProto.FLOAT, [3, 8], weight_bytes(), raw=True)
    add = [op("ReduceMax", ["k"], "m", keepdims=0), op("Add", ["inner", "m"], "o")]
    body = helper.make_graph(add, "then", [], [output], [weight])
    other = helper.make_graph([op("Identity", ["inner"], "o")], "else", [], [output])
    go = helper.make_tensor("go", TensorProto.BOOL, [], [True])
    before_scores(model, [op("If", ["go"], "scores", then_branch=body, else_branch=other)], [go])


def _in_branch(model: onnx.ModelProto) -> TensorProto:
    entry = next(entry for entry in model.graph.node[-1].attribute if entry.name == "then_branch")
    stored: TensorProto = entry.g.initializer[0]
    return stored


def _function(model: onnx.ModelProto) -> None:
    """Let a function hold a weight that is added to the scores."""
    tensor = helper.make_tensor("k", TensorProto.FLOAT, [3, 8], weight_bytes(), raw=True)
    ops = [
        op("Constant", [], "k", value=tensor),
        op("ReduceMax", ["k"], "m", keepdims=0),
        op("Add", ["a", "m"], "b"),
    ]
    model.functions.append(helper.make_function("local", "F", ["a"], ["b"], ops, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("local", 1))
    before_scores(model, [op("F", ["inner"], "scores", domain="local")])


def _sparse(model: onnx.ModelProto) -> None:
    """Hold the last op's weight as a sparse tensor."""
    tensor = named(model, "v")
    places = helper.make_tensor("places", TensorProto.INT64, [24], list(range(24)))
    values = helper.make_tensor("v", TensorProto.FLOAT, [24], weight_bytes(), raw=True)
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3, 8]))
    model.graph.initializer.remove(tensor)


def _doubly(model: onnx.ModelProto) -> None:
    """Give the location twice: a sound one first."""
    named(model, "v").external_data.add(key="location", value=DATA)


def _without_location(folder: Path) -> Path:
    model = sound()
    tensor = named(model, "v")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    (folder / FILE).write_bytes(model.SerializeToString())
    return folder / FILE


def _first_value(model: onnx.ModelProto) -> TensorProto:
    stored: TensorProto = next(e.t for node in model.graph.node for e in node.attribute if e.name == "value")
    return stored


def _in_function(model: onnx.ModelProto) -> TensorProto:
    stored: TensorProto = model.functions[0].node[0].attribute[0].t
    return stored


def _places(name: str, write: Callable[[Path], Path], *, harmless: bool = False) -> HostileFile:
    return HostileFile(f"external data: {name}", write, harmless=harmless)


EXTERNAL = (
    _places("as it should be", _at(DATA, _data), harmless=True),
    _places("as it should be, with offset and length", _at(DATA, _data, offset="0", length="96"), harmless=True),
    _places("with ./ before its name", _at(f"./{DATA}", _data), harmless=True),
    _places("outside the folder: ../", _at(f"../{OUTSIDE}")),
    _places("outside the folder: sub/../../", _at(f"sub/../../{OUTSIDE}", lambda folder: (folder / "sub").mkdir())),
    _places("outside the folder: ..\\", _at(f"..\\{OUTSIDE}")),
    _places("outside the folder: absolute path", _at(lambda folder: str(folder.parent / OUTSIDE))),
    _places("outside the folder: file://", _at(lambda folder: f"file://{folder.parent / OUTSIDE}")),
    _places("outside the folder: the home folder", _at("~/.bashrc")),
    _places("outside the folder: a variable", _at("$HOME/.bashrc")),
    _places("on a server", _at("//127.0.0.1/share/weights.bin")),
    _places("by HTTP", _at("http://127.0.0.1:9/weights.bin")),
    _places("absolute path inside the folder", _at(lambda folder: str(folder / DATA), _data)),
    _places("../ that leads back", _at(f"../model/{DATA}", _data)),
    _places("a link to a file outside", _at(DATA, _link(f"../{OUTSIDE}"))),
    _places("a link to a file inside", _at(DATA, _link_inside)),
    _places("a link to itself", _at(DATA, _link(DATA))),
    _places("a link to nothing", _at(DATA, _link("nowhere"))),
    _places("a link to /dev/zero", _at(DATA, _link("/dev/zero"))),
    _places("through a linked folder", _at(f"sub/{OUTSIDE}", _linked_folder)),
    _places("a hard link", _at(DATA, _hard_link)),
    _places("a named pipe", _at(DATA, _pipe)),
    _places("/dev/zero", _at("/dev/zero")),
    _places("/dev/stdin", _at("/dev/stdin")),
    _places("/proc/self/environ", _at("/proc/self/environ")),
    _places("a folder", _at(DATA, _directory)),
    _places("the folder itself", _at(".")),
    _places("no location", _without_location),
    _places("an empty location", _at("")),
    _places("a location with NUL", _at(f"{DATA}\0.png", _data)),
    _places("a location of a line break and an escape", _at("a\n\x1b[31mb")),
    _places("a location of 10^5 characters", _at("a" * 10**5)),
    _places("a location given twice", _at(f"../{OUTSIDE}", _data, change=_doubly)),
    _places("missing", _at(DATA)),
    _places("not readable", _at(DATA, _unreadable)),
    _places("the model file itself", _at(FILE, offset="0", length="96")),
    _places("offset beyond the end", _at(DATA, _data, offset="97", length="96")),
    _places("offset of 2^63", _at(DATA, _data, offset=str(2**63), length="96")),
    _places("negative offset", _at(DATA, _data, offset="-1", length="96")),
    _places("offset that is no number", _at(DATA, _data, offset="one")),
    _places("offset of 5000 digits", _at(DATA, _data, offset="9" * 5000)),
    _places("length too large", _at(DATA, _data, offset="0", length="97")),
    _places("length of 2^62", _at(DATA, _data, offset="0", length=str(2**62))),
    _places("length too small", _at(DATA, _data, offset="0", length="95")),
    _places("negative length", _at(DATA, _data, offset="0", length="-1")),
    _places("a file of 2^40 bytes", _at(DATA, _sparse_file)),
    _places("an unknown key", _at(DATA, _data, __class__="x")),
    _places("outside, for a Constant op", _at(f"../{OUTSIDE}", change=_constant, where=_first_value)),
    _places("outside, in a branch", _at(f"../{OUTSIDE}", change=_branches, where=_in_branch)),
    _places("outside, in a function", _at(f"../{OUTSIDE}", change=_function, where=_in_function)),
    _places(
        "outside, for a sparse tensor",
        _at(f"../{OUTSIDE}", change=_sparse, where=lambda model: model.graph.sparse_initializer[0].values),
    ),
    _places(
        "outside, for a tensor no op uses",
        _at(
            f"../{OUTSIDE}",
            change=lambda model: model.graph.initializer.add(name="unused"),
            where=lambda m: named(m, "unused"),
        ),
    ),
)
