"""What is prepared fits together."""

from dataclasses import replace
from pathlib import Path

import pytest

from onnxcausal.causal.intervention import Replace
from onnxcausal.pipeline.preparing.configuration import configure_by_name
from onnxcausal.pipeline.preparing.opening import open_model
from onnxcausal.pipeline.preparing.prepare import prepare

DIGITS = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"


@pytest.mark.parametrize("engine", ["suffix", "reference"])
@pytest.mark.parametrize("wanted", list(Replace))
def test_what_is_recorded_as_put_in_place_is_what_the_engine_puts_there(wanted: Replace, engine: str) -> None:
    configured = configure_by_name(DIGITS, None, {"samples": 5, "replace": wanted, "engine": engine})
    prepared = prepare(open_model(DIGITS), configured.values)
    assert prepared.engine.replace is prepared.settings.replace is wanted
    assert replace(prepared, settings=replace(prepared.settings, beta=0.5)).engine is prepared.engine
    (other,) = set(Replace) - {wanted}
    with pytest.raises(AssertionError, match=wanted):
        replace(prepared, settings=replace(prepared.settings, replace=other))
