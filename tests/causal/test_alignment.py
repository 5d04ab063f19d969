"""Tests of which layer of one model is which of another, against a search of all possibilities."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import hypothesis.strategies as st
from hypothesis import given, settings

from onnxcausal.causal.alignment import LayerOutline, MatchedBy, match_layers

Pairs = frozenset[tuple[int, int]]


def layers(*described: str) -> list[LayerOutline]:
    """Return layers written as NAME:SIZE, of ops Gemm, or Conv where the name begins with a capital."""
    found = []
    for text in described:
        name, size = text.split(":")
        found.append(LayerOutline(name, "Conv" if name[0].isupper() else "Gemm", int(size), int(size)))
    return found


def matched(old: Sequence[LayerOutline], new: Sequence[LayerOutline]) -> list[tuple[int, int]]:
    return [(match.old, match.new) for match in match_layers(old, new)]


def test_names_decide_whatever_the_order() -> None:
    assert matched(layers("a:4", "b:4", "c:4"), layers("a:4", "c:4", "b:4")) == [(0, 0), (1, 2), (2, 1)]


def test_a_layer_of_another_shape_is_not_matched_by_its_name() -> None:
    assert matched(layers("a:4", "b:5"), layers("a:4", "b:6")) == [(0, 0)]


def test_new_names_leave_the_order_to_decide() -> None:
    found = match_layers(layers("a:4", "b:4", "c:8"), layers("x:4", "y:4", "z:8"))
    assert [(match.old, match.new) for match in found] == [(0, 0), (1, 1), (2, 2)]
    assert {match.by for match in found} == {MatchedBy.STRUCTURE}


def test_numbered_names_that_moved_on_do_not_mislead() -> None:
    """An op between the first two layers went away: each later number is one less."""
    old = layers("Conv_0:4", "Conv_2:4", "Conv_3:4")
    new = layers("Conv_0:4", "Conv_1:4", "Conv_2:4")
    assert matched(old, new) == [(0, 0), (1, 1), (2, 2)]


def test_of_equal_layers_of_which_one_is_gone_none_is_guessed() -> None:
    assert matched(layers("a:3", "b:4", "c:4", "d:5"), layers("w:3", "x:4", "z:5")) == [(0, 0), (3, 2)]


def test_a_name_or_else_an_op_tells_equal_layers_apart() -> None:
    assert matched(layers("a:4", "b:4"), layers("b:4", "x:9")) == [(1, 0)]
    assert matched(layers("a:4", "B:4"), layers("Z:4")) == [(1, 0)]


def test_groups_belong_to_the_shape() -> None:
    assert matched([LayerOutline("a", "Conv", 8, 8, 1)], [LayerOutline("a", "Conv", 8, 8, 8)]) == []


def test_a_model_without_layers_matches_nothing() -> None:
    assert matched([], layers("a:4")) == []


def test_names_decide_as_soon_as_all_of_one_model_are_in_the_other() -> None:
    few, many = layers("b:4", "a:4"), layers("a:4", "b:4", "c:4")
    for found, pairs in (
        (match_layers(few, many), [(0, 1), (1, 0)]),
        (match_layers(many, few), [(0, 1), (1, 0)]),
        (match_layers(few, few[::-1]), [(0, 1), (1, 0)]),
    ):
        assert [(match.old, match.new) for match in found] == pairs
        assert {match.by for match in found} == {MatchedBy.NAME}


def test_what_tells_is_the_name_only_where_names_are_equal() -> None:
    found = match_layers(layers("a:4", "b:5", "c:6"), layers("a:4", "x:5", "y:6"))
    assert [match.by for match in found] == [MatchedBy.NAME, MatchedBy.STRUCTURE, MatchedBy.STRUCTURE]


def test_one_more_match_outweighs_all_names() -> None:
    """Names alone would match the last three with the first three."""
    old, new = layers("a:4", "b:4", "c:4", "d:4"), layers("b:4", "c:4", "d:4", "x:4")
    assert matched(old, new) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_one_more_name_outweighs_all_ops() -> None:
    old = [LayerOutline("c", "Gemm", 4, 4), LayerOutline("a", "Conv", 4, 4)]
    assert matched(old, [LayerOutline("c", "Conv", 4, 4), LayerOutline("x", "Gemm", 9, 9)]) == [(0, 0)]


shapes = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["Conv", "Gemm"]), st.integers(1, 2)), max_size=5)


@settings(max_examples=150, deadline=None)
@given(shapes, shapes)
def test_what_is_matched_are_the_pairs_of_every_best_common_sequence(
    old: list[tuple[str, str, int]], new: list[tuple[str, str, int]]
) -> None:
    here = [LayerOutline(f"{name}-{i}", kind, size, size) for i, (name, kind, size) in enumerate(old)]
    there = [LayerOutline(f"{name}-{i}", kind, size, size) for i, (name, kind, size) in enumerate(new)]
    if {shape.name for shape in here} <= {shape.name for shape in there}:
        return
    if {shape.name for shape in there} <= {shape.name for shape in here}:
        return
    assert set(matched(here, there)) == frozenset.intersection(*_best(here, there))


def _best(old: Sequence[LayerOutline], new: Sequence[LayerOutline]) -> Iterator[Pairs]:
    """Yield all common sequences of the most layers, then names, then ops."""
    every = [
        frozenset(zip(chosen, other, strict=True))
        for count in range(min(len(old), len(new)) + 1)
        for chosen in combinations(range(len(old)), count)
        for other in combinations(range(len(new)), count)
        if all(old[i].fits(new[j]) for i, j in zip(chosen, other, strict=True))
    ]

    def worth(pairs: Pairs) -> tuple[int, int, int]:
        names = sum(old[i].name == new[j].name for i, j in pairs)
        return len(pairs), names, sum(old[i].op_type == new[j].op_type for i, j in pairs)

    most = max(worth(pairs) for pairs in every)
    return (pairs for pairs in every if worth(pairs) == most)
