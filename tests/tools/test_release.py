"""What is released: its bill of materials, and the hashes."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import EmailMessage
from importlib.metadata import Distribution, PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.support.pages import ROOT
from tools import release
from tools.sbom import sbom

BUILDS = importlib.util.find_spec("hatchling") is not None


def package(name: str, number: str, *needs: str, **entries: str) -> Distribution:
    metadata = EmailMessage()
    metadata["Name"] = name
    for key, value in entries.items():
        metadata[key.replace("_", "-")] = value
    return cast("Distribution", SimpleNamespace(metadata=metadata, version=number, requires=list(needs)))


def some() -> dict[str, Distribution]:
    return {
        "onnxcausal": package("onnxcausal", "1.2", "Num_Py>=1", "win; sys_platform == 'none'", "x; extra == 'test'"),
        "num-py": package("Num.Py", "3", "leaf", License_Expression="MIT AND Zlib"),
        "leaf": package("leaf", "0.1", "num-py", License="a whole text " * 9, Classifier="License :: OSI :: X"),
    }


def test_the_bill_lists_what_is_needed_here_and_what_each_needs(tmp_path: Path) -> None:
    file = tmp_path / "onnxcausal-1.2.whl"
    file.write_bytes(b"built")
    bill = sbom("onnxcausal", [file], some().__getitem__)
    by_ref = {held["bom-ref"]: held for held in bill["components"]}
    assert sorted(by_ref) == ["pkg:npm/cytoscape@3.34.4", "pkg:pypi/leaf@0.1", "pkg:pypi/num-py@3"]
    assert by_ref["pkg:pypi/num-py@3"]["licenses"] == [{"expression": "MIT AND Zlib"}]
    assert by_ref["pkg:pypi/leaf@0.1"]["licenses"] == [{"license": {"name": "X"}}]
    needs = {held["ref"]: held["dependsOn"] for held in bill["dependencies"]}
    assert needs == {
        "pkg:npm/cytoscape@3.34.4": [],
        "pkg:pypi/leaf@0.1": ["pkg:pypi/num-py@3"],
        "pkg:pypi/num-py@3": ["pkg:pypi/leaf@0.1"],
        "pkg:pypi/onnxcausal@1.2": ["pkg:npm/cytoscape@3.34.4", "pkg:pypi/num-py@3"],
    }
    (released,) = bill["metadata"]["component"]["externalReferences"]
    assert released["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"built").hexdigest()}]


def test_a_bill_that_would_not_be_whole_is_not_made() -> None:
    def find(name: str) -> Distribution:
        if name == "leaf":
            raise PackageNotFoundError(name)
        return some()[name]

    with pytest.raises(PackageNotFoundError):
        sbom("onnxcausal", [], find)


def test_the_bill_of_this_environment_is_whole_and_always_the_same() -> None:
    bill = sbom("onnxcausal", [])
    assert bill == sbom("onnxcausal", [])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    root: dict[str, Any] = bill["metadata"]["component"]
    refs = [root["bom-ref"], *(held["bom-ref"] for held in bill["components"])]
    assert len(set(refs)) == len(refs)
    assert sorted(refs) == [held["ref"] for held in bill["dependencies"]]
    assert {ref for held in bill["dependencies"] for ref in held["dependsOn"]} <= set(refs)
    names = {held["bom-ref"].split("/")[1].split("@")[0] for held in bill["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {re.split(r"[^\w-]", need)[0] for need in project["dependencies"] if ";" not in need}
    assert asked <= names
    script = next(held for held in bill["components"] if held["name"] == "cytoscape")
    assert script["hashes"][0]["content"] in (ROOT / "onnxcausal/report/page/web/README.md").read_text()


def test_the_hashes_are_of_all_files_and_of_one_version(tmp_path: Path) -> None:
    wheel = tmp_path / f"onnxcausal-{version('onnxcausal')}-py3-none-any.whl"
    wheel.write_bytes(b"a")
    release.describe(tmp_path)
    lines = (tmp_path / release.SUMS).read_text().splitlines()
    held = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(held) == {wheel.name, release.BILL}
    assert all(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest for name, digest in held.items())
    wheel.rename(tmp_path / "onnxcausal-99-py3-none-any.whl")
    with pytest.raises(SystemExit, match="what was built is onnxcausal-99"):
        release.describe(tmp_path)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "old.whl").write_bytes(b"a")
    with pytest.raises(SystemExit, match="is not empty"):
        release.main(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.whl"]


@pytest.mark.slow
@pytest.mark.skipif(not BUILDS, reason="needs hatchling")
def test_a_release_is_built_and_twice_the_same(tmp_path: Path) -> None:
    for name in ("one", "other"):
        subprocess.run([sys.executable, "-m", "tools.release", str(tmp_path / name)], cwd=ROOT, check=True)
    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other"))
    assert one == other
    assert len(one) == 4
    (wheel,) = (tmp_path / "one").glob("*.whl")
    (source,) = (tmp_path / "one").glob("*.tar.gz")
    assert "onnxcausal/errors.py" in zipfile.ZipFile(wheel).namelist()
    with tarfile.open(source) as archive:
        assert any(name.endswith("/tools/release.py") for name in archive.getnames())
    bill = json.loads(one[release.BILL])
    assert {held["url"] for held in bill["metadata"]["component"]["externalReferences"]} == {wheel.name, source.name}
