"""What a page is made of: an analysis and whatever else was found of the same model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxcausal.analysis.formats.analysis_file import AnalysisFile
from onnxcausal.analysis.formats.evaluation import EvaluationFile
from onnxcausal.analysis.formats.saved_effects import SavedEffects
from onnxcausal.analysis.formats.saved_maps import SavedMaps
from onnxcausal.analysis.formats.side_effects import SideEffectsFile

Pictures = Callable[[Sequence[int]], Mapping[int, NDArray[np.uint8]]]
"""Gives samples as people see them, `[height, width, 3]`, by their positions in the data."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Everything a page may show; all of it is of one model.

    Attributes:
        analysis: the analysis.
        effects: the effects on every sample; None where they are not there.
        pictures: gives pictures of samples; None where the data is not at hand or holds no images.
        evaluations: results of `onnxcausal evaluate`.
        maps: results of `onnxcausal explain`.
        repairs: what `onnxcausal repair` and `verify` recorded.
        elsewhere: which of these were made with another analysis of the model, one sentence each.
        digest: hash of the file that holds the analysis.
    """

    analysis: AnalysisFile
    effects: SavedEffects | None = None
    pictures: Pictures | None = None
    evaluations: tuple[EvaluationFile, ...] = ()
    maps: tuple[SavedMaps, ...] = ()
    repairs: tuple[SideEffectsFile, ...] = ()
    elsewhere: tuple[str, ...] = ()
    digest: str = "0" * 64
