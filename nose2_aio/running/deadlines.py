"""Time limits: how long a test or a fixture may take, and what happens at the limit.

1. A `TimeLimits` has one deadline at a time: that of the test with all its fixtures, or of one
   fixture of a class, a module or a layer. What runs on a loop is under its eye there (`runners`).
2. What doesn't await is under the eye of an alarm (`alarms`), which is set a bit later. If it rings
   while code of the user's runs, that is interrupted by an `Overrun`, again and again.
3. Behind its limit a test has the same time once more, for what is left of it: its ``tearDown`` and
   cleanups.

In virtual time a limit counts seconds of that, and there is one in real time besides.

Under a debugger nothing is limited.
"""

from __future__ import annotations

import asyncio
import math
import sys
import sysconfig
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError, TimeLimitError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.alarms import Alarm, Overrun
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.reporting.notes import Notes

__all__ = ["Deadline", "Limit", "TimeLimits", "Virtual", "call_users_code", "is_debugged"]

_SLACK = 0.1
"""Seconds that code gets beyond its limit to give the loop a chance, before it is interrupted."""
_TICK = 1e-9
"""Seconds of virtual time: what ends at its limit isn't late."""
_LATE = "It ended all the same: it blocked, or caught what was to end it."
_AGAIN = 0.02
"""Seconds until the alarm rings again, where nothing could be interrupted."""
_PATIENCE = 1.0
"""Seconds until it rings again, where something was, and goes on all the same."""
_PATIENT = 4
"""How often it rings that patiently."""
_OURS = ("nose2", "nose2_aio")
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "pydevd_frame_evaluator", "debugpy")


class Limit(NamedTuple):
    """A time limit in seconds (0: none), and where it was set."""

    seconds: float = 0.0
    place: str = ""


class Virtual(NamedTuple):
    """Virtual time, as it was asked for."""

    place: str
    """Where."""
    limit: Limit
    """How long what runs in it may take in real time."""
    wall: WallClock | None = None
    """The time of day, if that is to move along."""
    is_tagged: bool = True
    """Whether a tag asks for it, or else the setting."""


class Deadline:
    """The time until which a test, or a fixture, has to be done."""

    report = ""
    """What was going on at the limit."""
    loop: AbstractEventLoop | None = None
    """The loop that runs under its eye."""
    _until = math.inf
    """When it has passed by the clock that it counts by."""
    interrupted = 0
    """How often code that doesn't await was interrupted."""

    def __init__(self, limit: Limit, virtual: Virtual | None = None) -> None:
        self.limit = limit
        self._virtual = virtual
        self._clock: Clock | None = None
        self._left = math.inf
        self.when = monotonic() + limit.seconds
        if virtual is not None:
            self.when = monotonic() + (virtual.limit.seconds or math.inf)
            self._left = limit.seconds or math.inf

    @property
    def is_over(self) -> bool:
        """Whether the limit has passed."""
        return (self._is_used_up or monotonic() >= self.when) and not is_debugged()

    @property
    def virtual_left(self) -> float:
        """Seconds of virtual time until it has passed."""
        return self._left if self._clock is None else self._until - self._clock.time()

    @property
    def _is_used_up(self) -> bool:
        return self.virtual_left <= _TICK / 2

    def enter(self, loop: AbstractEventLoop, ring: Callable[[], None]) -> None:
        """Have ``ring`` called when it has passed, while a loop runs; count by that one's clock."""
        self.loop, self._clock = loop, instrumented.clock_of(loop)
        if self._clock is not None:
            self._until = self._clock.time() + self._left + _TICK
        self.set_alarm(ring)

    def set_alarm(self, ring: Callable[[], None]) -> None:
        """Have ``ring`` called on that loop, once more."""
        instrumented.set_alarm(self.loop, self.when, ring, virtual_left=self.virtual_left)

    def leave(self) -> None:
        """Have nothing called any more, and count by that clock no more."""
        if self._clock is not None:
            self._left, self._clock = self.virtual_left - _TICK, None
        instrumented.set_alarm(self.loop, None, None)
        self.loop = None

    def lift(self) -> None:
        """Have it pass never: somebody looks into the test by hand."""
        self.when = self._left = self._until = math.inf

    def extend(self, seconds: float) -> None:
        """Give it more time."""
        self.when += seconds
        self._left += seconds
        self._until += seconds

    def error(self) -> TimeLimitError:
        """Return the error for what wasn't done in time."""
        limit, virtual = self.limit, self._virtual
        message = f"not done within its time limit of {limit.seconds:g} s ({limit.place})"
        if virtual is not None and self._is_used_up:
            message = (
                f"not done within its time limit of {limit.seconds:g} s of virtual time "
                f"({limit.place})"
            )
        elif virtual is not None:
            limit = virtual.limit
            message = (
                f"not done within {limit.seconds:g} s of real time ({limit.place}), though its "
                f"time is virtual ({virtual.place})"
            )
        return TimeLimitError(f"{message}\n\n{self.report}" if self.report else message)

    def lateness(self) -> TimeLimitError:
        """Return the error for what was done, but too late."""
        error = self.error()
        error.add_note(_LATE)
        return error


class TimeLimits:
    """Keeps the deadlines of what runs in one thread."""

    deadline: Deadline | None = None
    virtual: Virtual | None = None
    """The virtual time of what runs, if it has that."""
    waits: WaitTimes | None = None
    """What the test that runs has waited for, if somebody wants to know."""
    _is_set = False
    is_off: Callable[[], bool] = staticmethod(lambda: False)
    on_change: Callable[[float], None] | None = None
    """Called with the time when the deadline passes, whenever that changes; infinity for none."""

    def __init__(self, notes: Notes | None = None) -> None:
        self._alarm = Alarm()
        self.notes = notes or Notes()

    def begin(self, limit: Limit, virtual: Virtual | None = None) -> None:
        """Begin the time of a test, or of a fixture, if that is limited or virtual."""
        if virtual is not None and virtual.wall is not None:
            virtual.wall.begin()
        self.virtual = virtual
        self._begin(limit)

    def end(self) -> None:
        """End it."""
        if self.virtual is not None and self.virtual.wall is not None:
            self.virtual.wall.end()
        self.deadline = self.virtual = None
        self._set_alarm()

    def set_clock(self, loop: AbstractEventLoop) -> None:
        """Have a loop go by the time of what is about to run on it.

        Raises `LoopError` for a loop whose time can't be virtual, if a tag wants that. Where it is
        the setting, the time is real, and that is told.
        """
        virtual, loop_state = self.virtual, instrumented.state_of(loop)
        if virtual is None:
            if loop_state is not None and loop_state.clock is not None:
                loop_state.clock.is_virtual = loop_state.clock.is_always_virtual
            return
        try:
            instrumented.make_virtual(loop).set_wall_clock(virtual.wall)
        except LoopError as error:
            if virtual.is_tagged:
                raise LoopError(
                    f'{error} ({virtual.place}).\nTag the test with @aio.loop("asyncio"), or with '
                    "@aio.virtual_time(False)."
                ) from None
            self.notes.add(f"{error}; it was real there")
            limit = Limit() if self.deadline is None else self.deadline.limit
            self.begin(limit)

    def close(self) -> None:
        """End what is left of it, with the run."""
        self.end()
        self._alarm.close()

    def renew(self) -> None:
        """Give what comes next the same time once more, if the limit has passed."""
        if self.deadline is not None and self.deadline.is_over:
            self._begin(self.deadline.limit)

    @contextmanager
    def within(self, limit: Limit) -> Iterator[Deadline | None]:
        """Limit what runs inside the block in real time, in place of what was limited before."""
        before = self.deadline
        self.deadline = self._made(limit, None)
        self._set_alarm()
        try:
            yield self.deadline
        finally:
            self.deadline = before
            self._set_alarm()

    @contextmanager
    def time(self, limit: Limit, virtual: Virtual | None) -> Iterator[Deadline | None]:
        """Have what runs inside the block have a time of its own."""
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

    def explained(self, error: BaseException) -> BaseException:
        """Return the error for what an `Overrun` has interrupted; any other as it is."""
        deadline = self.deadline
        if not isinstance(error, Overrun) or deadline is None:
            return error
        found = deadline.error().with_traceback(tracebacks.users_traceback(error))
        found.__suppress_context__ = True
        self.renew()
        return found

    def _begin(self, limit: Limit) -> None:
        self.deadline = self._made(limit, self.virtual)
        self._set_alarm()

    def _made(self, limit: Limit, virtual: Virtual | None) -> Deadline | None:
        if self.is_off():
            limit = Limit()
            virtual = None if virtual is None else virtual._replace(limit=limit)
        return Deadline(limit, virtual) if limit.seconds or virtual is not None else None

    def put_off(self, seconds: float) -> None:
        """Give what runs more time: the run was suspended."""
        if self.deadline is not None:
            self.deadline.when += seconds
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self.deadline is None or self.deadline.when == math.inf:
            if self._is_set:
                self._alarm.set(None)
                self._is_set = False
                self._note_change()
        else:
            self._alarm.set((self.deadline.when + _SLACK, self._ring))
            self._is_set = True
            self._note_change()

    def _note_change(self) -> None:
        if self.on_change is not None:
            is_limited = self.deadline is not None and not is_debugged()
            self.on_change(self.deadline.when if is_limited and self.deadline else math.inf)

    def _ring(self, frame: FrameType | None) -> BaseException | None:
        """Interrupt what runs, if it is the user's and doesn't await."""
        deadline = self.deadline
        if deadline is None:
            return None
        if is_debugged() or _is_in_debugger(frame):
            deadline.lift()
            self._note_change()
            return None
        now = monotonic()
        if now < deadline.when:  # it was extended
            self._set_alarm()
            return None
        loop = event_loops.running() or _running(
            deadline.loop
        )  # of this thread, or of the one it is for
        if not _is_interruptible(frame, is_awaiting=loop is not None and loop is deadline.loop):
            self._alarm.set((now + _AGAIN, self._ring))
            return None
        deadline.interrupted += 1
        patience = _PATIENCE if deadline.interrupted < _PATIENT else _AGAIN
        self._alarm.set((now + patience, self._ring))
        deadline.report = hang_report.describe_loop(loop, stack=frame)
        return Overrun(str(deadline.error()))


def call_users_code(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call code of the user, and return what it returns: from here on it may be interrupted."""
    return function(*args, **kwargs)


def _running(loop: AbstractEventLoop | None) -> AbstractEventLoop | None:
    return loop if loop is not None and loop.is_running() else None


def is_debugged() -> bool:
    """Tell whether a debugger is at work in this thread, or has asked to be."""
    tracer = sys.gettrace()
    module = getattr(tracer, "__module__", None) or type(tracer).__module__
    if tracer is not None and module.partition(".")[0] in _DEBUGGERS:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def _is_in_debugger(frame: FrameType | None) -> bool:
    """Tell whether a stack, which may be another thread's, ends in one."""
    while frame is not None:
        if locations.package_of(frame) in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False


def _is_interruptible(frame: FrameType | None, *, is_awaiting: bool) -> bool:
    """Tell whether to interrupt a stack: there has to be code of the user's at its end.

    What a library does for that counts as it. Of us it is those who call the user's code.
    """
    is_in_loop = False
    while frame is not None:
        code, package = frame.f_code, locations.package_of(frame)
        if code is _CALLBACK or code is call_users_code.__code__:
            return True
        if package == "asyncio" or frame.f_globals.get("__name__") == _SELECTOR:
            if is_awaiting:
                return False
            is_in_loop = True  # one that the test runs by itself, maybe with a decorator of ours
        elif package in _OURS:
            if package == "nose2" or not is_in_loop:
                return False
        elif package != "unittest" and not code.co_filename.startswith(_LIBRARY):
            return True
        frame = frame.f_back
    return False


_CALLBACK = locations.code_of(asyncio.Handle, "_run")
_SELECTOR = "nose2_aio.eventloop.selector"
_LIBRARY = (sysconfig.get_path("stdlib"), "<frozen ")
