"""The command `onnxcausal evaluate`."""

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from onnxcausal.cli import options
from onnxcausal.cli.progress import ConsoleProgress
from onnxcausal.cli.settings import configured_by, machine_by
from onnxcausal.errors import ConfigError

if TYPE_CHECKING:
    from onnxcausal.analysis.formats.evaluation import Protocol
    from onnxcausal.pipeline.evaluate import EvaluateOptions
    from onnxcausal.pipeline.preparing.configuration import Configured
    from onnxcausal.pipeline.preparing.machine import Machine

OWN = {
    "count": "--count",
    "runs": "--runs",
    "portions": "--portions",
    "methods": "--methods",
    "perturbations": "--perturbations",
    "sd": "--sd",
    "masks": "--masks",
    "layer": "--layer",
}
"""Flag of each setting of the protocols."""


def evaluate_command(
    protocol: options.ProtocolName,
    model: options.ModelFile,
    *,
    analysis: options.AnalysisFolder = None,
    count: options.Count = None,
    runs: options.Runs = None,
    portions: options.Portions = None,
    methods: options.Methods = None,
    perturbations: options.Perturbations = None,
    sd: options.Noise = None,
    masks: options.RiseMasks = None,
    layer: options.MapLayer = None,
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
    target: options.Target = None,
    samples: options.Samples = None,
    layers: options.TestedLayers = None,
    skip_layers: options.SkippedLayers = None,
    rule: options.Rule = None,
    coverage: options.Coverage = None,
    beta: options.Beta = None,
    replace: options.Replace = None,
    outcome: options.Outcome = None,
    seed: options.Seed = None,
    provider: options.Provider = None,
    memory: options.Memory = None,
    limits: options.Limits = None,
    follow_links: options.FollowLinks = False,
    config: options.Config = None,
    out: options.EvaluatedOut = None,
    force: options.ForceFiles = False,
    as_json: options.AsEvaluationJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,  # read by the program's entry, which sees every error
) -> None:
    """Measure how far causal graphs and their maps can be trusted, on samples they were not inferred from."""
    arguments = locals()
    chosen = _protocol(protocol)
    configured, own, machine = configured_by(model, arguments), _options(chosen, arguments), machine_by(arguments)
    out = out or Path(f"{model.stem}.evaluation")
    _run(chosen, model, configured, own, machine, analysis=analysis, out=out, force=force, as_json=as_json, quiet=quiet)


def _run(
    protocol: "Protocol",
    model: Path,
    configured: "Configured",
    own: "EvaluateOptions",
    machine: "Machine",
    *,
    analysis: Path | None,
    out: Path,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the job, then print what was measured."""
    from onnxcausal.analysis.formats.evaluation import to_json  # noqa: PLC0415  # --help must not load it
    from onnxcausal.pipeline.evaluate import run  # noqa: PLC0415
    from onnxcausal.report.evaluation import table  # noqa: PLC0415

    with closing(ConsoleProgress(sys.stderr, quiet=quiet)) as progress:
        evaluation = run(
            protocol,
            model,
            configured,
            analysis=analysis,
            options=own,
            out=out,
            force=force,
            machine=machine,
            progress=progress,
        )
    print(to_json(evaluation) if as_json else table(evaluation), end="")
    if not quiet:
        print(f"evaluated in {progress.seconds:.1f} s, written to {out}", file=sys.stderr)


def _protocol(name: str) -> "Protocol":
    """Return the protocol of a name.

    Raises:
        ConfigError: there is none.
    """
    from onnxcausal.analysis.formats.evaluation import Protocol  # noqa: PLC0415  # --help must not load it

    known = [protocol.value for protocol in Protocol]
    if name in known:
        return Protocol(name)
    raise ConfigError(
        f"unknown protocol {name!r}",
        where="onnxcausal evaluate",
        why=f"known are {', '.join(known)}",
        remedy="onnxcausal evaluate PROTOCOL MODEL",
    )


def _options(protocol: "Protocol", arguments: Mapping[str, object]) -> "EvaluateOptions":
    """Return the settings of a protocol.

    Raises:
        ConfigError: one is given that the protocol does not read, or cannot be read itself.
    """
    from onnxcausal.pipeline.evaluate import READ, USUAL, EvaluateOptions  # noqa: PLC0415  # --help must not load it

    given = {name: arguments[name] for name in OWN if arguments[name] is not None}
    unread = [name for name in given if name not in READ[protocol]]
    if unread:
        raise ConfigError(
            f"{OWN[unread[0]]} does not belong to {protocol.value}",
            where=f"onnxcausal evaluate {protocol.value}",
            why=f"this protocol reads {', '.join(OWN[name] for name in READ[protocol])}",
            remedy="leave it out",
        )
    if "sd" in given and not 0 < float(str(given["sd"])) < float("inf"):
        raise ConfigError(
            "the noise cannot be drawn",
            where=f"--sd {given['sd']}",
            why="a standard deviation is a number above 0",
            remedy="write it in the unit of the model's input, like 0.1",
        )
    if "portions" in given:
        given["portions"] = _portions(str(given["portions"]))
    if "methods" in given:
        given["methods"] = tuple(part.strip() for part in str(given["methods"]).split(","))
    values = {name: getattr(USUAL, name) for name in OWN} | given
    return EvaluateOptions(**values)


def _portions(text: str) -> tuple[float, ...]:
    """Return shares written with commas between them.

    Raises:
        ConfigError: one is no number between 0 and 1.
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if found and all(0 < share <= 1 for share in found):
        return found
    raise ConfigError(
        "the portions cannot be read",
        where=f"--portions {text}",
        why="portions are numbers above 0, up to 1",
        remedy="write them like 0.1,0.2,0.5",
    )
