"""A watch: the books that are kept of a loop, and what is to happen while it waits.

What is noted stands in a `LoopState`, so that nothing of ours is in the way of a loop's own attributes.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from asyncio import TimerHandle
from collections.abc import Callable, Iterable
from types import AsyncGeneratorType, FrameType
from typing import Any, NamedTuple

from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.problems import Problems, Report, current_problems
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.introspection import locations
from nose2_aio.introspection.locations import Origin

__all__ = ["CreatedObject", "LoopState", "hush"]


class CreatedObject(NamedTuple):
    """Something that was made on a loop."""

    thing: Any
    problems: Problems
    """Who has made it."""
    origin: Origin
    """Where."""
    name: str
    """The name of a task's coroutine: when that is done, it may be gone."""


class LoopState:
    """What is known of a loop."""

    problems: Problems | None = None
    """The ledger of what carries none; None: nobody wants to know."""
    executor: Executor | None = None
    """The default executor, if it is ours."""
    default_executor: Any = None
    """The default executor, whosever it is."""
    jobs: weakref.WeakSet[Any] | None = None
    """The futures of what was handed to executors."""
    on_deadlock: Callable[[], None] | None = None
    """What is called where nothing can wake the loop any more."""
    alarm: tuple[float, Callable[[], None]] | None = None
    """When to call what, by `time.monotonic`, though nothing is due on the loop."""
    clock: Clock | None = None
    """The loop's clock, if its time is virtual, or was."""
    waits: WaitTimes | None = None
    """What the test that runs has waited for, if somebody wants to know."""
    is_new = True
    """Whether nothing has run on the loop so far."""
    has_selector = True
    """Whether the loop has a selector of ours, which rings the alarm."""
    timer: TimerHandle | None = None
    """Stands for the alarm where it has none."""
    handler_before: Any = None
    """The exception handler that was set when the watching began: it deals with nothing."""
    _made: dict[int, tuple[weakref.ref[Any], Problems, Origin, str]] | None = None
    """By identity: equality is the user's. Nothing is kept alive by it."""

    def note(self, thing: Any, frame: FrameType | None, name: str = "") -> None:
        """Note who has made something, as far as that can be known."""
        problems = current_problems.get() or self.problems
        if problems is None:
            return
        if self._made is None:
            self._made = {}
        made, key = self._made, id(thing)
        try:
            reference = weakref.ref(thing, lambda _: made.pop(key, None))
        except TypeError:
            return
        made[key] = (reference, problems, locations.capture_origin(frame), name)

    @property
    def made(self) -> list[CreatedObject]:
        """What was made and is still there."""
        found = []
        for reference, problems, origin, name in list((self._made or {}).values()):
            thing = reference()
            if thing is not None:
                found.append(CreatedObject(thing, problems, origin, name))
        return found

    @property
    def is_blank(self) -> bool:
        """Whether nothing that was made is still there."""
        return not self._made

    def forget(self) -> None:
        """Forget what was made; have asyncio say nothing of what we have interrupted."""
        hush(one.thing for one in self.made)
        self._made = None

    def find(self, thing: Any) -> CreatedObject | None:
        """Return what is known of something."""
        found = (self._made or {}).get(id(thing))
        return (
            None if found is None or found[0]() is not thing else CreatedObject(thing, *found[1:])
        )

    def add_job(self, future: asyncio.Future[Any]) -> None:
        """Note a future that somebody else is to complete."""
        self.jobs = self.jobs or weakref.WeakSet()
        self.jobs.add(future)

    @property
    def needs_shutdown(self) -> bool:
        """Whether there are threads to end, or async generators to close."""
        return self.default_executor is not None or (
            not self.is_blank and any(type(one.thing) is AsyncGeneratorType for one in self.made)
        )

    def report(self, context: dict[str, Any], handler: object) -> None:
        """Note what the exception handler of the loop is told, unless a test deals with it."""
        problems, origin, name = self._maker_of(context)
        if problems is not None and handler is self.handler_before:
            problems.reports += (Report(context, _is_log_captured(), origin, name),)

    def _maker_of(self, report: dict[str, Any]) -> tuple[Problems | None, Origin, str]:
        """Return who has made what a report is about, where, and its name."""
        for key in ("task", "future", "asyncgen", "transport"):
            made = self.find(report.get(key))
            if made is not None:
                return made[1:]
        context = getattr(report.get("handle"), "_context", None)  # public since Python 3.12
        charged = None if context is None else context.get(current_problems)
        return charged or current_problems.get() or self.problems, (), ""


def hush(things: Iterable[Any]) -> None:
    """Have asyncio say nothing of the tasks among them that we have interrupted."""
    for one in things:
        # to ask for an exception that isn't ours would hide it
        if isinstance(getattr(one, "_exception", None), Overrun):
            one.exception()


def _is_log_captured() -> bool:
    """Tell whether a test captures what asyncio logs, with ``assertLogs``."""
    handlers = logging.getLogger("asyncio").handlers + logging.getLogger().handlers
    return any(type(handler).__module__ == "unittest._log" for handler in handlers)
