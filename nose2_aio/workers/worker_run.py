"""One run of a suite in worker processes: from its units to nose2's result."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import BaseTestSuite, TestCase

from nose2_aio.config import durations_file
from nose2_aio.config.settings import Settings
from nose2_aio.errors import WorkerStartError
from nose2_aio.reporting.failures import Failure
from nose2_aio.suites.units import Unit
from nose2_aio.workers.delivery import Receiver
from nose2_aio.workers.intervals import RunIntervals
from nose2_aio.workers.messages import Channel
from nose2_aio.workers.pool import Pool
from nose2_aio.workers.receivers import PassDetector, ReplayReceiver, RunHooks
from nose2_aio.workers.recording import Describe
from nose2_aio.workers.replay import Replay, time_of_plugins
from nose2_aio.workers.retries import FAILED, retry
from nose2_aio.workers.schedule import longest_first
from nose2_aio.workers.spawned import LoadRequest, load_names, run_spawned
from nose2_aio.workers.worker_handle import WorkerHandle
from nose2_aio.workers.worker_process import WorkerProcess, memory_handlers

__all__ = ["WorkerRun"]

_EXIT_TIME = 1.0
"""Seconds beyond ``exit-grace`` that a worker gets to end by itself."""


class WorkerRun:
    """Runs units in workers, and replays their events on nose2's result."""

    def __init__(
        self,
        units: Sequence[Unit],
        settings: Settings,
        hooks: RunHooks,
        describe: Describe,
    ) -> None:
        """Prepare to run ``units``.

        Without units, tests run in the main process, and workers only run failed tests again.
        """
        self._units = units
        self._settings = settings
        self._hooks = hooks
        self._describe = describe
        self._result: Any = None
        self._intervals = RunIntervals()
        self.is_interrupted = False
        """True if Ctrl-C has ended the run."""
        self._method = _start_method(settings) if units else "spawn"
        self._context = multiprocessing.get_context(self._method)
        self._pool: Pool | None = None
        self._started_count = 0
        """How many workers were started."""
        self._quiet = ExitStack()
        """Hides warnings during a fork."""
        self.is_running = False
        """True while tests run in workers."""
        self._places = {
            id(test): (index, position)
            for index, unit in enumerate(units)
            for position, test in enumerate(unit.tests)
        }
        """The index of its unit and the position in it, by the `id` of a test."""

    def __call__(self, result: Any) -> None:
        """Run all units, and replay on ``result`` what happens."""
        self._result = result
        is_free = self._settings.workers > 1 and not self._settings.failed_first
        durations = durations_file.read(self._settings.durations_file) if is_free else {}
        order = longest_first(self._units, durations)
        with time_of_plugins() as clock:
            replay = Replay(result, self._units, clock, memory_handlers())
            receiver = ReplayReceiver(replay, self._units, self._hooks)
            with self._running_pool(receiver, self._settings.workers) as pool, _frozen():
                pool.run(order)
            self._intervals = pool.intervals
            self.is_interrupted = pool.interrupts > 0
            if pool.interrupts:
                result.stop()

    def retry(self, failures: Iterable[Failure]) -> str:
        """Run failed tests again that may be flaky; return a line on that."""
        try:
            return retry(failures, self._settings, self.run_alone, self.concurrent_tests)
        except WorkerStartError as error:
            return FAILED.format(error=error)

    def run_alone(self, test: TestCase) -> bool | None:
        """Run a test alone in a fresh worker. Return True if it passes, None after Ctrl-C."""
        if id(test) not in self._places:  # it ran in the main process
            self._units = [Unit([test], BaseTestSuite())]
        unit, position = self._places.get(id(test), (0, 0))
        detector = PassDetector()
        with self._running_pool(detector, 1) as pool:
            pool.run([unit], {unit: frozenset([position])})
        self.is_interrupted = pool.interrupts > 0
        return None if self.is_interrupted else detector.has_passed

    def concurrent_tests(self, test: TestCase) -> list[str] | None:
        """Return the ids of the tests that ran at the same time as a test.

        None if the test ran in the main process.
        """
        if id(test) not in self._places:
            return None
        return [
            self._units[one.unit].tests[one.test].id().partition("\n")[0]
            for one in self._intervals.concurrent(*self._places[id(test)])
        ]

    def running(self) -> list[tuple[str, float]]:
        """Return the ids of the tests that run, and for how many seconds they have run."""
        return [] if self._pool is None else self._pool.running()

    def describe_running(self) -> str:
        """Return which tests run now. Each busy worker prints where its own test waits."""
        assert self._pool is not None
        self._pool.signal(signal.SIGQUIT)
        lines = [f"{name} has run for {seconds:.2f} s" for name, seconds in self.running()]
        return "\n".join(["", "These tests run in worker processes:", *lines, ""])

    def suspend(self) -> None:
        """Suspend the workers, because the main process is about to be suspended."""
        if self._pool is not None:
            self._pool.signal(signal.SIGTSTP)

    def resume(self) -> None:
        """Resume the workers."""
        if self._pool is not None:
            self._pool.signal(signal.SIGCONT)
            self._pool.resume()

    @contextmanager
    def _running_pool(self, receiver: Receiver, size: int) -> Iterator[Pool]:
        """Yield a pool to run inside the block. Ctrl-C interrupts it."""
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
        worker = self._started()
        worker.exit_time = self._settings.exit_grace + _EXIT_TIME
        return worker

    def _started(self) -> WorkerHandle:
        self._started_count += 1
        folder = self._folder / f"worker-{self._started_count}"
        if self._method == "fork":
            with self._quiet:
                if (
                    self._settings.worker_start == "fork"
                ):  # maybe though there are other threads: Python would warn
                    self._quiet.enter_context(warnings.catch_warnings())
                    warnings.simplefilter("ignore", DeprecationWarning)
                return WorkerHandle(self._context, folder, self._run_forked)
        argv = list(sys.argv)
        if self._settings.shuffle is not None:
            argv.append(f"--aio-shuffle={self._settings.shuffle}")
        names = load_names(self._units)
        request = LoadRequest(argv, str(Path.cwd()), names, is_single_test=not self._places)
        return WorkerHandle(self._context, folder, run_spawned, request)

    def _run_forked(self, channel: Channel) -> None:
        """Run units. Called in a forked worker."""
        self._quiet.close()
        # Else gc.get_referrers would find no older object. They are in the oldest generation now,
        # which is rarely collected.
        gc.unfreeze()
        assert self._pool is not None
        self._pool.close_in_worker()
        process = WorkerProcess(channel)
        process.work(self._units, self._hooks, result=self._result, describe=self._describe)
        process.end()


@contextmanager
def _awaiting_children() -> Iterator[None]:
    """Inside the block, don't ignore SIGCHLD: a process that does can't wait for its children."""
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
    """Hide all objects that exist from the garbage collector, inside the block.

    Else a collection in a forked worker would write to them, so that the worker gets a copy of
    their memory.
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
    """Return True on Linux if this process has one thread (without /proc: one of Python's)."""
    if sys.platform != "linux":
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return threading.active_count() == 1
