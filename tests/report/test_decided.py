"""What a model decides instead, as it is shown."""

from onnxcausal.analysis.result.decided import Decided
from onnxcausal.report.decided import decided_sentence, decided_table

NAMES = ("cat", "dog", "eel")
SHIFTED = [Decided(0, (0, 1, 8)), Decided(1, (7, 0, 2)), Decided(2, (0, 9, 0))]


def test_each_class_that_is_mostly_wrong_has_a_line_with_what_most_are_decided_as() -> None:
    assert list(decided_table(SHIFTED, NAMES)) == [
        "the model is right on few samples of these classes:",
        "  class    tried  right  most are decided as",
        "  0 (cat)      9      0  2 (eel): 8 of 9",
        "  1 (dog)      9      0  0 (cat): 7 of 9",
        "  2 (eel)      9      0  1 (dog): 9 of 9",
        "every class is decided as the one before it: the labels may start at 1, and the model's classes at 0",
    ]
    assert decided_sentence(SHIFTED, None) == (
        "most are decided otherwise: class 0 as 2 (8 of 9), 1 as 0 (7 of 9), 2 as 1 (9 of 9); every class is decided "
        "as the one before it: the labels may start at 1, and the model's classes at 0"
    )


def test_classes_that_are_mostly_right_are_left_out() -> None:
    some = [Decided(0, (9, 0, 0)), *SHIFTED[1:2]]
    assert [line.split()[0] for line in decided_table(some, None)] == ["the", "class", "1"]
    assert decided_sentence(some, None) == "most are decided otherwise: class 1 as 0 (7 of 9)"
    assert list(decided_table(some[:1], None)) == []
    assert not decided_sentence(some[:1], None)


def test_of_many_classes_the_first_are_shown_and_the_others_counted() -> None:
    many = [Decided(target, tuple(9 * (other == target - 1) for other in range(30))) for target in range(1, 30)]
    lines = list(decided_table(many, None))
    assert len(lines) == 2 + 20 + 2
    assert lines[-2] == "  and 9 more"
    assert "5 as 4 (9 of 9) and 24 more; every class" in decided_sentence(many, None)


def test_names_are_made_safe_to_show() -> None:
    lines = list(decided_table([Decided(0, (0, 3)), Decided(1, (0, 3))], ("a", "b\x1b[31m")))
    assert all("\x1b" not in line for line in lines)
