"""What the control groups of Linux, those of a container among them, leave this process of memory."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")
"""Which groups this process is in, one line for each hierarchy: `number:controllers:path`."""
ROOTS = {"": Path("/sys/fs/cgroup"), "memory": Path("/sys/fs/cgroup/memory")}
"""Where hierarchies are mounted: that of version 2, which names no controllers, and that of memory in version 1."""
FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Limit and usage of a group, and the part of the usage that is files kept in memory, given back when it is needed."""
NO_LIMIT = 2**60
"""From here on a limit is none: version 1 writes a number for it."""


def group_limit() -> int | None:
    """Return the least limit of the groups that this process is in; None where there is none."""
    return min((limit for limit, _ in _limits()), default=None)


def free_in_groups() -> int | None:
    """Return the bytes that the groups leave this process; None where there is no limit."""
    return min((max(0, limit - used) for limit, used in _limits()), default=None)


def _limits() -> Iterator[tuple[int, int]]:
    """Yield limit and usage of each group that has a limit, those around it included."""
    for kind, folder in _groups():
        limit, usage, files = FILES[kind]
        try:
            most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        except (OSError, ValueError):
            continue  # no such file, or no limit
        if most < NO_LIMIT:
            yield most, used - _kept_files(folder / "memory.stat", files)


def _groups() -> Iterator[tuple[str, Path]]:
    """Yield the folders of the groups that this process is in, and of those around them, each with its kind."""
    inside = dict.fromkeys(ROOTS, PurePosixPath("/"))
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        kind = "memory" if "memory" in controllers.split(",") else controllers
        if kind in inside:
            inside[kind] = PurePosixPath(place)
    for kind, path in inside.items():
        # A container may see its own group as the root, or be told of a path that is not there: what is not is skipped.
        for step in (path, *path.parents):
            yield kind, ROOTS[kind].joinpath(*step.parts[1:])


def _kept_files(file: Path, name: str) -> int:
    try:
        entries = dict(line.split() for line in file.read_text().splitlines())
        return int(entries.get(name, 0))
    except (OSError, ValueError):
        return 0
