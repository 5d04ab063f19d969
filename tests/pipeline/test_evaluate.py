"""The protocols on the shipped model and on planted networks."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

from onnxcausal import analyze, evaluate
from onnxcausal.analysis.formats.evaluation import SCHEMA_FILE, Evaluation, Protocol, schema, to_json
from onnxcausal.analysis.formats.record import SCHEMAS
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.errors import ConfigError, OutputError, SamplesError
from onnxcausal.onnxgraph.file.model import load_model
from onnxcausal.onnxgraph.network.network import open_network
from onnxcausal.onnxgraph.network.wiring import find_wiring
from onnxcausal.pipeline.evaluate import EvaluateOptions
from onnxcausal.pipeline.heldout.subject import neurons
from onnxcausal.pipeline.protocols.fidelity import portion_of
from onnxcausal.report.evaluation import figure, table
from tests.support.networks import mlp

ROOT = Path(__file__).parent.parent.parent
DIGITS = ROOT / "models" / "digits_lenet.onnx"
SMALL = {
    Protocol.RELIABILITY: EvaluateOptions(runs=4),
    Protocol.STABILITY: EvaluateOptions(count=2, perturbations=3, masks=20),
    Protocol.FAITHFULNESS: EvaluateOptions(count=2, masks=20),
    Protocol.FIDELITY: EvaluateOptions(count=30, portions=(0.2, 1.0)),
    Protocol.SUFFICIENCY: EvaluateOptions(count=30),
}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "out"
    analyze(DIGITS, targets=[3, 8], samples=25, out=folder)
    return folder


@pytest.fixture(scope="module")
def results(analysis: Path) -> dict[Protocol, Evaluation]:
    return {protocol: evaluate(protocol, DIGITS, analysis=analysis, options=SMALL[protocol]) for protocol in Protocol}


@pytest.mark.parametrize("protocol", list(Protocol))
def test_every_protocol_is_recorded_on_held_out_samples(
    protocol: Protocol, results: dict[Protocol, Evaluation], analysis: Path
) -> None:
    found = results[protocol]
    record = json.loads(to_json(found))
    jsonschema.validate(record, json.loads(schema()))
    assert record["protocol"] == protocol.value
    assert record["records"]
    assert {entry["target"] for entry in record["records"]} == {None, 3, 8}
    for entry in record["records"]:
        low, high = entry["interval"]
        assert low <= entry["mean"] + 1e-9
        assert entry["mean"] <= high + 1e-9
    held = read_analysis(analysis)
    inferred = {index for graph in held.graphs for index in graph.sample_indices}
    evaluated = {index for indices in record["split"]["evaluated_on"].values() for index in indices}
    assert evaluated
    if protocol is not Protocol.RELIABILITY:  # which infers graphs anew
        assert not inferred & evaluated
    assert figure(found).startswith(b"\x89PNG")
    assert protocol.value in table(found)


def test_the_schema_shipped_is_current() -> None:
    assert (SCHEMAS / SCHEMA_FILE).read_text() == schema()


def test_the_same_evaluation_gives_the_same_bytes(analysis: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        evaluate("sufficiency", DIGITS, analysis=analysis, options=SMALL[Protocol.SUFFICIENCY], out=tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["evaluation-sufficiency.json", "sufficiency.png"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_masking_the_strongest_nodes_hurts_the_class_more_than_random_ones(results: dict[Protocol, Evaluation]) -> None:
    found = results[Protocol.FIDELITY]
    (critical,) = found.where(target=None, at=1.0, method="critical", measure="class accuracy")
    (random,) = found.where(target=None, at=1.0, method="random", measure="class accuracy")
    (noisy,) = found.where(target=None, at=1.0, method="noisy", measure="class accuracy")
    assert critical.mean < 0.2 < random.mean
    assert noisy.mean > 0.9


def test_the_graph_keeps_a_part_of_the_edges_and_the_full_model_separates_best(
    results: dict[Protocol, Evaluation],
) -> None:
    found = results[Protocol.SUFFICIENCY]
    means = {held.method: held.mean for held in found.where(target=None, measure="AUROC")}
    assert set(means) == {"full model", "graph, zero", "graph, mean", "random graph, zero", "random graph, mean"}
    assert means["full model"] > 0.95
    (share,) = found.where(target=None, measure="share of edges", method="graph")
    assert 0 < share.mean < 0.5


def test_a_constant_map_never_moves_and_no_method_beats_the_greedy_order(results: dict[Protocol, Evaluation]) -> None:
    (still,) = results[Protocol.STABILITY].where(target=None, method="constant")
    assert still.mean == 0
    areas = {held.method: held.mean for held in results[Protocol.FAITHFULNESS].where(target=None, measure="IROF")}
    assert max(areas, key=areas.__getitem__) == "greedy"


def test_beta_alone_leaves_a_linear_route_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 12))
    onnx.save(mlp([weights], [np.zeros(2)]), tmp_path / "m.onnx")
    x = rng.random((300, 12)).astype(np.float32)
    y = (x @ weights.T.astype(np.float32)).argmax(axis=1)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    found = evaluate(
        "reliability",
        tmp_path / "m.onnx",
        tmp_path / "d.npz",
        options=EvaluateOptions(runs=12),
        samples=20,
        targets=[int(y[0])],
    )
    for held in found.where(method="beta alone", measure="Jaccard"):
        assert held.mean == 1.0  # a scaling of all effects leaves the sets alone
    (images,) = found.where(target=None, method="images alone", measure="Jaccard")
    assert images.mean < 1.0


def planted(tmp_path: Path) -> tuple[Path, Path]:
    """Return a network whose class 0 reads hidden nodes 0 and 1, class 1 nodes 2 and 3; node 4 matters to none."""
    first = np.zeros((5, 5), np.float32)
    np.fill_diagonal(first, 1)
    second = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]], np.float32)
    onnx.save(mlp([first, second], [np.zeros(5), np.zeros(2)]), tmp_path / "m.onnx")
    x = np.random.default_rng(0).random((400, 5)).astype(np.float32)
    y = (x[:, 2] + x[:, 3] > x[:, 0] + x[:, 1]).astype(np.int64)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    return tmp_path / "m.onnx", tmp_path / "d.npz"


def test_a_planted_network_loses_a_class_and_keeps_the_other(tmp_path: Path) -> None:
    model, data = planted(tmp_path)
    found = evaluate("fidelity", model, data, options=EvaluateOptions(portions=(1.0,), count=60), samples=50)
    (own,) = found.where(target=0, method="critical", measure="class accuracy")
    (other,) = found.where(target=0, method="critical", measure="other accuracy")
    assert own.mean == 0  # nothing speaks for the class any more, and ties are impossible
    assert other.mean == 1
    alone = evaluate("sufficiency", model, data, options=EvaluateOptions(count=60), samples=50)
    (graph,) = alone.where(target=0, method="graph, zero", measure="AUROC")
    (full,) = alone.where(target=0, method="full model", measure="AUROC")
    assert graph.mean == pytest.approx(full.mean, abs=1e-6)  # the logit of class 0 reads nothing else
    (edges,) = alone.where(target=0, method="graph", measure="share of edges")
    assert edges.mean == pytest.approx((2 * 2 + 2 * 1) / (25 + 10))


def test_what_reads_the_input_is_no_neuron() -> None:
    network = open_network(load_model(DIGITS))
    wiring = find_wiring(network, np.zeros((1, 1, 32, 32), np.float32))
    assert neurons(wiring) == {layer.name for layer in wiring.flow.layers[1:]}
    assert [portion_of(0.2, nodes) for nodes in (1, 2, 3, 12)] == [0, 0, 1, 2]


def test_all_samples_used_up_say_what_to_do(tmp_path: Path) -> None:
    model, data = planted(tmp_path)
    with pytest.raises(SamplesError, match="too few samples are left") as caught:
        evaluate("fidelity", model, data, samples=400)
    assert "--samples" in caught.value.remedy
    with pytest.raises(SamplesError, match="too few images to draw other ones"):
        evaluate("reliability", model, data, samples=300, options=EvaluateOptions(runs=2))


def test_a_class_with_nothing_left_is_left_out_and_told(tmp_path: Path) -> None:
    first = np.eye(6, dtype=np.float32)
    second = np.repeat(np.eye(3, dtype=np.float32), 2, axis=1)
    onnx.save(mlp([first, second], [np.zeros(6), np.zeros(3)]), tmp_path / "m.onnx")
    x = np.random.default_rng(0).random((600, 6)).astype(np.float32)
    y = (x @ second.T).argmax(axis=1)
    keep = np.concatenate([np.flatnonzero(y < 2), np.flatnonzero(y == 2)[:50]])
    np.savez(tmp_path / "d.npz", x=x[keep], y=y[keep])
    options = EvaluateOptions(portions=(1.0,), count=40)
    found = evaluate("fidelity", tmp_path / "m.onnx", tmp_path / "d.npz", samples=50, options=options)
    assert {held.target for held in found.measured} == {None, 0, 1}
    assert sorted(found.evaluated_on) == [0, 1]
    assert any(note.startswith("class 2 is left out: 50 samples, of which") for note in found.notes)


def test_samples_of_several_classes_are_no_negatives_of_any_of_them(tmp_path: Path) -> None:
    onnx.save(mlp([np.eye(3)], [np.zeros(3)]), tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=(x > 0).astype(np.int64))
    found = evaluate(
        "sufficiency", tmp_path / "m.onnx", tmp_path / "d.npz", samples=30, options=EvaluateOptions(count=60)
    )
    for held in found.where(method="full model", measure="AUROC"):
        assert held.mean == 1.0  # the score of a class is above 0 for just those of it


def test_samples_that_were_tried_and_wrong_are_not_held_out(analysis: Path) -> None:
    found = evaluate("fidelity", DIGITS, analysis=analysis, options=EvaluateOptions(count=1000, portions=(0.2,)))
    with np.load(DIGITS.with_name("digits.npz")) as held:
        labels = held["y"]
    order = np.random.default_rng([0, 3]).permutation(np.flatnonzero(labels == 3)).tolist()
    last = max(order.index(used) for used in found.inferred_on[3])
    assert sorted(found.evaluated_on[3]) == sorted(order[last + 1 :])


def test_other_data_than_the_analysis_is_all_held_out(tmp_path: Path) -> None:
    model, data = planted(tmp_path)
    analyze(model, data, samples=50, out=tmp_path / "out")
    with np.load(data) as held:
        np.savez(tmp_path / "other.npz", x=held["x"][:50], y=held["y"][:50])
    found = evaluate(
        "fidelity",
        model,
        tmp_path / "other.npz",
        analysis=tmp_path / "out",
        options=EvaluateOptions(count=1000, portions=(1.0,)),
    )
    assert any("other data" in note for note in found.notes)
    assert sum(map(len, found.evaluated_on.values())) == 50
    assert found.analysis_data != found.data.sha256


def test_maps_are_for_images_and_methods_have_names(tmp_path: Path, analysis: Path) -> None:
    model, data = planted(tmp_path)
    with pytest.raises(ConfigError, match="this protocol is for images"):
        evaluate("stability", model, data, samples=50)
    with pytest.raises(ConfigError, match="unknown method 'nope'"):
        evaluate("stability", DIGITS, analysis=analysis, options=EvaluateOptions(methods=("nope",)))
    with pytest.raises(ConfigError, match="of decisions"):
        evaluate("fidelity", model, data, task="regression", samples=20)


def test_a_method_of_ones_own_stands_beside_the_others(analysis: Path) -> None:
    def like_the_input(target: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        del target
        return lambda x: x[:, 0].astype(np.float64)

    options = EvaluateOptions(count=2, masks=20, methods=("causal", "greedy"), others={"input": like_the_input})
    found = evaluate("faithfulness", DIGITS, analysis=analysis, options=options)
    assert {held.method for held in found.measured} == {"causal", "input", "greedy"}
    assert json.loads(to_json(found))["options"]["methods"] == ["causal", "greedy", "input"]


def test_evaluations_of_something_else_are_not_replaced(analysis: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluation-sufficiency.json").write_text("mine")
    with pytest.raises(OutputError, match="belong to something else"):
        evaluate("sufficiency", DIGITS, analysis=analysis, out=tmp_path)
    assert (tmp_path / "evaluation-sufficiency.json").read_text() == "mine"
