"""The host task, which jobs run in one after another, and what it knows of its cancellation.

A task group or cancel scope that was entered in one job and is left in a later one cancels the
host whenever it likes. Between two jobs there is nothing to cancel: then it is the next one that
is cancelled. And the one that was cancelled wants to know why.
"""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

from nose2_aio import stacks

__all__ = ["Host"]


class Host(asyncio.Task[None]):
    """A task that is idle between its jobs."""

    is_idle = False
    was_cancelled = False
    """Whether somebody cancelled it while it was idle."""
    cause: BaseException | None = None
    """What the task failed with whose failure made somebody cancel this one, or a timeout."""
    cancellation: asyncio.CancelledError | None = None
    """What the last job that was cancelled has raised."""

    def explained(self, error: BaseException) -> BaseException:
        """Return what a job failed with: for a cancellation, what that was for, if we know."""
        cause, self.cause = self.cause, None
        if not isinstance(error, asyncio.CancelledError):
            return error
        self.cancellation = error
        self.was_cancelled = False
        if cause is None:
            return error
        error.__cause__ = cause  # so that what leaves a context can tell
        if cause.__traceback__ is None:
            return cause.with_traceback(error.__traceback__)
        place = stacks.innermost_place(error)
        note = f"It failed in the background. What ran was cancelled: {place}"
        if place and note not in getattr(cause, "__notes__", ()):
            cause.add_note(note)
        return cause

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the job that runs, or else the next one."""
        self.cause = _cause(sys._getframe(1)) or self.cause
        if self.is_idle:
            # who cancels until the scope is left, as anyio does, will do so again
            self.was_cancelled = self.cancellation is None
            return True
        return super().cancel(msg)


def _cause(frame: FrameType | None) -> BaseException | None:
    """Find what a cancellation is for, among those who call for it.

    A task group cancels its parent in the callback of the task that has failed, and a timeout
    does in a method of its own. Nothing public tells, and later the failed task may be gone.
    """
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, asyncio.Timeout):
                return TimeoutError("an asyncio.timeout that was entered in a fixture has expired")
            # to ask for an exception that nobody has asked for would hide that
            if isinstance(value, asyncio.Future) and value.done() and not value._log_traceback:
                error = None if value.cancelled() else value.exception()
                if error is not None:
                    return error
        frame = frame.f_back
        if frame is not None and frame.f_code.co_filename == asyncio.events.__file__:
            return None  # the loop itself
    return None
