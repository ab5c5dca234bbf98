"""Time limits: how long a test or a fixture may take, and what happens at the limit.

1. There is one `Deadline` at a time: that of a test with all its fixtures, or that of a fixture of
   a class, module or layer. On a loop, the `runner` cancels the coroutine when it passes.
2. Code that doesn't await is interrupted by an alarm (`alarms`), a bit later. The alarm raises an
   `Overrun` if user code is at the end of the stack. If the code goes on, it does so again.
3. Code that catches every exception is stuck. Then the run ends, with all its reports
   (`TimeLimits.on_stuck`). In a worker, the main process kills it instead.
4. When the limit of a test has passed, ``tearDown`` and the cleanups get the same time again. If
   that passes too, the rest gets it again.

In virtual time, the limit of a tag counts by the virtual clock, and that of the setting counts real
time. While a debugger is at work, nothing is limited.
"""

from __future__ import annotations

import asyncio
import math
import os
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError
from nose2_aio.eventloop import event_loops, instrumented, selector
from nose2_aio.eventloop.alarms import Alarm, Overrun
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.introspection import await_chains, locations, tracebacks
from nose2_aio.introspection.debuggers import is_debugged, is_in_debugger
from nose2_aio.reporting import hang_report
from nose2_aio.reporting.notes import Notes
from nose2_aio.running.deadlines import Deadline, Limit, VirtualTime
from nose2_aio.running.slow_tests import Running, SlowTests

__all__ = ["TimeLimits", "call_users_code", "calls_users_code"]

_SLACK = 0.1
"""Seconds from the limit to the alarm. In this time, the loop can cancel the code first."""
_RETRY = 0.02
"""Seconds until the next alarm, if nothing could be interrupted."""
_PATIENCE = 1.0
"""Seconds until the next alarm, if code was interrupted and goes on."""
_PATIENT_TIMES = 4
"""After how many alarms they come every `_RETRY` seconds."""
_MAX_TIMES = 50
"""After how many alarms the code is stuck: it catches every exception."""
_BLOCKED = 1.0
"""Seconds by which an alarm comes too late if C code has run that can't be interrupted."""
_RUNNERS = ("nose2", "nose2_aio")
_CALLBACK = locations.code_of(asyncio.Handle, "_run")
_LIBRARY = (str(Path(os.__file__).parent), "<frozen ")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_callers: list[CodeType] = []
"""The code of functions of ours that call code of the user."""


class TimeLimits:
    """Keeps the deadline of the test or fixture that runs in this thread."""

    deadline: Deadline | None = None
    virtual: VirtualTime | None = None
    """The virtual time of what runs; None if its time is real."""
    waits: WaitTimes | None = None
    """Records how long the test waits; None if that is not recorded."""
    is_off: Callable[[], bool] = staticmethod(lambda: False)
    """Returns True if nothing is limited."""
    on_change: Callable[[float], None] | None = None
    """Called with the time of the deadline when it changes; infinity for none."""
    on_stuck: Callable[[BaseException, FrameType | None], None] | None = None
    """Called with the error, and the frame, if nothing can interrupt the code: it ends the run."""
    slow: SlowTests | None = None
    """Prints lines on what runs for long; None if there are to be none."""
    _is_set = False
    """True if the alarm is set."""

    def __init__(self, notes: Notes | None = None) -> None:
        self._alarm = Alarm()
        self.notes = Notes() if notes is None else notes

    def report_slow(self, seconds: float, running: Callable[[], Running | None]) -> SlowTests:
        """Print a line on what runs for so many seconds: ``running`` returns what that is."""
        slow = SlowTests(seconds, lambda: None if self.is_off() else running())
        self.slow = slow if slow.can_print else None
        return slow

    def begin(self, limit: Limit, virtual: VirtualTime | None = None) -> None:
        """Begin the time of a test or fixture."""
        if virtual is not None and virtual.wall is not None:
            virtual.wall.begin()
        self.virtual = virtual
        self._begin(limit)

    def end(self) -> None:
        """End the time of a test or fixture."""
        if self.virtual is not None and self.virtual.wall is not None:
            self.virtual.wall.end()
        self.deadline = self.virtual = None
        self._set_alarm()

    def set_clock(self, loop: AbstractEventLoop) -> None:
        """Make the time of a loop virtual or real, for what is about to run on it.

        Raises `LoopError` if a tag asks for virtual time and the loop can't have it. If the setting
        asks for it, the time is real, and a note says so.
        """
        virtual, loop_state = self.virtual, instrumented.state_of(loop)
        if virtual is None:
            if loop_state is not None and loop_state.clock is not None:
                loop_state.clock.is_virtual = loop_state.clock.is_always_virtual
            return
        try:
            clock = instrumented.make_virtual(loop)
            clock.held = virtual.held
            clock.set_wall_clock(virtual.wall)
        except LoopError as error:
            if virtual.is_tagged:
                raise LoopError(
                    f'{error} ({virtual.place}).\nTag the test with @aio.loop("asyncio"), or with '
                    "@aio.virtual_time(False)."
                ) from None
            self.notes.add(f"{error}; it was real there")
            self.begin(Limit() if self.deadline is None else self.deadline.limit)

    def close(self) -> None:
        """End all time limits, at the end of the run."""
        self.end()
        if self.slow is not None:
            self.slow.stop()
        self._alarm.close()

    def restart_if_over(self) -> None:
        """If the limit has passed, begin a new deadline with the same limit."""
        if self.deadline is not None and self.deadline.is_over:
            self._begin(self.deadline.limit)

    def postpone(self, seconds: float) -> None:
        """Add seconds to the real-time limit, since the run was suspended."""
        if self.slow is not None:
            self.slow.resume()
        if self.deadline is not None:
            self.deadline.when += seconds
            self._set_alarm()

    @contextmanager
    def within(self, limit: Limit) -> Iterator[Deadline | None]:
        """Inside the block, apply this limit in real time, in place of the present deadline."""
        before = self.deadline
        self.deadline = self._new_deadline(limit, None)
        self._set_alarm()
        try:
            yield self.deadline
        finally:
            self.deadline = before
            self._set_alarm()

    @contextmanager
    def time(self, limit: Limit, virtual: VirtualTime | None) -> Iterator[Deadline | None]:
        """Inside the block, give a fixture a time of its own."""
        before = self.deadline, self.virtual
        is_own = virtual is not self.virtual
        self.begin(limit, virtual) if is_own else self._begin(limit)
        try:
            yield self.deadline
        finally:
            if is_own:
                self.end()
            self.deadline, self.virtual = before
            self._set_alarm()

    def as_time_limit_error(self, error: BaseException) -> BaseException:
        """Return the time-limit error for an `Overrun`, and any other error as it is."""
        deadline = self.deadline
        if not isinstance(error, Overrun) or deadline is None:
            return error
        found = deadline.error().with_traceback(tracebacks.users_traceback(error))
        # what the code was about to raise, or to handle
        found.__cause__ = error.__context__ if isinstance(error.__context__, Exception) else None
        self.restart_if_over()
        return found

    def _begin(self, limit: Limit) -> None:
        self.deadline = self._new_deadline(limit, self.virtual)
        self._set_alarm()

    def _new_deadline(self, limit: Limit, virtual: VirtualTime | None) -> Deadline | None:
        if self.is_off():
            limit = Limit()
            virtual = None if virtual is None else virtual._replace(limit=limit)
        return Deadline(limit, virtual) if limit.seconds or virtual is not None else None

    def _set_alarm(self) -> None:
        if self.deadline is None or self.deadline.when == math.inf:
            if self._is_set:
                self._alarm.set(None)
                self._is_set = False
                self._report_change()
        else:
            self._alarm.set((self.deadline.when + _SLACK, self._interrupt))
            self._is_set = True
            self._report_change()

    def _report_change(self) -> None:
        if self.on_change is not None:
            is_limited = self.deadline is not None and not is_debugged()
            self.on_change(self.deadline.when if is_limited and self.deadline else math.inf)

    def _interrupt(self, frame: FrameType | None) -> BaseException | None:
        """Return the error to raise in the code that runs, or None to let it go on."""
        deadline = self.deadline
        if deadline is None:
            return None
        if is_debugged() or is_in_debugger(frame):
            deadline.lift()
            self._report_change()
            return None
        now = monotonic()
        if now < deadline.when:  # it was extended
            self._set_alarm()
            return None
        if self._alarm.delay > _BLOCKED and not deadline.report:
            deadline.report = _blocked(self._alarm.delay, frame)
        loop = event_loops.running()
        if loop is None and deadline.loop is not None and deadline.loop.is_running():
            loop = deadline.loop  # the alarm rings in another thread than the loop's
        if not _is_interruptible(frame, is_awaiting=loop is not None and loop is deadline.loop):
            self._alarm.set((now + _RETRY, self._interrupt))
            return None
        deadline.interrupted += 1
        if deadline.interrupted >= _MAX_TIMES and self.on_stuck is not None:
            deadline.report = hang_report.describe_loop(loop, stack=frame)
            self._alarm.set(None)
            self.on_stuck(deadline.error(), frame)
        patience = _PATIENCE if deadline.interrupted < _PATIENT_TIMES else _RETRY
        self._alarm.set((now + patience, self._interrupt))
        deadline.report = deadline.report or hang_report.describe_loop(loop, stack=frame)
        return Overrun(str(deadline.error()))


def _blocked(seconds: float, frame: FrameType | None) -> str:
    """Return the report on code that could not be interrupted when the alarm was due."""
    head = f"It ran C code, which can't be interrupted, for {seconds:.1f} s, and came to:"
    return "\n".join([head, *await_chains.format_lines(await_chains.of_frame(frame))])


def calls_users_code(function: _Function) -> _Function:
    """Decorate a function that calls code of the user: whatever it calls may be interrupted.

    `call_users_code` would be one more frame on the stack, and debug mode saves them all.
    """
    _callers.append(function.__code__)
    return function


def call_users_code(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call code of the user, and return what it returns.

    Whatever runs in this call may be interrupted.
    """
    return function(*args, **kwargs)


def _is_interruptible(frame: FrameType | None, *, is_awaiting: bool) -> bool:
    """Return True if the innermost code is the user's, or a library's that the user has called.

    ``is_awaiting`` is True if the loop of the test runs. Then asyncio's code is not interrupted.
    """
    is_in_loop, innermost = False, frame
    while frame is not None:
        code, package = frame.f_code, locations.package_of(frame)
        if code is _CALLBACK or code is call_users_code.__code__:
            return True
        if code in _callers:
            return frame is not innermost
        if package == "asyncio" or frame.f_globals is vars(selector):
            if is_awaiting:
                return False
            is_in_loop = True  # the test runs another loop, maybe with a decorator of ours
        elif package in _RUNNERS:
            if package == "nose2" or not is_in_loop:
                return False
        elif package != "unittest" and not code.co_filename.startswith(_LIBRARY):
            return True
        frame = frame.f_back
    return False
