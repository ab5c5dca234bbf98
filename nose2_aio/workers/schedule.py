"""Which unit may start next.

1. Serial units run first, one at a time, while no other worker is busy.
2. Then come the others: the longest first where their durations are known, else in the order of
   the suite.
3. A unit that needs a key that others have taken waits until one of them is over. Meanwhile the
   units after it may start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

from nose2_aio.suites.units import Unit

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
        self._order = list(order)
        ranks = range(len(self._order))
        is_serial = [has_others and units[index].is_serial for index in self._order]
        # heaps: the first ranks are in order
        self._serial = [rank for rank in ranks if is_serial[rank]]
        self._waiting = [rank for rank in ranks if not is_serial[rank]]
        self._blocked: dict[str, list[int]] = {}
        """The units that wait for a key, by that key."""
        self._is_serial = is_serial
        self._ranks = {index: rank for rank, index in enumerate(self._order)}
        self._taken: Counter[str] = Counter()
        self._running: set[int] = set()

    def next(self, *, is_free: bool = True) -> int | None:
        """Return the index of a unit that starts now; None where none can.

        ``is_free`` is false for a worker that is still busy: it gets no unit that others may wait
        for.
        """
        if self._serial or any(self._is_serial[rank] for rank in self._running):
            if self._running or not self._serial or not is_free:
                return None
            return self._start(heappop(self._serial))
        while self._waiting:
            if self._keys(self._waiting[0]) and not is_free:
                return None
            rank = heappop(self._waiting)
            key = self._missing(rank)
            if key is None:
                return self._start(rank)
            heappush(self._blocked.setdefault(key, []), rank)
            for other in self._keys(rank):
                self._release(other)
        return None

    def end(self, index: int) -> None:
        """Note that a unit is over."""
        rank = self._ranks[index]
        if rank in self._running:
            self._running.remove(rank)
            self._taken.subtract(self._keys(rank).keys())
            for key in self._keys(rank):
                self._release(key)

    def put_back(self, index: int) -> None:
        """Let a unit start again: its worker has died."""
        self.end(index)
        rank = self._ranks[index]
        heappush(self._serial if self._is_serial[rank] else self._waiting, rank)

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

    def _keys(self, rank: int) -> Mapping[str, int]:
        return self._units[self._order[rank]].exclusive_keys

    def _missing(self, rank: int) -> str | None:
        """Return a key that a unit needs and that is taken."""
        for key, at_most in self._keys(rank).items():
            if self._taken[key] >= at_most:
                return key
        return None

    def _release(self, key: str) -> None:
        """Let the first unit go on that waits for a key, if that is all that it misses.

        Those that miss another key wait for that from now on.
        """
        blocked = self._blocked.get(key)
        while blocked:
            missing = self._missing(blocked[0])
            if missing == key:
                return
            rank = heappop(blocked)
            if missing is None:
                heappush(self._waiting, rank)
                return
            heappush(self._blocked.setdefault(missing, []), rank)

    def _start(self, rank: int) -> int:
        self._taken.update(self._keys(rank).keys())
        self._running.add(rank)
        return self._order[rank]


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
