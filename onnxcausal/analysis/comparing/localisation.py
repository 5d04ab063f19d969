"""Which layers two files of one model differ by, as it stands in the file of a comparison."""

from typing import Annotated, Literal

from pydantic import Field

from onnxcausal.analysis.formats.analysis_file import Index, Share
from onnxcausal.analysis.formats.record import Record

Positive = Annotated[float, Field(ge=0)]


class DecisionChange(Record):
    """What one exchanged layer does to the decisions on the samples.

    `before` and `after` are the accuracies without and with it: `lost` samples were right and are wrong, `gained` the
    reverse; `interval` is that of the difference (Tango 1998) at level 0.95, and `p` that of McNemar's exact test,
    adjusted over all layers (Holm 1979). `agreement` is the share of samples on which the decision is the same, with
    its interval (Wilson 1927).
    """

    before: Share
    after: Share
    lost: Index
    gained: Index
    interval: tuple[float, float]
    p: Share
    agreement: Share
    agreement_interval: tuple[Share, Share]


class ChannelDeviation(Record):
    """A channel: root mean square of its differences over its standard deviation; null where that is not finite.

    The differences of a channel that is constant are taken over the standard deviation of all channels together.
    """

    channel: Index
    deviation: Positive | None


class LayerDeviation(Record):
    """One layer, computed by both files from the same input.

    `reference` and `other` are its names in the two files. `deviation` is the root mean square of the differences of
    its output over that of its spread, `typical` the median of its channels, `worst` those that deviate most; null
    where it is not finite. `other_alone`: the reference with this layer computed as the other file does;
    `reference_alone`: the other file with this layer computed as the reference does. `enters`: `other_alone` loses
    accuracy beyond sampling (`p` at most 0.05).
    """

    reference: str
    other: str
    deviation: Positive | None
    typical: Positive | None
    worst: list[ChannelDeviation]
    other_alone: DecisionChange
    reference_alone: DecisionChange
    enters: bool


class LeftOut(Record):
    """A layer of the reference that was not exchanged, and why."""

    layer: str
    reason: str


class Localisation(Record):
    """By which layers a quantised or converted model deviates from the one it was made of.

    `reference` is the side that the deviation is measured from. Layers that cost most accuracy when the other file
    computes them alone stand first, then those that change most decisions, then those that deviate most.
    `accuracy` is that of the reference and of the other model on these samples.
    """

    reference: Literal["old", "new"]
    samples: Index
    accuracy: tuple[Share, Share]
    layers: list[LayerDeviation]
    left_out: list[LeftOut]
