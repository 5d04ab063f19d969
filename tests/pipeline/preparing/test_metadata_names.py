"""Class names in the metadata of a file."""

import pytest

from onnxcausal.pipeline.preparing.metadata_names import LONGEST_LIST, names_in_metadata


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


@pytest.mark.parametrize(
    ("key", "text", "names"),
    [
        ("names", "{0: 'no entry', 1: \"children's crossing\"}", ("no entry", "children's crossing")),
        ("character", "0\n180\n", ("0", "180")),
        ("character", "a,\nb", ("a,", "b")),
        ("classes", "cat, dog", ("cat", "dog")),
        ("labels", '{"0": "cat", "1": "dog"}', ("cat", "dog")),
        ("ID2LABEL", '{"0": "cat", "1": "dog"}', ("cat", "dog")),
        ("labels", '{\n "cat": 1,\n "dog": 0\n}', ("dog", "cat")),
        ("class_to_idx", '{"0": 0, "10": 1}', ("0", "10")),
        ("label2id", "{'10': 1, '2': 0}", ("2", "10")),
        ("label2id", "{'10': 1, '2': 3}", None),
        ("character", "a\nb\nc", None),
        ("names", "cat", None),
        ("names", ", cat", None),
        ("names", "[['a', 'b'], ['c', 'd']]", None),
        ("names", "('a' 'b', *'c')", None),
        ("author", "cat, dog", None),
    ],
)
def test_names_that_are_as_many_as_the_classes_are_read_from_more_keys_and_forms(
    key: str, text: str, names: tuple[str, ...] | None
) -> None:
    assert names_in_metadata({key: text}, 2) == names


def test_a_key_whose_names_do_not_fit_gives_way_to_one_whose_names_do() -> None:
    held = {"names": "['a', 'b', 'c']", "character": "0\n180"}
    assert names_in_metadata(held, 2) == ("0", "180")
    assert names_in_metadata(held, 3) == ("a", "b", "c")
    assert names_in_metadata(held) == ("a", "b", "c")
    assert names_in_metadata({"character": "0\n180"}) is None


@pytest.mark.parametrize(
    "text", ["a,b" + " " * LONGEST_LIST, "(" * 10**5 + "," + ")" * 10**5, "{" + "-" * 10**6 + "1: 'a'}"]
)
def test_what_is_too_long_or_too_deep_is_no_list_of_names(text: str) -> None:
    assert names_in_metadata({"names": text}, 2) is None
