"""The page's script: its modules, checked, put in the order in which they build on each other, joined into one.

The page is one file and its policy names its scripts by their hashes, so that a browser can load no module of it. What
is joined is what a browser would run as modules, as long as no two of them give the same name to different things,
which is checked. A module is known by its name, whatever folder it stands in. Of the language's ways to import and
export, two are taken: `import { a, b } from "./x.js";`, and `export` in front of a function, a constant or a class.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

MAIN = "main.js"
"""The module that no other imports: it begins."""
IMPORT = re.compile(r'^import \{([^{}]*)\} from "\.{1,2}/(?:[a-z]+/)?([^"/]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?:async function|function|const|class) ([\w$]+)(?=[ (])", re.MULTILINE)
DECLARATION = re.compile(r"^(?:async function|function|const|let|class) ([\w$]+)(?=[ (;])", re.MULTILINE)
BEGINNING = re.compile(r"^(?:async|function|const|let|var|class)\b.*", re.MULTILINE)
NAME = re.compile(r"[A-Za-z_$][\w$]*")
COMMENT = re.compile(r"^\s*(?://|/\*|\*).*$", re.MULTILINE)
"""Lines of comments: what stands there is not code."""
OTHER = re.compile(r"^.*\b(?:import|export)\b.*$", re.MULTILINE)
"""Either word where it is left once what is taken is gone, be it in a text."""


@dataclass(frozen=True, slots=True)
class Module:
    """One module.

    Attributes:
        imports: names it takes from each other module, by that module's name.
        exports: names it gives.
        names: all names it defines at its top.
        body: its text without what makes it a module.
    """

    imports: dict[str, tuple[str, ...]]
    exports: frozenset[str]
    names: tuple[str, ...]
    body: str


def joined(texts: Mapping[str, str]) -> str:
    r"""Return the script that modules make, whatever order they are given in.

    Args:
        texts: the modules by their names.

    Raises:
        ValueError: if one holds a form that is not taken, or imports what is not there; if imports lead in a circle;
            if two define the same name; or if one other than `main.js` is imported by none.

    >>> print(joined({"main.js": 'import { a } from "./a.js";\nb(a);\n', "a.js": "export const a = 1;\n"}))
    "use strict";
    (() => {
    const a = 1;
    <BLANKLINE>
    b(a);
    <BLANKLINE>
    })();
    <BLANKLINE>
    """
    modules = {name: module_of(name, texts[name]) for name in sorted(texts)}
    _check_imports(modules)
    _check_names(modules)
    bodies = "\n".join(modules[name].body for name in _in_order(modules))
    return f'"use strict";\n(() => {{\n{bodies}\n}})();\n'


def module_of(name: str, text: str) -> Module:
    """Return a module, read.

    Raises:
        ValueError: if it holds a form that is not taken.
    """
    code = COMMENT.sub("", text)
    imports: dict[str, tuple[str, ...]] = {}
    for match in IMPORT.finditer(code):
        if match[2] in imports:
            raise ValueError(f"{name}: imports from {match[2]} twice")
        imports[match[2]] = _names(name, match)
    left = EXPORT.sub(lambda match: match[0].removeprefix("export "), IMPORT.sub("", code))
    _check_forms(name, left)
    body = EXPORT.sub(lambda match: match[0].removeprefix("export "), IMPORT.sub("", text))
    names = tuple(match[1] for match in DECLARATION.finditer(left))
    return Module(imports, frozenset(match[1] for match in EXPORT.finditer(code)), names, body)


def _names(name: str, match: re.Match[str]) -> tuple[str, ...]:
    names = [part.strip() for part in match[1].split(",")]
    if names[-1] == "":  # a comma after the last
        names.pop()
    for imported in names:
        if not NAME.fullmatch(imported):
            raise ValueError(f"{name}: names are imported as they are, not as {imported!r}")
    return tuple(names)


def _check_forms(name: str, code: str) -> None:
    stray = OTHER.search(code)
    if stray:
        raise ValueError(
            f'{name}: not taken: {stray[0].strip()!r}; a module may hold `import {{ a, b }} from "./x.js";` and '
            "`export` in front of a function, const or class"
        )
    for match in BEGINNING.finditer(code):
        if not DECLARATION.match(match[0]):
            raise ValueError(f"{name}: not taken: {match[0]!r}; each function, const, let or class defines one name")


def _check_imports(modules: Mapping[str, Module]) -> None:
    for name, module in modules.items():
        for source, imported in module.imports.items():
            if source not in modules:
                raise ValueError(f"{name}: imports from {source}, which is not there")
            missing = [each for each in imported if each not in modules[source].exports]
            if missing:
                raise ValueError(f"{name}: imports {', '.join(missing)} from {source}, which does not export it")
    unused = set(modules).difference({MAIN}, *(module.imports for module in modules.values()))
    if unused:
        raise ValueError(f"{', '.join(sorted(unused))}: imported by no module")


def _check_names(modules: Mapping[str, Module]) -> None:
    owners: dict[str, str] = {}
    for name, module in modules.items():
        for defined in module.names:
            if defined in owners:
                raise ValueError(f"{name}: defines {defined}, as {owners[defined]} does")
            owners[defined] = name


def _in_order(modules: Mapping[str, Module]) -> list[str]:
    """Return the names of modules, each after those it imports from; always the same."""
    sorter = TopologicalSorter({name: sorted(module.imports) for name, module in modules.items()})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise ValueError(f"imports lead in a circle: {' from '.join(error.args[1])}") from error
