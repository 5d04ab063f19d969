"""Classes and their names."""

import numpy as np
import pytest

from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.pipeline.preparing.targets import resolve_targets
from onnxcausal.samples.source import Batch, Samples

LABELS = np.array([0, 2, 2, 5])


def samples(labels: np.ndarray, *, synthetic: bool = False) -> Samples:
    return Samples("data", labels, lambda wanted: Batch(np.zeros((0,), np.float32), wanted), str, synthetic=synthetic)


def test_every_class_in_the_data_is_a_target_by_default() -> None:
    assert resolve_targets(None, samples(LABELS), 6, None) == (0, 2, 5)


def test_targets_are_chosen_by_index_or_name_once_each() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    assert resolve_targets([5, "c", "2"], samples(LABELS), 6, names) == (2, 5)


@pytest.mark.parametrize("target", [1, "9", "cat", -1])
def test_an_unknown_target_lists_what_there_is(target: int | str) -> None:
    with pytest.raises(ConfigError, match="unknown target") as caught:
        resolve_targets([target], samples(LABELS), 6, None)
    assert "0, 2, 5" in caught.value.why


def test_a_misspelt_name_has_a_suggestion() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_targets(["tensh"], samples(LABELS), 6, ["tench", "x", "shark", "", "", "y"])
    assert "tench" in caught.value.remedy


@pytest.mark.parametrize("classes", [5, 2])
def test_labels_outside_the_models_classes_are_refused(classes: int) -> None:
    with pytest.raises(SamplesError, match="outside the model's classes"):
        resolve_targets(None, samples(LABELS), classes, None)
    with pytest.raises(SamplesError, match="outside"):
        resolve_targets(None, samples(np.array([-1, 0])), classes, None)


def test_the_first_word_of_a_name_names_the_class() -> None:
    names = ["n0 a", "n1 b", "n2 goldfish, Carassius", "", "", "n5 c"]
    assert resolve_targets(["n2"], samples(LABELS), 6, names) == (2,)


def test_without_data_a_missing_target_asks_for_data() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_targets([1], samples(LABELS, synthetic=True), 6, None)
    assert "--data" in caught.value.remedy


def test_a_target_that_the_data_lacks_is_never_suggested_again() -> None:
    with pytest.raises(ConfigError, match="unknown target 'd'") as caught:
        resolve_targets(["d"], samples(LABELS), 6, ["a", "b", "c", "d", "dd", "f"])
    assert caught.value.remedy == "choose among them, by index or by name"
