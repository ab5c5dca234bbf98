"""A time limit, and the deadline of the test or fixture that runs."""

import math
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import NamedTuple

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import TimeLimitError
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.virtual_clock import Clock, HeldTime
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.introspection.debuggers import is_debugged

__all__ = ["Deadline", "Limit", "VirtualTime"]

_TICK = 1e-9
"""Seconds of virtual time: a test that ends exactly at its limit is not late."""
_LATE = "It ended all the same: it blocked, or caught what was to end it."


class Limit(NamedTuple):
    """A time limit in seconds (0: none), and where it was set."""

    seconds: float = 0.0
    place: str = ""
    is_tagged: bool = False
    """True if a tag has set it, False if the setting has."""


class VirtualTime(NamedTuple):
    """The virtual time of a test or fixture."""

    place: str
    """Where it was asked for."""
    held: HeldTime
    """How long it was held by what is outside of the loop."""
    limit: Limit
    """The limit of the setting, which counts real time."""
    wall: WallClock | None = None
    """The time of day, if it moves with the virtual clock."""
    is_tagged: bool = True
    """True if a tag asks for it, False if the setting does."""


class Deadline:
    """When a test or fixture must be done.

    In virtual time, the limit of a tag counts by the clock of the loop. The limit of the setting
    counts real time beside it, unless the tag is 0.
    """

    report = ""
    """The hang report, taken at the limit."""
    loop: AbstractEventLoop | None = None
    """The loop that runs under this deadline now."""
    interrupted = 0
    """How often code that doesn't await was interrupted."""
    _virtual_end = math.inf
    """When the limit passes by the virtual clock of the loop."""

    def __init__(self, limit: Limit, virtual: VirtualTime | None = None) -> None:
        self.limit = self.real_limit = limit
        self._virtual = virtual
        self._clock: Clock | None = None
        self._virtual_left = math.inf
        if virtual is not None and limit.is_tagged and limit.seconds:
            self.real_limit = virtual.limit
            self._virtual_left = limit.seconds
        self.when = monotonic() + (self.real_limit.seconds or math.inf)
        """When the limit passes by the real clock."""

    @property
    def is_over(self) -> bool:
        """True if the limit has passed."""
        return (self._is_used_up and not is_debugged()) or self.is_over_in_real_time

    @property
    def is_over_in_real_time(self) -> bool:
        """True if the limit has passed by the real clock."""
        return monotonic() >= self.when and not is_debugged()

    @property
    def virtual_left(self) -> float:
        """Seconds of virtual time that are left."""
        if self._clock is None:
            return self._virtual_left
        return self._virtual_end - self._clock.time()

    @property
    def _is_used_up(self) -> bool:
        return self.virtual_left <= _TICK / 2

    def enter(self, loop: AbstractEventLoop, on_expiry: Callable[[], None]) -> None:
        """Count by the clock of a loop that is about to run; call ``on_expiry`` at the limit."""
        self.loop, self._clock = loop, instrumented.clock_of(loop)
        if self._clock is not None:
            self._virtual_end = self._clock.time() + self._virtual_left + _TICK
        self.set_alarm(on_expiry)

    def set_alarm(self, on_expiry: Callable[[], None]) -> None:
        """Call ``on_expiry`` on that loop at the limit: after the limit was extended, once more."""
        instrumented.set_alarm(self.loop, self.when, on_expiry, virtual_left=self.virtual_left)

    def leave(self) -> None:
        """Take the alarm off the loop, and stop counting by its clock."""
        if self._clock is not None:
            self._virtual_left, self._clock = self.virtual_left - _TICK, None
        instrumented.set_alarm(self.loop, None, None)
        self.loop = None

    def lift(self) -> None:
        """Let the limit never pass, since somebody debugs the test."""
        self.when = self._virtual_left = self._virtual_end = math.inf

    def extend(self, seconds: float) -> None:
        """Add seconds by the clock of the loop to the limit: in virtual time, they cost nothing."""
        if self._virtual is None:
            self.when += seconds
        self._virtual_left += seconds
        self._virtual_end += seconds

    def error(self) -> TimeLimitError:
        """Return the error for a test that was not done in time."""
        limit = self.limit if self._is_used_up else self.real_limit
        clock = ""
        if self._virtual is not None:
            clock = " of virtual time" if self._is_used_up else " of real time"
        message = f"not done within its time limit of {limit.seconds:g} s{clock} ({limit.place})"
        if self._virtual is not None and not self._is_used_up:
            message += f", though its time is virtual ({self._virtual.place})"
        return TimeLimitError(f"{message}\n\n{self.report}" if self.report else message)

    def lateness(self) -> TimeLimitError:
        """Return the error for a test that was done, but too late."""
        error = self.error()
        error.add_note(_LATE)
        return error
