"""RESULTS.md: what the paper reports, what was measured, and why they differ."""

import json
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from paper_prose import HEAD, PROSE, TITLES  # found beside this file

FILE = Path(__file__).with_name("RESULTS.md")
CASES = {
    "lenet": "LeNet-5, MNIST",
    "resnet20": "ResNet-20, CIFAR-10",
    "mobilenetv1": "MobileNetV1 0.25 128, ImageNet",
    "squeezenet": "SqueezeNet 1.1, ImageNet",
    "mobilenetv2": "MobileNetV2, ImageNet",
}
PACKAGES = ("onnxcausal", "onnxruntime", "onnxruntime-gpu", "numpy", "torch", "captum", "quantus", "scikit-image")
Found = dict[str, dict[str, Any]]


def write_page(work: Path, machine: str) -> None:
    """Write the page from the stages that are there."""
    found = {file.stem: json.loads(file.read_text()) for file in sorted(work.glob("*.json"))}
    sections = [
        ("graphs", _graphs(found)),
        ("maps", _maps(found)),
        ("reliability", _reliability(found)),
        ("explanations", _explanations(found)),
        ("choices", _choices(found)),
        ("fidelity", _fidelity(found)),
        ("specificity", _specificity(found)),
        ("masking", _masking(found)),
        ("sufficiency", _sufficiency(found)),
        ("timing", _timing(found)),
    ]
    lines = [*HEAD.strip().splitlines(), "", *goals(found), ""]
    for name, body in sections:
        lines += [f"## {TITLES[name]}", "", *PROSE[name].strip().splitlines(), "", *body, ""]
    seconds = {
        case: sum(held["seconds"] for name, held in found.items() if name.split("-")[0] == case) for case in CASES
    }
    told = ", ".join(f"{CASES[case]} {taken / 60:.0f} minutes" for case, taken in seconds.items() if taken)
    lines += [f"Time taken: {told}.", "", f"{machine}, {os.cpu_count()} cores, {_versions()}."]
    FILE.write_text("\n".join(lines) + "\n")


def goals(found: Found) -> Iterator[str]:
    """Yield what was aimed at and what was measured."""
    yield "| aimed at | measured |"
    yield "|---|---|"
    if held := found.get("lenet-reliability"):
        records = _records(held, target=None, method="beta and images")
        low = {
            measure: min(record["mean"] for record in records if record["measure"] == measure)
            for measure in ("appearance", "recurrence")
        }
        yield (
            "| LeNet-5, paired rule, other images and beta in each run: appearance of at least 95 % in every layer | "
            f"at least {low['appearance']:.1%} (recurrence at least {low['recurrence']:.1%}) |"
        )
    for case, title in (("lenet", "LeNet-5"), ("resnet20", "ResNet-20")):
        yield from _goals_of_maps(found, case, title)
        if held := found.get(f"{case}-fidelity"):
            at = {
                (record["method"], record["measure"]): record["mean"] for record in _records(held, target=None, at=0.2)
            }
            critical, random = (at[method, "class accuracy"] for method in ("critical", "random"))
            yield (
                f"| {title}: masking the top 20 % leaves less than 25 % of the class's accuracy, at most half of what "
                f"random nodes leave | {critical:.1%} (random {random:.1%}; the others "
                f"{at['critical', 'other accuracy']:.1%}, random {at['random', 'other accuracy']:.1%}) |"
            )
    if held := found.get("lenet-sufficiency"):
        (graph,) = _records(held, target=None, method="graph, zero", measure="AUROC")
        (edges,) = _records(held, target=None, method="graph", measure="share of edges")
        yield (
            "| LeNet-5: AUROC of the graph alone at least 0.93 with at most 11 % of the edges | "
            f"{graph['mean']:.3f} with {edges['mean']:.1%} |"
        )
    if held := found.get("lenet-timing"):
        yield (
            "| explaining 100 MNIST images takes less time than Captum's Integrated Gradients (50 steps) | "
            f"{held['explain'] / held['integrated gradients']:.2f} of it; with 100 pictures written "
            f"{held['explain and write'] / held['integrated gradients']:.2f} |"
        )


def _goals_of_maps(found: Found, case: str, title: str) -> Iterator[str]:
    for stage, measure, aim, better in (
        ("stability", "Lipschitz estimate", "LE below that of every method but the constant map", min),
        ("faithfulness", "IROF over segments", "IROF at least that of the best method, within its interval", max),
    ):
        if held := found.get(f"{case}-{stage}"):
            records = {record["method"]: record for record in _records(held, target=None, measure=measure)}
            own = records.pop("causal")
            rivals = [record for name, record in records.items() if name not in ("constant", "greedy")]
            best = better(rivals, key=lambda record: record["mean"])
            ahead = sum(better(own["mean"], rival["mean"]) == rival["mean"] for rival in rivals)
            yield (
                f"| {title}: {aim} | {_number(own)}; best {best['method']} {_number(best)}; "
                f"{ahead} of {len(rivals)} methods are ahead, the best {_within(best, own)} the map's own interval |"
            )


def _within(best: dict[str, Any], own: dict[str, Any]) -> str:
    return "within" if own["interval"][0] <= best["mean"] <= own["interval"][1] else "outside"


def _versions() -> str:
    known = []
    for name in PACKAGES:
        try:
            known.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(known)


def _of(found: Found, stage: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (case, content) of a stage for every case that has it."""
    for case in CASES:
        held = found.get(f"{case}-{stage}")
        if held is not None:
            yield case, held


def _records(held: dict[str, Any], **wanted: object) -> list[dict[str, Any]]:
    return [record for record in held["records"] if all(record[key] == value for key, value in wanted.items())]


def _number(record: dict[str, Any]) -> str:
    low, high = record["interval"]
    return f"{record['mean']:.3g}" if low == high else f"{record['mean']:.3g} ({low:.3g} to {high:.3g})"


def _three(values: list[float]) -> str:
    return f"{values[0]:.3g} ({values[1]:.3g} to {values[2]:.3g})"


def _graphs(found: Found) -> Iterator[str]:
    for case, held in _of(found, "graphs"):
        counts = "-".join(str(number) for number in held["necessary"].values())
        yield f"- {CASES[case]}, class {held['class']}: necessary nodes from the outcome up {counts}."
        yield f"  ![heat map](paper/figure3-{case}.png)"
        yield f"  ![graph](paper/figure4-{case}.png)"


def _maps(found: Found) -> Iterator[str]:
    for case, _ in _of(found, "maps"):
        yield f"{CASES[case]}:"
        yield ""
        for file in sorted((Path(__file__).parent / "paper").glob(f"figure5-{case}-*.png")):
            yield f"![{case} {file.stem.split('-')[-1]}](paper/{file.name})"
        yield ""


def _reliability(found: Found) -> Iterator[str]:
    for rule in ("", "-welch"):
        for case, held in _of(found, f"reliability{rule}"):
            settings = held["settings"]
            classes = len({record["target"] for record in held["records"]} - {None})
            yield (
                f"{CASES[case]}, rule `{settings['rule']}`, {held['options']['runs']} runs of each kind, "
                f"{settings['samples']} images a run, mean over {classes} classes:"
            )
            yield ""
            kinds = ("beta alone", "images alone", "beta and images")
            yield "| layer | " + " | ".join(f"{kind}: appearance | recurrence" for kind in kinds) + " |"
            yield "|---" * 7 + "|"
            for layer in dict.fromkeys(r["layer"] for r in _records(held, target=None) if r["layer"]):
                cells = []
                for kind in kinds:
                    for measure in ("appearance", "recurrence"):
                        records = _records(held, target=None, layer=layer, method=kind, measure=measure)
                        cells.append(f"{records[0]['mean']:.1%}" if records else "")
                yield f"| `{layer}` | " + " | ".join(cells) + " |"
            yield ""
            yield f"![reliability](paper/figure7{rule}-{case}.png)"
            yield ""


def _explanations(found: Found) -> Iterator[str]:
    cases = [case for case in CASES if f"{case}-stability" in found and f"{case}-faithfulness" in found]
    if not cases:
        return
    yield "| method | " + " | ".join(f"{CASES[case]}: LE | IROF over segments" for case in cases) + " |"
    yield "|---" * (1 + 2 * len(cases)) + "|"
    columns = [found[f"{case}-{stage}"] for case in cases for stage in ("stability", "faithfulness")]
    measures = ["Lipschitz estimate", "IROF over segments"] * len(cases)
    methods = dict.fromkeys(record["method"] for held in columns for record in _records(held, target=None))
    for method in methods:
        cells = []
        for held, measure in zip(columns, measures, strict=True):
            records = _records(held, target=None, method=method, measure=measure)
            cells.append(_number(records[0]) if records else "")
        yield f"| {'**causal**' if method == 'causal' else method} | " + " | ".join(cells) + " |"
    yield ""
    for case in cases:
        options, images = found[f"{case}-stability"]["options"], _records(found[f"{case}-stability"], target=None)
        yield (
            f"- {CASES[case]}: {images[0]['n']} images, {options['perturbations']} perturbations of sd "
            f"{options['sd']}, {options['masks']} masks of RISE."
        )
        splits = [found[f"{case}-{stage}"]["split"]["evaluated_on"] for stage in ("stability", "faithfulness")]
        if splits[0] != splits[1]:
            yield "  Its LE is of other held-out images than its IROF: the two were not measured in one run."
    yield ""
    for case in cases:
        yield f"![{case}, stability](paper/figure8-{case}.png)"
        yield f"![{case}, faithfulness](paper/figure8b-{case}.png)"


def _choices(found: Found) -> Iterator[str]:
    cases = [case for case in CASES if f"{case}-choices" in found]
    if not cases:
        return
    yield "| map | " + " | ".join(f"{CASES[case]}: LE | IROF over segments" for case in cases) + " |"
    yield "|---" * (1 + 2 * len(cases)) + "|"
    rows = [found[f"{case}-choices"]["rows"] for case in cases]
    for name in rows[0]:
        measures = ("Lipschitz estimate", "IROF over segments")
        found_here = [held[name].get(measure) for held in rows for measure in measures]
        cells = ["" if values is None else _three(values) for values in found_here]
        yield f"| {name} | " + " | ".join(cells) + " |"


def _fidelity(found: Found) -> Iterator[str]:
    for case, held in _of(found, "fidelity"):
        portions = list(dict.fromkeys(record["at"] for record in _records(held, target=None)))
        classes = len({record["target"] for record in held["records"]} - {None})
        yield f"{CASES[case]}, mean over {classes} classes, accuracy of the class / of the others:"
        yield ""
        yield "| masked | " + " | ".join(f"{portion:.0%}" for portion in portions) + " |"
        yield "|---" * (1 + len(portions)) + "|"
        for method in ("critical", "random", "largest weights", "noisy"):
            cells = []
            for portion in portions:
                pair = [
                    _records(held, target=None, method=method, at=portion, measure=measure)
                    for measure in ("class accuracy", "other accuracy")
                ]
                cells.append(" / ".join(f"{each[0]['mean']:.2f}" for each in pair if each))
            yield f"| {method} | " + " | ".join(cells) + " |"
        yield ""
        yield f"![fidelity](paper/figure10-{case}.png)"
        yield ""


def _specificity(found: Found) -> Iterator[str]:
    for case, held in _of(found, "specificity"):
        yield (
            f"{CASES[case]}, {held['classes']} classes, {held['samples']} images of each, 20 % of the necessary nodes:"
        )
        yield ""
        yield "| replace | outcome | coverage | class | others | random: class | random: others |"
        yield "|---|---|---|---|---|---|---|"
        for row in held["rows"]:
            cells = [
                _three(row[key])
                for key in (
                    "critical, class accuracy",
                    "critical, other accuracy",
                    "random, class accuracy",
                    "random, other accuracy",
                )
            ]
            yield f"| {row['replace']} | {row['outcome']} | {row['coverage']} | " + " | ".join(cells) + " |"
        yield ""


def _masking(found: Found) -> Iterator[str]:
    for case, held in _of(found, "masking"):
        portions = list(dict.fromkeys(row["portion"] for row in held["rows"]))
        yield f"{CASES[case]}, accuracy of the class / of the others:"
        yield ""
        yield "| masked | " + " | ".join(f"{portion:.0%}" for portion in portions) + " |"
        yield "|---" * (1 + len(portions)) + "|"
        for kinds in dict.fromkeys(row["masked"] for row in held["rows"]):
            cells = [
                f"{row['class'][0]:.2f} / {row['others'][0]:.2f}" for row in held["rows"] if row["masked"] == kinds
            ]
            yield f"| {kinds} | " + " | ".join(cells) + " |"
        yield ""
        yield f"![masking](paper/figure11-{case}.png)"
        yield ""


def _sufficiency(found: Found) -> Iterator[str]:
    for case, held in _of(found, "sufficiency"):
        classes = len({record["target"] for record in held["records"]} - {None})
        parts = [f"{record['method']} {_number(record)}" for record in _records(held, target=None, measure="AUROC")]
        edges = _records(held, target=None, measure="share of edges", method="graph")[0]
        yield f"- {CASES[case]}, {classes} classes, {edges['mean']:.1%} of the edges: {', '.join(parts)}."
    yield ""
    for case, held in _of(found, "curve"):
        yield (
            f"{CASES[case]}, {held['classes']} classes, {held['samples']} images of each, graphs inferred and tested "
            "with the same replacement:"
        )
        yield ""
        yield "| replace | coverage | edges | graph | random graph | full model |"
        yield "|---|---|---|---|---|---|"
        for row in held["rows"]:
            cells = " | ".join(_three(row[key]) for key in ("graph", "random", "full"))
            yield f"| {row['replace']} | {row['coverage']} | {row['edges']:.1%} | {cells} |"
        yield ""
        yield f"![AUROC against edges](paper/curve-{case}.png)"
        yield ""


def _timing(found: Found) -> Iterator[str]:
    held = found.get("lenet-timing")
    if held is None:
        return
    base = held["explain"]
    yield "| 100 MNIST images, medians of five turns in one process | over explaining from a saved analysis |"
    yield "|---|---|"
    for way in ("explain", "explain and write", "integrated gradients"):
        told = {
            "explain": "`explain`: opening the model, reading images and analysis, all maps",
            "explain and write": "the same, and writing 100 pictures and the archive",
            "integrated gradients": "Captum's Integrated Gradients, 50 steps, the model already in memory",
        }[way]
        yield f"| {told} | {held[way] / base:.2f} |"
