"""The page as it is open in a browser."""

import time
from pathlib import Path

from playwright.sync_api import Browser

PATIENCE = 20
"""Seconds a test waits for what it expects."""
CY = "document.getElementById('canvas')._cyreg.cy"


def plain(text: str) -> str:
    """Return a text with hyphens for minus signs, as numbers are read."""
    return text.replace("\N{MINUS SIGN}", "-")


class Sheet:
    """One page in the browser, with everything it says and asks for."""

    def __init__(self, browser: Browser) -> None:
        self.tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        self.said: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))

    def open(self, path: Path) -> "Sheet":
        self.tab.goto(path.resolve().as_uri())
        self.until("document.getElementById('headline').textContent !== ''")
        return self

    def until(self, condition: str) -> None:
        """Wait for a condition; the page's policy keeps the browser from asking for it by itself."""
        end = time.monotonic() + PATIENCE
        while not self.tab.evaluate(condition):
            assert time.monotonic() < end, condition
            self.tab.wait_for_timeout(50)

    def told(self, text: str, element: str = "headline") -> None:
        """Wait until an element holds a text."""
        self.until(f"document.getElementById({element!r}).textContent.includes({text!r})")

    def text(self, selector: str) -> str:
        return plain(self.tab.inner_text(selector))

    def graph(self, script: str) -> object:
        return self.tab.evaluate(f"(() => {{ const cy = {CY}; return {script}; }})()")

    def point(self, node: str) -> tuple[float, float]:
        """Return where a node of the drawing is on the screen."""
        box = self.tab.locator("#canvas").bounding_box()
        found = self.graph(f"cy.getElementById('{node}').renderedPosition()")
        assert box is not None
        assert isinstance(found, dict)
        return box["x"] + found["x"], box["y"] + found["y"]

    def show(self, selector: str) -> None:
        self.tab.evaluate(
            "selector => document.querySelector(selector).scrollIntoView({behavior: 'instant'})", selector
        )
