"""Which layer a quantised model breaks at: named first, with the numbers that ONNX Runtime gives for it alone."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import QuantFormat

from onnxcausal import analyze
from onnxcausal.analysis.comparing.comparison import ComparisonFile, schema, to_json
from onnxcausal.analysis.comparing.localisation import Localisation
from onnxcausal.errors import ConfigError
from onnxcausal.pipeline import localise
from onnxcausal.pipeline.compare import compare
from onnxcausal.pipeline.localise import plain_names
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.report.comparison import table
from tests.support.quantised_digits import BAD, GOOD, halved, quantised, unbalanced
from tests.support.variants import analysed

NEAR = 0.006
"""Accuracy that a tie decided otherwise may change: one of the images, and a little."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("quantised")
    parent = unbalanced(place)
    quantised(parent, "int8")
    halved(parent, "half")
    return place


@pytest.fixture(scope="module")
def compared(folder: Path) -> ComparisonFile:
    return compared_of(folder / "float.onnx", folder / "int8.onnx")


def compared_of(old: Path, new: Path, *, which_layer: bool | None = None) -> ComparisonFile:
    return compare(old, new, which_layer=which_layer, machine=Machine.of(limits="none"))


def located(found: ComparisonFile) -> Localisation:
    assert found.localisation is not None
    return found.localisation


def decided(path: Path) -> NDArray[np.int64]:
    scores: NDArray[np.float32] = ort.InferenceSession(str(path)).run(None, {"x": analysed()[0]})[0]
    classes: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    return classes


def test_the_layer_that_int8_breaks_stands_first(folder: Path, compared: ComparisonFile) -> None:
    found, labels = located(compared), analysed()[1]
    assert (found.reference, found.samples, found.left_out) == ("old", len(labels), [])
    assert [layer.reference for layer in found.layers] == [BAD, GOOD]
    assert [layer.enters for layer in found.layers] == [True, False]
    sides = [float((decided(folder / f"{name}.onnx") == labels).mean()) for name in ("float", "int8")]
    assert found.accuracy == pytest.approx(sides, abs=NEAR)
    assert sides[0] - sides[1] > 0.3, "the int8 file is broken"
    for layer in found.layers:
        alone = decided(quantised(folder / "float.onnx", "alone", [layer.reference]))
        assert layer.other_alone.after == pytest.approx(float((alone == labels).mean()), abs=NEAR)
        assert layer.other_alone.before == pytest.approx(sides[0], abs=NEAR)
        same = float((alone == decided(folder / "float.onnx")).mean())
        assert layer.other_alone.agreement == pytest.approx(same, abs=NEAR)
        change = layer.other_alone
        assert change.interval[0] <= change.after - change.before <= change.interval[1]
    bad, good = found.layers
    assert bad.reference_alone.after - bad.reference_alone.before > 0.3
    assert abs(good.reference_alone.after - good.reference_alone.before) < 0.05
    assert (bad.typical or 0) > 10 * (good.typical or 1)


def test_what_is_found_is_written_told_and_holds_to_the_schema(compared: ComparisonFile) -> None:
    text = to_json(compared)
    jsonschema.Draft202012Validator(json.loads(schema())).validate(json.loads(text))
    assert ComparisonFile.model_validate_json(text) == compared
    shown = table(compared)
    assert f"layers that lose accuracy beyond sampling, each alone: {BAD}\n" in shown
    lines = [line for line in shown.splitlines() if line.startswith(("  " + BAD, "  " + GOOD)) and "to" in line]
    assert [line.split()[0] for line in lines[-2:]] == [BAD, GOOD]
    assert f"{located(compared).layers[0].other_alone.after:.1%} (" in lines[-2]


def test_the_sides_may_be_given_in_either_order_and_in_any_format(folder: Path) -> None:
    whole = quantised(folder / "float.onnx", "operators", quant_format=QuantFormat.QOperator)
    found = located(compared_of(whole, folder / "float.onnx"))
    assert (found.reference, [layer.reference for layer in found.layers]) == ("new", [BAD, GOOD])
    assert found.layers[0].other == f"{BAD}_quant"
    assert [layer.enters for layer in found.layers] == [True, False]


def test_half_precision_is_measured_too_and_loses_nothing_here(folder: Path) -> None:
    found = located(compared_of(folder / "float.onnx", folder / "half.onnx"))
    assert not any(layer.enters for layer in found.layers)
    assert all(0 < (layer.deviation or 0) < 2**-10 for layer in found.layers)
    assert all(layer.other_alone.lost == layer.other_alone.gained == 0 for layer in found.layers)


def test_two_float_models_are_measured_where_asked_alone_and_one_against_itself_deviates_by_nothing(
    folder: Path,
) -> None:
    twin = unbalanced(folder, "twin")
    plain = compared_of(folder / "float.onnx", twin)
    assert plain.localisation is None
    assert "localisation" not in json.loads(to_json(plain))
    found = located(compared_of(folder / "float.onnx", twin, which_layer=True))
    for layer in found.layers:
        assert (layer.deviation, layer.typical, layer.worst) == (0, 0, [])
        for change in (layer.other_alone, layer.reference_alone):
            assert (change.lost, change.gained, change.agreement) == (0, 0, 1)
    assert "no layer alone loses accuracy beyond sampling" in table(plain.model_copy(update={"localisation": found}))


def test_it_can_be_left_out_and_needs_two_files(folder: Path) -> None:
    assert compared_of(folder / "float.onnx", folder / "int8.onnx", which_layer=False).localisation is None
    analyze(folder / "float.onnx", out=folder / "saved", machine=Machine.of(limits="none"))
    with pytest.raises(ConfigError, match="layers of an analysis cannot be exchanged"):
        compared_of(folder / "saved", folder / "int8.onnx", which_layer=True)
    assert compared_of(folder / "saved", folder / "int8.onnx").localisation is None


def test_many_samples_are_drawn_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localise, "MOST_SAMPLES", 50)
    found = located(compared_of(folder / "float.onnx", folder / "int8.onnx"))
    assert found.samples == 50
    assert [layer.reference for layer in found.layers] == [BAD, GOOD]


def test_names_of_the_quantiser_are_those_of_its_layers() -> None:
    assert plain_names(["a", "b_quant", "c_MatMul_quant"]) == ["a", "b", "c"]
    assert plain_names(["b", "b_quant"]) == ["b", "b_quant"]
