"""Classes and their names."""

import numpy as np
import pytest

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.pipeline.classes import names_in_metadata, resolve_targets

LABELS = np.array([0, 2, 2, 5])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('["cat", "dog"]', ("cat", "dog")),
        ("{1: 'dog', 0: 'cat'}", ("cat", "dog")),
        ('{"10": "k", "2": "b"}', ("b", "k")),
        ("('a', 'b')", ("a", "b")),
        ("__import__('os').getcwd()", None),
        ("7", None),
        ("", None),
        ("{'a': [1]}", None),
        ("[" * 5000, None),
    ],
)
def test_names_are_read_from_metadata_as_data_never_as_code(text: str, names: tuple[str, ...] | None) -> None:
    assert names_in_metadata({"author": "x", "names": text}) == names


def test_every_class_in_the_data_is_a_target_by_default() -> None:
    assert resolve_targets(None, LABELS, 6, None, "data") == (0, 2, 5)


def test_targets_are_chosen_by_index_or_name_once_each() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    assert resolve_targets([5, "c", "2"], LABELS, 6, names, "data") == (2, 5)


@pytest.mark.parametrize("target", [1, "9", "cat", -1])
def test_an_unknown_target_lists_what_there_is(target: int | str) -> None:
    with pytest.raises(ConfigError, match="unknown target") as caught:
        resolve_targets([target], LABELS, 6, None, "data")
    assert "0, 2, 5" in caught.value.why


def test_a_misspelt_name_has_a_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_targets(["tensh"], LABELS, 6, ["tench", "x", "shark", "", "", "y"], "data")
    assert "tench" in caught.value.remedy


@pytest.mark.parametrize("classes", [5, 2])
def test_labels_outside_the_models_classes_are_refused(classes: int) -> None:
    with pytest.raises(SamplesError, match="outside the model's classes"):
        resolve_targets(None, LABELS, classes, None, "data")
    with pytest.raises(SamplesError, match="outside"):
        resolve_targets(None, np.array([-1, 0]), classes, None, "data")
