"""The faults that are put into a module, one at a time: what mutmut's operators make of its functions and constants.

Left alone is what no test is to hold letter by letter: texts for readers (strings with a blank, what an error is
given), annotations, assertions of what holds anyway, decorators, and the bodies of classes outside of their methods.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string

LEFT_ALONE = m.Annotation() | m.Assert() | m.Decorator() | m.Import() | m.ImportFrom()
SENTENCE = m.SimpleString(value=m.MatchIfTrue(lambda value: " " in value or value.startswith('"""')))
AN_ERROR = m.Call(func=m.Name(value=m.MatchIfTrue(lambda name: name.endswith(("Error", "_unreadable")))))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault.

    Attributes:
        owner: qualified name of the function with the fault, or the name of the constant.
        line: where it is.
        before: that line, and those with it, as they were.
        after: as they are now.
        source: the whole module.
    """

    owner: str
    line: int
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """What tells it from the others of its module."""
        return f"{self.owner}:{self.line}: {self.before} -> {self.after}"


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield each fault of a module, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    places = wrapper.resolve(PositionProvider)
    finder = _Finder()
    wrapper.module.visit(finder)
    seen = {source}
    for owner, node in finder.found:
        for kind, operator in mutation_operators:
            if not isinstance(node, kind) or (operator is operator_arg_removal and m.matches(node, AN_ERROR)):
                continue
            for changed in list(operator(node))[: 1 if operator is operator_string else None]:
                mutated = cst.ensure_type(wrapper.module.deep_replace(node, changed), cst.Module).code
                if mutated not in seen:
                    seen.add(mutated)
                    yield Mutant(owner, places[node].start.line, *_difference(source, mutated), mutated)


class _Finder(cst.CSTVisitor):
    """Finds the nodes that may be mutated, each with the function or constant it belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, cst.CSTNode]] = []
        self._names: list[str] = []
        self._functions = 0
        self._constant: str | None = None

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, LEFT_ALONE | SENTENCE):
            return False
        if isinstance(node, cst.ClassDef | cst.FunctionDef) and not self._functions:
            self._names.append(node.name.value)
        if isinstance(node, cst.FunctionDef):
            self._functions += 1
        elif not self._names and self._constant is None:
            self._constant = _constant(node)
        owner = ".".join(self._names) if self._functions else self._constant
        if owner is not None:
            self.found.append((owner, node))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef) and not m.matches(original_node, LEFT_ALONE):
            self._functions -= 1
        if isinstance(original_node, cst.ClassDef | cst.FunctionDef) and not self._functions:
            self._names.pop()
        if self._constant is not None and _constant(original_node) == self._constant:
            self._constant = None


def _constant(node: cst.CSTNode) -> str | None:
    """Return the name of the constant that a statement of a module gives a value."""
    match node:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]) if name.isupper():
            return name
        case cst.AnnAssign(target=cst.Name(value=name), value=cst.BaseExpression()) if name.isupper():
            return name
    return None


def _difference(source: str, mutated: str) -> tuple[str, str]:
    """Return the lines that differ, before and after, each on one line."""
    old, new = source.splitlines(), mutated.splitlines()
    changed = [
        code for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if code[0] != "equal"
    ]
    first, last = changed[0], changed[-1]
    parts = old[first[1] : last[2]], new[first[3] : last[4]]
    before, after = (" ".join(line.strip() for line in part) for part in parts)
    return before, after
