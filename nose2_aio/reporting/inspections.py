"""The checks that run at the end of each test, and of each wider scope.

To add a check:

1. Add a row to `nose2_aio.config.checks.CHECKS`: its name, its default mode, its help text. That
   gives it a setting, a command-line switch and a keyword of ``@aio.checks``.
2. Add a function here, with the decorator ``@_check(name, stage)``. It gets an `Evidence` and
   yields a `Finding` for each thing that it finds.

The order of the functions is the order of their findings in a report.
"""

import asyncio
import enum
import inspect
import types
from asyncio import AbstractEventLoop, Task, TimerHandle
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.problems import DeletedTask, Finding, Problems
from nose2_aio.eventloop.state import CreatedObject, name_of_coroutine
from nose2_aio.introspection import await_chains, locations, sockets, tracebacks
from nose2_aio.introspection.locations import Origin
from nose2_aio.reporting import hang_report, unawaited
from nose2_aio.reporting.loop_tasks import LoopTasks, name_of

__all__ = [
    "inspect_after_test",
    "inspect_before_cancel",
    "inspect_before_close",
    "pending_tasks",
    "take_lost_errors",
]


class Stage(enum.Enum):
    """When a check runs. Each test goes through these stages in this order.

    On a loop that stays open for other tests, nothing is cancelled or closed between the stages.
    """

    BEFORE_CANCEL = enum.auto()
    """Before the tasks that are still pending are cancelled."""
    BEFORE_CLOSE = enum.auto()
    """After that, before the loop is closed."""
    AFTER_TEST = enum.auto()
    """When unittest is done with the test.

    These checks run before the loop is closed, too: some of what they look at goes with the loop.
    """


class Evidence(NamedTuple):
    """What a check can look at: the problems of one test or scope, and the objects it created."""

    problems: Problems
    created: tuple[CreatedObject, ...] = ()
    """The objects that this test or another one has created on the loop, and that still exist."""
    pending: frozenset[Task[Any]] = frozenset()
    """The tasks that are about to be cancelled. Only known in the stage ``BEFORE_CANCEL``."""
    now: float = 0.0
    """The loop's time, in seconds."""

    def objects(self, kind: Any) -> Iterator[tuple[Any, str, str]]:
        """Yield the objects of a class that this test or scope has created.

        Each comes with the place where it was created, and the name of its coroutine if it is a
        task. ``kind`` may be a tuple of classes.
        """
        for thing, problems, origin, name in self.created:
            if problems is self.problems and isinstance(thing, kind):
                yield thing, locations.format_origin(origin), name


_CheckFunction = Callable[[Evidence], Iterator[Finding]]

_checks: dict[str, tuple[Stage, _CheckFunction]] = {}
"""The checks by name, filled by the decorator ``@_check`` while this module is imported."""


def _check(name: str, stage: Stage) -> Callable[[_CheckFunction], _CheckFunction]:
    """Register a function as the check of that name."""

    def register(function: _CheckFunction) -> _CheckFunction:
        _checks[name] = stage, function
        return function

    return register


def inspect_before_cancel(
    loop: AbstractEventLoop, problems: Problems, tasks: set[Task[Any]]
) -> None:
    """Run the checks for which the pending ``tasks`` must not be cancelled yet."""
    _inspect(Stage.BEFORE_CANCEL, _evidence(loop, problems, frozenset(tasks)))


def inspect_before_close(loop: AbstractEventLoop, problems: Problems) -> None:
    """Run the checks for after the cancellation of pending tasks. The loop must still be open."""
    _inspect(Stage.BEFORE_CLOSE, _evidence(loop, problems))


def inspect_after_test(problems: Problems, loop: AbstractEventLoop | None = None) -> None:
    """Run the checks for which unittest must be done with the test.

    ``loop`` is the test's loop if it stays open for other tests.
    """
    evidence = Evidence(problems) if loop is None else _evidence(loop, problems)
    _inspect(Stage.AFTER_TEST, evidence)


def pending_tasks(loop: Any, problems: Problems) -> set[Task[Any]]:
    """Return the tasks that the owner of ``problems`` has created and that aren't done."""
    tasks = _evidence(loop, problems).objects(asyncio.Task)
    return {task for task, *_ in tasks if not task.done()}


def take_lost_errors(loop: AbstractEventLoop, problems: Problems) -> list[BaseException]:
    """Return the exceptions that nobody has retrieved, and mark them as retrieved.

    These are exceptions in tasks, futures and callbacks of the owner of ``problems``.
    """
    evidence = _evidence(loop, problems)
    found = (*_lost_in_reports(evidence, with_captured=True), *_lost_in_tasks(evidence))
    return [one.error for one in found if one.error is not None]


def _evidence(loop: Any, problems: Problems, tasks: frozenset[Task[Any]] = frozenset()) -> Evidence:
    loop_state = instrumented.state_of(loop)
    created = () if loop_state is None else tuple(loop_state.created)
    return Evidence(problems, created, tasks, loop.time())


def _inspect(stage: Stage, evidence: Evidence) -> None:
    """Run the checks of a stage, and add their findings to the problems."""
    stages = {stage}
    if stage is Stage.BEFORE_CLOSE:
        stages.add(Stage.AFTER_TEST)
    for name, (runs_in, find) in _checks.items():
        if runs_in in stages:
            try:
                evidence.problems.findings += tuple(find(evidence))
            except Exception as error:
                text = f"the check failed itself, with {type(error).__name__}"
                evidence.problems.findings += (Finding(name, "", text, key=text),)


@_check("never-awaited", Stage.AFTER_TEST)
def _never_awaited(evidence: Evidence) -> Iterator[Finding]:
    found, evidence.problems.unawaited = evidence.problems.unawaited, ()
    for name, place, is_mock in sorted(found, key=lambda one: one.is_mock):
        check = "never-awaited-mocks" if is_mock else "never-awaited"
        yield Finding(check, place, f"the coroutine {name} was never awaited", key=name)


@_check("lost-exceptions", Stage.AFTER_TEST)
def _lost_exceptions(evidence: Evidence) -> Iterator[Finding]:
    found = (*_lost_in_tasks(evidence), *_lost_in_reports(evidence))
    for error, origin, place, what, key, check in found:
        if id(error) in evidence.problems.reported:
            continue  # the test has failed with it
        if error is None:
            yield Finding(check, place, what, key=key)
            continue
        kind = type(error).__name__
        text = f"{kind}: {locations.text_of(error, str)}"
        lines = (*await_chains.format_lines(tracebacks.users_lines(error)), f"  {text}")
        if locations.is_of_library(origin) and not tracebacks.innermost_place(error):
            yield Finding(check, place, f"{what}: {text}", key=f"{key} {kind}")
        else:
            yield Finding(check, place, what, lines, f"{key} {kind}")


class _LostError(NamedTuple):
    """An exception that nobody has retrieved."""

    error: BaseException | None
    """None if asyncio has reported a problem without an exception."""
    origin: Origin
    """Where the task, the future or the async generator was created."""
    place: str
    what: str
    key: str
    """See `Finding`."""
    check: str = "lost-exceptions"


def _lost_in_tasks(evidence: Evidence) -> Iterator[_LostError]:
    for future, place, name in evidence.objects(asyncio.Future):
        # no public attribute says whether the exception was retrieved
        is_lost = future.done() and not future.cancelled() and future._log_traceback
        if is_lost and not isinstance(future.exception(), Overrun):
            origin = instrumented.origin_of(future)
            yield _LostError(future.exception(), origin, place, *_failed(future, name))


def _lost_in_reports(evidence: Evidence, *, with_captured: bool = False) -> Iterator[_LostError]:
    calls, evidence.problems.handler_calls = evidence.problems.handler_calls, ()
    for context, is_captured, origin, name in calls:
        if is_captured and not with_captured:
            continue
        error = context.get("exception")
        if isinstance(error, Overrun | asyncio.CancelledError):
            continue  # a cancellation: asyncio's streams report it as an error in Python 3.12
        lines = [] if error is None else tracebacks.users_lines(error)
        place = locations.format_origin(origin) or (lines[-1].place if lines else "")
        future = context.get("task") or context.get("future")
        if future is not None and error is not None:
            yield _LostError(error, origin, place, *_failed(future, name))
            continue
        if isinstance(future, DeletedTask):
            yield _deleted(future, origin, place)
            continue
        generator = context.get("asyncgen")
        if generator is not None:  # it was left open: that is the fault
            key = generator.__qualname__
            what = f"the async generator {key} failed when it was closed at the end"
            yield _LostError(error, origin, place, what, key, "open-asyncgens")
            continue
        message = str(context.get("message") or "unhandled exception")
        # no public attribute has the callback of a handle
        callback = getattr(context.get("handle"), "_callback", None)
        inner = locations.unwrap(callback)
        key = getattr(inner, "__qualname__", message.partition(" at ")[0])
        yield _LostError(error, origin, place, message, key)


def _deleted(task: DeletedTask, origin: Origin, place: str) -> _LostError:
    """Return the problem of a task that was deleted while it was pending."""
    name, coroutine = task
    # a garbage collection forgets the record of the task first
    is_known = place or not inspect.iscoroutine(coroutine)
    place = place if is_known else unawaited.place_of(coroutine)
    key = name_of_coroutine(coroutine)
    called = f"{name} ({key.rpartition('<locals>.')[2]})"
    what = f"the task {called} was deleted while it was pending: nothing else referred to it"
    return _LostError(None, origin, place, what, key)


def _failed(future: asyncio.Future[Any], name: str) -> tuple[str, str]:
    """Return the text and the key for a future that has failed."""
    if isinstance(future, asyncio.Task):
        called = f"{future.get_name()} ({name.rpartition('<locals>.')[2]})"
        return f"the task {called} failed, and nobody asked for it", name
    what = "a future failed, and nobody asked for it"
    return what, what


@_check("leaked-tasks", Stage.BEFORE_CANCEL)
def _leaked_tasks(evidence: Evidence) -> Iterator[Finding]:
    created = {task: (place, name) for task, place, name in evidence.objects(asyncio.Task)}
    if not evidence.pending:
        return
    tasks = LoopTasks(next(iter(evidence.pending)).get_loop(), None)
    awaited = {one for task in evidence.pending for one in tasks.wait_of(task).tasks}
    number = {task: index for index, task in enumerate(created)}
    order = sorted(
        evidence.pending - awaited,
        key=lambda task: (number.get(task, len(number)), str(task.get_name())),
    )
    for task in order:
        if task.cancelling() or type(task.get_coro()).__name__ == "async_generator_athrow":
            continue  # it is ending: a task group's, or that of an async generator being closed
        place, name = created.get(task, ("", ""))
        text = f"the task {name_of(task)} was still pending"
        is_users = any(map(locations.of_user, await_chains.frames(task)))
        is_foreign = locations.is_of_library(instrumented.origin_of(task)) and not is_users
        lines = () if is_foreign else tuple(hang_report.task_lines(tasks, task))
        yield Finding("leaked-tasks", place, text, lines, name or name_of(task))


@_check("leaked-timers", Stage.BEFORE_CLOSE)
def _leaked_timers(evidence: Evidence) -> Iterator[Finding]:
    for timer, place, _ in evidence.objects(TimerHandle):
        left = timer.when() - evidence.now
        if not timer.cancelled() and left > 0:
            name = locations.describe_callback(timer)
            text = f"a timer was still set, to call {name} in {left:.4g} s"
            yield Finding("leaked-timers", place, text, key=name.partition(",")[0])


@_check("open-asyncgens", Stage.BEFORE_CLOSE)
def _open_asyncgens(evidence: Evidence) -> Iterator[Finding]:
    for generator, place, _ in evidence.objects(types.AsyncGeneratorType):
        if generator.ag_frame is not None:
            name = generator.__qualname__
            text = f"the async generator {name} was started, and neither finished nor closed"
            yield Finding("open-asyncgens", place, text, key=name)


@_check("open-transports", Stage.BEFORE_CLOSE)
def _open_transports(evidence: Evidence) -> Iterator[Finding]:
    found = list(evidence.objects((asyncio.BaseTransport, asyncio.AbstractServer)))
    processes = [one for one, *_ in found if isinstance(one, asyncio.SubprocessTransport)]
    pipes = [process.get_pipe_transport(number) for process in processes for number in range(3)]
    for thing, place, _ in found:
        if thing not in pipes and _is_open(thing):
            text = f"{_transport_name(thing)} was still open"
            yield Finding("open-transports", place, text, key=type(thing).__name__)


def _is_open(thing: Any) -> bool:
    if isinstance(thing, asyncio.AbstractServer):
        return bool(getattr(thing, "sockets", ()))
    return not thing.is_closing()


def _transport_name(thing: Any) -> str:
    if isinstance(thing, asyncio.AbstractServer):
        names = [sockets.address(one.getsockname()) for one in getattr(thing, "sockets", ())]
        return f"a server on {' and '.join(names)}"
    if isinstance(thing, asyncio.SubprocessTransport):
        return f"the transport of the subprocess {thing.get_pid()}"
    peer = thing.get_extra_info("peername")
    if peer:
        return f"a transport to {sockets.address(peer)}"
    return f"a transport ({type(thing).__name__.strip('_')})"
