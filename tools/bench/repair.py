"""What masking nodes does to a class and to the others, and which ways of choosing them earn their place.

python tools/bench/repair.py [--work FOLDER] [CASE ...]

Cases: digits (shipped, half of its fours labelled nines), mnist (the same with MNIST's images; needs the extra `train`
for its first run), lenet, resnet20, mobilenetv1. Each keeps its numbers in FOLDER/repair-CASE.json and is not run again
while that is there; the last step writes repair.md and the figure from all that are there.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from paper_subjects import IMAGENET, MODELS, cifar, digits_of_mnist  # noqa: E402  # found beside this file
from repair_page import write  # noqa: E402

from onnxcausal.analysis.result.analysis import title_of  # noqa: E402
from onnxcausal.causal.intervention import Replace  # noqa: E402
from onnxcausal.causal.repair import Stage, best_first, portion_of_best  # noqa: E402
from onnxcausal.causal.significance import Role  # noqa: E402
from onnxcausal.errors import NothingToAnalyseError  # noqa: E402
from onnxcausal.pipeline.analyze import analyze  # noqa: E402
from onnxcausal.pipeline.heldout.changes import side_effects  # noqa: E402
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples, decided_by, split_held_out  # noqa: E402
from onnxcausal.pipeline.heldout.subject import Subject, neurons, open_subject  # noqa: E402
from onnxcausal.pipeline.preparing.configuration import configure_by_name  # noqa: E402
from onnxcausal.pipeline.preparing.machine import HERE  # noqa: E402
from onnxcausal.pipeline.progress import Silent  # noqa: E402
from onnxcausal.pipeline.protocols.fidelity import portion_of  # noqa: E402
from onnxcausal.pipeline.repair import run  # noqa: E402
from onnxcausal.pipeline.repairing.candidates import Removals, candidates_of, measure_removals  # noqa: E402
from onnxcausal.pipeline.repairing.objective import objective_of  # noqa: E402
from onnxcausal.pipeline.repairing.options import RepairOptions  # noqa: E402
from onnxcausal.pipeline.repairing.plan import Plan, open_masking  # noqa: E402
from tests.support import assets  # noqa: E402

PORTIONS = (0.1, 0.25, 0.5, 0.75, 1.0)
WAYS = ("noisy in the graph", "those no other class needs", "by worth, none that a class needs")
"""How nodes are chosen: as the paper does; sparing what other classes need; and as `onnxcausal repair` does."""
LOST = 0.05
"""Accuracy that a protected class may lose on the samples to choose on."""


@dataclass(frozen=True)
class Case:
    """A model with its data.

    Attributes:
        title: as shown.
        model: the file.
        data: the samples.
        reading: settings of the preprocessing, and of the analysis.
        count: samples of each class to choose on, and to report on.
        defect: class that is repaired; None: only the curves.
        curves: whether figure 11 is drawn.
        levers: how many settings are compared, the first ones; None: all.
        targets: classes that are analysed; None: all.
        extra: settings of the analysis.
    """

    title: str
    model: Path
    data: Path
    reading: Mapping[str, Any]
    count: int
    defect: str | None = None
    curves: bool = True
    levers: int | None = None
    targets: tuple[int, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def curves(case: Case, subject: Subject) -> list[dict[str, Any]]:
    """Return the accuracy of each class with a portion of nodes masked for it, and of the others, on other samples."""
    search, report = split_held_out(subject, case.count)
    before = decided_by(subject, subject.network, report)
    masking = open_masking(subject, search)
    layers = [layer for layer in subject.prepared.wiring.flow.layers if layer.name in neurons(subject.prepared.wiring)]
    every = objective_of(subject, "overall", [], [], search.positions)
    removals = measure_removals(subject, every, search, layers, Silent())
    rows = []
    for target in subject.routes:
        if target not in report.positions:
            continue
        ordered = _orders(subject, target, search, removals)
        for way, choose in ordered.items():
            for portion in PORTIONS:
                nodes = choose(portion)
                for beta in (0.0, 0.5) if nodes else ():
                    plan = Plan(Stage.FREE, portion, nodes, beta, Replace.ZERO)
                    after = decided_by(subject, masking.network(plan), report)
                    rows.append(
                        {"target": target, "way": way, "portion": portion, "beta": beta, "nodes": plan.size}
                        | _accuracies(before, after, target)
                    )
                if not nodes:
                    rows.append(
                        {
                            "target": target,
                            "way": way,
                            "portion": portion,
                            "beta": 0.0,
                            "nodes": 0,
                            "own": 0.0,
                            "others": 0.0,
                        }
                    )
    return rows


def _orders(subject: Subject, target: int, search: HeldOutSamples, removals: Removals) -> dict[str, Any]:
    """Return for each way the function from a portion to the nodes of each layer."""
    wiring = subject.prepared.wiring
    route = subject.routes[target]
    objective = objective_of(subject, "class-accuracy", [str(target)], [], search.positions)
    candidates = candidates_of(subject, objective, search, removals)
    best = best_first(candidates, Stage.FREE)
    noisy = {
        layer.name: step.having(Role.NOISY)
        for layer in wiring.flow.layers
        if layer.name in neurons(wiring) and (step := route.step(layer.name)) is not None
    }
    free = {(held.layer, held.node) for held in candidates}
    spared = {
        layer: np.array([node for node in nodes.tolist() if (layer, node) in free], np.int64)
        for layer, nodes in noisy.items()
    }

    def of(layers: Mapping[str, NDArray[np.int64]], portion: float) -> dict[str, NDArray[np.int64]]:
        taken = {layer: np.sort(nodes[: portion_of(portion, len(nodes))]) for layer, nodes in layers.items()}
        return {layer: nodes for layer, nodes in taken.items() if len(nodes)}

    return {
        WAYS[0]: lambda portion: of(noisy, portion),
        WAYS[1]: lambda portion: of(spared, portion),
        WAYS[2]: lambda portion: portion_of_best(best, portion),
    }


def _accuracies(before: Decisions, after: Decisions, target: int) -> dict[str, float]:
    found = side_effects(before, after)
    others = [change.difference for other, change in found.classes.items() if other != target]
    return {"own": found.classes[target].difference, "others": float(np.mean(others))}


def levers(case: Case, work: Path) -> Iterator[dict[str, Any]]:
    """Yield what repairs of the defect do under several settings, each reported on samples it was not chosen on."""
    usual = RepairOptions(repaired=(str(case.defect),), max_drop=LOST, count=case.count)
    settings = {
        "all classes protected, effects on the margin, the rest searched": ("margin", usual),
        "only the class itself protected": ("margin", replace(usual, protected=(str(case.defect),))),
        "effects on the logit": ("logit", usual),
        "nodes removed alone (beta 0)": ("margin", replace(usual, beta=0.0)),
        "nodes attenuated alone (beta 0.5)": ("margin", replace(usual, beta=0.5)),
        "replaced by nothing alone": ("margin", replace(usual, replace=Replace.ZERO)),
        "replaced by the mean alone": ("margin", replace(usual, replace=Replace.MEAN)),
    }
    for name, (outcome, options) in list(settings.items())[: case.levers]:
        configured = _configured(case)
        try:
            found = run(
                case.model,
                configured,
                work / "plan.json",
                analysis=_analysed(case, work, outcome),
                options=options,
                plan_only=True,
                force=True,
                progress=Silent(),
            )
        except NothingToAnalyseError as error:
            yield {"setting": name, "nothing": error.why}
            continue
        record = found.record
        assert record.plan is not None
        own = next(entry.change for entry in record.classes if str(entry.target) == case.defect)
        others = [entry for entry in record.classes if str(entry.target) != case.defect]
        worst = min(others, key=lambda entry: entry.change.after - entry.change.before)
        yield {
            "setting": name,
            "nodes": sum(len(entry.nodes) for entry in record.plan.nodes),
            "beta": record.plan.beta,
            "replace": record.plan.replace,
            "own": own.model_dump(),
            "worst": worst.change.model_dump(),
            "worst_class": title_of(worst.target, None),
            "overall": record.overall.model_dump(),
            "controls": [control.model_dump() for control in record.controls],
        }
        print(name, own.before, own.after, own.p, flush=True)


def main() -> None:
    """Run the cases that are asked for, or all, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".repair")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    arguments.work.mkdir(exist_ok=True)
    known = _cases(arguments.work)
    for name, make in known.items():
        file = arguments.work / f"repair-{name}.json"
        if file.exists() or (arguments.cases and name not in arguments.cases):
            continue
        case = make()
        start = time.perf_counter()
        subject = open_subject(case.model, _configured(case), _analysed(case, arguments.work, "margin"), HERE, Silent())
        found = {
            "title": case.title,
            "count": case.count,
            "defect": case.defect,
            "curves": curves(case, subject) if case.curves else [],
            "levers": list(levers(case, arguments.work)) if case.defect is not None else [],
        }
        file.write_text(json.dumps({**found, "seconds": time.perf_counter() - start}))
        print(name, f"{time.perf_counter() - start:.0f} s", flush=True)
    held = {
        name: json.loads(file.read_text())
        for name in known
        if (file := arguments.work / f"repair-{name}.json").exists()
    }
    write(held)


def _cases(work: Path) -> dict[str, Any]:
    unit = {"rescale": 1 / 255}
    return {
        "digits": lambda: Case(
            "digits, half of the fours labelled nines",
            MODELS / "digits_mislabelled.onnx",
            MODELS / "digits.npz",
            unit,
            500,
            "4",
            curves=False,
            extra={"samples": 25},
        ),
        "mnist": lambda: Case(
            "MNIST, 45 % of the fours labelled nines",
            _mislabelled(work / "mnist_mislabelled.onnx"),
            digits_of_mnist(work),
            unit,
            500,
            "4",
            curves=False,
        ),
        "lenet": lambda: Case("LeNet-5, MNIST", MODELS / "mnist_lenet.onnx", digits_of_mnist(work), unit, 300),
        "mobilenetv1": lambda: _animals(work),
        "resnet20": lambda: Case(
            "ResNet-20, CIFAR-10 as JPEG",
            assets.model_path("cifar10_resnet20"),
            cifar(work),
            IMAGENET,
            50,
            "2",
            levers=2,
        ),
    }


def _animals(work: Path) -> Case:
    """Return a small MobileNetV1 on the photographs of three animals."""
    names = work / "imagenet_1001.txt"  # labels.txt would be taken for the names of all data here
    names.write_text("background\n" + (assets.ASSETS / "data" / "imagenet_synset.txt").read_text())
    reading = {
        "mean": [1.0],
        "std": [1.0],
        "rescale": 1 / 128,
        "resize": 146,
        "center_crop": 128,
        "labels": str(names),
    }
    return Case(
        "MobileNetV1 0.25 128, ImageNet, three animals",
        assets.model_path("imagenet_mobilenetv1_025_128"),
        assets.ANIMALS,
        reading,
        12,
        targets=(2, 3, 12),
        extra={"samples": 12, "budget": 64},
    )


def _mislabelled(file: Path) -> Path:
    """Return the network of MNIST's first 12,000 training images, trained on wrong labels where it is not there."""
    if not file.exists():
        sys.path.insert(0, str(ROOT / "tools"))
        import lenet  # noqa: PLC0415  # needs PyTorch
        import train_mislabelled  # noqa: PLC0415
        import train_mnist  # noqa: PLC0415

        x, y = train_mnist.images(assets.ASSETS / "data" / "mnist" / "train-images-idx3-ubyte.gz")
        x, y = x[:12000], y[:12000]
        labels = train_mislabelled.mislabelled(y, train_mislabelled.SHARE, np.random.default_rng(0))
        lenet.export(lenet.train(x, labels, epochs=6, seed=0), file)
    return file


def _configured(case: Case) -> Any:
    return configure_by_name(case.model, None, case.reading, case.data)


def _analysed(case: Case, work: Path, outcome: str) -> Path:
    """Return the folder of an analysis, made where it is not there."""
    folder = work / f"{case.model.stem}-{outcome}.causal"
    if not (folder / "analysis.json").exists():
        analyze(
            case.model, str(case.data), out=folder, **case.reading, targets=case.targets, outcome=outcome, **case.extra
        )
    return folder


if __name__ == "__main__":
    main()
