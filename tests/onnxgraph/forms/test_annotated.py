"""A copy of a model whose ops carry what was found: on the right ops, and all else as it was."""

import numpy as np
import onnx
import pytest

from onnxcausal.onnxgraph.flow.layers import find_layers
from onnxcausal.onnxgraph.forms.annotated import KEY, with_entries
from onnxcausal.onnxgraph.graph.index import index_graph
from onnxcausal.onnxgraph.network.network import cut_model
from tests.support.networks import mlp
from tests.support.repairs import in_code
from tests.support.zoo import ZOO, Specimen

WEIGHTS = [np.eye(3), np.ones((2, 3))]
MARK = {"onnxcausal.class 0.roles": "1 necessary (0)"}


def test_a_second_copy_replaces_the_entries_of_the_first() -> None:
    original = in_code(mlp(WEIGHTS, [np.zeros(3), np.zeros(2)]))
    name = original.proto.graph.node[0].name
    first, missing = with_entries(original, {name: MARK, "no such layer": MARK})
    assert missing == ["no such layer"]
    again, _ = with_entries(in_code(first), {name: {"onnxcausal.class 0.roles": "none"}})
    (entry,) = again.graph.node[0].metadata_props
    assert (entry.key, entry.value) == ("onnxcausal.class 0.roles", "none")
    assert [held.key for held in again.metadata_props] == [KEY]
    assert not original.proto.graph.node[0].metadata_props, "the original is left as it is"


@pytest.mark.slow
@pytest.mark.parametrize("specimen", ZOO, ids=[specimen.name for specimen in ZOO])
def test_each_layer_of_a_vendor_s_model_is_marked_on_its_own_op_and_nothing_else_changes(specimen: Specimen) -> None:
    original = in_code(specimen.build())
    output = specimen.settings.get("output")
    cut = cut_model(original.model, None if output is None else str(output), None)
    layers = find_layers(index_graph(cut.proto, original.model.opset))
    proto, missing = with_entries(
        original,
        {layer.name: {f"onnxcausal.{number}": layer.name} for number, layer in enumerate(layers)},
        output=None if output is None else str(output),
    )
    marked = {entry.value: op for op in proto.graph.node for entry in op.metadata_props if "onnxcausal." in entry.key}
    assert set(marked) | set(missing) == {layer.name for layer in layers}
    for op in proto.graph.node:
        kept = [entry for entry in op.metadata_props if not entry.key.startswith("onnxcausal.")]
        del op.metadata_props[:]
        op.metadata_props.extend(kept)
    kept = [entry for entry in proto.metadata_props if entry.key != KEY]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    assert proto.SerializeToString(deterministic=True) == original.proto.SerializeToString(deterministic=True)
    by_name = {op.name: op for op in onnx.ModelProto.FromString(original.proto.SerializeToString()).graph.node}
    assert all(by_name[name].output == op.output for name, op in marked.items() if name in by_name)
