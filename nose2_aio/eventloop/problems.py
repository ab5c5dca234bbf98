"""Problems: what went wrong in one test, or in one wider scope, and the findings of its checks.

Many tests may share an event loop. So that each problem is attributed to the right test:

1. The `Problems` of a test are in a context variable of the context that the test runs in. The
   tasks and callbacks that it starts get a copy of this context, and so do those that they start.
2. A task that a fixture of a class has started has the `Problems` of the class, even if it runs
   during a test.
3. If a context has no `Problems`, those of the event loop count: `LoopState.problems`. If a test
   has a loop of its own, these are the test's.
"""

from contextvars import ContextVar
from logging import LogRecord
from typing import Any, NamedTuple

from nose2_aio.introspection.locations import Origin

__all__ = [
    "CheckedProblems",
    "DeletedTask",
    "Finding",
    "HandlerCall",
    "Problems",
    "Unawaited",
    "current_problems",
]


class Finding(NamedTuple):
    """A finding of a check."""

    check: str
    """The name of the check."""
    place: str
    """Where the object was created: ``file:line in function``; "" if that is not known."""
    what: str
    """What was found: ``the task Task-3 (poll) was still pending``."""
    details: tuple[str, ...] = ()
    """Further lines of text."""
    key: str = ""
    """Identifies the finding: it has nothing that changes from run to run."""


class DeletedTask(NamedTuple):
    """What is left of a task that was deleted while it was pending.

    The task itself would live on, and be cancelled as a leftover: asyncio lists it again from
    Python 3.14 on.
    """

    name: str
    coroutine: Any


class HandlerCall(NamedTuple):
    """A call of the event loop's exception handler."""

    context: dict[str, Any]
    """The handler's argument. A task that is being deleted is replaced by a `DeletedTask`."""
    is_captured: bool
    """True if the test captured asyncio's log at that time, and so expects the error."""
    origin: Origin
    """Where the task or the future was created that the call is about."""
    name: str
    """The name of the task's coroutine."""

    @classmethod
    def of_log(cls, record: LogRecord) -> "HandlerCall":
        """Return the call that asyncio has logged."""
        context: dict[str, Any] = {"message": record.getMessage().partition("\n")[0]}
        if record.exc_info:
            context["exception"] = record.exc_info[1]
        return cls(context, is_captured=False, origin=(), name="")

    def kept_in(self, attribute: str) -> "HandlerCall":
        """Return the call with the attribute that has kept the object until now."""
        message = f"{self.context.get('message')}: {attribute}"
        return self._replace(context={**self.context, "message": message})


class Unawaited(NamedTuple):
    """A coroutine that was never awaited."""

    name: str
    place: str
    """Where it was created."""
    is_mock: bool
    """True if it was created by the call of an AsyncMock, or if a mock was called with it."""


class Problems:
    """The problems of one test, or of one wider scope."""

    handler_calls: tuple[HandlerCall, ...] = ()
    """The calls of the event loop's exception handler."""
    unawaited: tuple[Unawaited, ...] = ()
    """The coroutines that were never awaited."""
    findings: tuple[Finding, ...] = ()
    """What the checks have found so far."""
    reported: tuple[int, ...] = ()
    """The errors that the test has failed with, by ``id()``, with their causes and members."""
    is_checked = False
    """True if the checks of the run will look at them."""
    abandon_reason = ""
    """Why the event loop was abandoned: it describes the tasks that did not end. "": it was not."""


class CheckedProblems(Problems):
    """The problems of a test or a scope that the checks of the run look at."""

    is_checked = True


current_problems: ContextVar[Problems | None] = ContextVar("nose2_aio_problems", default=None)
"""The problems of the test, or of the wider scope, that runs in the current context."""
