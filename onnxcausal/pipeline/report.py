"""The job of writing the report: one page of an analysis and what else was found of its model."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.analysis.formats.evaluation import Protocol, read_evaluation
from onnxcausal.analysis.formats.output_folder import EFFECTS_FILE, write_file
from onnxcausal.analysis.formats.reading import first_problem
from onnxcausal.analysis.formats.saved_analysis import analysis_sha256, read_analysis
from onnxcausal.analysis.formats.saved_effects import SavedEffects
from onnxcausal.analysis.formats.saved_maps import read_maps
from onnxcausal.analysis.formats.side_effects import RECORDS, read_side_effects
from onnxcausal.analysis.result.explanation import ARCHIVE, UNKNOWN
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, OutputError, SamplesError
from onnxcausal.filesystem.reading import plain_file
from onnxcausal.pipeline.writing.stale_results import EVALUATIONS, HEAD, PAGE_FILE, evaluates, explains
from onnxcausal.pipeline.writing.stale_results import repairs as is_repair_of
from onnxcausal.report.page.assemble import model_of_page, page
from onnxcausal.report.page.found import Found, Pictures
from onnxcausal.samples.arrays import array_samples
from onnxcausal.samples.inputs import Named, pictures
from onnxcausal.samples.joined import joined, read_parts, samples_first
from onnxcausal.samples.load import load_samples
from onnxcausal.samples.preprocess import ChannelOrder, Layout, Preprocess
from onnxcausal.samples.source import InputSpec, Samples
from onnxcausal.samples.table import read_columns


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written.

    Attributes:
        path: the page.
        size: its bytes.
        model_file: the model's file name.
        classes: classes it shows.
        parts: what it shows beside the analysis.
        notes: what a reader must know of them, one sentence each.
    """

    path: Path
    size: int
    model_file: str
    classes: int
    parts: tuple[str, ...]
    notes: tuple[str, ...]


def report(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    results: str | Path | Sequence[str | Path] = (),
    data: str | Path | None = None,
    force: bool = False,
) -> Written:
    """Write an analysis as one page; the same job as `onnxcausal report`.

    Args:
        folder: the folder that `analyze` wrote.
        out: the file to write; default: `report.html` in that folder.
        results: folders (or files) with what `explain`, `evaluate` and `repair` wrote of the same model; what stands
            in the analysis's own folder is found by itself.
        data: the data that was analysed, for pictures of its samples.
        force: replace a file that is no report of this model.

    Raises:
        ConfigError: a file cannot be read or is of another model, or the page cannot be written.
        SamplesError: the data cannot be read, or is other data than was analysed.
    """
    folder = Path(folder)
    analysis = read_analysis(folder)
    home = folder if folder.is_dir() else folder.parent
    path = Path(out) if out is not None else home / PAGE_FILE
    _check_place(path, analysis.model.sha256, force=force)
    given = (results,) if isinstance(results, str | Path) else results
    with ExitStack() as stack:
        effects = home / EFFECTS_FILE
        found = _found(
            analysis,
            analysis_sha256(folder),
            [home, *map(Path, given)],
            stack.enter_context(SavedEffects(effects)) if os.path.lexists(effects) else None,
            None if data is None else _pictures(Path(data), analysis),
        )
        content = page(found)
    write_file(path, content)
    return Written(path, len(content), analysis.model.file, len(analysis.graphs), _parts(found), found.elsewhere)


def _found(
    analysis: AnalysisFile,
    digest: str,
    places: list[Path],
    effects: SavedEffects | None,
    shown: Pictures | None,
) -> Found:
    """Return everything that was found, the analysis's own folder first, having made sure that it is of one model."""
    for place in places[1:]:
        if not _files([place], EVALUATIONS) + _files([place], ARCHIVE) + _files([place], RECORDS):
            raise _not_there(place)
    evaluations = {path: read_evaluation(path) for path in _files(places, EVALUATIONS)}
    maps = {path: read_maps(path) for path in _files(places, ARCHIVE)}
    repairs = {path: read_side_effects(path) for path in _files(places, RECORDS)}
    hashes = {path: held.model.sha256 for path, held in evaluations.items()}
    hashes |= {path: held.model_sha256 for path, held in maps.items()}
    hashes |= {path: held.model.sha256 for path, held in repairs.items()}
    for path, sha256 in hashes.items():
        if sha256 != analysis.model.sha256:
            raise _of_another_model(path, sha256, analysis)
    others = [path.name for path, held in evaluations.items() if not evaluates(held, analysis)]
    others += [path.name for path, held in maps.items() if not explains(held, analysis)]
    others += [path.name for path, held in repairs.items() if not is_repair_of(held, digest)]
    return Found(
        analysis=analysis,
        effects=effects,
        pictures=shown,
        evaluations=tuple(sorted(evaluations.values(), key=lambda held: list(Protocol).index(held.protocol))),
        maps=tuple(maps.values()),
        repairs=tuple(repairs.values()),
        elsewhere=tuple(f"{name} was made with another analysis of this model than the one shown" for name in others),
        digest=digest,
    )


def _files(places: Iterable[Path], pattern: str) -> list[Path]:
    """Return the files of a name in folders, and those of the places that are such files themselves; each once."""
    found = [
        path
        for place in places
        for path in (sorted(place.glob(pattern)) if place.is_dir() else [place] if place.match(pattern) else [])
    ]
    return list({path.resolve(): path for path in found}.values())


def _pictures(path: Path, analysis: AnalysisFile) -> Pictures | None:
    """Return what gives pictures of the analysed samples; None where they are no images."""
    as_seen = replace(_sizes(analysis), channels=ChannelOrder.RGB, layout=Layout.NHWC)
    if analysis.inputs:
        _check_data(path, _side_by_side(path, analysis), analysis)
        return None  # of several inputs none is the picture
    anything = InputSpec("image", ())
    samples = load_samples(path, anything, as_seen, labelled=analysis.settings.task is not Task.REGRESSION)
    _check_data(path, samples, analysis)

    def give(positions: Sequence[int]) -> Mapping[int, NDArray[np.uint8]]:
        batch = samples.read(np.array(positions, np.int64))
        named = Named(
            batch.x,
            tuple(map(str, batch.indices.tolist())),
            np.full(len(batch.indices), UNKNOWN),
            preprocessed=samples.preprocessed,
        )
        seen = pictures(named, anything, as_seen)
        return {} if seen is None else dict(zip(batch.indices.tolist(), seen, strict=True))

    return give if give([0]) else None


def _side_by_side(path: Path, analysis: AnalysisFile) -> Samples:
    """Return data that hold something for each of several inputs, as they were analysed."""
    names = analysis.inputs or []
    labelled = analysis.settings.task is not Task.REGRESSION
    parts: Mapping[str, NDArray[np.generic]]
    y: NDArray[np.generic] | None
    if path.suffix == ".csv":
        columns = read_columns(path, names, None, None, labelled=labelled)
        parts, y = columns.parts, columns.labels
    else:
        parts, y = read_parts(path, names)
    count = None if y is None else len(y)
    axes = {
        name: next((axis for axis, size in enumerate(held.shape) if size == count), 0) for name, held in parts.items()
    }
    x = joined(samples_first(parts, axes, count), names, path.name)
    spec = InputSpec("samples", (None, x.shape[1]))
    return array_samples(x, y if labelled else None, spec, Preprocess(), source=path.name)


def _sizes(analysis: AnalysisFile) -> Preprocess:
    """Return what an analysis says of the sizes of images.

    Raises:
        ConfigError: it cannot be so.
    """
    recorded = analysis.settings.preprocess
    try:
        return TypeAdapter(Preprocess).validate_python(
            {key: recorded[key] for key in ("resize", "center_crop") if recorded.get(key)}
        )
    except ValidationError as error:
        raise ConfigError(
            "the analysis cannot be read",
            where="settings, preprocess",
            why=first_problem(error),
            remedy="analyse the model again",
        ) from error


def _check_data(path: Path, samples: Samples, analysis: AnalysisFile) -> None:
    digest = samples.digest()
    if digest != analysis.data.sha256:
        raise SamplesError(
            "the data is other data than was analysed",
            where=str(path),
            why=f"its hash is {digest}, that of {analysis.data.source} was {analysis.data.sha256}",
            remedy="name the data of the analysis, or leave --data out",
        )


def _check_place(path: Path, model_sha256: str, *, force: bool) -> None:
    """Refuse to replace what is no report of this model."""
    if not os.path.lexists(path) or force:
        return
    try:
        with plain_file(path) as file:
            held = model_of_page(file.read(HEAD))
    except OSError as error:
        raise OutputError(
            "the output cannot be written",
            where=str(path),
            why=error.strerror or str(error),
            remedy="choose another place with --out",
        ) from error
    if held != model_sha256:
        raise OutputError(
            "there is another file in the report's place",
            where=str(path),
            why=f"it is a report of a model with the hash {held}" if held else "it is no report of this tool",
            remedy="choose another place with --out, or pass --force to replace it",
        )


def _parts(found: Found) -> tuple[str, ...]:
    """Return in words what is shown beside the analysis."""
    told = [f"evaluation of {held.protocol.value}" for held in found.evaluations]
    told += [f"{len(held.names)} explained input(s)" for held in found.maps]
    told += ["a repair" for _ in found.repairs]
    return (*told, *(["pictures of samples"] if found.pictures is not None else []))


def _not_there(place: Path) -> ConfigError:
    return ConfigError(
        "there are no such results",
        where=str(place),
        why=f"it holds no {ARCHIVE}, {EVALUATIONS} or {RECORDS}" if place.exists() else "it does not exist",
        remedy="name a folder that onnxcausal explain, evaluate or repair wrote",
    )


def _of_another_model(path: Path, sha256: str, analysis: AnalysisFile) -> ConfigError:
    return ConfigError(
        "results are of another model",
        where=str(path),
        why=f"they are of one with the hash {sha256}; the analysis is of {analysis.model.file} with "
        f"{analysis.model.sha256}",
        remedy="leave them out, or name the results of the same model",
    )
