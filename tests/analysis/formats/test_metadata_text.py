"""Records among metadata, which somebody else may have written."""

import json

import pytest

from onnxcausal.analysis.formats.metadata_text import DEEPEST, DEEPEST_FREE, MOST, MOST_FREE, check_free, parse
from onnxcausal.analysis.formats.refit_metadata import model_of_text


def levels(number: int) -> str:
    return '{"a":' * number + "1" + "}" * number


def test_what_is_within_bounds_is_read() -> None:
    held = {"a": [1, 2.5, None, True, '[[[{{{ \\" '], "b": {"c": -7}}
    assert parse(json.dumps(held)) == held
    assert parse(levels(DEEPEST))
    assert parse(f'{{"a":"{"[" * 1000}"}}') == {"a": "[" * 1000}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (levels(DEEPEST + 1), "more than 32 deep"),
        ("[" * 100_000, "more than 32 deep"),
        ('{"a":' + "9" * 33 + "}", "beyond 64 bits"),
        ('{"a":' + "9" * 5000 + "}", "beyond 64 bits"),
        ('{"a":1e999}', "1e999 is beyond"),
        ('{"a":-1e999}', "-1e999 is beyond"),
        ('{"a":NaN}', "NaN is no number"),
        ('{"a":Infinity}', "Infinity is no number"),
        ('{"a":1,"a":2}', "the key .a. is there twice"),
        ('{"b":{"a":1,"a":2}}', "the key .a. is there twice"),
        ('{"a":"\\ud800"}', "surrogates not allowed"),
        ("[1]", "it is no object"),
        ("1", "it is no object"),
        ("", "Expecting value"),
        ('{"a":1} x', "Extra data"),
        ('{"a":"' + "b" * MOST + '"}', "letters"),
    ],
    ids=range(16),
)
def test_what_is_beyond_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)
    assert not model_of_text(text)


def test_what_is_free_in_a_record_has_bounds_of_its_own() -> None:
    check_free({"settings": {"seed": 1}})
    check_free(json.loads(levels(DEEPEST_FREE)))
    for held in (json.loads(levels(DEEPEST_FREE + 1)), {"a": "b" * MOST_FREE}, {"a": 10**40}, {"a": float("nan")}):
        with pytest.raises(ValueError, match=r"deep|letters|64 bits|no number"):
            check_free(held)
