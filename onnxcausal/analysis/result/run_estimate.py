"""What a run would take, told before it starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """One layer's share, for one class.

    Attributes:
        name: the layer.
        op_type: its op.
        nodes: interventions at most: one for each node.
        children: outputs that may become targets.
        work: multiply-adds of one intervention on one sample.
        row_bytes: memory of one intervention on one sample.
        how: `suffix`, `closed form`, or `whole model` with the reason.
    """

    name: str
    op_type: str
    nodes: int
    children: int
    work: int
    row_bytes: int
    how: str


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run would take at most; layers that no route leads to and dead nodes cost nothing.

    Attributes:
        model: the model's file name.
        targets: classes to analyse.
        samples: samples of each class, at most.
        layers: from the outcome upwards.
        whole_work: multiply-adds of the model on one sample.
        rate: multiply-adds a second, as measured on the unmodified model.
        memory: the bound on memory, in bytes.
        fewest_memory: the least bound under which it runs, in bytes.
        left_out: layers that are not tested, in the order of the file.
    """

    model: str
    targets: tuple[int, ...]
    samples: int
    layers: tuple[LayerEstimate, ...]
    whole_work: int
    rate: float
    memory: int
    fewest_memory: int
    left_out: tuple[str, ...] = ()

    @property
    def interventions(self) -> int:
        """Interventions on all layers for all classes."""
        return len(self.targets) * sum(layer.nodes for layer in self.layers)

    @property
    def work(self) -> int:
        """Multiply-adds of all of them on all samples."""
        return len(self.targets) * self.samples * sum(layer.nodes * layer.work for layer in self.layers)

    @property
    def seconds(self) -> float:
        """How long that takes at the measured rate."""
        return self.work / self.rate
