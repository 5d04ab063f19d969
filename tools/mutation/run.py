"""Put faults into the code one at a time, and count those that its tests notice.

    pip install 'mutmut==3.8.1'
    python tools/mutation/run.py causal gates      # some rows of modules.toml, or all without a name
    python tools/mutation/run.py --again causal    # only the faults that nothing noticed the last time, or not yet run

The faults are mutmut's (mutants.py); running them is not left to it: its trampolines leave every decorated function
alone, and with it each formula that is a property, and constants; it puts faults into texts; and it collects the tests
anew for every fault, half a second each. Here the tests are collected once, in one process that has imported all.
Each test then runs once as the code is, to see which functions it calls. For each fault the process forks, the child
exchanges the code of the one function (or the constant, wherever it was imported), and runs the tests that call it,
the fastest first, until one fails.

Generated examples are the same in every run, so that the count is. Tests marked slow take no part. A child that takes
ten times as long as its tests did, and ten seconds more, is ended and counts as timed out. Writes RESULTS.md; what went
unnoticed is listed in build/mutation, which git ignores.
"""

import argparse
import gc
import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from exchange import exchange, functions_called
from mutants import Mutant, mutants_of

ROOT = Path(__file__).parent.parent.parent
TABLE = Path(__file__).with_name("modules.toml")
RESULTS = Path(__file__).with_name("RESULTS.md")
KEPT = ROOT / "build" / "mutation"
TIMES, SECONDS = 10, 10
"""How much longer than its tests a fault may take: so many times, and so many seconds more."""
KILLED, TIMED_OUT, SURVIVED = "killed", "timed out", "survived"
VERSIONS = ("mutmut", "pytest", "hypothesis", "numpy", "scipy", "onnx", "onnxruntime-gpu")


def main() -> int:
    """Run the rows that were asked for; return pytest's exit code where the tests fail without any fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="rows of modules.toml")
    parser.add_argument("--again", action="store_true", help="only what nothing noticed the last time")
    asked = parser.parse_args()
    table = tomllib.loads(TABLE.read_text())
    os.chdir(ROOT)
    for name in asked.rows or table:
        # A process for each row, so that nothing of the one before is left.
        child = os.fork()
        if not child:
            os._exit(_row(table[name], again=asked.again))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            return code
    write_results(table)
    return 0


def write_results(table: dict[str, dict[str, Any]]) -> None:
    """Write what is known of every module as a table."""
    lines, sums = [], {KILLED: 0, TIMED_OUT: 0, SURVIVED: 0}
    for row in table.values():
        of_row = {KILLED: 0, TIMED_OUT: 0, SURVIVED: 0}
        modules = [module for module in _files(row["modules"]) if _kept(module).exists()]
        for module in modules:
            counts = _counts(json.loads(_kept(module).read_text())["outcomes"].values())
            of_row = {outcome: of_row[outcome] + counts[outcome] for outcome in counts}
            if sum(counts.values()):
                lines.append(_line(f"`{module}`", counts))
        if len(modules) > 1:
            lines.append(_line(f"**all of `{row['modules'][0]}`**", of_row))
        sums = {outcome: sums[outcome] + of_row[outcome] for outcome in sums}
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    RESULTS.write_text(
        "# Faults that the tests notice\n\n"
        "Made by `python tools/mutation/run.py`, which says how a fault counts, on one of "
        f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}, "
        f"{versions}. Faults that nothing can notice, because the faulty code does the same, count as survivors; "
        "[EQUIVALENT.md](EQUIVALENT.md) names those that are known.\n\n"
        "| module | faults | killed | timed out | survived | score |\n|---|---:|---:|---:|---:|---:|\n"
        + "\n".join([*lines, _line("**all**", sums)])
        + "\n"
    )


def _line(name: str, counts: dict[str, int]) -> str:
    total = sum(counts.values())
    score = (counts[KILLED] + counts[TIMED_OUT]) / max(1, total)
    return f"| {name} | {total} | {counts[KILLED]} | {counts[TIMED_OUT]} | {counts[SURVIVED]} | {score:.1%} |"


def _counts(outcomes: Iterable[str]) -> dict[str, int]:
    found = list(outcomes)
    return {outcome: found.count(outcome) for outcome in (KILLED, TIMED_OUT, SURVIVED)}


def _files(patterns: Iterable[str]) -> list[str]:
    return sorted(str(file.relative_to(ROOT)) for pattern in patterns for file in ROOT.glob(pattern))


def _kept(module: str) -> Path:
    return KEPT / f"{module.replace('/', '.')}.json"


def _row(row: dict[str, Any], *, again: bool) -> int:
    """Run the faults of one row's modules; return pytest's exit code."""
    sys.path.insert(0, str(ROOT))
    modules = _files(row["modules"])
    given = ["-n", "0", "-s", "-q", "-p", "no:cacheprovider", *row["tests"], *modules]
    given += ["-k", f"not ({' '.join(row['too_slow'].split())})"] if "too_slow" in row else []
    return int(pytest.main(given, plugins=[_Mutation(modules, again=again)]))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a test: how long it takes, and which functions it calls, as (file, qualified name)."""

    item: pytest.Item
    seconds: float
    calls: frozenset[tuple[str, str]]


class _Mutation:
    """Takes the place of the loop over the tests."""

    def __init__(self, modules: Sequence[str], *, again: bool) -> None:
        self._modules, self._again = modules, again

    def pytest_configure(self) -> None:
        """Make generated examples the same in every run, before the tests are imported."""
        import hypothesis  # noqa: PLC0415  # pytest warns of what is imported before its plugins

        hypothesis.settings.register_profile(
            "mutation",
            database=None,
            deadline=None,
            derandomize=True,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # failing is enough, no smallest example
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutation")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once as they are, then each fault."""
        if session.testsfailed:
            raise session.Interrupted("tests that cannot be collected notice nothing")
        files = frozenset(str(ROOT / module) for module in self._modules)
        known = [self._measured(item, files) for item in session.items]
        if None in known:
            session.testsfailed += 1
            return True
        measured = sorted((test for test in known if test is not None), key=lambda test: test.seconds)
        outcome = _outcome(measured, None)
        if outcome != KILLED:
            for module in self._modules:
                _run_module(module, measured, again=self._again)
            return True
        session.testsfailed += 1
        print("tests fail in a fork of the process that ran them before, without any fault")
        return True

    def _measured(self, item: pytest.Item, files: frozenset[str]) -> _Known | None:
        start = time.monotonic()
        with functions_called(files) as calls:
            failed = _failed(item)
        if failed:
            print(f"{item.nodeid} fails without any fault:\n{failed}")
            return None
        return _Known(item, time.monotonic() - start, frozenset(calls))


def _run_module(module: str, tests: Sequence[_Known], *, again: bool) -> None:
    """Run the faults of one module and keep what came of them."""
    source, start = (ROOT / module).read_text(), time.monotonic()
    digest = hashlib.sha256(source.encode()).hexdigest()
    kept = json.loads(_kept(module).read_text()) if again and _kept(module).exists() else {}
    before = kept.get("outcomes", {}) if kept.get("sha256") == digest else {}
    outcomes: dict[str, str] = {}
    try:
        for mutant in mutants_of(source):
            outcomes[mutant.key] = before.get(mutant.key, SURVIVED)
            if outcomes[mutant.key] == SURVIVED:
                constant, place = mutant.owner.isupper(), (str(ROOT / module), mutant.owner)
                outcomes[mutant.key] = _outcome(
                    [test for test in tests if constant or place in test.calls], (module, mutant)
                )
    finally:  # an interrupted run goes on with --again
        KEPT.mkdir(parents=True, exist_ok=True)
        _kept(module).write_text(json.dumps({"sha256": digest, "outcomes": before | outcomes}, indent=1))
    left = [key for key, outcome in outcomes.items() if outcome == SURVIVED]
    _kept(module).with_suffix(".txt").write_text("".join(f"{module}:{key}\n" for key in left))
    print(_line(module, _counts(outcomes.values())), f"{time.monotonic() - start:.0f} s", flush=True)


def _outcome(tests: Sequence[_Known], fault: tuple[str, Mutant] | None) -> str:
    """Return what comes of a fault, or of none, in a fork of this process."""
    if not tests:
        return SURVIVED
    gc.freeze()
    child = os.fork()
    if not child:
        _in_child(tests, fault)
    deadline = time.monotonic() + SECONDS + TIMES * sum(test.seconds for test in tests)
    pause = 0.002
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return KILLED if status else SURVIVED
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return TIMED_OUT
        time.sleep(pause)
        pause = min(0.05, 1.5 * pause)


def _in_child(tests: Sequence[_Known], fault: tuple[str, Mutant] | None) -> None:
    """Make the fault, run the tests and end: with 1 when one of them fails."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_WRONLY)
    if fault is not None:
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            exchange(*fault)
        except Exception:  # noqa: BLE001  # a value that cannot even be made
            os._exit(1)
    for test, after in zip(tests, [*(test.item for test in tests[1:]), None], strict=True):
        if failed := _failed(test.item, after):
            if fault is None:
                print(f"{test.item.nodeid}:\n{failed}", flush=True)
            os._exit(1)
    os._exit(0)


def _failed(item: pytest.Item, after: pytest.Item | None = None) -> str:
    """Run one test, keeping the fixtures that the one after it shares; return how it fails, nothing when it passes."""
    from _pytest.doctest import DoctestItem  # noqa: PLC0415  # pytest's own, which have no public names
    from _pytest.runner import runtestprotocol  # noqa: PLC0415

    _forget()
    if isinstance(item, DoctestItem):
        item.dtest.globs.update(vars(cast("pytest.Module", item.parent).obj))  # which running it has emptied
    reports = runtestprotocol(item, log=False, nextitem=after)
    return "".join(report.longreprtext for report in reports if report.failed)


def _forget() -> None:
    """Empty what functions of the project and its tests remember, which the code as it was has made."""
    for held in gc.get_objects():
        if type(held).__name__ == "_lru_cache_wrapper" and held.__module__.split(".")[0] in ("onnxcausal", "tests"):
            held.cache_clear()


if __name__ == "__main__":
    sys.exit(main())
