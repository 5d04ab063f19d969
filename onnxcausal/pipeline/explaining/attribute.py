"""Attributions of inputs from a route through the network (Ahmad et al. 2023, sec. 4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.attribution import Weighting, parent_weights, resized
from onnxcausal.causal.outcome import Floats
from onnxcausal.causal.route import Route, Step
from onnxcausal.errors import ConfigError, NothingToAnalyseError
from onnxcausal.evaluation.maps import scaled
from onnxcausal.onnxgraph.engine.responses import Responder, ResponseRequest, reads_input
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.network.wiring import Wiring
from onnxcausal.samples.planes import spaces_of
from onnxcausal.samples.source import Inputs

Reduce = Callable[[Floats], Floats]
"""One map of the responses of a layer's children, `[samples, children, ...]`."""


@dataclass(frozen=True, slots=True, eq=False)
class Attributor:
    """Computes attributions for one class.

    Attributes:
        target: the class.
        layers: layers of the route that have places, from the input to the outcome.
        nodes: the children of each whose responses are shown, by the layer's name.
        space: the input's places: height and width, or length.
        responder: computes the responses.
    """

    target: int
    layers: tuple[str, ...]
    nodes: Mapping[str, NDArray[np.int64]]
    space: tuple[int, ...]
    responder: Responder

    def __call__(self, x: Inputs) -> Floats:
        """Return one map per input, `[samples, height, width]` or `[samples, length]`.

        In each layer the sizes of its responses are summed over the children and divided by their maximum over the
        places; the map is the mean over the layers.

        *Note*: the paper sums signed responses of one layer. Over LeNet-5 and ResNet-20 the sum of sizes over all
        layers was as faithful as the best single layer of either network, and more stable (tools/bench/RESULTS.md).
        """
        size = self.responder.batch
        parts = [self.combined(self.responder(x[start : start + size])) for start in range(0, len(x), size)]
        return np.concatenate(parts)

    def combined(self, responses: Mapping[str, Floats], reduce: Reduce | None = None) -> Floats:
        """Return the mean over the layers of one map each, as `reduce` makes it of responses."""
        reduce = reduce or sum_of_sizes
        maps = [scaled(in_space(reduce(responses[name]), self.space)) for name in self.layers]
        return np.asarray(np.mean(maps, axis=0))


def sum_of_sizes(responses: Floats) -> Floats:
    """Return the sum over the children of the absolute responses, `[samples, ...]`."""
    return np.asarray(np.abs(responses).sum(axis=1))


def open_attributor(
    network: Network,
    wiring: Wiring,
    route: Route,
    *,
    layers: Sequence[str] = (),
    weighting: Weighting = Weighting.EQUAL,
) -> Attributor:
    """Return what computes attributions of one class.

    Args:
        network: the model.
        wiring: its layers and flow.
        route: the causal graph of the class.
        layers: those to use; none given: all that have places.
        weighting: how much each necessary parent counts.

    Raises:
        ConfigError: a layer is not in the graph, or has no places.
        NothingToAnalyseError: no layer of the graph has places.
    """
    # Side by side inputs have no places; those of each of them do.
    inputs = network.joined or (network.spec.name,)
    spaces = [space for name in inputs for space in spaces_of(wiring.trace.shapes[name])]
    space, asked = spaces[0], dict[str, ResponseRequest]()
    for space in spaces:
        asked = _asked_of_all(network, wiring, route, space, weighting)
        if asked:
            break
    missing = [name for name in layers if name not in asked]
    if missing:
        raise _no_such_layer(missing[0], route, list(asked))
    if not asked:
        raise _no_places(route, space)
    asked = {name: wanted for name, wanted in asked.items() if not layers or name in layers}
    nodes = {name: wanted.children for name, wanted in asked.items()}
    return Attributor(route.target, tuple(asked), nodes, space, Responder(network, wiring, asked))


def _asked_of_all(
    network: Network, wiring: Wiring, route: Route, space: tuple[int, ...], weighting: Weighting
) -> dict[str, ResponseRequest]:
    """Return what is wanted of every layer of a route whose responses have places of a kind."""
    asked = {}
    for layer in wiring.flow.layers:
        step = route.step(layer.name)
        if step is None:
            continue
        if len(step.ate) != len(wiring.flow.nodes[layer.name]) or step.targets.max(initial=0) >= layer.children:
            raise _of_another_shape(layer, route)
        if not len(step.necessary) or not len(step.targets):
            continue
        wanted = _asked(network, wiring, layer, step, space=space, weighting=weighting)
        if wanted is not None:
            asked[layer.name] = wanted
    return asked


def in_space(maps: Floats, space: tuple[int, ...]) -> Floats:
    """Return maps `[..., places]` over the input's places, bilinear, or linear along one axis."""
    if maps.shape[-len(space) :] == space:
        return maps
    if len(space) == 1:
        return np.asarray(resized(maps[..., None, :], 1, space[0])[..., 0, :])
    return resized(maps, *space)


def _asked(
    network: Network, wiring: Wiring, layer: Layer, step: Step, *, space: tuple[int, ...], weighting: Weighting
) -> ResponseRequest | None:
    """Return what is wanted of a layer; None where its responses have no places."""
    trace = wiring.trace
    nodes = wiring.flow.nodes[layer.name]
    of_target = layer.group_of_children()[step.targets]
    reaching = np.array([np.isin(of_target, layer.group_of_parents()[features]) for features in nodes])
    factors = np.zeros(layer.parents)
    # A parent reaches the targets of its own group alone, in all of which it counts the same.
    for features, weight in zip(nodes, parent_weights(step, reaching, weighting).max(axis=1), strict=True):
        factors[features] = weight
    if reads_input(network, wiring, layer):
        shape = trace.shapes[network.spec.name]
        whole = len(space) > 1 or int(np.prod(space)) == int(np.prod(shape[1:]))
        return ResponseRequest(layer, factors, step.targets, features_in=space) if whole else None
    return ResponseRequest(layer, factors, step.targets) if _has_places(wiring, layer, space) else None


def _has_places(wiring: Wiring, layer: Layer, space: tuple[int, ...]) -> bool:
    """Whether the responses of a layer have places of a kind: as many axes; those of products as many places."""
    trace = wiring.trace
    rows, shape = trace.rows.get(layer.output), trace.shapes.get(layer.output, ())
    if rows is None:
        return False
    child = None if layer.child_axis is None else layer.child_axis % len(shape)
    places = [size for axis, size in enumerate(shape) if axis not in (rows.axis, child)]
    places += [rows.multiple] if rows.multiple > 1 else []
    # Convolutions may stride; what a product has beside its features are the steps of a sequence themselves.
    return len(places) == len(space) and (layer.op_type in ("Conv", "ConvTranspose") or places == list(space))


def _of_another_shape(layer: Layer, route: Route) -> ConfigError:
    return ConfigError(
        "the analysis does not fit the model",
        where=f"class {route.target}, layer {layer.name}",
        why=f"its nodes or targets are not those of a layer {layer.parents} x {layer.children}: the file was changed",
        remedy="analyse the model again",
    )


def _no_such_layer(name: str, route: Route, usable: list[str]) -> ConfigError:
    reached = [step.layer for step in route.steps]
    if name in route.left_out:
        return ConfigError(
            f"the layer {name!r} was left out of the analysis",
            where=f"--layer {name}, class {route.target}",
            why="which of its nodes are necessary is not known",
            remedy=f"choose one of {', '.join(usable)}, or analyse with this layer" if usable else "analyse with it",
        )
    known = name in reached
    return ConfigError(
        f"the layer {name!r} has no maps" if known else f"the layer {name!r} is not in the causal graph",
        where=f"--layer {name}, class {route.target}",
        why="its responses have no places of the input's kind, or none of its nodes is necessary"
        if known
        else f"layers of the graph are {', '.join(reached)}",
        remedy=f"choose one of {', '.join(usable)}" if usable else "explain another class",
    )


def _no_places(route: Route, space: tuple[int, ...]) -> NothingToAnalyseError:
    return NothingToAnalyseError(
        "no layer of the causal graph can be shown on the input",
        where=f"class {route.target}",
        why=f"the input's places are {list(space)}; no layer with a necessary node has such places",
        remedy="explain a model with convolutions, or one whose first layer reads the input",
    )
