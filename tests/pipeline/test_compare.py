"""Whether models are told from their variants, and from themselves on other samples never."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest

from onnxcausal import analyze
from onnxcausal.analysis.comparing.comparison import SCHEMA_FILE, ComparisonFile, LayerChange, schema, to_json
from onnxcausal.analysis.comparing.contrast import contrast
from onnxcausal.analysis.comparing.snapshot import Snapshot, read_snapshot, snapshot_of
from onnxcausal.analysis.formats.analysis_file import LayerRecord
from onnxcausal.analysis.formats.output_folder import save
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.causal.alignment import MatchedBy
from onnxcausal.causal.significance import Role
from onnxcausal.errors import ConfigError, GateError
from onnxcausal.pipeline.compare import check_same, compare, run
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.report.comparison import table
from tests.support import variants
from tests.support.networks import classifier
from tests.support.variants import trained, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of the same digits: `first`, the same function as `renamed`, and others."""
    place = tmp_path_factory.mktemp("models")
    weights, biases = trained()
    written(place, "first", weights, biases)
    written(place, "renamed", weights, biases, note="the same function in another file")
    written(place, "retrained", *trained(seed=1))
    written(place, "poisoned", *trained(poisoned=7))
    return place


def snapshot(path: Path, seed: int = 0, **settings: Any) -> Snapshot:
    return snapshot_of(analyze(path, seed=seed, machine=Machine.of(limits="none"), **settings), path.name)


def counted(layer: LayerChange, linked: Callable[[int, int], bool]) -> tuple[int, int]:
    """Return how many edges appeared and vanished, pair by pair."""
    old = {(node, child) for node in layer.old_necessary for child in layer.old_targets if linked(node, child)}
    new = {(node, child) for node in layer.new_necessary for child in layer.new_targets if linked(node, child)}
    return len(new - old), len(old - new)


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_same_function_on_other_samples_passes(folder: Path, *, adaptive: bool) -> None:
    """The files differ, so that the numbers decide and not the hash."""
    for seed in range(1 if adaptive else 4):
        old = snapshot(folder / "first.onnx", seed=2 * seed, adaptive=adaptive)
        new = snapshot(folder / "renamed.onnx", seed=2 * seed + 1, adaptive=adaptive)
        found = contrast(old, new)
        assert not found.same_model
        assert not found.differs
        assert not contrast(old.without_effects(), new.without_effects()).differs
        assert found.tests > 200
        assert any(layer.nodes for change in found.classes for layer in change.layers), "roles flip at the edge"


def test_a_model_trained_anew_fails(folder: Path) -> None:
    old = snapshot(folder / "first.onnx")
    for seed in range(1, 4):
        model = written(folder, f"retrained-{seed}", *trained(seed=seed))
        found = contrast(old, snapshot(model, seed=seed))
        assert found.differs
        with pytest.raises(GateError, match="differ beyond sampling"):
            check_same(found)


def test_a_poisoned_class_is_named_first(folder: Path) -> None:
    old = snapshot(folder / "first.onnx")
    for poisoned in (0, 3, 7):
        model = written(folder, f"poisoned-{poisoned}", *trained(poisoned=poisoned))
        found = contrast(old, snapshot(model, seed=poisoned))
        assert found.differs
        assert found.classes[0].target == poisoned
        assert found.classes[0].beyond_sampling


def test_a_tampered_node_is_named_on_the_same_samples_and_on_others(folder: Path) -> None:
    weights, biases = trained()
    old = snapshot(folder / "first.onnx")
    graph = old.graph(4)
    assert graph is not None
    node = int(np.argmin([held.ate or 0.0 for held in graph.layers[0].nodes]))
    changed = [weights[0], weights[1].copy()]
    changed[1][4, node] = 0
    model = written(folder, "tampered", changed, biases)
    for seed in (0, 5):
        found = contrast(old, snapshot(model, seed=seed))
        first = found.classes[0]
        assert found.differs
        assert first.target == 4
        layer = first.layers[0]
        assert layer.compared == ("paired" if seed == 0 else "welch")
        assert [change.index for change in layer.nodes if change.beyond_sampling] == [node]
        (change,) = [change for change in layer.nodes if change.index == node]
        assert (change.old_role, change.new_role) == (Role.NECESSARY, Role.DEAD)
        assert node in layer.old_necessary
        assert node not in layer.new_necessary
        assert (layer.edges_appeared, layer.edges_vanished) == counted(layer, lambda *_: True)
        if seed == 0:
            assert [change.target for change in found.classes if change.changed] == [4]


def test_a_shift_of_the_outcome_is_found_on_the_same_samples(folder: Path) -> None:
    weights, biases = trained()
    shifted = biases[1].copy()
    shifted[5] += 0.3
    model = written(folder, "shifted", weights, [biases[0], shifted])
    old, new = snapshot(folder / "first.onnx"), snapshot(model)
    found = contrast(old, new)
    assert [change.target for change in found.classes if change.beyond_sampling] == [5]
    outcome = found.classes[0].outcome
    assert outcome is not None
    assert (outcome.compared, outcome.beyond_sampling, found.classes[0].changed) == ("paired", True, 0)
    assert not contrast(old.without_effects(), new.without_effects()).differs, "averages alone are less sharp"


def test_a_change_within_the_margin_passes(folder: Path) -> None:
    weights, biases = trained()
    rng = np.random.default_rng(0)
    for size, differs in ((1e-4, False), (0.3, True)):
        noisy = [weight + rng.normal(0, size, weight.shape) * weight.std() for weight in weights]
        model = written(folder, f"noisy-{size}", noisy, biases)
        assert contrast(snapshot(folder / "first.onnx"), snapshot(model)).differs is differs


def test_edges_that_appear_and_vanish_are_counted_as_pair_by_pair(folder: Path) -> None:
    old, new = snapshot(folder / "first.onnx"), snapshot(folder / "retrained.onnx")
    found = contrast(old, new)
    counts = [
        ((layer.edges_appeared, layer.edges_vanished), counted(layer, lambda *_: True))
        for change in found.classes
        for layer in change.layers
    ]
    assert all(here == there for here, there in counts)
    assert sum(here[0] for here, _ in counts) > 20


def test_edges_of_grouped_layers_stay_within_groups(tmp_path: Path) -> None:
    proto = classifier(["grouped", "relu", "depthwise"], "average", 3)
    onnx.save(proto, tmp_path / "grouped.onnx")
    sides = [
        snapshot_of(
            analyze(tmp_path / "grouped.onnx", samples=20, seed=seed, coverage=0.9, machine=Machine.of(limits="none")),
            "m",
        )
        for seed in (0, 1)
    ]
    shapes = {layer.name: layer for layer in sides[0].record.graphs[0].layers}
    assert {layer.groups for layer in shapes.values()} > {None}
    for change in contrast(sides[0], sides[1]).classes:
        for layer in change.layers:
            shape = shapes[layer.new]
            groups = shape.groups or 1

            def linked(node: int, child: int, shape: LayerRecord = shape, groups: int = groups) -> bool:
                return node // (shape.parents // groups) == child // (shape.children // groups)

            assert (layer.edges_appeared, layer.edges_vanished) == counted(layer, linked)


def test_the_same_file_is_the_same_model_whatever_the_samples(folder: Path) -> None:
    found = contrast(snapshot(folder / "first.onnx"), snapshot(folder / "first.onnx", seed=3))
    assert found.same_model
    assert not found.differs
    assert found.notes == ["both analyses are of the same model file and data: what differs is sampling"]


def test_permuted_nodes_are_another_model(folder: Path) -> None:
    """Nodes are compared by index: a permutation that nobody told of is a difference, though the function is equal."""
    weights, biases = trained()
    order = np.roll(np.arange(24), 1)
    model = written(folder, "permuted", [weights[0][order], weights[1][:, order]], [biases[0][order], biases[1]])
    assert contrast(snapshot(folder / "first.onnx"), snapshot(model)).differs


def test_a_layer_that_became_wider_is_a_difference_by_itself(folder: Path) -> None:
    weights, biases = trained()
    wider = [np.vstack([weights[0], np.zeros((1, 64))]), np.hstack([weights[1], np.zeros((10, 1))])]
    model = written(folder, "wider", wider, [np.append(biases[0], 0.0), biases[1]])
    found = contrast(snapshot(folder / "first.onnx"), snapshot(model))
    assert found.differs
    assert {record.by for record in found.layers} == {None}
    assert "24 parents, 10 children here, 25 and 10 in the other model" in {record.reason for record in found.layers}
    with pytest.raises(GateError, match="differ beyond sampling") as caught:
        check_same(found)
    assert "layer(s) have no partner" in caught.value.why


def test_a_class_the_model_lost_stands_first(folder: Path) -> None:
    weights, biases = trained()
    without = biases[1].copy()
    without[2] -= 100
    model = written(folder, "lost", weights, [biases[0], without])
    found = contrast(snapshot(folder / "first.onnx"), snapshot(model))
    assert found.differs
    first = found.classes[0]
    assert first.target == 2
    assert first.distance is None
    assert first.accuracy is not None
    assert first.accuracy.new[0] == 0
    assert "no graph in one" in table(found)


def test_layers_with_other_names_are_matched_by_structure(folder: Path) -> None:
    old = snapshot(folder / "first.onnx")
    new = snapshot(folder / "renamed.onnx")
    graphs = [
        graph.model_copy(
            update={"layers": [layer.model_copy(update={"name": f"x{layer.parents}"}) for layer in graph.layers]}
        )
        for graph in new.record.graphs
    ]
    renamed = dataclasses.replace(new, record=new.record.model_copy(update={"graphs": graphs}))
    found = contrast(old, renamed)
    assert not found.differs
    assert [record.by for record in found.layers] == [MatchedBy.STRUCTURE] * 2
    assert "is now x24 (by structure)" in table(found)


@pytest.mark.parametrize("key", ["beta", "replace", "outcome", "coverage"])
def test_analyses_of_other_settings_are_not_compared(folder: Path, key: str) -> None:
    other = {"beta": 0.5, "replace": "mean", "outcome": "margin", "coverage": 0.5}[key]
    new = snapshot(folder / "first.onnx", targets=[1, 2], **{key: other})  # type: ignore[arg-type]  # a setting
    with pytest.raises(ConfigError, match="other settings") as caught:
        contrast(snapshot(folder / "first.onnx", targets=[1, 2]), new)
    assert caught.value.why.startswith(key)


def test_analyses_without_a_class_in_common_are_not_compared(folder: Path) -> None:
    old, new = (snapshot(folder / "first.onnx", targets=[target]) for target in (1, 2))
    with pytest.raises(ConfigError, match="no class in common"):
        contrast(old, new)


def test_classes_of_one_side_alone_are_named(folder: Path) -> None:
    found = contrast(
        snapshot(folder / "first.onnx", targets=[1, 2]), snapshot(folder / "retrained.onnx", targets=[2, 3])
    )
    assert [change.target for change in found.classes] == [2]
    assert found.not_compared == [1, 3]


def test_a_class_that_one_side_alone_has_is_no_pass(folder: Path, tmp_path: Path) -> None:
    for name, targets in (("both", [1, 2]), ("one", [1])):
        save(analyze(folder / "first.onnx", targets=targets), tmp_path / name, {})
    for old, new in (("both", "one"), ("one", "both")):
        found = compare(tmp_path / old, tmp_path / new)
        assert not found.differs
        with pytest.raises(GateError, match="not every class was compared") as caught:
            check_same(found)
        assert "first 2" in caught.value.why
    check_same(compare(tmp_path / "both", tmp_path / "both"))


def test_a_class_without_a_graph_is_no_pass_where_nothing_else_differs(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "first.onnx", targets=[1, 2]), tmp_path / "both", {})
    held = json.loads((tmp_path / "both" / "analysis.json").read_text())
    gone = held["graphs"].pop()
    held["skipped"] = [{"target": gone["target"], "class_name": None, "reason": "lost"}]
    (tmp_path / "one.json").write_text(json.dumps(held))
    with pytest.raises(GateError, match="not every class was compared"):
        check_same(compare(tmp_path / "both", tmp_path / "one.json"))


def test_what_was_read_and_what_a_file_set_is_said(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "first.onnx", targets=[1, 2]), tmp_path, {})
    sha256 = hashlib.sha256((tmp_path / "analysis.json").read_bytes()).hexdigest()
    read = f"{tmp_path} was read (sha256 {sha256}) and not measured"
    assert run(tmp_path, tmp_path).notes == (read,)
    beside = run(tmp_path, folder / "renamed.onnx", flags={"data.source": ("--data", str(folder / "digits.npz"))})
    assert beside.notes == (read,)


def test_an_analysis_is_read_back_with_its_effects(folder: Path, tmp_path: Path) -> None:
    analysis = analyze(folder / "first.onnx", targets=[1, 2])
    save(analysis, tmp_path, {})
    held, made = read_snapshot(tmp_path), snapshot_of(analysis, "first.onnx")
    assert held.record == made.record
    assert held.effects.keys() == made.effects.keys()
    for key, te in made.effects.items():
        np.testing.assert_array_equal(held.effects[key], te)
    for target, observed in made.observed.items():
        np.testing.assert_array_equal(held.observed[target], observed)
    assert read_snapshot(tmp_path / "analysis.json").effects
    alone = (tmp_path / "analysis.json").rename(tmp_path / "alone.json")
    assert not read_snapshot(alone).effects


def test_standard_errors_come_from_the_intervals_where_effects_are_not_kept(folder: Path) -> None:
    side = snapshot(folder / "first.onnx", targets=[1])
    (graph,) = side.record.graphs
    for position in range(2):
        kept, told = side.measured(graph, position), side.without_effects().measured(graph, position)
        np.testing.assert_allclose(told.ate, kept.ate, rtol=1e-12)
        np.testing.assert_allclose(told.error, kept.error, rtol=1e-9, atol=1e-12)


def test_effects_of_another_analysis_are_refused(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "retrained.onnx", targets=[1, 2]), tmp_path, {})
    effects = (tmp_path / "effects.npz").read_bytes()
    analysis = analyze(folder / "first.onnx", targets=[1, 2])
    save(analysis, tmp_path, {})
    with np.load(tmp_path / "effects.npz") as held:
        swapped = io.BytesIO()
        np.savez(swapped, **{**held, "1/0": held["2/0"]})
    for content, why in (
        (effects, "mean outcome is not that of analysis.json"),
        (swapped.getvalue(), "averages are not those of analysis.json"),
        (b"PK damaged", ""),
    ):
        (tmp_path / "effects.npz").write_bytes(content)
        with pytest.raises(ConfigError, match="effects cannot be read") as caught:
            read_snapshot(tmp_path)
        assert why in caught.value.why


def test_a_model_is_analysed_as_the_analysis_it_is_compared_with(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "first.onnx", targets=[1, 2], samples=12, coverage=0.7, seed=4), tmp_path, {})
    for sides in ((tmp_path, folder / "renamed.onnx"), (folder / "renamed.onnx", tmp_path)):
        found = compare(*sides)
        assert [change.target for change in found.classes] == [1, 2]
        assert all(layer.compared in ("paired", "not") for change in found.classes for layer in change.layers)
        assert not found.differs
    assert compare(tmp_path, folder / "retrained.onnx").differs


def test_a_setting_other_than_the_analysis_has_is_refused(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "first.onnx", targets=[1]), tmp_path, {})
    with pytest.raises(ConfigError, match="made with other settings"):
        compare(tmp_path, folder / "renamed.onnx", flags={"analysis.beta": ("--beta", 0.5)})


def test_data_that_are_not_known_are_asked_for(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "first.onnx", targets=[1]), tmp_path, {})
    bare = tmp_path / "bare.onnx"
    bare.write_bytes((folder / "first.onnx").read_bytes())
    with pytest.raises(ConfigError, match="data of the analysis are not known"):
        compare(tmp_path, bare)
    given = {"data.source": ("--data", str(folder / "digits.npz"))}
    assert compare(tmp_path, bare, flags=given).same_model


def test_two_models_share_the_configuration_of_the_old_one(folder: Path) -> None:
    found = compare(folder / "first.onnx", folder / "renamed.onnx", flags={"analysis.targets": ("--target", ["5"])})
    (change,) = found.classes
    assert (change.target, [layer.compared for layer in change.layers]) == (5, ["paired", "paired"])
    assert change.layers[0].largest == 0


def test_settings_have_no_place_where_nothing_is_analysed(folder: Path, tmp_path: Path) -> None:
    save(analyze(folder / "first.onnx", targets=[1]), tmp_path, {})
    with pytest.raises(ConfigError, match="nothing is analysed"):
        compare(tmp_path, tmp_path, flags={"analysis.seed": ("--seed", 3)})


def test_the_shipped_schema_is_current_and_holds_a_comparison(folder: Path) -> None:
    shipped = (SCHEMAS / SCHEMA_FILE).read_text()
    assert shipped == schema()
    written_out = to_json(contrast(snapshot(folder / "first.onnx"), snapshot(folder / "poisoned.onnx")))
    jsonschema.Draft202012Validator(json.loads(shipped)).validate(json.loads(written_out))
    assert ComparisonFile.model_validate_json(written_out).differs


def test_other_data_are_told(folder: Path) -> None:
    x, y = variants.analysed()
    old = snapshot(folder / "first.onnx", targets=[1])
    new = snapshot_of(
        analyze(folder / "first.onnx", (x[50:], y[50:]), targets=[1], machine=Machine.of(limits="none")), "first.onnx"
    )
    found = contrast(old, new)
    assert not found.same_model
    assert "the data differ" in found.notes[0]
    assert {layer.compared for layer in found.classes[0].layers} <= {"welch", "not"}
