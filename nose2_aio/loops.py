"""Event loops: contexts that give one, which one is current, and how one is shut down."""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from nose2_aio import endings, factories, places, watched
from nose2_aio.clock import Clock
from nose2_aio.errors import InvalidTypeError, LoopError
from nose2_aio.factories import Factory
from nose2_aio.wall import Wall
from nose2_aio.watched import WatchedLoop

__all__ = [
    "LoopContext",
    "child_loop",
    "clock",
    "current",
    "current_loop",
    "given",
    "is_running",
    "make_current",
    "new",
    "running",
    "virtual_clock",
]

LoopContext = Callable[[], AbstractContextManager[AbstractEventLoop]]


@contextmanager
def child_loop() -> Iterator[AbstractEventLoop]:
    """Give a fresh event loop that is current inside the block, and close it behind it.

    Tasks that are left over are cancelled and run to their end first; then async generators and
    the default executor are shut down. The loop that was current before is current again.
    """
    with _closed_behind(new()) as loop:
        yield loop


@contextmanager
def virtual_clock(*, wall: bool = False) -> Iterator[AbstractEventLoop]:
    """Give a fresh event loop as `child_loop` does, in virtual time.

    ``wall`` says whether ``time.time()`` and ``datetime.now()`` move along, by the package
    time-machine.

    Raises `InvalidValueError` where that isn't installed.
    """
    moved = Wall(f"virtual_clock, {places.of_caller()}") if wall else None
    with _closed_behind(WatchedLoop()) as loop:
        clock = watched.make_virtual(loop)
        clock.is_fixed = True
        with moved or nullcontext():
            clock.move_along(moved)
            yield loop


@contextmanager
def current_loop() -> Iterator[AbstractEventLoop]:
    """Give the current event loop, and leave it open behind the block.

    Raises `LoopError` where there is no current event loop.
    """
    loop = current()
    if loop is None:
        raise LoopError(
            "there is no current event loop for current_loop to give: make one in a fixture, "
            "with asyncio.set_event_loop(asyncio.new_event_loop()), or leave out loop="
        )
    yield loop


@contextmanager
def _closed_behind(loop: AbstractEventLoop) -> Iterator[AbstractEventLoop]:
    restore = make_current(loop)
    try:
        yield loop
    finally:
        try:
            endings.end(loop)
        finally:
            restore()
            loop.close()


def clock() -> Clock:
    """Return the virtual clock of the test that runs, or of its fixture.

    `Clock.time` gives its seconds, ``await clock.advance(seconds)`` moves it on, and
    `Clock.real_time` gives the seconds of the real clock.

    Raises `LoopError` where time isn't virtual.
    """
    found = watched.clock_of(current())
    if found is None:
        raise LoopError(
            "time isn't virtual here, so there is no clock to give: that takes a coroutine test, "
            "or a fixture of one, with @aio.virtual_time or virtual-time = true in [aio]"
        )
    return found


@contextmanager
def given(context: LoopContext) -> Iterator[AbstractEventLoop]:
    """Give the loop of a user's ``loop=``, made current inside the block.

    Raises `InvalidTypeError` where it gives something else, `LoopError` for a loop that is
    closed or that runs already.
    """
    manager = context()
    if not hasattr(type(manager), "__enter__") or not hasattr(type(manager), "__exit__"):
        raise InvalidTypeError(
            f"loop= must return a context manager that gives an event loop, got {manager!r} "
            f"({places.describe(context)})"
        )
    with manager as loop:
        _check(loop, context)
        restore = make_current(loop)
        try:
            yield loop
        finally:
            restore()


def new(factory: Factory | None = None, *, debug: bool = False) -> AbstractEventLoop:
    """Return a new event loop of a factory.

    That of asyncio is a watched one, unless an event loop policy says otherwise. Raises what
    `nose2_aio.factories.made` does.
    """
    if factory is not None and not factory.is_asyncio:
        loop = factories.made(factory)
    else:
        loop = WatchedLoop() if _is_default() else asyncio.new_event_loop()
    if debug:
        loop.set_debug(True)
    return loop


def _is_default() -> bool:
    """Tell whether `asyncio.new_event_loop` would give a plain `asyncio.SelectorEventLoop`."""
    # the public function warns from Python 3.14 on; 3.16 is to have no policies
    policy = getattr(asyncio.events, "_event_loop_policy", None)
    return sys.platform != "win32" and (
        policy is None or type(policy).__module__ == "asyncio.unix_events"
    )


def running() -> AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    # the public function raises where none runs, which takes ten times as long
    return asyncio._get_running_loop()


def is_running() -> bool:
    """Tell whether an event loop runs in this thread."""
    return running() is not None


def _check(loop: Any, context: LoopContext) -> None:
    place = places.describe(context)
    if not isinstance(loop, AbstractEventLoop):
        raise InvalidTypeError(
            f"the context manager of loop= must give an event loop, got {loop!r} ({place})"
        )
    if loop.is_closed():
        raise LoopError(f"the context manager of loop= gave a closed event loop ({place})")
    if loop.is_running():
        raise LoopError(f"the context manager of loop= gave a loop that runs already ({place})")


def current() -> AbstractEventLoop | None:
    """Return the current event loop, or None; never make one."""
    state = _thread_state()
    if state is not None and not is_running():
        loop: AbstractEventLoop | None = state._loop
        return loop
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def make_current(loop: AbstractEventLoop) -> Callable[[], None]:
    """Make a loop current; return what makes current again what was before."""
    state = _thread_state()
    before, was_set = current() if state is None else state._loop, True
    if state is not None:  # uvloop's policy knows the loop alone
        was_set = getattr(state, "_set_called", before is not None)
    asyncio.set_event_loop(loop)
    if was_set:
        return functools.partial(asyncio.set_event_loop, before)

    def unset() -> None:
        state._loop, state._set_called = None, False

    return unset


def _thread_state() -> Any:
    """What asyncio knows of this thread's current loop, where asking it would change it.

    Up to Python 3.13, to ask for the current loop makes one where none was ever set, and to set
    one (even None) ends that: nothing public reads that state or restores it.
    """
    if sys.version_info >= (3, 14):
        return None
    return getattr(asyncio.get_event_loop_policy(), "_local", None)
