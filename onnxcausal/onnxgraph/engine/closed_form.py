"""Effects of a layer whose children are the class scores: `TE_j = -(1 - beta) W[c, j] a_j`, nothing to run."""

import numpy as np
from numpy.typing import NDArray

from onnxcausal.causal.outcome import Floats
from onnxcausal.onnxgraph.engine.contribution import ContributionForm, feature_table
from onnxcausal.onnxgraph.engine.interface import ScoresToOutcome
from onnxcausal.onnxgraph.engine.path_probe import PathProbe

MOST_VALUES = 2**22
"""Class scores held at once: bounds memory."""


def closed_form(
    form: ContributionForm,
    probe: PathProbe,
    data: NDArray[np.generic],
    scores: NDArray[np.floating],
    outcome: ScoresToOutcome,
) -> Floats:
    """Return the effect of the intervention on each node, `[nodes, samples]`.

    Args:
        form: how the layer's contributions are computed; each of its children is one class score.
        probe: the interventions.
        data: the layer's data, which may be centred.
        scores: class scores of the unmodified model, `[samples, classes]`.
        outcome: the scalar of the class scores.
    """
    parents, classes = form.weight.shape
    given = np.zeros((len(scores), parents + 1))  # the last stands for places without a feature
    given[:, :-1] = np.transpose(data, form.data_order).reshape(-1, parents)
    taken = np.zeros((parents + 1, classes))
    taken[:-1, probe.targets] = (1 - probe.beta) * form.weight[:, probe.targets].astype(np.float64)
    table = feature_table(probe.nodes)
    exact = scores.astype(np.float64)
    observed = outcome(exact)
    effects = np.empty((len(probe.nodes), len(scores)))
    step = max(1, MOST_VALUES // exact.size)
    for start in range(0, len(probe.nodes), step):
        features = table[start : start + step]
        contribution = np.einsum("skf,kfc->ksc", given[:, features], taken[features])
        under_do = outcome((exact - contribution).reshape(-1, classes)).reshape(len(features), -1)
        effects[start : start + step] = under_do - observed
    return effects
