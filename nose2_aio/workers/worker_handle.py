"""A worker process as the main process sees it: start it, give it assignments, end it."""

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
"""Seconds that a worker gets to end by itself, unless another time is set."""


class WorkerHandle:
    """A worker process."""

    def __init__(
        self, context: BaseContext, folder: Path, target: Callable[..., None], *args: object
    ) -> None:
        """Start a process that calls ``target`` with a `Channel` and ``args``.

        ``folder`` is created for the files of the worker.
        """
        self.assignments: deque[Assignment] = deque()
        """Its assignments that are not over. It works on the first one."""
        self.reported: set[int] = set()
        """The positions of the tests of the first assignment that it has reported."""
        self.started: int | None = None
        """The position of the test of which it has reported the start, and not yet the end."""
        self.has_reported = False
        """True if it has sent a report."""
        self.is_stuck = False
        """True if it is killed because a time limit has passed."""
        self.exit_time = _EXIT_TIME
        """Seconds that it gets to end by itself when it has no more work."""
        self.is_being_killed = False
        self._kill_at = 0.0
        self._sent = 0
        """How many assignments it has got."""
        self.folder = folder
        """The folder of its files."""
        folder.mkdir()
        self.state = WorkerState(context)
        self.connection, theirs = context.Pipe()
        channel = Channel(theirs, self.state, folder, os.getpid())
        self._thread = threading.main_thread().ident or 0
        # not a daemon: a daemon can't have child processes
        self.process = context.Process(target=target, args=(channel, *args), name=folder.name)  # type: ignore[attr-defined]
        # the worker unblocks these signals when it is ready for them
        before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_SIGNALS)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    @property
    def is_busy(self) -> bool:
        """True if it has an assignment."""
        return bool(self.assignments)

    def send(self, *orders: Assignment) -> None:
        """Give it assignments."""
        numbers = range(self._sent, self._sent + len(orders))
        orders = tuple(one._replace(number=n) for one, n in zip(orders, numbers, strict=True))
        self._sent += len(orders)
        self.assignments.extend(orders)
        with suppress(OSError):  # it has died: the pool will notice
            self.connection.send_bytes(pickle.dumps(orders))

    def take_back(self) -> list[Assignment]:
        """Take back the assignments that it has not begun, and return them."""
        first = self.state.take_back(self._sent)
        taken = [one for one in self.assignments if one.number >= first]
        self.assignments = deque(one for one in self.assignments if one.number < first)
        return taken

    def receive(self) -> Report:
        """Return its next report; raise EOFError or OSError if it has ended."""
        report = Report.from_bytes(self.connection.recv_bytes())
        self.has_reported = True
        return report

    def dismiss(self) -> None:
        """Tell it that there is no more work, so that it ends."""
        with suppress(OSError):
            self.connection.send_bytes(pickle.dumps(()))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            if self.process.is_alive():
                os.kill(self.process.pid, number)

    def kill(self, *, is_stuck: bool) -> None:
        """Make it write its stacks. `finish_kill` kills it after that."""
        self.is_stuck, self.is_being_killed = is_stuck, True
        self._kill_at = monotonic() + _DUMP_TIME
        self.signal(stack_dumps.DUMP_SIGNAL)

    def finish_kill(self) -> None:
        """Kill it if it has had enough time to write its stacks."""
        if monotonic() >= self._kill_at:
            self.kill_now()

    def kill_now(self) -> None:
        """Kill it now, together with the child processes of its tests."""
        pid: int = self.process.pid
        for child in _descendants(pid):
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        self.signal(signal.SIGKILL)
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended; return its exit code. Kill it if that takes too long."""
        self.process.join(self.exit_time)
        if self.process.is_alive():
            self.kill_now()
            self.process.join()
        code: int = self.process.exitcode or 0
        if code:
            self.kill_now()  # the processes that its tests have started
        return code

    def stack(self) -> list[FrameSummary]:
        """Return the user's frames of its main thread's last stack, outermost first."""
        return stack_dumps.frames_of_thread(self.folder, self._thread)

    def close(self) -> None:
        """Wait until it has ended, and release its resources."""
        self.wait()
        self.connection.close()
        self.process.close()


def _descendants(pid: int) -> list[int]:
    """Return the child processes of a process, and theirs. Only Linux tells them."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *_descendants(child)]
    return found
