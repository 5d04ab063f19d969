"""Real models and data kept beside the project, for tests that skip where they are absent."""

import io
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onnxcausal.samples.idx import read_idx_pair

ASSETS = Path(__file__).parents[3] / "shared" / "assets"
MNIST = ASSETS / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
CIFAR = ASSETS / "data" / "cifar10_test_dev_5000.zip"
ANIMALS = ASSETS / "data" / "imagenet_animals"

needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="needs the models and data in ../shared/assets")

PREPARED = {
    "mnist_cntk_opset7_fixed1": "x",
    "mnist_cntk_wonnx_opt": "x",
    "lenet5_pytorch_dynamic": "x/255",
    "lenet5_batch10_softmax": "x/255",
    "lenet_fyh_fixed1": "mnist",
    "lenet_jinsoo_32x32": "resize32",
    "mnist_chainer_3ch": "x3",
    "mnist_keras2onnx_mlp_nhwc": "x nhwc",
    "mnist_keras2onnx_cnn_tiny_nhwc": "x/255 nhwc",
    "mnist_allconv_1676p": "x/127.5-1",
    "mnist_kanav_cnn": "x",
    "mnist_sightvanish_cnn": "x/255",
    "mnist_mlp_sigmoid_hw": "x hw",
    "mnist_fc_256x2": "x/255 flat1",
    "cifar10_resnet20": "imagenet",
    "cifar10_resnet20_bn_kept": "imagenet",
    "cifar10_resnet8_mlperf_nhwc": "x nhwc",
    "cifar10_squeezenet_tf2onnx_nhwc": "x/255 nhwc",
    "cifar10_winml_tutorial": "cifar",
    "cifar10_vnn_resnet_4b": "cifar",
}
"""Preprocessing of each model, as documented beside it."""


def model_path(name: str) -> Path:
    return ASSETS / "models" / f"{name}.onnx"


@cache
def mnist() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the MNIST test images `[10000, 28, 28]` and labels."""
    x, y = read_idx_pair(MNIST)
    return x.astype(np.uint8), y.astype(np.uint8)


@cache
def cifar() -> NDArray[np.uint8]:
    """Return some CIFAR-10 images, `[images, 32, 32, 3]`."""
    with zipfile.ZipFile(CIFAR) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".jpeg", ".png")))[::250]
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return np.stack(images)


def cifar_of(name: str, count: int) -> NDArray[np.uint8]:
    """Return CIFAR-10 images of a class, `[images, 32, 32, 3]`."""
    with zipfile.ZipFile(CIFAR) as archive:
        names = sorted(
            held for held in archive.namelist() if held.startswith(f"test/{name}/") and held.endswith(".jpg")
        )
        return np.stack(
            [np.asarray(Image.open(io.BytesIO(archive.read(held))).convert("RGB")) for held in names[:count]]
        )


def prepared(name: str, count: int) -> NDArray[np.float32]:
    """Return real inputs of a model."""
    images = cifar() if name.startswith("cifar") else mnist()[0][:, :, :, None]
    return levelled(name, images[:count])


def levelled(name: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return images `[images, height, width, channels]` as a model takes them."""
    levels, _, layout = PREPARED[name].partition(" ")
    x: NDArray[np.float64] = LEVELS[levels](images.astype(np.float64))
    match layout:
        case "nhwc":
            pass
        case "hw":
            x = x[:, :, :, 0]
        case "flat1":
            x = x.reshape(len(x), 784, 1)
        case _:
            x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x, np.float32)


LEVELS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "x": lambda x: x,
    "x/255": lambda x: x / 255,
    "x/127.5-1": lambda x: x / 127.5 - 1,
    "mnist": lambda x: (x / 255 - 0.1307) / 0.3081,
    "resize32": lambda x: np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))),
    "x3": lambda x: np.repeat(x, 3, axis=3),
    "imagenet": lambda x: (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]),
    "cifar": lambda x: (x / 255 - np.array([0.4914, 0.4822, 0.4465])) / np.array([0.247, 0.2435, 0.2616]),
}
"""What is done to grey levels, by its name in `PREPARED`."""
