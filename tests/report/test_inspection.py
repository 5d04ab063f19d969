"""An inspection as people and scripts read it."""

import io
import json
from pathlib import Path

import jsonschema
import matplotlib.image
import numpy as np
import onnx
import pytest
from onnx import helper

from onnxcausal.analysis.formats.inspection_file import SCHEMA_FILE, InspectionFile, schema, to_json
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.analysis.result.inspection import Inspection
from onnxcausal.pipeline.inspect import inspect
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.report.figures.layer_graph import layer_graph
from onnxcausal.report.inspection import as_text
from tests.support.networks import classifier, convolutional, mlp

DIGITS = Path(__file__).parent.parent.parent / "models" / "digits_lenet.onnx"
SCHEMA = SCHEMAS / SCHEMA_FILE
RED, ESCAPE = "\x1b[31m", "\x1b"
PICTURE_RED = (0xC0 / 255, 0x39 / 255, 0x2B / 255)


def inspected(folder: Path, proto: onnx.ModelProto) -> Inspection:
    onnx.save(proto, folder / "model.onnx")
    return inspect(folder / "model.onnx", configure(folder / "model.onnx", None, {}))


@pytest.fixture(scope="module")
def digits() -> Inspection:
    return inspect(DIGITS, configure(DIGITS, None, {}))


def hostile() -> onnx.ModelProto:
    """Return a model whose every text holds terminal codes."""
    proto = mlp([np.ones((8, 6)), np.ones((3, 8))], [np.zeros(8), np.zeros(3)])
    proto.producer_name = proto.doc_string = proto.domain = f"{RED}mine\n$x$"
    proto.metadata_props.add(key=f"key{ESCAPE}", value=f"/home/{ESCAPE}/x " + "long " * 100)
    proto.graph.node[0].name = f"layer{RED}$\\frac$"
    proto.graph.node.append(helper.make_node(f"Op{ESCAPE}", ["x"], ["y"], domain=f"vendor{ESCAPE}"))
    proto.opset_import.append(helper.make_opsetid(f"vendor{ESCAPE}", 1))
    return proto


def test_the_shipped_schema_is_current() -> None:
    assert SCHEMA.read_text() == schema()


def test_an_inspection_is_valid_by_the_shipped_schema_and_read_back_equal(digits: Inspection) -> None:
    written = to_json(digits, "0.1.0")
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(written))
    back = InspectionFile.model_validate_json(written)
    assert (back.format, back.layers) == ("onnxcausal-inspection/1", digits.layers)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(written) | {"time": "now"}, json.loads(SCHEMA.read_text()))


def test_the_text_is_safe_and_short_while_json_is_exact(tmp_path: Path) -> None:
    found = inspected(tmp_path, hostile())
    text, record = as_text(found), json.loads(to_json(found, "0.1.0"))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(map(len, text.splitlines())) < 300
    assert record["file"]["metadata"][f"key{ESCAPE}"].startswith(f"/home/{ESCAPE}/x long")
    assert record["layers"][-1]["name"] == f"layer{RED}$\\frac$"
    assert f"vendor{ESCAPE}::Op{ESCAPE}" in record["ops"]


def test_a_text_that_is_not_utf8_is_shown_with_replacements(tmp_path: Path) -> None:
    proto = hostile()
    proto.doc_string = "doc string /home/ada/x"
    (tmp_path / "model.onnx").write_bytes(proto.SerializeToString().replace(b"doc string", b"doc strin\xff"))
    found = inspect(tmp_path / "model.onnx", configure(tmp_path / "model.onnx", None, {}))
    assert found.file.doc == "doc strin\N{REPLACEMENT CHARACTER} /home/ada/x"
    assert json.loads(to_json(found, "0.1.0"))["file"]["doc"] == found.file.doc


def test_the_text_names_outcome_layers_and_findings(tmp_path: Path) -> None:
    proto = convolutional([4, 4], size=8, classes=3)
    proto.graph.node[-1].doc_string = "made in /home/ada/work/model.py"
    text = as_text(inspected(tmp_path, proto))
    assert "outcome  gemm_5 [3], classification" in text
    assert "4 x 3" in text
    assert "embedded path: paths of the machine the file was made on stand in it: /home/ada/work/model.py" in text


def test_what_is_rewritten_and_what_has_no_paths_is_told(tmp_path: Path) -> None:
    b = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        agraph (float[N, 4, 5] x) => (float[N, 3] scores)
        <float[1, 8, 5] w = {0}, float[1, 8, 2] r = {0}, float[2, 3] v = {1, 2, 3, 4, 5, 6}>
        {
            t = Transpose <perm = [1, 0, 2]> (x)
            y, h = LSTM <hidden_size = 2> (t, w, r)
            axes = Constant <value_ints = [0]> ()
            last = Squeeze (h, axes)
            scores = MatMul (last, v)
        }""")
    for tensor in b.graph.initializer[:2]:
        filled = np.ones([1, 8, 5] if tensor.name == "w" else [1, 8, 2], np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(filled, tensor.name))
    text = as_text(inspected(tmp_path, b))
    assert "weights on which no intervention is made: 56 parameters" in text
    assert "LSTM y: a weight is used again at every step" in text


def test_the_picture_shows_every_layer_and_marks_bypasses(tmp_path: Path, digits: Inspection) -> None:
    plain = matplotlib.image.imread(io.BytesIO(layer_graph(digits)))
    proto = classifier(["conv"] * 4, "average", 0)
    side = inspected(tmp_path, proto)
    assert not side.branches
    proto.graph.node.append(helper.make_node("ReduceMax", ["x"], ["side"], axes=[2, 3], keepdims=0))
    proto.graph.node.append(helper.make_node("ReduceSum", ["side", "one"], ["single"], keepdims=1))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "one"))
    proto.graph.node.append(helper.make_node("Add", [proto.graph.output[0].name, "single"], ["sum"]))
    proto.graph.output[0].name = "sum"
    marked = inspected(tmp_path, proto)
    assert len(marked.branches) == 1
    picture = matplotlib.image.imread(io.BytesIO(layer_graph(marked)))
    assert plain.shape[1] == picture.shape[1] == 1210
    assert _red(picture) > 2 * _red(plain)


def _red(picture: np.ndarray) -> int:
    return int((np.abs(picture[..., :3] - PICTURE_RED).max(axis=2) < 0.02).sum())


def test_the_picture_of_sixty_layers_stays_within_a_page(tmp_path: Path) -> None:
    found = inspected(tmp_path, convolutional([2] * 59, size=4, classes=3))
    assert len(found.layers) == 60
    picture = matplotlib.image.imread(io.BytesIO(layer_graph(found)))
    assert picture.shape[0] <= 1300


def test_a_model_without_layers_and_hostile_names_can_be_drawn(tmp_path: Path) -> None:
    assert layer_graph(inspected(tmp_path, hostile())).startswith(b"\x89PNG")
    relu = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }'
    )
    found = inspected(tmp_path, relu)
    assert found.layers == ()
    assert "no layers: there is no layer" in as_text(found)
    assert layer_graph(found).startswith(b"\x89PNG")
