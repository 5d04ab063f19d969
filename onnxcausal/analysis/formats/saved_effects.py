"""The effects on every sample, read back from `effects.npz`."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import numpy as np

from onnxcausal.analysis.formats.analysis_file import LayerRecord
from onnxcausal.causal.outcome import Floats
from onnxcausal.errors import ConfigError
from onnxcausal.filesystem.archives import ArrayArchive, open_archive

AGREES = 1e-6
"""Largest difference between a recorded ATE and the mean of its effects, over the layer's largest ATE."""


class SavedEffects(AbstractContextManager["SavedEffects"]):
    """Holds the archive open while its arrays are read one by one."""

    def __init__(self, path: Path) -> None:
        """Open the archive.

        Raises:
            ConfigError: it cannot be read.
        """
        self._path = path
        with ExitStack() as opened:
            try:
                self._archive = opened.enter_context(open_archive(path))
            except (OSError, ValueError) as error:
                raise self._damaged(error) from error
            self._opened = opened.pop_all()

    def __exit__(self, *_: object) -> None:
        """Close the archive."""
        self._opened.close()

    def of(self, target: int, position: int, layer: LayerRecord) -> Floats | None:
        """Return TE `[parents, samples]` of a layer for a class, NaN where not measured; None where there is none.

        Args:
            target: the class.
            position: of the layer among the graph's layers.
            layer: what the analysis recorded of it.

        Raises:
            ConfigError: the array cannot be read, or is not of this analysis.
        """
        name = f"{target}/{position}"
        if name not in self._archive:
            return None
        try:
            te = effects_in(self._archive, name)
        except (OSError, ValueError) as error:
            raise self._damaged(error) from error
        if not _is_of(te, layer):
            raise self._damaged(f"{name} is not what {layer.name} shows in analysis.json")
        return te

    def _damaged(self, why: object) -> ConfigError:
        return ConfigError(
            "the effects cannot be read",
            where=str(self._path),
            why=str(why) or type(why).__name__,
            remedy="analyse the model again, or remove the file: the report then shows no single samples",
        )


def effects_in(archive: ArrayArchive, name: str, shape: tuple[int, ...] | None = None) -> Floats:
    """Return effects or outcomes as they stand in an archive.

    Args:
        archive: the archive.
        name: of the array.
        shape: which it must have; None takes any.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or holds no numbers.
    """
    held = archive.read(name, shape)
    if held.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds no numbers: {held.dtype}")
    return np.asarray(held, np.float64)


def _is_of(te: Floats, layer: LayerRecord) -> bool:
    """Whether the effects have the recorded averages."""
    if te.ndim != 2 or len(te) != len(layer.nodes):  # noqa: PLR2004
        return False
    tested = [index for index, node in enumerate(layer.nodes) if node.ate is not None]
    recorded = np.array([layer.nodes[index].ate for index in tested], np.float64)
    measured = ~np.isnan(te[tested])
    if not measured.any(axis=1).all():
        return False
    found = np.where(measured, te[tested], 0).sum(axis=1) / measured.sum(axis=1)
    scale = np.abs(recorded).max(initial=0.0)
    return bool((np.abs(found - recorded) <= AGREES * scale).all())
