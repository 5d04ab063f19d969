"""Folders of images of every kind people have."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.samples import images
from onnxcausal.samples.images import image_folder
from onnxcausal.samples.preprocess import ChannelOrder, Layout, Preprocess, image_to_input
from onnxcausal.samples.source import InputSpec

COLOURS = np.array([[[200, 30, 60], [10, 220, 90]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
SPEC = InputSpec("x", (None, 3, 2, 2))
SETTINGS = Preprocess(rescale=1.0)


def folder_of(tmp_path: Path, per_class: int = 3) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(per_class):
            Image.fromarray(COLOURS + number).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def test_many_threads_leave_the_warnings_as_they_were(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, per_class=20)
    before = list(warnings.filters)
    assert len(image_folder(folder, SPEC, SETTINGS, None, skip_bad=False).read(np.arange(40)).x) == 40
    assert list(warnings.filters) == before


def test_a_folder_gives_labels_and_names_by_class(tmp_path: Path) -> None:
    samples = image_folder(folder_of(tmp_path), SPEC, SETTINGS, None, skip_bad=False)
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.class_names == ("cat", "dog")
    batch = samples.read(np.array([4, 0]))
    np.testing.assert_array_equal(batch.x[0], (COLOURS + 1).transpose(2, 0, 1))
    np.testing.assert_array_equal(batch.x[1], COLOURS.transpose(2, 0, 1))
    assert batch.indices.tolist() == [4, 0]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, _: object) -> np.ndarray:
        raise AssertionError(path)

    monkeypatch.setattr(images, "read_prepared", refuse)
    assert len(image_folder(folder_of(tmp_path), SPEC, SETTINGS, None, skip_bad=False)) == 6


def test_known_class_names_decide_the_indices(tmp_path: Path) -> None:
    names = ["n0 fish", "dog", "cat"]
    samples = image_folder(folder_of(tmp_path), SPEC, SETTINGS, names, skip_bad=False)
    assert samples.labels.tolist() == [2, 2, 2, 1, 1, 1]
    with pytest.raises(SamplesError, match="has a class 'cat'"):
        image_folder(tmp_path / "data", SPEC, SETTINGS, ["dog", "car"], skip_bad=False)


def test_an_unreadable_image_is_named_or_skipped_with_a_count(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "cat" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "dog" / "0.png").write_bytes(b"")
    with pytest.raises(SamplesError, match="cannot be read") as caught:
        image_folder(folder, SPEC, SETTINGS, None, skip_bad=False).read(np.arange(6))
    assert caught.value.where.endswith("1.png")
    batch = image_folder(folder, SPEC, SETTINGS, None, skip_bad=True).read(np.arange(6))
    assert batch.indices.tolist() == [0, 2, 4, 5]
    assert [Path(name).name for name in batch.unreadable] == ["1.png", "0.png"]


def test_a_broken_link_is_an_unreadable_image_to_the_end(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "cat" / "9.png").symlink_to(tmp_path / "nothing.png")
    samples = image_folder(folder, SPEC, SETTINGS, None, skip_bad=True)
    assert len(samples.read(np.arange(7)).unreadable) == 1
    assert len(samples.digest()) == 64
    with pytest.raises(SamplesError, match="cannot be read"):
        image_folder(folder, SPEC, SETTINGS, None, skip_bad=False).digest()


def test_a_name_of_several_classes_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    for names in (["cat", "dog", "cat"], ["cat a", "cat b", "dog"]):
        with pytest.raises(SamplesError, match="several classes"):
            image_folder(folder, SPEC, SETTINGS, names, skip_bad=False)
    assert image_folder(folder, SPEC, SETTINGS, ["", "cat", "cat b", "dog"], skip_bad=False).labels[0] == 1


def test_images_of_different_sizes_ask_for_a_resize(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "cat" / "9.png")
    with pytest.raises(SamplesError, match="different sizes") as caught:
        image_folder(folder, SPEC, SETTINGS, None, skip_bad=False).read(np.arange(7))
    assert "resize" in caught.value.remedy


def test_an_empty_folder_says_how_images_are_arranged(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(SamplesError, match="no images by class"):
        image_folder(tmp_path, SPEC, SETTINGS, None, skip_bad=False)


def test_the_digest_follows_names_and_contents(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)

    def digest() -> str:
        return image_folder(folder, SPEC, SETTINGS, None, skip_bad=False).digest()

    before = digest()
    assert digest() == before
    (folder / "cat" / "0.png").rename(folder / "cat" / "5.png")
    renamed = digest()
    (folder / "cat" / "5.png").write_bytes((folder / "cat" / "5.png").read_bytes() + b"\0")
    assert len({before, renamed, digest()}) == 3


def test_preprocessing_follows_the_order_and_names_of_torchvision() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    settings = Preprocess(
        resize=32, center_crop=(24, 28), rescale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4),
        channels=ChannelOrder.BGR, layout=Layout.NHWC,
    )  # fmt: skip
    small = np.asarray(Image.fromarray(image).resize((42, 32), Image.Resampling.BILINEAR))
    crop = small[4:28, 7:35][:, :, ::-1] / 255
    expected = (crop - np.array([0.4, 0.5, 0.6])) / np.array([0.2, 0.3, 0.4])
    result = image_to_input(image, settings)
    assert result.dtype == np.float32
    assert np.abs(result - expected).mean() < 0.2 / 255 / 0.2
    turned = image_to_input(image, settings.for_input(InputSpec("x", (None, 24, 28, 3))))
    np.testing.assert_array_equal(turned, result)


def test_grey_is_the_luminance_of_opencv() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    grey = image_to_input(image, Preprocess(channels=ChannelOrder.GRAY, layout=Layout.NCHW))[0]
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert np.abs(grey - expected).max() <= 1


@pytest.mark.parametrize(
    ("shape", "channels", "layout"),
    [
        ((None, 3, 8, 8), "rgb", "nchw"),
        ((1, 1, 8, 8), "gray", "nchw"),
        ((None, 8, 8, 3), "rgb", "nhwc"),
        ((None, 8, 8, 1), "gray", "nhwc"),
        ((None, 64), "gray", "nchw"),
    ],
)
def test_channels_and_layout_follow_the_models_input(shape: tuple[int | None, ...], channels: str, layout: str) -> None:
    settings = Preprocess().for_input(InputSpec("x", shape))
    assert (settings.channels, settings.layout) == (channels, layout)


def test_a_mean_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"preprocess\.mean has 2 values"):
        Preprocess(mean=(0.1, 0.2)).for_input(SPEC)
