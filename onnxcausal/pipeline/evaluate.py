"""The job of evaluating causal graphs: one protocol on samples that the graphs were not inferred from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.evaluation import EstimateRecord, Evaluation, Protocol, model_of_evaluation, to_json
from onnxcausal.analysis.formats.output_folder import check_own_files, check_writable, save_files
from onnxcausal.analysis.formats.settings_record import settings_record
from onnxcausal.errors import NothingToAnalyseError
from onnxcausal.evaluation.maps import Explain
from onnxcausal.pipeline.heldout.subject import Subject, open_subject
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.provenance import data_record, tool_record
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.pipeline.protocols.fidelity import fidelity
from onnxcausal.pipeline.protocols.maps import METHODS, MapOptions, faithfulness, stability
from onnxcausal.pipeline.protocols.reliability import reliability
from onnxcausal.pipeline.protocols.sufficiency import sufficiency
from onnxcausal.report.evaluation import figure

PORTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of the necessary nodes that are masked (fig. 10)."""


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Settings of the protocols; each reads its own.

    Attributes:
        count: held-out samples of each class; None: 10 images for maps, 100 otherwise.
        runs: reliability: runs of each kind.
        portions: fidelity: shares of the necessary nodes that are masked.
        methods: stability, faithfulness: explanation methods.
        perturbations: stability: noisy copies of each image.
        sd: stability: standard deviation of the noise.
        masks: stability, faithfulness: masks of RISE.
        layer: stability, faithfulness: the layer the causal maps are of.
        others: stability, faithfulness: further methods to compare with, by name: a function from the index of a class
            to what makes maps `[samples, height, width]` of inputs `[samples, ...]`.
    """

    count: int | None = None
    runs: int = 50
    portions: tuple[float, ...] = PORTIONS
    methods: tuple[str, ...] = METHODS
    perturbations: int = 50
    sd: float = 0.1
    masks: int = 500
    layer: str | None = None
    others: Mapping[str, Callable[[int], Explain]] = field(default_factory=dict)

    def read_by(self, protocol: Protocol) -> dict[str, object]:
        """Return the settings that a protocol reads, its own number of samples filled in."""
        found = {name: getattr(self, name) for name in READ[protocol]}
        if "count" in found:
            found["count"] = self.samples(protocol)
        if "methods" in found:
            found["methods"] = (*self.methods, *self.others)
        return found

    def samples(self, protocol: Protocol) -> int:
        """Return how many held-out samples of each class a protocol takes."""
        of_maps = protocol in (Protocol.STABILITY, Protocol.FAITHFULNESS)
        return self.count or (MapOptions().count if of_maps else MOST)


MOST = 100
"""Held-out samples of each class where nothing is explained one by one."""
READ = {
    Protocol.RELIABILITY: ("runs",),
    Protocol.STABILITY: ("count", "methods", "perturbations", "sd", "masks", "layer"),
    Protocol.FAITHFULNESS: ("count", "methods", "masks", "layer"),
    Protocol.FIDELITY: ("count", "portions"),
    Protocol.SUFFICIENCY: ("count",),
}
"""Settings that each protocol reads."""
USUAL = EvaluateOptions()
"""Settings where none are given."""


def evaluate(
    protocol: str | Protocol,
    model: str | Path,
    data: str | Path | None = None,
    *,
    analysis: str | Path | None = None,
    options: EvaluateOptions = USUAL,
    out: str | Path | None = None,
    force: bool = False,
    config: str | Path | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
    **settings: object,
) -> Evaluation:
    """Return the result of one protocol; the same job as `onnxcausal evaluate`.

    Args:
        protocol: `reliability`, `stability`, `faithfulness`, `fidelity` or `sufficiency`.
        model: the `.onnx` file; the sidecar beside it is used if it exists.
        data: file or folder of samples; default: what the sidecar names.
        analysis: folder that `analyze` wrote; default: the causal graphs are inferred first.
        options: settings of the protocol.
        out: folder to write the outputs to; default: nothing is written.
        force: replace files in `out` that are not of this model's evaluations.
        config: a configuration file in place of the sidecar.
        machine: what of the machine may be used, and how far the file is trusted; see `Machine.of`.
        progress: told what happens.
        **settings: any key of the sidecar.

    Raises:
        ConfigError: a setting is wrong, or the analysis is of another model.
        ModelError: the model is unsupported or broken.
        SamplesError: too few samples are left to evaluate on.
        NothingToAnalyseError: no class has a causal graph.
    """
    return run(
        Protocol(protocol),
        Path(model),
        configure_by_name(Path(model), config, settings, data),
        analysis=Path(analysis) if analysis is not None else None,
        options=options,
        out=Path(out) if out is not None else None,
        force=force,
        machine=machine,
        progress=progress or Silent(),
    )


@bounded
def run(
    protocol: Protocol,
    path: Path,
    configured: Configured,
    *,
    analysis: Path | None = None,
    options: EvaluateOptions = USUAL,
    out: Path | None = None,
    force: bool = False,
    machine: Machine = HERE,
    progress: Progress,
) -> Evaluation:
    """Return the result of one protocol, and write it where asked.

    Args:
        protocol: which.
        path: the model file.
        configured: everything the run needs to know.
        analysis: folder of a saved analysis; None infers the graphs first.
        options: settings of the protocol.
        out: output folder; None writes nothing.
        force: replace files of other origin.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        OnnxCausalError: as `evaluate` says.
    """
    if out is not None:
        check_writable(out)
    subject = open_subject(path, configured, analysis, machine, progress)
    files = [f"evaluation-{protocol.value}.json", f"{protocol.value}.png"]
    if out is not None:
        sha256 = subject.network.model.sha256
        check_own_files(out, files, lambda: model_of_evaluation(out / files[0]) == sha256, force=force)
    if not subject.routes:
        raise _no_graph(subject)
    measured = tuple(_measured(protocol, subject, options, progress))
    evaluation = _evaluation(protocol, subject, options, measured)
    if out is not None:
        save_files(out, {files[1]: figure(evaluation), files[0]: to_json(evaluation).encode()})
    return evaluation


def _measured(
    protocol: Protocol, subject: Subject, options: EvaluateOptions, progress: Progress
) -> Iterator[EstimateRecord]:
    """Run one protocol."""
    count = options.samples(protocol)
    maps = MapOptions(
        methods=options.methods,
        count=count,
        perturbations=options.perturbations,
        sd=options.sd,
        masks=options.masks,
        layer=options.layer,
        others=options.others,
    )
    match protocol:
        case Protocol.RELIABILITY:
            return reliability(subject, options.runs, progress)
        case Protocol.STABILITY:
            return stability(subject, maps, progress)
        case Protocol.FAITHFULNESS:
            return faithfulness(subject, maps, progress)
        case Protocol.FIDELITY:
            return fidelity(subject, options.portions, count, progress)
        case Protocol.SUFFICIENCY:
            return sufficiency(subject, count, progress)


def _evaluation(
    protocol: Protocol, subject: Subject, options: EvaluateOptions, measured: tuple[EstimateRecord, ...]
) -> Evaluation:
    """Put the numbers together with all it takes to repeat them."""
    prepared = subject.prepared
    return Evaluation(
        protocol=protocol,
        tool=tool_record(prepared.origin),
        model=ModelRecord(file=prepared.network.model.name, sha256=prepared.network.model.sha256),
        data=data_record(prepared.origin),
        settings=settings_record(prepared.settings, prepared.origin.preprocess, prepared.origin.reading),
        options=options.read_by(protocol),
        analysis_data=subject.analysis_data,
        inferred_on={target: route.samples.tolist() for target, route in subject.routes.items()},
        evaluated_on=dict(sorted(subject.chosen.items())),
        measured=measured,
        class_names=prepared.classes.names,
        notes=(*prepared.samples.notes, *subject.notes, *subject.left_out),
    )


def _no_graph(subject: Subject) -> NothingToAnalyseError:
    return NothingToAnalyseError(
        "no class has a causal graph",
        where=subject.network.model.name,
        why="; ".join(subject.notes) or "none was inferred",
        remedy="check labels and preprocessing; analyse more samples",
    )
