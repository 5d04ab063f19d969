"""The main job: from a model file and samples to the causal graph of every class."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from onnxcausal.analysis.formats.output_folder import check_folder, save
from onnxcausal.analysis.result.analysis import Analysis, LayerShape
from onnxcausal.causal.effects import FEWEST_SAMPLES
from onnxcausal.errors import ConfigError, SamplesError
from onnxcausal.onnxgraph.file.external import check_mapped
from onnxcausal.onnxgraph.runner import idle_device
from onnxcausal.pipeline.inferring.checkpoint import open_ledger
from onnxcausal.pipeline.inferring.classes import Inferred, infer_classes
from onnxcausal.pipeline.preparing.configuration import Configured, configure_by_name
from onnxcausal.pipeline.preparing.data import Arrays
from onnxcausal.pipeline.preparing.machine import HERE, Machine, bounded
from onnxcausal.pipeline.preparing.opening import open_model
from onnxcausal.pipeline.preparing.prepare import Prepared, prepare
from onnxcausal.pipeline.progress import Progress, Silent
from onnxcausal.report.decided import decided_sentence
from onnxcausal.report.files import report_files


def analyze(
    model: str | Path,
    data: str | Path | Arrays | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    config: str | Path | None = None,
    machine: Machine = HERE,
    progress: Progress | None = None,
    **settings: object,
) -> Analysis:
    """Return the causal graphs of a model; the same job as `onnxcausal analyze`.

    Args:
        model: the `.onnx` file; the sidecar beside it is used if it exists.
        data: file or folder of samples, or arrays `(x [samples, ...], y [samples])`, where `x` may be a mapping from
            each of several inputs to its array; default: what the sidecar names, else synthetic probe inputs.
        out: folder to write the outputs to; default: nothing is written. A run that was interrupted goes on there.
        force: replace another model's analysis in `out`.
        config: a configuration file in place of the sidecar.
        machine: what of the machine may be used, and how far the file is trusted; see `Machine.of`.
        progress: told what happens.
        **settings: any key of the sidecar: `targets`, `samples`, `rule`, `alpha`, `coverage`, `beta`, `replace`,
            `outcome`, `seed`, `engine`, `adaptive`, `budget`, `layers`, `skip_layers`, `input`, `output`, `resize`,
            `mean` and so on; None leaves what the sidecar says.

    Raises:
        ConfigError: a setting is unknown or wrong, or `out` cannot be written.
        ModelError: the model is unsupported or broken.
        SamplesError: the data cannot be used.
        NothingToAnalyseError: the model has no layer.
    """
    source = data if isinstance(data, str | Path) else None
    arrays = None if data is None or source is not None else _pair(data)
    return run(
        Path(model),
        configure_by_name(Path(model), config, settings, source),
        arrays=arrays,
        out=Path(out) if out else None,
        force=force,
        machine=machine,
        progress=progress or Silent(),
    )


def _pair(data: object) -> Arrays:
    """Return `(x, y)` as arrays; `x` may be one for each input of the model, and `y` None."""
    if isinstance(data, tuple) and len(data) == 2:  # noqa: PLR2004
        x, y = data
        labels = None if y is None else np.asarray(y)
        if isinstance(x, Mapping):
            return {str(name): np.asarray(values) for name, values in x.items()}, labels
        return np.asarray(x), labels
    raise ConfigError(
        "data is neither a path nor a pair of arrays",
        where="argument data",
        why=f"got {type(data).__name__}" + (f" of {len(data)}" if isinstance(data, tuple) else ""),
        remedy="pass a path, or (x, y) with x [samples, ...] and class indices y [samples]",
    )


@bounded
def run(
    path: Path,
    configured: Configured,
    *,
    arrays: Arrays | None = None,
    out: Path | None = None,
    force: bool = False,
    machine: Machine = HERE,
    progress: Progress,
) -> Analysis:
    """Return the causal graphs of a model, and write them where asked.

    Args:
        path: the model file.
        configured: everything the run needs to know.
        arrays: data in memory, in place of what is configured.
        out: output folder; None writes nothing.
        force: replace another model's analysis in `out`.
        machine: what of the machine may be used.
        progress: told what happens.

    Raises:
        OnnxCausalError: as `analyze` says.
    """
    model = open_model(path, machine.caution, configured.values.model.output)
    if out is not None:
        check_folder(out, model.sha256, force=force)
    prepared = prepare(model, configured.values, arrays=arrays, machine=machine)
    idle = idle_device() if machine.provider is None and not machine.devices else ""
    if idle:
        progress.note(f"an NVIDIA device is here, but not used: {idle} (see onnxcausal doctor)")
    with open_ledger(out, prepared, progress) as ledger:
        inferred = infer_classes(prepared, progress, ledger)
        if not inferred.graphs:
            raise _nothing_usable(prepared, inferred)
        check_mapped(model.proto)
        analysis = _analysis(prepared, inferred)
        if out is not None:
            save(analysis, out, report_files(analysis))
    return analysis


def _analysis(prepared: Prepared, inferred: Inferred) -> Analysis:
    """Put the graphs together with all it takes to repeat them."""
    model, origin, flow = prepared.network.model, prepared.origin, prepared.wiring.flow
    return Analysis(
        model_file=model.name,
        model_sha256=model.sha256,
        data_source=origin.data_source,
        data_sha256=origin.data_sha256,
        synthetic=origin.synthetic,
        preprocess=origin.preprocess,
        reading=origin.reading,
        reference=prepared.reference.indices if prepared.reference else np.empty(0, np.int64),
        settings=prepared.settings,
        outcome_tensor=prepared.network.outcome.tensor,
        versions=origin.versions,
        providers=origin.providers,
        layers={
            layer.name: LayerShape(
                layer.name, layer.op_type, layer.weight, len(flow.nodes[layer.name]), layer.children, layer.groups
            )
            for layer in flow.layers
        },
        class_count=prepared.classes.count,
        present=tuple(prepared.samples.present.tolist()),
        class_names=prepared.classes.names,
        graphs=tuple(inferred.graphs),
        skipped=tuple(inferred.skipped),
        notes=tuple(inferred.notes),
        inputs=origin.inputs,
        decided=tuple(inferred.decided),
    )


def _nothing_usable(prepared: Prepared, inferred: Inferred) -> SamplesError:
    skipped = inferred.skipped
    why = "; ".join(f"class {entry.target}: {entry.reason}" for entry in skipped[:3])
    why += " ..." if len(skipped) > 3 else ""  # noqa: PLR2004
    instead = decided_sentence(inferred.decided, prepared.classes.names)
    return SamplesError(
        "no class can be analysed",
        where=prepared.samples.source,
        why=f"{why}; {instead}" if instead else why,
        remedy=f"check labels and preprocessing: a class needs {FEWEST_SAMPLES} samples that the model gets right",
    )
