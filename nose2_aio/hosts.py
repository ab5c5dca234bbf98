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

__all__ = ["Host"]


class Host(asyncio.Task[None]):
    """A task that is idle between its jobs."""

    is_idle = False
    was_cancelled = False
    """Whether somebody cancelled it while it was idle."""
    cause: BaseException | None = None
    """What the task failed with whose failure made somebody cancel this one, or a timeout."""

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the job that runs, or else the next one."""
        self.cause = _cause(sys._getframe(1)) or self.cause
        if self.is_idle:
            self.was_cancelled = True
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
