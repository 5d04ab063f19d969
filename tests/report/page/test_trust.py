"""What the page refuses in a real browser: to run names, to fetch, to send."""

from pathlib import Path

import pytest

from onnxcausal.report.page.assemble import page as page_of
from onnxcausal.report.page.found import Found
from tests.report.page.test_page import hostile
from tests.support.page_chromium import needs_chromium
from tests.support.page_sheet import Sheet
from tests.support.recorded import recorded

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.mark.attack("names in the page", "shown as text, nothing loaded or run")
def test_hostile_names_are_text(sheet: Sheet, tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u202e\x1b[31m{0}&lt;b&gt;"
    analysis = hostile(name.replace("{0}", ""))
    found = Found(analysis, repairs=(recorded(name),))
    (tmp_path / "page.html").write_bytes(page_of(found))
    sheet.open(tmp_path / "page.html")
    assert sheet.tab.locator("main script, main img[src=x]").count() == 0
    assert "<script>alert(1)</script>" in sheet.text("h1")
    sheet.tab.click("#unfold")
    sheet.tab.click("#nodes-part summary")
    sheet.tab.locator("#nodes tbody button").first.click()
    assert "<img src=x onerror=alert(2)>" in sheet.text("#node-title")
    sheet.tab.mouse.move(*sheet.point("l0"))
    sheet.tab.fill("#search", "<img")
    sheet.show("#effects")
    sheet.tab.select_option("#other", "1")
    sheet.told("are the same")
    assert not set(sheet.text("body")) & set("\x1b\u202e")
    blocked = sheet.tab.evaluate(
        """() => { try { document.body.innerHTML = "<b>x</b>"; return "set"; } catch (error) { return error.name; } }"""
    )
    assert blocked == "TypeError"
    assert [text for text in sheet.said if "TrustedHTML" not in text] == []
    sheet.said.clear()


@pytest.mark.attack("names in the page", "shown as text, nothing loaded or run")
def test_what_a_page_might_be_made_to_do_is_refused(sheet: Sheet, digits: Path) -> None:
    sheet.open(digits)
    script = """() => { const one = document.createElement("script");
    try { one.textContent = "window.ran = 1"; document.body.append(one); } catch (error) { return "refused"; }
    return window.ran === 1 ? "ran" : "refused"; }"""
    assert sheet.tab.evaluate(script) == "refused"
    fetched = sheet.tab.evaluate("() => fetch('https://example.com').then(() => 'sent', () => 'refused')")
    assert fetched == "refused"
    assert sheet.said
    assert all("Content Security Policy" in text or "Trusted" in text for text in sheet.said)
    sheet.said.clear()
    sheet.asked[:] = [url for url in sheet.asked if "example.com" not in url]
