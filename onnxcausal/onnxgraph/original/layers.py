"""The layers of an analysis, found again in the main graph of the model's own file.

An analysis sees the model cut at its outcome, with local functions inlined and quantised and fused ops in standard ops.
What it names may not stand in the file as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError, nearest
from onnxcausal.onnxgraph.file.model import Model, damage_told
from onnxcausal.onnxgraph.flow.layers import Layer, find_layers
from onnxcausal.onnxgraph.graph.index import GraphIndex, index_graph
from onnxcausal.onnxgraph.network.network import cut_model
from onnxcausal.onnxgraph.original.fused_layers import every_layer

MOST_NAMED = 8
"""Layers that an error lists."""


@dataclass(frozen=True, slots=True)
class FileLayer:
    """A layer of an analysis in the model's own file.

    Attributes:
        layer: as it stands in the file.
        analysed: as it is analysed.
    """

    layer: Layer
    analysed: Layer


def layers_in_file(
    model: Model,
    names: Iterable[str],
    *,
    output: str | None = None,
    task: Task | None = None,
    named: Iterable[str] = (),
) -> dict[str, FileLayer]:
    """Return layers as they stand in the main graph of a model's file, by the names an analysis gives them.

    Args:
        model: the model.
        names: names of layers.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.
        named: names of layers that an analysis must know too, wherever they stand.

    Raises:
        ConfigError: the model has no such layer.
        ModelError: it has one, but not in the main graph of its file.
    """
    cut = cut_model(model, output, task)
    with damage_told(model.name):
        analysed = index_graph(cut.proto, model.opset)
        of_analysis = {layer.name: layer for layer in find_layers(analysed)}
        file = index_graph(model.proto, model.opset)
        of_file = {layer.output: layer for layer in every_layer(file)}
        found = {}
        names = list(names)
        for name in [*names, *named]:
            if name not in of_analysis:
                raise _unknown(name, list(of_analysis), model.name)
        for name in names:
            tensor = _tensor_of_file(analysed, of_analysis[name].output, file)
            layer = of_file.get(tensor)
            if layer is None or not _alike(layer, of_analysis[name]):
                raise _not_in_file(name, file, tensor, model.name)
            found[name] = FileLayer(layer, of_analysis[name])
        return found


def every_layer_in_file(model: Model, *, output: str | None = None, task: Task | None = None) -> dict[str, Layer]:
    """Return all layers of an analysis that stand in the main graph of a model's file, by their names there.

    Args:
        model: the model.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.

    Raises:
        ModelError: the model cannot be analysed.
    """
    cut = cut_model(model, output, task)
    with damage_told(model.name):
        analysed = index_graph(cut.proto, model.opset)
        file = index_graph(model.proto, model.opset)
        of_file = {layer.output: layer for layer in find_layers(file)}
        found = {}
        for layer in find_layers(analysed):
            other = of_file.get(_tensor_of_file(analysed, layer.output, file))
            if other is not None and _alike(other, layer):
                found[layer.name] = other
        return found


def ops_in_file(
    model: Model, names: Iterable[str], *, output: str | None = None, task: Task | None = None
) -> dict[str, int]:
    """Return where in the main graph of a model's file the ops of layers stand, by the names an analysis gives them.

    What was taken apart for the analysis is the op that it was taken from. Layers without an op there are left out.

    Args:
        model: the model.
        names: names of layers.
        output: the tensor at which the analysis cut the model, where it was named.
        task: what its scores decide, where it was told.
    """
    cut = cut_model(model, output, task)
    with damage_told(model.name):
        analysed = index_graph(cut.proto, model.opset)
        of_analysis = {layer.name: layer for layer in find_layers(analysed)}
        file = index_graph(model.proto, model.opset)
        tensors = {
            name: _tensor_of_file(analysed, of_analysis[name].output, file) for name in names if name in of_analysis
        }
        return {name: file.producer[tensor] for name, tensor in tensors.items() if tensor}


def _tensor_of_file(analysed: GraphIndex, tensor: str, file: GraphIndex) -> str:
    """Return the first tensor at or below one of the analysed graph that an op of the file makes; empty where none.

    What takes the place of one op of the file has one way out: that op's output.
    """
    while tensor not in file.producer:
        uses = analysed.uses.get(tensor, ())
        if not uses:
            return ""
        tensor = analysed.ops[uses[0].op].output[0]
    return tensor


def _alike(layer: Layer, analysed: Layer) -> bool:
    """Whether two layers have the same parents and children."""
    fields = ("op_type", "parents", "children", "groups")
    return all(getattr(layer, field) == getattr(analysed, field) for field in fields)


def _unknown(name: str, known: list[str], model: str) -> ConfigError:
    close = nearest(name, known)
    named = ", ".join(known[:MOST_NAMED]) + (" ..." if len(known) > MOST_NAMED else "")
    return ConfigError(
        f"the model has no layer {name!r}",
        where=model,
        why=f"its layers are {named or 'none'}",
        remedy=f"did you mean {close!r}?" if close else "use the names in analysis.json or onnxcausal inspect",
    )


def _not_in_file(name: str, file: GraphIndex, tensor: str, model: str) -> ModelError:
    op = file.producing(tensor)
    if op is None:
        where, why = f"{model}, layer {name}", "it stands within an op of the file, which is taken apart for analysis"
    else:
        kind = f"{op.op_type} of domain {op.domain}" if op.domain else op.op_type
        where = f"{model}, op {op.name or tensor} ({kind})"
        why = (
            f"layer {name} exists only in the form that is analysed; in the file it is an op {kind}, whose weight is "
            "no tensor of the main graph that can be changed"
        )
    return ModelError(
        "the layer cannot be masked in the file",
        where=where,
        why=why,
        remedy="leave the layer out of the masks, or repair the model before quantisation, fusion or conversion",
    )
