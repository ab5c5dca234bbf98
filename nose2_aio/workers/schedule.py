"""Which unit may start next.

1. Serial units run first, one at a time, while no other worker is busy.
2. Then come the others: the longest first where their durations are known, else in the order of
   the suite.
3. A unit that needs a key that others have taken waits until one of them is over. Meanwhile the
   units after it may start.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from nose2_aio.units import Unit

__all__ = ["Schedule", "longest_first"]


class Schedule:
    """The units that wait, and the keys that are taken by those that run."""

    def __init__(
        self, units: Sequence[Unit], order: Iterable[int], *, has_others: bool = True
    ) -> None:
        """``order`` gives the indexes of the units that are to run.

        ``has_others`` is false for a single worker: there everything is serial.
        """
        self._units = units
        order = list(order)
        serial = {index for index in order if has_others and units[index].is_serial}
        self._serial = deque(index for index in order if index in serial)
        self._waiting = deque(index for index in order if index not in serial)
        self._all_serial = serial
        self._blocked: dict[str, deque[int]] = {}
        """The units that wait for a key, by that key."""
        self._taken: Counter[str] = Counter()
        self._running: set[int] = set()

    def next(self, *, is_free: bool = True) -> int | None:
        """Return the index of a unit that starts now; None where none can.

        ``is_free`` is false for a worker that is still busy: it gets no unit that others may wait
        for.
        """
        if self._serial or self._all_serial & self._running:
            if self._running or not self._serial or not is_free:
                return None
            return self._start(self._serial.popleft())
        while self._waiting:
            if self._units[self._waiting[0]].keys and not is_free:
                return None
            index = self._waiting.popleft()
            key = self._missing(index)
            if key is None:
                return self._start(index)
            self._blocked.setdefault(key, deque()).append(index)
        return None

    def end(self, index: int) -> None:
        """Note that a unit is over."""
        self._running.discard(index)
        for key in self._units[index].keys:
            self._taken[key] -= 1
            blocked = self._blocked.get(key)
            if blocked:
                self._waiting.appendleft(blocked.popleft())

    def put_back(self, index: int) -> None:
        """Let a unit start again, before all others: its worker has died."""
        self.end(index)
        (self._serial if index in self._all_serial else self._waiting).appendleft(index)

    def clear(self) -> None:
        """Start nothing any more."""
        self._serial.clear()
        self._waiting.clear()
        self._blocked.clear()

    @property
    def count(self) -> int:
        """How many units wait, but for those that wait for a key."""
        return len(self._serial) + len(self._waiting)

    @property
    def is_empty(self) -> bool:
        """True if no unit waits."""
        return not (self._serial or self._waiting or any(self._blocked.values()))

    def _missing(self, index: int) -> str | None:
        """Return a key that a unit needs and that is taken."""
        for key, at_most in self._units[index].keys.items():
            if self._taken[key] >= at_most:
                return key
        return None

    def _start(self, index: int) -> int:
        self._taken.update(self._units[index].keys.keys())
        self._running.add(index)
        return index


def longest_first(units: Sequence[Unit], seconds: Mapping[str, float]) -> list[int]:
    """Return the indexes of units, the longest first.

    ``seconds`` has the durations of tests by their ids. A test that isn't there counts as the
    average of the others.
    """
    if not seconds:
        return list(range(len(units)))
    average = sum(seconds.values()) / len(seconds)
    lengths = [
        sum(seconds.get(test.id(), average) if hasattr(test, "id") else 0 for test in unit.tests)
        for unit in units
    ]
    return sorted(range(len(units)), key=lambda index: -lengths[index])
