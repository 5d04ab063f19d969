"""Resizing and cropping, held to Pillow and to torchvision's rules."""

import numpy as np
import pytest
from PIL import Image

from onnxcausal.samples.resize import center_crop, resize, resize_shorter_side


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return an image with edges, gradients and noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    smooth = 127 + 100 * np.sin(rows / 9 + columns / 17)
    image = np.stack([smooth, 255 * ((rows // 7 + columns // 5) % 2), rng.integers(0, 256, (height, width))], axis=2)
    return image.astype(np.uint8)


@pytest.mark.parametrize(
    ("before", "after"),
    [((300, 451), (256, 384)), ((37, 53), (224, 320)), ((500, 375), (48, 37)), ((64, 64), (64, 31))],
)
def test_resizing_gives_the_pixels_of_pillows_bilinear_filter(before: tuple[int, int], after: tuple[int, int]) -> None:
    image = picture(*before)
    expected = np.asarray(Image.fromarray(image).resize(after[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resize(image, *after), expected)


def test_the_same_size_is_the_same_image() -> None:
    image = picture(20, 30)
    assert resize(image, 20, 30) is image


@pytest.mark.parametrize(
    ("before", "side", "after"),
    [((300, 451), 256, (256, 384)), ((451, 300), 256, (384, 256)), ((32, 32), 64, (64, 64))],
)
def test_the_shorter_side_decides_and_the_longer_is_rounded_down(
    before: tuple[int, int], side: int, after: tuple[int, int]
) -> None:
    assert resize_shorter_side(picture(*before), side).shape == (*after, 3)


def test_the_middle_is_cropped_as_pillow_crops_it() -> None:
    image = picture(100, 131)
    top, left = round((100 - 64) / 2), round((131 - 64) / 2)
    expected = np.asarray(Image.fromarray(image).crop((left, top, left + 64, top + 64)))
    np.testing.assert_array_equal(center_crop(image, 64, 64), expected)


def test_a_crop_larger_than_the_image_adds_black() -> None:
    cropped = center_crop(np.full((3, 8, 1), 9, np.uint8), 7, 4)
    assert cropped.shape == (7, 4, 1)
    assert cropped[2:5].min() == 9
    assert not cropped[[0, 1, 5, 6]].any()
