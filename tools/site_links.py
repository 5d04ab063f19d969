"""Makes the links of a page that lead out of docs/ lead to the repository, where the site does not have what they name.

In the repository the pages link to files by their place, so that they work on GitHub and in a clone. MkDocs calls this
for each page, as `hooks` in tools/mkdocs.yml says.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://github.com/onnxcausal/onnxcausal"
LINK = re.compile(r"\]\((?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?\)")
"""A link to a place that is relative to the page, and where on it."""


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Return a page as it stands on the site; MkDocs gives the text and what it knows of the page."""
    return with_links_out(markdown, page.file.src_uri)


def with_links_out(text: str, page: str) -> str:
    """Return the text of a page with its links out of docs/ leading to the repository.

    Args:
        text: the page.
        page: its place in docs/.
    """
    return LINK.sub(lambda found: _link(found[0], found[1], found[2] or "", page), text)


def _link(whole: str, link: str, anchor: str, page: str) -> str:
    place = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    if place == "docs" or place.startswith("docs/"):
        return whole
    kind = "tree" if (ROOT / place).is_dir() else "blob"
    return f"]({REPOSITORY}/{kind}/main/{place}{anchor})"
