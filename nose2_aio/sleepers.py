"""Those who sleep, each until a file has something to read or a moment has come; who has woken.

The file is that of a loop's selector: there is something to read where there is an event.
"""

from __future__ import annotations

import math
import selectors
from typing import Generic, NamedTuple, TypeVar

from nose2_aio.seconds import monotonic

__all__ = ["Sleepers"]

T = TypeVar("T")


class _Sleep(NamedTuple, Generic[T]):
    """The sleep of one."""

    one: T
    until: float
    since: float


class Sleepers(Generic[T]):
    """Those who sleep."""

    def __init__(self) -> None:
        self._files = selectors.DefaultSelector()
        self._sleeps: dict[int, _Sleep[T]] = {}
        """By the number of the file."""
        self._soonest = math.inf
        """No moment has come before this one."""
        self._looked = 0.0
        """When somebody has looked for the last time."""

    def add(self, one: T, file: int, timeout: float | None) -> None:
        """Have one sleep until there is something to read, but for so many seconds at most."""
        now = monotonic()
        until = math.inf if timeout is None else now + timeout
        self._files.register(file, selectors.EVENT_READ)
        self._sleeps[file] = _Sleep(one, until, now)
        self._soonest = min(self._soonest, until)

    def woken(self, timeout: float = 0.0) -> list[tuple[float, T]]:
        """Return those who have woken, each behind the moment when it has; they sleep no more.

        Where there are none, wait for some, for so many seconds at most. Who has woken by a file
        while nobody looked may have done so at any time since the last look: then that counts.
        """
        if timeout:
            timeout = max(0.0, min(timeout, self._soonest - monotonic()))
        keys = self._files.select(timeout)
        now = monotonic()
        if timeout:
            self._looked = now
        moments = {key.fd: self._looked for key, _ in keys}
        if now >= self._soonest:
            for file, sleep in self._sleeps.items():
                if sleep.until <= now:
                    moments.setdefault(file, max(sleep.until, self._looked))
        found = []
        for file, moment in moments.items():
            self._files.unregister(file)
            one, _, since = self._sleeps.pop(file)
            found.append((max(since, moment), one))
        if now >= self._soonest:
            self._soonest = min((sleep.until for sleep in self._sleeps.values()), default=math.inf)
        self._looked = now
        return found

    def close(self) -> None:
        """Close what was opened."""
        self._files.close()
