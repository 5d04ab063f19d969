"""Image files of every kind people have, held to a second decoder."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from onnxcausal.errors import SamplesError
from onnxcausal.samples.decode import read_image
from onnxcausal.samples.resize import MOST_PIXELS
from onnxcausal.samples.scans import scans_of
from tests.support.hostile_samples import lossless

COLOURS = np.array([[[200, 30, 60], [10, 220, 90]], [[0, 0, 255], [255, 255, 0]]], np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_colours_come_back_red_first(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(COLOURS).save(tmp_path / f"image.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"image.{suffix}"), COLOURS)


def photograph() -> Image.Image:
    """Return an image with edges and gradients of every colour, of which no side is a multiple of 8."""
    noise = np.random.default_rng(0).integers(0, 256, (45, 61, 3)).astype(np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))


def by_opencv(path: Path) -> np.ndarray:
    """Return what OpenCV reads, upright and red first."""
    image = cv2.imread(str(path), cv2.IMREAD_ANYCOLOR)
    assert image is not None
    return image[:, :, None] if image.ndim == 2 else image[:, :, ::-1]


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_is_what_opencv_reads(tmp_path: Path, mode: str, subsampling: int, *, progressive: bool) -> None:
    settings: dict[str, Any] = {"subsampling": subsampling, "progressive": progressive}
    photograph().convert(mode).save(tmp_path / "image.jpg", quality=80, **settings)
    found = read_image(tmp_path / "image.jpg")
    assert found.shape == (45, 61, len(mode))
    np.testing.assert_array_equal(found, by_opencv(tmp_path / "image.jpg"))


def test_inks_become_colours_as_in_opencv(tmp_path: Path) -> None:
    photograph().convert("CMYK").save(tmp_path / "image.jpg", quality=95)
    found, expected = read_image(tmp_path / "image.jpg"), by_opencv(tmp_path / "image.jpg")
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("form", ["GIF", "PPM", "TIFF", "WEBP"])
def test_content_counts_and_not_the_ending(tmp_path: Path, form: str) -> None:
    settings: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    Image.fromarray(COLOURS).save(tmp_path / "image.png", form, **settings)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), COLOURS)


def test_a_palette_is_expanded(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).quantize(4).save(tmp_path / "image.png")
    expected = np.asarray(Image.open(tmp_path / "image.png").convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), expected)


def test_alpha_is_dropped(tmp_path: Path) -> None:
    alpha = np.full((2, 2, 1), 7, np.uint8)
    Image.fromarray(np.concatenate([COLOURS, alpha], axis=2)).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), COLOURS)


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[:, :, 0]).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), COLOURS[:, :, :1])


def test_sixteen_bits_keep_the_full_range(tmp_path: Path) -> None:
    levels = np.array([[0, 257], [32896, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "image.png")
    assert read_image(tmp_path / "image.png")[:, :, 0].tolist() == [[0, 1], [128, 255]]


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph().save(tmp_path / "image.png", form, exif=exif)
    found = read_image(tmp_path / "image.png")
    assert found.shape[:2] == ((45, 61) if orientation < 5 else (61, 45))
    np.testing.assert_array_equal(found, by_opencv(tmp_path / "image.png"))


def test_sixteen_bit_colours_give_their_upper_eight(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 2**16, (5, 7, 3)).astype(np.uint16)
    levels[0, 0], levels[0, 1] = 0, 2**16 - 1
    cv2.imwrite(str(tmp_path / "image.png"), levels[:, :, ::-1])
    found = read_image(tmp_path / "image.png")
    np.testing.assert_array_equal(found, levels >> 8)
    assert np.abs(found - levels / 257).max() < 1
    assert found[0, :2].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize(("mode", "transparency"), [("P", bytes([0, 9, 99, 200])), ("P", 1), ("RGB", (0, 0, 255))])
def test_transparent_colours_are_colours(tmp_path: Path, mode: str, transparency: object) -> None:
    image = Image.fromarray(COLOURS)
    image = image.quantize(4) if mode == "P" else image
    image.save(tmp_path / "image.png", transparency=transparency)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), COLOURS)


def test_levels_that_are_fractions_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[:, :, 0] / np.float32(255)).save(tmp_path / "image.png", "TIFF")
    with pytest.raises(SamplesError, match="cannot be read") as caught:
        read_image(tmp_path / "image.png")
    assert "fractions" in caught.value.why


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
def test_an_image_that_is_cut_short_is_refused(tmp_path: Path, form: str, share: float) -> None:
    photograph().save(tmp_path / "whole", form)
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "image.png").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(SamplesError, match="cannot be read") as caught:
        read_image(tmp_path / "image.png")
    assert "cut short" in caught.value.why


@pytest.mark.filterwarnings("ignore")  # as most callers have it
@pytest.mark.parametrize("times", [1.1, 2.1])  # Pillow warns of the one and refuses the other
def test_an_image_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(45 * 61 / times))
    photograph().save(tmp_path / "image.png")
    with pytest.raises(SamplesError, match="cannot be read") as caught:
        read_image(tmp_path / "image.png")
    assert "too many pixels" in caught.value.why
    assert str(45 * 61) in caught.value.why
    assert "shrink" in caught.value.remedy


@pytest.mark.attack("data", "refused with four lines, exit code 4")
def test_a_hostile_webp_may_have_half_the_pixels(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(lossless(6800))
    with pytest.raises(SamplesError, match="cannot be read") as caught:
        read_image(tmp_path / "image.png")
    assert caught.value.why == f"it has 46,240,000 pixels, of at most {MOST_PIXELS // 2:,}"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_scans_of_a_jpeg_are_counted(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.jpg"
    thumbnail = b"Exif\0\0" + b"\xff\xda\x00\x02" * 50  # as within any segment, no scan of the picture
    photograph().convert(mode).save(path, progressive=True, quality=90, exif=thumbnail)
    whole = path.read_bytes()
    assert scans_of(whole) == {"L": 6, "RGB": 10, "CMYK": 18}[mode]
    assert scans_of(whole + b"\xff\xda\x00\x02" * 99) == scans_of(whole)
    photograph().save(path, "PNG")
    assert scans_of(path.read_bytes()) == 0


def test_names_beyond_ascii_are_read(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "größe 图.png")
    np.testing.assert_array_equal(read_image(tmp_path / "größe 图.png"), COLOURS)
