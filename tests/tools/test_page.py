"""What checks the scripts of the report's page."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import ROOT

PAGE = ROOT / "tools" / "page"
CHECK = PAGE / "check.py"
PACKAGES = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))["devDependencies"]
LOCKED = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))["packages"]


def test_every_package_is_pinned_by_its_hash_wherever_it_comes_from() -> None:
    assert LOCKED[""]["devDependencies"] == PACKAGES
    for name, version in PACKAGES.items():
        assert LOCKED[f"node_modules/{name}"]["version"] == version
    assert all("integrity" in package for name, package in LOCKED.items() if name)
    assert not any("resolved" in package for package in LOCKED.values())


def test_the_types_of_the_library_are_those_of_the_release_in_the_page() -> None:
    told = (ROOT / "onnxcausal" / "report" / "page" / "web" / "README.md").read_text(encoding="utf-8")
    assert f"Cytoscape.js {PACKAGES['cytoscape']}" in told


def test_without_npm_it_says_so(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, CHECK], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "are not checked" in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="its programs are shell scripts")
def test_with_a_node_that_is_too_old_it_says_so(tmp_path: Path) -> None:
    for name, told in (("node", "v18.20.4"), ("npm", "9.2.0")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {told}\n")
        (tmp_path / name).chmod(0o755)
    ended = subprocess.run(
        [sys.executable, CHECK], env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "from 20.19 on" in ended.stderr
