"""Cancel a coroutine that can't go on or is not allowed to.

1. Before anything is cancelled, a report is made of where it waits (`hang_report`).
2. Its task is cancelled. After the grace period it is cancelled once more.
3. A task that isn't done after another grace period is abandoned, and so is its loop.

If a coroutine blocks during that time, it is interrupted by the alarm (`time_limits`).
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Task
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import DeadlockError
from nose2_aio.eventloop import instrumented
from nose2_aio.introspection import tracebacks
from nose2_aio.introspection.debuggers import is_debugged
from nose2_aio.reporting import hang_report
from nose2_aio.running.deadlines import Deadline, Limit
from nose2_aio.running.host import Host
from nose2_aio.running.runner_options import RunnerOptions

__all__ = ["DEADLOCK", "Canceller"]

DEADLOCK = "it can never finish: nothing is left that could wake its event loop"
_ABANDONED = (
    "\nIt was cancelled twice and did not end: its event loop was abandoned, with what else there "
    "is to await on it."
)
_TIMES = 2
_LEAST = 0.01
"""The shortest grace period, in seconds."""


class Canceller:
    """Interrupts the job of a host, and runs it to its end."""

    interruption: BaseException | None = None
    """The error for which the job is to be interrupted: the loop was stopped for it."""

    def __init__(self, loop: AbstractEventLoop, host: Host, options: RunnerOptions) -> None:
        self._loop = loop
        self._host = host
        self._time_limits = options.time_limits
        self._grace = options.grace

    def limit(self, deadline: Deadline) -> None:
        """Interrupt it at a deadline."""
        deadline.enter(self._loop, self._expire)

    def find_deadlock(self) -> None:
        """Interrupt what can never finish; raise where the task isn't what the loop runs for."""
        error = DeadlockError(f"{DEADLOCK}\n\n{self._report()}")
        if not self._host.is_busy:
            raise error
        self.interruption = error
        self._loop.stop()

    def note_interrupt(self, error: KeyboardInterrupt) -> None:
        """Add a report of where the coroutine was to the error of Ctrl-C."""
        error.add_note(f"\n{self._report()}")

    def cancel(self) -> bool:
        """Cancel the task as long as it is busy; return whether that helps."""
        for _ in range(_TIMES):
            task = self._host.task
            if task is None or not self._host.is_busy:
                return True
            try:
                asyncio.Task.cancel(task)
            except RecursionError:  # it waits for tasks that wait for each other
                return False
            task.add_done_callback(self._stop)  # it may not even have begun
            self._run()
        return not self._host.is_busy

    def explain(self, error: BaseException, ended: BaseException | None) -> None:
        """Have what it was interrupted with say where, given what its coroutine raised then."""
        if ended is None:
            return
        error.__traceback__ = tracebacks.users_traceback(ended)
        if not isinstance(ended, asyncio.CancelledError):
            error.__cause__ = ended

    def note_abandoned(self, error: BaseException) -> None:
        """Add to an error that the loop was abandoned."""
        error.add_note(_ABANDONED)

    def _expire(self) -> None:
        deadline = self._time_limits.deadline
        if deadline is None or not self._host.is_busy:
            return
        if is_debugged():
            deadline.lift()
            return
        if not deadline.is_over:  # it was extended
            deadline.set_alarm(self._expire)
            return
        deadline.report = deadline.report or self._report()
        self.interruption = deadline.error()
        self._loop.stop()

    def _report(self) -> str:
        return hang_report.describe_loop(self._loop, self._host.task)

    def _run(self) -> None:
        """Run the loop as long as the task is busy, but no longer than for a grace."""
        loop = self._loop
        grace = max(self._grace, _LEAST)
        loop_state = instrumented.state_of(loop)
        end = monotonic() + grace
        before = None if loop_state is None else loop_state.on_deadlock
        with self._time_limits.within(Limit(grace, "grace")) as deadline:
            if deadline is not None:
                deadline.loop = loop
            if loop_state is not None:
                loop_state.on_deadlock = None
            try:
                while self._host.is_busy and monotonic() < end:
                    instrumented.set_alarm(loop, end, loop.stop)
                    loop.run_forever()
            finally:
                instrumented.set_alarm(loop, None, None)
                if loop_state is not None:
                    loop_state.on_deadlock = before

    def _stop(self, _: Task[Any]) -> None:
        self._loop.stop()
