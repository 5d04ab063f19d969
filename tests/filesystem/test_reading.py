"""What is read is a plain file, and no more of it than was said."""

import os
from pathlib import Path

import pytest

from onnxcausal.filesystem.reading import plain_file, read_plain


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "held.bin"
    path.write_bytes(b"12345")
    return path


def test_a_plain_file_is_read_up_to_its_bound(file: Path) -> None:
    assert read_plain(file, 5) == b"12345"
    with plain_file(file) as content:
        assert content.read(2) == b"12"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_plain(file, 4)


def test_links_are_followed_where_they_may_be(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    assert read_plain(link, 5) == b"12345"
    with pytest.raises(OSError, match=r"symbolic links|Too many"):
        read_plain(link, 5, follow_links=False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names on this system")
def test_a_pipe_is_neither_waited_for_nor_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no plain file"):
        read_plain(tmp_path / "pipe", 5)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices on this system")
def test_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="no plain file"):
        read_plain(tmp_path / "link", 5)


def test_what_is_not_there_and_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "missing", 5)
    with pytest.raises(OSError, match=r"no plain file|[Dd]irectory|denied"):
        read_plain(tmp_path, 5)
