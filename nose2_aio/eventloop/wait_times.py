"""How long a test has waited, for what, and where.

A loop waits nowhere but in its selector, so all of it is seen there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from nose2_aio.introspection.await_chains import Line

__all__ = ["WaitKind", "WaitTimes"]


class WaitKind(StrEnum):
    """What has ended a wait."""

    TIMERS = "timers"
    """Nothing but the time, until a timer was due."""
    FILES = "I/O"
    """A file: a socket, a pipe, a child process."""
    THREADS = "threads"
    """Another thread that has called back, as that of an executor does, or a signal."""


class WaitTimes:
    """How long one test has waited, in seconds."""

    timers = 0.0
    files = 0.0
    threads = 0.0
    avoidable = 0.0
    """What virtual time would have saved."""
    skipped = 0.0
    """What virtual time has saved."""
    is_known = True
    """Whether its loop has a selector that tells."""
    where: Callable[[], Line | None] | None = None
    """Returns where the test is."""
    lines: dict[Line, float] | None = None
    """How long it has waited at each line, if somebody wants to know."""

    def __init__(self, *, is_detailed: bool = False) -> None:
        if is_detailed:
            self.lines = {}

    @property
    def total(self) -> float:
        """How long it has waited in all."""
        return self.timers + self.files + self.threads

    def add(self, seconds: float, kind: WaitKind) -> None:
        """Add a wait that is just over."""
        if kind is WaitKind.TIMERS:
            self.timers += seconds
        elif kind is WaitKind.FILES:
            self.files += seconds
        else:
            self.threads += seconds
        line = None if self.lines is None or self.where is None else self.where()
        if self.lines is not None and line is not None:
            self.lines[line] = self.lines.get(line, 0.0) + seconds

    @property
    def longest(self) -> tuple[Line, float] | None:
        """The line where it has waited longest, and for how long."""
        return max(self.lines.items(), key=lambda item: item[1]) if self.lines else None
