"""What a run would take, as a table and as JSON."""

import json
from dataclasses import asdict

from onnxcausal.analysis.result.run_estimate import RunEstimate
from onnxcausal.report.columns import Column, set_in_columns
from onnxcausal.report.text import apart, printable

MINUTE, HOUR = 60, 3600
COLUMNS = (
    Column("layer", "left", gap=0),
    Column("nodes"),
    Column("multiply-adds"),
    Column("memory", width=9),
    Column("how", "left"),
)


def as_table(found: RunEstimate) -> str:
    """Return the estimate as people read it."""
    lines = [f"{printable(found.model)}: {len(found.targets)} class(es), up to {found.samples} samples each", ""]
    names = apart((each.name for each in found.layers), 40)
    lines += set_in_columns(
        COLUMNS,
        (
            [names[each.name], str(each.nodes), _count(each.work), _size(each.row_bytes), printable(each.how)]
            for each in found.layers
        ),
    )
    every, passes = (
        f"{found.interventions:,} interventions",
        found.work / max(1, found.whole_work) / max(1, found.samples * len(found.targets)),
    )
    lines += [
        "  (multiply-adds and memory of one intervention on one sample)",
        *([f"  and {len(found.left_out)} more left out"] if found.left_out else []),
        "",
        f"at most {every}, {_count(found.work)} multiply-adds: {passes:.1f} passes a sample",
        f"about {_duration(found.seconds)} at the {_count(found.rate)} multiply-adds a second the model reaches here",
        f"memory: bound {_size(found.memory)}, at least {_size(found.fewest_memory)} needed",
    ]
    return "\n".join(lines) + "\n"


def to_json(found: RunEstimate) -> str:
    """Return the estimate for scripts."""
    totals = {"interventions": found.interventions, "work": found.work, "seconds": found.seconds}
    held = asdict(found)
    if not found.left_out:
        del held["left_out"]
    return json.dumps({**held, **totals}, indent=1) + "\n"


def _count(number: float) -> str:
    """Return a large number with its unit.

    >>> _count(950), _count(2_400_000)
    ('950', '2.4 M')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f}"


def _size(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> _duration(40), _duration(600), _duration(10000)
    ('40 s', '10 min', '2.8 h')
    """
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"
