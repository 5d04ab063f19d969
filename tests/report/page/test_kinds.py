"""The page of all kinds of models and settings in a real browser."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import onnxcausal
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.report import report
from onnxcausal.report.page.assemble import page as page_of
from onnxcausal.report.page.found import Found
from tests.support.assets import cifar_of, levelled, model_path, needs_assets
from tests.support.networks import classifier, mlp
from tests.support.page_chromium import needs_chromium
from tests.support.page_large import large_analysis
from tests.support.page_sheet import Sheet

pytestmark = [pytest.mark.slow, needs_chromium]
CAT, DOG = 3, 5
"""Classes of CIFAR-10."""


@pytest.mark.parametrize(("classes", "widths"), [(1000, [84, 120, 16, 6, 3]), (4, [512] * 54)])
def test_a_large_analysis_answers_soon(sheet: Sheet, tmp_path: Path, classes: int, widths: list[int]) -> None:
    analysis = large_analysis(classes, widths)
    content = page_of(Found(analysis))
    (tmp_path / "page.html").write_bytes(content)
    sheet.open(tmp_path / "page.html")
    sheet.tab.set_default_timeout(10_000)
    last = classes - 1
    sheet.tab.select_option("#class", str(last))
    sheet.told(f"class {last} ")
    if len(widths) > 10:
        assert sheet.graph("cy.nodes('.bar').length") == len(widths) - 3  # deep: layers are closed at first
        assert "the graph goes on below" in sheet.text("#drawn")
        sheet.tab.click("#fit")
        whole = (
            "(cy.elements().renderedBoundingBox().h <= cy.height()) && (cy.elements().renderedBoundingBox().y1 >= 0)"
        )
        assert sheet.graph(whole)
        assert "the graph goes on below" not in sheet.text("#drawn")
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
    onnxcausal.analyze(path, (x, y), targets=[CAT], out=tmp_path, machine=Machine.of(limits="none"))
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
    onnxcausal.analyze(
        tmp_path / "model.onnx", (x, y), out=tmp_path, samples=30, machine=Machine.of(limits="none"), **settings
    )
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
    onnxcausal.analyze(
        tmp_path / "model.onnx", (x, np.arange(len(x)) % 3), out=tmp_path, samples=30, machine=Machine.of(limits="none")
    )
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
        tmp_path / "model.onnx",
        (x, np.arange(30) % 2),
        out=tmp_path,
        targets=[0],
        samples=10,
        machine=Machine.of(limits="none"),
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
    onnxcausal.analyze(
        tmp_path / "model.onnx", tmp_path / "data.npz", out=tmp_path, samples=20, machine=Machine.of(limits="none")
    )
    np.savez(tmp_path / "some.npz", x=x[:4])
    onnxcausal.explain(
        tmp_path / "model.onnx",
        tmp_path / "some.npz",
        analysis=tmp_path,
        out=tmp_path,
        machine=Machine.of(limits="none"),
    )
    written = report(tmp_path, data=tmp_path / "data.npz")
    assert "pictures of samples" not in written.parts
    sheet.open(written.path)
    assert sheet.tab.locator("#inputs canvas").count() + sheet.tab.locator("#inputs p").count() > 1
    shown = sheet.text("#inputs")
    assert "some.npz[" in shown or "No input was explained" in shown
