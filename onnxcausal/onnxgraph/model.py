"""Reading ONNX files."""

import hashlib
import math
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

    def input_specs(self) -> tuple[InputSpec, ...]:
        """Return the inputs that must be fed: graph inputs without an initializer."""
        given = {tensor.name for tensor in self.proto.graph.initializer}
        given |= {tensor.values.name for tensor in self.proto.graph.sparse_initializer}
        return tuple(_spec(value) for value in self.proto.graph.input if value.name not in given)

    def input_spec(self, name: str | None = None) -> InputSpec:
        """Return the input that takes the samples: the one named, or the only one.

        Raises:
            ModelError: there is none of that name, or several to choose from.
        """
        specs = self.input_specs()
        listed = "; ".join(str(spec) for spec in specs) or "none"
        chosen = [spec for spec in specs if name in (None, spec.name)]
        if len(specs) == 1 and chosen:
            return chosen[0]
        raise ModelError(
            f"the model has no input {name!r}" if name and not chosen else "the model does not take exactly one input",
            where=self.name,
            why=f"its inputs: {listed}",
            remedy="name one of its inputs" if len(specs) == 1 else "give the other inputs constant values beforehand",
        )


def load_model(path: Path) -> Model:
    """Return the model in a file.

    Raises:
        ModelError: no such file, not an ONNX model, damaged, without an operator set this project can run, or with
            weights in files that are missing or outside the model's folder.
    """
    if not path.is_file():
        raise ModelError(
            "there is no such model",
            where=str(path),
            why="it is a folder" if path.is_dir() else "the file does not exist",
            remedy="name an .onnx file",
        )
    content = path.read_bytes()
    proto = _parse(content, path)
    digest = hashlib.sha256(content)
    for location in sorted({ExternalDataInfo(tensor).location for tensor in _external(proto)}):
        digest.update(location.encode())
        _hash_file(path.parent / location, digest)
    if _external(proto):
        try:
            load_external_data_for_model(proto, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise _unreadable_weights(path, str(error).splitlines()[0]) from error
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
    return [tensor for tensor in proto.graph.initializer if uses_external_data(tensor)]


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
        remedy="put the external data file beside the model, under the name the model gives",
    )


def _spec(value: onnx.ValueInfoProto) -> InputSpec:
    tensor = value.type.tensor_type
    sizes = tuple(size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim)
    # Some exporters write 0 or -1 for an open axis.
    shape = tuple(size if size is not None and size > 0 and math.isfinite(size) else None for size in sizes)
    return InputSpec(value.name, shape, tensor.elem_type in INTEGER_TYPES)
