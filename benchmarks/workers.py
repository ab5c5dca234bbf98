"""What worker processes gain and cost, as ratios to a serial run.

usage: python benchmarks/workers.py [--rounds N] [--runs N] [--only PART]

PART is one of: waiting, empty, computing, same, memory.

Needs nothing but the package:  python -m pip install -e .

Each part writes a suite and runs it by turns with several numbers of workers, each in a process of
its own. Printed are medians, and medians of the ratios of runs that stood next to each other. Only
the running is timed, not the starting and loading. Absolute times say little on a shared machine:
compare the ratios.

"same" compares JUnit's reports, without times, addresses and numbers of tasks.
Some tests of the mixed suite have a time limit of 0.05 s. On a busy machine they may reach it
earlier than in the serial run, and the report then names another line.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[1]
MIXED = TOP / "tests" / "support" / "scenario" / "many"
NOSE2 = ["-m", "nose2", "-c", os.devnull, "--no-user-config", "-q", "--plugin", "nose2_aio"]
STOPWATCH = """\
import resource, time
from nose2.events import Plugin

class Stopwatch(Plugin):
    alwaysOn = True
    configSection = "stopwatch"

    def startTestRun(self, event):
        self.start = time.perf_counter()

    def stopTestRun(self, event):
        taken = time.perf_counter() - self.start
        own, child = (
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print("STOPWATCH", taken, own, child, flush=True)
"""
WAITING = "    async def test_{n}(self):\n        await asyncio.sleep(0.05)\n"
EMPTY = "    async def test_{n}(self):\n        pass\n"
COMPUTING = "    def test_{n}(self):\n        sum(number * number for number in range(400_000))\n"


class Measured(NamedTuple):
    """One run."""

    seconds: float
    own: float
    """Peak memory of the main process, in MiB."""
    child: float
    """Peak memory of the largest worker, in MiB."""


def main() -> None:
    """Run the command."""
    parts: dict[str, Callable[[Path, argparse.Namespace], None]] = {
        "waiting": waiting,
        "empty": empty,
        "computing": computing,
        "same": same,
        "memory": memory,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=50, help="of the mixed suite, each way")
    parser.add_argument("--only", choices=parts)
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} cores")
    for name in [options.only] if options.only else parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder), options)


def waiting(folder: Path, options: argparse.Namespace) -> None:
    """Print how close 1,000 tests of 50 ms come to what is possible."""
    print("\n1,000 tests that wait 50 ms each")
    write(folder, WAITING, 1000)
    taken = by_turns(folder, 1000, options.rounds, {"32 workers": 32, "100 workers": 100})
    for workers in (32, 100):
        ideal = 0.05 * 1000 / workers
        median = statistics.median(taken[f"{workers} workers"])
        print(f"{workers:4} workers: {median:6.2f} s, {median / ideal:.2f} of the ideal {ideal} s")


def empty(folder: Path, options: argparse.Namespace) -> None:
    """Print what workers cost where there is nothing to gain."""
    print("\n2,000 empty coroutine tests")
    write(folder, EMPTY, 2000)
    ways = {"serial": 0, "1 worker": 1, "2 workers": 2}
    compare(by_turns(folder, 2000, options.rounds, ways))


def computing(folder: Path, options: argparse.Namespace) -> None:
    """Print what a second core gains."""
    print("\n100 tests that compute, some 20 ms each")
    write(folder, COMPUTING, 100)
    compare(by_turns(folder, 100, options.rounds, {"serial": 0, "2 workers": 2}))


def same(folder: Path, options: argparse.Namespace) -> None:
    """Print how many runs of a suite of all kinds don't report what a serial one does."""
    runs = options.runs
    print(f"\nthe mixed suite with 8 workers, {runs} runs each way, against a serial run")
    (folder / "stopwatch.py").write_text(STOPWATCH)
    expected = junit(folder, 0)
    for start in ("fork", "spawn"):
        different = []
        for number in range(runs):
            found = junit(folder, 8, f"--aio-worker-start={start}")
            if found != expected:
                different.append(found)
            progress(f"{start}: run {number + 1} of {runs}, {len(different)} different")
        print(f"{start:6} {len(different)} of {runs} runs differ")
        for found in different[:1]:
            lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), lineterm="")
            print("\n".join(lines))


def memory(folder: Path, _: argparse.Namespace) -> None:
    """Print the peak memory of the main process, and of the largest worker."""
    print("\npeak memory of 2,000 empty coroutine tests, in MiB (shared pages count in each)")
    write(folder, EMPTY, 2000)
    for workers, start in ((0, "fork"), (8, "fork"), (8, "spawn")):
        one = run(folder, workers, f"--aio-worker-start={start}", tests=2000)
        name = f"{workers} workers, {start}" if workers else "serial"
        worker = f", largest worker {one.child:6.1f}" if workers else ""
        print(f"{name:18} main process {one.own:6.1f}{worker}")


def by_turns(folder: Path, tests: int, rounds: int, ways: dict[str, int]) -> dict[str, list[float]]:
    """Run a suite with each number of workers in turn; return the seconds of each."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, workers in ways.items():
            progress(f"round {number + 1} of {rounds}: {name}")
            taken[name].append(run(folder, workers, tests=tests).seconds)
    progress("")
    return taken


def compare(taken: dict[str, list[float]]) -> None:
    """Print medians, and ratios to the serial runs."""
    for name, values in taken.items():
        pairs = zip(values, taken["serial"], strict=True)
        ratio = statistics.median(one / other for one, other in pairs)
        print(f"{name:11} {statistics.median(values):6.3f} s, {ratio:.2f} of serial")


def progress(text: str) -> None:
    """Show what is done at the moment, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


def write(folder: Path, test: str, tests: int, a_class: int = 100) -> None:
    """Write a suite."""
    lines = ["import asyncio, unittest\n"]
    for number in range(tests):
        if number % a_class == 0:
            lines.append(f"\nclass Test{number // a_class}(unittest.TestCase):\n")
        lines.append(test.format(n=number))
    (folder / "test_suite.py").write_text("".join(lines))
    (folder / "stopwatch.py").write_text(STOPWATCH)


def run(folder: Path, workers: int, *more: str, tests: int) -> Measured:
    """Run a suite; return what it has taken."""
    done = nose2(folder, folder, f"--aio-workers={workers}", *more)
    printed = done.stdout + done.stderr
    lines = [line for line in printed.splitlines() if line.startswith("STOPWATCH")]
    if done.returncode or f"Ran {tests} tests" not in printed or not lines:
        sys.exit(f"{workers} workers failed in {folder}\n{printed[-2000:]}")
    seconds, own, child = map(float, lines[-1].split()[1:])
    return Measured(seconds, own / 1024, child / 1024)


def junit(folder: Path, workers: int, *more: str) -> str:
    """Run the mixed suite; return its report in JUnit's form, without what changes each time."""
    path = folder / "report.xml"
    path.unlink(missing_ok=True)
    plugins = ["--plugin=nose2.plugins.layers", "--plugin=nose2.plugins.junitxml"]
    xml = ["--junit-xml", f"--junit-xml-path={path}"]
    done = nose2(folder, MIXED, *plugins, *xml, f"--aio-workers={workers}", *more)
    if not path.exists():
        sys.exit(f"no report with {workers} workers\n{(done.stdout + done.stderr)[-2000:]}")
    text = re.sub(r'(time|timestamp)="[^"]*"', "", path.read_text(encoding="utf-8"))
    text = re.sub(r"0x[0-9a-f]+|Task-\d+", "", text)
    return re.sub(r"\d+(\.\d+)? s\b|sleeps, .* to go", "", text)


def nose2(folder: Path, suite: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run nose2 on a suite."""
    command = [sys.executable, *NOSE2, "--plugin", "stopwatch", *more]
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=suite, env=environment, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    main()
