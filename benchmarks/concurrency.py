"""What many tests at once gain and cost, as ratios in one run; and that they change no result.

usage: python benchmarks/concurrency.py [--rounds N] [--serial-rounds N] [--repeats N]

1. A suite of tests that sleep, many at once, against the time that nothing can be faster than; and
   with a concurrency of 1 against the same run without the setting.
2. A suite of empty tests, many at once and with a concurrency of 1, against the same one by one.
3. Many tests, very many at once: by how much the process grows, and by how much for a fifth; the
   most threads and loops at a time, and the files open before and after.
4. A mixed suite (that of our tests), again and again: how many runs differ from the one without
   concurrency in their JUnit files, but for times.

Needs a limit of open files (``ulimit -n``) of three for each test at once, and some.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

MANY = """\
import asyncio, unittest

class Case(unittest.TestCase):
    pass

async def test(self):
    {body}

for number in range({tests}):
    setattr(Case, f"test_{{number:05}}", test)
"""
STOPWATCH = """\
import asyncio, os, resource, threading, time
from nose2.events import Plugin

class Stopwatch(Plugin):
    alwaysOn = True
    configSection = "stopwatch"
    loops = most_loops = most_threads = 0

    def startTestRun(self, event):
        if "COUNTS" in os.environ:  # which costs something
            asyncio.BaseEventLoop.__init__ = self.counted(asyncio.BaseEventLoop.__init__, 1)
            asyncio.BaseEventLoop.close = self.counted(asyncio.BaseEventLoop.close, -1)
        self.files, self.peak = self.open_files(), self.peak_now()
        self.start = time.perf_counter()

    def stopTestRun(self, event):
        taken = time.perf_counter() - self.start
        grown = self.peak_now() - self.peak
        files = self.files, self.open_files()
        print("STOPWATCH", taken, grown, self.most_threads, self.most_loops, *files, flush=True)

    def counted(self, function, step):
        def call(loop, *args, **kwargs):
            function(loop, *args, **kwargs)
            self.loops += step
            self.most_loops = max(self.most_loops, self.loops)
            self.most_threads = max(self.most_threads, threading.active_count())
        return call

    def peak_now(self):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def open_files(self):
        return len(os.listdir("/dev/fd"))
"""
MIXED = Path(__file__).parent.parent / "tests" / "support" / "scenario" / "many"


class Taken(NamedTuple):
    """What a run has taken."""

    seconds: float
    grown: int
    """KiB, on Linux, by which the most memory that it ever had has grown while tests ran."""
    threads: int
    """The most at a time; the main one is among them."""
    loops: int
    """The most at a time that were open."""
    before: int
    """The files that were open before the first test."""
    after: int


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default 5)")
    parser.add_argument(
        "--serial-rounds", type=int, default=1, help="the same of what sleeps for long (default 1)"
    )
    parser.add_argument("--many", type=int, default=10_000, help="how many run very many at once")
    parser.add_argument("--repeats", type=int, default=50, help="how often the mixed suite is run")
    options = parser.parse_args()
    print(f"medians of {options.rounds} alternating runs, Python {sys.version.split()[0]}\n")
    with tempfile.TemporaryDirectory() as folder:
        sleeping(Path(folder), options.rounds, options.serial_rounds)
        empty(Path(folder), options.rounds)
        many(Path(folder), options.many)
        mixed(Path(folder), options.repeats)


def sleeping(folder: Path, rounds: int, serial_rounds: int, tests: int = 1000) -> None:
    """Compare tests that sleep with what they can't do without."""
    write(folder, tests, "await asyncio.sleep(0.05)")
    ideal = tests * 0.05 / 100
    ratio = statistics.median(run(folder, tests, 100).seconds / ideal for _ in range(rounds))
    print(f"{tests} tests of 50 ms, 100 at once: {ratio:.2f} of the ideal of {ideal} s")
    if serial_rounds:
        ratio = compared(folder, tests, 1, serial_rounds)
        print(f"the same with a concurrency of 1: {ratio:.3f} of without the setting")


def empty(folder: Path, rounds: int, tests: int = 2000) -> None:
    """Compare empty tests, which gain nothing."""
    write(folder, tests, "pass")
    for width in (32, 1):
        ratio = compared(folder, tests, width, rounds)
        print(f"{tests} empty tests, {width} at once: {ratio:.2f} of without the setting")


def compared(folder: Path, tests: int, width: int, rounds: int) -> float:
    """Return the median ratio of runs with a concurrency to runs without."""
    return statistics.median(
        run(folder, tests, width).seconds / run(folder, tests).seconds for _ in range(rounds)
    )


def many(folder: Path, tests: int, width: int = 500) -> None:
    """Look at what a process has of memory, threads, loops and files."""
    taken = []
    for count in (tests // 5, tests):
        write(folder, count, "await asyncio.sleep(0.1)")
        seconds = run(folder, count, width).seconds
        taken.append(run(folder, count, width, counts=True)._replace(seconds=seconds))
    fewer, all_ = taken
    write(folder, tests, "pass")
    alone = run(folder, tests)
    print(
        f"{tests} tests of 0.1 s, {width} at once: {all_.seconds / (tests * 0.1 / width):.2f} of "
        f"the ideal of {tests * 0.1 / width} s; the process grows by {all_.grown / 1024:.0f} MiB, "
        f"by {fewer.grown / 1024:.0f} for {tests // 5}, by {alone.grown / 1024:.0f} for as many "
        "empty ones one by one; "
        f"at most {all_.threads} threads, the main one among them, and {all_.loops} loops; "
        f"open files {all_.before} before, {all_.after} after"
    )


def mixed(folder: Path, repeats: int, width: int = 16) -> None:
    """Compare what a mixed suite has come to."""
    suite = folder / "mixed"
    shutil.copytree(MIXED, suite)
    alone = results(suite)
    differ = sum(results(suite, width) != alone for _ in range(repeats))
    tests = alone.count("<testcase ")
    print(
        f"{tests} results of a mixed suite, {width} at once, {repeats} runs: {differ} differ from "
        "the run without concurrency"
    )


def results(folder: Path, width: int | None = None) -> str:
    """Return the JUnit file of a run, without times and the numbers that asyncio gives tasks."""
    plugins = ("--plugin", "nose2.plugins.layers", "--plugin", "nose2.plugins.junitxml")
    start(folder, width, *plugins, "--junit-xml")
    report = folder / "nose2-junit.xml"
    text = report.read_text()
    report.unlink()
    return re.sub(r' (time|timestamp)="[^"]*"|\bTask-\d+|, [\d.]+ s to go', "", text)


def write(folder: Path, tests: int, body: str) -> None:
    """Write a suite of tests that are all the same."""
    (folder / "test_it.py").write_text(MANY.format(tests=tests, body=body))
    (folder / "stopwatch.py").write_text(STOPWATCH)


def run(folder: Path, tests: int, width: int | None = None, *, counts: bool = False) -> Taken:
    """Run a suite that passes; return what it has taken; with ``counts``, threads and loops too."""
    printed = start(folder, width, "--plugin", "stopwatch", counts=counts)
    found = re.search(r"^STOPWATCH (.*)$", printed, re.MULTILINE)
    if found is None or f"Ran {tests} tests" not in printed or "\nOK" not in printed:
        sys.exit(f"failed:\n{printed[-4000:]}")
    seconds, *counts = found[1].split()
    return Taken(float(seconds), *map(int, counts))


def start(folder: Path, width: int | None, *arguments: str, counts: bool = False) -> str:
    """Run nose2 in a process of its own; return what it has printed."""
    command = ["-m", "nose2", "-c", os.devnull, "--no-user-config", "--plugin", "nose2_aio", "-q"]
    concurrency = [] if width is None else [f"--aio-concurrency={width}"]
    done = subprocess.run(
        [sys.executable, *command, *arguments, *concurrency],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **({"COUNTS": "1"} if counts else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
