"""Scores that nothing in a file bounds, and that samples show to be probabilities."""

import numpy as np

from onnxcausal.causal.task import Task
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.sandbox.first_run import rehearse
from onnxcausal.samples.source import Samples

FEWEST, MOST = 20, 64
"""Samples on which it is seen."""
LEAST_SPREAD = 0.1
"""How far probabilities of many samples are apart, at least."""


def probabilities_seen(network: Network, samples: Samples) -> str:
    """Return a note where the scores look like probabilities; empty where they do not.

    A score by itself has both signs. Where all are between 0 and 1 on a good many samples, their sign would decide the
    same of every one.

    Args:
        network: the model, whose scores decide by themselves, each by its sign.
        samples: the data.
    """
    drawn = np.random.default_rng(0).permutation(len(samples))[:MOST]
    if len(drawn) < FEWEST:
        return ""
    batch = samples.read(np.sort(drawn))
    if len(batch.indices) < FEWEST:
        return ""
    rehearse(network, batch.x[:1])
    scores = network.scores(batch.x, 1)
    own = scores[:, -1:] if network.task is Task.BINARY else scores
    if not np.isfinite(own).all() or own.min() < 0 or own.max() > 1 or np.ptp(own) < LEAST_SPREAD:
        return ""
    seen = f"{own.min():.3g} to {own.max():.3g} on {len(own)} samples"
    return f"the scores lie between 0 and 1, {seen}: taken for probabilities, though nothing in the file bounds them"
