"""The host task: coroutines are run in it one after the other, and it knows why it was cancelled.

These coroutines are its jobs: a test, its fixtures, its cleanups. A task group or cancel scope that
one job enters, and a later job leaves, cancels the host task at any time:

- If a job runs then, it is cancelled.
- If the host task is idle, between two jobs, the next job that waits is cancelled.

A cancelled job should fail with the error that is the reason for its cancellation, such as the
exception of another task in the task group. So `HostTask.cancel` looks for that error.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from nose2_aio.introspection import locations, tracebacks

__all__ = ["HostTask"]

_PACKAGE = __name__.partition(".")[0]
_ANYIO = "Cancelled via cancel scope "
"""How the message of a cancellation begins that anyio has requested."""
_EXPIRED = "deadline exceeded"
"""How it ends if the scope's deadline has passed."""
_LIBRARIES = ("anyio", "asyncio")
_COROUTINE = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ITERABLE_COROUTINE


class HostTask(asyncio.Task[None]):
    """A task that runs jobs, and is idle between them."""

    is_idle = False
    """True between two jobs."""
    is_hidden = False
    """True if `asyncio.all_tasks` does not return it."""
    was_cancelled = False
    """True if it was cancelled while it was idle: the next job that waits has to be cancelled."""
    message: Any = None
    """The message of that cancellation."""
    cause: BaseException | None = None
    """The error that is the reason for the last cancellation, if it is known.

    Either another task failed with it, or it is our `TimeoutError` for an `asyncio.timeout`.
    """
    cancellation: asyncio.CancelledError | None = None
    """The exception of the last job that was cancelled."""

    @property
    def _fut_waiter(self) -> Any:
        # anyio asks, and does not cancel a task that is about to run, but tries again later. Then
        # its reason can't be found any more
        waiter = super()._fut_waiter  # type: ignore[misc]
        is_between_jobs = self.is_idle or (self.is_hidden and waiter is not None and waiter.done())
        return None if is_between_jobs else waiter

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the job that runs, or else the next one."""
        cause = self._find_cause(sys._getframe(1))
        if cause is None and str(msg).startswith(_ANYIO) and str(msg).endswith(_EXPIRED):
            cause = TimeoutError("an anyio cancel scope that was entered in a fixture has expired")
        if cause is not None:
            self.cause = cause
            # our `TimeoutError` has no traceback: the timeout of the test raises its own error
            if msg is None and cause.__traceback__ is not None:
                msg = f"for {type(cause).__name__}: {cause}"
        if self.is_idle:
            self._note_cancellation(msg)
            return True
        return super().cancel(msg)

    def uncancel(self) -> int:
        """Take back a cancellation: the code that asked for it has handled it."""
        if self.was_cancelled:  # it has not come yet
            self.was_cancelled = False
            remaining = self.cancelling()
        else:
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

    def take_cancellation(self, error: asyncio.CancelledError) -> None:
        """Cancel the next job in place of the last one: that was over when this error came."""
        super().uncancel()
        self._note_cancellation(error.args[0] if error.args else None)

    def pass_cancellation(self) -> None:
        """Cancel the job that begins as soon as it waits, if it is to be cancelled.

        It may leave the context that has asked for it without waiting. Up to Python 3.12, a task
        that was cancelled before could not take that back then.
        """
        if self.was_cancelled:
            self.get_loop().call_soon(self._cancel_job)

    def _cancel_job(self) -> None:
        if self.was_cancelled and not self.is_idle:
            self.was_cancelled = False
            super().cancel(self.message)

    def _note_cancellation(self, message: Any) -> None:
        """Cancel the next job with this message, unless a job was cancelled before.

        Not if anyio has cancelled it. anyio cancels again and again until its cancel scope is left,
        but never at an ``await`` that it shields. So it will cancel the next job if it must.
        """
        if self.cancellation is None and not str(message).startswith(_ANYIO):
            self.was_cancelled, self.message = True, message

    def error_to_raise(self, error: BaseException) -> BaseException:
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
           itself. Then there is no known reason, unless a library did it in a plain function: the
           task group, if a task fails that is started eagerly.
        4. If another host task is cancelled because of this, and awaits us, its reason is ours.
        """
        stack = list(_plain_frames(frame))
        for one in stack:
            outer = one.f_locals.get("self") if one.f_globals is globals() else None
            if isinstance(outer, HostTask) and outer.cause is not None:
                return outer.cause
        is_step = bool(stack) and stack[-1].f_back is not None and _is_coroutine(stack[-1].f_back)
        if is_step:
            candidates = [one for one in stack if locations.package_of(one) in _LIBRARIES]
        else:
            candidates = stack[-1:]
        for one in candidates:
            code, names = one.f_code, one.f_locals
            errors = (_failure(names.get(name)) for name in code.co_varnames[: code.co_argcount])
            found = next((error for error in errors if error is not None), None)
            if found is not None:
                return found
        return None


def _plain_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames from a given one to the callback that the loop has called, or to a step.

    A loop that is written in C has no frames of its own. Then the next frame beyond the callback is
    one of ours, which runs the loop.
    """
    while (
        frame is not None
        and frame.f_code is not locations.CALLBACK_CODE
        and not _is_coroutine(frame)
        and not _runs_loop(frame)
    ):
        yield frame
        frame = frame.f_back


def _is_coroutine(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & _COROUTINE)


def _runs_loop(frame: FrameType) -> bool:
    return locations.package_of(frame) == _PACKAGE and frame.f_globals is not globals()


def _failure(value: Any) -> BaseException | None:
    """Return the error that an argument of a callback stands for, if any."""
    if issubclass(type(value), asyncio.Timeout):
        return TimeoutError("an asyncio.timeout that was entered in a fixture has expired")
    if not issubclass(type(value), asyncio.Future) or not value.done() or value.cancelled():
        return None
    # if nobody has asked for the error yet, ``exception()`` would mark it as seen
    return None if value._log_traceback else value.exception()
