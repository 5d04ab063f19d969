"""Images with label files of boxes: which classes each image has, and nothing else of them is believed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxcausal.errors import SamplesError
from onnxcausal.samples.boxes import LONGEST_FILE
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec, Samples

SPEC = InputSpec("x", (None, 3, 4, 4))
BOX = " 0.5 0.5 0.2 0.1"


def laid_out(folder: Path, **labels: str | bytes | None) -> Path:
    """Lay out an image for each text of labels, without a label file for None; `__` in a name is a folder."""
    for number, (name, text) in enumerate(labels.items()):
        place = name.replace("__", "/")
        image, file = folder / "images" / f"{place}.png", folder / "labels" / f"{place}.txt"
        for path in (image, file):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(image)
        if text is not None:
            file.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def loaded(folder: Path, classes: int | None = 3, names: tuple[str, ...] | None = None) -> Samples:
    return load_samples(folder, SPEC, Preprocess(rescale=1.0), classes=classes, class_names=names)


def test_an_image_has_the_classes_of_its_boxes(tmp_path: Path) -> None:
    two = f"0{BOX}\n2{BOX}\r\n\n2 1.0 0. .5 1e-3\n"
    found = loaded(laid_out(tmp_path, a=two, b=None, c="", d__e=f"\ufeff1{BOX}"))
    assert found.labels.tolist() == [[True, False, True], [False] * 3, [False] * 3, [False, True, False]]
    batch = found.read(np.arange(4))
    assert batch.x[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert found.notes == ("1 of 4 images have no label file: they count as having no class",)
    assert found.present.tolist() == [0, 1, 2]
    assert found.preprocessed


def test_outlines_count_as_boxes(tmp_path: Path) -> None:
    outline = "2 0.1 0.1 0.2 0.1 0.2 0.2\n"
    assert loaded(laid_out(tmp_path, a=outline, b=f"0{BOX}")).labels.tolist() == [
        [False, False, True],
        [True, False, False],
    ]


@pytest.mark.parametrize(
    ("classes", "names", "width"), [(None, None, 3), (None, ("a", "b", "c", "d"), 4), (5, None, 5), (5, ("a", "b"), 5)]
)
def test_there_are_as_many_classes_as_the_model_has(
    classes: int | None, names: tuple[str, ...] | None, width: int, tmp_path: Path
) -> None:
    found = loaded(laid_out(tmp_path, a=f"2{BOX}", b=None), classes, names)
    assert found.labels.shape == (2, width)
    assert found.class_names == names


@pytest.mark.parametrize(
    "line",
    [
        f"3{BOX}",
        f"-1{BOX}",
        f"1.0{BOX}",
        f"cat{BOX}",
        f"٢{BOX}",
        f"{10**400}{BOX}",
        "1",
        "1 0.5 0.5 0.2",
        "1 0.5 0.5 0.2 0.1 0.9",
        "1 0.5 0.5 0.2 0.1 0.9 0.9 0.9",
        "1 0.5 0.5 0.2 nan",
        "1 0.5 0.5 0.2 inf",
        "1 0.5 0.5 0.2 1.5",
        "1 0.5 0.5 -0.2 0.1",
        "1 320 240 64 64",
        "1 0.5 0.5 0.2 1e999",
        "1 0.5 0.5 0.2 1e9999",
        "1 0.5 0.5 0.2 0_1",
        "1,0.5,0.5,0.2,0.1",
        "1 0.5 0.5 0.2 0.1\x00",
        "1 0.5 0.5 0.2 " + "1" * 100_000 + "x",
        "<xml/>",
    ],
)
def test_what_is_no_box_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="no box") as caught:
        loaded(laid_out(tmp_path, a=f"0{BOX}\n{line}\n"))
    assert caught.value.where.endswith(f"labels{os.sep}a.txt, line 2")
    assert len(caught.value.why) < 200


def test_a_class_is_bounded_where_the_model_does_not_say(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="no box"):
        loaded(laid_out(tmp_path, a=f"999999{BOX}"), None)


@pytest.mark.parametrize("content", [b"\xff\xfe0\x00", b"0" * (LONGEST_FILE + 1)], ids=["no text", "too long"])
def test_what_is_no_label_file_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="a label file cannot be read"):
        loaded(laid_out(tmp_path, a=content))


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, a=f"0{BOX}", b=None, c=None)
    (folder / "labels" / "b.txt").mkdir()
    with pytest.raises(SamplesError, match="a label file cannot be read"):
        loaded(folder)
    (folder / "labels" / "b.txt").rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "labels" / "b.txt")  # which nobody writes to: it is not waited for
        with pytest.raises(SamplesError, match="a label file cannot be read"):
            loaded(folder)


def test_a_label_file_that_leads_nowhere_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, a=f"0{BOX}", b=None)
    (folder / "labels" / "b.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SamplesError, match="a label file cannot be read"):
        loaded(folder)


def test_images_of_which_none_has_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="no labels") as caught:
        loaded(laid_out(tmp_path, a=None, b=None))
    assert "labels/NAME.txt" in caught.value.remedy
    (tmp_path / "empty" / "images").mkdir(parents=True)
    (tmp_path / "empty" / "labels").mkdir()
    with pytest.raises(SamplesError, match="no labels"):
        loaded(tmp_path / "empty")


def test_too_many_flags_are_refused_before_they_are_made(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="too many images and classes"):
        loaded(laid_out(tmp_path, a=f"0{BOX}"), 2**31)


def test_the_hash_is_of_images_and_labels(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, a=f"0{BOX}", b=f"1{BOX}")
    first = loaded(folder).digest()
    assert loaded(folder).digest() == first
    (folder / "labels" / "a.txt").write_text(f"2{BOX}")
    second = loaded(folder).digest()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8) + 9).save(folder / "images" / "b.png")
    assert len({first, second, loaded(folder).digest()}) == 3


def test_classes_that_are_called_images_and_labels_stay_classes(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name / "a.png")
    found = loaded(tmp_path)
    assert found.labels.tolist() == [0, 1]
    assert found.class_names == ("images", "labels")
