"""The shipped models are what `models/README.md` says they are."""

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from onnxcausal.samples.resize import resize
from tests.support.assets import mnist, needs_assets

MODELS = Path(__file__).parent.parent / "models"
RECORDED = (MODELS / "README.md").read_text(encoding="utf-8")


def accuracy(name: str, images: np.ndarray, labels: np.ndarray) -> float:
    session = ort.InferenceSession(MODELS / f"{name}.onnx")
    x = images[:, None].astype(np.float32) / 255
    (scores,) = session.run(None, {"image": x})
    return float((scores.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("name", ["digits_lenet", "mnist_lenet"])
def test_each_file_is_recorded_with_its_hash_and_says_nothing_of_its_making(name: str) -> None:
    content = (MODELS / f"{name}.onnx").read_bytes()
    assert hashlib.sha256(content).hexdigest() in RECORDED
    model = onnx.load_model_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert not model.metadata_props
    assert b"site-packages" not in content
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_the_digits_network_has_its_recorded_accuracy() -> None:
    data = np.load(MODELS / "digits.npz")
    assert data["x"].dtype == np.uint8
    for part, least in (("validation", 0.97), ("test", 0.97)):
        chosen = data["part"] == part
        measured = accuracy("digits_lenet", data["x"][chosen], data["y"][chosen])
        assert measured >= least
        (recorded,) = re.findall(rf"{part} (\d+\.\d+) % \({chosen.sum()} images\)", RECORDED)
        assert f"{measured:.2%}" == f"{recorded}%"


@needs_assets
def test_the_mnist_network_has_its_recorded_accuracy() -> None:
    images, labels = mnist()
    enlarged = np.stack([resize(image[:, :, None], 32, 32)[:, :, 0] for image in images])
    measured = accuracy("mnist_lenet", enlarged, labels)
    assert measured >= 0.988
    assert f"test {measured:.2%}".replace("%", " %") in RECORDED
