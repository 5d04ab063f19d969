"""Archives of arrays: what honest ones hold comes out as numpy reads it, of hostile ones nothing but an error."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onnxcausal.filesystem import archives
from onnxcausal.filesystem.archives import open_archive
from tests.support.hostile_archives import ARCHIVES, Member, archive, array, bomb, write

HONEST = {
    "x": np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32),
    "columns first": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big-endian": np.arange(5, dtype=">i8"),
    "long": np.arange(4, dtype=np.longdouble),
    "text": np.array(["a", "bcd\u00e9"]),
    "one text": np.array("word"),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 4), np.int32),
    "one": np.float64(3),
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "0/1": np.zeros((2, 2)),
}


@pytest.mark.parametrize("write_archive", [np.savez, np.savez_compressed])
def test_honest_archives_are_read_as_numpy_reads_them(tmp_path: Path, write_archive: object) -> None:
    write_archive(tmp_path / "held.npz", **HONEST)  # type: ignore[operator]  # numpy's
    with np.load(tmp_path / "held.npz") as expected, open_archive(tmp_path / "held.npz") as found:
        assert list(found.names) == expected.files
        for name in expected.files:
            held = found.read(name)
            np.testing.assert_array_equal(held, expected[name])
            assert (held.dtype, held.shape) == (expected[name].dtype, expected[name].shape)


@pytest.mark.parametrize(
    "spelled",
    [
        "{'shape': (2, 1), 'fortran_order': False, 'descr': '<f4'}",
        '{"descr": "<f4", "fortran_order": False, "shape": (2, 1)}',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 1L), }",
    ],
)
def test_other_spellings_of_a_header_are_read(tmp_path: Path, spelled: str) -> None:
    whole = b"\x93NUMPY\x01\x00" + len(spelled).to_bytes(2, "little") + spelled.encode() + bytes(8)
    (tmp_path / "held.npz").write_bytes(archive(Member("x.npy", whole)))
    with open_archive(tmp_path / "held.npz") as found:
        assert found.read("x").shape == (2, 1)


@pytest.mark.attack("archives of arrays", "refused")
@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives_give_nothing_but_an_error(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, name)
    with pytest.raises((OSError, ValueError)) as caught, open_archive(path) as held:  # noqa: PT012  # which of them fails
        held.read("x")
        held.read("y")
    assert ARCHIVES[name][1] in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "something was unpickled"


@pytest.mark.attack("archives of arrays", "refused")
def test_hostile_members_that_share_bytes_are_not_all_read(tmp_path: Path) -> None:
    whole = archive(Member("a.npy", array(np.random.default_rng(0).normal(size=1000))), Member("b.npy"))
    at = whole.index(b"PK\x01\x02")
    first = whole[at : at + 51]
    (tmp_path / "held.npz").write_bytes(whole[:at] + first + first.replace(b"a.npy", b"b.npy") + whole[at + 102 :])
    with open_archive(tmp_path / "held.npz") as held:
        with pytest.raises(ValueError, match=r"more bytes than the file|damaged"):  # noqa: PT012  # either notices
            held.read("b")
            held.read("a")  # as other versions of Python come to notice it
        assert held.names == ("a", "b")


@pytest.mark.attack("archives of arrays", "refused")
def test_hostile_members_that_burst_together_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_UNPACKED", 10**6)
    np.savez_compressed(tmp_path / "held.npz", x=np.zeros(10**5), y=np.zeros(10**5), z=np.arange(10**5))
    with open_archive(tmp_path / "held.npz") as held:
        assert [held.read(name).shape for name in ("x", "z", "x")] == [(10**5,)] * 3
        with pytest.raises(ValueError, match="unpacks to more than 100 times its size"):
            held.read("y")


def test_a_shape_that_is_not_the_wanted_one_is_not_unpacked(tmp_path: Path) -> None:
    np.savez(tmp_path / "held.npz", x=np.zeros((3, 4)))
    with open_archive(tmp_path / "held.npz") as held:
        assert held.read("x", (3, 4)).shape == (3, 4)
        with pytest.raises(ValueError, match=r"\[3, 4\], not \[4, 3\]"):
            held.read("x", (4, 3))


def test_a_large_array_of_zeros_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "held.npz").write_bytes(archive(bomb("x.npy", 8)))
    with open_archive(tmp_path / "held.npz") as held, pytest.raises(ValueError, match="CRC"):  # to its very end
        held.read("x")


MEASURED = """
import resource, sys
from pathlib import Path
import numpy
from onnxcausal.filesystem import archives
from onnxcausal.filesystem.archives import open_archive
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with open_archive(Path(sys.argv[1])) as held:
        held.read("x")
except ValueError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.attack("archives of arrays", "refused in little memory")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
@pytest.mark.parametrize("name", ["bomb of 2 GiB", "claims 16 TB", "header of 1 GiB", "directory of 4 GB"])
def test_hostile_archives_take_no_memory(tmp_path: Path, name: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, write(tmp_path, name)], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) < 2 * 32 * 1024, "KiB"
