"""What the page tells in a real browser: the numbers, and what they do and do not mean."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import onnxcausal
from onnxcausal.pipeline.report import report
from onnxcausal.report.page.assemble import page as page_of
from onnxcausal.report.page.found import Found
from tests.support.page_chromium import needs_chromium
from tests.support.page_large import large_analysis, without_links
from tests.support.page_sheet import Sheet

pytestmark = [pytest.mark.slow, needs_chromium]
MODELS = Path(__file__).parent.parent.parent.parent / "models"


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
    (tmp_path / "page.html").write_bytes(page_of(Found(without_links(large_analysis(2, [20, 10], synthetic=True)))))
    sheet.open(tmp_path / "page.html")
    for part in ("inputs", "evaluation", "repair"):
        assert not sheet.tab.is_visible(f"#{part}")
        assert not sheet.tab.is_visible(f"nav a[href='#{part}']")
    assert "Synthetic probe inputs" in sheet.text("#warnings")
    assert "untracked in 2 classes" in sheet.text("#warnings")
    assert "1 class could not be analysed" in sheet.text("#warnings")
    assert "no sample" in sheet.text("#skipped")
    assert "effects.npz was not found" in sheet.text("#limits")
    assert "no edges: an earlier version made this analysis" in sheet.text("#drawn")


def test_a_page_of_little_room_says_what_it_leaves_out(sheet: Sheet, tmp_path: Path) -> None:
    analysis = large_analysis(4, [300, 200, 100])
    found = Found(analysis)
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


def test_of_many_inputs_the_first_are_shown_until_all_are_asked_for(sheet: Sheet, tmp_path: Path) -> None:
    model, data = MODELS / "digits_lenet.onnx", MODELS / "digits.npz"
    onnxcausal.analyze(model, data, targets=[3], samples=20, outcome="margin", out=tmp_path)
    with np.load(data) as held:
        x, y = held["x"][held["y"] == 3][:9], np.full(9, 3)
    np.savez(tmp_path / "threes.npz", x=x, y=y)
    onnxcausal.explain(model, tmp_path / "threes.npz", analysis=tmp_path, out=tmp_path)
    sheet.open(report(tmp_path).path)
    assert "the score here is the lead of the class over the best other class" in sheet.text("#lead")
    cards = sheet.tab.locator("#inputs .cards > li")
    assert cards.count() == 6
    sheet.tab.click("text=Show all 9 inputs")
    assert cards.count() == 9
    assert sheet.tab.evaluate("document.activeElement.querySelector('h4').textContent") == "threes.npz[6]"
    assert sheet.tab.locator("#inputs button").count() == 0
