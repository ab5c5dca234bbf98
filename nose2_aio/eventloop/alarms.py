"""An alarm: something is called in a thread at a given time, whatever runs there.

In the main thread it is SIGALRM, whose handler runs between two steps of Python code, and wakes
most of what waits in C. Elsewhere, and on Windows, a thread of ours waits, and an exception is set
for the other one, which gets it at its next step of Python code.

A signal handler of the user's is never taken away: then there is no alarm.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from nose2_aio.config.seconds import monotonic

__all__ = ["Alarm", "Overrun", "bells", "is_ours"]

_NEAR = 0.001
"""Seconds by which a timer may be off and still be the one that was set."""

Ring = Callable[[FrameType | None], BaseException | None]
"""Gets the innermost frame of what runs, and returns what to raise there, if anything."""


class Overrun(BaseException):
    """Interrupts code that doesn't await, at its limit."""


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
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(type(error))
            )

    def _ring(self, frame: FrameType | None) -> BaseException | None:
        due, self._due = self._due, None
        return None if due is None else due[1](frame)
