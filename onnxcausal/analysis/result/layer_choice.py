"""Which layers are tested: the forms in which they are named, and what they name in a model.

/fc1/Gemm     a layer, by its whole name
/layer4/*     every layer whose name fits the pattern (* ? [abc], as in a shell)
last:5        the five nearest the outcome, in the order of the file; first:3: those nearest the input
op:Conv       every layer of this op
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from onnxcausal.analysis.result.settings import Method
from onnxcausal.errors import ConfigError

END = re.compile(r"(first|last):\s*(\S*)")
NUMBER = re.compile(r"[0-9]{1,9}")
OF_OP = "op:"
WILD = re.compile(r"[*?\[]")
LONGEST = 300
"""Letters of a name up to which it is looked at for one that is near."""
NEAR, SHOWN = 3, 8
"""Names that are near, and names of layers, in a message."""
ALIKE = 0.55
"""How much a name must have in common with what was written, to be called near."""


def left_out_of(settings: Method, layers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the layers that settings leave out, in the order of the file.

    Args:
        settings: what was set of `layers` and `skip_layers`.
        layers: the op of each layer of the model by its name, in the order of the file.

    Raises:
        ConfigError: a pattern matches no layer, or no layer is left.
    """
    kept = set(layers) if settings.layers is None else _matched("layers", settings.layers, layers)
    kept -= _matched("skip_layers", settings.skip_layers or (), layers)
    if layers and not kept:
        raise ConfigError(
            "no layer is left to test",
            where="skip_layers, [analysis]",
            why=f"{listed(settings.skip_layers or ())} leaves out all of the {len(layers)} layers of the model"
            if settings.layers is None
            else f"{listed(settings.skip_layers or ())} leaves out all that {listed(settings.layers)} names",
            remedy="leave out fewer of them",
        )
    return tuple(name for name in layers if name not in kept)


def parts_of(text: str) -> tuple[str, ...]:
    """Return the patterns that commas separate.

    >>> parts_of("last:2, op:Conv")
    ('last:2', 'op:Conv')
    """
    return tuple(part.strip() for part in text.split(","))


def listed(names: Iterable[str]) -> str:
    """Return the first of some names, and whether there are more."""
    held = list(names)
    return ", ".join(held[:SHOWN]) + (" ..." if len(held) > SHOWN else "")


def _matched(key: str, patterns: Iterable[str], layers: Mapping[str, str]) -> set[str]:
    """Return the layers that any of some patterns names."""
    found: set[str] = set()
    for pattern in patterns:
        named = _named(pattern, layers)
        if not named:
            raise _nothing(key, pattern, layers)
        found |= named
    return found


def _named(pattern: str, layers: Mapping[str, str]) -> set[str]:
    """Return the layers that one pattern names; a layer's whole name comes before any other reading."""
    if pattern in layers:
        return {pattern}
    if end := END.fullmatch(pattern):
        number = int(end[2]) if NUMBER.fullmatch(end[2]) else 0
        names = list(layers)
        return set(names[-number:] if end[1] == "last" else names[:number]) if number else set()
    if pattern.startswith(OF_OP):
        return {name for name, op_type in layers.items() if fnmatchcase(op_type, pattern.removeprefix(OF_OP).strip())}
    return {name for name in layers if fnmatchcase(name, pattern)}


def _nothing(key: str, pattern: str, layers: Mapping[str, str]) -> ConfigError:
    names = list(layers)
    where = f"{key}, [analysis]"
    if end := END.fullmatch(pattern):
        return ConfigError(
            f"{pattern!r} names no layer",
            where=where,
            why=f"{end[2]!r} is no number of layers; the model has {len(names)}",
            remedy=f"write for example {end[1]}:{min(5, len(names))}",
        )
    near = _near(pattern, layers)
    return ConfigError(
        f"no layer matches {pattern!r}",
        where=where,
        why=f"the model has {len(names)} layer(s): {listed(names)}",
        remedy=f"did you mean {' or '.join(map(repr, near))}?" if near else "onnxcausal inspect lists the layers",
    )


def _near(pattern: str, layers: Mapping[str, str]) -> list[str]:
    """Return what may have been meant, in the form in which it was written."""
    ops = [f"{OF_OP}{op_type}" for op_type in dict.fromkeys(layers.values())]
    for op in ops:
        if pattern.lower() in (op.lower(), op.removeprefix(OF_OP).lower()):
            return [op]
    names = [name for name in layers if len(name) <= LONGEST]
    if inside := [name for name in names if fnmatchcase(name.lower(), f"*{pattern.lower().strip('*')}*")]:
        return inside[:NEAR]
    if WILD.search(pattern):
        names = list(dict.fromkeys(f"{folder}/*" for name in names for folder in _folders(name)))
    return difflib.get_close_matches(pattern, [*ops, *names], n=NEAR, cutoff=ALIKE)


def _folders(name: str) -> list[str]:
    """Return the folders that a name stands in, if it is written like a path.

    >>> _folders("/layer1/block/Conv")
    ['/layer1', '/layer1/block']
    """
    parts = name.split("/")
    return ["/".join(parts[:stop]) for stop in range(1, len(parts)) if parts[stop - 1]]
