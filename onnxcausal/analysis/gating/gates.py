"""Gates: conditions under which a model must not pass, like `noisy_share > 0.3` or `accuracy[3] < 0.9`.

    measure op number
    measure[class] op number
    measure[class, layer] op number

A class is an index, a name, or `*` for every one, as without it (`class_lookup.py` tells which class is meant); a layer
is the name of an op. Each class is held to the condition by itself.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnxcausal.analysis.formats.analysis_file import AnalysisFile, left_out_in
from onnxcausal.analysis.gating.checks import Check, Status
from onnxcausal.analysis.gating.measures import (
    MEANING,
    OF_CLASSES,
    OF_LABELS,
    OF_LAYERS,
    OF_MODEL,
    GateEvidence,
    Value,
    takes_layer,
    values_of,
)
from onnxcausal.analysis.result.analysis import titled
from onnxcausal.analysis.result.class_lookup import class_of, readings
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, nearest

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
FORM = re.compile(r"\s*([A-Za-z_]+)\s*(?:\[(.*)\])?\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*", re.DOTALL)
"""A layer's name may hold anything: what ends it is the last bracket before the operator."""
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition under which a model must not pass.

    Attributes:
        text: as it was written.
        measure: what is measured.
        selector: class and layer as they were written; empty for every class.
        sign: the operator.
        threshold: the number.
    """

    text: str
    measure: str
    selector: str
    sign: str
    threshold: float

    def fails(self, number: float) -> bool:
        """Return whether the condition is met, which is a failure."""
        return OPERATORS[self.sign](number, self.threshold)


def parse_gate(text: str, where: str) -> Gate:
    """Return the gate that a user wrote.

    Args:
        text: what was written.
        where: where it stands, for the error.

    Raises:
        ConfigError: it is no condition, or of a measure that does not exist.

    >>> gate = parse_gate("effect[3, /fc3/Gemm] < 5.5", "--fail-on")
    >>> gate.measure, gate.selector, gate.sign, gate.threshold
    ('effect', '3, /fc3/Gemm', '<', 5.5)
    """
    match = FORM.fullmatch(text)
    if match is None:
        raise _unreadable(text, where, "it is not of the form MEASURE[CLASS, LAYER] OPERATOR NUMBER")
    measure, selector, sign, number = match.groups()
    if measure not in MEANING:
        near = nearest(measure, MEANING)
        raise ConfigError(
            f"unknown measure {measure!r}",
            where=f"{where}: {text}",
            why=f"known are {', '.join(MEANING)}",
            remedy=f"did you mean {near!r}?" if near else "use one of them",
        )
    threshold = _number(number)
    if threshold is None:
        raise _unreadable(text, where, f"{number!r} is no number")
    if selector is not None and measure in OF_MODEL:
        raise _unreadable(text, where, f"{measure} is of the whole model and of no class")
    return Gate(text.strip(), measure, (selector or "").strip(), sign, threshold)


def check_gates(gates: Iterable[Gate], evidence: GateEvidence) -> tuple[Check, ...]:
    """Return what comes of each gate, class by class.

    Raises:
        ConfigError: a gate is of a class or layer that was not analysed, or of a number that nothing holds.
    """
    return tuple(check for gate in gates for check in _checks(gate, evidence))


def _checks(gate: Gate, evidence: GateEvidence) -> Iterator[Check]:
    target, layer = _selected(gate, evidence)
    if layer is not None and layer in left_out_in(evidence.analysis):
        why = "the layer was left out of the analysis: nothing is known of it"
        values = [Value(None, graph.target, layer, why, due=True) for graph in evidence.analysis.graphs]
    else:
        values = values_of(gate.measure, evidence, layer)
    values = [value for value in values if target in (None, value.target)]
    if not values:
        raise ConfigError(
            "a gate has nothing to measure",
            where=gate.text,
            why=f"no number of {gate.measure} is recorded for it",
            remedy="correct class and layer, or evaluate again with the classes, layers and portions it needs",
        )
    names = _analysed(evidence)
    for value in values:
        status, message = _judged(gate, value, evidence, asked=target is not None)
        title = "" if value.target is None else titled(value.target, names.get(value.target))
        yield Check(gate.measure, gate.text, status, message, value.target, title, value.layer)


def _judged(gate: Gate, value: Value, evidence: GateEvidence, *, asked: bool) -> tuple[Status, str]:
    """Return what comes of one number; a class that was asked for, or must have one, fails without."""
    if value.number is None:
        return Status.FAILED if asked or value.due else Status.SKIPPED, value.reason
    if empty := _says_nothing(gate.measure, evidence.analysis):
        return Status.FAILED, empty
    at = "" if value.layer is None else f" in {value.layer}"
    status = Status.FAILED if gate.fails(value.number) else Status.PASSED
    told = f"{gate.measure}{at} is {value.number:.4g}, must not be {gate.sign} {gate.threshold:g}"
    left_out = left_out_in(evidence.analysis) if gate.measure in OF_LAYERS and value.layer is None else ()
    without = f", without {len(left_out)} layer(s) left out" if left_out else ""
    on = ", on made-up inputs" if evidence.analysis.data.synthetic else ""
    source = evidence.sources.get(gate.measure)
    return status, told + without + on + (f" ({source})" if source else "")


def _says_nothing(measure: str, analysis: AnalysisFile) -> str:
    """Return why a number is what it is whatever the model does; empty where it is not."""
    if measure in OF_LABELS and analysis.data.synthetic:
        return "no data: the labels are the model's own"
    if measure in OF_CLASSES and analysis.settings.task is Task.REGRESSION:
        return "the task is regression: whatever the model says counts as right"
    return ""


def _selected(gate: Gate, evidence: GateEvidence) -> tuple[int | None, str | None]:
    """Return the class and the layer that a gate names; None for all of them."""
    if not gate.selector:
        return None, None
    layers = {layer.name for graph in evidence.analysis.graphs for layer in graph.layers}
    if gate.selector in layers and takes_layer(gate.measure):
        return None, gate.selector
    named, comma, layer = _parted(gate, evidence, layers)
    target = _class(gate, named.strip(), evidence)
    if not comma:
        return target, None
    if not takes_layer(gate.measure):
        raise _unreadable(gate.text, "gate", f"{gate.measure} is of a class and of no layer")
    if layer.strip() not in layers:
        near = nearest(layer.strip(), layers)
        raise ConfigError(
            f"unknown layer {layer.strip()!r}",
            where=gate.text,
            why=f"the layers are {', '.join(sorted(layers)[:8])}",
            remedy=f"did you mean {near!r}?" if near else "use a name in analysis.json",
        )
    return target, layer.strip()


def _parted(gate: Gate, evidence: GateEvidence, layers: set[str]) -> tuple[str, str, str]:
    """Return class, comma and layer of a selector, either of which may have commas in its name."""
    if readings(gate.selector, _classes(evidence)):
        return gate.selector, "", ""
    for place in (found.start() for found in re.finditer(",", gate.selector)):
        if gate.selector[place + 1 :].strip() in layers:
            return gate.selector[:place], ",", gate.selector[place + 1 :]
    return gate.selector.partition(",")


def _classes(evidence: GateEvidence) -> dict[int, str | None]:
    """Return the name of each class that is known: of the model, and of those that were analysed."""
    return {**evidence.classes, **_analysed(evidence)}


def _analysed(evidence: GateEvidence) -> dict[int, str | None]:
    """Return the name of each class that was analysed, or was to be."""
    analysis = evidence.analysis
    graphs = {graph.target: graph.class_name for graph in analysis.graphs}
    return graphs | {entry.target: entry.class_name for entry in analysis.skipped}


def _class(gate: Gate, text: str, evidence: GateEvidence) -> int | None:
    if text == EVERY:
        return None
    analysed = _analysed(evidence)
    shown = ", ".join(titled(target, name) for target, name in list(analysed.items())[:10])
    return class_of(
        text,
        _classes(evidence),
        where=gate.text,
        offered=analysed,
        why=f"analysed are {shown}",
        remedy="give the index or the name of one of them, or * for every class",
    )


def _number(text: str) -> float | None:
    percent = text.endswith("%")
    try:
        found = float(text.removesuffix("%"))
    except ValueError:
        return None
    return None if not math.isfinite(found) else found / 100 if percent else found


def _unreadable(text: str, where: str, why: str) -> ConfigError:
    return ConfigError(
        "a gate cannot be read",
        where=f"{where}: {text}",
        why=why,
        remedy="write it like 'noisy_share > 0.3' or 'accuracy[3] < 0.9'",
    )
