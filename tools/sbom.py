"""What a release is made of, as a software bill of materials: CycloneDX 1.5, JSON.

The components are what stands in the environment that the release was tested in: onnxcausal's requirements, those of
these, and so on, each with its version and licence; and the one script that the package itself carries. The same
environment gives the same bytes: nothing in them is a time or drawn by chance.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parent.parent
WEB = ROOT / "onnxcausal" / "report" / "page" / "web"
CARRIED = re.compile(r"`cytoscape\.min\.js` is Cytoscape\.js (\S+), unchanged")
LONGEST = 64
"""Letters of a licence's name; some packages put its whole text there."""


def sbom(name: str, files: Iterable[Path], find: Callable[[str], Distribution] = distribution) -> dict[str, Any]:
    """Return the bill of materials of a package and what it needs.

    Args:
        name: the package.
        files: what is released of it.
        find: the installed package of a name.

    Raises:
        PackageNotFoundError: something that it needs is not installed, so that the bill would not be whole.
    """
    found = _closure(name, find)
    root = found[canonicalize_name(name)]
    web = _script()
    needs = {_ref(held): sorted(_ref(found[need]) for need in _needs(held)) for held in found.values()}
    needs[_ref(root)] = sorted([*needs[_ref(root)], web["bom-ref"]])
    needs[web["bom-ref"]] = []
    others = [_component(held) for held in found.values() if held is not root]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component(root) | {"externalReferences": [_file(path) for path in sorted(files)]}},
        "components": sorted([*others, web], key=lambda held: str(held["bom-ref"])),
        "dependencies": [{"ref": ref, "dependsOn": needs[ref]} for ref in sorted(needs)],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True))
    return {**bill, "serialNumber": f"urn:uuid:{serial}"}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _closure(name: str, find: Callable[[str], Distribution]) -> Mapping[str, Distribution]:
    """Return a package and all that it needs here, by name."""
    found: dict[str, Distribution] = {}
    waiting = [canonicalize_name(name)]
    while waiting:
        wanted = waiting.pop()
        if wanted not in found:
            found[wanted] = find(wanted)
            waiting += _needs(found[wanted])
    return found


def _needs(held: Distribution) -> list[NormalizedName]:
    """Return the names of what a package needs here, without its extras."""
    asked = map(Requirement, held.requires or [])
    return sorted({canonicalize_name(need.name) for need in asked if need.marker is None or need.marker.evaluate()})


def _ref(held: Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(held.metadata['Name'])}@{held.version}"


def _component(held: Distribution) -> dict[str, Any]:
    ref = _ref(held)
    component = {"type": "library", "bom-ref": ref, "name": held.metadata["Name"], "version": held.version, "purl": ref}
    licences = _licences(held)
    return component | ({"licenses": licences} if licences else {})


def _licences(held: Distribution) -> list[dict[str, Any]]:
    """Return a package's licence: as an expression, by name, or by the classifier that says it."""
    said = held.metadata.get_all("License-Expression")
    if said:
        return [{"expression": said[0]}]
    text = "".join(held.metadata.get_all("License") or []).strip()
    if text and len(text) <= LONGEST and "\n" not in text:
        return [{"license": {"name": text}}]
    listed = held.metadata.get_all("Classifier") or []
    names = [entry.rpartition(" :: ")[2] for entry in listed if entry.startswith("License :: ")]
    return [{"license": {"name": name}} for name in names]


def _script() -> dict[str, Any]:
    """Return the script that the report's page carries."""
    told = CARRIED.search((WEB / "README.md").read_text(encoding="utf-8"))
    assert told is not None
    ref = f"pkg:npm/cytoscape@{told[1].rstrip(',')}"
    return {
        "type": "library",
        "bom-ref": ref,
        "name": "cytoscape",
        "version": ref.rpartition("@")[2],
        "purl": ref,
        "licenses": [{"license": {"id": "MIT"}}],
        "hashes": [_hash(WEB / "cytoscape.min.js")],
    }


def _file(path: Path) -> dict[str, Any]:
    return {"type": "distribution", "url": path.name, "hashes": [_hash(path)]}


def _hash(path: Path) -> dict[str, str]:
    return {"alg": "SHA-256", "content": sha256(path)}
