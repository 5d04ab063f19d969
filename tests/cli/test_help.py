"""What the help lists by hand, since it loads nothing, is what there is."""

import re
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest
from typer.models import ParameterInfo

from onnxcausal.analysis.formats.evaluation import Protocol
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.analysis.result.settings import EngineKind, Precision
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import OutcomeKind
from onnxcausal.causal.significance import Rule
from onnxcausal.causal.task import Task
from onnxcausal.cli import options
from onnxcausal.onnxgraph.network.io_spec import Reduction
from onnxcausal.pipeline.gating.ci_reports import OF_ANALYSIS, Format
from onnxcausal.pipeline.protocols.maps import METHODS
from onnxcausal.samples.preprocess import ChannelOrder, Layout

ABOUT = Path(__file__).parents[2] / "onnxcausal" / "report" / "page" / "web" / "panels" / "about.js"
CHOICES: dict[str, type[StrEnum]] = {
    "Channels": ChannelOrder,
    "Layout": Layout,
    "Reduce": Reduction,
    "Task": Task,
    "Rule": Rule,
    "Replace": Replace,
    "Outcome": OutcomeKind,
    "Engine": EngineKind,
    "Precision": Precision,
    "ProtocolName": Protocol,
    "FormName": Form,
    "MaskedReplace": Replace,
}
"""Options whose values are those of an enum."""


def info(name: str) -> ParameterInfo:
    (found,) = (extra for extra in get_args(getattr(options, name)) if isinstance(extra, ParameterInfo))
    return found


def choosing() -> list[str]:
    """Return the options that show their values."""
    names = [name for name in vars(options) if name[0].isupper() and hasattr(getattr(options, name), "__metadata__")]
    return [name for name in names if re.fullmatch(r"[\w-]+(\|[\w-]+)+", str(info(name).metavar))]


def test_every_option_that_shows_its_values_is_held_to_them() -> None:
    assert sorted(choosing()) == sorted(CHOICES)


@pytest.mark.parametrize("name", CHOICES)
def test_an_option_shows_the_values_that_there_are(name: str) -> None:
    assert str(info(name).metavar).split("|") == [kind.value for kind in CHOICES[name]]


def test_the_methods_that_make_maps_are_listed() -> None:
    assert f"Maps: {','.join(METHODS)} (all)." == info("Methods").help


@pytest.mark.parametrize(("name", "forms"), [("Reports", list(Format)), ("CheckReports", set(Format) - {*OF_ANALYSIS})])
def test_the_reports_are_listed(name: str, forms: list[Format]) -> None:
    listed = re.findall(r"[a-z]+", re.sub(r"\([^)]*\)", "", str(info(name).help)).partition("; repeat")[0])
    assert sorted(listed) == sorted(form.value for form in forms)


def test_the_page_says_of_every_outcome_but_the_plain_score_what_its_scale_is() -> None:
    (written,) = re.findall(r"const OTHER_SCORES = \{(.*?)\};", ABOUT.read_text(), re.DOTALL)
    named = re.findall(r'^\s*"?([\w-]+)"?:', written, re.MULTILINE)
    assert sorted(named) == sorted(kind.value for kind in OutcomeKind if kind is not OutcomeKind.LOGIT)
