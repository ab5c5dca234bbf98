"""What a coroutine test costs, and whether the limits hold that we set ourselves.

usage: python benchmarks/ratios.py [--rounds N] [--only FIGURE ...] [--json FILE] [...]

Needs the package and its [bench] extra:  python -m pip install -e '.[bench]'

Runs the same suite of empty tests in several ways, each in a process of its own, in turn. Prints
the median time a test of each, and a table of figures: each is the median of the ratios of runs
that stood next to each other. Only the running is timed, not the starting and loading, as CPU time:
that depends less on what else the machine does. Whole processes are timed as they last.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ways import WAYS, Run, run

TURNS = [*WAYS, *("sync", "sync+", "import-nose2", "import") * 3]
"""The ways that a round runs: those that take little time, more often."""
ONCE = {"memory"}
"""The ways that give the same result each time."""
Taken = dict[str, list[Run]]
"""The runs of each way, in their order."""


class Figure(NamedTuple):
    """A number with a limit."""

    text: str
    """What it is."""
    limit: float | None
    """None: it is only shown."""
    value: Callable[..., float]
    """Returns it for one run of each way."""
    ways: tuple[str, ...]
    unit: str = ""
    at_least: bool = False

    def row(self, taken: Taken) -> list[str]:
        """Return the cells of its row: text, median, limit, and whether that is reached."""
        rounds = zip(*(taken[way] for way in self.ways), strict=True)
        measured = round(statistics.median(self.value(*runs) for runs in rounds), 2)
        cells = [self.text, f"{measured:.2f}{self.unit}"]
        if self.limit is None:
            return [*cells, "", ""]
        reached = measured >= self.limit if self.at_least else measured <= self.limit
        limit = f"at {'least' if self.at_least else 'most'} {self.limit:g}{self.unit}"
        return [*cells, limit, "reached" if reached else "missed"]


def _ratio(one: Run, other: Run) -> float:
    return one.computing / other.computing


FIGURES = {
    "empty": Figure("coroutine test / loop by hand", 1.0, _ratio, ("plain", "hand")),
    "unchecked": Figure(
        "coroutine test, checks ignored / loop by hand", 0.8, _ratio, ("unchecked", "hand")
    ),
    "class": Figure(
        "coroutine test, loop of its class / loop by hand", 0.5, _ratio, ("class", "hand")
    ),
    "fixtures": Figure(
        "async setUp and tearDown / the same by hand", 1.3, _ratio, ("fixtures", "fixtures-hand")
    ),
    "sync": Figure("sync test, with the plugin / without", 1.05, _ratio, ("sync+", "sync")),
    "isolated": Figure(
        "IsolatedAsyncioTestCase, with the plugin / without",
        1.05,
        _ratio,
        ("isolated+", "isolated"),
    ),
    "isolated-fast": Figure(
        "IsolatedAsyncioTestCase, isolated-debug = false / without",
        0.35,
        _ratio,
        ("isolated-fast", "isolated"),
    ),
    "process": Figure(
        "pytest-asyncio / coroutine test, whole process",
        8,
        lambda pytest, ours: pytest.process / ours.process,
        ("pytest-asyncio", "plain"),
        at_least=True,
    ),
    "import": Figure(
        "import nose2_aio, more than import asyncio, nose2",
        15,
        lambda ours, nose2: (ours.computing - nose2.computing) * 1000,
        ("import", "import-nose2"),
        " ms",
    ),
    "start": Figure(
        "nose2 with the plugin, more than without, start and end",
        None,
        lambda ours, nose2: (ours.process - ours.seconds - nose2.process + nose2.seconds) * 1000,
        ("sync+", "sync"),
        " ms",
    ),
    "calls": Figure(
        "call_later in virtual time, own moments / due at once", 1.3, _ratio, ("calls", "calls-now")
    ),
    "sleeps": Figure(
        "asyncio.sleep in virtual time, own moments / due at once",
        1.3,
        _ratio,
        ("sleeps", "sleeps-now"),
    ),
    "servers": Figure(
        "clients and servers that wait, in virtual time / computing",
        2,
        lambda run: run.seconds / run.computing,
        ("servers",),
    ),
    "memory": Figure(
        "memory that many tests leave", 2, lambda run: run.kept / 2**20, ("memory",), " MiB"
    ),
    "files": Figure("files that many tests leave open", 0, lambda run: run.opened, ("memory",)),
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (5)")
    parser.add_argument("--tests", type=int, default=2000, help="tests of a suite (2000)")
    parser.add_argument("--timers", type=int, default=100_000, help="timers of a test (100000)")
    parser.add_argument("--servers", type=int, default=100, help="tests with servers (100)")
    parser.add_argument("--many", type=int, default=20_000, help="tests that leave memory (20000)")
    parser.add_argument("--only", nargs="+", choices=FIGURES, help="the figures to measure (all)")
    parser.add_argument("--json", type=Path, help="a file to write")
    options = parser.parse_args()
    figures = [figure for name, figure in FIGURES.items() if name in (options.only or FIGURES)]
    wanted = {way for figure in figures for way in figure.ways} if options.only else set(WAYS)
    for name in sorted(wanted):
        if WAYS[name].missing:
            say(f"skipped: {WAYS[name].name} ({', '.join(WAYS[name].missing)} not installed)\n")
            wanted.remove(name)
    taken = measure([name for name in TURNS if name in wanted], options)
    rows = [figure.row(taken) for figure in figures if wanted.issuperset(figure.ways)]
    report = {
        "machine": machine(),
        "python": platform.python_version(),
        "date": dt.datetime.now().astimezone().date().isoformat(),
        "rounds": options.rounds,
        "tests": options.tests,
        "ways": costs(taken, options.tests),
        "figures": rows,
    }
    print("\n{machine}, Python {python}, {date}, medians of {rounds} rounds".format(**report))
    show(["an empty test", "time", "/ by hand"], report["ways"])
    show(["figure", "measured", "limit", ""], rows)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def measure(turns: list[str], options: argparse.Namespace) -> Taken:
    """Run the ways by turns, and say how long this will take."""
    taken: Taken = {name: [] for name in turns}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, options.rounds + 1):
            say(f"round {number} of {options.rounds} ")
            start = time.monotonic()
            for name in turns if number == 1 else (name for name in turns if name not in ONCE):
                count = getattr(options, WAYS[name].size, 1)
                taken[name].append(run(WAYS[name], Path(folder, name), count))
                say(".")
            seconds = time.monotonic() - start
            say(f" {seconds:.0f} s, about {seconds * (options.rounds - number):.0f} s left\n")
    return taken


def say(text: str) -> None:
    """Print to the terminal, at once."""
    print(text, end="", file=sys.stderr, flush=True)


def costs(taken: Taken, tests: int) -> list[list[str]]:
    """Return a row for each suite of empty tests: its name, time a test, and ratio."""
    rows = []
    for name, way in WAYS.items():
        if way.size == "tests" and name in taken:
            each = statistics.median(run.computing for run in taken[name]) / tests * 1e6
            ratios = list(map(_ratio, taken[name], taken.get("hand", ())))
            ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
            rows.append([way.name, f"{each:.1f} us", ratio])
    return rows


def show(head: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    print()
    for row in [head, *rows]:
        first, *rest = row
        print(f"{first:58}", *(f"{cell:>13}" for cell in rest))


def machine() -> str:
    """Return processor and system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} processors, {platform.system()}"


if __name__ == "__main__":
    main()
