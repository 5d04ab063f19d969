"""Exchanging the code of a function, or a constant, of a module that is imported; seeing which functions are called."""

import ast
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any

from mutants import Mutant


def exchange(path: str, mutant: Mutant) -> None:
    """Put a fault into the module of this process."""
    module = importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    if mutant.owner in vars(module) and mutant.owner.isupper():
        _exchange_constant(module.__dict__, mutant)
        return
    held: Any = module
    for name in mutant.owner.split("."):
        held = vars(held)[name]
    function = _function(held)
    tree = ast.parse(mutant.source)
    function.__code__ = _code(compile(tree, str(module.__file__), "exec"), mutant.owner)
    arguments = _definition(tree, mutant.owner.split(".")).args

    def made(value: ast.expr) -> Any:
        return eval(compile(ast.Expression(value), path, "eval"), module.__dict__)  # noqa: S307  # the project's code

    function.__defaults__ = tuple(made(value) for value in arguments.defaults) or None
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    function.__kwdefaults__ = {argument.arg: made(value) for argument, value in pairs if value is not None} or None


@contextmanager
def functions_called(files: frozenset[str]) -> Iterator[set[tuple[str, str]]]:
    """Collect the functions of some files that are called, as (file, qualified name of the outermost function)."""
    called: set[tuple[str, str]] = set()

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename in files:
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname.split(".<locals>")[0]))

    threading.setprofile(see)
    sys.setprofile(see)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _exchange_constant(names: dict[str, Any], mutant: Mutant) -> None:
    """Put another value wherever a module has imported the constant."""
    old = names[mutant.owner]
    (value,) = [
        statement.value
        for statement in ast.parse(mutant.source).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        and mutant.owner in {target.id for target in _targets(statement) if isinstance(target, ast.Name)}
    ]
    assert value is not None
    new = eval(compile(ast.Expression(value), "constant", "eval"), names)  # noqa: S307  # the project's own code
    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get(mutant.owner) is old:
            setattr(module, mutant.owner, new)


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def _function(held: Any) -> FunctionType:
    """Return the plain function inside of a property, a method of a class, a context or a cache."""
    while not isinstance(held, FunctionType) or hasattr(held, "__wrapped__"):
        inner = [getattr(held, name) for name in ("fget", "__func__", "__wrapped__", "func") if hasattr(held, name)]
        held = inner[0]
    return held


def _code(module: CodeType, name: str) -> CodeType:
    """Return the code of a function by its qualified name."""
    waiting = [module]
    while waiting:
        code = waiting.pop()
        if code.co_qualname == name:
            return code
        waiting.extend(part for part in code.co_consts if isinstance(part, CodeType))
    raise LookupError(name)


def _definition(tree: ast.AST, names: list[str]) -> ast.FunctionDef:
    for name in names:
        tree = next(part for part in ast.iter_child_nodes(tree) if getattr(part, "name", None) == name)
    assert isinstance(tree, ast.FunctionDef)
    return tree
