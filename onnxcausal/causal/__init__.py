"""The method's numerics: effects, significance, graph. Knows numpy and scipy, and no ONNX."""

from onnxcausal.causal.effects import EffectTable, estimate_effects
from onnxcausal.causal.graph import CausalGraph, FlowKind, LayerResult
from onnxcausal.causal.intervention import Replace
from onnxcausal.causal.outcome import OutcomeKind, outcome_of
from onnxcausal.causal.paired import assess_paired
from onnxcausal.causal.significance import Role, Rule, SelectedBy, Verdicts
from onnxcausal.causal.welch import assess_welch

__all__ = [
    "CausalGraph",
    "EffectTable",
    "FlowKind",
    "LayerResult",
    "OutcomeKind",
    "Replace",
    "Role",
    "Rule",
    "SelectedBy",
    "Verdicts",
    "assess_paired",
    "assess_welch",
    "estimate_effects",
    "outcome_of",
]
