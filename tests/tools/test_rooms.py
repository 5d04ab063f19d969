"""The floor plan of the package: folders small enough to be known, each with a sentence of what belongs in it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "onnxcausal"
FOLDERS = sorted(path for path in (PACKAGE, *PACKAGE.rglob("*")) if path.is_dir() and path.name != "__pycache__")
MOST = 20


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_a_folder_holds_few_files_and_says_what_belongs_in_it(folder: Path) -> None:
    assert sum(path.is_file() for path in folder.iterdir()) <= MOST
    if any(folder.glob("*.py")):
        said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert said
        assert said.endswith(".")
