"""Alarms: call a function at a given time, even if the thread is busy with other code.

- In the main thread, the alarm is the signal SIGALRM. Its handler runs between two steps of Python
  code. The signal also interrupts most calls in C that wait.
- In any other thread, and on Windows, the alarm is a thread that waits. It calls the function, and
  sets an exception for the first thread, which is raised there at the next step of Python code.

If the user's code has a handler for SIGALRM, that handler stays, and there is no alarm.
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

__all__ = ["Alarm", "OnAlarm", "Overrun", "ProcessAlarms", "process_alarms"]

OnAlarm = Callable[[FrameType | None], BaseException | None]
"""Called with the innermost frame of the thread; returns the exception to raise there, or None."""


class Overrun(BaseException):
    """Raised in code that does not await, to interrupt it after its time limit."""


class ProcessAlarms:
    """The state of all alarms of this process."""

    _TOLERANCE = 0.001
    """Seconds that a timer may differ from the one that we set, and still be the same."""

    def __init__(self) -> None:
        self._due = 0.0, 0.0
        """The earliest and the latest time at which the timer rings that we have set last."""
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


def _timer_due() -> tuple[float, float]:
    """Return the earliest and the latest time at which the timer of the process may ring.

    The two differ by how long this call takes: on a busy machine, it may be suspended meanwhile.
    """
    before = monotonic()
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    return before + left, monotonic() + left


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
    _handler_before: Any = None
    """The handler of SIGALRM to restore; None if ours is not set."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._is_signal = (
            hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        )

    def set(self, due: tuple[float, OnAlarm] | None) -> tuple[float, OnAlarm] | None:
        """Set the time, by `time.monotonic`, and the function; None turns the alarm off.

        Returns what was set before.
        """
        before, self._due = self._due, due
        if self._is_signal:
            self._set_signal()
        else:
            self._set_thread()
        return before

    def close(self) -> None:
        """Turn the alarm off, and restore the handler of the signal."""
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
            # the user's code may have set another timer since then: that one goes on
            if handler == self._on_signal or process_alarms.is_ours():
                process_alarms.set_timer(0)
            return
        if handler is signal.SIG_DFL:
            self._handler_before = handler
            signal.signal(signal.SIGALRM, self._on_signal)
        elif handler != self._on_signal:
            return
        process_alarms.set_timer(self._left())

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
        error = self._call(sys._current_frames().get(self._thread))
        if error is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(type(error))
            )

    def _call(self, frame: FrameType | None) -> BaseException | None:
        due, self._due = self._due, None
        return None if due is None else due[1](frame)
