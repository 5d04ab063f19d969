"""How the page looks in a real browser, on screens and on paper, and to those who do not see it."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.page_chromium import needs_chromium
from tests.support.page_sheet import Sheet

pytestmark = [pytest.mark.slow, needs_chromium]


def test_the_theme_follows_the_system_until_it_is_switched(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = f"{paper} === 'rgb(255, 255, 255)'", f"{paper} === 'rgb(20, 24, 31)'"
    sheet.until(light)
    sheet.tab.emulate_media(color_scheme="dark")
    sheet.until(dark)
    sheet.tab.click("#theme")
    sheet.until(light)
    sheet.tab.click("#theme")
    sheet.tab.emulate_media(color_scheme="light")
    sheet.tab.wait_for_timeout(200)
    sheet.until(dark)
    assert sheet.graph("cy.getElementById('outcome').style('background-color')") == "rgb(231,235,242)"


def test_text_is_readable_on_its_background(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    for scheme in ("light", "dark"):
        sheet.tab.emulate_media(color_scheme=scheme)
        sheet.until(f"document.documentElement.dataset.theme === {scheme!r}")
        for front, back in (
            ("ink", "paper"),
            ("soft", "paper"),
            ("soft", "panel"),
            ("link", "paper"),
            ("warn-ink", "warn-paper"),
        ):
            ratio = contrast(*(colour_of(sheet, name) for name in (front, back)))
            assert ratio >= 4.5, (scheme, front, back, ratio)


def colour_of(sheet: Sheet, name: str) -> str:
    script = "name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()"
    return str(sheet.tab.evaluate(script, name))


def contrast(front: str, back: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.1)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(front), luminance(back)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_it_prints_light_and_whole(sheet: Sheet, digits: Path) -> None:
    sheet.tab.emulate_media(color_scheme="dark")
    sheet.open(digits)
    sheet.tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    sheet.tab.emulate_media(media="print", color_scheme="dark")
    assert sheet.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert sheet.tab.is_visible("#printed")
    assert sheet.tab.evaluate("document.getElementById('printed').naturalWidth") > 800
    assert not sheet.tab.is_visible(".toolbar")
    sheet.tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    sheet.tab.emulate_media(media="screen", color_scheme="dark")
    assert sheet.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
    assert sheet.tab.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [360, 800])
def test_a_narrow_screen_needs_no_sideways_scrolling(sheet: Sheet, digits: Path, width: int) -> None:
    sheet.tab.set_viewport_size({"width": width, "height": 800})
    sheet.open(digits)
    sheet.tab.click("#nodes-part summary")
    assert sheet.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_has_a_name_a_place_and_its_turn(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.click("#nodes-part summary")
    nameless = sheet.tab.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, canvas, img:not([hidden]), svg[role=img]")]
        .filter((one) => one.offsetParent !== null || one.tagName === "svg")
        .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length || one.alt))
        .filter((one) => !one.closest("#canvas"))
        .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    unlabelled = sheet.tab.evaluate(
        """() => ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap((name) =>
        [...document.querySelectorAll(`[${name}]`)].map((one) => one.getAttribute(name)))
        .filter((id) => !document.getElementById(id))"""
    )
    assert unlabelled == []
    ids = sheet.tab.evaluate("() => [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert sheet.tab.locator(landmark).count() == 1
    levels = sheet.tab.evaluate(
        "() => [...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_tab_goes_through_the_page_in_the_order_it_is_read(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    sheet.tab.keyboard.press("Tab")
    assert sheet.tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    sheet.tab.keyboard.press("Enter")
    assert sheet.tab.evaluate("document.activeElement.id") == "main"
    sheet.tab.focus("#class")
    walked = []
    for _ in range(14):
        sheet.tab.keyboard.press("Tab")
        walked.append(str(sheet.tab.evaluate("document.activeElement.id")))
    named = ["other", "zoom-in", "zoom-out", "fit", "unfold", "fold", "search", "canvas"]
    assert [name for name in walked if name in named] == named
    assert sheet.tab.evaluate("document.activeElement.closest('#layers-part') !== null")
