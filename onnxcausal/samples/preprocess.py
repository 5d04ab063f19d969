"""Preprocessing of images, with the names of torchvision and of Hugging Face configuration files."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
from annotated_types import Ge, Gt, MinLen, Predicate
from numpy.typing import NDArray

from onnxcausal.errors import ConfigError
from onnxcausal.samples.letterbox import LETTERBOX, is_letterbox, letterbox, letterbox_of, size_of
from onnxcausal.samples.resize import MOST_MADE, MOST_PIXELS, center_crop, check_size, resize, resize_shorter_side
from onnxcausal.samples.source import Inputs, InputSpec

Size: TypeAlias = Annotated[int, Ge(1)]
"""Pixels of a side."""
Letterbox: TypeAlias = Annotated[str, Predicate(is_letterbox)]
"""`letterbox`, `letterbox:SIDE` or `letterbox:HEIGHTxWIDTH`."""
IMAGE_AXES = 4
"""Axes of an input of images."""
MOST_SIDE = math.isqrt(MOST_MADE)
GREY_AT_ONCE = 2**20
"""Pixels of which the luminance is computed at once."""
GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Luminance of red, green and blue (ITU-R BT.601), as used by Pillow and OpenCV."""


class ChannelOrder(StrEnum):
    """Order of an image's channels as the model takes them."""

    RGB = "rgb"
    """Red, green, blue."""
    BGR = "bgr"
    """Blue, green, red."""
    GRAY = "gray"
    """One channel of luminance."""


class Layout(StrEnum):
    """Order of an image's axes as the model takes them."""

    NCHW = "nchw"
    """Channels before rows and columns."""
    NHWC = "nhwc"
    """Channels last."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """What happens to integer images before the model sees them, in this order.

    Attributes:
        resize: one number for the shorter side, or (height, width), or a letterbox: in proportion, and padded to a
            size, by default that of the model's input; None leaves the size.
        center_crop: one number for a square, or (height, width); None crops nothing.
        rescale: factor on the grey levels; None leaves 0..255.
        mean: subtracted per channel after rescaling.
        std: divides per channel after that.
        channels: None follows the model's input.
        layout: None follows the model's input.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    resize: Size | tuple[Size, Size] | Letterbox | None = None
    center_crop: Size | tuple[Size, Size] | None = None
    rescale: float | None = None
    mean: tuple[float, ...] | None = None
    std: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] | None = None
    channels: ChannelOrder | None = None
    layout: Layout | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that no image may be made to.

        Raises:
            ConfigError: they have too many pixels.
        """
        resized = size_of(self.resize) if isinstance(self.resize, str) else self.resize
        for key, size in (("resize", resized), ("center_crop", self.center_crop)):
            _check_made(key, *(size if isinstance(size, tuple) else (size or 0, size or 0)))

    @property
    def most_pixels(self) -> int:
        """Pixels that an image may have: fewer where nothing makes it smaller."""
        return MOST_MADE if self.resize is None and self.center_crop is None else MOST_PIXELS

    def for_input(self, spec: InputSpec) -> "Preprocess":
        """Return these settings with channels, layout and the size of a letterbox filled in from the model's input.

        Raises:
            ConfigError: they do not go together with it, or it leaves open how large a letterbox is.
        """
        layout = self.layout or _layout_of(spec)
        channels = self.channels or _channels_of(spec, layout)
        for key, values in (("mean", self.mean), ("std", self.std)):
            count = 1 if channels is ChannelOrder.GRAY else 3
            if values is not None and len(values) not in (1, count):
                raise ConfigError(
                    f"preprocess.{key} has {len(values)} values",
                    where=f"[preprocess] {key}",
                    why=f"the image has {count} channel(s) ({channels.value})",
                    remedy=f"give one value, or {count}",
                )
        settings = self.with_letterbox(sides_of(spec, layout))
        if settings.resize == LETTERBOX:
            raise ConfigError(
                "the letterbox has no size",
                where=f"[preprocess] resize, against input {spec}",
                why="the model's input takes images of any size",
                remedy='give a side, or height and width, like "letterbox:640" or "letterbox:480x640"',
            )
        return replace(settings, channels=channels, layout=layout)

    def with_letterbox(self, sides: tuple[int, int] | None) -> "Preprocess":
        """Return these settings with height and width of a letterbox, where it has none yet and they are known.

        Raises:
            ConfigError: they make too many pixels.
        """
        if self.resize != LETTERBOX or sides is None:
            return self
        _check_made("resize", *sides)
        return replace(self, resize=letterbox_of(*sides))


def _check_made(key: str, height: int, width: int) -> None:
    """Refuse sizes that no image may be made to.

    Raises:
        ConfigError: they have too many pixels.
    """
    if height * width > MOST_MADE:
        raise ConfigError(
            f"preprocess.{key} is too large",
            where=f"[preprocess] {key}",
            why=f"an image may have {MOST_MADE:,} pixels, like {MOST_SIDE:,} x {MOST_SIDE:,}",
            remedy="give the size that the model's input takes",
        )


def sides_of(spec: InputSpec, layout: Layout | None = None) -> tuple[int, int] | None:
    """Return height and width of the images that a model takes, None where it takes no images or any size.

    Args:
        spec: the model's input.
        layout: where its rows and columns stand; default: by its shape.
    """
    if len(spec.shape) != IMAGE_AXES:
        return None
    first = 2 if (layout or _layout_of(spec)) is Layout.NCHW else 1
    height, width = spec.shape[first : first + 2]
    return None if height is None or width is None else (height, width)


def image_to_input(image: NDArray[np.uint8], settings: Preprocess) -> Inputs:
    """Return one image as the model takes it, float32, `[channels, height, width]` or `[height, width, channels]`.

    Args:
        image: grey levels `[height, width, channels]`, channels 1 (grey) or 3 (red, green, blue).
        settings: with channels and layout filled in (`Preprocess.for_input`).

    Raises:
        SamplesError: it has too many pixels.
    """
    assert settings.channels is not None
    assert settings.layout is not None
    image = _resized(_with_channels(image, settings.channels), settings)
    check_size(*image.shape[:2])
    x = normalised(image.astype(np.float32), settings)
    return np.ascontiguousarray(x.transpose(2, 0, 1)) if settings.layout is Layout.NCHW else x


def normalised(values: Inputs, settings: Preprocess) -> Inputs:
    """Return the values rescaled, with mean and std taken out along the last axis."""
    with np.errstate(all="ignore"):  # what overflows is refused as infinite
        if settings.rescale is not None:
            values = np.asarray(values * np.float32(settings.rescale), np.float32)
        if settings.mean is not None:
            values = np.asarray(values - np.asarray(settings.mean), np.float32)
        if settings.std is not None:
            values = np.asarray(values / np.asarray(settings.std), np.float32)
    return values


def _with_channels(image: NDArray[np.uint8], channels: ChannelOrder) -> NDArray[np.uint8]:
    if channels is ChannelOrder.GRAY:
        if image.shape[2] == 1:
            return image
        return _grey(image)
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return image if channels is ChannelOrder.RGB else image[:, :, ::-1]


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luminance, `[height, width, 1]`, some rows after the others: on the way a level takes eight bytes."""
    levels = np.empty((*image.shape[:2], 1), np.uint8)
    rows = max(1, GREY_AT_ONCE // image.shape[1])
    for top in range(0, len(image), rows):
        levels[top : top + rows, :, 0] = np.floor(image[top : top + rows] @ np.asarray(GREY_WEIGHTS) + 0.5)
    return levels


def _resized(image: NDArray[np.uint8], settings: Preprocess) -> NDArray[np.uint8]:
    match settings.resize:
        case (height, width):
            image = resize(image, height, width)
        case int(side):
            image = resize_shorter_side(image, side)
        case str(text):
            sides = size_of(text)
            assert sides is not None
            image = letterbox(image, *sides)
    match settings.center_crop:
        case (height, width):
            image = center_crop(image, height, width)
        case int(side):
            image = center_crop(image, side, side)
    return image


def _layout_of(spec: InputSpec) -> Layout:
    """Return NHWC where only the last axis has 1 or 3 entries, else NCHW."""
    if len(spec.shape) == IMAGE_AXES and spec.shape[3] in (1, 3) and spec.shape[1] not in (1, 3):
        return Layout.NHWC
    return Layout.NCHW


def _channels_of(spec: InputSpec, layout: Layout) -> ChannelOrder:
    """Return RGB where the input has three channels, else grey."""
    if len(spec.shape) != IMAGE_AXES:
        return ChannelOrder.GRAY
    size = spec.shape[1 if layout is Layout.NCHW else 3]
    return ChannelOrder.RGB if size == 3 else ChannelOrder.GRAY  # noqa: PLR2004
