"""The page in a real browser: everything a reader can do, without an error, without a network."""

import json
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from playwright.sync_api import Browser, sync_playwright

import onnxcausal
from onnxcausal.analysis.sideeffects import to_json
from onnxcausal.pipeline.evaluate import Options
from onnxcausal.pipeline.report import report
from onnxcausal.report.page.assemble import page as page_of
from onnxcausal.report.page.found import Found
from tests.assets import cifar_of, levelled, model_path, needs_assets
from tests.networks import classifier, mlp
from tests.recorded import recorded
from tests.report.page.chromium import FOUND, needs_chromium
from tests.report.page.large import graphml_of, large_analysis
from tests.report.page.test_page import hostile

pytestmark = [pytest.mark.slow, needs_chromium]
MODELS = Path(__file__).parent.parent.parent.parent / "models"
CAT, DOG = 3, 5
"""Classes of CIFAR-10."""
PATIENCE = 20
"""Seconds a test waits for what it expects."""
CY = "document.getElementById('canvas')._cyreg.cy"


def plain(text: str) -> str:
    """Return a text with hyphens for minus signs, as numbers are read."""
    return text.replace("\N{MINUS SIGN}", "-")


class Sheet:
    """One page in the browser, with everything it says and asks for."""

    def __init__(self, browser: Browser) -> None:
        self.tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        self.said: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))

    def open(self, path: Path) -> "Sheet":
        self.tab.goto(path.resolve().as_uri())
        self.until("document.getElementById('headline').textContent !== ''")
        return self

    def until(self, condition: str) -> None:
        """Wait for a condition; the page's policy keeps the browser from asking for it by itself."""
        end = time.monotonic() + PATIENCE
        while not self.tab.evaluate(condition):
            assert time.monotonic() < end, condition
            self.tab.wait_for_timeout(50)

    def told(self, text: str, element: str = "headline") -> None:
        """Wait until an element holds a text."""
        self.until(f"document.getElementById({element!r}).textContent.includes({text!r})")

    def text(self, selector: str) -> str:
        return plain(self.tab.inner_text(selector))

    def graph(self, script: str) -> object:
        return self.tab.evaluate(f"(() => {{ const cy = {CY}; return {script}; }})()")

    def point(self, node: str) -> tuple[float, float]:
        """Return where a node of the drawing is on the screen."""
        box = self.tab.locator("#canvas").bounding_box()
        found = self.graph(f"cy.getElementById('{node}').renderedPosition()")
        assert box is not None
        assert isinstance(found, dict)
        return box["x"] + found["x"], box["y"] + found["y"]

    def show(self, selector: str) -> None:
        self.tab.evaluate(
            "selector => document.querySelector(selector).scrollIntoView({behavior: 'instant'})", selector
        )


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


@pytest.fixture(scope="module")
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
        options=Options(count=10, portions=(0.1, 0.2)),
        targets=[3, 8, 9],
    )
    (folder / "fixed.repair.json").write_text(to_json(recorded("masked", analysis.model_sha256)))
    return report(folder, data=data).path


def test_a_reader_is_told_what_was_found_and_what_it_does_not_mean(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    assert sheet.tab.title() == "digits_lenet.onnx: causal report"
    assert "3 classes of digits_lenet.onnx were analysed on samples of digits.npz" in sheet.text("#lead")
    assert re.search(r"The score of class 3 rests on \d+ of 227 nodes; \d+ nodes speak", sheet.text("#headline"))
    assert "They say nothing about causes in the world" in sheet.text("#limits")
    assert "c5dd4bf42e62" in sheet.text("#provenance")
    assert "coverage\t0.8" in sheet.text("#settings")
    for word in ("Necessary", "Noisy", "Intervention", "Untested", "Causal graph"):
        assert word in sheet.text("#words")


def test_a_click_on_a_node_shows_its_effects_samples_and_maps(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.select_option("#class", "8")
    sheet.told("class 8")
    sheet.show(".stage")
    position = sheet.graph("cy.nodes('.node.necessary').filter(node => node.data('at') === 2)[0].id()")
    sheet.tab.mouse.move(*sheet.point(str(position)))
    sheet.tab.wait_for_selector("#tip:not([hidden])")
    assert re.search(r"node \d+ of /fc1/Gemm\s+necessary, effect -[\d.]+ \(-[\d.]+ to -[\d.]+\)", sheet.text("#tip"))
    sheet.tab.mouse.click(*sheet.point(str(position)))
    sheet.told("/fc1/Gemm", "node-title")
    body = sheet.text("#node-body")
    assert "interval at level 0.95" in body
    assert "Samples that need it most" in body
    assert sheet.tab.locator("#node img").count() == 5
    assert "Where it responds" in body  # nine.png was taken for an eight; conv2's outputs are fc1's nodes
    assert sheet.tab.locator("#node canvas").count() == 1
    assert "It leads to" in body
    assert "It is fed by" in body
    assert sheet.graph("cy.edges('.of-chosen').length") != 0
    sheet.tab.click("#node button:has-text('of /conv2/Conv')")
    assert "/conv2/Conv" in sheet.text("#node-title")
    sheet.tab.click("text=Let go")
    assert sheet.text("#node-title") == "A node"
    assert sheet.graph("cy.edges('.of-chosen').length") == 0


def test_the_numbers_shown_are_those_of_the_analysis(sheet: Sheet, digits: Path) -> None:
    held = json.loads((digits.parent / "analysis.json").read_text())
    layer = held["graphs"][0]["layers"][0]
    node = min(layer["nodes"], key=lambda each: each["ate"])
    sheet.open(digits)
    sheet.tab.fill("#search", f"fc3 {node['index']}")
    sheet.tab.press("#search", "Enter")
    assert sheet.text("#node-title") == f"Node {node['index']} of /fc3/Gemm"
    shown = float(re.findall(r"removed\s+(-[\d.]+)", sheet.text("#node-body"))[0])
    assert shown == pytest.approx(node["ate"], rel=5e-3)
    low, high = re.findall(r"level 0.95\s+(-[\d.]+) to (-[\d.]+)", sheet.text("#node-body"))[0]
    assert float(low) == pytest.approx(node["ci"][0], rel=5e-3)
    assert float(high) == pytest.approx(node["ci"][1], rel=5e-3)


def test_search_finds_nodes_by_layer_and_number(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.fill("#search", "conv2")
    assert sheet.tab.locator("#found button").count() >= 1
    assert all("/conv2/Conv" in text for text in sheet.tab.locator("#found button").all_inner_texts())
    sheet.tab.fill("#search", "no such layer")
    assert sheet.text("#found") == "nothing found"
    sheet.tab.press("#search", "Escape")
    assert not sheet.tab.is_visible("#found")


def test_filters_zoom_and_folding_change_what_is_drawn(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    before = sheet.graph("cy.nodes('.node').length")
    sheet.tab.check("#filters input[value=minor]")
    assert int(str(sheet.graph("cy.nodes('.minor').length"))) > 0
    sheet.tab.uncheck("#filters input[value=minor]")
    sheet.tab.uncheck("#filters input[value=noisy]")
    assert sheet.graph("cy.nodes('.noisy').length") == 0
    assert int(str(sheet.graph("cy.nodes('.node').length"))) < int(str(before))
    zoom = float(str(sheet.graph("cy.zoom()")))
    sheet.tab.click("#zoom-in")
    assert float(str(sheet.graph("cy.zoom()"))) == pytest.approx(1.3 * zoom)
    sheet.tab.click("#fit")
    assert float(str(sheet.graph("cy.zoom()"))) < 1.3 * zoom
    sheet.tab.click("#fold")
    assert sheet.graph("cy.nodes('.node').length") == 0
    assert sheet.graph("cy.nodes('.bar').length") == 5
    sheet.show(".stage")
    sheet.tab.mouse.click(*sheet.point("b1"))
    assert sheet.graph("cy.nodes('.bar').length") == 4
    sheet.tab.click("#layers button:has-text('open') >> nth=0")
    assert sheet.graph("cy.nodes('.bar').length") == 3
    sheet.tab.click("#unfold")
    assert sheet.graph("cy.nodes('.bar').length") == 0


def test_the_graph_can_be_dragged_and_the_wheel_scrolls_the_page(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.show(".stage")
    x, y = sheet.point("outcome")
    before = sheet.graph("cy.pan().x"), sheet.graph("cy.zoom()")
    sheet.tab.mouse.move(x + 200, y)
    sheet.tab.mouse.down()
    sheet.tab.mouse.move(x + 260, y + 10, steps=4)
    sheet.tab.mouse.up()
    assert float(str(sheet.graph("cy.pan().x"))) == pytest.approx(float(str(before[0])) + 60, abs=5)
    at = sheet.tab.evaluate("window.scrollY")
    sheet.tab.mouse.wheel(0, 300)
    sheet.until(f"window.scrollY > {at} + 100")
    assert sheet.graph("cy.zoom()") == before[1]
    sheet.show(".stage")
    sheet.tab.mouse.move(*sheet.point("outcome"))
    sheet.tab.wait_for_timeout(500)  # the library takes wheels just after a scroll for more of it
    sheet.tab.keyboard.down("Control")
    sheet.tab.mouse.wheel(0, -300)
    sheet.tab.keyboard.up("Control")
    sheet.until(f"{CY}.zoom() > {before[1]}")


def test_the_graph_is_walked_by_keys_and_each_step_is_said(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.focus("#canvas")
    for key, said in (
        ("ArrowDown", r"node \d+ of /fc3/Gemm, necessary, effect"),
        ("ArrowDown", r"node \d+ of /fc\d/Gemm"),
        ("ArrowUp", r"node \d+ of /fc3/Gemm"),
        ("ArrowRight", r"node \d+ of /fc3/Gemm"),
    ):
        sheet.tab.keyboard.press(key)
        if key == "ArrowDown" and "outcome" in sheet.text("#said"):
            sheet.tab.keyboard.press(key)
        assert re.search(said, sheet.text("#said"))
    sheet.tab.keyboard.press("Enter")
    assert "/fc3/Gemm" in sheet.text("#node-title")
    assert sheet.tab.evaluate("document.activeElement.id") == "node"
    sheet.tab.focus("#canvas")
    zoom = float(str(sheet.graph("cy.zoom()")))
    sheet.tab.keyboard.press("+")
    assert float(str(sheet.graph("cy.zoom()"))) > zoom
    sheet.tab.keyboard.press("0")
    sheet.tab.keyboard.press("Escape")
    assert sheet.text("#node-title") == "A node"
    assert sheet.graph("cy.nodes('.chosen').length") == 0


def test_two_classes_are_compared(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.select_option("#other", "8")
    sheet.told("are the same")
    held = {graph["target"]: graph for graph in json.loads((digits.parent / "analysis.json").read_text())["graphs"]}
    mine, theirs = (
        {
            (layer["name"], node["index"])
            for layer in held[target]["layers"]
            for node in layer["nodes"]
            if node["role"] == "necessary"
        }
        for target in (3, 8)
    )
    assert f"class 3 ({len(mine)}) and for class 8 ({len(theirs)}), {len(mine & theirs)} are" in sheet.text("#headline")
    for kind, nodes in (("own", mine - theirs), ("others", theirs - mine), ("shared", mine & theirs)):
        assert sheet.graph(f"cy.nodes('.{kind}').length") == len(nodes)
    assert "necessary for 3 only" in sheet.text("#legend")
    sheet.tab.click("#nodes-part summary")
    sheet.told("effect for 8", "nodes")
    assert "necessary for 3" in sheet.text("#layers")
    sheet.tab.select_option("#other", "")
    sheet.told("rests on")


def test_the_table_of_nodes_sorts_turns_pages_and_chooses(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    for role in ("minor", "neutral", "dead"):
        sheet.tab.check(f"#filters input[value={role}]")
    sheet.tab.click("#nodes-part summary")
    assert "page 1 of 5, 227 rows" in sheet.text("#nodes .pager")
    sheet.tab.click("#nodes button:has-text('Further')")
    assert "page 2 of 5" in sheet.text("#nodes .pager")
    sheet.tab.click("#nodes th button:has-text('effect')")
    first = sheet.tab.locator("#nodes tbody tr").first
    assert "noisy" in first.inner_text()  # the largest positive effect
    sheet.tab.click("#nodes th button:has-text('effect')")
    assert "necessary" in first.inner_text()
    sheet.tab.select_option("#nodes select", label="/conv2/Conv")
    assert sheet.tab.locator("#nodes tbody tr").count() == 6
    first.locator("button").click()
    assert "/conv2/Conv" in sheet.text("#node-title")
    assert sheet.tab.locator("#nodes tr.chosen").count() == 1


def test_the_heat_map_tells_every_node(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.show("#effects")
    sheet.tab.wait_for_selector("#heat canvas")
    assert sheet.tab.locator("#heat canvas").count() == 5
    assert "lowest effect -" in plain(str(sheet.tab.locator("#heat canvas").first.get_attribute("aria-label")))
    last = "document.querySelectorAll('#heat canvas')[4]"
    pixel = sheet.tab.evaluate(f"[...{last}.getContext('2d').getImageData(5, 5, 1, 1).data]")
    assert pixel[0] > 2 * pixel[2]  # the only input channel: red
    sheet.tab.hover("#heat canvas >> nth=3", position={"x": 20, "y": 5})
    assert "node 0 of /conv2/Conv" in sheet.text("#heat-told")
    sheet.tab.click("#heat canvas >> nth=3", position={"x": 20, "y": 5})
    assert sheet.text("#node-title") == "Node 0 of /conv2/Conv"


def test_inputs_evaluation_and_repair_are_shown_where_they_are(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    assert "No input was explained for this class, but for class 8" in sheet.text("#inputs")
    assert "fidelity" in sheet.text("#evaluation")
    assert "Mean over 3 classes" in sheet.text("#evaluation")
    assert sheet.tab.locator("#evaluation svg.chart").count() >= 3
    assert "random" in sheet.text("#evaluation table >> nth=0")
    assert re.search(r"masked\s+1, 2", sheet.text("#repair"))
    sheet.tab.select_option("#class", "8")
    sheet.told("wrongly: it is 9", "inputs-body")
    assert sheet.tab.locator("#inputs img").count() == 1
    assert sheet.tab.locator("#inputs canvas").count() >= 2


def test_parts_that_are_not_there_are_not_shown(sheet: Sheet, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(page_of(Found(large_analysis(2, [20, 10], synthetic=True))))
    sheet.open(tmp_path / "page.html")
    for part in ("inputs", "evaluation", "repair"):
        assert not sheet.tab.is_visible(f"#{part}")
        assert not sheet.tab.is_visible(f"nav a[href='#{part}']")
    assert "Synthetic probe inputs" in sheet.text("#warnings")
    assert "untracked in 2 classes" in sheet.text("#warnings")
    assert "1 class could not be analysed" in sheet.text("#warnings")
    assert "no sample" in sheet.text("#skipped")
    assert "effects.npz was not found" in sheet.text("#limits")
    assert "no edges: the folder holds no GraphML file" in sheet.text("#drawn")


def test_the_theme_follows_the_system_until_it_is_switched(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = f"{paper} === 'rgb(255, 255, 255)'", f"{paper} === 'rgb(20, 24, 31)'"
    sheet.until(light)
    sheet.tab.emulate_media(color_scheme="dark")
    sheet.until(dark)
    sheet.tab.click("#theme")
    sheet.until(light)
    sheet.tab.click("#theme")
    sheet.tab.emulate_media(color_scheme="light")
    sheet.tab.wait_for_timeout(200)
    sheet.until(dark)
    assert sheet.graph("cy.getElementById('outcome').style('background-color')") == "rgb(231,235,242)"


def test_text_is_readable_on_its_background(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    for scheme in ("light", "dark"):
        sheet.tab.emulate_media(color_scheme=scheme)
        sheet.until(f"document.documentElement.dataset.theme === {scheme!r}")
        for front, back in (
            ("ink", "paper"),
            ("soft", "paper"),
            ("soft", "panel"),
            ("link", "paper"),
            ("warn-ink", "warn-paper"),
        ):
            ratio = contrast(*(colour_of(sheet, name) for name in (front, back)))
            assert ratio >= 4.5, (scheme, front, back, ratio)


def colour_of(sheet: Sheet, name: str) -> str:
    script = "name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()"
    return str(sheet.tab.evaluate(script, name))


def contrast(front: str, back: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.1)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(front), luminance(back)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_it_prints_light_and_whole(sheet: Sheet, digits: Path) -> None:
    sheet.tab.emulate_media(color_scheme="dark")
    sheet.open(digits)
    sheet.tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    sheet.tab.emulate_media(media="print", color_scheme="dark")
    assert sheet.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert sheet.tab.is_visible("#printed")
    assert sheet.tab.evaluate("document.getElementById('printed').naturalWidth") > 800
    assert not sheet.tab.is_visible(".toolbar")
    sheet.tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    sheet.tab.emulate_media(media="screen", color_scheme="dark")
    assert sheet.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
    assert sheet.tab.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [360, 800])
def test_a_narrow_screen_needs_no_sideways_scrolling(sheet: Sheet, digits: Path, width: int) -> None:
    sheet.tab.set_viewport_size({"width": width, "height": 800})
    sheet.open(digits)
    sheet.tab.click("#nodes-part summary")
    assert sheet.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_has_a_name_a_place_and_its_turn(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.click("#nodes-part summary")
    nameless = sheet.tab.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, canvas, img:not([hidden]), svg[role=img]")]
        .filter((one) => one.offsetParent !== null || one.tagName === "svg")
        .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length || one.alt))
        .filter((one) => !one.closest("#canvas"))
        .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    unlabelled = sheet.tab.evaluate(
        """() => ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap((name) =>
        [...document.querySelectorAll(`[${name}]`)].map((one) => one.getAttribute(name)))
        .filter((id) => !document.getElementById(id))"""
    )
    assert unlabelled == []
    ids = sheet.tab.evaluate("() => [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert sheet.tab.locator(landmark).count() == 1
    levels = sheet.tab.evaluate(
        "() => [...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tab_goes_through_the_page_in_the_order_it_is_read(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.keyboard.press("Tab")
    assert sheet.tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    sheet.tab.keyboard.press("Enter")
    assert sheet.tab.evaluate("document.activeElement.id") == "main"
    sheet.tab.focus("#class")
    walked = []
    for _ in range(14):
        sheet.tab.keyboard.press("Tab")
        walked.append(str(sheet.tab.evaluate("document.activeElement.id")))
    named = ["other", "zoom-in", "zoom-out", "fit", "unfold", "fold", "search", "canvas"]
    assert [name for name in walked if name in named] == named
    assert sheet.tab.evaluate("document.activeElement.closest('#layers-part') !== null")


def test_hostile_names_are_text(sheet: Sheet, tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x1b[31m{0}&lt;b&gt;"
    analysis = hostile(name.replace("{0}", ""))
    found = Found(analysis, graphml=lambda target: graphml_of(analysis, target), repairs=(recorded(name),))
    (tmp_path / "page.html").write_bytes(page_of(found))
    sheet.open(tmp_path / "page.html")
    assert sheet.tab.locator("main script, main img[src=x]").count() == 0
    assert "<script>alert(1)</script>" in sheet.text("h1")
    sheet.tab.click("#unfold")
    sheet.tab.click("#nodes-part summary")
    sheet.tab.locator("#nodes tbody button").first.click()
    assert "<img src=x onerror=alert(2)>" in sheet.text("#node-title")
    sheet.tab.mouse.move(*sheet.point("l0"))
    sheet.tab.fill("#search", "<img")
    sheet.show("#effects")
    sheet.tab.select_option("#other", "1")
    sheet.told("are the same")
    assert not set(sheet.text("body")) & set("\x1b\u202e")
    blocked = sheet.tab.evaluate(
        """() => { try { document.body.innerHTML = "<b>x</b>"; return "set"; } catch (error) { return error.name; } }"""
    )
    assert blocked == "TypeError"
    assert [text for text in sheet.said if "TrustedHTML" not in text] == []
    sheet.said.clear()


def test_what_a_page_might_be_made_to_do_is_refused(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    script = """() => { const one = document.createElement("script");
    try { one.textContent = "window.ran = 1"; document.body.append(one); } catch (error) { return "refused"; }
    return window.ran === 1 ? "ran" : "refused"; }"""
    assert sheet.tab.evaluate(script) == "refused"
    fetched = sheet.tab.evaluate("() => fetch('https://example.com').then(() => 'sent', () => 'refused')")
    assert fetched == "refused"
    assert sheet.said
    assert all("Content Security Policy" in text or "Trusted" in text for text in sheet.said)
    sheet.said.clear()
    sheet.asked[:] = [url for url in sheet.asked if "example.com" not in url]


@pytest.mark.parametrize(("classes", "widths"), [(1000, [84, 120, 16, 6, 3]), (4, [512] * 54)])
def test_a_large_analysis_answers_soon(sheet: Sheet, tmp_path: Path, classes: int, widths: list[int]) -> None:
    analysis = large_analysis(classes, widths)
    content = page_of(Found(analysis, graphml=lambda target: graphml_of(analysis, target)))
    (tmp_path / "page.html").write_bytes(content)
    sheet.open(tmp_path / "page.html")
    sheet.tab.set_default_timeout(10_000)
    last = classes - 1
    sheet.tab.select_option("#class", str(last))
    sheet.told(f"class {last} ")
    if len(widths) > 10:
        assert sheet.graph("cy.nodes('.bar').length") == len(widths) - 3  # deep: layers are closed at first
        assert "flow untracked" in str(sheet.graph("cy.getElementById('l1').data('label')"))
    sheet.tab.click("#unfold")
    assert sheet.graph("cy.nodes('.bar').length") == 0
    assert int(str(sheet.graph("cy.elements().length"))) < 10_000
    sheet.tab.fill("#search", "layer2 0")
    sheet.tab.press("#search", "Enter")
    assert "of layer" in sheet.text("#node-title")
    sheet.tab.select_option("#other", "0")
    sheet.told("are the same")
    sheet.show("#effects")
    sheet.tab.wait_for_selector("#heat canvas")
    if classes > 50:
        sheet.tab.click("#class-list button:has-text('Further')")
        assert "page 2 of 20" in sheet.text("#class-list .pager")
        sheet.tab.fill("#class-list input", "class 77")
        assert sheet.tab.locator("#class-list tbody tr").count() == 11  # 77, 770 to 779


@needs_assets
def test_a_residual_network_is_shown(sheet: Sheet, tmp_path: Path) -> None:
    x = levelled("cifar10_resnet20", np.concatenate([cifar_of("cat", 24), cifar_of("dog", 2)]))
    y = np.repeat([CAT, DOG], [24, 2])
    path = model_path("cifar10_resnet20")
    onnxcausal.analyze(path, (x, y), targets=[CAT], out=tmp_path, limits="none")
    sheet.open(report(tmp_path).path)
    layers = len(json.loads((tmp_path / "analysis.json").read_text())["graphs"][0]["layers"])
    assert layers >= 20
    assert int(str(sheet.graph("cy.nodes('.bar, .node').length"))) > 3
    sheet.tab.click("#unfold")
    skipping = "cy.edges().filter((e) => e.source().data('at') - (e.target().data('at') ?? -1) > 1).length"
    assert int(str(sheet.graph(skipping))) > 0  # over the residual connections
    node = str(sheet.graph("cy.nodes('.node.necessary')[0].id()"))
    sheet.show(".stage")
    sheet.tab.mouse.click(*sheet.point(node))
    assert "Node" in sheet.text("#node-title")
    assert "single nodes do not add up" in sheet.text("#limits")


def small_model(blocks: tuple[str, ...], head: str = "average") -> tuple[onnx.ModelProto, np.ndarray]:
    x = np.random.default_rng(0).normal(0.5, 1, (120, 4, 6, 6)).astype(np.float32)
    return classifier(blocks, head, 0), x


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        ("the published rule", {"rule": "welch"}, "the published code's test, whose graphs grow"),
        ("few samples for settled nodes", {"adaptive": True}, "significant at a false discovery rate"),
        ("a budget", {"budget": 2}, "untested, jointly"),
        ("weakened paths", {"beta": 0.5}, "weakened to 0.5 of their weights"),
        ("a regression", {"task": "regression"}, "the outcome is the value of an output"),
        ("the margin", {"outcome": "margin"}, "margin"),
    ],
)
def test_other_settings_are_shown(sheet: Sheet, tmp_path: Path, kind: str, settings: dict[str, Any], told: str) -> None:
    proto, x = small_model(("conv", "residual", "conv"))
    onnx.save(proto, tmp_path / "model.onnx")
    y = np.arange(len(x)) % 3
    onnxcausal.analyze(tmp_path / "model.onnx", (x, y), out=tmp_path, samples=30, limits="none", **settings)
    sheet.open(report(tmp_path).path)
    sheet.tab.click("#unfold")
    sheet.tab.click("#nodes-part summary")
    sheet.tab.locator("#nodes tbody button").first.click()
    sheet.show("#effects")
    sheet.tab.wait_for_selector("#heat canvas")
    assert told in sheet.text("main"), kind


def test_paths_within_groups_and_flow_that_is_not_known_are_shown(sheet: Sheet, tmp_path: Path) -> None:
    proto, x = small_model(("conv", "depthwise", "softmax_rows", "conv"))
    onnx.save(proto, tmp_path / "model.onnx")
    onnxcausal.analyze(tmp_path / "model.onnx", (x, np.arange(len(x)) % 3), out=tmp_path, samples=30, limits="none")
    sheet.open(report(tmp_path).path)
    assert int(str(sheet.graph("cy.edges().length"))) > 0
    content = json.loads((tmp_path / "analysis.json").read_text())
    kinds = {layer["flow"] for graph in content["graphs"] for layer in graph["layers"] if layer["nodes"]}
    assert ("untracked" in sheet.text("#warnings")) == ("untracked" in kinds)
    for graph in content["graphs"]:
        sheet.tab.select_option("#class", str(graph["target"]))
        sheet.told(f"class {graph['target']} ")


def test_a_route_that_ends_is_shown(sheet: Sheet, tmp_path: Path) -> None:
    weights = [np.eye(4), np.stack([-np.ones(4), np.zeros(4)])]
    onnx.save(mlp(weights, [np.full(4, 3.0), np.array([90.0, 0.0])]), tmp_path / "model.onnx")
    x = np.random.default_rng(0).normal(1, 1, (30, 4)).astype(np.float32)
    onnxcausal.analyze(
        tmp_path / "model.onnx", (x, np.arange(30) % 2), out=tmp_path, targets=[0], samples=10, limits="none"
    )
    sheet.open(report(tmp_path).path)
    assert "rests on 0 of" in sheet.text("#headline")
    assert "not reached" in sheet.text("#layers")
    assert "1 layer not reached" in sheet.text("#drawn")


def test_maps_of_features_are_shown(sheet: Sheet, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    proto = mlp([rng.normal(size=(8, 6)), rng.normal(size=(2, 8))], [np.zeros(8), np.zeros(2)])
    onnx.save(proto, tmp_path / "model.onnx")
    x = rng.normal(1, 1, (60, 6)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(60) % 2)
    onnxcausal.analyze(tmp_path / "model.onnx", tmp_path / "data.npz", out=tmp_path, samples=20, limits="none")
    np.savez(tmp_path / "some.npz", x=x[:4])
    onnxcausal.explain(tmp_path / "model.onnx", tmp_path / "some.npz", analysis=tmp_path, out=tmp_path, limits="none")
    written = report(tmp_path, data=tmp_path / "data.npz")
    assert "pictures of samples" not in written.parts
    sheet.open(written.path)
    assert sheet.tab.locator("#inputs canvas").count() + sheet.tab.locator("#inputs p").count() > 1
    shown = sheet.text("#inputs")
    assert "some.npz[" in shown or "No input was explained" in shown


def test_a_page_of_little_room_says_what_it_leaves_out(sheet: Sheet, tmp_path: Path) -> None:
    analysis = large_analysis(4, [300, 200, 100])
    found = Found(analysis, graphml=lambda target: graphml_of(analysis, target))
    whole = page_of(found)
    small = page_of(found, limit=len(page_of(Found(large_analysis(1, [2])))) + 20_000)
    assert len(small) < len(whole)
    (tmp_path / "page.html").write_bytes(small)
    sheet.open(tmp_path / "page.html")
    assert re.search(r"only the \d+ strongest necessary and noisy nodes", sheet.text("#warnings"))
    assert "strongest are in this page" in sheet.text("#layers")
    counts = [layer.nodes for layer in analysis.graphs[0].layers]
    necessary = sum(node.role == "necessary" for nodes in counts for node in nodes)
    assert f"rests on {necessary} of 600 nodes" in sheet.text("#headline")
    nodes = sheet.graph("cy.nodes('.node.necessary').filter((node) => node.data('at') === 2).map((node) => node.id())")
    assert isinstance(nodes, list)
    sheet.show(".stage")
    sheet.tab.mouse.click(*sheet.point(nodes[0]))
    assert "It leads to" in sheet.text("#node-body")
    minor = next(node.index for node in counts[1] if node.role == "minor")
    sheet.tab.fill("#search", f"layer1 {minor}")
    assert sheet.text("#found") == "nothing found among the nodes that this page holds"
