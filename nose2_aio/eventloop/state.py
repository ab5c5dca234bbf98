"""What we know about one event loop: the objects created on it, and what to do while it waits.

It is all in one `LoopState`, so that our names can't collide with attributes of the loop.
"""

import asyncio
import gc
import logging
import weakref
from asyncio import TimerHandle
from collections.abc import Callable, Iterable
from types import AsyncGeneratorType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import _log

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop import executors
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.endings import Endings, take_return
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.problems import DeletedTask, HandlerCall, Problems, current_problems
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.introspection import holders, locations
from nose2_aio.introspection.locations import Origin

if TYPE_CHECKING:
    from nose2_aio.eventloop.own_files import OwnFiles

__all__ = ["CreatedObject", "LoopState", "name_of_coroutine", "silence_interrupted"]

_MAX_FUTURES = 100
"""How many futures are recorded until we look which of them still exist."""
_NOTHING: dict[int, Any] = {}


class CreatedObject(NamedTuple):
    """A task, timer, job, async generator, transport or server that was created on a loop."""

    thing: Any
    problems: Problems
    """The problems of the test, or of the wider scope, that created it."""
    origin: Origin
    """Where it was created."""
    name: str
    """The name of a task's coroutine. A task that is done may have no coroutine any more."""


class LoopState:
    """What we know about one event loop."""

    problems: Problems | None = None
    """Whose an object is if its context has no `Problems`. None: such objects are not recorded."""
    executor: Executor | None = None
    """The default executor, if it is ours."""
    default_executor: Any = None
    """The default executor, ours or the user's."""
    jobs: weakref.WeakKeyDictionary[Any, Any] | None = None
    """The functions of jobs, by their futures; None if there was no job.

    The function is None if it is not known.
    """
    futures: list[tuple[weakref.ref[Any], Origin]] | None = None
    """The futures that the user's code or a library has created, and where; None if there was none.
    """
    _max_futures = _MAX_FUTURES
    endings: Endings | None = None
    """The tasks, jobs and callbacks that have ended; None if there was none."""
    on_deadlock: Callable[[], None] | None = None
    """Called when nothing can wake the loop any more."""
    alarm: tuple[float, Callable[[], None]] | None = None
    """When to call which function, by `time.monotonic`, though the loop has no timer for it."""
    alarm_timer: TimerHandle | None = None
    """The timer of the loop that does this if the selector is not ours."""
    clock: Clock | None = None
    """The loop's clock, if its time is virtual, or was."""
    own_files: "OwnFiles | None" = None
    """What is known about the files that the loop watches; None: nobody has asked yet."""
    waits: WaitTimes | None = None
    """Where to add how long the loop waits; None if that is not recorded."""
    is_new = True
    """True if nothing has run on the loop yet."""
    own_task: asyncio.Task[Any] | None = None
    """The task of the test, if that is none of ours."""
    has_dropped_generator = False
    """True if an async generator was deleted that was not closed. A task closes it."""
    has_selector = True
    """True if the loop waits in an `InstrumentedSelector`."""
    files: Any = None
    """The `LoopFiles` that another loop may take over. None: the loop has opened its own."""
    is_bare = True
    """False once the loop had a signal handler, or its selector a file of somebody else."""
    initial_handler: Any = None
    """The exception handler from before we instrumented the loop. None: asyncio's default."""
    objects: dict[int, tuple[weakref.ref[Any], Problems, Origin, str]] | None = None
    """The fields of each `CreatedObject` that still exists; None if there was none.

    By ``id()``, since the user's objects may define equality.

    The references are weak: nothing is kept alive by its record.
    """

    def record(self, thing: Any, frame: FrameType | None, name: str = "") -> None:
        """Record that an object is being created, given the innermost frame.

        ``name`` is that of a task's coroutine. An object without weak references is not recorded.
        """
        problems = current_problems.get() or self.problems
        if problems is None:
            return
        if self.objects is None:
            self.objects = {}
        created, key = self.objects, id(thing)
        try:
            reference = weakref.ref(thing, lambda _: created.pop(key, None))
        except TypeError:
            return
        created[key] = (reference, problems, locations.capture_origin(frame), name)

    @property
    def created(self) -> list[CreatedObject]:
        """The recorded objects that still exist."""
        found = []
        for reference, problems, origin, name in list((self.objects or {}).values()):
            thing = reference()
            if thing is not None:
                found.append(CreatedObject(thing, problems, origin, name))
        return found

    def find(self, thing: Any) -> CreatedObject | None:
        """Return the record of an object; None if it was not recorded."""
        found = (self.objects or {}).get(id(thing))
        if found is None or found[0]() is not thing:
            return None
        return CreatedObject(thing, *found[1:])

    def forget(self, problems: Problems | None = None) -> None:
        """Forget the recorded objects. asyncio will not log the errors of those we interrupted.

        With ``problems``, forget only which tasks of their owner have ended.
        """
        if problems is not None:
            if self.endings is not None:
                self.endings.forget(problems)
            return
        silence_interrupted(one.thing for one in self.created)
        self.objects = None

    def add_job(self, future: asyncio.Future[Any], function: object = None) -> None:
        """Record the future of a job that was submitted to an executor, and its function."""
        if self.jobs is None:
            self.jobs = weakref.WeakKeyDictionary()
        self.jobs[future] = function

    def describe_jobs(self) -> list[str]:
        """Return the jobs that aren't done, and where they were handed over, in words."""
        found = []
        every = list((self.jobs or {}).items())
        for job, function in [one for one in every if not one[0].done()]:
            created = self.find(job)
            place = "" if created is None else locations.format_origin(created.origin)
            handed_over = f", handed over at {place}" if place else ""
            found.append(f"{executors.describe_job(function)}{handed_over}")
        return found

    def origin_of_file(self, descriptor: int) -> Origin:
        """Return where the transport or server with a file was opened; empty if not known."""
        for one in self.created:
            if descriptor in map(_descriptor, _files_of(one.thing)):
                return one.origin
        return ()

    def origin_of_child(self, number: int) -> Origin:
        """Return where a child process was started; empty if the loop doesn't know it."""
        for one in self.created:
            if isinstance(one.thing, asyncio.SubprocessTransport) and one.thing.get_pid() == number:
                return one.origin
        return ()

    def add_future(self, future: asyncio.Future[Any], frame: FrameType) -> None:
        """Record where a future is being created, given the innermost frame."""
        if self.futures is None:
            self.futures = []
        self.futures.append((weakref.ref(future), locations.capture_origin(frame)))
        if len(self.futures) > self._max_futures:
            self.futures = [entry for entry in self.futures if entry[0]() is not None]
            self._max_futures = 2 * len(self.futures) + _MAX_FUTURES

    @property
    def future_origins(self) -> dict[int, Origin]:
        """Where the futures were created that still exist, by ``id()``."""
        return {id(one()): origin for one, origin in self.futures or () if one() is not None}

    def note_end(self, future: asyncio.Future[Any], what: Any = None) -> None:
        """Record that a task or a job has ended. ``what`` returns the name of a job."""
        found = (self.objects or _NOTHING).get(id(future))
        if found is None:
            return
        _, problems, _, name = found
        what = what or future.get_name()  # type: ignore[attr-defined]  # a task's
        noted, now = self.endings or self._noted, self.now
        # ``exception()`` would mark the exception as retrieved
        error = future._exception
        if error is not None:
            how = f"failed ({noted.add_failed(now, problems, what, name, error)})"
        elif future.cancelled():
            how = "was cancelled"
            noted.others.append((now, problems, what, name, ""))
        else:
            noted.others.append((now, problems, what, name, None, take_return(future)))
            return
        user = holders.user_of(future)
        if user is not None:
            user.end = how

    @property
    def _noted(self) -> Endings:
        if self.endings is None:
            self.endings = Endings()
        return self.endings

    @property
    def now(self) -> float:
        """The time of `Ending.when`, in seconds."""
        return monotonic() if self.clock is None else self.clock.time()

    @property
    def needs_shutdown(self) -> bool:
        """True if there are threads to end, or async generators to close."""
        return (
            self.default_executor is not None
            or self.has_dropped_generator
            or any(type(one.thing) is AsyncGeneratorType for one in self.created)
        )

    def record_handler_call(self, context: dict[str, Any], handler: object) -> bool:
        """Record a call of the exception handler ``handler``, unless it is one that a test set.

        Return True if the checks will report it.
        """
        problems, origin, name = self._owner_of(context)
        error = context.get("exception")
        if error is not None and not {"task", "future"} & context.keys():
            self._noted.add_failed(self.now, problems, _failed_call(context), "", error)
        if problems is None or handler is not self.initial_handler:
            return False
        task = context.get("task")
        if error is None and isinstance(task, asyncio.Task):  # only a deleted one has no error
            context = {**context, "task": DeletedTask(task.get_name(), task.get_coro())}
        call = HandlerCall(context, _is_log_captured(), origin, name)
        problems.handler_calls += (call,)
        return problems.is_checked and not call.is_captured

    def _owner_of(self, context: dict[str, Any]) -> tuple[Problems | None, Origin, str]:
        """Return the `Problems` that a call of the exception handler belongs to.

        Also returns where the object was created that the call is about, and its name.
        """
        for key in ("task", "future", "asyncgen", "transport"):
            created = self.find(context.get(key))
            if created is not None:
                return created[1:]
        variables = getattr(context.get("handle"), "_context", None)  # public since Python 3.12
        problems = None if variables is None else variables.get(current_problems)
        return problems or current_problems.get() or self.problems, (), ""


def _files_of(thing: Any) -> Iterable[Any]:
    """Return the sockets or the pipe of a server or a transport; empty for other objects."""
    if isinstance(thing, asyncio.AbstractServer):
        return getattr(thing, "sockets", ())
    if isinstance(thing, asyncio.BaseTransport):
        return (thing.get_extra_info("socket") or thing.get_extra_info("pipe"),)
    return ()


def _descriptor(file: Any) -> int:
    """Return the descriptor of a file; -1 for None, and if it is closed."""
    try:
        return -1 if file is None else int(file.fileno())
    except ValueError:  # a closed pipe
        return -1


def _failed_call(context: dict[str, Any]) -> str:
    """Return what has failed, given the argument of an exception handler."""
    name = getattr(locations.callback_of(context.get("handle")), "__qualname__", "")
    return f"the callback {name}" if name else "a callback"


def name_of_coroutine(coroutine: Any) -> str:
    """Return the name of a coroutine; that of its generator for an ``aclose``, which has none."""
    name: str | None = getattr(coroutine, "__qualname__", None)
    if name is not None:
        return name
    closed = (one for one in gc.get_referents(coroutine) if type(one) is AsyncGeneratorType)
    return next((f"{one.__qualname__}.aclose" for one in closed), "")


def silence_interrupted(things: Iterable[Any]) -> None:
    """Keep asyncio from logging the errors of tasks that we interrupted."""
    for one in things:
        # ``exception()`` marks the error as seen: only for ours, not for the user's
        if isinstance(getattr(one, "_exception", None), Overrun):
            one.exception()


def _is_log_captured() -> bool:
    """Return True if a test captures asyncio's log with ``assertLogs``."""
    handlers = logging.getLogger("asyncio").handlers + logging.getLogger().handlers
    return any(isinstance(handler, _CAPTURING_HANDLER) for handler in handlers)


_CAPTURING_HANDLER: Any = getattr(_log, "_CapturingHandler", ())
"""The class of the handler that ``assertLogs`` sets. It has no public name."""
