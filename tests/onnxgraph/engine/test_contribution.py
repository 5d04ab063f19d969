"""What single paths contribute, edge by edge from the definition of each op."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from onnxcausal.onnxgraph.engine.contribution import ContributionForm, dtype_of, find_form
from onnxcausal.onnxgraph.engine.path_probe import PathProbe
from onnxcausal.onnxgraph.flow.layers import Layer
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.graph.trace import Rows
from tests.support.networks import Builder, classifier
from tests.support.opened import Opened, edit, open_proto

SAMPLES = 4
STRUCTURES = (("grouped", "flatten"), ("depthwise", "matmul"), ("transposed", "gemm_trans_a"), ("nhwc", "left_matmul"),
              ("concat", "tokens"), ("residual", "weight_chain"))  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A layer, how its contributions are computed, its weight where the op uses it, and its data."""

    layer: Layer
    form: ContributionForm
    weight: NDArray[np.float64]
    data: NDArray[np.float32]
    multiple: int
    alpha: float
    nodes: tuple[NDArray[np.int64], ...]

    def edge(self, parent: int, child: int) -> bool:
        """Return whether taking the edge away changes any weight."""
        changed = edit(self.layer, self.weight, np.array([parent]), np.array([child]), 0.0)
        return bool((changed != self.weight).any())

    def grouped(self, parent: int, child: int) -> bool:
        """Return whether parent and child are of one group."""
        of_parent = parent * self.layer.groups // self.layer.parents
        return of_parent == child * self.layer.groups // self.layer.children

    def probe(self, targets: list[int], beta: float = 0.0) -> PathProbe:
        return PathProbe(self.layer, self.nodes, np.array(targets, np.int64), beta)


def cases(opened: Opened, x: NDArray[np.float32]) -> Iterator[Case]:
    index = index_graph(opened.network.proto, opened.network.model.opset)
    proto = onnx.ModelProto()
    proto.CopyFrom(opened.network.proto)
    names = sorted({layer.data for layer in opened.layers} - {"x"} | {opened.layers[-1].output})
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    held = dict(zip(names, ort.InferenceSession(proto.SerializeToString()).run(names, {"x": x}), strict=True)) | {
        "x": x
    }
    for layer in opened.layers:
        weight = opened.weight(layer)
        form = find_form(index, layer, weight, opened.wiring.trace)
        assert form is not None
        assert form.weight.dtype == dtype_of(layer) == np.float32
        rows = opened.wiring.trace.rows[layer.data]
        nodes = opened.wiring.flow.nodes[layer.name]
        alpha = next((held.f for held in index.ops[layer.op].attribute if held.name == "alpha"), 1.0)
        yield Case(layer, form, weight.astype(np.float64), held[layer.data], rows.multiple, alpha, nodes)


@pytest.fixture(scope="module", params=STRUCTURES, ids="-".join)
def structure(request: pytest.FixtureRequest) -> list[Case]:
    """Return the layers of a model some of whose weights, parents and targets are 0."""
    block, head = request.param
    model = classifier(["relu", block, "conv"], head, 3)
    rng = np.random.default_rng(3)
    for stored in model.graph.initializer:
        weight = onnx.numpy_helper.to_array(stored)
        if weight.ndim > 1 and weight.dtype == np.float32:
            kept = rng.random((*weight.shape[:2], *[1] * (weight.ndim - 2))) > 0.4
            kept = kept & (rng.random(weight.shape) > 0.1)  # single values of a kernel, too
            stored.CopyFrom(onnx.numpy_helper.from_array(weight * kept, stored.name))
    x = np.asarray(rng.normal(size=(SAMPLES, 4, 6, 6)), np.float32)
    x[1, 2], x[3, :] = 0, 0
    return list(cases(open_proto(model, x), x))


def test_an_intervention_acts_where_an_edge_to_a_target_has_a_weight(structure: list[Case]) -> None:
    some = 0
    for case in structure:
        for targets in ([0], [case.layer.children - 1], list(range(0, case.layer.children, 2)), []):
            expected = [any(case.edge(int(f), c) for f in node for c in targets) for node in case.nodes]
            assert case.form.acting(case.probe(targets)).tolist() == expected
            assert case.form.acting(case.probe(targets, 0.5)).tolist() == expected
            assert not case.form.acting(case.probe(targets, 1.0)).any()
            some += sum(expected)
    assert some


def test_a_parent_is_alive_on_the_samples_where_any_of_its_values_is_not_zero(structure: list[Case]) -> None:
    for case in structure:
        found = case.form.alive(case.data)
        assert found.shape == (case.layer.parents, SAMPLES)
        axis = case.layer.parent_axis % case.data.ndim
        samples_at = [
            at for at in range(case.data.ndim) if at != axis and case.data.shape[at] == SAMPLES * case.multiple
        ]
        for sample in range(SAMPLES):
            rows = np.arange(sample * case.multiple, (sample + 1) * case.multiple)
            part = np.moveaxis(np.take(case.data, rows, axis=samples_at[0]), axis, 0)
            assert found[:, sample].tolist() == [bool(values.any()) for values in part]


@pytest.mark.parametrize("beta", [0.0, 0.25])
def test_the_mask_takes_away_what_leads_to_targets_and_nothing_else(structure: list[Case], beta: float) -> None:
    for case in structure:
        targets = list(range(0, case.layer.children, 2))
        probe = case.probe(targets, beta).of(np.arange(len(case.nodes))[::2])
        width = len(probe.nodes) + 2
        features, mask = case.form.feeds(probe, width)
        assert mask.dtype == np.float32
        features = features.reshape(width, -1)
        mask = mask.reshape(width, features.shape[1], case.layer.children)
        assert len(features) == width
        assert not mask[len(probe.nodes) :].any()  # places that are left over
        assert (features >= 0).all()
        for place, node in enumerate(probe.nodes):
            assert features[place, : len(node)].tolist() == node.tolist()
            assert not mask[place, len(node) :].any()
            for held, parent in zip(mask[place], node.tolist(), strict=False):
                expected = [
                    1 - beta if child in targets and case.grouped(parent, child) else 0.0
                    for child in range(case.layer.children)
                ]
                assert held.tolist() == pytest.approx(expected)


def test_every_pair_of_node_and_sample_has_places_of_its_own_in_the_grid(structure: list[Case]) -> None:
    width, height = 3, 5
    slots, samples = (grid.reshape(-1) for grid in np.meshgrid(np.arange(width), np.arange(height), indexing="ij"))
    for case in structure:
        form = case.form
        found = form.positions(slots, samples, width, height)
        if form.convolves:  # [samples * multiple, nodes]
            rows = [sample * form.multiple + row for sample in samples for row in range(form.multiple)]
            expected = [row * width + slot for row, slot in zip(rows, np.repeat(slots, form.multiple), strict=True)]
        else:  # [nodes, samples]
            expected = [slot * height + sample for slot, sample in zip(slots, samples, strict=True)]
        assert found.tolist() == expected
        assert len(set(found.tolist())) == len(found)


def test_the_weight_by_parent_is_the_weight_of_each_edge(structure: list[Case]) -> None:
    for case in structure:
        layer, form = case.layer, case.form
        assert form.edges.shape == form.weight.shape[:2]
        for parent in range(layer.parents):
            for child in range(layer.children):
                if not case.grouped(parent, child):
                    continue
                left = edit(layer, case.weight, np.array([parent]), np.array([child]), 0.0)
                size = layer.children // layer.groups
                place = child % size if form.convolves else child
                assert form.edges[parent, place] == case.edge(parent, child)
                found = form.weight[parent, place]
                removed = case.alpha * (case.weight - left)[left != case.weight]
                assert np.sort(found[found != 0].reshape(-1)).tolist() == pytest.approx(np.sort(removed).tolist())


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_the_factor_of_a_product_is_in_the_weight(alpha: float) -> None:
    b = Builder(np.random.default_rng(0))
    weight = b.weight(6, 3)
    model = b.model(["N", 6], b.add("Gemm", ["x", weight], alpha=alpha))
    x = np.ones((SAMPLES, 6), np.float32)
    (case,) = cases(open_proto(model, x), x)
    np.testing.assert_array_equal(case.form.weight, b.stored[weight].astype(np.float32) * np.float32(alpha))


@pytest.mark.parametrize("head", ["flatten", "conv"])
def test_a_layer_that_is_not_laid_out_by_samples_has_no_form(head: str) -> None:
    x = np.ones((SAMPLES, 4, 6, 6), np.float32)
    opened = open_proto(classifier(["conv"], head, 0), x)
    index, trace = index_graph(opened.network.proto, opened.network.model.opset), opened.wiring.trace
    layer = opened.layers[-1]

    def form(**changed: Rows | None) -> ContributionForm | None:
        tensors = {"data": layer.data, "output": layer.output}
        rows = {**trace.rows, **{tensors[which]: held for which, held in changed.items()}}
        known = {name: held for name, held in rows.items() if held is not None}
        return find_form(index, layer, opened.weight(layer), dataclasses.replace(trace, rows=known))

    assert form() is not None
    assert form(data=None) is None
    assert form(output=None) is None
    # Samples that stand where the parents do, or the children; a sample of other rows than its output has.
    assert form(data=Rows(1, 1)) is None
    assert form(output=Rows(1, 1)) is None
    assert form(data=Rows(0, 2)) is None
    assert form(output=Rows(0, 3)) is None
    both = form(data=Rows(0, 2), output=Rows(0, 2))
    assert both is not None
    assert both.multiple == 2
