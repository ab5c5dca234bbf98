"""The code of a worker process: it waits for assignments, runs units, and reports.

1. A worker ends when the main process ends, in whatever way that ends.
2. It leads a process group of its own. So it can be killed together with the child processes of
   its tests, and Ctrl-C in the terminal reaches only the main process.
3. It writes its output to files (`output`), and its last stacks too (`stack_dumps`).
4. SIGINT interrupts the test that runs, as Ctrl-C does in a run without workers.
"""

from __future__ import annotations

import atexit
import bdb
import contextlib
import ctypes
import functools
import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NoReturn, Protocol

from nose2_aio.cases import unittest_internals
from nose2_aio.errors import LoopError
from nose2_aio.suites.units import Unit
from nose2_aio.workers import stack_dumps
from nose2_aio.workers.messages import Assignment, Channel, Refusal, Report
from nose2_aio.workers.output import Output
from nose2_aio.workers.recording import Describe, RecordingHooks, RecordingResult

__all__ = ["BLOCKED_SIGNALS", "WorkerHooks", "WorkerProcess", "memory_handlers"]

_PR_SET_PDEATHSIG = 1

_BLOCKED = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGTSTP")
BLOCKED_SIGNALS = tuple(getattr(signal, name) for name in _BLOCKED if hasattr(signal, name))
"""The signals that stay blocked until a worker process has installed its handlers."""


class WorkerHooks(RecordingHooks, Protocol):
    """The functions that a worker calls around its work, each unit, and each test."""

    def begin_unit(self, repetition: int | None) -> None:
        """Prepare the loops of a unit. ``repetition`` is that of the unit."""

    def end_unit(self) -> None:
        """Close what ``begin_unit`` and the unit have opened."""

    def begin_work(self) -> None:
        """Forget the findings of the main process, which a forked worker has inherited."""

    def end_work(self) -> None:
        """Process the findings on the last test."""

    def signals(self, terminal: int) -> AbstractContextManager[None]:
        """Handle signals inside the block. ``terminal`` is the file descriptor to print to."""

    def watch_exit(self, terminal: int) -> None:
        """Let nothing that tests have left hold up the end of this worker, from now on.

        ``terminal`` is the file descriptor to print to.
        """

    def on_stop(self, stop: Callable[[], Any]) -> None:
        """Call ``stop`` after Ctrl-C."""

    def on_deadline(self, note: Callable[[float], None]) -> None:
        """Call ``note`` with the time at which this worker counts as stuck, when that changes."""


class WorkerProcess:
    """The worker process in which this object is created."""

    def __init__(self, channel: Channel) -> None:
        """Make this process a worker: set up its process group, its output and its exit."""
        self._channel = channel
        _end_with(channel.parent)
        with contextlib.suppress(OSError):  # it leads a session already
            os.setpgid(0, 0)
        self._terminal = os.dup(2)
        self._output = Output(channel.folder, channel.state)
        self._stacks = stack_dumps.write_at_signals(channel.folder)
        if sys.version_info < (3, 13):
            atexit._clear()  # the main process calls the functions that it has registered
        stack_dumps.write_at_exit(self._stacks)
        self._own = os.getpid()
        os.register_at_fork(after_in_child=self._release)

    def _send(self, report: Report) -> None:
        if os.getpid() != self._own:  # a child process that a test has forked got here
            os._exit(0)
        self._channel.connection.send_bytes(report.to_bytes())

    def _release(self) -> None:
        """Close the connection and the terminal. Called in a child process that a test forks."""
        self._channel.connection.close()
        with contextlib.suppress(OSError):
            os.close(self._terminal)

    def refuse(self, reason: str) -> None:
        """Tell the main process that this worker can't run its tests."""
        self._send(Report(-1, [Refusal(reason)]))

    def work(
        self,
        units: Sequence[Unit],
        hooks: WorkerHooks,
        *,
        result: Any,
        describe: Describe,
    ) -> None:
        """Run units until the main process has no more.

        ``result`` and ``describe`` are those of `RecordingResult`.
        """
        channel = self._channel
        self._output.take()  # loading the suite printed this; the main process has shown it
        recorder = RecordingResult(
            hooks, channel.state, self._output, self._send, result=result, describe=describe
        )
        hooks.begin_work()
        hooks.on_stop(recorder.interrupt)
        hooks.on_deadline(functools.partial(setattr, channel.state, "kill_at"))
        for index, handler in enumerate(memory_handlers()):
            vars(handler)["emit"] = functools.partial(recorder.add_log, index)
        _handle_interrupts(recorder)
        with hooks.signals(self._terminal), _without_debugger(recorder):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)
            _serve(channel, units, hooks, recorder)
        hooks.watch_exit(self._terminal)

    def end(self) -> None:
        """End this worker. Call the functions that tests have registered with `atexit`."""
        if sys.version_info < (3, 13):
            atexit._run_exitfuncs()
        self._channel.connection.close()


def memory_handlers() -> list[logging.Handler]:
    """Return the handlers of nose2's ``--log-capture``, which keep log records in memory."""
    handlers = logging.getLogger().handlers
    return [one for one in handlers if type(one).__module__ == "nose2.plugins.logcapture"]


def _serve(
    channel: Channel, units: Sequence[Unit], hooks: WorkerHooks, recorder: RecordingResult
) -> None:
    cases: dict[type, None] = {}
    while assignments := _received(channel.connection):
        for assignment in assignments:
            if not channel.state.begin_assignment(assignment.number):
                continue
            unit = units[assignment.unit]
            if not unit.has_fixtures:
                cases.update(dict.fromkeys(map(type, unit.tests)))
            _run(assignment, unit, hooks, recorder)
    # a run without workers does this after the last test
    unittest_internals.call_remaining_cleanups(cases, recorder)
    hooks.end_work()
    recorder.close()


def _received(connection: Connection) -> Sequence[Assignment]:
    try:
        assignments: Sequence[Assignment] = pickle.loads(connection.recv_bytes())  # noqa: S301 -- our own
    except EOFError:
        return ()
    return assignments


def _run(assignment: Assignment, unit: Unit, hooks: WorkerHooks, recorder: RecordingResult) -> None:
    positions = {id(test): position for position, test in enumerate(unit.tests)}
    suite = unit.suite if assignment.tests is None else unit.part(assignment.tests)
    recorder.begin(assignment.unit, positions, has_fixtures=unit.has_fixtures)
    hooks.begin_unit(unit.repetition)
    try:
        recorder.is_uninterruptible = False
        suite(recorder)
        recorder.is_uninterruptible = True
    except KeyboardInterrupt as error:
        recorder.is_uninterruptible = True
        recorder.note_interrupt(error)
    hooks.end_unit()
    recorder.end()


def _handle_interrupts(recorder: RecordingResult) -> None:
    """Make SIGINT raise KeyboardInterrupt, but only in the user's code.

    `asyncio.Runner` handles SIGINT only if ``signal.default_int_handler`` is installed. So ours
    replaces that function, too.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        if recorder.is_uninterruptible:
            recorder.interrupt()
        else:
            default(number, frame)

    default = signal.default_int_handler
    signal.default_int_handler = on_signal  # type: ignore[assignment]
    signal.signal(signal.SIGINT, on_signal)


def _end_with(parent: int) -> None:
    """End this process when the main process ends, or if it has ended already.

    On Linux the system kills it, whatever it runs. Elsewhere it ends when it waits for assignments.
    """
    if sys.platform == "linux":
        ctypes.pythonapi.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def _without_debugger(recorder: RecordingResult) -> Iterator[None]:
    """Make a test fail that asks for a debugger inside the block. It runs in the main process."""
    before = bdb.Bdb.set_trace

    @functools.wraps(before)
    def set_trace(*_: Any, **__: Any) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            recorder.needs_terminal = True
        raise LoopError(
            "a debugger needs a terminal, and worker processes have none: use --aio-workers=0"
        )

    bdb.Bdb.set_trace = set_trace  # type: ignore[method-assign]
    try:
        yield
    finally:
        bdb.Bdb.set_trace = before  # type: ignore[method-assign]
