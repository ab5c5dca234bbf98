"""Context managers that yield an event loop, for ``loop=`` and for use by hand."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from nose2_aio.errors import InvalidTypeError, LoopError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.eventloop.wall_clock import WallClock
from nose2_aio.introspection import locations
from nose2_aio.running import shutdown

__all__ = [
    "LoopContext",
    "child_loop",
    "clock",
    "current_loop",
    "given",
    "virtual_clock",
]

LoopContext = Callable[[], AbstractContextManager[AbstractEventLoop]]
"""What ``loop=`` takes: a function that returns a context manager, which yields an event loop."""


@contextmanager
def child_loop() -> Iterator[AbstractEventLoop]:
    """Yield a new event loop, which is the current one inside the block, and close it after that.

    First, tasks that are left are cancelled and run to their end. Then async generators and the
    default executor are shut down. The loop that was current before is current again::

        with aio.child_loop() as loop:
            loop.run_until_complete(connect())

    Raises `AbandonedLoopError` if a task does not end.
    """
    with _closed_after(event_loops.new()) as loop:
        yield loop


@contextmanager
def virtual_clock(*, wall: bool = False) -> Iterator[AbstractEventLoop]:
    """Yield a new event loop in virtual time, and close it as `child_loop` does.

    ::

        @aio.run_until_complete(loop=aio.virtual_clock)
        async def test_retry():
            await asyncio.sleep(3600)  # takes no time

    With ``wall=True``, ``time.time()`` and ``datetime.now()`` move with its clock. This needs the
    package time-machine. Raises `InvalidValueError` if that isn't installed.
    """
    moved = WallClock(f"virtual_clock, {locations.of_caller()}") if wall else None
    with _closed_after(event_loops.InstrumentedLoop()) as loop:
        clock = instrumented.make_virtual(loop)
        clock.is_always_virtual = True
        with moved or nullcontext():
            clock.set_wall_clock(moved)
            yield loop


@contextmanager
def current_loop() -> Iterator[AbstractEventLoop]:
    """Yield the current event loop, and leave it open.

    ::

        @aio.run_until_complete(loop=aio.current_loop)
        async def test_echo(): ...

    Raises `LoopError` if there is no current event loop.
    """
    loop = event_loops.current()
    if loop is None:
        raise LoopError(
            "there is no current event loop for current_loop to give: make one in a fixture, "
            "with asyncio.set_event_loop(asyncio.new_event_loop()), or leave out loop="
        )
    yield loop


@contextmanager
def _closed_after(loop: AbstractEventLoop) -> Iterator[AbstractEventLoop]:
    restore = event_loops.make_current(loop)
    try:
        yield loop
    finally:
        try:
            shutdown.end(loop)
        finally:
            restore()
            loop.close()


def clock() -> Clock:
    """Return the virtual clock of the test or fixture that runs.

    ::

        @aio.virtual_time
        async def test_session_ends(self):
            session = open_session(seconds=60)
            await aio.clock().advance(61)
            self.assertTrue(session.is_closed)

    Raises `LoopError` if time isn't virtual.
    """
    found = instrumented.clock_of(event_loops.current())
    if found is None:
        raise LoopError(
            "time isn't virtual here, so there is no clock to give: that takes a coroutine test, "
            "or a fixture of one, with @aio.virtual_time or virtual-time = true in [aio]"
        )
    return found


@contextmanager
def given(context: LoopContext) -> Iterator[AbstractEventLoop]:
    """Yield the loop of a user's ``loop=``, which is the current one inside the block.

    Raises `InvalidTypeError` if it is not an event loop, and `LoopError` if it is closed or runs
    already.
    """
    manager = context()
    if not hasattr(type(manager), "__enter__") or not hasattr(type(manager), "__exit__"):
        raise InvalidTypeError(
            f"loop= must return a context manager that gives an event loop, got {manager!r} "
            f"({locations.describe(context)})"
        )
    with manager as loop:
        _check(loop, context)
        restore = event_loops.make_current(loop)
        try:
            yield loop
        finally:
            restore()


def _check(loop: Any, context: LoopContext) -> None:
    place = locations.describe(context)
    if not isinstance(loop, AbstractEventLoop):
        raise InvalidTypeError(
            f"the context manager of loop= must give an event loop, got {loop!r} ({place})"
        )
    if loop.is_closed():
        raise LoopError(f"the context manager of loop= gave a closed event loop ({place})")
    if loop.is_running():
        raise LoopError(f"the context manager of loop= gave a loop that runs already ({place})")
