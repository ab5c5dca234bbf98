"""The checks at the end of each test: what it has left behind, and what has gone wrong unseen.

Each is one function that looks into the books of one test, or of one wider scope, and gives what it
finds; `CHECKS` lists them all. There are three moments for it: when what is left over is about to
be cancelled, when that is done, and when unittest is done with the test.
"""

from __future__ import annotations

import asyncio
import enum
import types
from asyncio import AbstractEventLoop, Task, TimerHandle
from collections.abc import Iterator
from typing import Any, NamedTuple

from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.problems import Finding, Problems
from nose2_aio.eventloop.state import CreatedObject
from nose2_aio.introspection import await_chains, locations, tracebacks
from nose2_aio.reporting import hang_report

__all__ = [
    "inspect_end",
    "inspect_pending",
    "inspect_rest",
    "lost",
    "pending",
]


class Moment(enum.Enum):
    """When a check looks."""

    PENDING = "before what is left over is cancelled"
    REST = "behind that, before the loop is closed"
    END = "when unittest is done with the test"


class Books(NamedTuple):
    """What a check looks into."""

    problems: Problems
    made: tuple[CreatedObject, ...] = ()
    """What was made on the loop and is still there."""
    pending: frozenset[Task[Any]] = frozenset()
    now: float = 0.0
    """The loop's time."""

    def of(self, kind: Any) -> Iterator[tuple[Any, str, str]]:
        """Give the things of a kind that this ledger is charged with, where made, and its name."""
        for thing, problems, origin, name in self.made:
            if problems is self.problems and isinstance(thing, kind):
                yield thing, locations.format_origin(origin), name


def inspect_pending(loop: AbstractEventLoop, problems: Problems, tasks: set[Task[Any]]) -> None:
    """Note what is found before the tasks that are left over are cancelled."""
    _inspect(Moment.PENDING, _books(loop, problems, frozenset(tasks)))


def inspect_rest(loop: AbstractEventLoop, problems: Problems) -> None:
    """Note what is found when no task is left over."""
    _inspect(Moment.REST, _books(loop, problems))


def inspect_end(problems: Problems, loop: AbstractEventLoop | None = None) -> None:
    """Note what is found when unittest is done with the test, on a loop that goes on."""
    _inspect(Moment.END, Books(problems) if loop is None else _books(loop, problems))


def pending(loop: Any, problems: Problems) -> set[Task[Any]]:
    """Return the tasks that a ledger is charged with and that aren't done."""
    return {task for task, *_ in _books(loop, problems).of(asyncio.Task) if not task.done()}


def lost(loop: AbstractEventLoop, problems: Problems) -> list[BaseException]:
    """Return what failed on behalf of a ledger and nobody dealt with; consider it dealt with."""
    books = _books(loop, problems)
    found = (*_lost_in_reports(books, with_captured=True), *_lost_in_tasks(books))
    return [error for error, *_ in found if error is not None]


def _books(loop: Any, problems: Problems, tasks: frozenset[Task[Any]] = frozenset()) -> Books:
    loop_state = instrumented.state_of(loop)
    return Books(
        problems, () if loop_state is None else tuple(loop_state.created), tasks, loop.time()
    )


def _inspect(moment: Moment, books: Books) -> None:
    for name, when, find in _INSPECTIONS:
        if when is moment or (when is Moment.END and moment is Moment.REST):
            try:
                books.problems.findings += tuple(find(books))
            except Exception as error:
                text = f"the check failed itself, with {type(error).__name__}"
                books.problems.findings += (Finding(name, "", text, key=text),)


def _never_awaited(books: Books) -> Iterator[Finding]:
    return _unawaited(books, "never-awaited", are_mocks=False)


def _never_awaited_mocks(books: Books) -> Iterator[Finding]:
    return _unawaited(books, "never-awaited-mocks", are_mocks=True)


def _unawaited(books: Books, check: str, *, are_mocks: bool) -> Iterator[Finding]:
    found = books.problems.unawaited
    books.problems.unawaited = tuple(one for one in found if one.is_mock is not are_mocks)
    for name, place, is_mock in found:
        if is_mock is are_mocks:
            yield Finding(check, place, f"the coroutine {name} was never awaited", key=name)


def _lost_exceptions(books: Books) -> Iterator[Finding]:
    for error, place, what, key in (*_lost_in_tasks(books), *_lost_in_reports(books)):
        if error is None:
            yield Finding("lost-exceptions", place, what, key=key)
            continue
        kind = type(error).__name__
        lines = (
            *await_chains.format_lines(tracebacks.users_lines(error)),
            f"  {kind}: {locations.text_of(error, str)}",
        )
        yield Finding("lost-exceptions", place, what, lines, f"{key} {kind}")


_Lost = tuple[BaseException | None, str, str, str]


def _lost_in_tasks(books: Books) -> Iterator[_Lost]:
    for future, place, name in books.of(asyncio.Future):
        # nothing public says whether somebody has asked for its exception
        is_lost = future.done() and not future.cancelled() and future._log_traceback
        if is_lost and not isinstance(future.exception(), Overrun):
            yield future.exception(), place, *_failed(future, name)


def _lost_in_reports(books: Books, *, with_captured: bool = False) -> Iterator[_Lost]:
    told, books.problems.handler_calls = books.problems.handler_calls, ()
    for context, is_captured, origin, name in told:
        if is_captured and not with_captured:
            continue
        error = context.get("exception")
        if isinstance(error, Overrun | asyncio.CancelledError):
            continue  # what has ended something: streams call that an error in Python 3.12
        lines = [] if error is None else tracebacks.users_lines(error)
        place = locations.format_origin(origin) or (lines[-1].place if lines else "")
        future = context.get("task") or context.get("future")
        if future is not None and error is not None:
            yield error, place, *_failed(future, name)
            continue
        message = str(context.get("message") or "unhandled exception")
        # nothing public says what a handle calls
        callback = getattr(context.get("handle"), "_callback", None)
        inner = locations.unwrap(callback)
        yield error, place, message, getattr(inner, "__qualname__", message.partition(" at ")[0])


def _failed(future: asyncio.Future[Any], name: str) -> tuple[str, str]:
    """Return what to say of a future that failed, and what stays the same of it."""
    if isinstance(future, asyncio.Task):
        called = f"{future.get_name()} ({name.rpartition('<locals>.')[2]})"
        return f"the task {called} failed, and nobody asked for it", name
    what = "a future failed, and nobody asked for it"
    return what, what


def _leaked_tasks(books: Books) -> Iterator[Finding]:
    made = {task: (place, name) for task, place, name in books.of(asyncio.Task)}
    awaited = {one for task in books.pending for one in await_chains.awaited_tasks(task)}
    for task in sorted(books.pending - awaited, key=lambda task: str(task.get_name())):
        if task.cancelling() or type(task.get_coro()).__name__ == "async_generator_athrow":
            continue  # it is ending: a task group's, or an async generator's that was broken off
        place, name = made.get(task, ("", ""))
        text = f"the task {hang_report.name_of(task)} was still pending"
        lines = tuple(hang_report.task_lines(task))
        yield Finding("leaked-tasks", place, text, lines, name or hang_report.name_of(task))


def _leaked_timers(books: Books) -> Iterator[Finding]:
    for timer, place, _ in books.of(TimerHandle):
        left = timer.when() - books.now
        if not timer.cancelled() and left > 0:
            # nothing public says what a timer calls
            name = locations.describe(timer._callback)
            text = f"a timer was still set, to call {name} in {left:.4g} s"
            yield Finding("leaked-timers", place, text, key=name.partition(",")[0])


def _open_asyncgens(books: Books) -> Iterator[Finding]:
    for generator, place, _ in books.of(types.AsyncGeneratorType):
        if generator.ag_frame is not None:
            name = generator.__qualname__
            text = f"the async generator {name} was begun, and neither finished nor closed"
            yield Finding("open-asyncgens", place, text, key=name)


def _open_transports(books: Books) -> Iterator[Finding]:
    for thing, place, _ in books.of((asyncio.BaseTransport, asyncio.AbstractServer)):
        if _is_open(thing):
            text = f"{_opened(thing)} was still open"
            yield Finding("open-transports", place, text, key=type(thing).__name__)


def _is_open(thing: Any) -> bool:
    if isinstance(thing, asyncio.AbstractServer):
        return bool(getattr(thing, "sockets", ()))
    return not thing.is_closing()


def _opened(thing: Any) -> str:
    if isinstance(thing, asyncio.AbstractServer):
        names = [str(one.getsockname()) for one in getattr(thing, "sockets", ())]
        return f"a server on {' and '.join(names)}"
    if isinstance(thing, asyncio.SubprocessTransport):
        return f"the transport of the subprocess {thing.get_pid()}"
    peer = thing.get_extra_info("peername")
    return f"a transport to {peer}" if peer else f"a transport ({type(thing).__name__.strip('_')})"


_INSPECTIONS = (
    ("never-awaited", Moment.END, _never_awaited),
    ("never-awaited-mocks", Moment.END, _never_awaited_mocks),
    ("lost-exceptions", Moment.END, _lost_exceptions),
    ("leaked-tasks", Moment.PENDING, _leaked_tasks),
    ("leaked-timers", Moment.REST, _leaked_timers),
    ("open-asyncgens", Moment.REST, _open_asyncgens),
    ("open-transports", Moment.REST, _open_transports),
)
"""The function of each check, and when it looks; in the order of their findings."""
