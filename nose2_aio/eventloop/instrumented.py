"""An event loop that keeps the books and the time, and that knows when nothing can wake it.

`InstrumentedMixin` is mixed into the class of a loop. It notes who makes a task, sets a timer, begins an
async generator or opens a transport, and where: all of these are made by methods of the loop,
whichever task factory is set. asyncio's debug mode does the same for ten times the price. What is
noted stands in a `LoopState` (`watches`); its selector is one that knows of that, too (`selecting`).
"""

from __future__ import annotations

import asyncio
import functools
import math
import os
import selectors
import socket
import sys
from asyncio import AbstractEventLoop, Task, TimerHandle
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

from nose2_aio.config.seconds import monotonic
from nose2_aio.errors import LoopError
from nose2_aio.eventloop import wakeup_sources
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.selector import InstrumentedSelector
from nose2_aio.eventloop.state import LoopState
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wait_times import WaitTimes
from nose2_aio.introspection import locations
from nose2_aio.introspection.await_chains import Line
from nose2_aio.introspection.locations import Origin

__all__ = [
    "InstrumentedLoop",
    "InstrumentedMixin",
    "class_name",
    "clock_of",
    "has_selector",
    "holders",
    "instrument",
    "make_virtual",
    "note_waits",
    "origin_of",
    "set_alarm",
    "state_of",
]


class InstrumentedMixin:
    """A loop on which a watch is kept."""

    __nose2_aio__: LoopState

    def create_task(self, coro: Any, **options: Any) -> Task[Any]:
        """Make a task, by the user's own task factory if there is one."""
        task: Task[Any] = super().create_task(coro, **options)  # type: ignore[misc]
        _hide(task)
        self.__nose2_aio__.note(task, sys._getframe(1), getattr(coro, "__qualname__", ""))
        return task

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> TimerHandle:
        """Set a timer; `call_later` comes here too."""
        timer: TimerHandle = super().call_at(when, callback, *args, context=context)  # type: ignore[misc]
        _hide(timer)
        clock = self.__nose2_aio__.clock
        if clock is not None:
            clock.note(when)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is _CALL_LATER:
            frame = frame.f_back
        # asyncio's own are ended by their tasks
        if frame is not None and locations.package_of(frame) != "asyncio":
            self.__nose2_aio__.note(timer, frame)
        return timer

    def time(self) -> float:
        """Return the time by which timers are set: virtual, where that is asked for."""
        clock = self.__nose2_aio__.clock
        return super().time() if clock is None else clock.time()  # type: ignore[misc]

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take note of what went wrong, and handle it as ever."""
        if isinstance(context.get("exception"), Overrun):
            return  # ours: it has its report
        self.__nose2_aio__.report(context, self.get_exception_handler())  # type: ignore[attr-defined]
        super().call_exception_handler(context)  # type: ignore[misc]

    def set_default_executor(self, executor: Any) -> None:
        """Use another one than ours."""
        self.__nose2_aio__.default_executor = executor
        super().set_default_executor(executor)  # type: ignore[misc]

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run a function in a thread, by default in one that can't hold up the end of the run."""
        loop_state = self.__nose2_aio__
        if executor is None and loop_state.default_executor is None:
            loop_state.executor = Executor()
            self.set_default_executor(loop_state.executor)
        future = super().run_in_executor(executor, func, *args)  # type: ignore[misc]
        loop_state.note(future, sys._getframe(1))
        if isinstance(future, asyncio.Future):
            loop_state.add_job(future)
        return future

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future; in virtual time, note one that stands for a job of any thread pool."""
        future: asyncio.Future[Any] = super().create_future()  # type: ignore[misc]
        loop_state = self.__nose2_aio__
        if loop_state.clock is not None and sys._getframe(1).f_code is _WRAP_FUTURE:
            loop_state.add_job(future)
        return future

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        # nothing public tells a loop's subclass of an async generator that is begun
        super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]
        self.__nose2_aio__.note(agen, sys._getframe(1))


def _opening(name: str) -> Any:
    """Return a method of that name that notes the transport or the server that it gives."""

    async def opened(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = await getattr(super(InstrumentedMixin, self), name)(*args, **kwargs)
        loop_state = self.__nose2_aio__
        loop_state.note(made[0] if isinstance(made, tuple) and made else made, sys._getframe(1))
        return made

    opened.__name__ = name
    return opened


for _name in (
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
):
    setattr(InstrumentedMixin, _name, _opening(_name))


class InstrumentedLoop(InstrumentedMixin, asyncio.SelectorEventLoop):  # type: ignore[misc]  # wider parameters
    """What `asyncio.new_event_loop` gives, watched."""

    def __init__(self) -> None:
        selector = InstrumentedSelector()
        selector.loop_state = self.__nose2_aio__ = LoopState()
        super().__init__(selector)


def state_of(loop: AbstractEventLoop | None) -> LoopState | None:
    """Return the watch that is kept on a loop, if one is."""
    return loop.__nose2_aio__ if isinstance(loop, InstrumentedMixin) else None


def has_selector(loop: AbstractEventLoop) -> bool:
    """Tell whether a loop that is watched waits in a selector of ours."""
    loop_state = state_of(loop)
    return loop_state is not None and loop_state.has_selector


@contextmanager
def instrument(loop: AbstractEventLoop) -> Iterator[None]:
    """Watch a loop that somebody else has made, inside the block.

    One whose class can't be extended is left as it is, and one that is watched already.
    """
    kind = type(loop)
    if isinstance(loop, InstrumentedMixin):
        yield
        return
    loop_state = LoopState()
    loop_state.is_new = False
    try:
        loop_state.handler_before = loop.get_exception_handler()
        cast(Any, loop).__nose2_aio__ = loop_state
        loop.__class__ = _extended(cast(Any, kind))
    except (TypeError, AttributeError):
        yield
        return
    # nothing public tells
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


def set_alarm(
    loop: AbstractEventLoop | None,
    when: float | None,
    ring: Callable[[], None] | None,
    *,
    virtual_left: float = math.inf,
) -> None:
    """Have ``ring`` called in a loop that runs, at a time by `time.monotonic`; or no more.

    Or sooner, in so many seconds of virtual time.

    It is no timer of the loop's: where there is nothing else, a deadlock is found all the same.
    """
    loop_state = state_of(loop)
    if loop is None or loop_state is None:
        return
    if loop_state.clock is not None:
        loop_state.clock.set_alarm(virtual_left, ring)
    if when == math.inf:
        when = None
    if loop_state.has_selector:
        loop_state.alarm = None if when is None or ring is None else (when, ring)
        return
    if loop_state.timer is not None:
        loop_state.timer.cancel()
        loop_state.timer = None
    if when is not None and ring is not None:
        loop_state.timer = loop.call_later(when - monotonic(), ring)


def class_name(loop: AbstractEventLoop) -> str:
    """Return the name of the class of a loop, with its module."""
    kind = type(loop)
    return f"{kind.__module__}.{kind.__qualname__}"


def note_waits(
    loop: AbstractEventLoop, waits: WaitTimes | None, where: Callable[[], Line | None]
) -> None:
    """Have it noted for how long a loop waits, if somebody wants to know, and ``where``."""
    loop_state = state_of(loop)
    if loop_state is not None:
        loop_state.waits = waits
        if loop_state.clock is not None:
            loop_state.clock.take()
    if waits is not None:
        waits.where, waits.is_known = where, has_selector(loop)


def clock_of(loop: AbstractEventLoop | None) -> Clock | None:
    """Return the clock of a loop, if its time is virtual now."""
    loop_state = state_of(loop)
    clock = None if loop_state is None else loop_state.clock
    return clock if clock is not None and clock.is_virtual else None


def make_virtual(loop: AbstractEventLoop) -> Clock:
    """Have the time of a loop be virtual, and return its clock.

    On a new loop that begins at 0, on another one it goes on from where it is.

    Raises `LoopError` where the loop has no selector of Python's.
    """
    loop_state = state_of(loop)
    if loop_state is None or not loop_state.has_selector:
        raise LoopError(
            f"time can't be virtual on {class_name(loop)}: it has no selector of Python's that could "
            "jump"
        )
    if loop_state.clock is None:
        loop_state.clock = Clock(loop, 0.0 if loop_state.is_new else loop.time())
    elif not loop_state.clock.is_virtual:
        loop_state.clock.is_virtual = True
    return loop_state.clock


def holders(loop: AbstractEventLoop) -> list[str]:
    """Return what outside of a loop may still wake it, in words."""
    loop_state = state_of(loop)
    selector: Any = getattr(loop, "_selector", None)
    keys = [] if selector is None else (selector.get_map() or {}).values()
    files = [text for text in map(_described, keys) if not text.endswith("._read_from_self")]
    jobs = () if loop_state is None else loop_state.jobs or ()
    return [
        *files,
        *("the job of an executor" for job in jobs if not job.done()),
        *wakeup_sources.described(),
    ]


def _described(key: selectors.SelectorKey) -> str:
    """Name a file that a loop watches, and what is called when something comes."""
    called = [repr(handle).partition("(")[0] for handle in key.data or () if handle]
    names = " and ".join(one.removeprefix("<Handle ") for one in called)
    try:
        with socket.socket(fileno=os.dup(key.fd)) as one:
            return f"the socket {key.fd} at {one.getsockname()}, for {names}"
    except OSError:
        return f"the file {key.fd}, for {names}"


def origin_of(task: Task[Any]) -> Origin:
    """Return where a task was made, as far as that is known."""
    loop_state = state_of(task.get_loop())
    made = None if loop_state is None else loop_state.find(task)
    return () if made is None else made.origin


@functools.cache
def _extended(kind: type) -> type:
    return type(
        kind.__name__,
        (InstrumentedMixin, kind),
        {"__module__": kind.__module__, "__qualname__": kind.__qualname__},
    )


def _hide(made: Any) -> None:
    """Leave our frame out of where asyncio's debug mode says that something was made."""
    trace = getattr(made, "_source_traceback", None)
    if trace and isinstance(trace, list):
        del trace[-1]


_WRAP_FUTURE = locations.code_of(asyncio, "wrap_future")
_CALL_LATER = locations.code_of(asyncio.BaseEventLoop, "call_later")
