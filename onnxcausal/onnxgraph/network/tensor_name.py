"""Which tensor is meant by a name, or by the end of one."""

from onnxcausal.errors import ConfigError, nearest
from onnxcausal.onnxgraph.file.model import Model
from onnxcausal.onnxgraph.graph.index import GraphIndex

SHOWN = 3
"""Tensors suggested in a message."""


def tensor_of(model: Model, index: GraphIndex, name: str) -> str:
    """Return the tensor of a name, or the only one whose name ends in it after a mark that is no letter or digit.

    Args:
        model: the model.
        index: of its graph.
        name: what was written.

    Raises:
        ConfigError: there is no such tensor, or there are several.
    """
    outputs = [value.name for value in model.proto.graph.output]
    known: list[str] = list(dict.fromkeys([*outputs, *index.producer]))
    if name in known:
        return name
    ending = [held for held in known if name and _ends_in(held, name)]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise ConfigError(
            f"several tensors have a name that ends in {name!r}",
            where=model.name,
            why=f"they are {_listed(ending)}",
            remedy=f"write more of it, like {ending[-1]}",
        )
    near = " or ".join(map(repr, _near(name, known)))
    raise ConfigError(
        f"the model has no tensor {name!r}",
        where=model.name,
        why=f"its outputs are {', '.join(outputs)}",
        remedy=f"did you mean {near}?" if near else "name an output or an inner tensor of the model",
    )


def _ends_in(held: str, name: str) -> bool:
    """Whether a longer name ends in a text that does not begin within one of its words."""
    return held.endswith(name) and not (held[-len(name) - 1].isalnum() and name[0].isalnum())


def _near(name: str, known: list[str]) -> list[str]:
    """Return tensors of a similar name, or of one whose end of as many parts is similar."""
    parts = name.count("/") + 1
    last = {held: "/".join(held.split("/")[-parts:]) for held in known}
    found = nearest(name, sorted({*known, *last.values()} - {""}))
    return [held for held in known if found and found in (held, last[held])][:SHOWN]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
