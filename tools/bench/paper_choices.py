"""What else could be made of equation 3: layers, normalisations and weightings of the map, measured alike."""

from collections.abc import Callable

import numpy as np
from paper_subjects import SIZES, Case  # found beside this file

from onnxcausal.causal.attribution import Weighting, spatial_softmax
from onnxcausal.evaluation.maps import Explain, Floats
from onnxcausal.pipeline.evaluate import EvaluateOptions, evaluate
from onnxcausal.pipeline.explaining.attribute import open_attributor, sum_of_sizes
from onnxcausal.pipeline.heldout.subject import Subject, open_subject
from onnxcausal.pipeline.preparing.configuration import configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE
from onnxcausal.pipeline.progress import Silent


def signed(responses: Floats) -> Floats:
    """Return the sum over the children, as the paper has it."""
    return np.asarray(responses.sum(axis=1))


def positive(responses: Floats) -> Floats:
    """Return the sum of the positive responses."""
    return np.asarray(np.maximum(responses, 0).sum(axis=1))


def probabilities(responses: Floats) -> Floats:
    """Return the sum of the responses as probabilities over the places."""
    return np.asarray(spatial_softmax(responses).sum(axis=1))


REDUCTIONS = {
    "signed sum": signed,
    "sum of sizes": sum_of_sizes,
    "positive part": positive,
    "softmax over places": probabilities,
}


def choices(case: Case) -> dict[str, object]:
    """Measure stability and faithfulness of every choice on the same images."""
    configured = configure_by_name(case.model, None, case.reading, case.data)
    subject = open_subject(case.model, configured, case.analysis, HERE, Silent())
    layers = open_attributor(subject.network, subject.prepared.wiring, subject.routes[case.shown]).layers
    places = {"first layer": (layers[0],), "last layer": (layers[-1],), "all layers": ()}
    others: dict[str, Callable[[int], Explain]] = {}
    for place, chosen in places.items():
        for name, reduce in REDUCTIONS.items():
            others[f"{place}, {name}"] = _explaining(subject, chosen, reduce, Weighting.EQUAL)
        others[f"{place}, sum of sizes, weighted by effect"] = _explaining(
            subject, chosen, sum_of_sizes, Weighting.EFFECT
        )
    size = SIZES[case.name]
    options = EvaluateOptions(count=size.images, perturbations=size.perturbations, methods=("constant",), others=others)
    found = {}
    for protocol, measure in (("stability", "Lipschitz estimate"), ("faithfulness", "IROF over segments")):
        reading = {**case.reading, "targets": case.few}
        result = evaluate(protocol, case.model, str(case.data), analysis=case.analysis, options=options, **reading)
        for held in result.where(target=None, measure=measure):
            found.setdefault(held.method, {})[measure] = [held.mean, held.low, held.high]
    return {"rows": found}


def _explaining(
    subject: Subject, layers: tuple[str, ...], reduce: Callable[[Floats], Floats], weighting: Weighting
) -> Callable[[int], Explain]:
    """Return what explains a class by one choice."""

    def of_class(target: int) -> Explain:
        route = subject.routes[target]
        known = tuple(name for name in layers if (step := route.step(name)) is not None and len(step.necessary))
        attributor = open_attributor(subject.network, subject.prepared.wiring, route, layers=known, weighting=weighting)
        return lambda x: attributor.combined(attributor.responder(x), reduce)

    return of_class
