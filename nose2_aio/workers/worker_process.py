"""What runs in a worker process: it waits for orders, runs units, and reports.

1. It ends with the main process, however that ends.
2. It is the head of a process group, so that it can be killed with the child processes of its
   tests, and Ctrl-C on the terminal reaches the main process alone.
3. Its output goes to files (`output`), its last stack too (`crashes`).
4. SIGINT interrupts the test that runs, as Ctrl-C does in a serial run.
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
from nose2_aio.workers.recording import RecordingResult, TestHooks

__all__ = ["BLOCKED_SIGNALS", "UnitHooks", "WorkerProcess", "memory_handlers"]

_PR_SET_PDEATHSIG = 1

_BLOCKED = ("SIGINT", "SIGTERM", "SIGQUIT", "SIGTSTP")
BLOCKED_SIGNALS = tuple(getattr(signal, name) for name in _BLOCKED if hasattr(signal, name))
"""Signals that wait while a worker process starts."""


class UnitHooks(TestHooks, Protocol):
    """What a worker does around each unit, too."""

    def begin_unit(self, repetition: int | None) -> None:
        """Prepare the loops of a unit."""

    def end_unit(self) -> None:
        """Close what was opened for it."""

    def begin_work(self) -> None:
        """Forget what the main process has found so far: it is not this worker's."""

    def end_work(self) -> None:
        """Judge what was found of the last test."""

    def signals(self, terminal: int) -> AbstractContextManager[None]:
        """WorkerHandle signals inside the block; ``terminal`` is the file descriptor to print to."""

    def on_stop(self, stop: Callable[[], Any]) -> None:
        """Call ``stop`` when Ctrl-C has come."""

    def on_deadline(self, note: Callable[[float], None]) -> None:
        """Call ``note`` with the time when what runs is stuck, whenever that changes."""


class WorkerProcess:
    """The worker process in which this is made."""

    def __init__(self, link: Channel) -> None:
        """Make it a worker process: its signals, its output."""
        self._link = link
        _end_with(link.parent)
        with contextlib.suppress(OSError):  # it is the head of a session
            os.setpgid(0, 0)
        self._terminal = os.dup(2)
        self._output = Output(link.folder, link.state)
        self._stacks = stack_dumps.write_when_asked(link.folder)
        if sys.version_info < (3, 13):
            atexit._clear()  # what the main process has registered is for that to call
        stack_dumps.write_at_exit(self._stacks)
        self._own = os.getpid()
        os.register_at_fork(after_in_child=self._release)

    def _send(self, report: Report) -> None:
        if os.getpid() != self._own:  # a test has forked, and its child process runs on
            os._exit(0)
        self._link.connection.send_bytes(report.to_bytes())

    def _release(self) -> None:
        """Leave the connection to the worker: this is a child process of a test."""
        self._link.connection.close()
        with contextlib.suppress(OSError):
            os.close(self._terminal)

    def refuse(self, reason: str) -> None:
        """Tell the main process why this one can't run its tests."""
        self._send(Report(-1, [Refusal(reason)]))

    def work(
        self,
        units: Sequence[Unit],
        hooks: UnitHooks,
        *,
        result: Any,
        describe: Callable[[Any, Any], str],
    ) -> None:
        """Run units until the main process has no more.

        ``result`` and ``describe`` are those of `RecordingResult`.
        """
        link = self._link
        self._output.take()  # the main process has shown what loading the suite prints
        recorder = RecordingResult(
            hooks, link.state, self._output, self._send, result=result, describe=describe
        )
        hooks.begin_work()
        hooks.on_stop(recorder.interrupt)
        hooks.on_deadline(functools.partial(setattr, link.state, "kill_at"))
        for index, handler in enumerate(memory_handlers()):
            vars(handler)["emit"] = functools.partial(recorder.add_log, index)
        _handle_interrupts(recorder)
        with hooks.signals(self._terminal), _without_debugger(recorder):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_SIGNALS)
            _serve(link, units, hooks, recorder)

    def end(self) -> None:
        """Call what tests have registered for the end of the process."""
        if sys.version_info < (3, 13):
            atexit._run_exitfuncs()
        self._link.connection.close()


def memory_handlers() -> list[logging.Handler]:
    """Return the handlers of nose2's ``--log-capture``, which keep log records in memory."""
    handlers = logging.getLogger().handlers
    return [one for one in handlers if type(one).__module__ == "nose2.plugins.logcapture"]


def _serve(
    link: Channel, units: Sequence[Unit], hooks: UnitHooks, recorder: RecordingResult
) -> None:
    cases: dict[type, None] = {}
    while orders := _received(link.connection):
        for order in orders:
            if not link.state.begin_assignment(order.number):
                continue
            unit = units[order.unit]
            if not unit.has_fixtures:
                cases.update(dict.fromkeys(map(type, unit.tests)))
            _run(order, unit, hooks, recorder)
    # as a serial run does after the last test
    unittest_internals.clean_up(cases, recorder)
    hooks.end_work()
    recorder.close()


def _received(connection: Connection) -> Sequence[Assignment]:
    try:
        orders: Sequence[Assignment] = pickle.loads(connection.recv_bytes())  # noqa: S301 -- our own
    except EOFError:
        return ()
    return orders


def _run(order: Assignment, unit: Unit, hooks: UnitHooks, recorder: RecordingResult) -> None:
    positions = {id(test): position for position, test in enumerate(unit.tests)}
    suite = unit.suite if order.tests is None else unit.part(order.tests)
    recorder.begin(order.unit, positions, has_fixtures=unit.has_fixtures)
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
    """Let SIGINT raise KeyboardInterrupt where code of the user's runs, and there alone.

    asyncio's runner looks whether Python's own handler is in force. So ours is that.
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
    """Be killed when the main process ends, whatever runs here then."""
    if sys.platform == "linux":
        ctypes.pythonapi.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def _without_debugger(recorder: RecordingResult) -> Iterator[None]:
    """End a test that asks for a debugger, inside the block: it has to run in the main process."""
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
