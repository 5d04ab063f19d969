"""The system's Chromium, for tests of the page as people see it."""

import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FOUND = next((path for path in map(shutil.which, NAMES) if path), None)
needs_chromium = pytest.mark.skipif(FOUND is None, reason=f"needs a browser: none of {', '.join(NAMES)} is installed")
