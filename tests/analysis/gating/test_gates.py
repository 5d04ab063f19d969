"""Conditions on an analysis, each measure against a count by hand."""

import dataclasses
from pathlib import Path

import pytest

from onnxcausal import analyze
from onnxcausal.analysis.comparing.comparison import ComparisonFile
from onnxcausal.analysis.formats.analysis_file import AnalysisFile, SkippedRecord, to_record
from onnxcausal.analysis.formats.evaluation import EvaluationFile, MeasuredRecord, Protocol
from onnxcausal.analysis.gating.checks import Status
from onnxcausal.analysis.gating.gates import check_gates, parse_gate
from onnxcausal.analysis.gating.measures import MEANING, GateEvidence
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.causal.significance import Role
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyze(SHIPPED / "digits_lenet.onnx", targets=[3, 7], samples=20)


@pytest.fixture(scope="module")
def record(analysis: Analysis) -> AnalysisFile:
    named = dataclasses.replace(analysis, class_names=tuple(f"digit {number}" for number in range(10)))
    skipped = SkippedRecord(target=9, class_name="digit 9", reason="none is right", examined=50, correct=1)
    return to_record(named).model_copy(update={"skipped": [skipped]})


def values(record: AnalysisFile, measure: str) -> dict[int | None, float]:
    """Return a measure by class, read from the message of a gate that always fails."""
    checks = check_gates([parse_gate(f"{measure} > -1", "test")], GateEvidence(record))
    return {
        check.target: float(check.message.split(" is ")[1].split(",")[0])
        for check in checks
        if check.status is Status.FAILED
    }


def test_counts_are_those_of_the_graph(analysis: Analysis, record: AnalysisFile) -> None:
    for graph in analysis.graphs:
        by_role = {role: sum(len(layer.having(role)) for layer in graph.layers) for role in Role}
        edges = sum(len(list(layer.edges())) for layer in graph.layers)
        parents = sum(len(layer.connected) for layer in graph.layers)
        every = sum(shape.parents * shape.children for shape in analysis.layers.values())
        expected = {
            "nodes": by_role[Role.NECESSARY],
            "node_share": by_role[Role.NECESSARY] / parents,
            "noisy": by_role[Role.NOISY],
            "dead": by_role[Role.DEAD],
            "dead_share": by_role[Role.DEAD] / parents,
            "edges": edges,
            "edge_share": edges / every,
            "accuracy": graph.correct / graph.examined,
        }
        for measure, value in expected.items():
            assert values(record, measure)[graph.target] == pytest.approx(value, rel=1e-3)


def test_effects_are_sums_over_nodes(analysis: Analysis, record: AnalysisFile) -> None:
    for graph in analysis.graphs:
        top = graph.layers[0]
        noisy = sum(float(layer.ate[layer.having(Role.NOISY)].sum()) for layer in graph.layers)
        necessary = sum(float(-layer.ate[layer.necessary].sum()) for layer in graph.layers)
        assert values(record, "noisy_share")[graph.target] == pytest.approx(noisy / (noisy + necessary), rel=1e-3)
        for measure, value in (
            ("effect", abs(top.ate).sum()),
            ("strongest", abs(top.ate).max()),
            ("strongest_d", abs(top.ate).max() / graph.observed.std(ddof=1)),
        ):
            found = check_gates(
                [parse_gate(f"{measure}[{graph.target}, {top.name}] < 0", "test")], GateEvidence(record)
            )
            (check,) = found
            assert check.message.startswith(f"{measure} in {top.name} is {value:.4g}")
            assert check.layer == top.name


def test_edges_of_groups_stay_within_them(analysis: Analysis) -> None:
    held = to_record(analysis)
    layer = held.graphs[0].layers[0]
    nodes = [node.model_copy(update={"role": Role.NECESSARY}) for node in layer.nodes]
    grouped = layer.model_copy(update={"groups": 2, "targets": [0, 9], "nodes": nodes})
    graph = held.graphs[0].model_copy(update={"layers": [grouped]})
    assert values(held.model_copy(update={"graphs": [graph]}), "edges")[3] == 84


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("accuracy[3] < 0.5", Status.PASSED),
        ("accuracy[3] < 100%", Status.FAILED),
        ("accuracy[digit 3] >= 0.5", Status.FAILED),
        ("  nodes [ 3 ]<=0 ", Status.PASSED),
        ("dead[3] != 0", Status.FAILED),
        ("skipped > 0", Status.FAILED),
        ("skipped == 2", Status.PASSED),
        ("accuracy[9] < 0.1", Status.FAILED),
        ("nodes[9] > 1e9", Status.FAILED),
    ],
)
def test_a_gate_fails_where_its_condition_holds(record: AnalysisFile, text: str, status: Status) -> None:
    (check,) = check_gates([parse_gate(text, "test")], GateEvidence(record))
    assert check.status is status, check.message
    assert check.name == text.strip()


def test_each_class_is_held_to_a_gate_by_itself(record: AnalysisFile) -> None:
    for text in ("nodes > 1", "nodes[*] > 1"):
        checks = check_gates([parse_gate(text, "test")], GateEvidence(record))
        assert [(check.target, check.status) for check in checks] == [
            (3, Status.FAILED),
            (7, Status.FAILED),
            (9, Status.SKIPPED),
        ]
        assert checks[2].message == "none is right"
        assert checks[0].title == "3 (digit 3)"


def test_a_layer_alone_is_of_every_class_whatever_its_name(record: AnalysisFile) -> None:
    hostile = "a], [b > 1 \x1b[31m"
    graphs = [
        graph.model_copy(update={"layers": [graph.layers[0].model_copy(update={"name": hostile})]})
        for graph in record.graphs
    ]
    renamed = record.model_copy(update={"graphs": graphs})
    for text in (f"nodes[{hostile}] > 0", f"nodes[*, {hostile}] > 0"):
        checks = check_gates([parse_gate(text, "test")], GateEvidence(renamed))
        assert [check.target for check in checks] == [3, 7, 9]
        assert checks[0].layer == hostile


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("noisy_share", "not of the form"),
        ("noisy_share > ", "not of the form"),
        ("noisy_share > much", "is no number"),
        ("noisy_share > nan", "is no number"),
        ("noisy_share > inf", "is no number"),
        ("__import__('os') > 1", "not of the form"),
        ("nodes > 1 or 1", "not of the form"),
        ("skipped[3] > 1", "whole model"),
        ("", "not of the form"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        parse_gate(text, "--fail-on")
    assert why in caught.value.why


def test_an_unknown_measure_is_answered_with_a_known_one() -> None:
    with pytest.raises(ConfigError, match="unknown measure") as caught:
        parse_gate("noisyshare > 1", "--fail-on")
    assert caught.value.remedy == "did you mean 'noisy_share'?"
    assert all(name in caught.value.why for name in MEANING)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nodes[4] > 1", "unknown class '4'"),
        ("nodes[3, /fc9/Gemm] > 1", "unknown layer '/fc9/Gemm'"),
        ("accuracy[3, /fc3/Gemm] < 1", "cannot be read"),
    ],
)
def test_what_was_not_analysed_is_refused(record: AnalysisFile, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_gates([parse_gate(text, "test")], GateEvidence(record))
    assert what in caught.value.what


def with_names(record: AnalysisFile, names: list[str | None], layer: str = "dense") -> AnalysisFile:
    """Return the record with other names: of its two graphs, of the class left out, and of its top layer."""
    graphs = [
        graph.model_copy(update={"class_name": name, "layers": [graph.layers[0].model_copy(update={"name": layer})]})
        for graph, name in zip(record.graphs, names, strict=False)
    ]
    skipped = [entry.model_copy(update={"class_name": names[2]}) for entry in record.skipped]
    return record.model_copy(update={"graphs": graphs, "skipped": skipped})


def checked(record: AnalysisFile, text: str) -> list[tuple[int | None, str | None]]:
    checks = check_gates([parse_gate(text, "test")], GateEvidence(record))
    return [(check.target, check.layer) for check in checks]


def test_a_name_of_two_classes_names_none(record: AnalysisFile) -> None:
    twins = with_names(record, ["cat", "cat", "dog"])
    with pytest.raises(ConfigError, match="'cat' stands for several classes"):
        check_gates([parse_gate("accuracy[cat] < 0.5", "test")], GateEvidence(twins))
    assert checked(twins, "accuracy[dog] < 0.5") == [(9, None)]
    # The name of one class is the index of another.
    numbers = with_names(record, ["a", "3", "b"])
    with pytest.raises(ConfigError, match="'3' stands for several classes"):
        check_gates([parse_gate("accuracy[3] < 0.5", "test")], GateEvidence(numbers))
    assert checked(numbers, "accuracy[name=3] < 0.5") == [(7, None)]
    assert checked(numbers, "accuracy[index=3] < 0.5") == [(3, None)]


def test_a_class_that_was_not_analysed_may_be_meant_too(record: AnalysisFile) -> None:
    numbers = with_names(record, ["10", "4", "11"])
    others: dict[int, str | None] = dict.fromkeys(range(10))
    assert checked(numbers, "accuracy[4] < 0.5") == [(7, None)]
    for text in ("accuracy[4] < 0.5", "nodes[4, dense] > 1"):
        with pytest.raises(ConfigError, match="'4' stands for several classes"):
            check_gates([parse_gate(text, "test")], GateEvidence(numbers, classes=others))
    with pytest.raises(ConfigError, match="unknown class 'index=4'"):
        check_gates([parse_gate("accuracy[index=4] < 0.5", "test")], GateEvidence(numbers, classes=others))


def test_names_of_classes_and_layers_may_have_commas(record: AnalysisFile) -> None:
    held = with_names(record, ["tench, Tinca", "b", "c"], layer="conv, dense")
    assert checked(held, "accuracy[tench, Tinca] < 0.5") == [(3, None)]
    assert checked(held, "nodes[tench, Tinca, conv, dense] > 1") == [(3, "conv, dense")]
    assert checked(held, "nodes[b, conv, dense] > 1") == [(7, "conv, dense")]


def test_an_index_that_is_the_name_of_a_layer_too_is_the_class_where_no_layer_can_be(record: AnalysisFile) -> None:
    held = with_names(record, [None, None, None], layer="3")
    assert checked(held, "accuracy[3] < 0.5") == [(3, None)]
    assert checked(held, "nodes[3] > 1e9") == [(3, "3"), (7, "3"), (9, "3")]
    assert checked(held, "nodes[7, 3] > 1e9") == [(7, "3")]


def test_the_name_of_a_class_may_hold_what_selects_a_layer(record: AnalysisFile) -> None:
    held = with_names(record, ["cat", None, None])
    assert checked(held, "nodes[ cat ,  dense ] > 1e9") == [(3, "dense")]
    assert checked(held, "nodes[*, dense] > 1e9") == [(3, "dense"), (7, "dense"), (9, "dense")]
    assert checked(held, "nodes[dense] > 1e9") == [(3, "dense"), (7, "dense"), (9, "dense")]


@pytest.mark.parametrize(
    ("sign", "fails"),
    [("<", (True, False, False)), ("<=", (True, True, False)), ("==", (False, True, False)),
     ("!=", (True, False, True)), (">=", (False, True, True)), (">", (False, False, True))],
)  # fmt: skip
def test_each_operator_is_the_comparison_it_says(sign: str, fails: tuple[bool, bool, bool]) -> None:
    gate = parse_gate(f"nodes {sign} 0.5", "test")
    assert tuple(gate.fails(number) for number in (0.25, 0.5, 0.75)) == fails
    assert gate.sign == sign


@pytest.mark.parametrize(
    ("written", "number"), [("0.5", 0.5), ("-2", -2.0), ("12.5%", 0.125), ("1e-3", 1e-3), ("-50%", -0.5)]
)
def test_thresholds_are_numbers_or_percentages(written: str, number: float) -> None:
    assert parse_gate(f"nodes > {written}", "test").threshold == number


def test_what_is_said_of_a_gate_names_layer_number_and_condition(record: AnalysisFile) -> None:
    held = with_names(record, ["cat", None, "dog"])
    gates = [parse_gate(text, "test") for text in ("nodes[*, dense] >= 12.5%", "accuracy[dog] < 1e-3", "skipped > 0")]
    checks = check_gates(gates, GateEvidence(held))
    of_layers, accuracy, skipped = checks[:3], checks[3], checks[4]
    necessary = sum(node.role is Role.NECESSARY for node in held.graphs[0].layers[0].nodes)
    assert of_layers[0].message == f"nodes in dense is {necessary:.4g}, must not be >= 0.125"
    assert (of_layers[0].rule, of_layers[0].name) == ("nodes", "nodes[*, dense] >= 12.5%")
    assert [check.title for check in of_layers] == ["3 (cat)", "7", "9 (dog)"]
    assert accuracy.message == "accuracy is 0.02, must not be < 0.001"
    assert (accuracy.status, accuracy.title) == (Status.PASSED, "9 (dog)")
    assert (skipped.target, skipped.title, skipped.layer) == (None, "", None)


def test_labels_that_the_model_made_itself_fail_whatever_they_say(record: AnalysisFile) -> None:
    made_up = record.model_copy(update={"data": record.data.model_copy(update={"synthetic": True})})
    measured = EvaluationFile.model_construct(
        records=[
            MeasuredRecord(
                target=3, layer=None, method="graph, zero", at=None, measure="AUROC", mean=1.0, interval=(1, 1), n=5
            )
        ]
    )
    evidence = GateEvidence(made_up, {Protocol.SUFFICIENCY: measured})
    own = "no data: the labels are the model's own"
    for text in ("accuracy[3] < 0", "sufficiency[3] < 0"):
        (check,) = check_gates([parse_gate(text, "test")], evidence)
        assert (check.status, check.message) == (Status.FAILED, own)
    (check,) = check_gates([parse_gate("dead[3] < 0", "test")], evidence)
    assert check.status is Status.PASSED
    assert check.message.endswith(", must not be < 0, on made-up inputs")


def test_a_regression_is_right_on_everything_so_that_its_accuracy_fails(record: AnalysisFile) -> None:
    settings = dataclasses.replace(record.settings, task=Task.REGRESSION)
    values = GateEvidence(record.model_copy(update={"settings": settings}))
    (check,) = check_gates([parse_gate("accuracy[3] < 0", "test")], values)
    assert check.status is Status.FAILED
    assert check.message == "the task is regression: whatever the model says counts as right"
    (check,) = check_gates([parse_gate("nodes[3] < 0", "test")], values)
    assert check.status is Status.PASSED


def test_a_number_that_was_read_says_so_and_no_other(record: AnalysisFile) -> None:
    evidence = GateEvidence(record, sources={"nodes": "read from a file"})
    read, measured = check_gates([parse_gate(f"{name}[3] < 0", "test") for name in ("nodes", "dead")], evidence)
    assert read.message.endswith(", must not be < 0 (read from a file)")
    assert measured.message.endswith(", must not be < 0")


def test_a_class_that_must_be_compared_and_is_not_fails_by_every_gate_of_change(record: AnalysisFile) -> None:
    comparison = ComparisonFile.model_construct(classes=[])
    evidence = GateEvidence(record, comparison=comparison, missing={3: "lost"})
    for measure in ("changed", "distance"):
        (check,) = check_gates([parse_gate(f"{measure} > 9", "test")], evidence)
        assert (check.status, check.message, check.target) == (Status.FAILED, "lost", 3)


def test_a_gate_on_what_no_evaluation_holds_is_refused(record: AnalysisFile) -> None:
    held = GateEvidence(record, {Protocol.RELIABILITY: EvaluationFile.model_construct(records=[])})
    with pytest.raises(ConfigError, match="nothing to measure") as caught:
        check_gates([parse_gate("reliability[3] < 0.5", "test")], held)
    assert "reliability" in caught.value.why
    assert caught.value.where == "reliability[3] < 0.5"


def test_what_is_refused_says_where_and_what_would_do(record: AnalysisFile) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_gate("zzzz > 1", "--fail-on")
    assert caught.value.where == "--fail-on: zzzz > 1"
    assert caught.value.remedy == "use one of them"
    layer = record.graphs[0].layers[0].name
    for text, remedy in ((f"nodes[3, {layer}x] > 1", f"did you mean {layer!r}?"), ("nodes[3, 0] > 1", "use a name")):
        with pytest.raises(ConfigError) as caught:
            check_gates([parse_gate(text, "test")], GateEvidence(record))
        assert caught.value.where == text
        assert caught.value.remedy.startswith(remedy)
        assert all(held.name in caught.value.why for held in record.graphs[0].layers)
    with pytest.raises(ConfigError) as caught:
        check_gates([parse_gate("nodes[zebra] > 1", "test")], GateEvidence(record))
    assert "3 (digit 3), 7 (digit 7), 9 (digit 9)" in caught.value.why
