"""The command `onnxcausal apply`."""

import sys
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.settings import configured_by, machine_by

if TYPE_CHECKING:
    from onnxcausal.pipeline.apply import Applied
    from onnxcausal.pipeline.writing.pruned import PrunedSize

MOST_SHOWN = 8
"""Nodes of a layer that are listed."""


def apply_command(
    model: options.ModelFile,
    masks: options.MasksFile,
    *,
    out: options.NewModelFile,
    form: options.FormName = "masked",
    any_means: options.AnyMeans = False,
    data: options.Data = None,
    labels: options.Labels = None,
    label_column: options.LabelColumn = None,
    references: options.References = None,
    skip_bad: options.SkipBad = None,
    resize: options.Resize = None,
    center_crop: options.CenterCrop = None,
    rescale: options.Rescale = None,
    mean: options.Mean = None,
    std: options.Std = None,
    channels: options.Channels = None,
    layout: options.Layout = None,
    input_name: options.InputName = None,
    fixed: options.Fixed = None,
    output: options.Output = None,
    reduce: options.Reduce = None,
    class_axis: options.ClassAxis = None,
    at: options.At = None,
    scores: options.Scores = None,
    sample_axis: options.SampleAxis = None,
    blank: options.Blank = None,
    task: options.Task = None,
    provider: options.Provider = None,
    memory: options.Memory = None,
    force: options.ForceFile = False,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Write a model file with masks on its layers; all else of the file stays as it is.

    Means among the masks are held to what nodes take on the data that the sidecar, or --data, names.
    """
    from onnxcausal.pipeline.apply import run  # noqa: PLC0415  # --help must not load it

    arguments = locals()
    applied = run(
        model,
        masks,
        out,
        lambda: configured_by(model, arguments),
        form=form,
        force=force,
        any_means=any_means,
        machine=machine_by(arguments),
    )
    _tell(applied)
    if not quiet:
        print(f"written to {out}", file=sys.stderr)


def _tell(applied: "Applied") -> None:
    """Print what was done, a layer a line."""
    from onnxcausal.analysis.formats.repair_metadata import Form  # noqa: PLC0415  # --help must not load it
    from onnxcausal.report.text import printable  # noqa: PLC0415

    print(f"{printable(applied.model_file)}: masks on {len(applied.layers)} layer(s), form {applied.form}")
    rows = []
    for layer in applied.layers:
        shown = [f"{layer.edges:,} of {layer.of:,} edges"]
        shown += [f"mask {layer.mask}"] if layer.mask else []
        if layer.replaced:
            shown.append(f"means in {layer.shift}" if layer.shift else "means in its bias")
        rows.append([layer.name, ", ".join(shown)])
    _tell_rows(rows)
    for note in applied.notes:
        print(f"note: {printable(note)}")
    if applied.means:
        print(printable(applied.means))
    if applied.smaller is not None:
        tell_smaller(applied.smaller)
    if applied.form is Form.SWITCHABLE:
        shifted = any(layer.shift for layer in applied.layers)
        zeros = ", zeros to these means" if shifted else ""
        print(f"feed ones to these masks{zeros}, and the file is the original model")


def tell_smaller(smaller: "PrunedSize") -> None:
    """Print what was taken out, what stays all the same, and how far the outputs agree."""
    from onnxcausal.report.text import printable  # noqa: PLC0415  # --help must not load it

    before, after = smaller.parameters
    print(f"parameters: {before:,} before, {after:,} after")
    rows = []
    for layer in smaller.lost:
        parents = f"{len(layer.parents)} of {layer.of_parents} parents"
        children = f"{len(layer.children)} of {layer.of_children} children"
        rows.append([layer.layer, f"removed: {parents}, {children}"])
    _tell_rows(rows)
    for kept in smaller.kept:
        nodes = f"{len(kept.nodes)} node(s) stay, with weights of 0: {_shortened(kept.nodes)}"
        print(f"  {printable(kept.layer)}: {nodes}; {printable(kept.why)}")
    if smaller.difference is None:
        print(f"not compared with the folded form on random inputs: {printable(smaller.why_not_compared)}")
    else:
        share = f"{smaller.difference:.1g} of the largest"
        print(f"on random inputs its outputs differ from those of the folded form by {share} at most")


def _tell_rows(rows: list[list[str]]) -> None:
    """Print what is said of layers, a layer a line."""
    from onnxcausal.report.columns import Column, set_in_columns  # noqa: PLC0415  # --help must not load it

    for line in set_in_columns([Column(side="left", gap=0), Column(side="left")], rows):
        print(line)


def _shortened(nodes: tuple[int, ...]) -> str:
    return ", ".join(map(str, nodes[:MOST_SHOWN])) + (" ..." if len(nodes) > MOST_SHOWN else "")
