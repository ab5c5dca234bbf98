"""Time limits: how long a test or a fixture may take, and what happens at the limit.

1. A `Timekeeper` has one deadline at a time: that of the test with all its fixtures, or of one
   fixture of a class, a module or a layer. What runs on a loop is under its eye there (`runners`).
2. What doesn't await is under the eye of an alarm (`alarms`), which is set a bit later. If it rings
   while code of the user's runs, that is interrupted by an `Overrun`, again and again.
3. Behind its limit a test has the same time once more, for what is left of it: its ``tearDown`` and
   cleanups.

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
from time import monotonic
from types import FrameType
from typing import NamedTuple

from nose2_aio import loops, places, reports, stacks
from nose2_aio.alarms import Alarm, Overrun
from nose2_aio.errors import TimeLimitError

__all__ = ["Deadline", "Limit", "Timekeeper", "is_debugged"]

_SLACK = 0.1
"""Seconds that code gets beyond its limit to give the loop a chance, before it is interrupted."""
_LATE = "It ended all the same: it blocked, or caught what was to end it."
_AGAIN = 0.02
"""Seconds until the alarm rings again, where nothing could be interrupted."""
_PATIENCE = 1.0
"""Seconds until it rings again, where something was, and goes on all the same."""
_PATIENT = 4
"""How often it rings that patiently."""
_OURS = ("nose2", "nose2_aio")
_CALLERS = ("_call_guarded", "_call_users_fixture", "_call_users_code")
"""The functions of ours that call the user's, by name."""
_DEBUGGERS = ("bdb", "pdb", "pydevd", "_pydevd_bundle", "pydevd_frame_evaluator", "debugpy")


class Limit(NamedTuple):
    """A time limit in seconds (0: none), and where it was set."""

    seconds: float = 0.0
    place: str = ""


class Deadline:
    """The time until which a test, or a fixture, has to be done."""

    report = ""
    """What was going on at the limit."""
    loop: AbstractEventLoop | None = None
    """The loop that runs under its eye."""
    interrupted = 0
    """How often code that doesn't await was interrupted."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.when = monotonic() + limit.seconds

    @property
    def is_over(self) -> bool:
        """Whether the limit has passed."""
        return monotonic() >= self.when and not is_debugged()

    def lift(self) -> None:
        """Have it pass never: somebody looks into the test by hand."""
        self.when = math.inf

    def extend(self, seconds: float) -> None:
        """Give it more time."""
        self.when += seconds

    def error(self) -> TimeLimitError:
        """Return the error for what wasn't done in time."""
        limit = self.limit
        message = f"not done within its time limit of {limit.seconds:g} s ({limit.place})"
        return TimeLimitError(f"{message}\n\n{self.report}" if self.report else message)

    def lateness(self) -> TimeLimitError:
        """Return the error for what was done, but too late."""
        error = self.error()
        error.add_note(_LATE)
        return error


class Timekeeper:
    """Keeps the deadlines of what runs in one thread."""

    deadline: Deadline | None = None
    _is_set = False
    is_off: Callable[[], bool] = staticmethod(lambda: False)

    def __init__(self) -> None:
        self._alarm = Alarm()

    def begin(self, limit: Limit) -> None:
        """Begin the time of a test, or of a fixture, if it has a limit."""
        self.deadline = Deadline(limit) if limit.seconds and not self.is_off() else None
        self._set_alarm()

    def end(self) -> None:
        """End it."""
        self.deadline = None
        self._set_alarm()

    def close(self) -> None:
        """End what is left of it, with the run."""
        self.deadline = None
        self._alarm.close()

    def renew(self) -> None:
        """Give what comes next the same time once more, if the limit has passed."""
        if self.deadline is not None and self.deadline.is_over:
            self.begin(self.deadline.limit)

    @contextmanager
    def within(self, limit: Limit) -> Iterator[Deadline | None]:
        """Limit what runs inside the block, in place of what was limited before."""
        before = self.deadline
        self.begin(limit)
        try:
            yield self.deadline
        finally:
            self.deadline = before
            self._set_alarm()

    def explained(self, error: BaseException) -> BaseException:
        """Return the error for what an `Overrun` has interrupted; any other as it is."""
        deadline = self.deadline
        if not isinstance(error, Overrun) or deadline is None:
            return error
        found = deadline.error().with_traceback(stacks.users(error))
        found.__suppress_context__ = True
        self.renew()
        return found

    def _set_alarm(self) -> None:
        if self.deadline is None:
            if self._is_set:
                self._alarm.set(None)
                self._is_set = False
        else:
            self._alarm.set((self.deadline.when + _SLACK, self._ring))
            self._is_set = True

    def _ring(self, frame: FrameType | None) -> BaseException | None:
        """Interrupt what runs, if it is the user's and doesn't await."""
        deadline = self.deadline
        if deadline is None:
            return None
        if is_debugged():
            deadline.lift()
            return None
        now = monotonic()
        if now < deadline.when:  # it was extended
            self._set_alarm()
            return None
        loop = loops.running()
        if not _is_interruptible(frame, is_awaiting=loop is not None and loop is deadline.loop):
            self._alarm.set((now + _AGAIN, self._ring))
            return None
        deadline.interrupted += 1
        patience = _PATIENCE if deadline.interrupted < _PATIENT else _AGAIN
        self._alarm.set((now + patience, self._ring))
        deadline.report = reports.hang(loop, stack=frame)
        return Overrun(str(deadline.error()))


def is_debugged() -> bool:
    """Tell whether a debugger is at work in this thread, or has asked to be."""
    tracer = sys.gettrace()
    module = getattr(tracer, "__module__", None) or type(tracer).__module__
    if tracer is not None and module.partition(".")[0] in _DEBUGGERS:
        return True
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


def _is_interruptible(frame: FrameType | None, *, is_awaiting: bool) -> bool:
    """Tell whether to interrupt a stack: there has to be code of the user's at its end.

    What a library does for that counts as it. Of us it is those who call the user's code.
    """
    is_in_loop = False
    while frame is not None:
        code, package = frame.f_code, places.package(frame)
        if code is _CALLBACK or code.co_name in _CALLERS:
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


_CALLBACK = asyncio.Handle._run.__code__
_SELECTOR = "nose2_aio.watched"
_LIBRARY = (sysconfig.get_path("stdlib"), "<frozen ")
