"""When each test ran: how long tests take, and which ran at the same time."""

from typing import NamedTuple

from nose2_aio.workers.messages import Call

__all__ = ["RunInterval", "RunIntervals"]

_SHORTEST = 1e-4
"""In the average, each test counts for at least this many seconds."""


class RunInterval(NamedTuple):
    """When a test ran, by `time.time`."""

    unit: int
    """The index of its unit."""
    test: int
    """Its position in the unit."""
    began: float
    ended: float


class RunIntervals:
    """The intervals of all tests that have ended."""

    def __init__(self) -> None:
        self.average = 0.0
        """The average seconds of a test. Recent tests count more. It starts at 0."""
        self._intervals: list[RunInterval] = []
        self._began: dict[int, float] = {}
        """When the latest test of each unit began."""

    def begin(self, unit: int, call: Call) -> None:
        """Note that a test begins, given the call of ``startTest``."""
        self._began[unit] = call.moment

    def end(self, unit: int, test: int, call: Call) -> None:
        """Note that a test has ended, given the call of ``stopTest``."""
        began = self._began.get(unit, call.moment)
        self._intervals.append(RunInterval(unit, test, began, call.moment))
        self.average += (max(call.moment - began, _SHORTEST) - self.average) / 8

    def concurrent(self, unit: int, test: int) -> list[RunInterval]:
        """Return the intervals of the other tests that overlap those of this test."""
        own = [one for one in self._intervals if (one.unit, one.test) == (unit, test)]
        return [
            one
            for one in self._intervals
            if (one.unit, one.test) != (unit, test)
            and any(one.began < mine.ended and mine.began < one.ended for mine in own)
        ]
