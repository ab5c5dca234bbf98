"""A ledger: what has gone wrong on behalf of one test, or of one wider scope, and what was found.

Blame has to be right on a loop that many tests share. So the ledger of a test stands in the
context that it runs in: what it starts there, and what that starts in turn, has a copy of it. What
a fixture of the class has started carries the ledger of the class, though it may run during a test.
On a loop that one test has for itself, all that carries none is that test's.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

from nose2_aio.introspection.locations import Origin

__all__ = ["Finding", "Problems", "Report", "Unawaited", "current_problems"]


class Finding(NamedTuple):
    """What a check has found."""

    check: str
    """The name of the check."""
    place: str
    """Where it was made: ``file:line in function``; "" where nobody knows."""
    what: str
    """What it is: ``the task Task-3 (poll) was still pending``."""
    details: tuple[str, ...] = ()
    """Further lines."""
    key: str = ""
    """What it is without anything that changes from run to run."""


class Report(NamedTuple):
    """What the loop's exception handler was told."""

    context: dict[str, Any]
    is_captured: bool
    """Whether the test has captured asyncio's log, and so deals with it."""
    origin: Origin
    """Where the task or future that it is about was made."""
    name: str
    """The name of the task's coroutine."""


class Unawaited(NamedTuple):
    """A coroutine that nobody has awaited."""

    name: str
    place: str
    """Where it was made."""
    is_mock: bool
    """Whether the call of an AsyncMock has made it."""


class Problems:
    """What has gone wrong on behalf of one test, or of one wider scope."""

    reports: tuple[Report, ...] = ()
    """What the loop's exception handler was told."""
    unawaited: tuple[Unawaited, ...] = ()
    """Coroutines that nobody has awaited."""
    findings: tuple[Finding, ...] = ()
    """What the checks have found so far."""
    stubborn = ""
    """What there is to say of tasks that would not end, for which the loop was abandoned."""


current_problems: ContextVar[Problems | None] = ContextVar("nose2_aio_ledger", default=None)
"""The ledger of what runs in a context."""
