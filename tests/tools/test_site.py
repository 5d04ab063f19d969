"""The site of the pages: its links out of docs/, and that a browser needs no network to show it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT
from tools.check import CHECKS
from tools.site_links import REPOSITORY, with_links_out

LOADED = re.compile(
    r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)|url\([\"']?((?:https?:)?//[^)]+)"
)
"""What a page or a style sheet makes a browser fetch from elsewhere."""
(CHECK,) = (command for command in CHECKS if command[0] == "mkdocs")


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "tour.md", "tour.md"),
        ("index.md", "../README.md#start", f"{REPOSITORY}/blob/main/README.md#start"),
        ("commands/compare.md", "../ci.md#reports", "../ci.md#reports"),
        ("commands/compare.md", "../../tools/bench/compare.md", f"{REPOSITORY}/blob/main/tools/bench/compare.md"),
        ("commands/compare.md", "../../models", f"{REPOSITORY}/tree/main/models"),
        ("index.md", "#where-to-go", "#where-to-go"),
        ("index.md", "https://netron.app", "https://netron.app"),
    ],
)
def test_a_link_out_of_docs_leads_to_the_repository_and_others_stay(page: str, link: str, expected: str) -> None:
    assert with_links_out(f"see [it]({link}), and more", page) == f"see [it]({expected}), and more"


def build(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Build the site as the checks do."""
    command = [sys.executable, "-m", *CHECK, *more]
    return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "wrong", "said"),
    [
        ("index.md", "see [it](nowhere.md)", "nowhere.md"),
        ("index.md", "see [it](tour.md#nowhere)", "#nowhere"),
        ("new.md", "# A page that is not in the order of the site", "new.md"),
    ],
)
def test_a_page_with_a_mistake_fails_the_check(page: str, wrong: str, said: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "tools").mkdir()
    for name in ("mkdocs.yml", "site_links.py"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    with (tmp_path / "docs" / page).open("a", encoding="utf-8") as file:
        file.write(f"\n{wrong}\n")
    done = build(tmp_path)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = build(ROOT, "-d", str(tmp_path))
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) == len(list((ROOT / "docs").rglob("*.md"))) + len({"404"})
    for file in (*pages, *tmp_path.rglob("*.css")):
        assert not LOADED.findall(file.read_text(encoding="utf-8")), file


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://unpkg.com/x.js">',
        '<link rel="stylesheet" href="//fonts.googleapis.com/css">',
        "@font-face { src: url(https://fonts.gstatic.com/x.woff2) }",
    ],
)
def test_what_would_be_loaded_is_found(text: str) -> None:
    assert LOADED.findall(text)
