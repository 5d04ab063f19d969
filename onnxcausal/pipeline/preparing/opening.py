"""Opening the model file of a job: in a process of its own first, then here."""

import os
from dataclasses import dataclass
from pathlib import Path

from onnxcausal.errors import ModelError
from onnxcausal.onnxgraph.file.external import weight_bytes
from onnxcausal.onnxgraph.file.model import Model, load_model
from onnxcausal.onnxgraph.original.original import Original, read_original
from onnxcausal.onnxgraph.runner.limits import Limits, parse_limits
from onnxcausal.onnxgraph.runner.system_bound import allow_more
from onnxcausal.onnxgraph.sandbox.open_model import try_loading, try_model

COPIES = 16
"""How often weights may be held beside what --memory bounds, in sessions and forms of the model: 11 times at most were
seen."""
USUAL = Limits()
"""Limits where none are given."""


@dataclass(frozen=True, slots=True)
class Caution:
    """How far a model file is trusted.

    Attributes:
        limits: what opening it, and running it on the first samples, may take in a process of its own, and each run
            here of time; None opens and runs it here at once.
        follow_links: read weights behind symbolic and hard links.
    """

    limits: Limits | None = USUAL
    follow_links: bool = False


CAREFUL = Caution()
"""A file that nobody knows."""


def caution_of(limits: str | None, *, follow_links: bool) -> Caution:
    """Return how far a file is trusted, as a user writes it.

    Raises:
        ConfigError: the limits cannot be read.
    """
    return Caution(parse_limits(limits) if limits else USUAL, follow_links)


def open_model(path: Path, caution: Caution = CAREFUL, output: str | None = None) -> Model:
    """Return the model in a file.

    Args:
        path: the file.
        caution: how far it is trusted.
        output: an output or inner tensor of scores; default: found.

    Raises:
        OnnxCausalError: it cannot be opened, or not within the limits.
    """
    if caution.limits is None or not os.path.isfile(path):  # noqa: PTH113  # unlike Path, it takes any name
        return _loaded(path, caution)
    tried = try_model(path, caution.limits, output=output, follow_links=caution.follow_links)
    model = _loaded(path, caution)
    check_unchanged(path, tried, model.sha256)
    return model


def open_unchanged(path: Path, known: str, caution: Caution = CAREFUL) -> Model:
    """Return the model in a file that was opened before, with the same SHA-256.

    Raises:
        OnnxCausalError: it cannot be opened, or is another file now.
    """
    model = _loaded(path, caution)
    check_unchanged(path, known, model.sha256)
    return model


def _loaded(path: Path, caution: Caution) -> Model:
    """Return a model that is loaded here, and leave room for copies of its weights."""
    model = load_model(path, follow_links=caution.follow_links)
    allow_more(COPIES * weight_bytes(model.proto))
    return model


def open_original(path: Path, caution: Caution = CAREFUL, output: str | None = None, *, run: bool = True) -> Original:
    """Return a model file that is to be rewritten or compared.

    Args:
        path: the file.
        caution: how far it is trusted.
        output: an output or inner tensor of scores; default: found.
        run: run it where it is tried, as everything that is done to the graph here needs; else it is loaded alone.

    Raises:
        OnnxCausalError: it cannot be opened, or not within the limits.
    """
    if run:
        return read_original(path, open_model(path, caution, output))
    if caution.limits is None or not os.path.isfile(path):  # noqa: PTH113  # unlike Path, it takes any name
        return read_original(path, _loaded(path, caution))
    tried = try_loading(path, caution.limits, follow_links=caution.follow_links)
    model = _loaded(path, caution)
    check_unchanged(path, tried, model.sha256)
    return read_original(path, model)


def check_unchanged(path: Path, tried: str, opened: str) -> None:
    """Refuse a file that is not the one that was tried.

    Raises:
        ModelError: the hashes differ.
    """
    if opened != tried:
        raise ModelError(
            "the model changed while it was opened",
            where=str(path),
            why="its bytes are not those that were checked a moment ago",
            remedy="wait until it is written, and run again",
        )
