"""Cancel the job of a host: at its time limit, in a deadlock, and after Ctrl-C.

1. The hang report is taken before anything is cancelled: it shows where the job waits.
2. The task is cancelled. If it does not end within a grace, it is cancelled again.
3. If it does not end within another grace, the loop is abandoned.

If the job blocks meanwhile, the alarm interrupts it (`time_limits`).
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Task
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import AioError, DeadlockError
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
    "\nIt was cancelled twice and did not end: its event loop was abandoned, with all tasks on it."
)
_TIMES = 2
"""How often a job is cancelled."""
_MIN_GRACE = 0.01
"""Seconds that a cancelled job gets to finish, if the setting is less."""


class Canceller:
    """Interrupts the job of a host, and runs it to its end."""

    interruption: BaseException | None = None
    """The error to raise for the job: the loop was stopped in order to cancel it."""

    _reason: BaseException | None = None
    """The last one of these."""

    def __init__(self, loop: AbstractEventLoop, host: Host, options: RunnerOptions) -> None:
        self._loop = loop
        self._host = host
        self._time_limits = options.time_limits
        self._grace = options.grace

    def limit(self, deadline: Deadline) -> None:
        """Cancel the job at a deadline."""
        deadline.enter(self._loop, self._expire)

    def find_deadlock(self) -> None:
        """Cancel the job, which can never finish. Without a job, raise the `DeadlockError` here."""
        error = DeadlockError(f"{DEADLOCK}\n\n{self.report()}".rstrip())
        if not self._host.is_busy:
            raise error
        self.interruption = self._reason = error
        self._loop.stop()

    def note_interrupt(self, error: KeyboardInterrupt) -> None:
        """Add to a Ctrl-C where the job was."""
        error.add_note(f"\n{self.report()}")

    def cancel(self) -> bool:
        """Cancel the job until it ends; return True if it has ended."""
        times = _TIMES - self._host.is_being_cancelled
        self._host.is_being_cancelled = True
        for _ in range(times):
            task = self._host.task
            if task is None or not self._host.is_busy:
                return True
            try:
                self._host.cancel()
            except RecursionError:  # tasks that wait for each other
                return False
            task.add_done_callback(self._stop)  # it may not have started
            try:
                self._run()
            except KeyboardInterrupt as error:
                if self._reason is not None:
                    error.add_note(f"\nIt was being cancelled: {self._reason}")
                raise
        return not self._host.is_busy

    def explain(self, error: BaseException, ended: BaseException | None) -> None:
        """Give the error the traceback of the job, and as its cause the error of the job."""
        if ended is None:
            return
        report, lines = str(error), tracebacks.users_lines(ended)
        error.args = (hang_report.without_lines(report, lines),)
        error.__traceback__ = tracebacks.users_traceback(ended)
        if not isinstance(ended, asyncio.CancelledError):
            error.__cause__ = ended

    def note_abandoned(self, error: BaseException) -> None:
        """Add to an error that the loop was abandoned, and say first which tasks went on."""
        lines = "\n".join(hang_report.swallowed_lines(self._loop, self._host.task))
        if lines and isinstance(error, AioError):
            head, gap, rest = str(error).partition("\n\n")
            error.args = (f"{head}\n\n{lines}{gap}{rest}",)
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
        deadline.report = deadline.report or self.report()
        self.interruption = self._reason = deadline.error()
        self._loop.stop()

    def report(self) -> str:
        """Return the hang report: where the job waits, and the other tasks of the loop."""
        return hang_report.describe_loop(self._loop, self._host.task)

    def _run(self) -> None:
        """Run the loop until the job ends, for one grace at most."""
        loop = self._loop
        grace = max(self._grace, _MIN_GRACE)
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
