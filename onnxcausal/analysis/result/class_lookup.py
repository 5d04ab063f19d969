"""Which class is meant by what a user wrote: the one place where names and indices of classes are read.

A text is looked up among the names first: whole, then by their first words, then as the same number written otherwise
(`1` for `01`). If it is the index of a class too, and of another one, it is refused. `index=2` and `name=2` say which
is meant. A whole number that is no text is an index.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from onnxcausal.analysis.result.analysis import titled
from onnxcausal.errors import ConfigError, nearest
from onnxcausal.samples.class_names import matching, number_of

BY_INDEX, BY_NAME = "index=", "name="
"""What stands before a text that can only be an index, or only a name."""
SHOWN = 10
"""Classes named in a message."""


def by_index(count: int, names: Sequence[str] | None) -> dict[int, str | None]:
    """Return the name of each class of a model, None where it is not known.

    >>> by_index(2, ["cat"])
    {0: 'cat', 1: None}
    """
    known = names or ()
    return {index: known[index] if index < len(known) else None for index in range(count)}


def class_of(
    asked: int | str,
    classes: Mapping[int, str | None],
    *,
    where: str,
    kind: str = "class",
    offered: Collection[int] | None = None,
    why: str = "",
    remedy: str = "choose among them, by index or by name",
) -> int:
    """Return the index of the class that an index or a name stands for.

    Args:
        asked: what was written.
        classes: name of every class that there is, None where it is not known.
        where: where it was written, for the error.
        kind: what a class is there, for the error.
        offered: the classes that may be meant; default: all.
        why: told of a class that there is not; default: which there are.
        remedy: what to do then, where no name is similar.

    Raises:
        ConfigError: it stands for none of them, or for several.

    >>> class_of("2", {0: "10", 1: "2"}, where="test"), class_of("index=0", {0: "10", 1: "2"}, where="test")
    (1, 0)
    """
    text = str(asked).strip()
    meant = readings(asked, classes)
    if len(meant) > 1:
        raise _several(text, meant, classes, where)
    allowed = classes if offered is None else offered
    for index in meant:
        if index in allowed:
            return index
    known = [titled(index, classes.get(index)) for index in allowed]
    shown = ", ".join(known[:SHOWN]) + (" ..." if len(known) > SHOWN else "")
    names = [name for index in allowed if (name := classes.get(index)) and name != text]
    near = nearest(text.removeprefix(BY_NAME), names)
    raise ConfigError(
        f"unknown {kind} {asked!r}",
        where=where,
        why=why or f"the classes are {shown}",
        remedy=f"did you mean {near!r}?" if near and not meant and number_of(text.lstrip("-")) is None else remedy,
    )


def readings(asked: int | str, classes: Mapping[int, str | None]) -> dict[int, str]:
    """Return the classes that an index or a name may stand for, and of each as what.

    >>> readings("2", {0: "0", 1: "10", 2: "11", 3: "2"})
    {3: 'name', 2: 'index'}
    """
    if not isinstance(asked, str):
        return {asked: "index"} if asked in classes else {}
    text = asked.strip()
    whole = [index for index, name in classes.items() if text and name is not None and name.strip() == text]
    if not whole and text.startswith(BY_INDEX):
        return dict.fromkeys(_of_index(text.removeprefix(BY_INDEX).strip(), classes), "index")
    if not whole and text.startswith(BY_NAME):
        return dict.fromkeys(_named(text.removeprefix(BY_NAME).strip(), classes), "name")
    found = dict.fromkeys(whole or _named(text, classes), "name")
    for index in _of_index(text, classes):
        if not whole or str(index) == text:  # `02` is an index only where no class is called so
            found.setdefault(index, "index")
    return found


def _of_index(text: str, classes: Mapping[int, str | None]) -> Iterator[int]:
    """Yield the class of an index."""
    number = number_of(text)
    if number is not None and number in classes:
        yield number


def _named(text: str, classes: Mapping[int, str | None]) -> list[int]:
    """Return the classes of a name: of the whole, of a first word, of the same number."""
    if not text:
        return []
    order = list(classes)
    names = [(classes[index] or "").strip() for index in order]
    number = number_of(text)
    found = matching(text, names)
    if not found and number is not None:
        found = [place for place, name in enumerate(names) if number_of(name) == number]
    return [order[place] for place in found]


def _several(text: str, meant: Mapping[int, str], classes: Mapping[int, str | None], where: str) -> ConfigError:
    """Return the refusal of what stands for several classes, with a way to say each."""
    shown = list(meant)[:SHOWN]
    more = " ..." if len(meant) > SHOWN else ""
    told = ", ".join(f"class {titled(index, classes[index])} by its {meant[index]}" for index in shown)
    ways = ", ".join(f"{_way(text, index, classes)} for class {titled(index, classes[index])}" for index in shown)
    return ConfigError(
        f"{text!r} stands for several classes",
        where=where,
        why=f"it may be {told}{more}",
        remedy=f"say which: {ways}{more}",
    )


def _way(text: str, index: int, classes: Mapping[int, str | None]) -> str:
    """Return what stands for one class alone."""
    ways = (f"{BY_NAME}{text}", f"{BY_INDEX}{index}", str(index))
    return next((way for way in ways if list(readings(way, classes)) == [index]), ways[1])
