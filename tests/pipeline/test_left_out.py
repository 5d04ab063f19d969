"""What other commands make of an analysis that left layers out: nothing is claimed of those."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onnxcausal import analyze, compress, evaluate, explain, repair
from onnxcausal.analysis.comparing.contrast import contrast
from onnxcausal.analysis.comparing.snapshot import read_snapshot
from onnxcausal.analysis.formats.evaluation import Evaluation, Protocol
from onnxcausal.analysis.gating.checks import Status
from onnxcausal.cli import main
from onnxcausal.errors import ConfigError, NothingToAnalyseError
from onnxcausal.pipeline.compare import check_same, compare, run
from onnxcausal.pipeline.compressing.options import CompressOptions
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.gating.policy import Given
from onnxcausal.pipeline.heldout.subject import open_subject
from onnxcausal.pipeline.preparing.configuration import configure
from onnxcausal.pipeline.preparing.machine import HERE
from onnxcausal.pipeline.progress import Silent
from onnxcausal.pipeline.protocols.sufficiency import edge_masks
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.report.comparison import table
from tests.support.gated import Try, failed, held_to_gates, lay_out, message

MODELS = Path(__file__).parents[2] / "models"
DIGITS, DEFECT = MODELS / "digits_lenet.onnx", MODELS / "digits_mislabelled.onnx"
FC3, FC2, FC1, CONV2, CONV1 = "/fc3/Gemm", "/fc2/Gemm", "/fc1/Gemm", "/conv2/Conv", "/conv1/Conv"
SOME: dict[str, Any] = {"targets": [3, 8], "samples": 25}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    analyze(DIGITS, **SOME, out=folder)
    return folder


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an analysis without the second layer and the last but one."""
    folder = tmp_path_factory.mktemp("some") / "out"
    analyze(DIGITS, **SOME, out=folder, skip_layers=[CONV2, FC2])
    return folder


def test_a_layer_that_one_side_left_out_is_not_tested_and_not_gone(whole: Path, some: Path) -> None:
    for old, new, who in ((whole, some, "new"), (some, whole, "old")):
        found = contrast(read_snapshot(old), read_snapshot(new))
        assert not found.differs
        assert all(record.by is not None for record in found.layers)
        assert f"layers left out of the {who} analysis are not compared: {FC2}, {CONV2}" in found.notes
        for record in found.classes:
            of_name = {layer.new: layer for layer in record.layers}
            for name in (CONV2, FC2):
                layer = of_name[name]
                assert layer.reason == f"not tested: left out of the {who} analysis"
                assert (layer.compared, layer.tested, layer.role_changed, layer.nodes) == ("not", 0, 0, [])
                assert (layer.edges_appeared, layer.edges_vanished) == (0, 0)
            assert of_name[FC3].compared == "paired"
            assert of_name[FC3].largest == 0
            assert "targets differ" in (of_name[FC1].reason or "")
        check_same(found)
        assert "not tested" not in table(found)  # no class differs, so no layer is shown


def test_both_sides_may_have_left_out_the_same(some: Path) -> None:
    found = contrast(read_snapshot(some), read_snapshot(some))
    reasons = {layer.new: layer.reason for record in found.classes for layer in record.layers}
    assert reasons[CONV2] == "not tested: left out of the old and the new analysis"
    assert reasons[FC1] is None


def test_a_model_is_compared_in_some_layers_with_an_analysis_of_all(whole: Path) -> None:
    compared = run(whole, DIGITS, flags={"analysis.layers": ("--layers", ["last:2"])})
    assert [layer.compared for layer in compared.comparison.classes[0].layers] == ["paired", "paired", *["not"] * 3]
    as_saved = compare(whole, DIGITS)
    assert [layer.compared for layer in as_saved.classes[0].layers] == ["paired"] * 5


def test_an_analysis_of_some_layers_gives_its_settings_to_the_model_beside_it(some: Path) -> None:
    found = compare(some, DIGITS)
    assert [layer.compared for layer in found.classes[0].layers] == ["paired", "not", "paired", "not", "paired"]


def forged(some: Path, tmp_path: Path, **changes: Any) -> Path:
    held = json.loads((some / "analysis.json").read_text())
    held["settings"] |= changes
    held["settings"] = {key: value for key, value in held["settings"].items() if key not in changes or value}
    (tmp_path / "analysis.json").write_text(json.dumps(held))
    return tmp_path / "analysis.json"


@pytest.mark.attack("gates", "refused, exit code 2")
@pytest.mark.parametrize(
    "changes",
    [{"skip_layers": None}, {"skip_layers": [CONV2]}, {"skip_layers": ["no such"]}, {"layers": [FC3]}],
)
def test_what_was_left_out_is_what_the_settings_say(some: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the analysis contradicts itself"):
        read_snapshot(forged(some, tmp_path, **changes))


@pytest.mark.attack("gates", "refused, exit code 2")
def test_a_layer_with_nodes_was_not_left_out(some: Path, tmp_path: Path) -> None:
    held = json.loads((some / "analysis.json").read_text())
    layers = held["graphs"][0]["layers"]
    layers[0]["left_out"] = True
    held["settings"]["skip_layers"].append(FC3)
    (tmp_path / "analysis.json").write_text(json.dumps(held))
    with pytest.raises(ConfigError, match="the analysis contradicts itself"):
        read_snapshot(tmp_path)


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gated")
    lay_out(folder)
    return folder


LAST = {"analysis.layers": ["last:1"]}


def test_a_gate_of_a_layer_left_out_fails_and_says_why(gated: Path) -> None:
    gates = ("nodes[*, /gemm_0/Gemm] < 0", "nodes[1, /gemm_2/Gemm] < 0", "nodes < 0")
    found = held_to_gates(gated, Try(Given(gates), flags=LAST))
    assert failed(found) == [("nodes", 0), ("nodes", 1), ("nodes", 2)]
    assert message(found, "nodes") == "the layer was left out of the analysis: nothing is known of it"
    over_all = [check.message for check in found.checks if check.name == "nodes < 0"]
    assert all("without 1 layer(s) left out" in told for told in over_all)
    assert "1 layer(s) were left out, and no gate is of them: /gemm_0/Gemm" in found.notes
    assert all(check.status is Status.PASSED for check in found.checks if check.name == gates[1])


def test_shares_are_of_the_layers_that_were_tested(gated: Path) -> None:
    every, last = (
        held_to_gates(gated, Try(Given(("node_share[1, /gemm_2/Gemm] < 0", "node_share[1] < 0")), flags=flags))
        for flags in ({}, LAST)
    )
    shares = [
        [check.message.split(",")[0].split()[-1] for check in found.checks if check.rule == "node_share"]
        for found in (every, last)
    ]
    assert shares[0][0] == shares[1][0] == shares[1][1]
    assert shares[0][1] != shares[1][1]


def test_a_baseline_of_other_layers_is_refused(gated: Path) -> None:
    blessed = Given(baseline=Path("of-last"), update=True)
    assert not failed(held_to_gates(gated, Try(blessed, flags=LAST)))
    against = Given(baseline=Path("of-last"))
    assert not failed(held_to_gates(gated, Try(against, flags=LAST)))
    others: tuple[dict[str, Any], ...] = (
        {},
        {"analysis.layers": ["last:2"]},
        {**LAST, "analysis.skip_layers": ["first:1"]},
    )
    for flags in others:
        with pytest.raises(ConfigError, match="the analysis was made with other settings") as caught:
            held_to_gates(gated, Try(against, flags=flags))
        assert "layers was" in caught.value.why


def test_a_saved_analysis_is_used_for_the_layers_that_it_has(some: Path, whole: Path) -> None:
    settings: tuple[tuple[Path, dict[str, Any]], ...] = ((whole, {"layers": "last:2"}), (some, {"skip_layers": CONV2}))
    for saved, asked in settings:
        with pytest.raises(ConfigError, match="the analysis was made with other settings"):
            evaluate(Protocol.FIDELITY, DIGITS, analysis=saved, **asked)
    subject = open_subject(DIGITS, configure(DIGITS, None, {}), some, HERE, Silent())
    assert subject.prepared.left_out == (CONV2, FC2)
    assert any(note.startswith("2 of 5 layers were left out and not tested") for note in subject.notes)
    assert set(edge_masks(subject, {})) == {FC3, FC1, CONV1}  # what was left out stays whole
    for route in subject.routes.values():
        assert route.left_out == {CONV2, FC2}


@pytest.mark.parametrize("protocol", [Protocol.SUFFICIENCY, Protocol.FIDELITY, Protocol.RELIABILITY])
def test_protocols_measure_what_was_tested(protocol: Protocol, some: Path) -> None:
    options = EvaluateOptions(count=30, portions=(1.0,), runs=3)
    saved = None if protocol is Protocol.RELIABILITY else some
    settings: dict[str, Any] = {"skip_layers": [CONV2, FC2], "targets": [3], "samples": 12} if saved is None else {}
    found: Evaluation = evaluate(protocol, DIGITS, analysis=saved, options=options, **settings)
    assert any("left out and not tested" in note for note in found.notes)
    assert found.settings.skip_layers == (CONV2, FC2)
    layers = {held.layer for held in found.measured} - {None}
    assert layers <= {FC3, FC1, CONV1}
    if protocol is Protocol.SUFFICIENCY:
        shares = [held.mean for held in found.where(method="graph", measure="share of edges")]
        assert shares
        assert all(0 < share < 1 for share in shares)


def test_maps_are_of_the_layers_that_were_tested(some: Path, tmp_path: Path) -> None:
    with np.load(MODELS / "digits.npz") as held:
        np.savez(tmp_path / "x.npz", x=held["x"][held["y"] == 3][-4:])
    found = explain(DIGITS, tmp_path / "x.npz", analysis=some, target="3")
    assert [held.layers for held in found.classes] == [(CONV1,)]
    assert f"maps are of the layers that were tested, without {FC2}, {CONV2}" in found.notes
    anew = explain(DIGITS, tmp_path / "x.npz", target="3", samples=25, skip_layers=[CONV2, FC2])
    np.testing.assert_allclose(anew.classes[0].maps, found.classes[0].maps, atol=1e-6)
    with pytest.raises(ConfigError, match="was left out of the analysis"):
        explain(DIGITS, tmp_path / "x.npz", analysis=some, target="3", layer=CONV2)


def test_a_repair_masks_no_layer_that_was_left_out(tmp_path: Path) -> None:
    options = RepairOptions(repaired=("4",), portion=0.2)
    settings: dict[str, Any] = {"samples": 15, "outcome": "margin"}
    found = repair(DEFECT, tmp_path / "fixed.onnx", options=options, layers="last:2", **settings)
    masked = {mask.layer for mask in found.masks.masks}
    assert masked
    assert masked <= {FC3, FC2}
    assert f"layers left out of the analysis are left alone: {CONV1}, {CONV2}, {FC1}" in found.record.notes
    analysed = found.masks.provenance["settings"]["analysis"]
    assert analysed["layers"] == ["last:2"]
    assert "skip_layers" not in analysed


def test_a_compression_takes_no_channel_of_a_layer_that_was_left_out(tmp_path: Path) -> None:
    options = CompressOptions(target_size=0.9, count=40)
    found = compress(DIGITS, tmp_path / "small.onnx", options=options, layers=[FC3, FC2], samples=10)
    assert {mask.layer for mask in found.masks.masks} <= {FC3, FC2}
    assert found.masks.masks
    assert f"channels that layers left out of the analysis read stay: {CONV1}, {CONV2}, {FC1}" in found.record.notes
    with pytest.raises(NothingToAnalyseError, match="no channel can be removed") as caught:
        compress(DIGITS, tmp_path / "none.onnx", options=options, layers="first:1", samples=10)
    assert CONV2 in caught.value.why


@pytest.mark.parametrize("verb", ["analyze", "evaluate", "explain", "repair", "compress", "compare"])
def test_every_command_that_infers_graphs_takes_layers(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 1, 28, 28), np.float32))
    given = {
        "analyze": [],
        "evaluate": [],
        "explain": [str(tmp_path / "x.npz")],
        "repair": ["--out", "new.onnx"],
        "compress": ["--out", "new.onnx", "--target-size", "50%"],
        "compare": [str(DIGITS)],
    }
    before = ["fidelity"] if verb == "evaluate" else []
    layers = ["--layers", "last:2, op:Conv", "--layers", FC1, "--skip-layers", "op:Coonv"]
    with pytest.raises(SystemExit) as ended:
        main([verb, *before, str(DIGITS), *given[verb], "--quiet", *layers])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "no layer matches 'op:Coonv'" in told
    assert "did you mean 'op:Conv'?" in told
