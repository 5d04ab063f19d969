"""ONNX Runtime: sessions, providers, batches. The only package that imports it."""

import os

# Since 1.29 ONNX Runtime sends its maker what models it opens (names, hashes, ops), unless this is set before its
# library is loaded: nothing that is analysed here is told to anyone. Processes started from here inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from onnxcausal.onnxgraph.runner.bound import BoundSession
from onnxcausal.onnxgraph.runner.offered import Offer, offers
from onnxcausal.onnxgraph.runner.plain import Runner
from onnxcausal.onnxgraph.runner.sessions import version
from onnxcausal.onnxgraph.runner.single import half_precision, run_feeds, run_once, run_op, run_samples

__all__ = [
    "BoundSession",
    "Offer",
    "Runner",
    "half_precision",
    "offers",
    "run_feeds",
    "run_once",
    "run_op",
    "run_samples",
    "version",
]
