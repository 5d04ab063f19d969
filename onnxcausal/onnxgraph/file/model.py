"""Reading ONNX files."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from onnxcausal.errors import ModelError, OnnxCausalError
from onnxcausal.filesystem.reading import plain_file
from onnxcausal.onnxgraph.file.external import load_external
from onnxcausal.samples.source import InputSpec

OLDEST_OPSET = 7
"""Oldest default-domain opset that ONNX Runtime promises to run."""
SERIALISED_LIMIT = 2**31 - 1
"""Largest protobuf message, in bytes."""

INTEGER_TYPES = frozenset(
    {
        onnx.TensorProto.UINT8,
        onnx.TensorProto.INT8,
        onnx.TensorProto.UINT16,
        onnx.TensorProto.INT16,
        onnx.TensorProto.INT32,
        onnx.TensorProto.INT64,
        onnx.TensorProto.UINT32,
        onnx.TensorProto.UINT64,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model as it stands in its file.

    Attributes:
        name: the file's name without its folder.
        proto: the parsed file, external data loaded; never changed in place.
        sha256: of the file's bytes; where weights stand in other files, of those bytes too.
        external: how many tensors stand in each other file, by its name.
        file_sha256: of the bytes of the .onnx file alone.
    """

    name: str
    proto: onnx.ModelProto
    sha256: str
    external: Mapping[str, int] = field(default_factory=dict)
    file_sha256: str = ""

    @property
    def opset(self) -> int:
        """Version of the default operator set."""
        return opset_of(self.proto)

    @property
    def metadata(self) -> dict[str, str]:
        """The file's metadata properties."""
        return {entry.key: entry.value for entry in self.proto.metadata_props}


def input_spec(proto: onnx.ModelProto, model: str, name: str | None = None) -> InputSpec:
    """Return the input that takes the samples: the one named, or the only one.

    Args:
        proto: the model, or the part of it that is run.
        model: the model's name, for the error.
        name: an input; default: the only graph input without an initializer.

    Raises:
        ModelError: there is none of that name, or several must be fed.
    """
    given = {tensor.name for tensor in proto.graph.initializer}
    specs = [spec_of(value) for value in proto.graph.input if value.name not in given]
    chosen = [spec for spec in specs if name in (None, spec.name)]
    if len(specs) == 1 and chosen:
        return chosen[0]
    raise ModelError(
        f"the model has no input {name!r}" if name and not chosen else "the model does not take exactly one input",
        where=model,
        why=f"inputs that decide the outcome: {'; '.join(str(spec) for spec in specs) or 'none'}",
        remedy="name one of its inputs"
        if len(specs) == 1
        else "give the others a value with --set NAME=VALUE, or supply all as arrays or columns of their names",
    )


def load_model(path: Path, *, follow_links: bool = False) -> Model:
    """Return the model in a file.

    Args:
        path: the file.
        follow_links: read weights behind symbolic and hard links too, as model stores lay them out.

    Raises:
        ModelError: no such file, not an ONNX model, damaged, without an operator set this project can run, or with
            weights in files that are missing or outside the model's folder.
    """
    content = _content_of(path)
    proto = _parse(content, path)
    digest = hashlib.sha256(content)
    of_file = digest.hexdigest()
    del content
    with damage_told(str(path)):
        check_names(proto)
        external = load_external(proto, path.parent, digest.update, follow_links=follow_links)
    return Model(path.name, proto, digest.hexdigest(), external, of_file)


def load_message(path: Path, model: Model) -> onnx.ModelProto:
    """Return the message in a model's file as it stands there: weights in other files are named, not loaded.

    Args:
        path: the file.
        model: the model that was loaded from it.

    Raises:
        ModelError: the file is not the one that was loaded.
    """
    return _parse(load_bytes(path, model), path)


def load_bytes(path: Path, model: Model) -> bytes:
    """Return the bytes of a model's file.

    Args:
        path: the file.
        model: the model that was loaded from it.

    Raises:
        ModelError: the file is not the one that was loaded.
    """
    content = _content_of(path)
    if hashlib.sha256(content).hexdigest() != model.file_sha256:
        raise ModelError(
            "the model changed while it was opened",
            where=str(path),
            why="its bytes are not those that were loaded a moment ago",
            remedy="wait until it is written, and run again",
        )
    return content


def read_message(path: Path) -> onnx.ModelProto:
    """Return the message in a model's file.

    Raises:
        ModelError: it is no model file.
    """
    return _parse(_content_of(path), path)


def _content_of(path: Path) -> bytes:
    """Return what a model file holds.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return _content(path)
    except OSError as error:
        raise ModelError(
            "there is no such model" if not os.path.lexists(path) or path.is_dir() else "the model cannot be read",
            where=str(path),
            why=error.strerror or str(error),
            remedy="name an .onnx file that you may read",
        ) from error


def _content(path: Path) -> bytes:
    """Return what a file holds; pipes, devices and folders are not opened.

    Raises:
        OSError: it cannot be read.
        ModelError: it is no plain file, or larger than a model can be.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise _not_onnx(path, "it is no plain file")
    if found.st_size > SERIALISED_LIMIT:
        raise _not_onnx(path, f"it has {found.st_size:,} bytes; a model's own file has 2 GiB at most")
    with plain_file(path) as content:
        return content.read()


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Tell whatever a damaged graph makes Python code raise as an error of the model.

    Raises:
        ModelError: the graph cannot be understood.
    """
    try:
        yield
    except (OnnxCausalError, OSError):
        raise
    except MemoryError as error:
        raise ModelError(
            "the model takes more memory than there is",
            where=name,
            why=str(error) or "an allocation failed",
            remedy="check the sizes of its tensors with onnxcausal inspect; use a machine with more memory",
        ) from error
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ModelError(
            "the model's graph cannot be understood",
            where=name,
            why=f"{type(error).__name__}: {reason[0][:300] if reason else 'no message'}",
            remedy="check that the file is complete; if ONNX Runtime runs it, report what --debug shows",
        ) from error


def check_names(proto: onnx.ModelProto) -> None:
    """Refuse a model with names that are not text.

    Raises:
        ModelError: a name is not UTF-8.
    """
    if all(isinstance(name, str) for name in _names(proto)):
        return
    raise ModelError(
        "the model has names that are not text",
        where="a name of an op or tensor",
        why="it is not valid UTF-8",
        remedy="check that the file is complete; export it again",
    )


def _names(proto: onnx.ModelProto) -> Iterator[object]:
    """Yield every name that a model uses."""
    yield from (entry.domain for entry in proto.opset_import)
    yield from (text for entry in proto.metadata_props for text in (entry.key, entry.value))
    yield from _names_in(proto.graph.node)
    for value in (*proto.graph.input, *proto.graph.output):
        yield value.name
        yield from (size.dim_param for size in value.type.tensor_type.shape.dim)
    for tensor in proto.graph.initializer:
        yield tensor.name
    for function in proto.functions:
        yield from (function.name, function.domain, *function.input, *function.output)
        yield from _names_in(function.node)


def _names_in(ops: Iterable[onnx.NodeProto]) -> Iterator[object]:
    for op in ops:
        yield from (op.name, op.op_type, op.domain, *op.input, *op.output)
        for entry in op.attribute:
            yield entry.name
            for body in (entry.g, *entry.graphs):
                yield from (value.name for value in (*body.input, *body.output))
                yield from (tensor.name for tensor in body.initializer)
                yield from _names_in(body.node)


def opset_of(proto: onnx.ModelProto) -> int:
    """Return the version of the default operator set."""
    return max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def serialise(proto: onnx.ModelProto, name: str) -> bytes:
    """Return the model as bytes, all weights inline.

    Raises:
        ModelError: it exceeds what one protobuf message can hold.
    """
    size = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    if size < SERIALISED_LIMIT:
        return bytes(proto.SerializeToString())
    raise ModelError(
        "the model is too large to be rewritten in memory",
        where=name,
        why=f"its weights take {size / 2**30:.1f} GiB, one message holds 2 GiB",
        remedy="analyse a part of the model, or a version in half precision",
    )


def _parse(content: bytes, path: Path) -> onnx.ModelProto:
    if not content:
        raise _not_onnx(path, "the file is empty")
    try:
        proto = onnx.load_model_from_string(content)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise _not_onnx(path, f"it does not parse as a model ({str(error).splitlines()[0]})") from error
    if not proto.graph.node:
        raise _not_onnx(path, "it holds no graph with operations")
    if proto.ir_version < 1:
        raise _not_onnx(path, f"its format version is {proto.ir_version}")
    named = {(entry.domain if entry.domain != "ai.onnx" else "", entry.version) for entry in proto.opset_import}
    if len({domain for domain, _ in named}) < len(named):  # one that is named twice alike is one
        raise _not_onnx(path, "it names two versions of one operator set")
    if opset_of(proto) < OLDEST_OPSET:
        raise ModelError(
            "the model's operator set is too old",
            where=str(path),
            why=f"opset {opset_of(proto) or 'not stated'}; ONNX Runtime runs {OLDEST_OPSET} and newer",
            remedy="convert it with onnx.version_converter, or export it anew",
        )
    return proto


def _not_onnx(path: Path, why: str) -> ModelError:
    return ModelError(
        "the file is not an ONNX model",
        where=str(path),
        why=why,
        remedy="check that the download or copy is complete and is the .onnx file itself",
    )


def spec_of(value: onnx.ValueInfoProto) -> InputSpec:
    """Return what an input takes."""
    tensor = value.type.tensor_type
    # Some exporters write 0 or -1 for an open axis; an axis without a value reads as 0.
    shape = tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)
    return InputSpec(value.name, shape, tensor.elem_type in INTEGER_TYPES)
