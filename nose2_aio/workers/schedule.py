"""Decides which unit may start next.

1. Serial units run first, one at a time, while no other worker is busy.
2. Then the other units run: the longest first if their durations are known, else in the order of
   the suite.
3. A unit with an exclusive key waits while as many units with that key run as are allowed.
   Meanwhile the units after it may start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

from nose2_aio.config.durations_file import Duration
from nose2_aio.suites.durations import estimates
from nose2_aio.suites.units import Unit

__all__ = ["Schedule", "longest_first"]


class Schedule:
    """The units that wait, and the exclusive keys of those that run."""

    def __init__(
        self, units: Sequence[Unit], order: Iterable[int], *, has_others: bool = True
    ) -> None:
        """Schedule the units whose indexes are in ``order``, in about that order.

        With a single worker ``has_others`` is False: serial units need no special order then.
        """
        self._units = units
        self._order = list(order)
        ranks = range(len(self._order))
        is_serial = [has_others and units[index].is_serial for index in self._order]
        # heaps of ranks; a sorted list is a heap
        self._serial = [rank for rank in ranks if is_serial[rank]]
        self._waiting = [rank for rank in ranks if not is_serial[rank]]
        self._blocked: dict[str, list[int]] = {}
        """Heaps of the ranks that wait for a key, by key."""
        self._is_serial = is_serial
        self._ranks = {index: rank for rank, index in enumerate(self._order)}
        self._taken: Counter[str] = Counter()
        self._running: set[int] = set()

    def next(self, *, is_free: bool = True) -> int | None:
        """Return the index of a unit that starts now; None if no unit can start.

        For a worker that is still busy ``is_free`` is False. It gets no serial unit and none with
        an exclusive key, because other units would wait for these.
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
        """Let a unit start again, because its worker has died or has not begun it."""
        self.end(index)
        rank = self._ranks[index]
        heappush(self._serial if self._is_serial[rank] else self._waiting, rank)

    def clear(self) -> None:
        """Let no other unit start."""
        self._serial.clear()
        self._waiting.clear()
        self._blocked.clear()

    @property
    def count(self) -> int:
        """How many units wait, without those that wait for a key."""
        return len(self._serial) + len(self._waiting)

    @property
    def is_empty(self) -> bool:
        """True if no unit waits."""
        return not (self._serial or self._waiting or any(self._blocked.values()))

    def _keys(self, rank: int) -> Mapping[str, int]:
        return self._units[self._order[rank]].exclusive_keys

    def _missing(self, rank: int) -> str | None:
        """Return a key of a unit of which no more units may run; None if there is no such key."""
        for key, at_most in self._keys(rank).items():
            if self._taken[key] >= at_most:
                return key
        return None

    def _release(self, key: str) -> None:
        """Let the first unit that waits for a key wait for its turn again, if it may run now.

        A unit that can't run because of another key waits for that key from now on.
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


def longest_first(units: Sequence[Unit], durations: Mapping[str, Duration]) -> list[int]:
    """Return the indexes of units, the longest first. If nothing is known, the order stays.

    ``durations`` are those of a durations file.
    """
    lengths = estimates([unit.tests for unit in units], durations)
    if lengths is None:
        return list(range(len(units)))
    return sorted(range(len(units)), key=lambda index: -lengths[index].total)
