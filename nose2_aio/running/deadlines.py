"""Time limits, and the deadline of a test or a fixture.

In virtual time a limit counts virtual seconds. Another limit counts real seconds.

Under a debugger no deadline passes.
"""

from __future__ import annotations

import math
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import NamedTuple

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import TimeLimitError
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.introspection.debuggers import is_debugged

__all__ = ["Deadline", "Limit", "VirtualTime"]

_TICK = 1e-9
"""Seconds of virtual time: what ends at its limit isn't late."""
_LATE = "It ended all the same: it blocked, or caught what was to end it."


class Limit(NamedTuple):
    """A time limit in seconds (0: none), and where it was set."""

    seconds: float = 0.0
    place: str = ""


class VirtualTime(NamedTuple):
    """Virtual time for a test: where it was requested, and its options."""

    place: str
    """Where it was requested: the tag or the setting."""
    limit: Limit
    """How long the test may take in real time."""
    wall: WallClock | None = None
    """The time of day, if it moves along with virtual time."""
    is_tagged: bool = True
    """True if a tag requested it, False if the setting did."""


class Deadline:
    """The time until which a test, or a fixture, has to be done."""

    report = ""
    """A description of what was running at the limit."""
    loop: AbstractEventLoop | None = None
    """The loop that runs now and is limited by this deadline."""
    _until = math.inf
    """When it has passed by the clock that it counts by."""
    interrupted = 0
    """How often code that doesn't await was interrupted."""

    def __init__(self, limit: Limit, virtual: VirtualTime | None = None) -> None:
        self.limit = limit
        self._virtual = virtual
        self._clock: Clock | None = None
        self._left = math.inf
        self.when = monotonic() + limit.seconds
        if virtual is not None:
            self.when = monotonic() + (virtual.limit.seconds or math.inf)
            self._left = limit.seconds or math.inf

    @property
    def is_over(self) -> bool:
        """True if the limit has passed. Always False under a debugger."""
        return (self._is_used_up or monotonic() >= self.when) and not is_debugged()

    @property
    def virtual_left(self) -> float:
        """Seconds of virtual time until it has passed."""
        return self._left if self._clock is None else self._until - self._clock.time()

    @property
    def _is_used_up(self) -> bool:
        return self.virtual_left <= _TICK / 2

    def enter(self, loop: AbstractEventLoop, ring: Callable[[], None]) -> None:
        """Count by this loop's clock. The loop calls ``ring`` when the deadline has passed."""
        self.loop, self._clock = loop, instrumented.clock_of(loop)
        if self._clock is not None:
            self._until = self._clock.time() + self._left + _TICK
        self.set_alarm(ring)

    def set_alarm(self, ring: Callable[[], None]) -> None:
        """Set the loop's alarm again: it calls ``ring`` when the deadline has passed."""
        instrumented.set_alarm(self.loop, self.when, ring, virtual_left=self.virtual_left)

    def leave(self) -> None:
        """Cancel the loop's alarm, and stop counting by the loop's clock."""
        if self._clock is not None:
            self._left, self._clock = self.virtual_left - _TICK, None
        instrumented.set_alarm(self.loop, None, None)
        self.loop = None

    def lift(self) -> None:
        """Remove the limit: somebody is debugging the test."""
        self.when = self._left = self._until = math.inf

    def extend(self, seconds: float) -> None:
        """Move the deadline this many seconds later."""
        self.when += seconds
        self._left += seconds
        self._until += seconds

    def error(self) -> TimeLimitError:
        """Return the error for what wasn't done in time."""
        limit, virtual = self.limit, self._virtual
        message = f"not done within its time limit of {limit.seconds:g} s ({limit.place})"
        if virtual is not None and self._is_used_up:
            message = (
                f"not done within its time limit of {limit.seconds:g} s of virtual time "
                f"({limit.place})"
            )
        elif virtual is not None:
            limit = virtual.limit
            message = (
                f"not done within {limit.seconds:g} s of real time ({limit.place}), though its "
                f"time is virtual ({virtual.place})"
            )
        return TimeLimitError(f"{message}\n\n{self.report}" if self.report else message)

    def lateness(self) -> TimeLimitError:
        """Return the error for what was done, but too late."""
        error = self.error()
        error.add_note(_LATE)
        return error
