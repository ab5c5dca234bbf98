"""The main process's handle of one worker process: start it, give it orders, end it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import BaseContext
from pathlib import Path
from traceback import FrameSummary

from nose2_aio.config.seconds import monotonic
from nose2_aio.workers import stack_dumps
from nose2_aio.workers.messages import Assignment, Channel, Report, WorkerState
from nose2_aio.workers.worker_process import BLOCKED_SIGNALS

__all__ = ["WorkerHandle"]

_DUMP_TIME = 0.15
"""Seconds that a worker gets to write its stacks, before it is killed."""
_EXIT_TIME = 2.0
"""Seconds that a worker gets to end by itself when it has no more to do."""


class WorkerHandle:
    """A worker process."""

    def __init__(
        self, context: BaseContext, folder: Path, target: Callable[..., None], *args: object
    ) -> None:
        """Start it: it calls ``target`` with a `Channel` and ``args``; ``folder`` is for its files."""
        self.assignments: deque[Assignment] = deque()
        """What it has to do, the unit that runs first."""
        self.reported: set[int] = set()
        """The positions of the tests of the first order that it has reported."""
        self.started: int | None = None
        """The position of the test whose start it has reported, and not its end."""
        self.has_reported = False
        """True if it has sent a report."""
        self.is_stuck = False
        """True if it is killed since its time limit has passed."""
        self.is_being_killed = False
        self._kill_at = 0.0
        self._sent = 0
        """How many orders it has got."""
        self.folder = folder
        """The folder of its files."""
        folder.mkdir()
        self.state = WorkerState(context)
        self.connection, theirs = context.Pipe()
        link = Channel(theirs, self.state, folder, os.getpid())
        self._thread = threading.main_thread().ident or 0
        # a daemon could have no child processes
        self.process = context.Process(target=target, args=(link, *args), name=folder.name)  # type: ignore[attr-defined]
        before = signal.pthread_sigmask(
            signal.SIG_BLOCK, BLOCKED_SIGNALS
        )  # the worker lets them in
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    @property
    def is_busy(self) -> bool:
        """True if it has something to do."""
        return bool(self.assignments)

    def send(self, *orders: Assignment) -> None:
        """Give it orders."""
        numbers = range(self._sent, self._sent + len(orders))
        orders = tuple(one._replace(number=n) for one, n in zip(orders, numbers, strict=True))
        self._sent += len(orders)
        self.assignments.extend(orders)
        with suppress(OSError):  # it has died: that is found out soon
            self.connection.send_bytes(pickle.dumps(orders))

    def take_back(self) -> list[Assignment]:
        """Take back the orders that it has not begun, and return them."""
        first = self.state.take_back(self._sent)
        taken = [one for one in self.assignments if one.number >= first]
        self.assignments = deque(one for one in self.assignments if one.number < first)
        return taken

    def receive(self) -> Report:
        """Return what it has sent; raise EOFError or OSError if it has ended."""
        report = Report.from_bytes(self.connection.recv_bytes())
        self.has_reported = True
        return report

    def dismiss(self) -> None:
        """Tell it that there is nothing more to do."""
        with suppress(OSError):
            self.connection.send_bytes(pickle.dumps(()))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            if self.process.is_alive():
                os.kill(self.process.pid, number)

    def kill(self, *, is_stuck: bool) -> None:
        """Kill it, once it has written its stacks."""
        self.is_stuck, self.is_being_killed = is_stuck, True
        self._kill_at = monotonic() + _DUMP_TIME
        self.signal(stack_dumps.DUMP_SIGNAL)

    def finish_kill(self) -> None:
        """Kill it for good if it has had the time to write its stacks."""
        if monotonic() >= self._kill_at:
            self.kill_now()

    def kill_now(self) -> None:
        """Kill it, with the child processes of its tests."""
        pid: int = self.process.pid
        for child in _descendants(pid):
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        self.signal(signal.SIGKILL)
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended, and kill it if it doesn't; return its exit code."""
        self.process.join(_EXIT_TIME)
        if self.process.is_alive():
            self.kill_now()
            self.process.join()
        code: int = self.process.exitcode or 0
        if code:
            self.kill_now()  # what its tests have started
        return code

    def stack(self) -> list[FrameSummary]:
        """Return the user's frames that its main thread ran last, outermost first."""
        return stack_dumps.frames_of_thread(self.folder, self._thread)

    def close(self) -> None:
        """Wait until it has ended."""
        self.wait()
        self.connection.close()
        self.process.close()


def _descendants(pid: int) -> list[int]:
    """Return the child processes of a process, and theirs; none where the system doesn't tell."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *_descendants(child)]
    return found
