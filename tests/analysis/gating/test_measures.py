"""What gates measure, each number by hand, on records made in code."""

import pytest

from onnxcausal.analysis.comparing.comparison import ClassChange, ComparisonFile, LayerChange
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, GraphRecord, LayerRecord, NodeRecord, SkippedRecord
from onnxcausal.analysis.formats.evaluation import EvaluationFile, MeasuredRecord, Protocol
from onnxcausal.analysis.gating.measures import (
    EVALUATED,
    MEANING,
    OF_CHANGE,
    OF_LAYERS,
    GateEvidence,
    Value,
    protocol_of,
    takes_layer,
    values_of,
)
from onnxcausal.causal.significance import Role

N, Y, D, U = Role.NECESSARY, Role.NOISY, Role.DEAD, Role.UNTESTED


def node(index: int, role: Role, ate: float | None, d: float | None) -> NodeRecord:
    return NodeRecord(index=index, ate=ate, ci=None, d=d, p=None, q=None, role=role)


def layer(
    name: str, parents: int, children: int, targets: list[int], nodes: list[NodeRecord], *, groups: int | None = None
) -> LayerRecord:
    return LayerRecord.model_construct(
        name=name, parents=parents, children=children, targets=targets, nodes=nodes, groups=groups
    )


def graph(target: int, layers: list[LayerRecord], *, examined: int = 8, correct: int = 6) -> GraphRecord:
    return GraphRecord.model_construct(
        target=target, class_name=None, layers=layers, examined=examined, correct=correct
    )


@pytest.fixture
def analysis() -> AnalysisFile:
    top = [node(0, N, -4.0, -2.0), node(1, Y, 1.0, 0.5), node(2, D, 0.0, 0.0), node(3, Role.MINOR, -0.5, -0.25)]
    low = [node(0, N, -2.0, -1.0), node(1, U, None, None), node(2, Y, 3.0, None), node(3, N, -1.0, -2.5)]
    layers = [
        layer("top", 4, 3, [0, 2], top),
        layer("low", 4, 6, [0, 1, 5], low, groups=2),
        layer("cut off", 5, 2, [], []),
    ]
    constant = [layer("top", 4, 3, [1], [node(index, U, None, None) for index in range(4)])]
    skipped = [
        SkippedRecord(target=2, class_name=None, reason="none is right", examined=4, correct=1),
        SkippedRecord(target=6, class_name=None, reason="no sample"),
        SkippedRecord(target=8, class_name=None, reason="none was tried", examined=0, correct=0),
    ]
    return AnalysisFile.model_construct(
        graphs=[graph(3, layers), graph(5, constant, examined=0, correct=0)], skipped=skipped
    )


BY_HAND = {
    # Over both layers with nodes, and in the lower one alone, whose two groups have parents 0 1 | 2 3 and children
    # 0 1 2 | 3 4 5: node 0 reaches targets 0 and 1, node 3 target 5.
    "nodes": (3, 2),
    "node_share": (3 / 13, 2 / 4),
    "edges": (2 + 3, 3),
    "edge_share": (5 / (12 + 12 + 10), 3 / 12),
    "noisy": (2, 1),
    "noisy_share": (4 / 11, 3 / 6),
    "dead": (1, 0),
    "dead_share": (1 / 13, 0),
    "effect": (11.5, 6),
    "strongest": (4, 3),
    "strongest_d": (2.5, 2.5),
}


def test_every_measure_of_layers_is_counted_here() -> None:
    assert set(BY_HAND) == set(OF_LAYERS)


@pytest.mark.parametrize("measure", BY_HAND)
def test_a_measure_is_what_counting_by_hand_gives(analysis: AnalysisFile, measure: str) -> None:
    whole, of_one = BY_HAND[measure]
    for layer, by_hand in ((None, whole), ("low", of_one)):
        found = values_of(measure, GateEvidence(analysis), layer)
        assert found[0].number == pytest.approx(by_hand)
        assert (found[0].target, found[0].layer, found[0].reason) == (3, layer, "")
        assert found[1:] == [
            Value(0.0, 5, layer),
            Value(None, 2, layer, "none is right"),
            Value(None, 6, layer, "no sample"),
            Value(None, 8, layer, "none was tried"),
        ]


def test_accuracy_is_known_of_every_class_that_was_tried(analysis: AnalysisFile) -> None:
    assert values_of("accuracy", GateEvidence(analysis)) == [
        Value(0.75, 3),
        Value(0.0, 5),
        Value(0.25, 2, None, "none is right"),
        Value(None, 6, None, "no sample"),
        Value(None, 8, None, "none was tried"),
    ]


def test_a_class_of_which_only_the_samples_are_known_has_no_accuracy(analysis: AnalysisFile) -> None:
    skipped = [SkippedRecord(target=2, class_name=None, reason="stopped", examined=4)]
    held = analysis.model_copy(update={"graphs": [], "skipped": skipped})
    assert values_of("accuracy", GateEvidence(held)) == [Value(None, 2, None, "stopped")]


def test_skipped_classes_are_counted_over_the_model(analysis: AnalysisFile) -> None:
    assert values_of("skipped", GateEvidence(analysis)) == [Value(3.0)]


def number(  # one number of an evaluation
    mean: float, method: str, measure: str, *, target: int | None = 3, layer: str | None = None, at: float | None = None
) -> MeasuredRecord:
    return MeasuredRecord(
        target=target, layer=layer, method=method, at=at, measure=measure, mean=mean, interval=(0.0, 1.0), n=5
    )


def evaluated(protocol: Protocol, *records: MeasuredRecord) -> dict[Protocol, EvaluationFile]:
    other = EvaluationFile.model_construct(records=[])
    return dict.fromkeys(Protocol, other) | {protocol: EvaluationFile.model_construct(records=list(records))}


def test_sufficiency_is_that_of_the_graph_with_nothing_in_place_of_the_rest(analysis: AnalysisFile) -> None:
    held = evaluated(
        Protocol.SUFFICIENCY,
        number(0.75, "graph, zero", "AUROC"),
        number(0.5, "graph, mean", "AUROC"),
        number(0.25, "graph, zero", "accuracy"),
        number(0.9, "graph, zero", "AUROC", target=None),
        number(0.8, "graph, zero", "AUROC", target=5, at=0.5),
    )
    assert values_of("sufficiency", GateEvidence(analysis, held)) == [Value(0.75, 3), Value(0.8, 5)]


def test_fidelity_is_that_with_a_fifth_of_the_necessary_nodes_masked(analysis: AnalysisFile) -> None:
    held = evaluated(
        Protocol.FIDELITY,
        number(0.9, "critical", "class accuracy", at=0.1),
        number(0.5, "critical", "class accuracy", at=0.2),
        number(0.1, "critical", "class accuracy", at=0.4),
        number(0.7, "random", "class accuracy", at=0.2),
        number(0.6, "critical", "other accuracy", at=0.2),
        number(0.3, "critical", "class accuracy", at=0.2, target=None),
        number(0.2, "critical", "class accuracy"),
    )
    absent = Value(None, 5, None, "the evaluation has no class accuracy of it", due=True)
    assert values_of("fidelity", GateEvidence(analysis, held)) == [Value(0.5, 3), absent]
    for required, due in ((frozenset({3}), False), (frozenset({3, 5}), True)):
        (_, other) = values_of("fidelity", GateEvidence(analysis, held, required=required))
        assert other.due is due
    assert values_of("fidelity", GateEvidence(analysis, evaluated(Protocol.FIDELITY))) == []


def test_reliability_is_of_each_layer(analysis: AnalysisFile) -> None:
    held = evaluated(
        Protocol.RELIABILITY,
        number(0.9, "images alone", "appearance", layer="top"),
        number(0.7, "images alone", "appearance", layer="low"),
        number(0.6, "beta alone", "appearance", layer="low"),
        number(0.5, "images alone", "overlap", layer="low"),
        number(0.4, "images alone", "appearance", layer="low", target=5),
    )
    evidence = GateEvidence(analysis, held)
    low = [Value(0.7, 3, "low"), Value(0.4, 5, "low")]
    assert values_of("reliability", evidence) == [Value(0.9, 3, "top"), *low]
    assert values_of("reliability", evidence, "low") == low
    absent = Value(None, 5, "top", "the evaluation has no appearance of it", due=True)
    assert values_of("reliability", evidence, "top") == [Value(0.9, 3, "top"), absent]
    assert values_of("reliability", evidence, "elsewhere") == []


def test_changes_are_counted_by_class_and_a_class_without_a_graph_has_none_and_no_distance(
    analysis: AnalysisFile,
) -> None:
    def changed(target: int, distance: float | None, *beyond: int) -> ClassChange:
        layers = [LayerChange.model_construct(beyond_sampling=count) for count in beyond]
        return ClassChange.model_construct(target=target, distance=distance, layers=layers)

    comparison = ComparisonFile.model_construct(classes=[changed(3, 0.75, 2, 0, 1), changed(5, 0.0), changed(7, None)])
    evidence = GateEvidence(analysis, comparison=comparison)
    alone = Value(None, 7, None, "one of the two models has no graph of it")
    assert values_of("changed", evidence) == [Value(3.0, 3), Value(0.0, 5), alone]
    assert values_of("distance", evidence) == [Value(0.75, 3), Value(0.0, 5), alone]
    due = GateEvidence(analysis, comparison=comparison, missing={7: "the baseline has none", 9: "this one has none"})
    lost = [
        Value(None, 7, None, "the baseline has none", due=True),
        Value(None, 9, None, "this one has none", due=True),
    ]
    assert values_of("changed", due) == [Value(3.0, 3), Value(0.0, 5), *lost]
    assert values_of("distance", due) == [Value(0.75, 3), Value(0.0, 5), *lost]


def test_what_can_be_taken_of_one_layer_and_where_each_measure_comes_from() -> None:
    assert {measure for measure in MEANING if takes_layer(measure)} == {*BY_HAND, "reliability"}
    protocols = {measure: protocol for measure in MEANING if (protocol := protocol_of(measure)) is not None}
    assert protocols == {
        "sufficiency": Protocol.SUFFICIENCY,
        "fidelity": Protocol.FIDELITY,
        "reliability": Protocol.RELIABILITY,
    }
    assert set(MEANING) == {*OF_LAYERS, *EVALUATED, *OF_CHANGE, "accuracy", "skipped"}
    assert set(OF_CHANGE) == {"changed", "distance"}
