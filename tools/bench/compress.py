"""How small models get before they lose: by causal effects, by weight magnitude, by chance; re-fitted and not.

python tools/bench/compress.py [--work FOLDER] [CASE ...]

Cases: digits (shipped), resnet20 (of ../shared/assets). Each keeps its numbers in FOLDER/compress-CASE.json and is not
run again while that is there; the last step writes compress.md and the figure from all that are there.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from compress_page import CAUSAL, write  # noqa: E402  # found beside this file
from paper_subjects import IMAGENET, MODELS, cifar  # noqa: E402

from onnxcausal.causal.compression import Order  # noqa: E402
from onnxcausal.evaluation.accuracy_change import change_of  # noqa: E402
from onnxcausal.pipeline.analyze import analyze  # noqa: E402
from onnxcausal.pipeline.compressing.channels import causal_order, find_channels  # noqa: E402
from onnxcausal.pipeline.compressing.controls import other_orders  # noqa: E402
from onnxcausal.pipeline.compressing.smaller import Press  # noqa: E402
from onnxcausal.pipeline.heldout.split import Decisions, HeldOutSamples, decided_by, split_held_out  # noqa: E402
from onnxcausal.pipeline.heldout.subject import subject_of  # noqa: E402
from onnxcausal.pipeline.preparing.configuration import configure_by_name  # noqa: E402
from onnxcausal.pipeline.preparing.machine import HERE  # noqa: E402
from onnxcausal.pipeline.preparing.opening import open_original  # noqa: E402
from onnxcausal.pipeline.progress import Silent  # noqa: E402
from onnxcausal.pipeline.writing.trial_file import milliseconds  # noqa: E402
from tests.support import assets  # noqa: E402

SIZES = (0.9, 0.75, 0.6, 0.5, 0.4, 0.3)
"""Shares of the stored numbers that may stay."""


@dataclass(frozen=True)
class Case:
    """A model with its data.

    Attributes:
        title: as shown.
        model: the file.
        data: the samples.
        reading: settings of the preprocessing.
        count: samples of each class to choose on, and to report on.
        samples: of each class for the analysis.
    """

    title: str
    model: Path
    data: Path
    reading: Mapping[str, Any]
    count: int
    samples: int


def measured(case: Case, work: Path) -> dict[str, Any]:
    """Return what the smaller files of a case decide, paired on the same samples."""
    configured = configure_by_name(case.model, None, case.reading, case.data)
    original = open_original(case.model, HERE.caution)
    subject = subject_of(original.model, configured, _analysed(case, work), HERE, Silent())
    search, report = split_held_out(subject, case.count)
    channels = find_channels(original, subject)
    press = Press(original, subject, channels, configured.values, HERE, version("onnxcausal"))
    before = decided_by(subject, subject.network, report)
    orders = [(CAUSAL, causal_order(channels, subject, search, Silent())), *other_orders(press)]
    rows = []
    for share in SIZES:
        rows += _rows(press, orders, share, (search, report), before)
        print(case.title, share, [f"{row['after']:.3f}" for row in rows if row["share"] == share], flush=True)
    return {
        "title": case.title,
        "parameters": press.parameters,
        "groups": len(channels.groups),
        "n": len(before.labels),
        "chosen": sum(map(len, search.positions.values())),
        "before": float(before.right.mean()),
        "rows": rows,
    }


def _rows(
    press: Press,
    orders: list[tuple[str, Order]],
    share: float,
    parts: tuple[HeldOutSamples, HeldOutSamples],
    before: Decisions,
) -> Iterator[dict[str, Any]]:
    """Yield what the files of a size do: those of the causal order first, which the others are as small as."""
    search, report = parts
    size = int(share * press.parameters)
    one = next(report.blocks()).x[:1]
    causal: dict[bool, Decisions] = {}
    for number, (method, order) in enumerate(orders):
        taken = press.nearest(order, size) if number else press.fewest(order, size)
        for fitted in (False, True):
            made = press.make(order[:taken], fitted_on=search if fitted else None)
            if not number and not fitted:
                size = made.parameters
            old, new = milliseconds([press.subject.network, made.network], one)
            after = decided_by(press.subject, made.network, report)
            causal.setdefault(fitted, after)
            beside = change_of(after.right, causal[fitted].right)
            yield {
                "share": share,
                "method": method,
                "refit": fitted,
                "parameters": made.parameters,
                "latency": new / old,
                "after": float(after.right.mean()),
                "low": change_of(before.right, after.right).low,
                "high": change_of(before.right, after.right).high,
                "causal_minus": beside.difference,
                "p": beside.p,
                "unfit": [one.name for one in made.unfit],
            }


def main() -> None:
    """Run the cases that are asked for, or all, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / ".compress")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    arguments.work.mkdir(exist_ok=True)
    known = _cases(arguments.work)
    for name, make in known.items():
        file = arguments.work / f"compress-{name}.json"
        if file.exists() or (arguments.cases and name not in arguments.cases):
            continue
        start = time.perf_counter()
        found = measured(make(), arguments.work)
        file.write_text(json.dumps({**found, "seconds": time.perf_counter() - start}))
    write(
        [json.loads(file.read_text()) for name in known if (file := arguments.work / f"compress-{name}.json").exists()]
    )


def _cases(work: Path) -> dict[str, Callable[[], Case]]:
    return {
        "digits": lambda: Case(
            "LeNet-5, digits", MODELS / "digits_lenet.onnx", MODELS / "digits.npz", {"rescale": 1 / 255}, 500, 20
        ),
        "resnet20": lambda: Case(
            "ResNet-20, CIFAR-10 as JPEG", assets.model_path("cifar10_resnet20"), cifar(work), IMAGENET, 50, 20
        ),
    }


def _analysed(case: Case, work: Path) -> Path:
    """Return the folder of an analysis, made where it is not there."""
    folder = work / f"{case.model.stem}.causal"
    if not (folder / "analysis.json").exists():
        analyze(case.model, str(case.data), out=folder, samples=case.samples, **case.reading)
    return folder


if __name__ == "__main__":
    main()
