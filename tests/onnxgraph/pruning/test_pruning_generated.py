"""The pruned form on generated classifiers: it is the folded one, the masked one, and the edit of the weights."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxcausal.analysis.formats.masks import MaskRecord
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.original.layers import every_layer_in_file
from onnxcausal.onnxgraph.pruning import Group, removable_groups
from tests.support.networks import classifiers
from tests.support.opened import TOLERANCE, open_proto
from tests.support.oracles import run_float64
from tests.support.pruned import layers_of, lost, masks_for, samples, stored
from tests.support.pruned_graphs import graph, graphs
from tests.support.repairs import edited_scores, in_code, repaired, run, some, some_masks

GENERATED = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
EXACT = 1e-7
"""How far two float64 computations may be apart, as a share of the largest score."""
MANY = settings(GENERATED, max_examples=150)
Drawn = tuple[onnx.ModelProto, int]


DEMANDED = {
    "one channel of its result must stay",
    "its groups must stay of one size",
    "its result would have holes, since only some of a row can go",
}
"""What shapes may demand where a tensor would lose all its channels."""
EITHER = st.one_of(classifiers(), graphs())


def drawn_groups(proto: onnx.ModelProto, rng: np.random.Generator) -> list[Group]:
    groups = removable_groups(in_code(proto))
    return [groups[number] for number in some(rng, len(groups))] if groups else []


def as_folded(proto: onnx.ModelProto, *entries: MaskRecord) -> Repaired | None:
    """Return the pruned file, None where nothing can go."""
    try:
        return repaired(proto, Form.PRUNED, *entries)
    except ModelError as error:
        if error.what != "no channel can be removed":
            raise
        return None


def assert_close(found: NDArray[Any], expected: NDArray[Any]) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=TOLERANCE * scale)


@GENERATED
@given(drawn=EITHER, partly=st.booleans())
def test_pruned_is_folded_is_masked_is_the_edit_of_the_weights(drawn: Drawn, partly: bool) -> None:
    assert_every_form_agrees(*drawn, partly=partly)


@pytest.mark.slow
@MANY
@given(drawn=EITHER, partly=st.booleans())
def test_pruned_is_folded_is_masked_is_the_edit_of_the_weights_of_many_graphs(drawn: Drawn, partly: bool) -> None:
    assert_every_form_agrees(*drawn, partly=partly)


def assert_every_form_agrees(proto: onnx.ModelProto, seed: int, *, partly: bool) -> None:
    x, rng = samples(proto), np.random.default_rng(seed)
    opened = open_proto(proto, x)
    entries = joined(masks_for(drawn_groups(proto, rng)))
    if partly:
        others = [layer for layer in opened.layers if layer.name not in {entry.layer for entry in entries}]
        entries += some_masks(others, rng)
    found = as_folded(proto, *entries)
    if found is None:
        return
    onnx.checker.check_model(found.proto, full_check=True)
    (scores,) = run(found.proto, {"x": x})
    for form in (Form.FOLDED, Form.MASKED):
        assert_close(scores, run(repaired(proto, form, *entries).proto, {"x": x})[0])
    # In float64 on both sides: some graphs are so badly conditioned that float32 is off by more than the tolerance.
    exact = run_float64(found.proto, found.proto.graph.output[0].name, x)
    expected = edited_scores(opened, entries, x)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(exact.reshape(expected.shape), expected, rtol=0, atol=EXACT * scale)


def joined(entries: list[MaskRecord]) -> list[MaskRecord]:
    """Return one entry for each layer."""
    parents: dict[str, set[int]] = {}
    for entry in entries:
        parents.setdefault(entry.layer, set()).update(entry.parents)
    return [MaskRecord(layer=layer, parents=sorted(found), beta=0.0) for layer, found in parents.items()]


@GENERATED
@given(drawn=EITHER)
@example(drawn=(graph(["shuffle", "slice"], "average", 253), 253))  # channel 5 is shuffled beside others, and dropped
@example(drawn=(graph(["shuffle"], "flatten", 18329), 18329))  # all channels of one layer, a row of the one before it
def test_groups_go_with_their_children_unless_a_tensor_would_be_empty(drawn: Drawn) -> None:
    proto, seed = drawn
    chosen = drawn_groups(proto, np.random.default_rng(seed))
    found = as_folded(proto, *masks_for(chosen))
    if found is None:
        assert not chosen or all(whole(proto, chosen))
        return
    gone = {(layer, child) for layer, (_, children) in lost(found).items() for child in children}
    asked = {(layer, child) for group in chosen for layer, children in group.children for child in children}
    whys = {kept.reason.why for kept in found.kept}
    if whys:
        assert whys & DEMANDED
        assert whys <= DEMANDED | {"it still reads the channel"}
    else:
        assert gone >= asked
        assert_never_mattered(proto, gone - asked, seed)


def assert_never_mattered(proto: onnx.ModelProto, children: set[tuple[str, int]], seed: int) -> None:
    """Check that the model's scores are the same whatever the weights of some children of dense layers are."""
    x, rng = samples(proto), np.random.default_rng(seed)
    (expected,) = run(proto, {"x": x})
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    stored_in = {tensor.name: tensor for tensor in changed.graph.initializer}
    layers = {layer.name: layer for layer in layers_of(proto)}
    for name, child in children:
        layer = layers[name]
        weight = numpy_helper.to_array(stored_in[layer.weight]).copy()
        rows = np.moveaxis(weight, layer.weight_child_axis or 0, 0)
        rows[child] = rng.normal(size=rows[child].shape)
        stored_in[layer.weight].raw_data = weight.tobytes()
    (scores,) = run(changed, {"x": x})
    assert_close(scores, expected)


def whole(proto: onnx.ModelProto, chosen: list[Group]) -> list[bool]:
    """Return of each layer that a group takes children from whether the groups take all of them."""
    sizes = {layer.name: layer.children for layer in layers_of(proto)}
    taken: dict[str, set[int]] = {}
    for group in chosen:
        for layer, children in group.children:
            taken.setdefault(layer, set()).update(children)
    return [len(found) == sizes[layer] for layer, found in taken.items()]


@GENERATED
@given(drawn=EITHER)
def test_what_goes_never_mattered_whatever_its_weights_were(drawn: Drawn) -> None:
    proto, seed = drawn
    x, rng = samples(proto), np.random.default_rng(seed)
    entries = masks_for(drawn_groups(proto, rng))
    found = as_folded(proto, *entries)
    if found is None:
        return
    folded = repaired(proto, Form.FOLDED, *entries).proto
    (expected,) = run(folded, {"x": x})
    sharing = [layer.weight for layer in layers_of(folded)]
    layers = {layer.name: layer for layer in layers_of(folded)}
    for name, (_, children) in lost(found).items():
        layer = layers[name]
        tensor = next((one for one in folded.graph.initializer if one.name == layer.weight), None)
        if tensor is None or layer.groups > 1 or sharing.count(layer.weight) > 1 or layer.weight_child_axis is None:
            continue
        if tuple(tensor.dims) != layer.weight_shape:
            continue
        weight = numpy_helper.to_array(tensor).copy()
        rows = np.moveaxis(weight, layer.weight_child_axis, 0)
        rows[list(children)] = rng.normal(size=rows[list(children)].shape)
        tensor.raw_data = weight.tobytes()
    (scores,) = run(folded, {"x": x})
    assert_close(scores, expected)


@GENERATED
@given(drawn=EITHER)
def test_without_masks_nothing_goes_and_the_graph_is_as_it_was(drawn: Drawn) -> None:
    proto, seed = drawn
    layers = list(every_layer_in_file(in_code(proto).model).values())
    entries = some_masks(layers, np.random.default_rng(seed), betas=[1.0, 0.5])
    found = repaired(proto, Form.PRUNED, *entries)
    assert not found.removed
    assert not found.kept
    assert found.proto.graph == repaired(proto, Form.FOLDED, *entries).proto.graph


@GENERATED
@given(drawn=EITHER)
def test_the_smaller_file_is_made_the_same_twice_and_stores_no_more(drawn: Drawn) -> None:
    proto, seed = drawn
    entries = masks_for(drawn_groups(proto, np.random.default_rng(seed)))
    found, again = as_folded(proto, *entries), as_folded(proto, *entries[::-1])
    if found is None or again is None:
        assert found is again
        return
    assert found.proto.graph == again.proto.graph
    held = stored(repaired(proto, Form.FOLDED, *entries).proto)
    for name, value in stored(found.proto).items():
        if name in held:
            assert value.size <= held[name].size
