"""What Netron shows of an analysis: on the ops of a copy of the model, and laid over the model itself."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from playwright.sync_api import Browser, Page, Route

import onnxcausal
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.pipeline.gating.ci_reports import Format, Report, write_graphs
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.report.machine import netron
from onnxcausal.report.machine.netron import WIDTH, entries, is_attachment_of
from tests.support.networks import mlp
from tests.support.page_chromium import needs_chromium

RNG = np.random.default_rng(0)
HOSTILE = '</div><img src=x onerror="document.title=1">\u202e&lt;b&gt;{0}'
CLASSES = ("a cat", HOSTILE + "\x1b[31m" + "n" * 300, "a bird")
SHOWN_BY_NETRON = 2000
"""Letters of a text after which Netron cuts it."""


def hostile_model(place: Path) -> Path:
    """Write a small classifier whose layers and classes have names meant for browsers."""
    proto = mlp([RNG.normal(size=(80, 6)), RNG.normal(size=(3, 80))], [np.zeros(80), np.zeros(3)])
    for number, op in enumerate(op for op in proto.graph.node if op.op_type == "Gemm"):
        op.name = f"{HOSTILE}\nlayer {number}" if number == 0 else f"{HOSTILE}{number}"
    onnx.save(proto, place / "model.onnx")
    return place / "model.onnx"


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Analysis]:
    place = tmp_path_factory.mktemp("netron")
    path = hostile_model(place)
    proto = onnx.load(path)
    names = proto.metadata_props.add()
    names.key, names.value = "names", repr(dict(enumerate(CLASSES)))
    onnx.save(proto, path)
    found = onnxcausal.analyze(path, samples=20, machine=Machine.of(limits="none"))
    reports = [Report(Format.NETRON, place / name) for name in ("shown.onnx", "over.json")]
    assert write_graphs(reports, found, path) == ()
    return place, found


def test_an_entry_is_short_lines_of_one_class(analysed: tuple[Path, Analysis]) -> None:
    _, found = analysed
    held = entries(found)
    assert list(held) == [layer.name for layer in found.graphs[0].layers]
    for layer in found.graphs[0].layers:
        text = held[layer.name][f"class {found.graphs[0].target}"]
        assert max(map(len, text.split("\n"))) <= WIDTH
        assert len(text) < SHOWN_BY_NETRON
        necessary = layer.necessary.tolist()
        assert re.search(rf"(?m)^{len(necessary)} necessary: {necessary[0]}", text)
        strongest = int(np.abs(layer.ate).argmax())
        assert f"node {strongest}: {layer.ate[strongest]:+.3g} (" in text
    assert not any(set(text) & set("\x1b\u202e") for texts in held.values() for text in texts.values())


def test_of_many_nodes_the_first_are_named(analysed: tuple[Path, Analysis], monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = analysed
    monkeypatch.setattr(netron, "LISTED", 3)
    texts = [" ".join(text.split()) for held in entries(found).values() for text in held.values()]
    named = [
        match
        for text in texts
        for match in re.findall(r"(\d+) (?:necessary|noisy): (\d+(?:, \d+)*)(?: and (\d+) more)?", text)
    ]
    assert any(int(count) > 3 for count, *_ in named)
    for count, nodes, more in named:
        assert nodes.count(",") + 1 == min(int(count), 3)
        assert int(more or 0) == max(0, int(count) - 3)


def test_an_attachment_names_the_model_and_is_replaced_by_a_later_one_alone(analysed: tuple[Path, Analysis]) -> None:
    place, found = analysed
    content = (place / "over.json").read_bytes()
    assert is_attachment_of(content, found.model_sha256)
    assert not is_attachment_of(content, "0" * 64)
    assert not is_attachment_of(b"[]", found.model_sha256)
    assert not is_attachment_of(b"\xff{", found.model_sha256)
    assert write_graphs([Report(Format.NETRON, place / "over.json")], found, place / "model.onnx") == ()
    assert (place / "over.json").read_bytes() == content
    (place / "mine.json").write_text("{}")
    with pytest.raises(onnxcausal.errors.OutputError, match="another file"):
        write_graphs([Report(Format.NETRON, place / "mine.json")], found, place / "model.onnx")


def test_ops_without_a_name_of_their_own_are_told(analysed: tuple[Path, Analysis], tmp_path: Path) -> None:
    place, _ = analysed
    proto = onnx.load(place / "model.onnx")
    for op in proto.graph.node:
        op.name = ""
    onnx.save(proto, tmp_path / "model.onnx")
    other = onnxcausal.analyze(tmp_path / "model.onnx", samples=20, machine=Machine.of(limits="none"))
    (note,) = write_graphs([Report(Format.NETRON, tmp_path / "over.json")], other, tmp_path / "model.onnx")
    assert note.startswith("2 layer(s) have no op of their own in the file")
    assert json.loads((tmp_path / "over.json").read_text())["metadata"] == []


@contextmanager
def served(browser: Browser, model: Path | None) -> Iterator[Page]:
    """Open Netron on this machine, as `netron FILE` does; fail if a page says more than that it has no network."""
    netron = pytest.importorskip("netron")
    address = netron.start(None if model is None else str(model), ("127.0.0.1", 0), browse=False)
    url = f"http://{address[0]}:{address[1]}/"
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.add_cookies([{"name": "consent", "value": "1", "url": url}])
    tab, said = context.new_page(), list[str]()
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.route("**/*", lambda route: keep_here(route, url))
    try:
        tab.goto(url)
        yield tab
        assert said == []
        assert tab.title() != "1"
    finally:
        context.close()
        netron.stop(address)


def keep_here(route: Route, url: str) -> None:
    """Let nothing leave this machine, and take out the date after which Netron asks to be renewed."""
    if not route.request.url.startswith(url):
        route.abort()
    elif route.request.url == url:
        response = route.fetch()
        route.fulfill(response=response, body=re.sub(r'<meta name="date".*?>', "", response.text()))
    else:
        route.continue_()


def sidebar_of_last_gemm(tab: Page) -> str:
    """Click on the op nearest the outcome; return what the sidebar shows."""
    op = tab.locator("g:has(> text:text-is('Gemm'))").last
    op.click()
    tab.get_by_text("Node Properties").wait_for()
    return tab.locator(".sidebar-item-name input").last.input_value() + "\n" + tab.locator(".sidebar").inner_text()


def expected(found: Analysis) -> list[str]:
    """Return lines of the layer nearest the outcome that must be there."""
    held = entries(found)[found.graphs[0].layers[0].name]
    return [line.strip() for text in held.values() for line in text.split("\n")]


@pytest.mark.slow
@needs_chromium
def test_netron_shows_roles_and_effects_on_the_ops_of_the_copy(
    browser: Browser, analysed: tuple[Path, Analysis]
) -> None:
    place, found = analysed
    with served(browser, place / "shown.onnx") as tab:
        shown = sidebar_of_last_gemm(tab)
        assert tab.locator("img[src=x]").count() == 0
        names = [each.input_value() for each in tab.locator(".sidebar-item-name input").all()]
    lines = [line.strip() for line in shown.split("\n")]
    assert set(expected(found)) <= set(lines)
    assert [name for name in names if name.startswith("class ")] == [f"class {graph.target}" for graph in found.graphs]


@pytest.mark.slow
@needs_chromium
def test_netron_lays_roles_and_effects_over_the_model_itself(browser: Browser, analysed: tuple[Path, Analysis]) -> None:
    place, found = analysed
    with served(browser, None) as tab:
        tab.get_by_text("Open Model").wait_for()
        tab.set_input_files("#open-file-dialog", place / "model.onnx")
        tab.locator("g:has(> text:text-is('Gemm'))").last.wait_for()
        tab.set_input_files("#open-file-dialog", place / "over.json")
        tab.locator("g:has(> text:text-is('Gemm'))").last.wait_for()
        shown = sidebar_of_last_gemm(tab)
        assert tab.locator("img[src=x]").count() == 0
    assert set(expected(found)) <= {line.strip() for line in shown.split("\n")}
