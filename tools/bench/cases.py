"""Networks and samples that the benchmarks run on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.network.network import Network, open_network
from onnxcausal.onnxgraph.network.wiring import Wiring, find_wiring
from onnxcausal.samples.arrays import read_idx_pair
from onnxcausal.samples.images import image_folder
from onnxcausal.samples.preprocess import Preprocess

SAMPLES = 100
SEED = 0
MODELS = Path(__file__).parent.parent.parent / "models"


@dataclass
class Case:
    """A network and the samples of each class."""

    name: str
    network: Network
    wiring: Wiring
    samples: list[NDArray[np.floating]]


def lenet(images: Path) -> Case:
    """Return LeNet-5 on MNIST, all ten digits."""
    x, y = read_idx_pair(images)
    padded = np.pad(x.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))[:, None] / 255
    return labelled("LeNet-5 (MNIST)", MODELS / "mnist_lenet.onnx", padded.astype(np.float32), y)


def resnet20(model: Path, images: Path) -> Case:
    """Return ResNet-20 on CIFAR-10, all ten classes."""
    network = open_network(load_model(model))
    settings = Preprocess(rescale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    samples = image_folder(images, network.spec, settings, None, skip_bad=False)
    chosen = np.concatenate([np.flatnonzero(samples.labels == target)[:170] for target in range(10)])
    return labelled("ResNet-20 (CIFAR-10)", model, samples.read(chosen).x, samples.labels[chosen])


def labelled(name: str, model: Path, x: NDArray[np.floating], y: NDArray[np.int64]) -> Case:
    """Return a case with the first correctly classified samples of each class."""
    network = open_network(load_model(model))
    right = network.scores(x).argmax(axis=1) == y
    samples = [x[right & (y == target)][:SAMPLES] for target in range(10)]
    return Case(name, network, find_wiring(network, x[:1]), samples)


def imagenet(name: str, model: Path, images: Path, count: int) -> Case:
    """Return an ImageNet model on some images; preprocessing matters for no timing."""
    network = open_network(load_model(model))
    x = pictures(network, images, count)
    return Case(name, network, find_wiring(network, x[:1]), [x])


def pictures(network: Network, images: Path, count: int) -> NDArray[np.floating]:
    """Return some images of a folder as an ImageNet model takes them."""
    settings = Preprocess(resize=256, center_crop=224, rescale=1 / 128, mean=(1.0,))
    samples = image_folder(images, network.spec, settings, None, skip_bad=True)
    return samples.read(np.linspace(0, len(samples) - 1, count).astype(int)).x


def resnet18(images: Path, count: int) -> Case:
    """Return a ResNet-18 at 224 with random weights, built here: its structure and cost are the real ones."""
    proto = resnet18_proto()
    network = open_network(Model("resnet18.onnx", proto, "0" * 64))
    x = pictures(network, images, count)
    return Case("ResNet-18 at 224 (random weights)", network, find_wiring(network, x[:1]), [x])


def resnet18_proto() -> onnx.ModelProto:
    """Return the network."""
    rng = np.random.default_rng(SEED)
    ops: list[onnx.NodeProto] = []
    stored: list[onnx.TensorProto] = []

    def store(values: NDArray[np.floating]) -> str:
        stored.append(numpy_helper.from_array(values.astype(np.float32), f"w{len(stored)}"))
        return stored[-1].name

    def add(op_type: str, inputs: list[str], **attributes: object) -> str:
        output = f"t{len(ops)}"
        ops.append(helper.make_node(op_type, inputs, [output], name=f"/{output}/{op_type}", **attributes))
        return output

    def conv(data: str, into: int, out: int, kernel: int, stride: int) -> str:
        weight = store(rng.normal(0, np.sqrt(1.6 / (into * kernel**2)), (out, into, kernel, kernel)))
        pads = [kernel // 2] * 4
        bias = store(np.zeros(out))
        return add("Conv", [data, weight, bias], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    data = add("Relu", [conv("x", 3, 64, 7, 2)])
    data = add("MaxPool", [data], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    width = 64
    for out, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        inner = conv(add("Relu", [conv(data, width, out, 3, stride)]), out, out, 3, 1)
        skip = conv(data, width, out, 1, stride) if stride > 1 else data
        data, width = add("Relu", [add("Add", [inner, skip])]), out
    pooled = add("Flatten", [add("GlobalAveragePool", [data])])
    scores = add("Gemm", [pooled, store(rng.normal(0, 0.05, (1000, 512))), store(np.zeros(1000))], transB=1)
    graph = helper.make_graph(
        ops,
        "resnet18",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["N", 1000])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
