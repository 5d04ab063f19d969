"""The command `onnxcausal inspect`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.settings import given_settings
from onnxcausal.errors import ConfigError, OnnxCausalError, OutputError
from onnxcausal.filesystem.reading import plain_file

if TYPE_CHECKING:
    from onnxcausal.analysis.result.inspection import Inspection

PNG = b"\x89PNG"
"""How such files begin."""


def inspect_command(
    model: options.ModelFiles,
    *,
    input_name: options.InputName = None,
    output: options.Output = None,
    reduce: options.Reduce = None,
    class_axis: options.ClassAxis = None,
    at: options.At = None,
    scores: options.Scores = None,
    sample_axis: options.SampleAxis = None,
    blank: options.Blank = None,
    task: options.Task = None,
    fixed: options.Fixed = None,
    config: options.Config = None,
    once: options.RunOnce = False,
    picture: options.PictureFile = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    as_json: options.AsInspectionJson = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Show what is in model files: inputs, outcome, layers and their flow, and what to know before trusting them."""
    from onnxcausal.pipeline.inspect import inspect  # noqa: PLC0415
    from onnxcausal.pipeline.preparing.configuration import configure  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.preparing.opening import caution_of  # noqa: PLC0415

    _check_alone(model, {"--picture": picture is not None, "--json": as_json})
    flags = given_settings(locals())
    caution = caution_of(limits, follow_links=follow_links)
    failed: list[OnnxCausalError] = []
    for number, path in enumerate(model):
        try:
            found = inspect(path, configure(path, config, flags), run=once, caution=caution)
        except OnnxCausalError as error:  # the other files are still looked at
            failed.append(error)
        else:
            print("\n" if number > len(failed) else "", end="")  # between those that are shown
            _show(found, picture, as_json=as_json)
    for earlier in failed[:-1]:
        print(earlier, file=sys.stderr)
    if failed:
        raise failed[-1]


def _show(found: "Inspection", picture: Path | None, *, as_json: bool) -> None:
    """Print what is in a model, and draw it where that was asked for."""
    from onnxcausal.report.inspection import as_text  # noqa: PLC0415  # --help must not load it

    if picture is not None:
        from onnxcausal.analysis.formats.output_folder import write_file  # noqa: PLC0415
        from onnxcausal.report.figures.layer_graph import layer_graph  # noqa: PLC0415

        _check_picture(picture)
        write_file(picture, layer_graph(found))
    if as_json:
        from onnxcausal import __version__  # noqa: PLC0415
        from onnxcausal.analysis.formats.inspection_file import to_json  # noqa: PLC0415

        print(to_json(found, __version__), end="")
    else:
        print(as_text(found), end="")


def _check_alone(models: Sequence[Path], given: dict[str, bool]) -> None:
    """Refuse options that are of one model where there are several.

    Raises:
        ConfigError: one was given.
    """
    flag = next((flag for flag, is_given in given.items() if is_given), None)
    if flag is not None and len(models) > 1:
        raise ConfigError(
            f"{flag} is of one model",
            where=flag,
            why=f"{len(models)} models are named",
            remedy="inspect them one by one",
        )


def _check_picture(path: Path) -> None:
    """Refuse to put a picture in the place of another kind of file.

    Raises:
        OutputError: the file is no picture.
    """
    if not path.is_file():
        return
    with plain_file(path) as file:
        head = file.read(len(PNG))
    if head != PNG:
        raise OutputError(
            "there is another file in the picture's place",
            where=str(path),
            why="it is no PNG picture, and would be lost",
            remedy="name another file with --picture",
        )
