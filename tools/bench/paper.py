"""The experiments of Ahmad et al. 2023 on models and data beside the project, their rivals in the same run.

python tools/bench/paper.py [--work FOLDER] [STAGE ...]

Needs the extra `bench`. Each stage keeps its numbers in FOLDER/STAGE.json and is not run again while that is there;
the last step writes RESULTS.md and the figures in paper/ from all stages that are there.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from gradients import gradient_methods  # noqa: E402  # found beside this file
from paper_choices import choices  # noqa: E402
from paper_page import write_page  # noqa: E402
from paper_settings import masking, specificity, sufficiency_curve  # noqa: E402
from paper_subjects import FIGURES, SIZES, Case, digits_of_mnist, imagenet, lenet, resnet20  # noqa: E402

from onnxcausal.analysis.formats.evaluation import Evaluation, to_json  # noqa: E402
from onnxcausal.onnxgraph.file.model import load_model  # noqa: E402
from onnxcausal.onnxgraph.network.network import open_network  # noqa: E402
from onnxcausal.pipeline.analyze import analyze  # noqa: E402
from onnxcausal.pipeline.evaluate import EvaluateOptions, evaluate  # noqa: E402
from onnxcausal.pipeline.explain import explain  # noqa: E402
from onnxcausal.pipeline.preparing.machine import Machine  # noqa: E402
from onnxcausal.pipeline.protocols.maps import GREEDY, METHODS  # noqa: E402
from onnxcausal.report.evaluation import figure  # noqa: E402


def graphs(case: Case) -> dict[str, object]:
    """Analyse a model; the heat map and the graph of one class are figure 3 and 4."""
    analysis = analyze(case.model, str(case.data), out=case.analysis, **case.settings, targets=case.targets)
    shown = case.shown
    for kind, number in (("ate", 3), ("graph", 4)):
        content = (case.analysis / f"{kind}-{shown}.png").read_bytes()
        (FIGURES / f"figure{number}-{case.name}.png").write_bytes(content)
    layers = analysis.graph(shown).layers
    return {
        "class": shown,
        "necessary": {layer.name: len(layer.necessary) for layer in layers},
        "samples": len(analysis.graph(shown).samples),
    }


def maps(case: Case) -> dict[str, object]:
    """Explain some images: figures 5 and 6."""
    layers = {"all": None, **case.map_layers}
    for name, layer in layers.items():
        found = explain(
            case.model,
            case.examples,
            analysis=case.analysis,
            layer=layer,
            target=case.shown,
            out=case.work / f"maps-{case.name}-{name}",
            force=True,
            **case.reading,
        )
        first = next((case.work / f"maps-{case.name}-{name}").glob("0*.png"))
        (FIGURES / f"figure5-{case.name}-{name}.png").write_bytes(first.read_bytes())
    return {"images": len(found.names)}


def protocol(name: str, options: EvaluateOptions, **more: object) -> Callable[[Case], dict[str, object]]:
    """Return a stage that runs one protocol on the saved analysis."""

    def stage(case: Case) -> dict[str, object]:
        others = _gradients(case) if more.get("rivals") else {}
        asked = {key: value for key, value in more.items() if key not in ("rivals", "anew", "number")}
        if others:
            asked["targets"] = case.few
        found = evaluate(
            name,
            case.model,
            str(case.data),
            analysis=None if more.get("anew") else case.analysis,
            options=EvaluateOptions(**{**_plain(options), "others": others}),
            **({**case.settings, "targets": case.few, **asked} if more.get("anew") else {**case.reading, **asked}),
        )
        return kept(found, f"figure{more['number']}-{case.name}")

    return stage


def kept(found: Evaluation, name: str) -> dict[str, object]:
    """Draw an evaluation, and return it as it is written."""
    (FIGURES / f"{name}.png").write_bytes(figure(found))
    written: dict[str, object] = json.loads(to_json(found))
    return written


def timing(case: Case) -> dict[str, object]:
    """Time explaining 100 images from a saved analysis beside Captum's integrated gradients, in turns."""
    network = open_network(load_model(case.model))
    with np.load(case.data) as held:
        images = case.work / "hundred.npz"
        np.savez(images, x=held["x"][:100], y=held["y"][:100])
        x = (held["x"][:100, None] / 255).astype(np.float32)
    rival = gradient_methods(case.model, network.scores, x[:8])["integrated gradients"](case.shown)
    taken: dict[str, list[float]] = {"explain": [], "explain and write": [], "integrated gradients": []}
    for _ in range(5):
        for way, job in (
            (
                "explain",
                lambda: explain(
                    case.model, images, analysis=case.analysis, machine=Machine.of(limits="none"), **case.reading
                ),
            ),
            ("integrated gradients", lambda: rival(x)),
            (
                "explain and write",
                lambda: explain(
                    case.model,
                    images,
                    analysis=case.analysis,
                    machine=Machine.of(limits="none"),
                    out=case.work / "hundred",
                    force=True,
                    **case.reading,
                ),
            ),
        ):
            start = time.perf_counter()
            job()
            taken[way].append(time.perf_counter() - start)
    return {way: float(np.median(seconds)) for way, seconds in taken.items()}


def main() -> None:
    """Run the stages that are asked for, or all, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".paper")
    parser.add_argument("stages", nargs="*")
    arguments = parser.parse_args()
    work, asked = arguments.work, arguments.stages
    work.mkdir(exist_ok=True)
    FIGURES.mkdir(exist_ok=True)
    cases = _cases(work)
    for name, (case, stage) in _stages(cases).items():
        file = work / f"{name}.json"
        if file.exists() or (asked and name not in asked):
            continue
        start = time.perf_counter()
        found = stage(cases[case])
        seconds = time.perf_counter() - start
        file.write_text(json.dumps({**found, "seconds": seconds}))
        print(f"{name}: {seconds:.0f} s", flush=True)
    write_page(work, f"{platform.machine()}, Python {platform.python_version()}")


def _stages(cases: dict[str, Case]) -> dict[str, tuple[str, Callable[[Case], dict[str, object]]]]:
    """Return the stages in order, each with its case."""
    found: dict[str, tuple[str, Callable[[Case], dict[str, object]]]] = {}
    for name in cases:
        size = SIZES[name]
        found[f"{name}-graphs"] = (name, graphs)
        found[f"{name}-maps"] = (name, maps)
        methods = METHODS if size.greedy else tuple(method for method in METHODS if method != GREEDY)
        of_maps = EvaluateOptions(
            count=size.images, perturbations=size.perturbations, masks=size.masks, methods=methods
        )
        found[f"{name}-stability"] = (name, protocol("stability", of_maps, rivals=True, number=8))
        found[f"{name}-faithfulness"] = (name, protocol("faithfulness", of_maps, rivals=True, number="8b"))
        found[f"{name}-fidelity"] = (name, protocol("fidelity", EvaluateOptions(count=size.held_out), number=10))
        found[f"{name}-masking"] = (name, masking)
        found[f"{name}-sufficiency"] = (
            name,
            protocol("sufficiency", EvaluateOptions(count=size.held_out), number="sufficiency"),
        )
        if size.runs:
            again = EvaluateOptions(runs=size.runs)
            smaller = {"samples": size.samples_a_run, "anew": True, "targets": cases[name].few[: size.repeated]}
            found[f"{name}-reliability"] = (name, protocol("reliability", again, number=7, **smaller))
            found[f"{name}-reliability-welch"] = (
                name,
                protocol("reliability", again, number="7-welch", rule="welch", **smaller),
            )
        if size.curves:
            found[f"{name}-choices"] = (name, choices)
            found[f"{name}-curve"] = (name, sufficiency_curve)
            found[f"{name}-specificity"] = (name, specificity)
    found["lenet-timing"] = ("lenet", timing)
    return found


def _cases(work: Path) -> dict[str, Case]:
    """Return the models with their data, which are made ready in the work folder."""
    return {"lenet": lenet(work, digits_of_mnist(work)), "resnet20": resnet20(work), **imagenet(work)}


def _gradients(case: Case) -> dict[str, object]:
    """Return the gradient-based rivals; none where the model cannot be converted."""
    if not case.convertible:
        return {}
    network = open_network(load_model(case.model))
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (4, *(size or 1 for size in network.spec.shape[1:]))).astype(np.float32)
    return dict(gradient_methods(case.model, network.scores, x))


def _plain(options: EvaluateOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in options.__dataclass_fields__}


if __name__ == "__main__":
    main()
