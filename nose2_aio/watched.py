"""An event loop that keeps the books, and that knows when nothing can wake it any more.

`Watched` is mixed into the class of a loop. It notes who makes a task, sets a timer, begins an
async generator or opens a transport, and where: all of these are made by methods of the loop,
whichever task factory is set. asyncio's debug mode does the same for ten times the price.

`WatchedSelector` is asked by the loop to wait. Where the loop would wait for ever, it asks
`deadlocks` first.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import selectors
import sys
import time
from asyncio import AbstractEventLoop, Task, TimerHandle
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from types import AsyncGeneratorType, FrameType
from typing import Any, cast
from weakref import WeakKeyDictionary

from nose2_aio import deadlocks, ledgers, places
from nose2_aio.executors import Executor
from nose2_aio.ledgers import Ledger, Report
from nose2_aio.places import Origin

__all__ = ["Watched", "WatchedLoop", "on", "origin_of", "set_alarm"]

Made = WeakKeyDictionary[Any, tuple[Ledger, Origin]]


class Watched:
    """A loop that notes what is made on it. Nothing of that is kept alive."""

    ledger: Ledger | None = None
    """The ledger of what carries none; None: nobody wants to know."""
    made: Made | None = None
    """Who has made what, and where."""
    executor: Executor | None = None
    """The default executor, if it is ours."""
    on_deadlock: Callable[[], None] | None = None
    """What is called where nothing can wake the loop any more."""
    alarm: tuple[float, Callable[[], None]] | None = None
    """When to call what, by `time.monotonic`, though nothing is due on the loop."""
    timer: TimerHandle | None = None
    """Stands for the alarm where the loop has no selector of ours."""
    _has_executor = False

    handler_before: Any = None
    """The exception handler that was set when the watching began: it deals with nothing."""

    @property
    def needs_shutdown(self) -> bool:
        """Whether there are threads to end, or async generators to close."""
        return self._has_executor or any(
            isinstance(thing, AsyncGeneratorType) for thing in self.made or ()
        )

    def note(self, thing: Any, frame: FrameType | None) -> None:
        """Note who has made something."""
        ledger = ledgers.current.get() or self.ledger
        if ledger is not None:
            if self.made is None:
                self.made = WeakKeyDictionary()
            self.made[thing] = (ledger, places.origin(frame))

    def create_task(self, coro: Any, **options: Any) -> Task[Any]:
        """Make a task, by the user's own task factory if there is one."""
        task: Task[Any] = super().create_task(coro, **options)  # type: ignore[misc]
        self.note(task, sys._getframe(1))
        return task

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> TimerHandle:
        """Set a timer; `call_later` comes here too."""
        timer: TimerHandle = super().call_at(when, callback, *args, context=context)  # type: ignore[misc]
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is _CALL_LATER:
            frame = frame.f_back
        # asyncio's own are ended by their tasks
        if frame is not None and places.package(frame) != "asyncio":
            self.note(timer, frame)
        return timer

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take note of what went wrong, and handle it as ever."""
        ledger, origin = self._maker_of(context)
        # a handler of the test's deals with what it is told
        handler = self.get_exception_handler()  # type: ignore[attr-defined]
        if ledger is not None and handler is self.handler_before:
            ledger.reports += (Report(context, _is_log_captured(), origin),)
        super().call_exception_handler(context)  # type: ignore[misc]

    def set_default_executor(self, executor: Any) -> None:
        """Use another one than ours."""
        self._has_executor = True
        super().set_default_executor(executor)  # type: ignore[misc]

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run a function in a thread, by default in one that can't hold up the end of the run."""
        if executor is None and not self._has_executor:
            self.executor = Executor()
            self.set_default_executor(self.executor)
        future = super().run_in_executor(executor, func, *args)  # type: ignore[misc]
        self.note(future, sys._getframe(1))
        return future

    def _maker_of(self, report: dict[str, Any]) -> tuple[Ledger | None, Origin]:
        """Return who has made what a report to the exception handler is about, and where."""
        for key in ("task", "future", "asyncgen", "transport"):
            if self.made is not None and report.get(key) in self.made:
                return self.made[report[key]]
        context = getattr(report.get("handle"), "_context", None)  # public since Python 3.12
        charged = None if context is None else context.get(ledgers.current)
        return charged or ledgers.current.get() or self.ledger, ()

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        # nothing public tells a loop's subclass of an async generator that is begun
        super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]
        self.note(agen, sys._getframe(1))


def _opening(name: str) -> Any:
    """Return a method of that name that notes the transport or the server that it gives."""

    async def opened(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = await getattr(super(Watched, self), name)(*args, **kwargs)
        self.note(made[0] if isinstance(made, tuple) else made, sys._getframe(1))
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
    setattr(Watched, _name, _opening(_name))


class WatchedSelector(selectors.DefaultSelector):
    """Waits for a `WatchedLoop`: not beyond its alarm, and not for ever where nothing can come."""

    loop: WatchedLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for files, for so many seconds at most."""
        loop = self.loop
        if loop.alarm is not None:
            when, ring = loop.alarm
            left = when - time.monotonic()
            if left <= 0:
                loop.alarm = None
                ring()
                timeout = 0
            elif timeout is None or timeout > left:
                if timeout is None and self._is_deadlock():
                    left = 0
                timeout = left
        elif timeout is None and self._is_deadlock():
            timeout = 0
        return super().select(timeout)

    def _is_deadlock(self) -> bool:
        """Tell whether the loop would wait for ever; then its runner has been told."""
        if self.loop.on_deadlock is None or len(self.get_map()) > 1 or deadlocks.can_be_woken():
            return False
        self.loop.on_deadlock()
        return True


class WatchedLoop(Watched, asyncio.SelectorEventLoop):  # type: ignore[misc]  # wider parameters
    """What `asyncio.new_event_loop` gives, watched."""

    def __init__(self) -> None:
        selector = WatchedSelector()
        selector.loop = self
        super().__init__(selector)


@contextmanager
def on(loop: AbstractEventLoop) -> Iterator[None]:
    """Watch a loop that somebody else has made, inside the block.

    One whose class can't be extended is left as it is, and one that is watched already.
    """
    kind = type(loop)
    if isinstance(loop, Watched):
        yield
        return
    try:
        loop.__class__ = _extended(cast(Any, kind))
    except TypeError:
        yield
        return
    watching = cast(Any, loop)
    watching.handler_before = loop.get_exception_handler()
    selector = getattr(loop, "_selector", None)  # nothing public tells
    if type(selector) is selectors.DefaultSelector:
        cast(Any, selector).__class__ = WatchedSelector
        cast(Any, selector).loop = watching
    try:
        yield
    finally:
        loop.__class__ = kind
        for name in ("alarm", "executor", "handler_before", "ledger", "made", "on_deadlock"):
            vars(loop).pop(name, None)
        if isinstance(selector, WatchedSelector):
            cast(Any, selector).__class__ = selectors.DefaultSelector
            del selector.loop


def set_alarm(loop: AbstractEventLoop, when: float | None, ring: Callable[[], None] | None) -> None:
    """Have ``ring`` called in a loop that runs, at a time by `time.monotonic`; or no more.

    It is no timer of the loop's: where there is nothing else, a deadlock is found all the same.
    """
    if not isinstance(loop, Watched):
        return
    if isinstance(getattr(loop, "_selector", None), WatchedSelector):
        loop.alarm = None if when is None or ring is None else (when, ring)
        return
    if loop.timer is not None:
        loop.timer.cancel()
        loop.timer = None
    if when is not None and ring is not None:
        loop.timer = loop.call_later(when - time.monotonic(), ring)


def origin_of(task: Task[Any]) -> Origin:
    """Return where a task was made, as far as that is known."""
    made = getattr(task.get_loop(), "made", None)
    return made[task][1] if made is not None and task in made else ()


@functools.cache
def _extended(kind: type) -> type:
    return type(kind.__name__, (Watched, kind), {"__module__": kind.__module__})


def _is_log_captured() -> bool:
    """Tell whether a test captures what asyncio logs, with ``assertLogs``."""
    handlers = logging.getLogger("asyncio").handlers + logging.getLogger().handlers
    return any(type(handler).__module__ == "unittest._log" for handler in handlers)


_CALL_LATER = asyncio.BaseEventLoop.call_later.__code__
