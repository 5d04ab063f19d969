"""The command `onnxcausal inspect`."""

from pathlib import Path

from onnxcausal.cli import options
from onnxcausal.cli.analyze import FLAGS, given_settings
from onnxcausal.errors import OutputError

PNG = b"\x89PNG"
"""How such files begin."""


def inspect_command(
    model: options.ModelFile,
    *,
    input_name: options.InputName = None,
    output: options.Output = None,
    fixed: options.Fixed = None,
    config: options.Config = None,
    once: options.RunOnce = False,
    picture: options.PictureFile = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    as_json: options.AsInspectionJson = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Show what is in a model file: inputs, outcome, layers and their flow, and what to know before trusting it."""
    from onnxcausal.pipeline.configuration import configure  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.inspect import inspect  # noqa: PLC0415
    from onnxcausal.pipeline.opening import caution_of  # noqa: PLC0415
    from onnxcausal.report.inspection import as_text  # noqa: PLC0415

    flags = given_settings(dict.fromkeys(FLAGS) | locals())
    caution = caution_of(limits, follow_links=follow_links)
    found = inspect(model, configure(model, config, flags), run=once, caution=caution)
    if picture is not None:
        from onnxcausal.analysis.folder import write_file  # noqa: PLC0415
        from onnxcausal.report.layergraph import layer_graph  # noqa: PLC0415

        _check_picture(picture)
        write_file(picture, layer_graph(found))
    if as_json:
        from onnxcausal import __version__  # noqa: PLC0415
        from onnxcausal.analysis.inspectionfile import to_json  # noqa: PLC0415

        print(to_json(found, __version__), end="")
    else:
        print(as_text(found), end="")


def _check_picture(path: Path) -> None:
    """Refuse to put a picture in the place of another kind of file.

    Raises:
        OutputError: the file is no picture.
    """
    if path.is_file() and not path.read_bytes().startswith(PNG):
        raise OutputError(
            "there is another file in the picture's place",
            where=str(path),
            why="it is no PNG picture, and would be lost",
            remedy="name another file with --picture",
        )
