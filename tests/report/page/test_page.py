"""What is in the page, whatever shows it."""

import base64
import hashlib
import json
import re
import zlib
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.comparing.edges import necessary_of
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, LinkRecord, to_record
from onnxcausal.analysis.formats.output_folder import effects_archive
from onnxcausal.analysis.formats.saved_effects import SavedEffects
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import LayerResult
from onnxcausal.causal.significance import Role
from onnxcausal.errors import ConfigError
from onnxcausal.report.page.assemble import LIBRARY, model_of_page, modules, page
from onnxcausal.report.page.found import Found
from onnxcausal.report.page.images import map_record, picture_uri
from onnxcausal.report.page.strongest import strongest_samples
from onnxcausal.report.page.wires import OUTCOME, Wires, wires_of
from tests.support.hostile_names import NAMES
from tests.support.page_large import large_analysis, without_links
from tests.support.recorded import recorded

SHIPPED = Path(__file__).parent.parent.parent.parent / "models"
WEB = files("onnxcausal.report.page") / "web"
ROLES = tuple(Role)


@pytest.fixture(scope="module")
def digits() -> Analysis:
    return analyze(SHIPPED / "digits_lenet.onnx", targets=[3, 8], samples=20)


class Tags(HTMLParser):
    """Collects the elements of a page, their attributes and their content."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.blocks: list[tuple[dict[str, str], str]] = []
        self.comments: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.blocks.append(({"tag": tag} | {name: value or "" for name, value in attrs}, ""))

    def handle_endtag(self, tag: str) -> None:
        self.blocks.append(({"tag": f"/{tag}"}, ""))

    def handle_data(self, data: str) -> None:
        if self.blocks and self.blocks[-1][0]["tag"] in ("script", "style"):
            attributes, held = self.blocks[-1]
            self.blocks[-1] = attributes, held + data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def block(content: bytes, name: str) -> str:
    (found,) = (held for attributes, held in Tags(content.decode()).blocks if attributes.get("id") == name)
    return found


def overview(content: bytes) -> Any:
    return json.loads(block(content, "overview"))


def class_data(content: bytes, target: int) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(block(content, f"class-{target}"))))


def hostile(name: str) -> AnalysisFile:
    """Return an analysis with the name wherever a model or data may have put one."""
    held = large_analysis(2, [6, 4], name=name.replace("{", "{{").replace("}", "}}") + "{0}").model_dump(mode="json")
    held["model"]["file"] = held["data"]["source"] = name
    held["notes"] = [name]
    held["settings"]["preprocess"] = {"resize": name}
    for graph in (*held["graphs"], *held["skipped"]):
        graph["class_name"] = name
    held["skipped"][0]["reason"] = held["graphs"][0]["layers"][1]["reason"] = name
    for layer in (layer for graph in held["graphs"] for layer in graph["layers"]):
        layer["weight"] = layer["op_type"] = name
        layer["through"] = [name]
    return AnalysisFile.model_validate(held)


@pytest.mark.parametrize("kind", [*NAMES, "an end of the block", "a comment", "line separators"])
def test_no_name_adds_an_element_an_attribute_or_a_control_character(kind: str) -> None:
    more = {
        "an end of the block": "</script><img src=x onerror=alert(1)>",
        "a comment": "<!--<script>",
        "line separators": "a\u2028b\u2029c",
    }
    name = (NAMES | more)[kind]
    content = page(Found(hostile(name), repairs=(recorded(name),))).decode()
    plain = Tags(page(Found(hostile("plain"), repairs=(recorded("plain"),))).decode())
    found = Tags(content)
    assert found.tags == plain.tags
    assert found.attributes == plain.attributes
    assert not found.comments
    data = block(content.encode(), "overview")
    assert data.isascii()
    assert not set(data) & set("<>&\x1b\x00\x07\r")
    shown = json.dumps(json.loads(data), ensure_ascii=False)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", shown)


def test_the_policy_names_exactly_the_scripts_and_styles_of_the_page() -> None:
    content = page(Found(large_analysis(1, [4]))).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', content)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policy
    blocks = Tags(content).blocks
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        texts = [held for attributes, held in blocks if attributes["tag"] == tag and "type" not in attributes]
        expected = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts}
        assert set(rules[rule].split()) == expected
        assert len(expected) == 2


def test_the_page_names_no_address_to_fetch_from() -> None:
    found = Tags(page(Found(large_analysis(1, [4]))).decode())
    asked = [value for _, name, value in found.attributes if name in ("src", "href", "action", "srcset", "data")]
    assert asked
    assert all(value.startswith("#") for value in asked)


def test_the_library_is_the_recorded_release_with_its_licence() -> None:
    content = (WEB / LIBRARY).read_bytes()
    assert hashlib.sha256(content).hexdigest() in (WEB / "README.md").read_text()
    assert b"Permission is hereby granted, free of charge" in content[:1500]
    assert "Permission is hereby granted" in (WEB / "cytoscape.LICENSE.txt").read_text()


def test_every_function_of_the_scripts_is_in_the_page_once() -> None:
    script = next(
        held
        for attributes, held in reversed(Tags(page(Found(large_analysis(1, [4]))).decode()).blocks)
        if attributes["tag"] == "script"
    )
    functions = re.findall(r"^(?:export )?(?:async )?function (\w+)", "\n".join(modules().values()), re.MULTILINE)
    assert len(functions) > 100
    assert sorted(re.findall(r"^(?:async )?function (\w+)", script, re.MULTILINE)) == sorted(functions)


def test_the_same_analysis_gives_the_same_bytes(digits: Analysis) -> None:
    one, two = (page(Found(to_record(digits))) for _ in "12")
    assert one == two
    assert model_of_page(one) == digits.model_sha256


def test_the_numbers_of_a_class_are_those_of_the_analysis(digits: Analysis) -> None:
    content = page(Found(to_record(digits)))
    for layer, held in zip(digits.graph(8).layers, class_data(content, 8)["layers"], strict=True):
        assert layer.verdicts is not None
        assert [ROLES[int(role)] for role in held["roles"]] == list(layer.roles)
        for name in ("ate", "low", "high"):
            np.testing.assert_allclose(held[name], getattr(layer.verdicts, name), rtol=5e-4)
        np.testing.assert_allclose(held["q"], layer.verdicts.q, rtol=5e-2)
        assert held["counts"] == [len(layer.having(role)) for role in ROLES]


def test_edges_are_those_of_the_graph(digits: Analysis) -> None:
    graph = digits.graph(3)
    record = next(held for held in to_record(digits).graphs if held.target == 3)
    position = {layer.name: number for number, layer in enumerate(graph.layers)}
    for layer, wires in zip(graph.layers, wires_of(record), strict=True):
        assert wires is not None
        flows = {
            (child, below, node)
            for children, ends in wires.ends
            for child in children
            for below, nodes in ends
            for node in nodes
        }
        expected = {(child, position[below], node) for below, child, node in layer.links}
        assert flows == expected | {(child, OUTCOME, 3) for child in layer.to_outcome.tolist()}
        assert edges_of(wires, layer) == set(layer.edges())


def edges_of(wires: Wires, layer: LayerResult) -> set[tuple[int, int]]:
    paths = wires.paths or {int(parent): layer.targets.tolist() for parent in layer.necessary}
    return {(parent, child) for parent, children in paths.items() for child in children}


def test_paths_within_groups_are_kept_apart() -> None:
    layer = large_analysis(1, [8, 8]).graphs[0].layers[0]
    necessary = [node.index for node in layer.nodes if node.role is Role.NECESSARY]
    targets = [0, 1, 2, 3]
    grouped = layer.model_copy(update={"groups": 2, "children": 4, "targets": targets, "to_outcome": targets})
    (wires,) = wires_of(large_analysis(1, [8]).graphs[0].model_copy(update={"layers": [grouped]}))
    assert wires is not None
    assert wires.paths == {node: [0, 1] if node < 4 else [2, 3] for node in necessary}


def test_layers_that_were_left_out_are_told_from_those_not_reached() -> None:
    some = analyze(SHIPPED / "digits_lenet.onnx", targets=[3], samples=20, skip_layers=["/fc1/Gemm", "/conv2/Conv"])
    content = page(Found(to_record(some)))
    layers = class_data(content, 3)["layers"]
    assert [layer.get("left_out") for layer in layers] == [None, None, True, True, None]
    assert [layer.get("reason") for layer in layers[2:4]] == ["left out"] * 2
    assert layers[4]["through"] == ["/conv2/Conv"]
    assert "wires" not in layers[4]
    assert ["skip_layers", '["/fc1/Gemm", "/conv2/Conv"]'] in overview(content)["settings"]


def test_edges_that_the_graph_cannot_have_are_left_out(digits: Analysis) -> None:
    record = next(held for held in to_record(digits).graphs if held.target == 3)
    upper, lower = record.layers[1], record.layers[0]
    dead = next(node.index for node in lower.nodes if node.role is Role.DEAD)
    made_up = [
        LinkRecord(layer=lower.name, children=[upper.targets[0]], nodes=[dead]),  # a node that is not necessary
        LinkRecord(layer=lower.name, children=[upper.children + 1], nodes=[necessary_of(lower)[0]]),  # no target
        LinkRecord(layer="nowhere", children=[upper.targets[0]], nodes=[0]),
        LinkRecord(layer=upper.name, children=[upper.targets[0]], nodes=[necessary_of(upper)[0]]),  # itself
    ]
    layers = [lower.model_copy(update={"to_outcome": [10**6]}), upper.model_copy(update={"links": made_up})]
    assert wires_of(record.model_copy(update={"layers": layers})) == [None, None]


def test_an_analysis_of_version_1_has_no_edges() -> None:
    old = without_links(large_analysis(1, [8, 8]))
    assert wires_of(old.graphs[0]) == [None, None]
    assert overview(page(Found(old)))["has_links"] is False


def test_the_samples_of_a_node_are_those_it_is_strongest_on(digits: Analysis, tmp_path: Path) -> None:
    (tmp_path / "effects.npz").write_bytes(effects_archive(digits))
    graph = digits.graph(3)
    record = next(held for held in to_record(digits).graphs if held.target == 3)
    with SavedEffects(tmp_path / "effects.npz") as effects:
        found = strongest_samples(record, effects)
    for layer, nodes in zip(graph.layers, found, strict=True):
        assert layer.effects is not None
        assert {held.index for held in nodes} == {*layer.necessary.tolist(), *layer.having(Role.NOISY).tolist()}
        for held in nodes:
            te = layer.effects.te[held.index]
            sign = 1 if layer.roles[held.index] is Role.NECESSARY else -1
            assert [effect for _, effect in held.samples] == sorted(te.tolist(), key=lambda value: sign * value)[:5]
            for position, effect in held.samples:
                assert te[graph.samples.tolist().index(position)] == effect
            assert held.quartiles[2] == pytest.approx(np.median(te))


def test_effects_of_another_analysis_are_refused(digits: Analysis, tmp_path: Path) -> None:
    other = analyze(SHIPPED / "digits_lenet.onnx", targets=[3, 8], samples=20, seed=1)
    (tmp_path / "effects.npz").write_bytes(effects_archive(other))
    record = next(held for held in to_record(digits).graphs if held.target == 3)
    with SavedEffects(tmp_path / "effects.npz") as effects, pytest.raises(ConfigError, match="effects cannot be read"):
        strongest_samples(record, effects)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00 no array"])
def test_effects_that_are_no_archive_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "effects.npz").write_bytes(content)
    with pytest.raises(ConfigError, match="effects cannot be read"):
        SavedEffects(tmp_path / "effects.npz")


def test_a_page_of_little_room_keeps_the_strongest_nodes_and_says_so() -> None:
    analysis = large_analysis(6, [300, 200])
    whole, small = page(Found(analysis)), page(Found(analysis), limit=len(page(Found(large_analysis(1, [2])))) + 40_000)
    assert len(small) < len(whole)
    assert overview(whole)["keep"] is None
    keep = overview(small)["keep"]
    assert keep in (256, 128, 64, 32, 16, 8, 4)
    layer, held = analysis.graphs[2].layers[0], class_data(small, 2)["layers"][0]
    assert sum(held["counts"]) == 300
    strongest = sorted((node for node in layer.nodes if node.role is Role.NECESSARY), key=lambda node: node.ate or 0)
    assert {node.index for node in strongest[:keep]} <= set(held["nodes"])
    assert len(held["nodes"]) <= 2 * keep


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "widths"), [(1000, [84, 120, 16, 6, 3]), (10, [512] * 54)])
def test_a_page_of_many_classes_or_layers_stays_small(classes: int, widths: list[int]) -> None:
    analysis = large_analysis(classes, widths)
    content = page(Found(analysis))
    assert len(content) < 10 * 2**20
    assert overview(content)["keep"] is None


def test_small_pictures_keep_their_pixels_and_large_ones_become_small() -> None:
    rng = np.random.default_rng(0)
    assert picture_uri(rng.integers(0, 255, (28, 28, 3), np.uint8)).startswith("data:image/png;base64,")
    large = picture_uri(rng.integers(0, 255, (600, 400, 3), np.uint8))
    assert large.startswith("data:image/jpeg;base64,")
    assert len(large) < 20_000


def test_maps_keep_their_extremes() -> None:
    values = np.zeros((200, 100), np.float32)
    values[150, 20] = -3
    held = map_record(values, signed=True)
    steps = np.frombuffer(base64.b64decode(held["steps"]), np.uint8).reshape(held["height"], held["width"])
    assert steps.shape == (48, 48)
    assert steps.min() == 1
    assert (steps == 128).sum() == 48 * 48 - 1


def test_the_sources_keep_to_the_width_and_length_of_the_others() -> None:
    for entry in Path(str(WEB)).rglob("*"):
        if entry.name.endswith((".js", ".ts", ".css", ".html")) and entry.name != LIBRARY:
            lines = entry.read_text(encoding="utf-8").splitlines()
            assert max(map(len, lines)) <= 120, entry.name
            assert len(lines) <= 400, entry.name
