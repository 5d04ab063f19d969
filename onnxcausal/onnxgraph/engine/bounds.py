"""Upper bounds on what a path can contribute, from its weights and its parent alone; nothing is run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.engine.contribution import ContributionForm
from onnxcausal.onnxgraph.engine.path_probe import PathProbe


def contribution_bounds(form: ContributionForm, data: NDArray[Any], probe: PathProbe) -> Floats:
    """Return bounds on the Euclidean norm of each path's contribution, `[nodes, samples]`.

    For a convolution by Young's inequality, `|a_j * w| <= |a_j| |w|_1` for each target, root of the sum of squares over
    the targets; for a product the same with a single weight, which is exact. The bounds of a node's features add up.

    Args:
        form: how the layer's contributions are computed.
        data: the layer's data, which may be centred.
        probe: the nodes and targets.
    """
    layer = form.layer
    parents = layer.parents
    if form.convolves:
        held = data.reshape(-1, form.multiple, parents, int(np.prod(form.data[1:])))
        size = np.sqrt(np.einsum("nmpv,nmpv->np", held, held, dtype=np.float64))
    else:
        first = np.transpose(data, form.data_order)
        rows = first.reshape(len(first) // form.multiple, -1, parents)
        size = np.sqrt(np.einsum("nvp,nvp->np", rows, rows, dtype=np.float64))
    target = np.zeros(layer.children, np.bool_)
    target[probe.targets] = True
    reached = target.reshape(layer.groups, -1)[layer.group_of_parents()]
    weight = np.abs(form.weight.reshape(parents, layer.children // layer.groups, -1), dtype=np.float64).sum(axis=2)
    gain = np.sqrt((np.square(weight) * reached).sum(axis=1)) * (1 - probe.beta)
    each = size * gain
    return np.stack([each[:, features].sum(axis=1) for features in probe.nodes])
