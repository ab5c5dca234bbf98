"""Virtual time: a clock that stands still while anything runs, and jumps where a loop would wait.

The rule:

1. `Clock.time` moves only where the loop has nothing to run, and then straight to the timer that
   comes next.
2. It never overtakes the real world. While something outside of the loop may still wake it, the
   loop waits for real. What may is: a file that it watches, other than its own; a job that was
   handed to an executor; a child process; another thread; an alarm that this process has set for
   itself (`wakers`).
3. While it waits for real, the timer that comes next fires when it is due in real time: when the
   loop has waited for real, since that timer was set, for as long as there is to go.
4. `Clock.advance` moves it all the same: whoever calls that has decided.
5. The time limit of a test is a timer like any other, but the limit in real time isn't.

So a timer never fires early, by the one clock or the other. It may be late: of timers that were
set for the same virtual moment none fires before the last one of them is due.

Time is kept in whole nanoseconds, so ten sleeps of a tenth of a second make one second, exactly.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Protocol

from nose2_aio.config import seconds
from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.introspection import locations

__all__ = ["Clock", "World"]

_EXACT = 2.0**20
"""Seconds up to which nanoseconds are told apart: twelve days."""
_NANO = 1_000_000_000
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.05
"""Seconds until the first look whether something may still wake the loop, and between the last."""


class World(Protocol):
    """What a selector knows of what is outside of its loop."""

    def wait(self, timeout: float | None) -> list[Any]:
        """Wait for files for real, for so many seconds at most."""

    def is_watching(self) -> bool:
        """Tell whether there is a file that may wake the loop."""

    def can_change(self) -> bool:
        """Tell whether anything but a file may wake it."""


class Clock:
    """The clock of one event loop, in virtual time: what `nose2_aio.eventloop.virtual_clock` gives."""

    is_fixed = False
    """Whether it is virtual whatever is tagged on what runs."""
    _skipped = _waited = 0.0
    """Seconds that a real clock would have had to wait and this one has not, and that it has."""
    _is_released = False
    """Whether the last wait was over when there was nothing any more to wait for."""
    _wall: WallClock | None = None
    """What is moved along."""
    _wall_start: int | None = None
    """What that showed in nanoseconds when this one showed 0."""
    _is_virtual = True
    _offset = 0.0
    """Seconds that it is ahead of the real clock, while it is none of its own."""
    _lag = 0.0
    """Seconds that the loop has waited for real, less what the clock has moved for that."""
    _alarm: tuple[float, float, Callable[[], None]] | None = None
    """When to call what, and the lag when that was set."""

    def __init__(self, loop: AbstractEventLoop, start: float = 0.0) -> None:
        self._loop: Any = loop
        self._now = start
        self._lags: dict[float, float] = {}
        """The lag when the last timer was set for a nanosecond, where there was any."""
        self._goals: list[tuple[float, asyncio.Future[None]]] = []
        """Until when it is to be moved on, and what to complete then."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.time():g} s{'' if self._is_virtual else ', real'}>"

    def time(self) -> float:
        """Return the seconds on the clock, which the loop's own ``time()`` returns as well."""
        return self._now if self._is_virtual else monotonic() + self._offset

    def real_time(self) -> float:
        """Return the seconds on the real clock, `time.monotonic`."""
        return monotonic()

    async def advance(self, duration: float, /) -> None:
        """Move the clock on by a number of seconds, and run all that is due on the way.

        That runs in order, each at its time, with what follows from it at once, before this
        returns. The clock moves even where something outside of the loop may still wake it.

        Raises `InvalidTypeError` or `InvalidValueError` for anything else than a finite number
        >= 0; `LoopError` where time isn't virtual any more.
        """
        place = f"Clock.advance, {locations.of_caller()}"
        duration = seconds.validate(duration, name="seconds", place=place)
        if not self._is_virtual:
            raise LoopError(f"time isn't virtual any more: only then can it be moved ({place})")
        reached = self._loop.create_future()
        self._goals.append((_rounded(self._now + duration), reached))
        try:
            await reached
        finally:
            self._goals = [one for one in self._goals if one[1] is not reached]

    @property
    def is_virtual(self) -> bool:
        """Whether it is virtual now, or goes like the real one from where it was."""
        return self._is_virtual

    @is_virtual.setter
    def is_virtual(self, is_virtual: bool) -> None:
        self._now = self.time()
        self._offset = self._now - monotonic()
        self._is_virtual = is_virtual

    def note(self, when: float) -> None:
        """Note that a timer is set for a moment."""
        if self._lag:
            moment = _key(when)
            self._lags[moment] = max(self._lag, self._lags.get(moment, 0.0))

    def set_alarm(self, left: float, ring: Callable[[], None] | None) -> None:
        """Have ``ring`` called in so many seconds; or no more."""
        is_on = ring is not None and left < math.inf
        self._alarm = (self._now + left, self._lag, ring) if is_on and ring is not None else None

    def take(self) -> tuple[float, float, bool]:
        """Return the seconds that nobody had to wait, and those that the loop has; count anew.

        And whether the wait was over when there was nothing any more to wait for.
        """
        taken = self._skipped, self._waited, self._is_released
        self._skipped = self._waited = 0.0
        self._is_released = False
        return taken

    def move_along(self, wall: WallClock | None) -> None:
        """Move the time of day along, if it is given: it goes on where this clock has left it."""
        if wall is self._wall:
            return
        self._wall = wall
        if wall is not None and self._wall_start is None:
            self._wall_start = wall.now() - round(self._now * _NANO)
        self._move_wall()

    def is_to_move(self) -> bool:
        """Tell whether there is a timer, or somebody who advances the clock."""
        return bool(self._goals) or self._next() < math.inf

    def select(self, world: World, real_left: float) -> list[Any]:
        """Do what a selector does, where the loop has nothing to run.

        But don't wait longer than ``real_left`` seconds.
        """
        due = self._next()
        if self._goals:
            return world.wait(0) or self._approach(due)
        lag = self._lag_of(due)
        if self._alarm is not None and self._alarm[0] < due:
            due, lag, _ = self._alarm
        look, end = _FIRST_LOOK, 0.0
        while world.is_watching() or world.can_change():
            now = monotonic()
            end = end or now + real_left
            left = due - self._now - (self._lag - lag)
            if left <= 0:
                break
            if now >= end:
                return []
            events = world.wait(_least(left, end - now, look if world.can_change() else math.inf))
            waited = monotonic() - now
            self._lag += waited
            self._waited += waited
            if events:
                return events
            look = min(2 * look, _LAST_LOOK)
        else:
            self._is_released = end > 0
        # what has ended since may have called back before
        events = world.wait(0)
        if events:
            return events
        if due == math.inf:
            # what was waited for is gone: the loop has to look whether this is its end
            return [] if end else world.wait(_least(real_left))
        self._jump(due, lag)
        return []

    def _next(self) -> float:
        """Return for when the next timer is set."""
        timers = self._loop._scheduled
        when: float = timers[0].when() if timers else math.inf
        return when

    def _lag_of(self, when: float) -> float:
        """Return the lag when the last timer was set for a moment, or as near as asyncio looks."""
        if not self._lags:
            return 0.0
        moment = _key(when)
        return max(self._lags.get(moment, 0.0), self._lags.get(moment + 1, 0.0))

    def _approach(self, due: float) -> list[Any]:
        """Move towards the next goal, and complete it where nothing is due before."""
        goal = min(goal for goal, _ in self._goals)
        if _rounded(due) <= goal:
            self._jump(due, self._lag_of(due))
            return []
        self._jump(goal, self._lag)
        for one, reached in self._goals:
            if one <= self._now and not reached.done():
                reached.set_result(None)
        return []

    def _jump(self, due: float, lag: float) -> None:
        """Move to a moment, but not beyond the alarm; that is rung where it is due.

        ``lag`` is the one when what is due then was set: what the loop has waited for real since
        is part of the way.
        """
        alarm = self._alarm
        is_ringing = alarm is not None and alarm[0] <= due
        if alarm is not None and is_ringing:
            due, lag, _ = alarm
        before, self._now = self._now, max(_rounded(due), self._now)
        paid = min(max(self._lag - lag, 0.0), self._now - before)
        self._lag -= paid
        self._skipped += self._now - before - paid
        if self._lags:
            self._lags.pop(_key(due), None)
        if self._now >= _EXACT:
            # or asyncio would never find a timer due whose time is that of the clock
            self._loop._clock_resolution = 2 * math.ulp(self._now)
        self._move_wall()
        if alarm is not None and is_ringing:
            self._alarm = None
            alarm[2]()

    def _move_wall(self) -> None:
        if self._wall is not None:
            assert self._wall_start is not None
            self._wall.move_to(self._wall_start + round(self._now * _NANO))


def _least(*durations: float) -> float | None:
    """Return the least number of seconds, as a selector takes it."""
    least = min(durations)
    return None if least == math.inf else least


def _key(moment: float) -> float:
    """Return the number of the nanosecond of a moment, as far as floats can tell them apart."""
    return round(moment * _NANO) if moment < _EXACT else moment


def _rounded(moment: float) -> float:
    """Return a moment to the nanosecond, as far as floats can tell them apart."""
    return round(moment * _NANO) / _NANO if moment < _EXACT else moment
