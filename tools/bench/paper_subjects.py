"""Models, data and sizes of the experiments."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.support import assets

FIGURES = Path(__file__).with_name("paper")
"""Where the figures are kept."""
MODELS = Path(__file__).parent.parent.parent / "models"
IMAGENET = {"rescale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@dataclass(frozen=True)
class Size:
    """How much of a model is measured.

    Attributes:
        held_out: samples of each class on which nodes are masked.
        images: images of each class whose maps are evaluated.
        perturbations: noisy copies of each.
        masks: masks of RISE.
        runs: runs of each kind for reliability; 0 leaves it out.
        repeated: classes that are analysed again and again, for reliability and to compare settings.
        samples_a_run: images that one of them takes.
        curves: whether settings are compared, which analyses the model again for each.
        greedy: whether the greedy order is among the methods, which takes half the square of the segments passes.
    """

    held_out: int
    images: int
    perturbations: int
    masks: int
    runs: int = 0
    repeated: int = 10
    samples_a_run: int = 100
    curves: bool = False
    greedy: bool = True


SIZES = {
    "lenet": Size(100, 5, 20, 500, runs=50, curves=True),
    "resnet20": Size(100, 6, 10, 300, runs=6, repeated=2, samples_a_run=50, curves=True),
    "mobilenetv1": Size(8, 3, 5, 200),
    "squeezenet": Size(8, 3, 3, 100, greedy=False),
    "mobilenetv2": Size(8, 3, 3, 100, greedy=False),
}
"""By the name of the case."""


@dataclass(frozen=True)
class Case:
    """A model with its data.

    Attributes:
        name: of the case.
        title: as shown.
        work: folder for what is kept between runs.
        model: the file.
        data: the samples.
        reading: settings of the preprocessing.
        settings: those and the settings of the analysis.
        targets: classes that are analysed; None: all.
        few: those on which the costly protocols are run.
        shown: the class in figures.
        examples: images in figures.
        map_layers: layers whose maps are shown, by a short name.
        convertible: whether the model can be converted to PyTorch.
    """

    name: str
    title: str
    work: Path
    model: Path
    data: Path
    reading: dict[str, object]
    settings: dict[str, object]
    targets: tuple[int, ...] | None
    few: tuple[int, ...]
    shown: int
    examples: list[Path]
    map_layers: dict[str, str] = field(default_factory=dict)
    convertible: bool = True

    @property
    def analysis(self) -> Path:
        """Folder of the analysis."""
        return self.work / f"{self.name}.causal"


def lenet(work: Path, digits: Path) -> Case:
    """Return LeNet-5 on MNIST, all ten digits."""
    reading: dict[str, object] = {"rescale": 1 / 255}
    examples = work / "threes.npz"
    with np.load(digits) as held:
        threes = np.flatnonzero(held["y"] == 3)[-4:]  # noqa: PLR2004
        np.savez(examples, x=held["x"][threes], y=held["y"][threes])
    return Case(
        name="lenet",
        title="LeNet-5, MNIST",
        work=work,
        model=MODELS / "mnist_lenet.onnx",
        data=digits,
        reading=reading,
        settings={**reading, "samples": 100},
        targets=None,
        few=tuple(range(10)),
        shown=3,
        examples=[examples],
        map_layers={"conv1": "/conv1/Conv", "conv2": "/conv2/Conv"},
    )


def digits_of_mnist(work: Path) -> Path:
    """Return MNIST's test images with the border that LeNet-5 asks for, made where they are not there."""
    file = work / "mnist.npz"
    if not file.exists():
        x, y = assets.mnist()
        np.savez(file, x=np.pad(x, ((0, 0), (2, 2), (2, 2))), y=y.astype(np.int64))
    return file


def cifar(work: Path) -> Path:
    """Return the folder of CIFAR-10's test images, unpacked where they are not there."""
    if not (work / "cifar").exists():
        with zipfile.ZipFile(assets.CIFAR) as archive:
            archive.extractall(work / "cifar")
    return next(path.parent.parent for path in sorted((work / "cifar").rglob("*.jpg")))


def resnet20(work: Path) -> Case:
    """Return ResNet-20 on CIFAR-10, all ten classes."""
    images = cifar(work)
    return Case(
        name="resnet20",
        title="ResNet-20, CIFAR-10",
        work=work,
        model=assets.model_path("cifar10_resnet20"),
        data=images,
        reading=dict(IMAGENET),
        settings={**IMAGENET, "samples": 100},
        targets=None,
        few=(3, 8, 0, 5),
        shown=3,
        examples=sorted((images / "cat").glob("*.jpg"))[-4:],
        map_layers={"last": "/layer3/layer3.2/conv2/Conv"},
    )


def imagenet(work: Path) -> dict[str, Case]:
    """Return the ImageNet models, on three classes of animals."""
    names = work / "imagenet_synset.txt"
    lines = (assets.ASSETS / "data" / "imagenet_synset.txt").read_text()
    names.write_text(lines)
    shifted = work / "imagenet_1001.txt"
    shifted.write_text("background\n" + lines)
    unit: dict[str, object] = {"mean": [1.0], "std": [1.0], "rescale": 1 / 128}
    settings = {
        "mobilenetv1": ("imagenet_mobilenetv1_025_128", 146, 128, unit),
        "squeezenet": (
            "imagenet_squeezenet11_fp32",
            256,
            224,
            {"mean": [104.0, 117.0, 123.0], "channels": "bgr"},
        ),
        "mobilenetv2": ("imagenet_mobilenetv2_qat_dequant", 256, 224, unit),
    }
    found = {}
    for name, (model, resize, crop, levels) in settings.items():
        background = name != "squeezenet"  # TensorFlow's models have a class of it before the others
        labels = shifted if background else names
        reading: dict[str, object] = {**levels, "resize": resize, "center_crop": crop, "labels": str(labels)}
        first = 2 if background else 1
        # The wider the model, the fewer: passes of the largest are fifty times those of the smallest.
        common: dict[str, object] = {"samples": 16, "budget": 32 if name == "mobilenetv2" else 64}
        found[name] = Case(
            name=name,
            title=f"{model}, three animals",
            work=work,
            model=assets.model_path(model),
            data=assets.ANIMALS,
            reading=reading,
            settings={**reading, **common},
            targets=(first, first + 1, first + 10),
            few=(first, first + 1, first + 10),
            shown=first,
            examples=sorted((assets.ANIMALS / "n01443537").glob("*"))[-2:],
            convertible=name != "squeezenet",  # the converter lacks MaxPool of its operator set
        )
    return found
