"""Alarms: call a function at a given time, even if the thread is busy with other code.

- In the main thread, the alarm is a signal. Its handler runs between two steps of Python code. The
  signal also interrupts most calls in C that wait.
- In any other thread, and on Windows, the alarm is a thread that waits. It calls the function, and
  sets an exception for the first thread, which is raised there at the next step of Python code.

The signal is not SIGALRM, and its timer is not that of `signal.setitimer`: these belong to the
tested code. Where the system has no other timer, a thread waits and sends the signal.
"""

from __future__ import annotations

import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from nose2_aio.config.seconds import monotonic

__all__ = ["SIGNAL", "Alarm", "OnAlarm", "Overrun", "ProcessAlarms", "process_alarms"]

SIGNAL: int = (
    signal.SIGRTMIN + 6 if hasattr(signal, "SIGRTMIN") else getattr(signal, "SIGVTALRM", 0)
)
"""The signal of alarms. Tests are unlikely to use it."""

OnAlarm = Callable[[FrameType | None], BaseException | None]
"""Called with the innermost frame of the thread; returns the exception to raise there, or None."""


class Overrun(BaseException):
    """Raised in code that does not await, to interrupt it after its time limit."""


class _SigEvent(ctypes.Structure):
    """``struct sigevent``: send a signal."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 64),
    )


class _TimerSpec(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ("interval", "interval_ns", "seconds", "nanoseconds")
    )


class ProcessAlarms:
    """The state of all alarms of this process."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        """The identities of our timer threads. They are no reason to wait for in a deadlock."""
        self._owner = 0
        """The process that has created the timer: one that it forks has no timer."""
        self._timer: ctypes.c_void_p | None = None
        """None if the system has no timer that sends a signal of our choice, as macOS."""

    def set_timer(self, seconds: float) -> bool:
        """Let the timer send `SIGNAL` in so many seconds; 0 turns it off.

        Returns False if there is no timer.
        """
        if self._owner != os.getpid():
            self._owner, self._timer = os.getpid(), _new_timer()
        if self._timer is None:
            return False
        fraction, whole = math.modf(seconds)
        spec = _TimerSpec(0, 0, int(whole), int(fraction * 1e9))
        _LIBRARY.timer_settime(self._timer, 0, ctypes.byref(spec), None)
        return True


def _new_timer() -> ctypes.c_void_p | None:
    """Create a timer of this process; return None if the system has none."""
    create = getattr(_LIBRARY, "timer_create", None)
    timer, event = ctypes.c_void_p(), _SigEvent(signal=SIGNAL)
    if create is None or create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
        return None
    return timer


_LIBRARY: Any = ctypes.PyDLL(None) if os.name == "posix" else None
"""The library of C."""
process_alarms = ProcessAlarms()


class _AlarmThread(threading.Timer):
    """A timer thread, which is listed in `process_alarms` while it lives."""

    def run(self) -> None:
        own = threading.get_ident()
        process_alarms.threads.add(own)
        try:
            super().run()
        finally:
            process_alarms.threads.discard(own)


class Alarm:
    """The alarm of the thread that has created it. Create one for each thread, at most."""

    _due: tuple[float, OnAlarm] | None = None
    """The time and the function to call; None if the alarm is off."""
    _timer: threading.Timer | None = None
    """The thread that waits, if the alarm is not a signal."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        is_main = threading.current_thread() is threading.main_thread()
        self._is_signal = SIGNAL > 0 and is_main

    def set(self, due: tuple[float, OnAlarm] | None) -> tuple[float, OnAlarm] | None:
        """Set the time, by `time.monotonic`, and the function; None turns the alarm off.

        Returns what was set before.
        """
        before, self._due = self._due, due
        if self._is_signal and not self._set_handler():
            return before
        if not (self._is_signal and process_alarms.set_timer(self._left())):
            self._set_thread()
        return before

    def close(self) -> None:
        """Turn the alarm off, and restore the handler of the signal."""
        self.set(None)
        if self._is_signal and signal.getsignal(SIGNAL) == self._on_signal:
            signal.signal(SIGNAL, signal.SIG_DFL)

    def _left(self) -> float:
        return 0.0 if self._due is None else max(self._due[0] - monotonic(), 1e-6)

    def _set_handler(self) -> bool:
        """Set the handler of the signal again: the tested code may have reset it.

        Returns False if there is the handler of another alarm, which goes on.
        """
        handler = signal.getsignal(SIGNAL)
        if handler == self._on_signal:
            return True
        if getattr(handler, "__func__", None) is _ON_SIGNAL:
            return False
        if self._due is not None:
            signal.signal(SIGNAL, self._on_signal)
        return True

    def _on_signal(self, _: int, frame: FrameType | None) -> None:
        error = self._call(frame)
        if error is not None:
            raise error

    def _set_thread(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due is not None:
            self._timer = _AlarmThread(self._left(), self._on_timer)
            self._timer.daemon = True
            self._timer.start()

    def _on_timer(self) -> None:
        if self._is_signal:
            signal.pthread_kill(self._thread, SIGNAL)
            return
        error = self._call(sys._current_frames().get(self._thread))
        if error is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(type(error))
            )

    def _call(self, frame: FrameType | None) -> BaseException | None:
        due, self._due = self._due, None
        return None if due is None else due[1](frame)


_ON_SIGNAL = Alarm._on_signal
