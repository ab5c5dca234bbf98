"""Alarms: call a function at a given time, even if the thread is busy with other code.

- In the main thread, the alarm is a signal. Its handler runs between two steps of Python code. The
  signal also interrupts most calls in C that wait.
- In any other thread, and on Windows, the alarm is a thread that waits. It calls the function, and
  sets an exception for the first thread, which is raised there at the next step of Python code.

The signal is not SIGALRM, and its timer is not that of `signal.setitimer`: these belong to the
tested code. Where the system has no other timer, a thread waits and sends the signal. All alarms
share this timer, which rings for the earliest of them.
"""

from __future__ import annotations

import ctypes
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

SIGNAL: int = getattr(signal, "SIGURG", 0)
"""The signal of alarms. Without a handler it is ignored: a test may reset all handlers.

Tests are unlikely to use it.
"""

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
    """All alarms of this process that are signals: they share one signal and its timer."""

    def __init__(self) -> None:
        self.handler = self._on_signal
        """Our handler of the signal. It is installed while an alarm is set."""
        self.threads: set[int] = set()
        """The identities of our timer threads. They are no reason to wait for in a deadlock."""
        self._alarms: dict[Alarm, float] = {}
        """The alarms that are set, and when each has to ring."""
        self._owner = 0
        """The process that has created the timer: one that it forks has no timer."""
        self._timer: ctypes.c_void_p | None = None
        """None if the system has no timer that sends a signal of our choice, as macOS."""
        self._spec = _TimerSpec()
        self._spec_reference = ctypes.byref(self._spec)
        self._thread: threading.Timer | None = None
        """The thread that waits and sends the signal, if there is no such timer."""

    def set(self, alarm: Alarm, when: float | None) -> None:
        """Let an alarm ring at a time; None turns it off."""
        if when is None:
            self._alarms.pop(alarm, None)
        else:
            self._alarms[alarm] = when
        self._set_signal()

    def release(self) -> None:
        """Restore the default handler of the signal, if no alarm is set."""
        if not self._alarms and signal.getsignal(SIGNAL) is self.handler:
            signal.signal(SIGNAL, signal.SIG_DFL)

    def forget(self) -> None:
        """Turn all alarms off. Called in a child process that was forked: it has no timer."""
        self._alarms.clear()
        self.release()

    def _set_signal(self) -> None:
        """Set the timer for the earliest alarm.

        Install the handler again, since the tested code may have reset it.
        """
        is_new = self._owner != os.getpid()
        if is_new:
            self._owner, self._timer = os.getpid(), _new_timer()
        if self._alarms and (is_new or signal.getsignal(SIGNAL) is not self.handler):
            signal.signal(SIGNAL, self.handler)
        seconds = _left(min(self._alarms.values())) if self._alarms else 0.0
        if self._timer is None:
            self._set_thread(seconds)
            return
        self._spec.seconds = whole = int(seconds)
        self._spec.nanoseconds = int((seconds - whole) * 1e9)
        _LIBRARY.timer_settime(self._timer, 0, self._spec_reference, None)

    def _set_thread(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.cancel()
            self._thread = None
        if seconds:
            main = threading.main_thread().ident or 0
            self._thread = _AlarmThread(seconds, lambda: signal.pthread_kill(main, SIGNAL))
            self._thread.start()

    def _on_signal(self, _: int, frame: FrameType | None) -> None:
        now = monotonic()
        due = [alarm for alarm, when in self._alarms.items() if when <= now]
        for alarm in due:
            alarm.delay = now - self._alarms.pop(alarm)
        errors = [alarm.call(frame) for alarm in due]
        self._set_signal()
        for error in errors:
            if error is not None:
                raise error


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
getattr(os, "register_at_fork", lambda **_: None)(after_in_child=process_alarms.forget)


class _AlarmThread(threading.Timer):
    """A timer thread, which is listed in `process_alarms` while it lives."""

    daemon = True

    def run(self) -> None:
        own = threading.get_ident()
        process_alarms.threads.add(own)
        try:
            super().run()
        finally:
            process_alarms.threads.discard(own)


class Alarm:
    """An alarm of the thread that has created it."""

    _due: tuple[float, OnAlarm] | None = None
    """The time and the function to call; None if the alarm is off."""
    delay = 0.0
    """By how many seconds the last one came too late: C code has run meanwhile."""
    _timer: threading.Timer | None = None
    """The thread that waits, if the alarm is not a signal."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self.is_signal = SIGNAL > 0 and threading.current_thread() is threading.main_thread()
        """True if it is a signal, False if it is a thread."""

    def set(self, due: tuple[float, OnAlarm] | None) -> None:
        """Set the time, by `time.monotonic`, and the function; None turns the alarm off."""
        self._due = due
        if self.is_signal:
            process_alarms.set(self, None if due is None else due[0])
        else:
            self._set_thread()

    def close(self) -> None:
        """Turn the alarm off, and restore the handler of the signal if this was the last one."""
        self.set(None)
        if self.is_signal:
            process_alarms.release()

    def call(self, frame: FrameType | None) -> BaseException | None:
        """Call the function; return the exception to raise in the code that runs ``frame``."""
        due, self._due = self._due, None
        return None if due is None else due[1](frame)

    def _set_thread(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due is not None:
            self._timer = _AlarmThread(_left(self._due[0]), self._on_timer)
            self._timer.start()

    def _on_timer(self) -> None:
        error = self.call(sys._current_frames().get(self._thread))
        if error is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(type(error))
            )


def _left(when: float) -> float:
    """Return the seconds until a time, and more than 0 for a time that is over."""
    return max(when - monotonic(), 1e-6)
