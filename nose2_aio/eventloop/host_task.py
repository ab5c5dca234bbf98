"""The host task, which jobs run in one after another, and what it knows of its cancellation.

A task group or cancel scope that was entered in one job and is left in a later one cancels the
host whenever it likes. Between two jobs there is nothing to cancel: then it is the next one that
is cancelled. And the one that was cancelled wants to know why.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from types import FrameType
from typing import Any

from nose2_aio.introspection import tracebacks

__all__ = ["HostTask"]

_PACKAGE = __name__.partition(".")[0]
_COROUTINE = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE


class HostTask(asyncio.Task[None]):
    """A task that is idle between its jobs."""

    is_idle = False
    is_hidden = False
    was_cancelled = False
    """Whether somebody cancelled it while it was idle."""
    cause: BaseException | None = None
    """What the task failed with whose failure made somebody cancel this one, or a timeout."""
    cancellation: asyncio.CancelledError | None = None
    """What the last job that was cancelled has raised."""

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the job that runs, or else the next one."""
        cause = _cause(sys._getframe(1))
        if cause is not None:
            self.cause = cause
            if (
                msg is None and cause.__traceback__ is not None
            ):  # a timeout of the test's own speaks
                msg = f"for {type(cause).__name__}: {cause}"
        if self.is_idle:
            self.note_cancellation()
            return True
        return super().cancel(msg)

    def hide(self) -> None:
        """Keep it out of what `asyncio.all_tasks` returns: who waits for all would never end."""
        if not self.is_hidden:
            self.is_hidden = True
            asyncio._unregister_task(self)

    def show(self) -> None:
        """Have it in there again, as any other task."""
        self.is_hidden = False
        asyncio._register_task(self)

    def uncancel(self) -> int:
        """Take a cancellation back: who was cancelled has dealt with it."""
        remaining = super().uncancel()
        if not remaining:
            self.cause = None
        return remaining

    def note_cancellation(self) -> None:
        """Have the next job be cancelled.

        But not where one was: who cancels until the scope is left, as anyio does, will do so
        again, and ``tearDown`` is to run.
        """
        self.was_cancelled = self.cancellation is None

    def explained(self, error: BaseException) -> BaseException:
        """Return what a job failed with: for a cancellation, what that was for, if we know."""
        cause = self.cause
        if not isinstance(error, asyncio.CancelledError):
            return error
        self.cancellation = error
        self.was_cancelled = False
        if cause is None:
            return error
        error.__cause__ = cause  # so that what leaves a context can tell
        if cause.__traceback__ is None:
            return cause.with_traceback(error.__traceback__)
        place = tracebacks.innermost_place(error) or "where none of your code was"
        if not hasattr(cause, "__notes__"):
            cause.add_note(f"It failed in the background. What ran was cancelled: {place}")
        return cause


def _cause(frame: FrameType | None) -> BaseException | None:
    """Find what a cancellation is for, in the callback that the loop has called.

    A task group cancels its parent when it is told that a task has failed, and a timeout in a
    method of its own; an outer host hands on what it was told. Nothing public says, and later the
    failed task may be gone.
    """
    while frame is not None and not _is_of_loop(frame.f_back):
        if frame.f_globals.get("__name__") == __name__:
            host = frame.f_locals.get("self")
            if isinstance(host, HostTask) and host.cause is not None:
                return host.cause
        frame = frame.f_back
    if frame is None or frame.f_code.co_flags & _COROUTINE:
        return None  # somebody's own code
    for name in frame.f_code.co_varnames[: frame.f_code.co_argcount]:
        error = _failure(frame.f_locals.get(name))
        if error is not None:
            return error
    return None


def _failure(value: Any) -> BaseException | None:
    if issubclass(type(value), asyncio.Timeout):
        return TimeoutError("an asyncio.timeout that was entered in a fixture has expired")
    if not issubclass(type(value), asyncio.Future) or not value.done() or value.cancelled():
        return None
    # to ask for an exception that nobody has asked for would hide that
    return None if value._log_traceback else value.exception()


def _is_of_loop(frame: FrameType | None) -> bool:
    """Tell whether a frame is that of the loop, or, for a loop that has none, of its caller."""
    if frame is None:
        return False
    name: str = frame.f_globals.get("__name__", "")
    return name in ("asyncio.events", f"{_PACKAGE}.running.runner")
