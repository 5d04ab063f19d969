"""Stability and faithfulness: maps of the causal graphs beside other explanations (Ahmad et al. 2023, sec. 5.2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from onnxcausal.analysis.formats.evaluation import EstimateRecord
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError
from onnxcausal.evaluation.blackbox import constant, edges, occlusion, rise, rise_masks
from onnxcausal.evaluation.faithfulness import Segments, area_over_curve, greedy_order, order_of, superpixels
from onnxcausal.evaluation.intervals import Estimate, mean_of
from onnxcausal.evaluation.maps import Explain, Floats, Predict
from onnxcausal.evaluation.stability import lipschitz_estimates
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.pipeline.explaining.attribute import open_attributor
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.progress import Progress
from onnxcausal.pipeline.protocols.numbers import numbers, over_classes
from onnxcausal.samples.planes import Planes, planes_of
from onnxcausal.samples.source import Inputs

CAUSAL, OCCLUSION, RISE, EDGES, CONSTANT, RANDOM = "causal", "occlusion", "rise", "edges", "constant", "random"
GREEDY = "greedy"
"""The order of segments that takes most of the prediction at every step: it knows the answer, and has no map."""
METHODS = (CAUSAL, OCCLUSION, RISE, EDGES, CONSTANT, RANDOM, GREEDY)
"""Explanation methods, in the order in which they are shown."""
LIPSCHITZ, AREA, AREA_SHARE = "Lipschitz estimate", "IROF", "IROF over segments"


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How maps are evaluated.

    Attributes:
        methods: explanation methods; `greedy`, which has no map, is for faithfulness alone.
        count: held-out images of each class.
        perturbations: noisy copies of each image.
        sd: standard deviation of the noise, in the unit of the model's input.
        masks: masks of RISE.
        layer: the layer the causal maps are of; None: all that have places.
        others: further methods to compare with, by name: what explains a class, by its index.
    """

    methods: tuple[str, ...] = METHODS
    count: int = 10
    perturbations: int = 50
    sd: float = 0.1
    masks: int = 500
    layer: str | None = None
    others: Mapping[str, Callable[[int], Explain]] = field(default_factory=dict)


def stability(subject: Subject, options: MapOptions, progress: Progress) -> Iterator[EstimateRecord]:
    """Yield the mean local Lipschitz estimate of each method, by class and over all; lower is more stable.

    As for faithfulness, on held-out images that the model decides as the class.
    """

    def of_class(target: int, x: Inputs, planes: Planes) -> Mapping[tuple[str, str], Floats]:
        rng = [subject.prepared.settings.seed, target, 7]
        explainers = methods_of(subject, target, planes, options, x.shape)
        return {
            # Every method sees the same noise.
            (name, LIPSCHITZ): lipschitz_estimates(
                explain, x, perturbations=options.perturbations, sd=options.sd, rng=np.random.default_rng(rng)
            )
            for name, explain in explainers.items()
        }

    yield from _each_class(subject, options, of_class, progress)


def faithfulness(subject: Subject, options: MapOptions, progress: Progress) -> Iterator[EstimateRecord]:
    """Yield the area over the curve of the prediction for each method, by class and over all; higher is better."""

    def of_class(target: int, x: Inputs, planes: Planes) -> Mapping[tuple[str, str], Floats]:
        predict = partial(probability, subject.network, target)
        segments = superpixels(x, planes)
        found: dict[tuple[str, str], Floats] = {}
        for name, explain in methods_of(subject, target, planes, options, x.shape).items():
            maps = explain(x)
            orders = [order_of(each, parts) for each, parts in zip(maps, segments, strict=True)]
            found |= _areas(name, predict, x, planes, segments=segments, orders=orders)
        if GREEDY in options.methods:
            best = [greedy_order(predict, x[n : n + 1], planes, parts) for n, parts in enumerate(segments)]
            found |= _areas(GREEDY, predict, x, planes, segments=segments, orders=best)
        return found

    yield from _each_class(subject, options, of_class, progress)


def methods_of(
    subject: Subject, target: int, planes: Planes, options: MapOptions, shape: tuple[int, ...]
) -> dict[str, Explain]:
    """Return the explanation methods that make maps, for one class, by name.

    Args:
        subject: what is evaluated.
        target: the class.
        planes: where rows, columns and channels of an image stand.
        options: which methods, and how.
        shape: of the inputs.

    Raises:
        ConfigError: there is no such method, or no such layer.
    """
    network, seed = subject.network, subject.prepared.settings.seed
    height, width = planes.last(np.empty((1, *shape[1:]), np.float32)).shape[1:3]
    probable = partial(probability, network, target)
    layers = () if options.layer is None else (options.layer,)
    noise = np.random.default_rng([seed, target, 8])
    known: dict[str, Callable[[], Explain]] = {
        CAUSAL: lambda: open_attributor(network, subject.prepared.wiring, subject.routes[target], layers=layers),
        OCCLUSION: lambda: partial(occlusion, partial(score, network, target), planes=planes),
        RISE: lambda: partial(
            rise,
            probable,
            planes=planes,
            masks=rise_masks(height, width, options.masks, np.random.default_rng([seed, 9])),
        ),
        EDGES: lambda: partial(edges, planes=planes),
        CONSTANT: lambda: partial(constant, planes=planes),
        RANDOM: lambda: lambda x: noise.random((len(x), height, width)),
    }
    unknown = [name for name in options.methods if name not in METHODS]
    if unknown:
        raise ConfigError(
            f"unknown method {unknown[0]!r}",
            where="--methods",
            why=f"known are {', '.join(METHODS)}",
            remedy="choose among them, separated by commas",
        )
    own = {name: known[name]() for name in options.methods if name in known}
    return own | {name: explaining(target) for name, explaining in options.others.items()}


def score(network: Network, target: int, x: Inputs) -> Floats:
    """Return the score of a class, `[samples]`."""
    return network.scores(x)[:, target].astype(np.float64)


def probability(network: Network, target: int, x: Inputs) -> Floats:
    """Return the probability of a class, `[samples]`: softmax where several compete, else sigmoid of its score."""
    scores = network.scores(x).astype(np.float64)
    if network.task not in (Task.CLASSIFICATION, Task.EMBEDDING):
        return np.asarray(special.expit(scores[:, target]))
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds[:, target] / odds.sum(axis=1))


def _areas(
    name: str,
    predict: Predict,
    x: Inputs,
    planes: Planes,
    *,
    segments: Sequence[Segments],
    orders: Sequence[NDArray[np.int64]],
) -> dict[tuple[str, str], Floats]:
    """Return the areas over the curves of all images, and over their numbers of segments."""
    areas = [
        area_over_curve(predict, x[number : number + 1], planes, parts, order)
        for number, (parts, order) in enumerate(zip(segments, orders, strict=True))
    ]
    return {
        (name, AREA): np.array([area.area for area in areas]),
        (name, AREA_SHARE): np.array([area.share for area in areas]),
    }


def _each_class(
    subject: Subject,
    options: MapOptions,
    of_class: Callable[[int, Inputs, Planes], Mapping[tuple[str, str], Floats]],
    progress: Progress,
) -> Iterator[EstimateRecord]:
    """Yield the means over the images of each class, and over the images of all classes."""
    whole: dict[tuple[str, str], list[Floats]] = {}
    # The probability of a class that the model does not decide is next to nothing, and no ratio to it means much.
    for route, x in subject.each(options.count, progress, decided=True):
        target = route.target
        planes = planes_of(x.shape)
        if planes is None:
            raise _no_images(subject, x)
        for (name, measure), values in of_class(target, x, planes).items():
            whole.setdefault((name, measure), []).append(values)
            yield numbers(mean_of(values), name, measure, target=target)
    for (name, measure), parts in whole.items():
        together: Estimate = mean_of(over_classes(np.concatenate(parts).tolist()))
        yield numbers(together, name, measure)


def _no_images(subject: Subject, x: Inputs) -> ConfigError:
    return ConfigError(
        "this protocol is for images",
        where=f"{subject.network.model.name}, input {subject.network.spec}",
        why=f"one input is {list(x.shape[1:])}, without rows, columns and channels",
        remedy="evaluate reliability, fidelity or sufficiency, which take any input",
    )
