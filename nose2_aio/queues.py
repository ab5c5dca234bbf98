"""A queue of units: the next one that can begin, where some must not run side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence

from nose2_aio.units import Unit

__all__ = ["Queue"]


class Queue:
    """The units that run beside others and have not begun, in order, by their index."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._keys = {index: unit.keys for index, unit in enumerate(units) if not unit.is_alone}
        self._pending = deque(self._keys)
        self._busy: set[Hashable] = set()
        """The keys of what has begun and is not over."""
        self._blocked: dict[Hashable, deque[int]] = {}
        """What waits for a key."""

    @property
    def is_empty(self) -> bool:
        """Whether none can begin; those that wait for a key are put aside."""
        while self._pending:
            keys = self._keys[self._pending[0]]
            key = next((key for key in keys if key in self._busy), None)
            if key is None:
                return False
            self._blocked.setdefault(key, deque()).append(self._pending.popleft())
            for other in keys - self._busy:  # which it doesn't take after all
                self._unblock(other)
        return True

    def take(self) -> int:
        """Take the first one, where it isn't empty."""
        index = self._pending.popleft()
        self._busy |= self._keys[index]
        return index

    def release(self, index: int) -> None:
        """Let those begin that have waited for one."""
        keys = self._keys.pop(index)
        self._busy -= keys
        for key in keys:
            self._unblock(key)

    def _unblock(self, key: Hashable) -> None:
        """Have the next one come that waits for a key; the others wait for that one."""
        waiting = self._blocked.get(key)
        if waiting:
            self._pending.appendleft(waiting.popleft())
        if not waiting:
            self._blocked.pop(key, None)
