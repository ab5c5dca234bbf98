"""Apply time limits: what happens when a test or a fixture reaches its deadline.

1. A `TimeLimits` has one deadline at a time: that of the test with all its fixtures, or of one
   fixture of a class, a module or a layer. On a loop, the loop's own alarm checks it (`runner`).
2. For code that doesn't await, there is another alarm (`alarms`), set a bit later. If it rings
   while the user's code runs, it interrupts that code with an `Overrun`, again and again.
3. After its limit, a test gets the same time once more for its ``tearDown`` and cleanups.

In virtual time a limit counts virtual seconds. Another limit counts real seconds.

Under a debugger nothing is limited.
"""

from __future__ import annotations

import asyncio
import math
import sysconfig
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError
from nose2_aio.eventloop import event_loops, instrumented, selector
from nose2_aio.eventloop.alarms import Alarm, Overrun
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.introspection import debuggers, locations, tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.reporting.notes import Notes
from nose2_aio.running.deadlines import Deadline, Limit, VirtualTime

__all__ = ["TimeLimits", "call_users_code"]

_SLACK = 0.1
"""Seconds that code gets beyond its limit to give the loop a chance, before it is interrupted."""
_AGAIN = 0.02
"""Seconds until the alarm rings again, where nothing could be interrupted."""
_PATIENCE = 1.0
"""Seconds until it rings again, where something was, and goes on all the same."""
_PATIENT = 4
"""How often it rings that patiently."""
_OURS = ("nose2", "nose2_aio")
# By name: a package has many modules, and no one object that all their frames share.


class TimeLimits:
    """The deadline of the test or fixture that runs in this thread, and the alarm for it."""

    deadline: Deadline | None = None
    virtual: VirtualTime | None = None
    """The virtual time of what runs, if it has that."""
    waits: WaitTimes | None = None
    """What the current test has waited for. None if that is not recorded."""
    _is_set = False
    is_off: Callable[[], bool] = staticmethod(lambda: False)
    on_change: Callable[[float], None] | None = None
    """Called with the time when the deadline passes, whenever that changes; infinity for none."""

    def __init__(self, notes: Notes | None = None) -> None:
        self._alarm = Alarm()
        self.notes = notes or Notes()

    def begin(self, limit: Limit, virtual: VirtualTime | None = None) -> None:
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

    def restart_if_over(self) -> None:
        """Restart the limit for what runs next, if the deadline has passed."""
        if self.deadline is not None and self.deadline.is_over:
            self._begin(self.deadline.limit)

    @contextmanager
    def within(self, limit: Limit) -> Iterator[Deadline | None]:
        """Limit what runs inside the block in real time, in place of what was limited before."""
        before = self.deadline
        self.deadline = self._create_deadline(limit, None)
        self._set_alarm()
        try:
            yield self.deadline
        finally:
            self.deadline = before
            self._set_alarm()

    @contextmanager
    def time(self, limit: Limit, virtual: VirtualTime | None) -> Iterator[Deadline | None]:
        """Apply another limit and another virtual time inside the block."""
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
        """Return the error for what an `Overrun` has interrupted; any other as it is."""
        deadline = self.deadline
        if not isinstance(error, Overrun) or deadline is None:
            return error
        found = deadline.error().with_traceback(tracebacks.users_traceback(error))
        found.__suppress_context__ = True
        self.restart_if_over()
        return found

    def _begin(self, limit: Limit) -> None:
        self.deadline = self._create_deadline(limit, self.virtual)
        self._set_alarm()

    def _create_deadline(self, limit: Limit, virtual: VirtualTime | None) -> Deadline | None:
        if self.is_off():
            limit = Limit()
            virtual = None if virtual is None else virtual._replace(limit=limit)
        return Deadline(limit, virtual) if limit.seconds or virtual is not None else None

    def postpone(self, seconds: float) -> None:
        """Postpone the deadline in real time, because the run was suspended."""
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
            is_limited = self.deadline is not None and not debuggers.is_debugged()
            self.on_change(self.deadline.when if is_limited and self.deadline else math.inf)

    def _ring(self, frame: FrameType | None) -> BaseException | None:
        """Interrupt what runs, if it is the user's and doesn't await."""
        deadline = self.deadline
        if deadline is None:
            return None
        if debuggers.is_debugged() or debuggers.is_in_debugger(frame):
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


def _is_interruptible(frame: FrameType | None, *, is_awaiting: bool) -> bool:
    """True if the innermost frames of a stack are the user's code.

    Code of a library that the user's code calls counts as the user's. Of this package, the
    functions that call the user's code do too.
    """
    is_in_loop = False
    while frame is not None:
        code, package = frame.f_code, locations.package_of(frame)
        if code is _CALLBACK or code is call_users_code.__code__:
            return True
        if package == "asyncio" or frame.f_globals is vars(selector):
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
_LIBRARY = (sysconfig.get_path("stdlib"), "<frozen ")
