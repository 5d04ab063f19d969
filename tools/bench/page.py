"""The results of the engine's benchmark as Markdown."""

import os
import platform
from typing import Any

import onnxruntime as ort
import torch

WAYS = {
    "published": "the published code's way (PyTorch; per node and sample: copy, edit, whole forward pass, restore)",
    "session": "a new ONNX Runtime session per edited weight, batched samples",
    "reference": "`reference`",
    "hooks": "PyTorch forward hooks, batched samples, whole model",
    "adaptive": "`reference`, with `--adaptive`",
}

READING = """
*Passes*: multiply-adds of all suffixes over those of one pass. *Over plain passes*: the engine's time, with its
sessions, over that many passes at the unmodified model's speed. *Over matrix products*: over the same multiply-adds at
the rate of a product of two 1024 x 1024 matrices in this process; the last column is that of a plain pass.

What bounds the ratios: a way that runs the whole model once per node needs as many passes as there are nodes, the
engine as many as stand above. For ResNet-20 (691 nodes of a class) that is a factor of 3.4 over plain batched passes,
whatever the engine does; what the other way adds to a plain pass (a session, masks, hooks) comes on top. More would
take suffixes that themselves re-execute only the channels that changed.

With `--adaptive` the ratio is at most the full run's over the share of the *work* (multiply-adds of the suffixes) that
its samples make up. That share is larger than the share of samples where the nodes that need many samples stand early,
before long suffixes, as in ResNet-20; where effects are weak against their spread, as in MobileNetV2, most samples are
needed whatever the engine does.
"""


def stem(provider: str) -> str:
    """Return what the files of an execution provider are called."""
    return "engine" if provider == "CPUExecutionProvider" else "engine-cuda"


def page(found: dict[str, dict[str, Any]], provider: str) -> str:
    """Return the results on an execution provider as Markdown."""
    lines = ["| against | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for way, title in WAYS.items():
        cells = [f"{case['ratios'][way]:.1f}x" if way in case["ratios"] else "" for case in found.values()]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    versions = f"ONNX Runtime {ort.__version__}, PyTorch {torch.__version__}, {provider}"
    return "\n".join(
        [
            "# Interventions per second: the suffix engine over the other ways",
            "",
            "An intervention is on one node, on all samples; the making of sessions and probe graphs is counted.",
            "Each column is of one process; the ways take turns, class by class or layer by layer.",
            "",
            *lines,
            "",
            *(f"- {line}" for case in found.values() for line in case["lines"]),
            "",
            "One class, against what its work alone would take:",
            "",
            "| | passes a sample | engine | over plain passes | over matrix products | plain over matrix products |",
            "|---|---|---|---|---|---|",
            *(case["floor"] for case in found.values() if case["floor"]),
            "",
            *READING.strip().splitlines(),
            "",
            f"![cost against nodes, samples and classes]({stem(provider)}.png)",
            "",
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}.",
            "",
        ]
    )
