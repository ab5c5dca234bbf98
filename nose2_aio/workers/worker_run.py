"""One run of a suite in worker processes: from its units to nose2's result."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from unittest import BaseTestSuite, TestCase

from nose2_aio.config.settings import Settings
from nose2_aio.reporting.timings import read_durations
from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import Call, Channel, Event
from nose2_aio.workers.pool import Pool, RunInterval
from nose2_aio.workers.replay import Replay, time_of_plugins
from nose2_aio.workers.schedule import longest_first
from nose2_aio.workers.spawned import LoadRequest, load_names, spawned
from nose2_aio.workers.worker_handle import WorkerHandle
from nose2_aio.workers.worker_process import UnitHooks, WorkerProcess, memory_handlers

__all__ = ["Describe", "RunHooks", "WorkerRun"]

Describe = Callable[[Any, Any], str]
"""Returns the text of an error of a test, given ``sys.exc_info()``."""

_TERMINAL = "{}: it asks for a debugger, so it ran in the main process"


class RunHooks(UnitHooks, Protocol):
    """What the main process does for a run, and its workers for each unit."""

    is_replaying: bool
    """True while nose2 is told what has happened in a worker."""

    def merge(self, found: Any) -> None:
        """Take what was found in a worker."""

    def note(self, line: str) -> None:
        """Take a line for the end of the run."""

    def interrupting(self, interrupt: Callable[[int], None]) -> AbstractContextManager[None]:
        """Call ``interrupt`` with the number of the signal for Ctrl-C and SIGTERM in the block."""

    def limit_of(self, test: TestCase | None) -> str:
        """Return the time limit of a test in words; of a fixture, for None."""


class WorkerRun:
    """Runs units in workers, and replays on a result what happens."""

    def __init__(
        self,
        units: Sequence[Unit],
        settings: Settings,
        hooks: RunHooks,
        describe: Describe,
    ) -> None:
        """Run ``units`` by these settings."""
        self._units = units
        self._settings = settings
        self._hooks = hooks
        self._describe = describe
        self._result: Any = None
        self._ran: list[RunInterval] = []
        self.is_interrupted = False
        """True if Ctrl-C has ended the run."""
        self._method = _start_method(settings) if units else "spawn"
        self._context = multiprocessing.get_context(self._method)
        self._pool: Pool | None = None
        self._count = 0
        self._quiet = ExitStack()
        """Hides warnings while a worker is forked."""
        self.is_running = False
        """True while tests run in workers."""
        self._places = {
            id(test): (index, position)
            for index, unit in enumerate(units)
            for position, test in enumerate(unit.tests)
        }

    def __call__(self, result: Any) -> None:
        """Run all units, and tell ``result`` what happens."""
        self._result = result
        seconds = read_durations(self._settings.report) if self._settings.workers > 1 else {}
        order = longest_first(self._units, seconds)
        with time_of_plugins() as clock:
            replay = Replay(result, self._units, clock, memory_handlers())
            player = ReplayReceiver(replay, self._units, self._hooks)
            with self._running_pool(player, self._settings.workers) as pool, _frozen():
                pool.run(order)
            self._ran = pool.ran
            self.is_interrupted = pool.interrupts > 0
            if pool.interrupts:
                result.stop()

    def run_alone(self, test: TestCase) -> bool | None:
        """Run a test alone in a fresh worker, and return whether it passes; None for Ctrl-C."""
        is_here = id(test) not in self._places
        if is_here:  # it has run in this process
            self._units = [Unit([test], BaseTestSuite())]
        unit, position = self._places.get(id(test), (0, 0))
        collector = PassDetector()
        with self._running_pool(collector, 1) as pool:
            pool.run([unit], {unit: frozenset([position])})
        self.is_interrupted = pool.interrupts > 0
        return None if self.is_interrupted else collector.has_passed

    def concurrent_tests(self, test: TestCase) -> list[str] | None:
        """Return the names of the tests that ran at the same time as a test.

        None where tests run in this process.
        """
        if id(test) not in self._places:
            return None
        ran = self._ran
        unit, position = self._places[id(test)]
        own = [one for one in ran if (one.unit, one.test) == (unit, position)]
        return [
            self._units[one.unit].tests[one.test].id().partition("\n")[0]
            for one in ran
            if (one.unit, one.test) != (unit, position)
            and any(one.began < mine.ended and mine.began < one.ended for mine in own)
        ]

    def describe_running(self) -> str:
        """Return which tests run, and have their workers print what they wait for."""
        assert self._pool is not None
        self._pool.signal(signal.SIGQUIT)
        tests = self._pool.running()
        lines = [f"{name} has run for {seconds:.2f} s" for name, seconds in tests]
        return "\n".join(["", "These tests run in worker processes:", *lines, ""])

    def suspend(self) -> None:
        """Suspend the workers too."""
        if self._pool is not None:
            self._pool.signal(signal.SIGTSTP)

    def resume(self) -> None:
        """Let the workers go on."""
        if self._pool is not None:
            self._pool.signal(signal.SIGCONT)
            self._pool.resume()

    @contextmanager
    def _running_pool(self, receiver: Any, size: int) -> Iterator[Pool]:
        """Give a pool to run in the block, in which Ctrl-C interrupts it."""
        pool = self._pool = Pool(self._units, receiver, self._start, self._hooks.limit_of, size)
        with (
            tempfile.TemporaryDirectory(prefix="nose2-aio-") as folder,
            self._hooks.interrupting(pool.interrupt),
            _awaiting_children(),
        ):
            self._folder = Path(folder)
            self.is_running = True
            try:
                yield pool
            finally:
                self.is_running = False

    def _start(self) -> WorkerHandle:
        self._count += 1
        folder = self._folder / f"worker-{self._count}"
        if self._method == "fork":
            with self._quiet:
                if self._settings.worker_start == "fork":  # in spite of threads, perhaps
                    self._quiet.enter_context(warnings.catch_warnings())
                    warnings.simplefilter("ignore", DeprecationWarning)
                return WorkerHandle(self._context, folder, self._forked)
        argv = list(sys.argv)
        if self._settings.shuffle is not None:
            argv.append(f"--aio-shuffle={self._settings.shuffle}")
        plan = LoadRequest(
            argv, str(Path.cwd()), load_names(self._units), is_single_test=not self._places
        )
        return WorkerHandle(self._context, folder, spawned, plan)

    def _forked(self, link: Channel) -> None:
        self._quiet.close()
        gc.unfreeze()  # or nothing finds what refers to an object; it is all old by now
        assert self._pool is not None
        self._pool.close_in_worker()
        process = WorkerProcess(link)
        process.work(self._units, self._hooks, result=self._result, describe=self._describe)
        process.end()


class ReplayReceiver:
    """Replays what a pool delivers."""

    def __init__(self, replay: Replay, units: Sequence[Unit], hooks: RunHooks) -> None:
        self._replay = replay
        self._units = units
        self._hooks = hooks
        self.merge = hooks.merge
        self.note = hooks.note

    @property
    def is_stopped(self) -> bool:
        """True if nothing more is to run, and no test is replayed halfway."""
        return bool(self._replay.result.shouldStop) and not self._replay.is_in_test

    @property
    def ends_at_failure(self) -> bool:
        """True with ``-F``."""
        return bool(self._replay.result.failfast)

    def receive(self, unit: int, event: Event) -> None:
        """Replay an event."""
        self._hooks.is_replaying = True
        try:
            self._replay.play(unit, event)
        finally:
            self._hooks.is_replaying = False

    def run_here(self, unit: int, test: int) -> None:
        """Run a test in the main process: it asks for a debugger."""
        one = self._units[unit]
        self._hooks.note(_TERMINAL.format(one.tests[test].id()))
        suite = one.part([test])
        handler = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._hooks.begin_unit(one.repetition)
        try:
            suite(self._replay.result)
        finally:
            self._hooks.end_unit()
            signal.signal(signal.SIGINT, handler)


class PassDetector:
    """Looks whether a test passes."""

    is_stopped = False
    ends_at_failure = True

    def __init__(self) -> None:
        self._has_failed = False
        self._has_succeeded = False

    @property
    def has_passed(self) -> bool:
        """True if the test has passed, and its fixtures too."""
        return self._has_succeeded and not self._has_failed

    def receive(self, _: int, event: Event) -> None:
        """Look at an event."""
        if isinstance(event, Call):
            self._has_succeeded |= event.name in ("addSuccess", "addExpectedFailure")
            failures = ("addError", "addFailure", "addUnexpectedSuccess")
            self._has_failed |= event.name in failures
            self._has_failed |= event.name == "addSubTest" and event.args[1] is not None

    def run_here(self, _: int, __: int) -> None:
        """Leave alone a test that asks for a debugger."""

    def merge(self, _: Any) -> None:
        """Forget what was found: it is told of the first time."""

    def note(self, _: str) -> None:
        """Forget it, too."""


@contextmanager
def _awaiting_children() -> Iterator[None]:
    """Let child processes be waited for inside the block: what ignores SIGCHLD prevents that."""
    before = signal.getsignal(signal.SIGCHLD)
    if before is not signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


@contextmanager
def _frozen() -> Iterator[None]:
    """Make all that is loaded old for the garbage collector, inside the block.

    Or each forked worker would soon have a copy of it.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _start_method(settings: Settings) -> str:
    if settings.worker_start == "auto":
        return "fork" if _is_fork_safe() else "spawn"
    return settings.worker_start


def _is_fork_safe() -> bool:
    """Return True on Linux, if there is no other thread, of Python's or of C code."""
    if sys.platform != "linux":
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return threading.active_count() == 1
