"""Which class an index or a name stands for."""

import pytest

from onnxcausal.analysis.result.class_lookup import by_index, class_of
from onnxcausal.errors import ConfigError

FOLDERS = ["0", "1", "10", "11", "2", "3"]
"""Names as a loader sorts folders: as texts."""
ANGLES = ["0", "90", "180", "270"]
FLOWERS = ["1 primrose", "2 orchid", "3 bluebell"]
PADDED = ["01", "02", "10"]
SIGNS = ["-1", "0", "1"]
WORDS = ["cat", "dog", "dog", "index=1", "name=cat"]


@pytest.mark.parametrize(
    ("names", "asked", "index"),
    [
        (FOLDERS, "11", 3),
        (FOLDERS, "10", 2),
        (FOLDERS, "1", 1),
        (FOLDERS, " 0 ", 0),
        (FOLDERS, "5", 5),
        (FOLDERS, 2, 2),
        (FOLDERS, "name=2", 4),
        (FOLDERS, "index=2", 2),
        (ANGLES, "90", 1),
        (ANGLES, "2", 2),
        (FLOWERS, "3", 2),
        (FLOWERS, "0", 0),
        (FLOWERS, "name=1", 0),
        (FLOWERS, "2 orchid", 1),
        (PADDED, "02", 1),
        (PADDED, "0", 0),
        (PADDED, "10", 2),
        (SIGNS, "-1", 0),
        (SIGNS, "name=1", 2),
        (WORDS, "cat", 0),
        (WORDS, "index=1", 3),
        (WORDS, "name=cat", 4),
        (WORDS, "index=2", 2),
        (None, "3", 3),
        (None, "index=3", 3),
    ],
)
def test_a_name_is_looked_for_before_an_index(names: list[str] | None, asked: int | str, index: int) -> None:
    assert class_of(asked, by_index(6 if names is None else len(names), names), where="test") == index


@pytest.mark.parametrize(
    ("names", "asked", "one", "other"),
    [
        (FOLDERS, "2", "name=2 for class 4 (2)", "index=2 for class 2 (10)"),
        (FOLDERS, "3", "name=3 for class 5 (3)", "index=3 for class 3 (11)"),
        (FLOWERS, "2", "name=2 for class 1 (2 orchid)", "index=2 for class 2 (3 bluebell)"),
        (PADDED, "1", "name=1 for class 0 (01)", "index=1 for class 1 (02)"),
        (SIGNS, "0", "name=0 for class 1 (0)", "index=0 for class 0 (-1)"),
        (WORDS, "dog", "1 for class 1 (dog)", "index=2 for class 2 (dog)"),
    ],
)
def test_what_may_be_two_classes_is_refused_with_a_way_to_say_each(
    names: list[str], asked: str, one: str, other: str
) -> None:
    with pytest.raises(ConfigError, match=f"'{asked}' stands for several classes") as caught:
        class_of(asked, by_index(len(names), names), where="test")
    assert one in caught.value.remedy
    assert other in caught.value.remedy
    for way in (one, other):
        said, _, titled = way.partition(" for class ")
        assert class_of(said, by_index(len(names), names), where="test") == int(titled.split()[0])


@pytest.mark.parametrize(
    "asked", ["", "name=", "index=", "index=9", "index=-1", "index=cat", "9" * 5000, "6", 6, -1, "\u00b2"]
)
def test_what_is_no_class_is_refused(asked: int | str) -> None:
    for names in (None, FOLDERS):
        with pytest.raises(ConfigError, match="unknown class") as caught:
            class_of(asked, by_index(6, names), where="test")
        assert "did you mean" not in caught.value.remedy


def test_a_suggestion_is_another_text_than_what_was_written() -> None:
    classes = by_index(3, ["tench", "rabbit", "shark"])
    for asked in ("tensh", "name=tensh"):
        with pytest.raises(ConfigError) as caught:
            class_of(asked, classes, where="test")
        assert caught.value.remedy == "did you mean 'tench'?"
    with pytest.raises(ConfigError) as caught:
        class_of("tench", classes, where="test", offered=[1, 2])
    assert caught.value.remedy == "choose among them, by index or by name"
