"""Classes that must have a graph: which are meant, which are missing, and what is said of them."""

import dataclasses
from pathlib import Path

import pytest

from onnxcausal import analyze
from onnxcausal.analysis.gating.checks import Status
from onnxcausal.analysis.gating.required import Required, check_required
from onnxcausal.analysis.result.analysis import Analysis, Skipped
from onnxcausal.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """Classes 3 and 7 of ten have a graph, 9 was skipped, and 0 is in the data."""
    found = analyze(SHIPPED / "digits_lenet.onnx", targets=[3, 7], samples=5)
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "two", "nine")
    skipped = (Skipped(9, "none is right"),)
    return dataclasses.replace(found, class_names=names, skipped=skipped, present=(0, 3, 7, 9))


def test_an_analysis_knows_the_classes_of_model_and_data() -> None:
    found = analyze(SHIPPED / "digits_lenet.onnx", targets=[3], samples=5)
    assert found.class_count == 10
    assert found.present == tuple(range(10))


@pytest.mark.parametrize(
    ("asked", "classes"),
    [
        (("all",), tuple(range(10))),
        (("data",), (0, 3, 7, 9)),
        (("data", 1), (0, 1, 3, 7, 9)),
        ((7, "3", " 3 ", "seven"), (3, 7)),
        (("all", 3), tuple(range(10))),
        (("name=seven", "index=2"), (2, 7)),
    ],
)
def test_classes_are_meant_by_index_name_and_word(
    analysis: Analysis, asked: tuple[int | str, ...], classes: tuple[int, ...]
) -> None:
    assert Required(asked).classes(analysis) == classes
    assert Required(asked).by_name is (not {"all", "data"} & {*asked})


@pytest.mark.parametrize("named", ["10", "thre", "-1", "3.0"])
def test_what_is_no_class_is_refused(analysis: Analysis, named: str) -> None:
    with pytest.raises(ConfigError, match="unknown class") as caught:
        Required((named,), "--require-classes").classes(analysis)
    assert caught.value.where == "required classes, --require-classes"
    assert caught.value.why == "the model has 10 classes, 0 to 9"


@pytest.mark.parametrize("named", ["two", "4"])
def test_what_may_be_two_classes_is_refused(analysis: Analysis, named: str) -> None:
    names = ("zero", "one", "two", "three", "four", "five", "six", "4", "two", "nine")
    with pytest.raises(ConfigError, match="stands for several classes"):
        Required((named,), "test").classes(dataclasses.replace(analysis, class_names=names))


def test_the_words_say_what_is_required_and_who_said_so() -> None:
    assert str(Required()) == "all of the model"
    assert str(Required(("data", 5), "pyproject.toml")) == "those in the data, 5 (pyproject.toml)"


def test_each_missing_class_is_told_with_its_reason(analysis: Analysis) -> None:
    (check,) = check_required(Required((0, 1, 3, 9)), analysis, "targets of a file")
    assert (check.rule, check.name, check.status, check.target) == ("classes", "classes", Status.FAILED, None)
    assert check.message == (
        "3 of 4 classes that must have a graph have none; class 0 (zero): left out by targets of a file; "
        "class 1 (one): no sample of it in the data; class 9 (nine): none is right"
    )
    assert check_required(Required((3, 7)), analysis, "") == ()


def test_of_many_missing_classes_the_first_ten_are_named(analysis: Analysis) -> None:
    many = dataclasses.replace(analysis, class_count=14, class_names=None)
    (check,) = check_required(Required(), many, "")
    assert check.message.startswith("12 of 14 classes that must have a graph have none; class 0: ")
    assert check.message.endswith("class 11: no sample of it in the data; and 2 more")
    assert check.message.count("class ") == 10
