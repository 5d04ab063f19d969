"""What every test finds."""

from pathlib import Path

import pytest
from hypothesis import settings

from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.runner.limits import Limits
from onnxcausal.onnxgraph.sandbox import first_run, open_model

# An example of generated ones takes as long as it takes: no machine is too slow.
settings.register_profile("without_deadline", settings.default, deadline=None)
settings.load_profile("without_deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand what is said of attacks to whoever counts them."""
    for item in items:
        found = item.get_closest_marker("attack")
        if found is not None:
            item.user_properties.append(("attack", list(found.args)))


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's key among the files of the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(autouse=True)
def _opened_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open models in this process at once, which saves a second a call; `in_its_own_process` keeps the real way."""

    def opened(path: Path, limits: Limits, *, output: str | None = None, follow_links: bool = False) -> str:
        del limits
        return open_model.open_and_run(path, output=output, follow_links=follow_links)

    def inspected(path: Path, reading: Reading, limits: Limits, *, follow_links: bool) -> str:
        del reading, limits
        return load_model(path, follow_links=follow_links).sha256

    def loaded(path: Path, limits: Limits, *, follow_links: bool = False) -> str:
        del limits
        return load_model(path, follow_links=follow_links).sha256

    if "in_its_own_process" not in request.keywords:
        monkeypatch.setattr("onnxcausal.pipeline.preparing.opening.try_model", opened)
        monkeypatch.setattr("onnxcausal.pipeline.preparing.opening.try_loading", loaded)
        monkeypatch.setattr("onnxcausal.pipeline.inspect.try_inspecting", inspected)
        monkeypatch.setattr(first_run, "ask", lambda *_: "")
