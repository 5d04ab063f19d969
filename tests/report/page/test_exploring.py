"""What a reader can do with the graph and its tables in a real browser, by mouse and by keys."""

import json
import re
from pathlib import Path

import pytest

from tests.support.page_chromium import needs_chromium
from tests.support.page_sheet import CY, Sheet, plain

pytestmark = [pytest.mark.slow, needs_chromium]


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
