"""Reading ONNX files."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

from onnxcausal.errors import ModelError
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
    """

    name: str
    proto: onnx.ModelProto
    sha256: str

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
    specs = [_spec(value) for value in proto.graph.input if value.name not in given]
    chosen = [spec for spec in specs if name in (None, spec.name)]
    if len(specs) == 1 and chosen:
        return chosen[0]
    raise ModelError(
        f"the model has no input {name!r}" if name and not chosen else "the model does not take exactly one input",
        where=model,
        why=f"inputs that decide the outcome: {'; '.join(str(spec) for spec in specs) or 'none'}",
        remedy="name one of its inputs" if len(specs) == 1 else "give the other inputs constant values beforehand",
    )


def load_model(path: Path) -> Model:
    """Return the model in a file.

    Raises:
        ModelError: no such file, not an ONNX model, damaged, without an operator set this project can run, or with
            weights in files that are missing or outside the model's folder.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            "there is no such model" if not os.path.lexists(path) or path.is_dir() else "the model cannot be read",
            where=str(path),
            why=error.strerror or str(error),
            remedy="name an .onnx file that you may read",
        ) from error
    proto = _parse(content, path)
    digest = hashlib.sha256(content)
    locations = sorted({ExternalDataInfo(tensor).location for tensor in _external(proto)})
    if locations:
        try:
            # Refuses places outside the model's folder, links and devices; nothing is read or hashed before.
            load_external_data_for_model(proto, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise _unreadable_weights(_suspect(path, locations), str(error).splitlines()[0]) from error
    if _external(proto):
        raise _unreadable_weights(path, "a tensor's data stands where it cannot be loaded from")
    for location in locations:
        digest.update(location.encode())
        _hash_file(path.parent / location, digest)
    return Model(path.name, proto, digest.hexdigest())


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


def _external(proto: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return every tensor whose data stands in another file: initializers and attributes, in bodies and functions."""
    tensors = [*proto.graph.initializer, *_in_attributes(proto.graph.node)]
    for function in proto.functions:
        tensors += _in_attributes(function.node)
    return [tensor for tensor in tensors if uses_external_data(tensor)]


def _in_attributes(ops: Iterable[onnx.NodeProto]) -> list[onnx.TensorProto]:
    tensors: list[onnx.TensorProto] = []
    for op in ops:
        for entry in op.attribute:
            tensors += [entry.t, *entry.tensors]
            for body in (entry.g, *entry.graphs):
                tensors += [*body.initializer, *_in_attributes(body.node)]
    return tensors


def _suspect(path: Path, locations: list[str]) -> Path:
    """Return the file that is most likely why external data cannot be loaded: missing, or a link."""
    files = [path.parent / location for location in locations]
    return next((file for file in files if file.is_symlink() or not file.is_file()), files[0])


def _hash_file(path: Path, digest: "hashlib._Hash") -> None:
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable_weights(path, str(error)) from error


def _unreadable_weights(path: Path, why: str) -> ModelError:
    return ModelError(
        "the model's weights stand in a file that cannot be used",
        where=str(path),
        why=why,
        remedy="it is a link, which is not followed: copy the real file to its place"
        if path.is_symlink()
        else "put the external data file beside the model, under the name the model gives",
    )


def _spec(value: onnx.ValueInfoProto) -> InputSpec:
    tensor = value.type.tensor_type
    # Some exporters write 0 or -1 for an open axis; an axis without a value reads as 0.
    shape = tuple(size.dim_value if size.dim_value > 0 else None for size in tensor.shape.dim)
    return InputSpec(value.name, shape, tensor.elem_type in INTEGER_TYPES)
