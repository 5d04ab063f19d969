"""Takes the picture of the report in docs/, of the mislabelled model, with the node chosen that its repair removes.

python tools/report_picture.py

Needs Chromium (Debian, Ubuntu: `apt-get install chromium`) and the `test` extra.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import onnxcausal
from onnxcausal.pipeline.report import report

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "models"
PICTURE = ROOT / "docs" / "pictures" / "report.png"
MODEL, DATA = MODELS / "digits_mislabelled.onnx", MODELS / "digits.npz"
CLASS, LAYER, NODE = "4", "/fc2/Gemm", "35"
"""The class whose labels are spoiled, and the strongest node that works against it."""
SIZE = {"width": 1180, "height": 1010}


def main() -> None:
    """Analyse, report, and take the picture."""
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        onnxcausal.analyze(MODEL, DATA, samples=25, outcome="margin", out=folder)
        shown = report(Path(folder), data=DATA).path
        tab = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(
            viewport=SIZE,  # type: ignore[arg-type]
            color_scheme="light",
        )
        tab.goto(shown.resolve().as_uri())
        choose(tab)
        PICTURE.write_bytes(small(tab.screenshot()))


def choose(tab: Page) -> None:
    """Show the class and the node."""
    tab.select_option("#class", CLASS)
    tab.fill("#search", f"{LAYER} {NODE}")
    tab.click("#found button")
    tab.fill("#search", "")
    tab.evaluate("document.activeElement.blur()")
    tab.evaluate("document.getElementById('graph-title').scrollIntoView({behavior: 'instant'})")
    tab.evaluate("scrollBy(0, -15)")
    tab.wait_for_timeout(1500)


def small(png: bytes) -> bytes:
    """Return a picture in 256 colours, those of small marks among them, which take half the bytes."""
    content = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE).save(
        content, "png", optimize=True
    )
    return content.getvalue()


if __name__ == "__main__":
    main()
