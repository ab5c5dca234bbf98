"""Lines on tests and fixtures that run for long: what they wait for, while they do.

A timer for each test would cost too much. So there is one alarm for all:

1. It is set when the first test begins, for the setting ``slow`` (seconds).
2. When it rings, we look at what runs. If that has run for ``slow`` seconds, a line is printed.
3. It is set again, for the time at which what runs will have run that long, or twice as long as
   at its last line. But it rings every ``slow`` seconds at least: another test may run by then.

The alarm is a signal, so there are no such lines on Windows, nor outside of the main thread.
"""

import contextlib
import math
import os
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop import event_loops
from nose2_aio.eventloop.alarms import Alarm
from nose2_aio.introspection import await_chains
from nose2_aio.introspection.debuggers import is_debugged, is_in_debugger
from nose2_aio.reporting import verdicts
from nose2_aio.reporting.loop_tasks import LoopTasks, own_task

__all__ = ["Running", "SlowTests"]

_LOST = 1.0
"""Seconds by which an alarm may be late. After that it was lost: a test has changed its signal."""


class Running(NamedTuple):
    """What runs: a test, or a fixture of a wider scope."""

    name: str
    began: float
    """When it began, by the real clock."""


class SlowTests:
    """Prints lines on what runs for long."""

    lost_at = -math.inf
    """From this time on, the alarm has to be set again: it will not ring any more."""
    descriptor = 2
    """The file descriptor that the lines are written to."""
    _told: Running | None = None
    """What ran when the alarm rang last."""
    _next = 0.0
    """After how many seconds that gets its next line."""
    _resumed = -math.inf
    """When the process went on after a suspension: what was before doesn't count."""

    def __init__(self, seconds: float, running: Callable[[], Running | None]) -> None:
        """``running`` returns what runs; None if nothing does."""
        self._alarm = Alarm()
        self._seconds = seconds
        self._running = running
        self.can_print = seconds > 0 and self._alarm.is_signal
        """False if there is nothing to print, or no signal for it."""

    def start(self, now: float) -> None:
        """Set the alarm."""
        self._set(now, math.inf)

    def stop(self) -> None:
        """Turn the alarm off, until the next `start`."""
        self._alarm.close()
        self.lost_at = -math.inf

    def resume(self) -> None:
        """Note that the process was suspended, and goes on."""
        self._resumed = monotonic()

    def _set(self, now: float, when: float) -> None:
        when = min(when, now + self._seconds)
        self.lost_at = when + _LOST
        self._alarm.set((when, self._ring))

    def _ring(self, frame: FrameType | None) -> None:
        now = monotonic()
        self._set(now, math.inf)
        with contextlib.suppress(Exception):  # it would be raised in the test
            self._look(now, frame)

    def _look(self, now: float, frame: FrameType | None) -> None:
        """Print a line if it is time for one, and set the alarm for the next one."""
        running = self._running()
        if running is None or is_debugged() or is_in_debugger(frame):
            return
        if running != self._told:
            self._told, self._next = running, self._seconds
        began = max(running.began, self._resumed)
        if now - began >= self._next:
            line = f"{running.name} has run for {self._next:g} s: {_describe(frame)}"
            # the line of the progress may not be complete
            os.write(self.descriptor, f"\n{line}\n".encode())
            while self._next <= now - began:
                self._next *= 2
        self._set(now, began + self._next)


def _describe(frame: FrameType | None) -> str:
    """Return what the thread with this innermost frame does, and at which line, in one line."""
    line = await_chains.innermost_of_frame(frame)
    if line is not None:
        return f"is at {line.place}  {line.source}"
    loop = event_loops.running()
    found = [] if loop is None else verdicts.verdict(LoopTasks(loop, own_task(loop)))
    return found[0] if found else "is not in the test's own code"
