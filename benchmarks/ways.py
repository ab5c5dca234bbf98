"""The programs that ``ratios.py`` measures: suites of empty tests, imports, and timers.

Each is a *way*: a file of Python and a command that runs it, in a process of its own. The
process prints what it measured itself, in a line that starts with ``STOPWATCH``.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[1]
NOSE2 = ["-m", "nose2", "-c", os.devnull, "--no-user-config", "-q", "--plugin", "stopwatch"]
PLUGIN = [*NOSE2, "--plugin", "nose2_aio"]
UNCHECKED = [
    *PLUGIN,
    "--aio-never-awaited=ignore",
    "--aio-never-awaited-mocks=ignore",
    "--aio-lost-exceptions=ignore",
    "--aio-leaked-tasks=ignore",
    "--aio-leaked-timers=ignore",
    "--aio-open-asyncgens=ignore",
    "--aio-open-transports=ignore",
]
MEMORY = ["-m", "nose2", "-c", os.devnull, "--no-user-config", "-q", "--plugin", "scales"]
PYTEST = ["-m", "pytest", "-q", "-p", "stopwatch_pytest", "-p", "no:cacheprovider"]
SCRIPT = ["test_it.py"]
CLIENT_SERVER = TOP / "tests" / "support" / "scenario" / "client_server" / "test_waiting.py"

CLOCK = """\
import time

class Clock:
    def __init__(self):
        self.start = time.perf_counter(), time.process_time()

    def tell(self, *more):
        now = time.perf_counter(), time.process_time()
        print("\\nSTOPWATCH", now[0] - self.start[0], now[1] - self.start[1], *more, flush=True)
"""
STOPWATCH = """\
import sys
from clock import Clock
from nose2.events import Plugin

class Stopwatch(Plugin):
    alwaysOn = True
    configSection = "stopwatch"

    def startTestRun(self, event):
        if "nose2_aio" in sys.modules:
            import unittest.mock  # it does so now: that is part of the start
        self.clock = Clock()

    def stopTestRun(self, event):
        self.clock.tell()
"""
STOPWATCH_PYTEST = """\
import pytest
from clock import Clock

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    clock = Clock()
    try:
        return (yield)
    finally:
        clock.tell()
"""
SCALES = """\
import gc, os, tracemalloc
from clock import Clock
from nose2.events import Plugin

class Scales(Plugin):
    alwaysOn = True
    configSection = "scales"
    first = None

    def startTestRun(self, event):
        self.clock = Clock()

    def stopTest(self, event):
        self.last = len(os.listdir("/dev/fd"))
        if self.first is None:
            gc.collect()
            self.first = self.last
            tracemalloc.start()

    def stopTestRun(self, event):
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        self.clock.tell(kept, self.last - self.first)
"""
"""Measures what is made after the first test, and is still there after the last one.

The peak memory of the process would hide it: unittest frees each test object after its test.
"""

SYNC = "    def test_{n}(self):\n        pass\n"
ASYNC = "    async def test_{n}(self):\n        pass\n"
BODY = "async def body():\n    pass\n\n"
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
ANYIO = """\
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
IMPORTS = """\
from clock import Clock
clock = Clock()
import {modules}
clock.tell()
"""
TIMERS = """\
import asyncio
from clock import Clock
import nose2_aio as aio

{main}
with aio.{context}() as loop:
    clock = Clock()
    loop.run_until_complete(main())
    clock.tell()
"""
SLEEPS = """\
async def main():
    await asyncio.gather(*(asyncio.sleep({delay}) for n in range({count})))
"""
CALLS = """\
async def main():
    loop = asyncio.get_running_loop()
    last = loop.create_future()
    for n in range({count}):
        loop.call_later({delay}, int)
    n = {count}
    loop.call_later({delay}, last.set_result, None)
    await last
"""


class Way(NamedTuple):
    """One way to do something."""

    name: str
    arguments: list[str]
    """Those of Python."""
    text: Callable[[int], str]
    """Returns the file ``test_it.py``, for a number of tests or timers."""
    size: str = "tests"
    """The option of ``ratios.py`` that says how many; "" for one."""
    needs: tuple[str, ...] = ()
    """Modules, other than nose2, that have to be installed."""

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


class Run(NamedTuple):
    """What one process measured."""

    process: float
    """Seconds from its start to its end."""
    seconds: float
    """Seconds that the tests took, without starting and loading."""
    computing: float
    """Those of them in which a processor worked for this process."""
    kept: float = 0
    """Bytes that are kept after the last test."""
    opened: float = 0
    """Files that are open after the last test, and were not after the first."""


def suite(
    test: str, base: str = "unittest.TestCase", head: str = "", fixtures: str = "", size: int = 100
) -> Callable[[int], str]:
    """Return a function that returns a suite of empty tests, in classes of 100."""

    def text(count: int) -> str:
        lines = [f"import asyncio, unittest\n{head}\n"]
        for number in range(count):
            if number % size == 0:
                lines.append(f"\nclass Test{number // size}({base}):\n{fixtures}")
            lines.append(test.format(n=number % size))
        return "".join(lines)

    return text


def imports(modules: str) -> Callable[[int], str]:
    """Return a function that returns a program that imports modules."""
    return lambda _: IMPORTS.format(modules=modules)


def client_server(count: int) -> str:
    """Return a suite of clients and servers that wait."""
    return CLIENT_SERVER.read_text().replace("COUNT = 100", f"COUNT = {count}")


def timers(main: str, context: str, delay: str) -> Callable[[int], str]:
    """Return a function that returns a program that waits for many timers.

    The time of timer ``n`` is ``delay``.
    """

    def text(count: int) -> str:
        lines = main.format(count=count, delay=delay)
        return TIMERS.format(main=lines, context=context)

    return text


def run(way: Way, folder: Path, count: int) -> Run:
    """Run a way in a folder, in a new process; end the program if it fails."""
    if not folder.exists():
        folder.mkdir()
        (folder / "test_it.py").write_text(way.text(count))
        (folder / "clock.py").write_text(CLOCK)
        (folder / "stopwatch.py").write_text(STOPWATCH)
        (folder / "scales.py").write_text(SCALES)
        (folder / "stopwatch_pytest.py").write_text(STOPWATCH_PYTEST)
        (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, *way.arguments]
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",  # or each process would compile all modules
        "PYTHONPATH": f"{folder}{os.pathsep}{TOP}",
    }
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    process = time.perf_counter() - start
    printed = done.stdout + done.stderr
    lines = [line.split() for line in printed.splitlines() if line.startswith("STOPWATCH")]
    ran = f"Ran {count} test" in printed or f"{count} passed" in printed or way.arguments == SCRIPT
    if done.returncode or not lines or not ran:
        sys.exit(f"{' '.join(command)} failed in {folder}\n{printed[-2000:]}")
    return Run(process, *map(float, lines[-1][1:]))


_ISOLATED = suite(ASYNC, "unittest.IsolatedAsyncioTestCase")
WAYS = {
    "sync": Way("sync test", NOSE2, suite(SYNC)),
    "sync+": Way("sync test, with the plugin", PLUGIN, suite(SYNC)),
    "hand": Way("loop by hand", NOSE2, suite(BY_HAND, head=BODY)),
    "plain": Way("coroutine test", PLUGIN, suite(ASYNC)),
    "unchecked": Way("coroutine test, checks ignored", UNCHECKED, suite(ASYNC)),
    "class": Way("coroutine test, loop of its class", PLUGIN, suite(ASYNC, fixtures=CLASS_FIXTURE)),
    "strict": Way(
        "coroutine test, time limit, strict",
        [*PLUGIN, "--aio-time-limit=60", "--aio-strict"],
        suite(ASYNC),
    ),
    "fixtures-hand": Way(
        "loop, setUp and tearDown by hand", NOSE2, suite(FIXTURES_BY_HAND, head=BODY)
    ),
    "fixtures": Way(
        "coroutine test, async setUp and tearDown", PLUGIN, suite(ASYNC, fixtures=FIXTURES)
    ),
    "isolated": Way("IsolatedAsyncioTestCase", NOSE2, _ISOLATED),
    "isolated+": Way("IsolatedAsyncioTestCase, with the plugin", PLUGIN, _ISOLATED),
    "isolated-fast": Way(
        "IsolatedAsyncioTestCase, isolated-debug = false",
        [*PLUGIN, "--no-aio-isolated-debug"],
        _ISOLATED,
    ),
    "aiounittest": Way(
        "aiounittest",
        NOSE2,
        suite(ASYNC, "aiounittest.AsyncTestCase", "import aiounittest\n"),
        needs=("aiounittest",),
    ),
    "anyio": Way(
        "anyio's pytest plugin",
        [*PYTEST, "-p", "no:asyncio"],
        suite(ASYNC, "", ANYIO),
        needs=("pytest", "anyio"),
    ),
    "pytest-asyncio": Way(
        "pytest-asyncio, auto mode",
        [*PYTEST, "-p", "no:anyio", "-o", "asyncio_mode=auto"],
        suite(ASYNC, ""),
        needs=("pytest", "pytest_asyncio"),
    ),
    "memory": Way("", [*MEMORY, "--plugin", "nose2_aio"], suite(ASYNC), size="many"),
    "calls-now": Way("", SCRIPT, timers(CALLS, "child_loop", "1e-9"), size="timers"),
    "calls": Way("", SCRIPT, timers(CALLS, "virtual_clock", "n + 1"), size="timers"),
    "sleeps-now": Way("", SCRIPT, timers(SLEEPS, "child_loop", "1e-9"), size="timers"),
    "sleeps": Way("", SCRIPT, timers(SLEEPS, "virtual_clock", "n + 1"), size="timers"),
    "servers": Way("", [*PLUGIN, "--aio-virtual-time"], client_server, size="servers"),
    "import-nose2": Way("", SCRIPT, imports("asyncio, nose2"), size=""),
    "import": Way("", SCRIPT, imports("nose2_aio"), size=""),
}
