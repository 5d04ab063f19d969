"""Letterboxes, as sizes and as pictures."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from onnxcausal.errors import ConfigError
from onnxcausal.samples.letterbox import letterbox
from onnxcausal.samples.preprocess import ChannelOrder, Preprocess, image_to_input
from onnxcausal.samples.source import InputSpec

READ = TypeAdapter(Preprocess)


def picture(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 100, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize(
    ("before", "box", "inner"),
    [  # rows and columns of the picture in the box: first, and how many
        ((480, 640), (64, 64), ((8, 48), (0, 64))),
        ((640, 480), (64, 64), ((0, 64), (8, 48))),
        ((10, 10), (20, 30), ((0, 20), (5, 20))),
        ((3, 10), (10, 10), ((3, 3), (0, 10))),  # of seven rows the odd one is below
        ((10, 3), (10, 10), ((0, 10), (3, 3))),
        ((1, 100), (10, 10), ((4, 1), (0, 10))),  # never thinner than one row
        ((7, 7), (7, 7), ((0, 7), (0, 7))),
    ],
)
def test_a_picture_keeps_its_proportions_and_stands_in_the_middle_of_grey(
    before: tuple[int, int], box: tuple[int, int], inner: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    image = picture(*before)
    found = letterbox(image, *box)
    (top, rows), (left, columns) = inner
    shrunk = Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
    expected = np.full((*box, 3), 114, np.uint8)
    expected[top : top + rows, left : left + columns] = np.asarray(shrunk)
    np.testing.assert_array_equal(found, expected)


def test_it_has_the_size_of_the_models_input() -> None:
    for shape in ((None, 3, 8, 12), (1, 8, 12, 3)):
        settings = Preprocess(resize="letterbox").for_input(InputSpec("x", shape))
        assert settings.resize == "letterbox:8x12"
        assert image_to_input(picture(4, 4), settings).shape == shape[1:]


def test_a_grey_picture_is_padded_alike() -> None:
    settings = Preprocess(resize="letterbox:4", channels=ChannelOrder.GRAY).for_input(InputSpec("x", (1, 1, 4, 4)))
    x = image_to_input(picture(2, 4), settings)
    assert x.shape == (1, 4, 4)
    assert (x[:, [0, 3]] == 114).all()
    assert (x[:, 1:3] < 114).all()


@pytest.mark.parametrize("shape", [(), (None, 3, None, None), (None, 3, 8, None), (1, 3)])
def test_without_a_size_it_is_refused(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ConfigError, match="the letterbox has no size") as caught:
        Preprocess(resize="letterbox").for_input(InputSpec("x", shape))
    assert "letterbox:640" in caught.value.remedy


@pytest.mark.parametrize("text", ["letterbox", "letterbox:64", "letterbox:48x64", "256"])
def test_how_it_is_written(text: str) -> None:
    assert READ.validate_python({"resize": text}).resize == (256 if text == "256" else text)


NONE = ("letterbox:", "letterbox:0", "letterbox:x", "letterbox:4x", "letterbox:04", "letterbox:4 ", "letterbox:4x4x4")


@pytest.mark.parametrize("text", [*NONE, "Letterbox", "letterbox:123456789", "letterbox:-4", "letterbox:٤", "box", ""])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python({"resize": text})


def test_no_picture_is_made_too_large() -> None:
    with pytest.raises(ConfigError, match="too large"):
        Preprocess(resize="letterbox:99999x99999")
    for side in (10_000, 2**40):
        with pytest.raises(ConfigError, match="too large"):
            Preprocess(resize="letterbox").for_input(InputSpec("x", (1, 3, side, side)))
