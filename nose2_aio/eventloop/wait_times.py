"""How long a test has waited, for what, and at which line.

An event loop waits in its selector only, so all waits are recorded there.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from nose2_aio.introspection.await_chains import Line

__all__ = ["WaitKind", "WaitTimes"]


class WaitKind(StrEnum):
    """What has ended a wait."""

    TIMERS = "timers"
    """A timer was due."""
    FILES = "I/O"
    """A file was ready: a socket, a pipe, or that of a child process."""
    THREADS = "threads"
    """Another thread, such as one of an executor, or a signal."""


class WaitTimes:
    """How long one test has waited, in seconds."""

    timers = 0.0
    """Seconds that it has waited for timers."""
    files = 0.0
    """Seconds that it has waited for files."""
    threads = 0.0
    """Seconds that it has waited for other threads and signals."""
    avoidable = 0.0
    """Seconds of these that virtual time would have saved."""
    skipped = 0.0
    """Seconds that virtual time has saved."""
    for_callback = ""
    """A text on the wait of run forever, if the tag of a class has made it long; or else empty."""
    is_known = True
    """True if the selector of the loop records waits."""
    where: Callable[[], Line | None] | None = None
    """Returns the line that the test is at; None if that is not recorded."""
    lines: dict[Line, float] | None = None
    """How long it has waited at each line; None if that is not recorded. See `finish`."""

    def __init__(self, *, is_detailed: bool = False) -> None:
        if is_detailed:
            self.lines = {}

    @property
    def total(self) -> float:
        """How long it has waited in all."""
        return self.timers + self.files + self.threads

    def finish(self) -> None:
        """Forget all but the line where it has waited longest, so that these times can be sent."""
        self.where = None
        lines = self.lines or {}
        self.lines = {line: lines[line] for line in sorted(lines, key=lines.__getitem__)[-1:]}

    def add(self, seconds: float, kind: WaitKind) -> None:
        """Add a wait that has just ended."""
        if kind is WaitKind.TIMERS:
            self.timers += seconds
        elif kind is WaitKind.FILES:
            self.files += seconds
        else:
            self.threads += seconds
        line = None if self.lines is None or self.where is None else self.where()
        if self.lines is not None and line is not None:
            self.lines[line] = self.lines.get(line, 0.0) + seconds
