"""What this user's machine wrote is known again, and nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onnxcausal.filesystem.signing import is_seal, seal

PRINTED = "from onnxcausal.filesystem.signing import seal; print(seal(b'a', b'b').hex())"


def printed(environment: dict[str, str]) -> str:
    whole = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_STATE_HOME")} | environment
    return subprocess.run([sys.executable, "-c", PRINTED], check=True, capture_output=True, text=True, env=whole).stdout


def test_a_seal_is_of_these_bytes_in_these_parts() -> None:
    given = seal(b"a", b"bc")
    assert is_seal(given, b"a", b"bc")
    assert not is_seal(given, b"ab", b"c")
    assert not is_seal(given, b"a", b"bd")
    assert not is_seal(given[:-1], b"a", b"bc")


@pytest.mark.attack("journal", "no seal")
@pytest.mark.parametrize("given", [None, "", "text", 5, 1.5, b"", b"\0" * 32])
def test_anything_in_the_place_of_a_seal_is_none(given: object) -> None:
    assert not is_seal(given, b"a")


def test_every_process_of_a_user_makes_the_same_seals_and_no_other_user_does(tmp_path: Path) -> None:
    one = printed({"XDG_STATE_HOME": str(tmp_path / "one")})
    assert printed({"XDG_STATE_HOME": str(tmp_path / "one")}) == one
    assert printed({"XDG_STATE_HOME": str(tmp_path / "two")}) != one
    key = tmp_path / "one" / "onnxcausal" / "key"
    assert len(key.read_bytes()) == 32
    assert key.stat().st_mode & 0o077 == 0
    at_home = printed({"HOME": str(tmp_path / "home")})
    assert printed({"XDG_STATE_HOME": str(tmp_path / "home" / ".local" / "state")}) == at_home


@pytest.mark.attack("journal", "computed anew")
@pytest.mark.parametrize("kind", ["nowhere", "relative", "a file in the way", "a short key", "a link"])
def test_without_a_place_for_the_key_nothing_is_known_again(tmp_path: Path, kind: str) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    place = tmp_path / "onnxcausal"
    match kind:
        case "nowhere":
            environment = {}
        case "relative":
            environment = {"XDG_STATE_HOME": "state"}
        case "a file in the way":
            place.write_text("")
        case "a short key":
            place.mkdir()
            (place / "key").write_bytes(b"short")
        case "a link":
            place.mkdir()
            (tmp_path / "known").write_bytes(b"k" * 32)
            (place / "key").symlink_to(tmp_path / "known")
    assert printed(environment) != printed(environment)
