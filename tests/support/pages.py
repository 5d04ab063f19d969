"""The README and the pages of docs/, as a reader comes to them: their text, examples, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE: dict[str, Any] = yaml.safe_load((ROOT / "tools" / "mkdocs.yml").read_text(encoding="utf-8"))
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        file: where it stands.
        text: what is written on it.
    """

    file: Path
    text: str

    @property
    def name(self) -> str:
        """Its place in the repository."""
        return self.file.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """The page without its blocks of code."""
        return BLOCK.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """Code in the text, outside of blocks."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    @property
    def headings(self) -> list[str]:
        """Its headings, without the marks of code."""
        return [found.replace("`", "") for found in re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)]

    @property
    def links(self) -> list[str]:
        """Where it links to, code left out."""
        return LINK.findall(re.sub(r"`[^`\n]+`", "", self.prose))

    def blocks(self, language: str) -> list[str]:
        """Return its blocks of code in one language."""
        return [code for found, code in BLOCK.findall(self.text) if found == language]


@dataclass(frozen=True, slots=True)
class Example:
    """A command as a page shows it, and what it is shown to print."""

    page: str
    command: str
    expected: str


def page(name: str) -> Page:
    """Return a page by its place in the repository."""
    return Page(ROOT / name, (ROOT / name).read_text(encoding="utf-8"))


@cache
def pages() -> tuple[Page, ...]:
    """Return the README, and the pages of docs/ in the order of the site."""
    return (page("README.md"), *(page(f"docs/{place}") for place in _places(SITE["nav"])))


def _places(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for place in entry.values():
            if isinstance(place, list):
                yield from _places(place)
            elif not place.startswith("https:"):
                yield place


def examples() -> list[Example]:
    """Return the commands of all sessions shown, page by page, in their order."""
    found = []
    for shown in pages():
        for block in shown.blocks("console"):
            first, *parts = COMMAND.split(block)
            assert not first, block
            for command, expected in zip(parts[::2], parts[1::2], strict=True):
                found.append(Example(shown.name, command.replace("\\\n", " "), expected))
    return found


def anchor(heading: str) -> str:
    """Return how GitHub names a heading in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
