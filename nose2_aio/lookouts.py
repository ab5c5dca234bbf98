"""A lookout: it looks from the main thread at what runs in another one, and blocks there.

There it plays the part of SIGALRM and SIGINT: it sets an exception in that thread, which gets it at
its next step of Python code. What was interrupted twice in the same place is stuck in C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import NamedTuple

from nose2_aio import alarms, chains, reports, stacks
from nose2_aio.alarms import PolledAlarm
from nose2_aio.batons import Turn
from nose2_aio.deadlines import Timekeeper
from nose2_aio.errors import InterruptedRunError
from nose2_aio.seconds import monotonic

__all__ = ["Lookout"]

_PATIENCE = 1.0
"""Seconds until something is stuck that was interrupted, and is where it was."""
_SLOW = 0.25
"""Seconds after which it is noted where a test blocks."""


class _Spot(NamedTuple):
    """Where something was interrupted."""

    where: tuple[int, int]
    moment: float
    error: Callable[[], BaseException]
    """Makes what to report it with."""


class Lookout:
    """Looks at the one thread that has a turn; all but `take_place` is called in the main one."""

    is_stuck = False
    """Whether it was interrupted twice in the same place, to no effect."""
    _blocked_at = ""
    """Where it was seen blocking."""
    _spot: _Spot | None = None
    """Where it was when it was interrupted last."""

    def __init__(self, turn: Turn, keeper: Timekeeper, alarm: PolledAlarm) -> None:
        self.turn = turn
        self._keeper = keeper
        self._alarm = alarm

    def look(self, frame: FrameType | None, seconds: float) -> None:
        """Look at what runs in ``frame``: for so many seconds without a pause."""
        if seconds >= _SLOW and not self._blocked_at:
            self._blocked_at = next((line.place for line in chains.of_frame(frame)[::-1]), "")
        if self._spot is not None and seconds < monotonic() - self._spot.moment:
            self._spot = None  # it has gone on since
        deadline = self._keeper.deadline
        if self._alarm.poll(frame) and deadline is not None:
            self._note_spot(frame, deadline.error)
        elif self._spot is not None and monotonic() - self._spot.moment > _PATIENCE:
            self.is_stuck = self._spot.where == _where(frame)
            if not self.is_stuck:  # it has gone on, and blocks elsewhere: it wasn't told not to
                self._spot = None

    def take_place(self) -> str:
        """Return where it was seen blocking, or "", and forget it."""
        place, self._blocked_at = self._blocked_at, ""
        return place

    def interrupt(self, frame: FrameType | None) -> None:
        """Interrupt what runs in ``frame``, as Ctrl-C does in the main thread."""
        alarms.interrupt(self.turn.thread, KeyboardInterrupt)
        report = reports.hang(None, stack=frame)
        self._note_spot(frame, lambda: InterruptedRunError(f"interrupted by Ctrl-C\n\n{report}"))

    def error(self) -> BaseException:
        """Return the error for what is stuck."""
        assert self._spot is not None
        error = self._spot.error()
        error.add_note("It could not be interrupted: its thread was left behind.")
        stack = sys._current_frames().get(self.turn.thread)
        return error.with_traceback(stacks.of_frame(stack))

    def _note_spot(self, frame: FrameType | None, error: Callable[[], BaseException]) -> None:
        """Note where it was interrupted: still there the next time, it is stuck."""
        where = _where(frame)
        self.is_stuck = self._spot is not None and self._spot.where == where
        self._spot = _Spot(where, monotonic(), error)


def _where(frame: FrameType | None) -> tuple[int, int]:
    return id(frame), 0 if frame is None else frame.f_lasti
