"""The instrumented event loop: it records what is created on it, and its time can be virtual.

`InstrumentedMixin` overrides the methods of a loop that create tasks, timers, jobs of executors,
transports, servers and async generators. For each, it records which test has created it, and where.
asyncio's debug mode records where, too, but takes ten times as long.

- `event_loops.InstrumentedLoop` is asyncio's own loop with this mixin, and has its name.
  Tests run on it by default.
- `instrument` adds the mixin to a loop that the user has created, for the time of a test.

Everything that we know about a loop is in its `LoopState`. The loop waits in an
`InstrumentedSelector`, which finds deadlocks and makes virtual time possible. A loop without a
selector of Python's, such as uvloop's, only records.
"""

from __future__ import annotations

import asyncio
import functools
import math
import os
import selectors
import sys
from asyncio import AbstractEventLoop, Task, TimerHandle
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any, cast

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError
from nose2_aio.eventloop import asyncio_log, endings, executors, jobs, wakeup_sources
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.selector import KNOWS_ENDS, InstrumentedSelector
from nose2_aio.eventloop.state import LoopState, name_of_coroutine
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.introspection import locations
from nose2_aio.introspection.await_chains import Line
from nose2_aio.introspection.locations import Origin

__all__ = [
    "STATE",
    "InstrumentedMixin",
    "class_name",
    "clock_of",
    "describe_wakeup_sources",
    "has_selector",
    "instrument",
    "make_virtual",
    "origin_of",
    "record_waits",
    "set_alarm",
    "state_of",
]

_WRAP_FUTURE = locations.code_of(asyncio, "wrap_future")
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep  # noqa: PTH120 -- it is compared with texts
_CALL_LATER = locations.code_of(asyncio.BaseEventLoop, "call_later")
_HANDLER_END = "StreamReaderProtocol.connection_made.<locals>.callback"
"""What asyncio calls at the end of the task of a handler of ``start_server``."""
_OPENING_METHODS = (
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "subprocess_exec",
    "subprocess_shell",
)
"""The coroutine methods of a loop that open a transport or a server."""


STATE = "__nose2_aio__"
"""The attribute of an instrumented loop that has its `LoopState`."""


class InstrumentedMixin:
    """Records what is created on an event loop, in `LoopState`."""

    __nose2_aio__: LoopState
    """What we know about the loop. The name can't collide with attributes of the user's loop."""

    def create_task(self, coro: Any, **options: Any) -> Task[Any]:
        """Create a task, with the user's task factory if there is one."""
        endings.watch_return(coro)
        task: Task[Any] = super().create_task(coro, **options)  # type: ignore[misc]
        _hide_our_frame(task)
        loop_state = self.__nose2_aio__
        loop_state.record(task, sys._getframe(1), name_of_coroutine(coro))
        if isinstance(task, Task):  # a task factory may return something else
            if task.done():
                loop_state.note_end(task)
            else:
                task.add_done_callback(loop_state.note_end)
        return task

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> TimerHandle:
        """Set a timer. `call_later` calls this method, too."""
        timer: TimerHandle = super().call_at(when, callback, *args, context=context)  # type: ignore[misc]
        _hide_our_frame(timer)
        loop_state = self.__nose2_aio__
        if when == math.inf and loop_state.has_selector:
            # it is never due: without it, the loop knows that it waits for ever
            self._scheduled.pop()  # type: ignore[attr-defined]
            timer._scheduled = False  # type: ignore[attr-defined]
        if loop_state.clock is not None:
            loop_state.clock.note_timer(when)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is _CALL_LATER:
            frame = frame.f_back
        # asyncio's own timers, such as that of ``sleep``, are cancelled with the task that waits
        if frame is not None and locations.package_of(frame) != "asyncio":
            loop_state.record(timer, frame)
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        """Create a future, and record where, unless asyncio itself has called this.

        In virtual time, record it if it is for a job of any thread pool.
        """
        future: asyncio.Future[Any] = super().create_future()  # type: ignore[misc]
        frame = sys._getframe(1)
        code = frame.f_code
        if not code.co_filename.startswith(_ASYNCIO):
            self.__nose2_aio__.add_future(future, frame)
        elif code is _WRAP_FUTURE and self.__nose2_aio__.clock is not None:
            self.__nose2_aio__.add_job(future)
        return future

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run a function in a thread; by default in our `Executor`, which can't delay the end."""
        loop_state = self.__nose2_aio__
        if executor is None and loop_state.default_executor is None:
            loop_state.executor = Executor()
            self.set_default_executor(loop_state.executor)
        pool = loop_state.default_executor if executor is None else executor
        job = jobs.as_part_of_test(func, pool, loop_state.problems)
        future = super().run_in_executor(executor, job, *args)  # type: ignore[misc]
        loop_state.record(future, sys._getframe(1))
        if isinstance(future, asyncio.Future):
            function = executors.function_to_thread(func)
            loop_state.add_job(future, function)
            what = functools.partial(executors.describe_job, function)
            future.add_done_callback(functools.partial(loop_state.note_end, what=what))
        return future

    def set_default_executor(self, executor: Any) -> None:
        """Use another default executor than ours."""
        self.__nose2_aio__.default_executor = executor
        super().set_default_executor(executor)  # type: ignore[misc]

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Record an error, and call the exception handler of the loop."""
        error = context.get("exception")
        if isinstance(error, Overrun):
            return  # it was raised by us, and is reported with the time limit
        if isinstance(error, asyncio.CancelledError) and _HANDLER_END in str(
            context.get("message")
        ):
            return  # until Python 3.12.1 this fails if the task of a server's handler is cancelled
        handler = self.get_exception_handler()  # type: ignore[attr-defined]
        is_recorded = self.__nose2_aio__.record_handler_call(context, handler)
        with asyncio_log.recorded() if is_recorded else nullcontext():
            super().call_exception_handler(context)  # type: ignore[misc]

    def time(self) -> float:
        """Return the time that timers are set by: virtual or real, in seconds."""
        clock = self.__nose2_aio__.clock
        return super().time() if clock is None else clock.time()  # type: ignore[misc]

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        # called when an async generator starts; there is no public method for that
        super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]
        self.__nose2_aio__.record(agen, sys._getframe(1))

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        # called when an async generator that was not closed is deleted: a task will close it
        super()._asyncgen_finalizer_hook(agen)  # type: ignore[misc]
        self.__nose2_aio__.has_dropped_generator = True


def _recording(name: str) -> Any:
    """Return a method of this name that records the transport or the server that it opens."""

    async def open_recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        opened = await getattr(super(InstrumentedMixin, self), name)(*args, **kwargs)
        is_pair = isinstance(opened, tuple) and opened  # of a transport and a protocol
        self.__nose2_aio__.record(opened[0] if is_pair else opened, sys._getframe(1))
        return opened

    open_recorded.__name__ = name
    return open_recorded


for _name in _OPENING_METHODS:
    setattr(InstrumentedMixin, _name, _recording(_name))


@contextmanager
def instrument(loop: AbstractEventLoop) -> Iterator[None]:
    """Instrument a loop that the user has created, inside the block.

    1. Its class becomes a subclass with `InstrumentedMixin`.
    2. If it waits in Python's default selector, that becomes an `InstrumentedSelector`.
    3. At the end of the block, both are restored.

    A loop that is instrumented already stays as it is. So does one whose class can't be changed.
    """
    if isinstance(loop, InstrumentedMixin):
        yield
        return
    kind = type(loop)
    loop_state = LoopState()
    loop_state.is_new = False
    try:
        loop_state.initial_handler = loop.get_exception_handler()
        cast(Any, loop).__nose2_aio__ = loop_state
        loop.__class__ = _instrumented_class(cast(Any, kind))
    except (TypeError, AttributeError):
        yield
        return
    # no public method returns these two
    loop_state.default_executor = getattr(loop, "_default_executor", None)
    selector: Any = getattr(loop, "_selector", None)
    loop_state.has_selector = type(selector) is selectors.DefaultSelector
    if loop_state.has_selector:
        selector.__class__ = InstrumentedSelector
        selector.loop_state = loop_state
    try:
        yield
    finally:
        loop_state.forget()
        loop.__class__ = kind
        del cast(Any, loop).__nose2_aio__
        if loop_state.has_selector:
            selector.__class__ = selectors.DefaultSelector
            del selector.loop_state


def state_of(loop: AbstractEventLoop | None) -> LoopState | None:
    """Return what we know about a loop; None if it is not instrumented."""
    return loop.__nose2_aio__ if isinstance(loop, InstrumentedMixin) else None


def has_selector(loop: AbstractEventLoop) -> bool:
    """Return True if a loop is instrumented, and waits in an `InstrumentedSelector`."""
    loop_state = state_of(loop)
    return loop_state is not None and loop_state.has_selector


def class_name(loop: AbstractEventLoop) -> str:
    """Return the name of the class of a loop, with its module."""
    kind = type(loop)
    return f"{kind.__module__}.{kind.__qualname__}"


def origin_of(future: asyncio.Future[Any]) -> Origin:
    """Return where a task or a future was created; empty if that is not known."""
    loop_state = state_of(future.get_loop())
    created = None if loop_state is None else loop_state.find(future)
    return () if created is None else created.origin


def set_alarm(
    loop: AbstractEventLoop | None,
    when: float | None,
    on_alarm: Callable[[], None] | None,
    *,
    virtual_left: float = math.inf,
) -> None:
    """Call a function while a loop runs: at a time by `time.monotonic`; None turns that off.

    If the loop's time is virtual, the function may be called before that, when ``virtual_left``
    seconds of virtual time have passed.

    The alarm is not a timer of the loop, so a deadlock is found in spite of it. Only if the loop
    has no `InstrumentedSelector`, a timer is used.
    """
    loop_state = state_of(loop)
    if loop is None or loop_state is None:
        return
    if loop_state.clock is not None:
        loop_state.clock.set_alarm(virtual_left, on_alarm)
    if when == math.inf:
        when = None
    if loop_state.has_selector:
        loop_state.alarm = None if when is None or on_alarm is None else (when, on_alarm)
        return
    if loop_state.alarm_timer is not None:
        loop_state.alarm_timer.cancel()
        loop_state.alarm_timer = None
    if when is not None and on_alarm is not None:
        loop_state.alarm_timer = loop.call_later(when - monotonic(), on_alarm)


def record_waits(
    loop: AbstractEventLoop, waits: WaitTimes | None, where: Callable[[], Line | None]
) -> None:
    """Record in ``waits`` how long an instrumented loop waits; None: record nothing.

    ``where`` returns the line that the test is at.
    """
    loop_state = state_of(loop)
    assert loop_state is not None
    loop_state.waits = waits
    if loop_state.clock is not None:
        loop_state.clock.take_waits()
    if waits is not None:
        waits.where, waits.is_known = where, has_selector(loop)


def make_virtual(loop: AbstractEventLoop) -> Clock:
    """Make the time of a loop virtual, and return its clock.

    If the loop is new, the clock starts at 0. Otherwise it goes on from the loop's time.

    Raises `LoopError` if the loop has no `InstrumentedSelector`.
    """
    loop_state = state_of(loop)
    if loop_state is None or not loop_state.has_selector:
        raise LoopError(
            f"time can't be virtual on {class_name(loop)}: it has no selector of Python's that "
            "could jump"
        )
    if loop_state.clock is None:
        if KNOWS_ENDS:
            # now, since a test may leave no file to open
            from nose2_aio.eventloop import own_files  # noqa: F401
        loop_state.clock = Clock(loop, 0.0 if loop_state.is_new else loop.time())
    elif not loop_state.clock.is_virtual:
        loop_state.clock.is_virtual = True
    return loop_state.clock


def clock_of(loop: AbstractEventLoop | None) -> Clock | None:
    """Return the clock of a loop; None if its time is real now."""
    loop_state = state_of(loop)
    clock = None if loop_state is None else loop_state.clock
    return clock if clock is not None and clock.is_virtual else None


def describe_wakeup_sources(loop: AbstractEventLoop) -> list[str]:
    """Return what outside of a loop may still wake it, in words.

    Files are only known if the selector is ours.
    """
    loop_state = state_of(loop)
    if loop_state is not None and loop_state.has_selector and not loop.is_closed():
        selector: InstrumentedSelector = cast(Any, loop)._selector
        return selector.describe_outside()
    jobs = [] if loop_state is None else loop_state.describe_jobs()
    return [*jobs, *wakeup_sources.describe()]


@functools.cache
def _instrumented_class(kind: type) -> type:
    """Return a subclass with `InstrumentedMixin` that has the same name."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (InstrumentedMixin, kind), names)


def _hide_our_frame(created: Any) -> None:
    """Remove the frame of this module from the stack that asyncio's debug mode has recorded."""
    trace = getattr(created, "_source_traceback", None)
    if trace and isinstance(trace, list):
        del trace[-1]
