"""Which layers names, patterns, ends and ops stand for."""

from typing import Any

import pytest

from onnxcausal.analysis.result.layer_choice import left_out_of, parts_of
from onnxcausal.analysis.result.settings import Settings
from onnxcausal.errors import ConfigError

LAYERS = {
    "/layer1/conv1/Conv": "Conv",
    "/layer1/conv2/Conv": "Conv",
    "/layer2/conv1/Conv": "ConvTranspose",
    "/layer2/[0]/MatMul": "MatMul",
    "last:2": "Gemm",
    "head, of two": "Gemm",
}
NAMES = list(LAYERS)


def kept(layers: str | list[str] | None = None, skip: list[str] | None = None) -> list[int]:
    """Return the places of the layers that are tested."""
    named = parts_of(layers) if isinstance(layers, str) else layers
    settings = Settings(
        layers=None if named is None else tuple(named), skip_layers=None if skip is None else tuple(skip)
    )
    left_out = left_out_of(settings, LAYERS)
    assert list(left_out) == [name for name in NAMES if name in left_out]  # in the order of the file
    return [place for place, name in enumerate(NAMES) if name not in left_out]


@pytest.mark.parametrize(
    ("layers", "skip", "expected"),
    [
        (None, None, [0, 1, 2, 3, 4, 5]),
        ("/layer1/conv2/Conv", None, [1]),
        ("/layer1/*", None, [0, 1]),
        ("*/conv1/*", None, [0, 2]),
        ("/layer?/conv[2-9]/Conv", None, [1]),
        ("last:1", None, [5]),
        ("last: 3", None, [3, 4, 5]),
        ("first:3", None, [0, 1, 2]),
        ("last:999999999", None, [0, 1, 2, 3, 4, 5]),
        ("op:Conv", None, [0, 1]),
        ("op:Conv*", None, [0, 1, 2]),
        ("first:1, last:1,op:MatMul", None, [0, 3, 5]),
        (["head, of two"], None, [5]),
        (None, ["op:Gemm", "/layer1/*"], [2, 3]),
        ("first:4", ["*conv1*"], [1, 3]),
        ("first:1", ["last:1"], [0]),
        ("head? of two", None, [5]),
    ],
)
def test_each_form_names_its_layers(layers: Any, skip: list[str] | None, expected: list[int]) -> None:
    assert kept(layers, skip) == expected


def test_a_whole_name_comes_before_any_other_reading() -> None:
    assert kept("last:2") == [4]
    assert kept("/layer2/[0]/MatMul") == [3]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("/layer1/conv3/Conv", "/layer1/conv1/Conv"),
        ("/LAYER1/*", "/layer1/conv1/Conv"),
        ("/layr1/*", "/layer1/*"),
        ("conv2", "/layer1/conv2/Conv"),
        ("Gemm", "op:Gemm"),
        ("op:gemm", "op:Gemm"),
        ("last:0", "last:5"),
        ("first:three", "first:5"),
        (f"last:{'9' * 5000}", "last:5"),
        ("zzz", "onnxcausal inspect"),
        ("[", "/layer2/[0]/MatMul"),
        ("op:", "op:Gemm"),
    ],
)
@pytest.mark.parametrize("key", ["layers", "skip_layers"])
def test_a_pattern_without_a_layer_is_refused_with_what_is_near(key: str, pattern: str, told: str) -> None:
    patterns = ("first:1", pattern)
    settings = Settings(layers=patterns) if key == "layers" else Settings(skip_layers=patterns)
    with pytest.raises(ConfigError) as caught:
        left_out_of(settings, LAYERS)
    assert pattern in caught.value.what
    assert told in caught.value.remedy
    assert caught.value.where == f"{key}, [analysis]"


@pytest.mark.parametrize(("layers", "skip"), [(("op:Gemm",), ("last:2", "head*")), (None, ("*",))])
def test_something_must_be_left(layers: tuple[str, ...] | None, skip: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="no layer is left to test"):
        left_out_of(Settings(layers=layers, skip_layers=skip), LAYERS)


def test_a_name_without_end_is_not_compared_letter_by_letter() -> None:
    with pytest.raises(ConfigError, match="no layer matches"):
        left_out_of(Settings(layers=("x" * 400,)), {"x" * 200_000: "Conv", "short": "Conv"})
