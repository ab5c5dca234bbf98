"""What a coroutine test costs, as ratios between runners in one run.

usage: python benchmarks/ratios.py [--tests N] [--rounds N] [--memory-tests N]

Needs the package and its [bench] extra:  python -m pip install -e '.[bench]'

Writes the same suite of empty tests in several ways, runs each in a process of its own, in turn,
and prints the median time a test of each, with its ratio to the others. Only the running is
timed, not the starting and loading. Absolute times say little on a shared machine: compare
the ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

NOSE2 = ["-m", "nose2", "-c", os.devnull, "--no-user-config", "--plugin", "stopwatch", "-q"]
PYTEST = ["-m", "pytest", "-q", "-p", "stopwatch_pytest", "-p", "no:cacheprovider"]


class Way(NamedTuple):
    """One way to write and run an empty test."""

    name: str
    head: str
    base: str
    test: str
    command: list[str]
    fixtures: str = ""
    """Of each class."""


UNCHECKED = [
    f"--aio-{check}=ignore"
    for check in (
        "never-awaited",
        "never-awaited-mocks",
        "lost-exceptions",
        "leaked-tasks",
        "leaked-timers",
        "open-asyncgens",
        "open-transports",
    )
]
SYNC = "    def test_{n}(self):\n        pass\n"
ASYNC = "    async def test_{n}(self):\n        pass\n"
BY_HAND = """\
    def test_{n}(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(body())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
"""
FIXTURES_BY_HAND = """\
    def test_{n}(self):
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(body())
            try:
                loop.run_until_complete(body())
            finally:
                loop.run_until_complete(body())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
"""
FIXTURES = """\
    async def setUp(self):
        pass
    async def tearDown(self):
        pass
"""
CLASS_FIXTURE = """\
    @classmethod
    async def setUpClass(cls):
        pass
"""
BODY = "async def body():\n    pass\n\n"
ANYIO = """\
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""

WAYS = {
    "a": Way("sync, nose2", "", "unittest.TestCase", SYNC, NOSE2),
    "a+": Way(
        "sync, nose2 + plugin", "", "unittest.TestCase", SYNC, [*NOSE2, "--plugin", "nose2_aio"]
    ),
    "b": Way("loop by hand, nose2", BODY, "unittest.TestCase", BY_HAND, NOSE2),
    "c": Way(
        "coroutine, nose2_aio", "", "unittest.TestCase", ASYNC, [*NOSE2, "--plugin", "nose2_aio"]
    ),
    "d": Way("IsolatedAsyncioTestCase", "", "unittest.IsolatedAsyncioTestCase", ASYNC, NOSE2),
    "h": Way("fixtures by hand, nose2", BODY, "unittest.TestCase", FIXTURES_BY_HAND, NOSE2),
    "i": Way(
        "async setUp, tearDown",
        "",
        "unittest.TestCase",
        ASYNC,
        [*NOSE2, "--plugin", "nose2_aio"],
        FIXTURES,
    ),
    "j": Way(
        "async setUpClass",
        "",
        "unittest.TestCase",
        ASYNC,
        [*NOSE2, "--plugin", "nose2_aio"],
        CLASS_FIXTURE,
    ),
    "k": Way(
        "sync, checks off",
        "",
        "unittest.TestCase",
        SYNC,
        [*NOSE2, "--plugin", "nose2_aio", *UNCHECKED],
    ),
    "l": Way(
        "coroutine, checks off",
        "",
        "unittest.TestCase",
        ASYNC,
        [*NOSE2, "--plugin", "nose2_aio", *UNCHECKED],
    ),
    "m": Way(
        "coroutine, limit, strict",
        "",
        "unittest.TestCase",
        ASYNC,
        [*NOSE2, "--plugin", "nose2_aio", "--aio-time-limit=60", "--aio-strict"],
    ),
    "e": Way(
        "pytest-asyncio, auto",
        "",
        "",
        ASYNC,
        [*PYTEST, "-p", "no:anyio", "-o", "asyncio_mode=auto"],
    ),
    "f": Way("anyio's plugin", ANYIO, "", ASYNC, [*PYTEST, "-p", "no:asyncio"]),
    "g": Way("aiounittest", "import aiounittest\n", "aiounittest.AsyncTestCase", ASYNC, NOSE2),
}

STOPWATCH = """\
import resource, time
from nose2.events import Plugin

class Stopwatch(Plugin):
    alwaysOn = True
    configSection = "stopwatch"

    def startTestRun(self, event):
        self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.start = time.perf_counter()

    def stopTestRun(self, event):
        taken = time.perf_counter() - self.start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print("STOPWATCH", taken, peak - self.peak, flush=True)
"""
STOPWATCH_PYTEST = """\
import time, pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    start = time.perf_counter()
    try:
        return (yield)
    finally:
        print("\\nSTOPWATCH", time.perf_counter() - start, 0, flush=True)
"""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-tests", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times(Path(folder), options.tests, options.rounds)
        memory(Path(folder), options.memory_tests)


def times(folder: Path, tests: int, rounds: int) -> None:
    """Print the median time a test of each way, and its ratios."""
    for key, way in WAYS.items():
        write(folder / key, way, tests)
    taken: dict[str, list[float]] = {key: [] for key in WAYS}
    for _ in range(rounds):
        for key, way in WAYS.items():
            taken[key].append(run(folder / key, way, tests)[0] / tests * 1e6)
    medians = {key: statistics.median(values) for key, values in taken.items()}
    print(
        f"{tests} empty tests, medians of {rounds} alternating runs, "
        f"Python {sys.version.split()[0]}\n"
    )
    print(f"{'':4}{'':26}{'us/test':>9}{'x a':>8}{'x b':>8}{'x d':>8}{'x h':>8}{'x c':>8}")
    for key, way in WAYS.items():
        ratios = "".join(f"{ratio(taken[key], taken[other]):8.2f}" for other in "abdhc")
        print(f"{key:4}{way.name:26}{medians[key]:9.1f}{ratios}")
    above = {key: [t - s for t, s in zip(taken[key], taken["a+"], strict=True)] for key in "jc"}
    print(f"\nabove a sync test (a+), j costs {ratio(above['j'], above['c']):.2f} of c")
    checked = [ratio(taken[one], taken[other]) for one, other in (("a+", "k"), ("c", "l"))]
    print("with checks, sync {:.2f}, coroutine {:.2f} of the same without".format(*checked))


def ratio(ones: list[float], others: list[float]) -> float:
    """Return the median of the ratios of runs that stood next to each other."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def memory(folder: Path, tests: int) -> None:
    """Print by how much the process grows while it runs many tests."""
    print(f"\npeak memory that {tests} tests add")
    for key in ("a", "c"):
        write(folder / f"memory-{key}", WAYS[key], tests)
        grown = run(folder / f"memory-{key}", WAYS[key], tests)[1]
        print(f"{key:4}{WAYS[key].name:26}{grown / 1024:9.1f} MiB")


def write(folder: Path, way: Way, tests: int, a_class: int = 100) -> None:
    """Write a suite of empty tests."""
    folder.mkdir()
    lines = [f"import asyncio, unittest\n{way.head}\n"]
    for number in range(tests):
        if number % a_class == 0:
            lines.append(f"\nclass Test{number // a_class}({way.base}):\n{way.fixtures}")
        lines.append(way.test.format(n=number))
    (folder / "test_empty.py").write_text("".join(lines))
    (folder / "stopwatch.py").write_text(STOPWATCH)
    (folder / "stopwatch_pytest.py").write_text(STOPWATCH_PYTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")


def run(folder: Path, way: Way, tests: int) -> tuple[float, int]:
    """Run a suite; return its seconds, and the KiB that the process grew."""
    command = [sys.executable, *way.command]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    ran = f"Ran {tests} tests" in printed or f"{tests} passed" in printed
    lines = [line for line in printed.splitlines() if line.startswith("STOPWATCH")]
    if done.returncode or not ran or not lines:
        sys.exit(f"{way.name}: {' '.join(command)} failed in {folder}\n{printed[-2000:]}")
    _, taken, grown = lines[-1].split()
    return float(taken), int(grown)


if __name__ == "__main__":
    main()
