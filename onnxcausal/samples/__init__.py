"""Inputs: image folders, arrays, IDX pairs, tables; preprocessing; which samples are used."""

from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.choose import Chosen, choose_balanced, choose_correct
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import Channels, Layout, Preprocess
from onnxcausal.samples.source import Batch, InputSpec, Samples, fit_to_input
from onnxcausal.samples.synthetic import synthetic_samples

__all__ = [
    "Batch",
    "Channels",
    "Chosen",
    "InputSpec",
    "Layout",
    "Preprocess",
    "Samples",
    "array_samples",
    "choose_balanced",
    "choose_correct",
    "fit_to_input",
    "load_samples",
    "synthetic_samples",
]
