"""The host task: coroutines are run in it one after the other, and it knows why it was cancelled.

These coroutines are its jobs: a test, its fixtures, its cleanups. A task group or cancel scope that
one job enters, and a later job leaves, cancels the host task at any time:

- If a job runs then, it is cancelled.
- If the host task is idle, between two jobs, the next job is cancelled.

A cancelled job should fail with the error that is the reason for its cancellation, such as the
exception of another task in the task group. So `HostTask.cancel` looks for that error.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import sys
from types import FrameType
from typing import Any

from nose2_aio.introspection import locations, tracebacks

__all__ = ["HostTask"]

_PACKAGE = __name__.partition(".")[0]
_COROUTINE = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE


class HostTask(asyncio.Task[None]):
    """A task that runs jobs, and is idle between them."""

    is_idle = False
    """True between two jobs."""
    is_hidden = False
    """True if `asyncio.all_tasks` does not return it."""
    was_cancelled = False
    """True if it was cancelled while it was idle: the next job has to be cancelled."""
    cause: BaseException | None = None
    """The error that is the reason for the last cancellation, if it is known.

    Either another task failed with it, or it is our `TimeoutError` for an `asyncio.timeout`.
    """
    cancellation: asyncio.CancelledError | None = None
    """The exception of the last job that was cancelled."""

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the job that runs, or else the next one."""
        cause = self._find_cause(sys._getframe(1))
        if cause is not None:
            self.cause = cause
            # our `TimeoutError` has no traceback: the timeout of the test raises its own error
            if msg is None and cause.__traceback__ is not None:
                msg = f"for {type(cause).__name__}: {cause}"
        if self.is_idle:
            self.note_cancellation()
            return True
        return super().cancel(msg)

    def uncancel(self) -> int:
        """Take back a cancellation: the code that asked for it has handled it."""
        remaining = super().uncancel()
        if not remaining:
            self.cause = None
        return remaining

    def hide(self) -> None:
        """Hide it from `asyncio.all_tasks`. Code that awaits all tasks would never end."""
        if not self.is_hidden:
            self.is_hidden = True
            asyncio._unregister_task(self)

    def show(self) -> None:
        """Let `asyncio.all_tasks` return it again, as any other task."""
        self.is_hidden = False
        asyncio._register_task(self)

    def note_cancellation(self) -> None:
        """Cancel the next job, unless a job was cancelled before.

        anyio cancels again and again until its cancel scope is left. So it will cancel the next job
        if it must, and ``tearDown`` is not cancelled without need.
        """
        self.was_cancelled = self.cancellation is None

    def explained(self, error: BaseException) -> BaseException:
        """Return the error to raise for a failed job: the reason for its cancellation, if known."""
        cause = self.cause
        if not isinstance(error, asyncio.CancelledError):
            return error
        self.cancellation = error
        self.was_cancelled = False
        if cause is None:
            return error
        error.__cause__ = cause  # so the code that leaves a context later can find it
        if cause.__traceback__ is None:
            return cause.with_traceback(error.__traceback__)
        if not hasattr(cause, "__notes__"):
            place = tracebacks.innermost_place(error)
            where = f"in {place}" if place else "outside of your code"
            cause.add_note(f"It failed in the background. The running code was cancelled {where}")
        return cause

    def _find_cause(self, frame: FrameType | None) -> BaseException | None:
        """Return the reason for a cancellation, given the frame that calls `cancel`.

        No public function tells the reason, and later the failed task may be gone. So we look for
        it on the stack:

        1. Go outwards to the callback that the event loop has called. A task group cancels its
           parent in the done callback of a failed task. A timeout does it in its own method.
        2. The failed task, or the timeout, is an argument of this callback.
        3. If it is a coroutine's step instead of a callback, some code has called `cancel` by
           itself. Then there is no known reason.
        4. If another host task is cancelled because of this, and awaits us, its reason is ours.
        """
        stack = self._frames_in_callback(frame)
        for one in stack:
            outer = one.f_locals.get("self") if one.f_code is HostTask.cancel.__code__ else None
            if isinstance(outer, HostTask) and outer.cause is not None:
                return outer.cause
        if not stack or stack[-1].f_code.co_flags & _COROUTINE:
            return None
        code, names = stack[-1].f_code, stack[-1].f_locals
        errors = (_failure(names.get(name)) for name in code.co_varnames[: code.co_argcount])
        return next((error for error in errors if error is not None), None)

    def _frames_in_callback(self, frame: FrameType | None) -> list[FrameType]:
        """Return the frames from a given one to the callback that the event loop has called.

        A loop that is written in C has no frames of its own. Then the next frame beyond the
        callback is one of ours, which runs the loop.
        """
        stack: list[FrameType] = []
        while frame is not None and frame.f_code is not locations.CALLBACK_CODE:
            stack.append(frame)
            frame = frame.f_back
        if frame is not None:
            return stack
        if self.get_coro().cr_frame in stack:  # type: ignore[union-attr]
            return []  # it is a step of this task
        return list(itertools.takewhile(lambda one: not _runs_loop(one), stack))


def _runs_loop(frame: FrameType) -> bool:
    is_ours = locations.package_of(frame) == _PACKAGE
    return is_ours and frame.f_code is not HostTask.cancel.__code__


def _failure(value: Any) -> BaseException | None:
    """Return the error that an argument of a callback stands for, if any."""
    if issubclass(type(value), asyncio.Timeout):
        return TimeoutError("an asyncio.timeout that was entered in a fixture has expired")
    if not issubclass(type(value), asyncio.Future) or not value.done() or value.cancelled():
        return None
    # if nobody has asked for the error yet, ``exception()`` would mark it as seen
    return None if value._log_traceback else value.exception()
