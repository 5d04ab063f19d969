"""Names of classes, however many, however alike, and those that are numbers."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxcausal.errors import SamplesError
from onnxcausal.samples.class_names import finder, index_of_names, matching
from onnxcausal.samples.inputs import load_inputs
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import InputSpec
from onnxcausal.samples.table import read_table

FOLDERS = ["0", "1", "10", "11", "2", "3"]


def test_many_names_are_found_as_one_is() -> None:
    drawn = random.Random(0)  # noqa: S311  # names, no secrets
    words = ["a", "b", "a b", "b a", " a", "", " ", "a\tb"]
    for _ in range(200):
        known = drawn.choices(words, k=6)
        find = finder(known)
        assert [find(name) for name in words] == [matching(name, known) for name in words]


@pytest.mark.attack("data", "read in seconds")
def test_hostile_numbers_of_names_are_matched_once_each() -> None:
    found = sorted(f"k{number}" for number in range(20_000))
    indices, _ = index_of_names(found, [f"k{number} name" for number in range(90_000)], "here")
    assert indices == [int(name[1:]) for name in found]


@pytest.mark.attack("data", "refused with four lines, exit code 4")
def test_hostile_names_that_are_all_alike_are_not_compared_without_end() -> None:
    drawn = random.Random(0)  # noqa: S311  # names, no secrets
    known = ["".join(drawn.choices("ab", k=150)) for _ in range(50_000)]
    with pytest.raises(SamplesError, match="that the class names do not"):
        index_of_names(["ab" * 75], known, "here")


def test_numbers_that_are_all_names_are_names() -> None:
    assert index_of_names(["10", "2", "3"], FOLDERS, "test") == ([2, 4, 5], tuple(FOLDERS))


def test_numbers_that_are_no_names_are_indices() -> None:
    assert index_of_names(["0", "4"], ["zero", "one", "two", "three", "four"], "test")[0] == [0, 4]
    assert index_of_names(["0", "1"], ["zero", "1"], "test")[0] == [0, 1]


@pytest.mark.parametrize("found", [["0", "1", "2", "3", "4", "5"], ["2", "4"]])
def test_numbers_that_are_partly_names_of_other_classes_are_refused(found: list[str]) -> None:
    with pytest.raises(SamplesError, match="'2' is the name of one class and the index of another") as caught:
        index_of_names(found, FOLDERS, "test")
    assert "class 4 has that name and class 2 that index; '4' is the name of none" in caught.value.why


@pytest.mark.parametrize(
    ("written", "labels"),
    [(("-1", "0", "1"), [0, 1, 2]), (("-1.0", "0.0", "1.0"), [0, 1, 2]), (("1", "1", "0"), [2, 2, 1])],
)
def test_labels_of_a_table_that_are_names_are_names(
    tmp_path: Path, written: tuple[str, ...], labels: list[int]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,label\n" + "".join(f"0.5,{label}\n" for label in written))
    assert read_table(path, None, ["-1", "0", "1"]).labels.tolist() == labels


@pytest.mark.parametrize(
    ("folders", "names", "labels"),
    [
        (("10", "2", "other"), FOLDERS, [2, 4, -1]),
        (("2", "4", "5"), FOLDERS, [4, -1, -1]),
        (("0", "1", "5"), FOLDERS, [0, 1, 5]),
        (("0", "1", "2"), ["a", "b", "c"], [0, 1, 2]),
        (("0", "1", "2"), None, [0, 1, 2]),
        (("2",), ["2 b", "2 c", "d"], [-1]),
    ],
)
def test_folders_of_inputs_are_names_before_they_are_indices(
    tmp_path: Path, folders: tuple[str, ...], names: list[str] | None, labels: list[int]
) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / name / "0.png")
    spec = InputSpec("x", (None, 3, 2, 2))
    held = load_inputs([tmp_path], spec, Preprocess(rescale=1.0), class_names=names)
    assert held.labels.tolist() == labels
