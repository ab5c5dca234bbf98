"""An alarm: something is called in a thread at a given time, whatever runs there.

In the main thread it is SIGALRM, whose handler runs between two steps of Python code, and wakes
most of what waits in C. Elsewhere, and on Windows, a thread of ours waits, and an exception is set
for the other one, which gets it at its next step of Python code.

A signal handler of the user's is never taken away: then there is no alarm.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from nose2_aio.seconds import monotonic

__all__ = ["Alarm", "Overrun", "PolledAlarm", "bells", "interrupt", "is_ours"]

_NEAR = 0.001
"""Seconds by which a timer may be off and still be the one that was set."""

Ring = Callable[[FrameType | None], BaseException | None]
"""Gets the innermost frame of what runs, and returns what to raise there, if anything."""


class Overrun(BaseException):
    """Interrupts code that doesn't await, at its limit."""


class _NothingError(BaseException):
    """Takes the place of what is not to be raised any more."""


def interrupt(thread: int, error: type[BaseException]) -> None:
    """Have an exception be raised in another thread, at its next step of Python code."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _forget() -> None:
    """Have the exception that is still to come in this thread not be raised any more.

    To set none in its place would leave Python 3.11 in a state in which a traced thread hangs.
    """
    with contextlib.suppress(_NothingError):
        while True:  # until it is raised, here
            interrupt(threading.get_ident(), _NothingError)


class PolledAlarm:
    """The alarm of the thread that has made it, where another thread looks whether it is due."""

    _due: tuple[float, Ring] | None = None
    _is_rung = False
    _sets = 0
    """How often its thread has set it."""

    def __init__(self, may_interrupt: Callable[[FrameType | None], bool]) -> None:
        """``may_interrupt`` tells whether what runs in a frame is to be interrupted."""
        self._thread = threading.get_ident()
        self._may_interrupt = may_interrupt
        self._guard = threading.Lock()

    def set(self, due: tuple[float, Ring] | None) -> None:
        """Have it ring at a time, by `time.monotonic`."""
        is_own = threading.get_ident() == self._thread
        with self._guard:
            self._due = due
            self._sets += is_own
            is_rung = self._is_rung and is_own
            self._is_rung = self._is_rung and not is_own
        if is_rung:
            _forget()  # what was about to come is too late

    def close(self) -> None:
        """Set it off."""
        self.set(None)

    def poll(self, frame: FrameType | None) -> bool:
        """Ring if it is due, while its thread runs ``frame``; tell whether that interrupts it."""
        due, sets = self._due, self._sets
        if due is None or monotonic() < due[0]:
            return False
        self._due = None
        error = due[1](frame)
        return error is not None and self._send(type(error), sets)

    def _send(self, error: type[BaseException], sets: int) -> bool:
        """Interrupt its thread, unless that has gone on since: to say where it is takes time."""
        with self._guard:
            now = sys._current_frames().get(self._thread)
            if self._sets != sets or not self._may_interrupt(now):
                return False
            self._is_rung = True
            interrupt(self._thread, error)
            return True


bells: set[int] = set()
"""The identities of the threads that wait to ring."""


_armed = 0.0
"""When the timer of the process that was set last by us is to ring."""


def is_ours(left: float) -> bool:
    """Tell whether the timer of the process that rings in so many seconds is one of ours."""
    return abs(_armed - monotonic() - left) < _NEAR


class _Bell(threading.Timer):
    """Waits to ring."""

    def run(self) -> None:
        own = threading.get_ident()
        bells.add(own)
        try:
            super().run()
        finally:
            bells.discard(own)


class Alarm:
    """The one alarm of the thread that has made it."""

    _due: tuple[float, Ring] | None = None
    _timer: threading.Timer | None = None
    _handler_before: Any = None

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._by_signal = (
            hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        )

    def set(self, due: tuple[float, Ring] | None) -> tuple[float, Ring] | None:
        """Have it ring at a time, by `time.monotonic`; return what was set before."""
        before, self._due = self._due, due
        if self._by_signal:
            self._set_signal()
        else:
            self._set_timer()
        return before

    def close(self) -> None:
        """Set it off, and restore the signal's handler."""
        self.set(None)
        if self._handler_before is not None:
            if signal.getsignal(signal.SIGALRM) == self._on_signal:
                signal.signal(signal.SIGALRM, self._handler_before)
            self._handler_before = None

    def _left(self) -> float:
        assert self._due is not None
        return max(self._due[0] - monotonic(), 1e-6)

    def _set_signal(self) -> None:
        handler = signal.getsignal(signal.SIGALRM)
        if self._due is None:
            # one that somebody else has set since is left to ring
            left = signal.getitimer(signal.ITIMER_REAL)[0]
            if handler == self._on_signal or is_ours(left):
                signal.setitimer(signal.ITIMER_REAL, 0)
            return
        if handler is signal.SIG_DFL:
            self._handler_before = handler
            signal.signal(signal.SIGALRM, self._on_signal)
        elif handler != self._on_signal:
            return
        global _armed  # noqa: PLW0603 -- there is one such timer in a process
        _armed = self._due[0]
        signal.setitimer(signal.ITIMER_REAL, self._left())

    def _on_signal(self, _: int, frame: FrameType | None) -> None:
        error = self._ring(frame)
        if error is not None:
            raise error

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due is not None:
            self._timer = _Bell(self._left(), self._on_timer)
            self._timer.daemon = True
            self._timer.start()

    def _on_timer(self) -> None:
        error = self._ring(sys._current_frames().get(self._thread))
        if error is not None:
            interrupt(self._thread, type(error))

    def _ring(self, frame: FrameType | None) -> BaseException | None:
        due, self._due = self._due, None
        return None if due is None else due[1](frame)
