"""Analyses of some layers: what of the others changes, and what does not."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest

from onnxcausal import Machine, analyze
from onnxcausal.analysis.formats.analysis_file import schema, to_json
from onnxcausal.analysis.formats.journal import JOURNAL_FILE
from onnxcausal.analysis.formats.output_folder import effects_archive
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.graph import LayerResult
from onnxcausal.errors import ConfigError, InterruptedRunError
from onnxcausal.onnxgraph.engine.suffix_engine import SuffixEngine
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.pipeline.estimate import estimate
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import HERE
from onnxcausal.report.figures.causal_graph import picture
from onnxcausal.report.figures.heatmap import heatmap
from onnxcausal.report.summary import summary
from tests.support.networks import Builder, classifier, mlp
from tests.support.opened import open_proto

BRANCHES: dict[str, Any] = {"samples": 20, "task": "regression"}
"""Every sample is used, whatever random weights say of it."""
DIGITS = Path(__file__).parents[3] / "models" / "digits_lenet.onnx"
FC3, FC2, FC1, CONV2, CONV1 = "/fc3/Gemm", "/fc2/Gemm", "/fc1/Gemm", "/conv2/Conv", "/conv1/Conv"
SOME: dict[str, Any] = {"targets": [3], "samples": 25}
BLOCKS = ("conv", "residual", "grouped", "batchnorm", "concat", "depthwise", "shuffle", "gate")


def same(one: LayerResult, other: LayerResult) -> None:
    """Hold two results to each other, to the bit."""
    assert (one.name, one.flow, one.roles, one.links) == (other.name, other.flow, other.roles, other.links)
    np.testing.assert_array_equal(one.targets, other.targets)
    np.testing.assert_array_equal(one.to_outcome, other.to_outcome)
    assert (one.effects is None) == (other.effects is None)
    if one.effects is not None and other.effects is not None:
        np.testing.assert_array_equal(one.effects.te, other.effects.te)
    if one.verdicts is not None and other.verdicts is not None:
        for key in ("ate", "low", "high", "d", "p", "q"):
            np.testing.assert_array_equal(getattr(one.verdicts, key), getattr(other.verdicts, key))


@pytest.fixture(scope="module")
def whole() -> Analysis:
    return analyze(DIGITS, **SOME)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Wiring]:
    """Return a network of branches, groups and shuffles with its data and wiring."""
    proto = classifier(BLOCKS, "average", 11)
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    onnx.save(proto, path)
    x = np.random.default_rng(0).normal(size=(40, 4, 6, 6)).astype(np.float32)
    return path, (x, np.arange(40) % 3), open_proto(proto, x).wiring


@pytest.mark.parametrize("settings", [{}, {"adaptive": True}, {"budget": 20}, {"replace": "mean"}])
def test_the_last_layers_alone_have_the_numbers_of_the_whole_analysis(settings: dict[str, Any]) -> None:
    every = analyze(DIGITS, **SOME, **settings)
    for count in (1, 3):
        some = analyze(DIGITS, **SOME, **settings, layers=f"last:{count}")
        for place, (one, other) in enumerate(zip(some.graph(3).layers, every.graph(3).layers, strict=True)):
            assert one.name == other.name
            assert one.left_out is (place >= count)
            assert one.through == ()
            if place < count:
                same(one, other)
            else:
                assert one.effects is None
                assert one.reason == "left out"
        (told,) = set(some.notes) - set(every.notes)
        assert told.startswith(f"{5 - count} of 5 layers were left out and not tested: {CONV1}")


@pytest.mark.parametrize("engine", ["suffix", "reference"])
def test_the_last_layers_of_a_network_of_branches_too(network: tuple[Path, Any, Wiring], engine: str) -> None:
    path, data, wiring = network
    every = analyze(path, data, **BRANCHES, engine=engine)
    names = [layer.name for layer in reversed(wiring.flow.layers)]
    for count in (2, len(names) // 2, len(names) + 3):
        some = analyze(path, data, **BRANCHES, engine=engine, layers=f"last:{count}")
        for target in every.targets:
            for one, other in zip(some.graph(target).layers[:count], every.graph(target).layers, strict=False):
                same(one, other)
    assert to_json(some).replace(f',\n  "layers": [\n   "last:{count}"\n  ]', "") == to_json(every)


@pytest.mark.slow
def test_layers_above_one_that_is_left_out_have_all_that_leads_on_as_targets(
    network: tuple[Path, Any, Wiring],
) -> None:
    """Of each layer left out in turn: what is nearer the outcome is as it was, and targets above are as defined."""
    path, data, wiring = network
    flow = wiring.flow
    every = analyze(path, data, **BRANCHES)
    target = every.targets[0]
    through = 0
    for place, layer in enumerate(reversed(flow.layers)):
        graph = analyze(path, data, **BRANCHES, targets=[target], skip_layers=[layer.name]).graph(target)
        for one, other in zip(graph.layers[:place], every.graph(target).layers, strict=False):
            same(one, other)
        assert [one.name for one in graph.layers if one.left_out] == [layer.name]
        skipped = graph.layers[place]
        np.testing.assert_array_equal(skipped.targets, every.graph(target).layers[place].targets)
        # A parent leads on where it shares a group with a target; parent features are nodes here, but in the last.
        groups = set(layer.group_of_children()[skipped.targets].tolist())
        leading = [node for node in range(layer.parents) if int(layer.group_of_parents()[node]) in groups]
        known = {one.name: one.necessary for one in graph.layers} | {layer.name: np.array(leading, np.int64)}
        for one in graph.layers[place + 1 :]:
            at = next(held for held in flow.layers if held.name == one.name)
            expected: set[int] = set()
            by_skipped = False
            for link in flow.links[one.name]:
                if link.consumer is None:
                    assert not len(link.children)
                    continue
                wanted = known.get(link.consumer, np.empty(0, np.int64))
                pairs = set(link.children[np.isin(link.features, wanted)].tolist())
                reached = set(range(at.children)) if link.kind.value == "untracked" and len(wanted) else pairs
                by_skipped |= link.consumer == layer.name and bool(reached)
                expected |= reached
            assert set(one.targets.tolist()) == expected
            assert one.through == ((layer.name,) if by_skipped else ())
            assert all(below != layer.name for below, _, _ in one.links)
            through += by_skipped
    assert through > len(flow.layers) // 2


def grouped() -> onnx.ModelProto:
    """Return four features in two groups: class 0 is of the first, and so are 2 of the 4 children of the first op."""
    builder = Builder(np.random.default_rng(0))
    weights = [builder.weight(4, 4, 1, 1), builder.weight(4, 2, 1, 1)]
    maps = builder.add("Relu", [builder.add("Conv", ["x", weights[0]])])
    maps = builder.add("Relu", [builder.add("Conv", [maps, weights[1]], group=2)])
    pooled = builder.add("ReduceMean", [maps], axes=[2, 3], keepdims=0)
    last = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    return builder.model(["N", 4, 5, 5], builder.add("Gemm", [pooled, builder.store(last)]))


def test_of_a_grouped_layer_left_out_only_the_groups_of_targets_lead_on(tmp_path: Path) -> None:
    onnx.save(grouped(), tmp_path / "model.onnx")
    x = np.random.default_rng(1).normal(1, 1, size=(60, 4, 5, 5)).astype(np.float32)
    found = analyze(tmp_path / "model.onnx", (x, np.arange(60) % 2), targets=[0], samples=20, skip_layers="last:2")
    last, middle, first = found.graph(0).layers
    assert (last.left_out, middle.left_out, first.left_out) == (True, True, False)
    # All four parents of the last have a path to class 0: a weight of 0 is a weight. So both groups lead on.
    assert last.targets.tolist() == [0]
    assert middle.targets.tolist() == first.targets.tolist() == [0, 1, 2, 3]
    assert first.through == (middle.name,)
    tested = analyze(tmp_path / "model.onnx", (x, np.arange(60) % 2), targets=[0], samples=20, skip_layers=middle.name)
    last, middle, first = tested.graph(0).layers
    assert set(last.necessary.tolist()) <= {0, 1}
    assert len(last.necessary)
    assert middle.targets.tolist() == last.necessary.tolist()
    assert first.targets.tolist() == [0, 1]


def test_where_no_route_leads_through_what_is_left_out_nothing_above_has_targets(tmp_path: Path) -> None:
    # Every hidden node speaks against class 0, so that nothing is necessary in the last layer.
    weights = [np.eye(6), np.eye(6), np.stack([-np.ones(6), np.zeros(6)])]
    onnx.save(mlp(weights, [np.full(6, 3.0), np.full(6, 3.0), np.array([100.0, 0.0])]), tmp_path / "model.onnx")
    x = np.random.default_rng(0).normal(2, 1, size=(60, 6)).astype(np.float32)
    data = (x, np.arange(60) % 2)
    names = [layer.name for layer in analyze(tmp_path / "model.onnx", data, targets=[0]).graph(0).layers]
    found = analyze(tmp_path / "model.onnx", data, targets=[0], skip_layers=[names[1]]).graph(0)
    assert [layer.targets.tolist() for layer in found.layers] == [[0], [], []]
    assert [layer.left_out for layer in found.layers] == [False, True, False]
    assert found.layers[2].reason == f"not reached: no necessary node in {names[1]}"


def test_both_engines_agree_on_what_is_left(network: tuple[Path, Any, Wiring]) -> None:
    path, data, wiring = network
    skipped = [layer.name for layer in wiring.flow.layers][2:5]
    fast, slow = (
        analyze(path, data, **BRANCHES, skip_layers=skipped, engine=engine) for engine in ("suffix", "reference")
    )
    compared = 0
    for target in fast.targets:
        for one, other in zip(fast.graph(target).layers, slow.graph(target).layers, strict=True):
            assert (one.name, one.left_out, one.through) == (other.name, other.left_out, other.through)
            np.testing.assert_array_equal(one.targets, other.targets)
            if one.effects is not None and other.effects is not None:
                np.testing.assert_allclose(one.effects.te, other.effects.te, rtol=0, atol=1e-5)
                compared += 1
    assert compared > len(fast.targets)


def test_the_file_records_what_was_asked_and_what_was_left_out(whole: Analysis, tmp_path: Path) -> None:
    some = analyze(DIGITS, **SOME, out=tmp_path, layers=["op:Gemm", CONV1], skip_layers=FC1)
    text = (tmp_path / "analysis.json").read_text()
    held = json.loads(text)
    jsonschema.validate(held, json.loads(schema()))
    assert (held["settings"]["layers"], held["settings"]["skip_layers"]) == (["op:Gemm", CONV1], [FC1])
    assert {layer["name"]: layer.get("left_out") for layer in held["graphs"][0]["layers"]} == {
        FC3: None,
        FC2: None,
        FC1: True,
        CONV2: True,
        CONV1: None,
    }
    assert held["graphs"][0]["layers"][-1]["through"] == [CONV2]
    assert held["notes"] == list(some.notes)
    unknown = f"which nodes of {CONV2} are necessary is not known: for the layers above, "
    unknown += "all that lead on from there to the outcome count"
    told = f"2 of 5 layers were left out and not tested: {CONV2}, {FC1}"
    assert set(some.notes) - set(whole.notes) == {told, unknown}
    assert read_analysis(tmp_path).model_dump(mode="json")["settings"]["layers"] == ["op:Gemm", CONV1]


def test_without_the_setting_no_file_speaks_of_it(whole: Analysis) -> None:
    for word in ('"layers": [\n   "', "skip_layers", "left_out", "through"):
        assert word not in to_json(whole)
    explicit = analyze(DIGITS, **SOME, layers=None, skip_layers=None)
    assert to_json(explicit) == to_json(whole)
    assert effects_archive(explicit) == effects_archive(whole)


def test_the_table_and_the_pictures_say_left_out(whole: Analysis) -> None:
    some = analyze(DIGITS, **SOME, skip_layers=[FC2, FC1])
    shown = summary(some)
    assert f"{FC2}  " in shown
    assert "  left out\n  and 1 more left out\n" in shown
    assert f"targets through {FC1}" in shown
    assert "not reached" not in shown
    for draw in (picture, heatmap):
        assert draw(some, some.graph(3)) != draw(whole, whole.graph(3))


def test_a_dry_run_counts_what_is_tested() -> None:
    found = estimate(DIGITS, configure(DIGITS, None, {"analysis.layers": ("--layers", "last:2")}), HERE)
    every = estimate(DIGITS, configure(DIGITS, None, {}), HERE)
    assert [layer.name for layer in found.layers] == [FC3, FC2]
    assert found.left_out == (CONV1, CONV2, FC1)
    assert (found.interventions, every.interventions) == (10 * (84 + 120), 2270)
    assert found.work < every.work


def test_an_interrupted_run_goes_on_and_leaves_the_work_of_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = SuffixEngine.effects, [3]
    ran: list[str] = []

    def effects(self: SuffixEngine, probe: Any, *given: Any, **settings: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        ran.append(probe.layer.name)
        return real(self, probe, *given, **settings)

    monkeypatch.setattr(SuffixEngine, "effects", effects)
    with pytest.raises(InterruptedRunError):
        analyze(DIGITS, **SOME, out=tmp_path / "out")
    assert ran == [FC3, FC2, FC1]
    left[0] = 1
    with pytest.raises(InterruptedRunError):
        analyze(DIGITS, **SOME, out=tmp_path / "out", layers="last:2")
    left[0] = 100
    ran.clear()
    some = analyze(DIGITS, **SOME, out=tmp_path / "out", layers="last:2")
    assert ran == [FC2]  # the first is kept from the same run before, and from no other
    assert (tmp_path / "out" / JOURNAL_FILE).is_file()  # the work of the whole run waits for it
    ran.clear()
    analyze(DIGITS, **SOME, out=tmp_path / "out")
    assert ran == [CONV2, CONV1]
    assert not (tmp_path / "out" / JOURNAL_FILE).exists()
    assert to_json(some) == to_json(analyze(DIGITS, **SOME, layers="last:2"))


@pytest.mark.parametrize("given", ["last:2", ["last:2"], "last:1, /fc2/*"])
def test_python_and_the_sidecar_take_one_text_or_several(given: str | list[str], tmp_path: Path) -> None:
    config = tmp_path / "some.toml"
    config.write_text(
        f"[data]\nsource = '{DIGITS.with_name('digits.npz')}'\n[analysis]\nlayers = {json.dumps(given)}\n"
    )
    by_file = analyze(DIGITS, **SOME, config=config, machine=Machine.of(limits="none"))
    by_call = analyze(DIGITS, **SOME, layers=given)
    for found in (by_file, by_call):
        assert [layer.name for layer in found.graph(3).layers if not layer.left_out] == [FC3, FC2]


@pytest.mark.parametrize("given", ["", "last:1,,", [], [""], 5])
def test_what_is_no_list_of_names_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match="the value of layers is not allowed"):
        analyze(DIGITS, **SOME, layers=given)
