"""Whether model, data and settings fit together."""

from collections.abc import Sequence

from onnxcausal.analysis.result.settings import Settings
from onnxcausal.causal.task import Task
from onnxcausal.errors import ConfigError, ModelError, SamplesError, nearest
from onnxcausal.onnxgraph.network.io_spec import Reading
from onnxcausal.onnxgraph.network.network import CutModel, Network
from onnxcausal.samples.preprocess import Preprocess
from onnxcausal.samples.source import Samples

FEWEST_CLASSES = 2
"""A decision is between two classes or more."""


def task_of(found: Task, asked: Task | None, label_axes: int) -> Task:
    """Return what the scores decide.

    Args:
        found: as the model shows.
        asked: as it was set.
        label_axes: 1 for one class a sample, 2 for any number of them.
    """
    if asked is not None and asked is not Task.EMBEDDING:  # which one centroid alone makes a value
        return Task.MULTILABEL if asked is Task.DETECTOR else asked
    return Task.MULTILABEL if found is Task.CLASSIFICATION and label_axes > 1 else found


def check_fixed(cut: CutModel, reading: Reading) -> None:
    """Refuse values for inputs that the model does not have.

    Raises:
        ConfigError: there is no such input.
    """
    known = [value.name for value in cut.model.proto.graph.input]
    for name in reading.fixed:
        if name not in known:
            near = nearest(name, known)
            raise ConfigError(
                f"the model has no input {name!r}",
                where=f"{cut.model.name}, --set",
                why=f"its inputs are {', '.join(known)}",
                remedy=f"did you mean {near!r}?" if near else "name one of them",
            )


def check_unprocessed(settings: Preprocess, names: Sequence[str]) -> None:
    """Refuse preprocessing where several inputs are taken as they are.

    Raises:
        ConfigError: some is set.
    """
    if settings != Preprocess():
        raise ConfigError(
            "preprocessing belongs to a single input",
            where="[preprocess]",
            why=f"the model takes the inputs {', '.join(names)}, whose arrays are taken as they are",
            remedy="store them preprocessed, or give all but one a value with --set",
        )


def check_outcome(settings: Settings) -> None:
    """Refuse an outcome between classes where classes do not compete.

    Raises:
        ConfigError: the outcome makes no sense for what the model decides.
    """
    if settings.outcome.depends_on_every_class and not settings.task.compares:
        raise ConfigError(
            f"the outcome {settings.outcome} makes no sense here",
            where="outcome and task",
            why=f"the task is {settings.task}: its scores do not compete",
            remedy="leave --outcome out: the score itself is the outcome",
        )


def check_one_per_class(network: Network) -> None:
    """Refuse scores whose shape tells before any run that they are not one per class.

    Raises:
        ModelError: they are at several places.
    """
    shape = network.plain.output_shape
    if shape is not None and sum(size is not None and size > 1 for size in shape[1:]) > 1:
        raise network.not_one_per_class(tuple(size or 0 for size in shape[1:]))


def check_classes(network: Network, samples: Samples, classes: int) -> None:
    """Refuse data whose classes cannot be those of the model.

    Raises:
        ModelError: the model has a single score where several compete.
        SamplesError: there are more or fewer class names than classes.
    """
    task = network.task
    if classes < FEWEST_CLASSES and task.compares:
        raise ModelError(
            "the model has a single score",
            where=f"{network.model.name}, tensor {network.outcome.tensor}",
            why="whether a sample is classified correctly shows only between two scores or more",
            remedy="say what it decides: --task binary where its sign does, --task regression where it is a value",
        )
    if samples.labels.ndim > 1 and samples.labels.shape[1] != classes:
        raise SamplesError(
            f"the labels are of {samples.labels.shape[1]} classes, but the model has {classes}",
            where=samples.source,
            why=f"y is {list(samples.labels.shape)}",
            remedy="supply y [samples, classes] in the model's order",
        )
    names = samples.class_names
    if names is not None and len(names) != classes:
        raise SamplesError(
            f"there are {len(names)} class names, but the model has {classes} classes",
            where=f"{samples.source}, names from {samples.names_from}",
            why=f"which name belongs to which score is not known; the names: {', '.join(names[:5])}"
            + (" ..." if len(names) > 5 else ""),  # noqa: PLR2004
            remedy="put a labels.txt beside the data, one name a line for every class of the model, in its order",
        )


def check_several(samples: Samples, task: Task) -> None:
    """Refuse data of one class where accuracy is to be told: how often others are taken for it shows in others alone.

    Raises:
        SamplesError: the classes compete, and the data holds one of them only.
    """
    present = samples.present
    if len(present) < FEWEST_CLASSES and task.compares and not samples.synthetic:
        raise SamplesError(
            "the data holds one class only",
            where=samples.source,
            why=f"all {len(samples)} samples have the label {int(present[0])}",
            remedy="supply samples of at least two classes: what is lost on others does not show on one",
        )
