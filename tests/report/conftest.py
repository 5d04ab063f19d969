"""A browser, and the report that most tests open in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import onnxcausal
from onnxcausal.analysis.formats.side_effects import to_json
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.report import report
from tests.support.page_chromium import FOUND
from tests.support.page_sheet import Sheet
from tests.support.recorded import recorded

MODELS = Path(__file__).parent.parent.parent / "models"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=FOUND, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def sheet(browser: Browser) -> Iterator[Sheet]:
    """Give a page; fail if it said anything on the console or asked for anything but itself."""
    made = Sheet(browser)
    yield made
    made.tab.close()
    assert made.said == []
    assert [url for url in made.asked if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in made.asked) == 1


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of the shipped model with everything that can be in one."""
    folder = tmp_path_factory.mktemp("digits")
    model, data = MODELS / "digits_lenet.onnx", MODELS / "digits.npz"
    analysis = onnxcausal.analyze(model, data, targets=[3, 8, 9], samples=40, out=folder)
    onnxcausal.explain(model, MODELS / "examples", analysis=folder, out=folder)
    onnxcausal.evaluate(
        "fidelity",
        model,
        analysis=folder,
        out=folder,
        options=EvaluateOptions(count=10, portions=(0.1, 0.2)),
        targets=[3, 8, 9],
    )
    (folder / "fixed.repair.json").write_text(to_json(recorded("masked", analysis.model_sha256)))
    return report(folder, data=data).path
