"""What control groups leave of memory."""

from pathlib import Path

import pytest

from onnxcausal.onnxgraph.runner import control_groups
from onnxcausal.onnxgraph.runner.control_groups import FILES, free_in_groups, group_limit


def group(folder: Path, kind: str, limit: str, used: int, kept_files: int) -> None:
    """Write the files of a group."""
    folder.mkdir(parents=True, exist_ok=True)
    most, usage, files = FILES[kind]
    (folder / most).write_text(f"{limit}\n")
    (folder / usage).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{files} {kept_files}\n")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which both versions of groups are mounted; this process is in the root of each."""
    monkeypatch.setattr(control_groups, "ROOTS", {"": tmp_path / "two", "memory": tmp_path / "one"})
    monkeypatch.setattr(control_groups, "MEMBERSHIP", tmp_path / "membership")
    return tmp_path


def test_without_groups_there_is_no_limit(root: Path) -> None:
    assert (group_limit(), free_in_groups()) == (None, None)
    group(root / "two", "", "max", 5, 0)
    group(root / "one", "memory", str(2**63 - 4096), 5, 0)
    assert (group_limit(), free_in_groups()) == (None, None)


@pytest.mark.parametrize(("kind", "place"), [("", "two"), ("memory", "one")])
def test_the_root_that_a_container_sees_counts_and_files_that_are_kept_do_not(
    root: Path, kind: str, place: str
) -> None:
    group(root / place, kind, "5000", 2000, 500)
    assert (group_limit(), free_in_groups()) == (5000, 3500)


def test_the_least_of_all_groups_around_counts(root: Path) -> None:
    (root / "membership").write_text("9:name=systemd:/other\n4:cpu,memory:/jobs\n0::/user/session:1/run\n")
    group(root / "two" / "user", "", "8000", 7000, 0)
    group(root / "two" / "user" / "session:1" / "run", "", "5000", 100, 0)
    group(root / "one" / "jobs", "memory", "6000", 7000, 0)
    assert (group_limit(), free_in_groups()) == (5000, 0)
    (root / "membership").write_text("0::/user\n")
    assert (group_limit(), free_in_groups()) == (8000, 1000)
