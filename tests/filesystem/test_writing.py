"""Files are written whole or not at all, and never through a link."""

import ast
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from onnxcausal.filesystem.writing import (
    BY_HANDLE,
    OpenFolder,
    PlaceError,
    append,
    make_own,
    write_inside,
    write_whole,
)

PACKAGE = Path(__file__).parents[2] / "onnxcausal"
pytestmark = pytest.mark.skipif(not BY_HANDLE, reason="files are not reached by an open folder on this system")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "startup"
    path.parent.mkdir()
    path.write_text("alias ll='ls -l'\n")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_unharmed(victim: Path) -> bool:
    return victim.read_text() == "alias ll='ls -l'\n" and names(victim.parent) == ["startup"]


def test_a_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    for content in ([b"first"], [b"sec", b"ond"]):
        write_whole(tmp_path / "out.json", content)
        assert (tmp_path / "out.json").read_bytes() == b"".join(content)
        assert names(tmp_path) == ["out.json"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def chunks() -> object:
        yield b"half"
        raise OSError(errno.ENOSPC, "full")

    (tmp_path / "out.json").write_text("old")
    with pytest.raises(OSError, match="full"):
        write_whole(tmp_path / "out.json", chunks())  # type: ignore[arg-type]
    assert names(tmp_path) == ["out.json"]
    assert (tmp_path / "out.json").read_text() == "old"


def test_files_take_their_places_together(tmp_path: Path) -> None:
    with OpenFolder(tmp_path / "a" / "b", make=True) as folder:
        folder.add("one", [b"1"])
        folder.add("two", [b"2"])
        assert not {"one", "two"} & set(folder.names())
        folder.place()
    assert names(tmp_path / "a" / "b") == ["one", "two"]
    with OpenFolder(tmp_path / "new", make=True) as folder:
        folder.add("never", [b""])
    assert not (tmp_path / "new").exists()


def write_where(place: Path) -> None:
    write_whole(place, [b"evil"])


def write_below(place: Path) -> None:
    write_inside(place.parent, place.name, [b"evil"])


def write_with_others(place: Path) -> None:
    with OpenFolder(place.parent) as folder:
        folder.add("other", [b"fine"])
        folder.add(place.name, [b"evil"])
        folder.place()


def add_to(place: Path) -> None:
    append(place, b"evil")


WRITERS = [write_where, write_below, write_with_others, add_to]


@pytest.mark.attack("places of output", "refused, nothing written")
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("leads_to", ["a file", "another link", "nothing", "a device"])
def test_a_link_in_a_files_place_is_refused(
    tmp_path: Path, victim: Path, writer: Callable[[Path], None], leads_to: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    if leads_to == "another link":
        (tmp_path / "second").symlink_to(victim)
    place = {"a file": victim, "another link": tmp_path / "second", "nothing": victim.parent / "new"}
    (out / "x").symlink_to(place.get(leads_to, Path("/dev/null")))
    with pytest.raises(OSError, match=r"symbolic link|Too many levels"):
        writer(out / "x")
    assert is_unharmed(victim)
    assert names(out) == ["x"]


@pytest.mark.attack("places of output", "not written through")
@pytest.mark.parametrize(
    "name", [".out.json.new", ".out.json.probe", ".out.json.tmp", ".onnxcausal-0000000000000000.new"]
)
def test_links_under_names_that_could_be_guessed_are_not_opened(tmp_path: Path, victim: Path, name: str) -> None:
    (tmp_path / name).symlink_to(victim)
    write_whole(tmp_path / "out.json", [b"content"])
    with OpenFolder(tmp_path) as folder:
        folder.probe()
    assert is_unharmed(victim)
    assert (tmp_path / "out.json").read_bytes() == b"content"


@pytest.mark.attack("places of output", "refused, nothing written")
def test_a_folder_that_is_a_link_is_refused_where_it_was_named_and_followed_on_the_way(
    tmp_path: Path, victim: Path
) -> None:
    (tmp_path / "out").symlink_to(victim.parent)
    with pytest.raises(PlaceError, match="symbolic link"), OpenFolder(tmp_path / "out", make=True):
        pass
    with pytest.raises(OSError, match=r"symbolic link|Too many levels|Not a directory"):
        write_inside(tmp_path, "out/x", [b"evil"])
    assert is_unharmed(victim)
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "way" / "out.json", [b"content"])
    with OpenFolder(tmp_path / "way" / "results", make=True) as folder:
        folder.add("one", [b"1"])
        folder.place()
    assert (tmp_path / "real" / "results" / "one").read_bytes() == b"1"


@pytest.mark.attack("places of output", "refused, nothing written")
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "x")
    with pytest.raises(PlaceError, match="no plain file"):
        write_whole(tmp_path / "x", [b""])


@pytest.mark.attack("places of output", "refused, nothing written")
def test_a_file_of_another_user_is_refused_to_all_but_the_systems_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_text("theirs")
    monkeypatch.setattr("os.geteuid", lambda: (tmp_path / "x").stat().st_uid + 1)
    with pytest.raises(PlaceError, match="another user"):
        write_whole(tmp_path / "x", [b""])
    assert (tmp_path / "x").read_text() == "theirs"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    write_whole(tmp_path / "x", [b""])
    assert (tmp_path / "x").read_text() == ""


@pytest.mark.attack("places of output", "not written through")
def test_a_hard_link_is_replaced_but_never_written_in_place(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "x").hardlink_to(victim)
    with OpenFolder(tmp_path) as folder, pytest.raises(PlaceError, match="hard link"):
        folder.check("x", in_place=True)
    write_whole(tmp_path / "x", [b"new"])
    assert is_unharmed(victim)


@pytest.mark.attack("places of output", "not written through")
def test_a_folder_put_in_its_stead_is_not_written_to(tmp_path: Path, victim: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with OpenFolder(out) as folder:
        folder.add("startup", [b"evil"])
        out.rename(tmp_path / "moved")
        out.symlink_to(victim.parent)
        folder.place()
    assert is_unharmed(victim)
    assert (tmp_path / "moved" / "startup").read_bytes() == b"evil"


def test_files_below_a_folder_are_written_and_folders_made(tmp_path: Path) -> None:
    write_inside(tmp_path, "weights/part/w.bin", [b"1", b"2"])
    assert (tmp_path / "weights" / "part" / "w.bin").read_bytes() == b"12"


@pytest.mark.attack("places of output", "not written through")
def test_what_is_removed_is_the_link_and_not_what_it_leads_to(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "x").symlink_to(victim)
    with OpenFolder(tmp_path) as folder:
        folder.remove("x")
        folder.remove("never there")
    assert is_unharmed(victim)
    assert not (tmp_path / "x").is_symlink()


def test_what_a_killed_process_left_is_removed_after_a_day_and_nothing_else(tmp_path: Path) -> None:
    left = [".onnxcausal-0123456789abcdef.new", ".onnxcausal-fedcba9876543210.new", ".onnxcausal-mine.new"]
    for name in left:
        (tmp_path / name).write_text("left")
    two_days_ago = time.time() - 2 * 86400
    for name in (left[0], left[2]):
        os.utime(tmp_path / name, (two_days_ago, two_days_ago))
    write_whole(tmp_path / "out.json", [b""])
    assert names(tmp_path) == sorted([left[1], left[2], "out.json"])


def test_a_file_for_this_user_alone_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    make_own(path, b"first")
    make_own(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(path.parent) == ["key"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_text_is_added_to_a_file_or_begins_one(tmp_path: Path) -> None:
    append(tmp_path / "summary", b"one ")
    append(tmp_path / "summary", b"two")
    assert (tmp_path / "summary").read_bytes() == b"one two"


WRITING = {"write_text", "write_bytes", "unlink", "rmdir", "rename", "symlink_to", "hardlink_to", "touch", "mkdir"}
"""Methods of paths that change what stands on the disk."""
OF_MODULES = {
    ("os", name)
    for name in ("open", "mkdir", "makedirs", "rename", "replace", "remove", "unlink", "link", "symlink", "truncate")
}
OF_MODULES |= {("tempfile", name) for name in ("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryFile")}
OF_MODULES |= {("np", name) for name in ("save", "savez", "savez_compressed", "savetxt")} | {("shutil", "move")}
OF_MODULES |= {("shutil", name) for name in ("copy", "copyfile", "copytree", "copy2", "rmtree")}
ALLOWED = {
    ("filesystem/writing.py", None): "the one place",
    ("filesystem/reading.py", "open"): "for reading",
    ("onnxgraph/file/weight_file.py", "open"): "for reading",
    ("onnxgraph/sandbox/first_run.py", "write_bytes"): "in a folder of its own, under a name that nobody can know",
    ("onnxgraph/sandbox/first_run.py", "save"): "the same",
    ("cli/main.py", "open"): "the null device, in the place of a stream that was closed",
}


def writes(call: ast.Call) -> str | None:
    """Return the name of what a call writes with; None where it writes nothing."""
    function = call.func
    if isinstance(function, ast.Name):
        return "open" if function.id == "open" else None
    if not isinstance(function, ast.Attribute):
        return None
    of = function.value.id if isinstance(function.value, ast.Name) else None
    if (of, function.attr) in OF_MODULES:
        # Into memory, under a name that says so.
        into_memory = of == "np" and isinstance(call.args[0], ast.Name) and call.args[0].id == "content"
        return None if into_memory else function.attr
    if function.attr == "open":
        modes = [mode.value for mode in call.args if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
        return "open" if any(set(mode) & set("wax+") for mode in modes) else None
    return function.attr if function.attr in WRITING else None


def test_nothing_is_written_but_in_one_place() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        file = path.relative_to(PACKAGE).as_posix()
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        for call in calls:
            name = writes(call)
            if name and (file, None) not in ALLOWED and (file, name) not in ALLOWED:
                found[f"{file}:{call.lineno}"] = name
    assert found == {}
