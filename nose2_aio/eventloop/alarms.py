"""Alarms: call a function at a given time, even if the thread is busy with other code.

- In the main thread, the alarm is the signal SIGALRM. Its handler runs between two steps of Python
  code. The signal also interrupts most calls in C that wait.
- In any other thread, and on Windows, the alarm is a thread that waits. It calls the function, and
  sets an exception for the first thread, which is raised there at the next step of Python code.

All alarms share the one timer of the process, which rings for the earliest of them. If the user's
code has a handler for SIGALRM, that handler stays, and there is no alarm.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from nose2_aio.config.seconds import monotonic

__all__ = ["Alarm", "OnAlarm", "Overrun", "ProcessAlarms", "process_alarms"]

OnAlarm = Callable[[FrameType | None], BaseException | None]
"""Called with the innermost frame of the thread; returns the exception to raise there, or None."""


class Overrun(BaseException):
    """Raised in code that does not await, to interrupt it after its time limit."""


class ProcessAlarms:
    """All alarms of this process that are signals: they share SIGALRM and its timer."""

    _TOLERANCE = 0.001
    """Seconds that a timer may differ from the one that we set, and still be the same."""

    def __init__(self) -> None:
        self._due = 0.0, 0.0
        """The earliest and the latest time at which the timer rings that we have set last."""
        self._alarms: dict[Alarm, float] = {}
        """The alarms that are set, and when each has to ring."""
        self.handler = self._on_signal
        """Our handler of the signal. It is installed while an alarm is set."""
        self.threads: set[int] = set()
        """The identities of our timer threads. They are no reason to wait for in a deadlock."""

    def set_timer(self, seconds: float) -> None:
        """Let the timer of the process ring in so many seconds; 0 turns it off."""
        signal.setitimer(signal.ITIMER_REAL, seconds)
        self._due = _timer_due()

    def is_ours(self) -> bool:
        """Return True if the timer of the process is the one that we have set last."""
        earliest, latest = _timer_due()
        return earliest - self._TOLERANCE < self._due[1] and latest + self._TOLERANCE > self._due[0]

    def set(self, alarm: Alarm, when: float | None) -> None:
        """Let an alarm ring at a time; None turns it off."""
        if when is None:
            self._alarms.pop(alarm, None)
        else:
            self._alarms[alarm] = when
        self._set_signal()

    def release(self) -> None:
        """Restore the default handler of the signal, if no alarm is set."""
        if not self._alarms and signal.getsignal(signal.SIGALRM) is self.handler:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def forget(self) -> None:
        """Turn all alarms off. Called in a child process that was forked: it has no timer."""
        self._alarms.clear()
        self.release()

    def _set_signal(self) -> None:
        """Install the handler, and set the timer for the earliest alarm."""
        handler = signal.getsignal(signal.SIGALRM)
        if self._alarms and handler is signal.SIG_DFL:
            signal.signal(signal.SIGALRM, self.handler)
            handler = self.handler
        if self._alarms and handler is self.handler:
            self.set_timer(_left(min(self._alarms.values())))
        elif handler is self.handler or self.is_ours():
            # the user's code may have set another timer since then: that one goes on
            self.set_timer(0)

    def _on_signal(self, _: int, frame: FrameType | None) -> None:
        now = monotonic() + self._TOLERANCE
        due = [alarm for alarm, when in self._alarms.items() if when <= now]
        for alarm in due:
            del self._alarms[alarm]
        errors = [alarm.call(frame) for alarm in due]
        self._set_signal()
        for error in errors:
            if error is not None:
                raise error


def _timer_due() -> tuple[float, float]:
    """Return the earliest and the latest time at which the timer of the process may ring.

    The two differ by how long this call takes: on a busy machine, it may be suspended meanwhile.
    """
    before = monotonic()
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    return before + left, monotonic() + left


def _left(when: float) -> float:
    """Return the seconds until a time, and more than 0 for a time that is over."""
    return max(when - monotonic(), 1e-6)


process_alarms = ProcessAlarms()
getattr(os, "register_at_fork", lambda **_: None)(after_in_child=process_alarms.forget)


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
    """An alarm of the thread that has created it."""

    _due: tuple[float, OnAlarm] | None = None
    """The time and the function to call; None if the alarm is off."""
    _timer: threading.Timer | None = None
    """The thread that waits, if the alarm is not a signal."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self.is_signal = (
            hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        )
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
            self._timer.daemon = True
            self._timer.start()

    def _on_timer(self) -> None:
        error = self.call(sys._current_frames().get(self._thread))
        if error is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(type(error))
            )
