"""Virtual time: a clock that stands still while code runs, and jumps when the loop would wait.

The rules:

1. The clock moves only when the loop has nothing to run. Then it jumps to the next timer.
2. It is never ahead of the real world. While something outside may wake the loop, the loop waits
   for real. That may be a file whose other end isn't known to be our own
   (`nose2_aio.eventloop.own_files`), a job of an executor, a child process, another thread, or a
   timer for SIGALRM (`nose2_aio.eventloop.wakeup_sources`).
3. While the loop waits for real, the next timer fires when it is due in real time: when the loop
   has waited for real as long as the timer has left to go, since the timer was set.
4. `Clock.advance` moves the clock in any case: that is what its caller has asked for.
   `Clock.settle` keeps it from jumping until nothing outside can wake the loop, and returns then.
5. The tag ``timeout`` of a test counts virtual time. The setting ``time-limit`` counts real time.

So a timer never fires early, in virtual time or in real time. It may be late: if several timers are
set for the same moment of virtual time, all of them fire when the last one is due in real time.

How rule 3 is kept:

1. `Clock._real_wait` counts the seconds that the loop waits for real. When the clock moves, it is
   reduced by as many seconds.
2. When a timer is set, the count is recorded for the moment of the timer. Those seconds were before
   the timer, so they do not count for it.
3. Only the seconds beyond that are taken off from what a timer has left to go.

A moment is rounded to whole nanoseconds, so ten sleeps of 0.1 s are exactly one second.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection
from typing import Any, Protocol

from nose2_aio.config import seconds
from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.introspection import locations

__all__ = ["Clock", "HeldTime", "WaitingSelector"]

_EXACT = 2.0**20
"""Seconds up to which a float can hold whole nanoseconds: twelve days."""
_NANO = 1_000_000_000
_FIRST_LOOK, _LAST_LOOK = 0.001, 0.05
"""Seconds between two looks whether something may still wake the loop: at first, and at most."""

_MUCH = 0.5
"""Seconds that a test may wait for real before we tell what it waits for."""
_MAX_HOLDERS = 3


class WaitingSelector(Protocol):
    """A selector that waits for real, and knows if something outside may wake its loop."""

    def wait(self, timeout: float | None) -> list[Any]:
        """Wait for files in real time, ``timeout`` seconds at most; None: without a limit."""

    def foreign_files(self) -> Collection[int]:
        """Return the descriptors of the watched files that something outside may make ready."""

    def describe_outside(self) -> list[str]:
        """Return what outside of the loop may wake it, in words."""

    def can_be_woken(self) -> bool:
        """Return True if anything but such a file may wake the loop."""


class HeldTime:
    """How long something outside of the loop held the virtual time of one test, and what."""

    seconds = 0.0
    """How long the loop has waited for real."""

    def __init__(self, holders: list[str] | None = None) -> None:
        self.holders = holders
        """What could wake the loop when that was too long; None before that."""

    def __str__(self) -> str:
        """``waited 3.2 s for real in virtual time, for the socket to 10.0.0.1:80``."""
        shown = (self.holders or [])[:_MAX_HOLDERS]
        what = f", for {'; '.join(shown)}" if shown else ""
        return f"waited {self.seconds:.1f} s for real in virtual time{what}"

    @property
    def left(self) -> float:
        """Seconds until the wait is too long; infinity after that."""
        return _MUCH - self.seconds if self.holders is None else math.inf

    def add(self, seconds: float, describe: Callable[[], list[str]]) -> None:
        """Add a real wait. ``describe`` returns what can wake the loop."""
        self.seconds += seconds
        if self.left <= 0:
            self.holders = describe()


class Clock:
    """The virtual clock of an event loop.

    It can be switched to real time. Then it goes on from the time that it shows.
    """

    is_always_virtual = False
    """True if tags and settings don't switch it to real time."""
    _is_virtual = True
    _offset = 0.0
    """Seconds that it is ahead of `time.monotonic` while it shows real time."""
    _real_wait = 0.0
    """Seconds that the loop has waited for real, and that the clock has not moved for."""
    _alarm: tuple[float, float, Callable[[], None]] | None = None
    """When to call which function. The second number is `_real_wait` when the alarm was set."""
    _skipped = 0.0
    """Seconds that the clock has moved without a real wait, since `take_waits`."""
    _waited = 0.0
    """Seconds that the loop has waited for real, since `take_waits`."""
    _is_released = False
    """True if the last real wait ended because nothing outside could wake the loop any more."""
    held = HeldTime([])
    """Where to add how long the loop has waited for real. By default, nobody asks for that."""
    _wall: WallClock | None = None
    """The time of day that is moved together with this clock, if any."""
    _wall_start: int | None = None
    """What `_wall` showed when this clock showed 0, in nanoseconds."""

    def __init__(self, loop: AbstractEventLoop, start: float = 0.0) -> None:
        self._loop: Any = loop
        self._now = start
        self._real_wait_at: dict[float, float] = {}
        """By moment: `_real_wait` when the last timer was set for it. No entry means 0."""
        self._goals: list[tuple[float, asyncio.Future[None]]] = []
        """The times that `advance` moves to, and the futures that it awaits."""
        self._settling: list[asyncio.Future[None]] = []
        """The futures that `settle` awaits."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.time():g} s{'' if self._is_virtual else ', real'}>"

    def time(self) -> float:
        """Return the seconds on the clock. The loop's own ``time()`` returns the same."""
        return self._now if self._is_virtual else monotonic() + self._offset

    def real_time(self) -> float:
        """Return the seconds on the real clock, `time.monotonic`."""
        return monotonic()

    async def advance(self, duration: float, /) -> None:
        """Move the clock on by a number of seconds, and run everything that is due on the way.

        Each timer fires at its time, in order. Callbacks and tasks that follow from it run before
        the clock moves on. The clock moves even if something outside may still wake the loop.

        Raises `InvalidTypeError` or `InvalidValueError` if ``duration`` is not a finite number
        >= 0, and `LoopError` if the clock shows real time.
        """
        place = f"Clock.advance, {locations.of_caller()}"
        duration = seconds.validate(duration, name="seconds", place=place)
        self._require_virtual(place)
        reached = self._loop.create_future()
        self._goals.append((_rounded(self._now + duration), reached))
        try:
            await reached
        finally:
            self._goals = [one for one in self._goals if one[1] is not reached]

    async def settle(self) -> None:
        """Wait until nothing but timers is left to wait for. The clock does not jump before that.

        Then every other task waits for a timer, or for another task, or for ever. While something
        outside may wake the loop, the loop waits for real, and timers that are due fire.

        Raises `LoopError` if the clock shows real time.
        """
        self._require_virtual(f"Clock.settle, {locations.of_caller()}")
        settled = self._loop.create_future()
        self._settling.append(settled)
        await settled

    @property
    def is_virtual(self) -> bool:
        """True if it shows virtual time now. Set it to switch; the time that it shows is kept."""
        return self._is_virtual

    @is_virtual.setter
    def is_virtual(self, is_virtual: bool) -> None:
        self._now = self.time()
        self._offset = self._now - monotonic()
        self._is_virtual = is_virtual

    def note_timer(self, when: float) -> None:
        """Called when a timer is set for a moment."""
        if self._real_wait:
            moment = _moment(when)
            before = self._real_wait_at.get(moment, 0.0)
            self._real_wait_at[moment] = max(self._real_wait, before)

    def set_alarm(self, left: float, on_alarm: Callable[[], None] | None) -> None:
        """Call a function in ``left`` seconds of virtual time; None or infinity turns that off."""
        self._alarm = None
        if on_alarm is not None and left < math.inf:
            self._alarm = (self._now + left, self._real_wait, on_alarm)

    def take_waits(self) -> tuple[float, float, bool]:
        """Return the seconds that were skipped and those that were waited for real; reset both.

        The third value is True if the last real wait ended because nothing outside could wake the
        loop any more.
        """
        taken = self._skipped, self._waited, self._is_released
        self._skipped = self._waited = 0.0
        self._is_released = False
        return taken

    def set_wall_clock(self, wall: WallClock | None) -> None:
        """Move this time of day together with the clock, from now on; None: move none."""
        if wall is self._wall:
            return
        self._wall = wall
        if wall is not None and self._wall_start is None:
            self._wall_start = wall.now() - round(self._now * _NANO)
        self._move_wall()

    def can_move(self) -> bool:
        """Return True if there is a timer, or a call of `advance` or `settle`."""
        return self._next() < math.inf or bool(self._goals or self._settling)

    def select(self, selector: WaitingSelector, real_left: float) -> list[Any]:
        """Wait for real, or move the clock; return events of files. Called if nothing can run.

        A real wait takes ``real_left`` seconds at most.
        """
        due, real_wait_before = self._next_due()
        look, end, is_held = _FIRST_LOOK, 0.0, True
        while selector.foreign_files() or selector.can_be_woken():
            now = monotonic()
            end = end or now + real_left
            left = due - self._now - (self._real_wait - real_wait_before)
            if left <= 0 or self._goals:
                break
            if now >= end:
                return []
            next_look = look if selector.can_be_woken() else math.inf
            events = selector.wait(_timeout(left, end - now, next_look, self.held.left))
            self._note_real_wait(monotonic() - now, selector)
            if events:
                return events
            look = min(2 * look, _LAST_LOOK)
        else:
            is_held, self._is_released = False, end > 0
        # the thread or process that has just ended may have woken the loop before
        events = selector.wait(0)
        if events:
            return events
        if self._settling and not is_held:
            self._settle()
        elif self._goals:
            self._move_to_goal()
        elif due < math.inf:
            self._jump(due, real_wait_before)
        elif not end:  # after a wait, `InstrumentedSelector.select` looks for a deadlock
            return selector.wait(_timeout(real_left))
        return []

    def _note_real_wait(self, seconds: float, selector: WaitingSelector) -> None:
        self._real_wait += seconds
        self._waited += seconds
        self.held.add(seconds, selector.describe_outside)

    def _next(self) -> float:
        """Return the time of the next timer; infinity if there is none."""
        timers = self._loop._scheduled
        when: float = timers[0].when() if timers else math.inf
        return when

    def _next_due(self) -> tuple[float, float]:
        """Return when the next timer or the alarm is due, and `_real_wait` when it was set."""
        due, alarm = self._next(), self._alarm
        if alarm is not None and alarm[0] < due:
            return alarm[:2]
        return due, self._real_wait_before(due)

    def _real_wait_before(self, when: float) -> float:
        """Return `_real_wait` when the last timer was set for a moment.

        asyncio also runs timers of the next nanosecond: they are due within its clock resolution.
        """
        if not self._real_wait_at:
            return 0.0
        moment = _moment(when)
        return max(self._real_wait_at.get(moment, 0.0), self._real_wait_at.get(moment + 1, 0.0))

    def _require_virtual(self, place: str) -> None:
        if not self._is_virtual:
            raise LoopError(f"time isn't virtual any more: only then can it be moved ({place})")

    def _settle(self) -> None:
        settled, self._settling = self._settling, []
        for one in settled:
            if not one.done():  # a task that waits may have been cancelled
                one.set_result(None)

    def _move_to_goal(self) -> None:
        """Move to the nearest goal of `advance`, or to the next timer if that is due before."""
        goal, due = min(goal for goal, _ in self._goals), self._next()
        if _rounded(due) <= goal:
            self._jump(due, self._real_wait_before(due))
            return
        self._jump(goal, self._real_wait)
        for one, reached in self._goals:
            if one <= self._now and not reached.done():
                reached.set_result(None)

    def _jump(self, due: float, real_wait_before: float) -> None:
        """Move to a moment. If the alarm is due before that, move to the alarm and call it.

        ``real_wait_before`` is `_real_wait` when the timer for that moment was set. What the loop
        has waited for real since then is part of the way; the rest is skipped.
        """
        alarm = self._alarm
        is_alarm_due = alarm is not None and alarm[0] <= due
        if alarm is not None and is_alarm_due:
            due, real_wait_before, _ = alarm
        before, self._now = self._now, max(_rounded(due), self._now)
        passed = self._now - before
        if self._real_wait:
            waited = min(max(self._real_wait - real_wait_before, 0.0), passed)
            self._real_wait -= waited
            passed -= waited
        self._skipped += passed
        if self._real_wait_at:
            self._real_wait_at.pop(_moment(due), None)
        if self._now >= _EXACT:
            # asyncio runs the timers before time + resolution: a float must tell that from time
            self._loop._clock_resolution = 2 * math.ulp(self._now)
        self._move_wall()
        if alarm is not None and is_alarm_due:
            self._alarm = None
            alarm[2]()

    def _move_wall(self) -> None:
        if self._wall is not None:
            assert self._wall_start is not None
            self._wall.move_to(self._wall_start + round(self._now * _NANO))


def _timeout(*durations: float) -> float | None:
    """Return the smallest number of seconds, as a selector takes it: None for infinity."""
    least = min(durations)
    return None if least == math.inf else least


def _moment(when: float) -> float:
    """Return a time in whole nanoseconds, or as it is if a float can't hold these."""
    return round(when * _NANO) if when < _EXACT else when


def _rounded(when: float) -> float:
    """Return a time in seconds, rounded to whole nanoseconds if a float can hold these."""
    return round(when * _NANO) / _NANO if when < _EXACT else when
