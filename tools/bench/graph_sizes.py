"""Print graph sizes and run time of `models/mnist_lenet.onnx` for the ten digits under both rules, as Markdown.

    python tools/bench/graph_sizes.py t10k-images-idx3-ubyte.gz

Both rules assess effects of the same interventions on the same 100 images a digit.
"""

import os
import platform
import sys
import time
from pathlib import Path

import onnxruntime as ort

from onnxcausal import analyze
from onnxcausal.analysis.result.analysis import Analysis

MODEL = Path(__file__).parent.parent.parent / "models" / "mnist_lenet.onnx"
RULES = ("paired", "welch")


def main(images: Path) -> None:
    """Analyse and print."""
    done = {rule: timed(images, rule) for rule in RULES}
    layers = [layer.name.split("/")[1] for layer in done["paired"][0].graphs[0].layers]
    print(f"Necessary nodes in {', '.join(layers)}:\n")
    print("| digit | " + " | ".join(f"`{rule}`" for rule in RULES) + " |")
    print("|---|" + "---|" * len(RULES))
    for digit in range(10):
        print(f"| {digit} | " + " | ".join(sizes(done[rule][0], digit) for rule in RULES) + " |")
    print("| run time | " + " | ".join(f"{done[rule][1]:.1f} s" for rule in RULES) + " |")
    print(
        f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"ONNX Runtime {ort.__version__}, {done['paired'][0].providers[0]}."
    )


def timed(images: Path, rule: str) -> tuple[Analysis, float]:
    """Return the analysis under a rule, and the seconds it took, reading and sessions included."""
    start = time.perf_counter()
    analysis = analyze(MODEL, images, rule=rule)
    return analysis, time.perf_counter() - start


def sizes(analysis: Analysis, digit: int) -> str:
    """Return the number of necessary nodes of each layer, and how many layers the fallback decided."""
    graph = analysis.graph(digit)
    fallback = sum(layer.verdicts is not None and layer.verdicts.selected_by == "fallback" for layer in graph.layers)
    counts = "-".join(str(len(layer.necessary)) for layer in graph.layers)
    return counts + (f" (fallback in {fallback})" if fallback else "")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
