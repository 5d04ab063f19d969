"""ONNX Runtime: sessions, providers, batches. The only package that imports it."""

from onnxcausal.onnxgraph.runner.available import Offer, idle_device, offers
from onnxcausal.onnxgraph.runner.batched import Runner
from onnxcausal.onnxgraph.runner.io_binding import BoundSession
from onnxcausal.onnxgraph.runner.sessions import version
from onnxcausal.onnxgraph.runner.single import half_precision, run_feeds, run_once, run_op, run_samples

__all__ = [
    "BoundSession",
    "Offer",
    "Runner",
    "half_precision",
    "idle_device",
    "offers",
    "run_feeds",
    "run_once",
    "run_op",
    "run_samples",
    "version",
]
