"""Smaller files with the first groups of an order removed: made, counted, fitted and opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from google.protobuf.message import Message

from onnxcausal.analysis.formats.analysis_file import ModelRecord
from onnxcausal.analysis.formats.masks import MaskRecord, MasksFile, in_order
from onnxcausal.analysis.formats.repair_metadata import Form
from onnxcausal.causal.compression import Order
from onnxcausal.errors import GateError
from onnxcausal.onnxgraph.forms import masked_file
from onnxcausal.onnxgraph.forms.masked_file import Repaired
from onnxcausal.onnxgraph.graph.tensors import count_parameters
from onnxcausal.onnxgraph.network.network import Network
from onnxcausal.onnxgraph.original.original import Original
from onnxcausal.onnxgraph.pruning import with_weights
from onnxcausal.onnxgraph.refitting.refit import Lossy, Refitted, Unfit, refit
from onnxcausal.onnxgraph.refitting.refitted_file import RefittedFile, not_in_file, with_refitted
from onnxcausal.pipeline.compressing.channels import RemovableChannels, parents_of
from onnxcausal.pipeline.heldout.split import HeldOutSamples
from onnxcausal.pipeline.heldout.subject import Subject
from onnxcausal.pipeline.preparing.configuration import Configuration
from onnxcausal.pipeline.preparing.machine import Machine
from onnxcausal.pipeline.preparing.provenance import reading_of
from onnxcausal.pipeline.writing.trial_file import opened


@dataclass(frozen=True, slots=True, eq=False)
class SmallerFile:
    """A smaller file.

    Attributes:
        repaired: the pruned file.
        masks: what was removed from it.
        proto: its message; where layers were fitted, with their weights.
        data: content of new files of weights beside it, by name.
        network: the same in a session.
        parameters: stored numbers in it.
        refitted: layers that were fitted.
        unfit: layers that lost parents and could not be.
    """

    repaired: Repaired
    masks: MasksFile
    proto: Message
    data: Mapping[str, bytes]
    network: Network
    parameters: int
    refitted: tuple[Refitted, ...] = ()
    unfit: tuple[Unfit, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Press:
    """Makes smaller files of a model.

    Attributes:
        original: the model file.
        subject: the model and its data.
        channels: the groups of channels that can go.
        configuration: how the model is read.
        machine: what of the machine may be used.
        version: version of this program.
        provenance: what masks say of how they came about.
    """

    original: Original
    subject: Subject
    channels: RemovableChannels
    configuration: Configuration
    machine: Machine
    version: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    _counts: dict[tuple[int, ...], int] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Stored numbers in the original."""
        return count_parameters(self.original.proto).number

    def parameters_without(self, chosen: Order) -> int:
        """Return how many stored numbers are left without some groups."""
        key = tuple(sorted(chosen.tolist()))
        if key not in self._counts:
            self._counts[key] = (
                count_parameters(self._pruned(self.masks(chosen)).proto).number if key else (self.parameters)
            )
        return self._counts[key]

    def fewest(self, order: Order, most: int) -> int:
        """Return how many of the first groups must go so that no more numbers than allowed are left.

        Args:
            order: the groups, the first to go first.
            most: stored numbers that may stay.

        Raises:
            GateError: all of them together are too few.
        """
        least = self.parameters_without(order)
        if least > most:
            raise self._out_of_reach(most, least)
        low, high = 0, len(order)  # too many are left with `low`, not with `high`
        if self.parameters <= most:
            return 0
        while high - low > 1:
            middle = (low + high) // 2
            if self.parameters_without(order[:middle]) <= most:
                high = middle
            else:
                low = middle
        return high

    def nearest(self, order: Order, parameters: int) -> int:
        """Return with how many of the first groups gone the number of stored numbers is closest to one given."""
        if self.parameters_without(order) > parameters:
            return len(order)
        number = self.fewest(order, parameters)
        if not number:
            return 0
        above, below = (abs(self.parameters_without(order[:count]) - parameters) for count in (number - 1, number))
        return number if below <= above else number - 1

    def make(self, chosen: Order, *, fitted_on: HeldOutSamples | None = None) -> SmallerFile:
        """Return the file without some groups.

        Args:
            chosen: the groups.
            fitted_on: samples that the layers that lose parents are fitted to; None: they stay as they are.

        Raises:
            ModelError: it cannot be made.
        """
        masks = self.masks(chosen)
        repaired = self._pruned(masks)
        network = self._opened(repaired)
        parameters = count_parameters(repaired.proto).number
        if fitted_on is None:
            return SmallerFile(repaired, masks, repaired.proto, repaired.data, network, parameters)
        refitted, unfit = self._refit(repaired, network, fitted_on)
        file = with_refitted(repaired, self.original, refitted, masks, self.provenance)
        return SmallerFile(
            repaired,
            masks,
            file.proto,
            file.data,
            self._opened(file),
            parameters,
            tuple(refitted),
            tuple(unfit),
        )

    def masks(self, chosen: Order) -> MasksFile:
        """Return the masks that remove some groups."""
        model = self.original.model
        entries = [
            MaskRecord(layer=layer, parents=parents, beta=0.0)
            for layer, parents in parents_of(self.channels, chosen.tolist()).items()
        ]
        return in_order(
            MasksFile(
                model=ModelRecord(file=model.name, sha256=model.sha256),
                reading=reading_of(self.subject.prepared.origin),
                masks=entries,
                provenance=dict(self.provenance),
            )
        )

    def _pruned(self, masks: MasksFile) -> Repaired:
        return masked_file.repair(self.original, masks, Form.PRUNED, self.version)

    def _opened(self, file: Repaired | RefittedFile) -> Network:
        model = replace(self.original.model, proto=with_weights(file.proto, self.original, file.data))
        return opened(model, self.configuration, self.machine)

    def _refit(self, repaired: Repaired, network: Network, part: HeldOutSamples) -> tuple[list[Refitted], list[Unfit]]:
        layers = {layer.name: layer for layer in self.subject.prepared.wiring.flow.layers}
        lossy = [
            Lossy(
                lost.layer,
                layers[lost.layer].output,
                tuple(np.setdiff1d(np.arange(lost.of_children), lost.children).tolist()),
            )
            for lost in repaired.removed
            if lost.parents and lost.layer in layers
        ]
        count = sum(map(len, part.positions.values()))
        seed = self.subject.prepared.settings.seed
        found, unfit = refit(
            (self.subject.network, network), lossy, lambda: (batch.x for batch in part.blocks()), count, seed
        )
        outside = [(layer, not_in_file(repaired, layer)) for layer in found]
        kept = [layer for layer, why in outside if why is None]
        return kept, [*unfit, *(why for _, why in outside if why is not None)]

    def _out_of_reach(self, most: int, least: int) -> GateError:
        return GateError(
            "the model cannot be made so small",
            where=f"{self.original.model.name}, {self.parameters:,} stored numbers, at most {most:,} asked for",
            why=f"with every channel gone that can go, one left in each tensor, {least:,} are left "
            f"({least / self.parameters:.1%})",
            remedy="ask for a larger share",
        )
