"""The job that shows what there is, on the model and data that come with the program."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import onnxcausal
from onnxcausal.analysis.formats.journal import JOURNAL_FILE
from onnxcausal.analysis.formats.output_folder import ANALYSIS_FILE, check_writable, save_files
from onnxcausal.analysis.formats.saved_analysis import read_analysis
from onnxcausal.analysis.result.analysis import Analysis
from onnxcausal.analysis.result.explanation import Explanation
from onnxcausal.errors import ConfigError, OutputError
from onnxcausal.pipeline.analyze import analyze
from onnxcausal.pipeline.explain import explain
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.pipeline.repair import RECORD, Repair, repair
from onnxcausal.pipeline.repairing.options import RepairOptions
from onnxcausal.pipeline.report import Written, report
from onnxcausal.pipeline.writing.stale_results import PAGE_FILE
from onnxcausal.samples.arrays import read_npz
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.selection import tried
from onnxcausal.samples.source import InputSpec

MODEL, DATA = "digits_mislabelled.onnx", "digits.npz"
MODELS: Final = "models"
"""Folder of the shipped models: in the package where it was installed, beside it in a clone."""
ANALYSED = "analysis"
TARGETS = (4, 8, 9)
REPAIRED = "4"
"""The class that the model is weak on: it learned from labels of which half its images said nine."""
MOST_LOST = 0.2
"""What its repair may cost a class: of few samples, no smaller loss can be excluded."""
SAMPLES = 25
"""Samples of a class: few enough that others are left to explain and to repair on."""
REPAIRED_FILE = "repaired.onnx"
REPAIR = RepairOptions(repaired=(REPAIRED,), max_drop=MOST_LOST)
EXAMPLES = 6
"""Inputs of a class that are explained, beside those tried ones that the model decides wrongly."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What was shown.

    Attributes:
        analysis: causal graphs of three classes.
        explanation: what inputs outside the analysis rest on.
        repair: what masks change, on samples of neither.
        written: the report.
    """

    analysis: Analysis
    explanation: Explanation
    repair: Repair
    written: Written


def demo(out: str | Path, *, progress: Progress | None = None) -> Shown:
    """Analyse a shipped model, explain some inputs, repair it and write the report; the same as `onnxcausal demo`.

    Args:
        out: folder for everything that is written.
        progress: told what happens.

    Raises:
        ConfigError: the folder cannot be written, or the shipped model is not there.
    """
    folder, shipped = Path(out), shipped_models()
    _check_folder(folder)
    progress = progress or Silent()
    model, data = shipped / MODEL, shipped / DATA
    analysed, explained = folder / ANALYSED, folder / "explained"
    analysis = analyze(
        model, data, out=analysed, targets=list(TARGETS), samples=SAMPLES, outcome="margin", progress=progress
    )
    save_files(folder, {"examples.npz": _examples(data, analysis)})
    explanation = explain(model, folder / "examples.npz", analysis=analysed, out=explained, progress=progress)
    repaired = folder / REPAIRED_FILE
    found = repair(model, repaired, analysis=analysed, options=REPAIR, progress=progress)
    results = [explained, repaired.with_suffix(RECORD)]
    written = report(analysed, out=folder / PAGE_FILE, results=results, data=data)
    return Shown(analysis, explanation, found, written)


def shipped_models() -> Path:
    """Return the folder of the shipped models.

    Raises:
        ConfigError: it is not there.
    """
    package = Path(onnxcausal.__file__).parent
    places = (package / MODELS, package.parent / MODELS)
    for place in places:
        if (place / MODEL).is_file() and (place / DATA).is_file():
            return place
    raise ConfigError(
        "the shipped model is not there",
        where=" or ".join(map(str, places)),
        why=f"neither folder holds {MODEL} and {DATA}",
        remedy="install onnxcausal again, or analyse a model of your own",
    )


def _check_folder(folder: Path) -> None:
    """Make sure that nothing of others is replaced.

    Raises:
        OutputError: the folder cannot be written, or holds something else than an earlier demo.
    """
    check_writable(folder)
    if folder.is_dir() and any(folder.iterdir()) and not _is_of_demo(folder / ANALYSED):
        raise OutputError(
            "the output folder holds other files",
            where=str(folder),
            why="it is no folder of an earlier demo",
            remedy="choose another folder with --out",
        )


def _is_of_demo(analysed: Path) -> bool:
    """Whether a folder holds the analysis of a demo, finished or interrupted."""
    if not (analysed / ANALYSIS_FILE).is_file():
        return (analysed / JOURNAL_FILE).is_file()
    try:
        return read_analysis(analysed).model.file == MODEL
    except ConfigError:
        return False


def _examples(data: Path, analysis: Analysis) -> bytes:
    """Return inputs that the graphs were not inferred from: those that were tried and wrong, and some others."""
    x, y = read_npz(data)
    assert y is not None
    chosen = np.concatenate([_positions(data, analysis, target) for target in analysis.targets])
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, x=x[chosen], y=y[chosen])
    return content.getvalue()


def _positions(data: Path, analysis: Analysis, target: int) -> NDArray[np.int64]:
    samples = load_samples(data, InputSpec("image", ()), Preprocess())
    settings, used = analysis.settings, analysis.graph(target).samples
    seen = tried(samples, target, used, settings.samples, settings.seed)
    others = np.setdiff1d(samples.of_class(target), seen)[:EXAMPLES]
    return np.concatenate([np.setdiff1d(seen, used), others])
