"""The checks at the end of each test: their names, and what follows on a finding.

`nose2_aio.reporting.inspections` has the function of each.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CHECKS", "MODES", "Check"]

MODES = ("fail", "warn", "ignore")
"""What can follow on a finding."""


class Check(NamedTuple):
    """One check."""

    name: str
    """The key of its setting."""
    default: str
    """One of `MODES`."""
    help: str
    """What it finds."""


CHECKS = (
    Check("never-awaited", "fail", "a coroutine was made and never awaited"),
    Check("never-awaited-mocks", "warn", "the call of an AsyncMock was never awaited"),
    Check("lost-exceptions", "fail", "a task or a callback failed, and nobody asked for it"),
    Check("leaked-tasks", "warn", "a task was still pending at the end"),
    Check("leaked-timers", "warn", "a timer was still set"),
    Check("open-asyncgens", "warn", "an async generator was begun and neither finished nor closed"),
    Check("open-transports", "warn", "a transport or a server was still open"),
)
"""All checks."""
