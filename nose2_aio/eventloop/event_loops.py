"""Create an event loop, make it the current one, and ask which one is current or runs."""

from __future__ import annotations

import asyncio
import functools
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from nose2_aio.config import loop_factories
from nose2_aio.config.loop_factories import Factory
from nose2_aio.eventloop.instrumented import InstrumentedLoop

__all__ = ["current", "is_running", "make_current", "new", "running"]


def new(factory: Factory | None = None, *, debug: bool = False) -> AbstractEventLoop:
    """Return a new event loop of a factory.

    That of asyncio is a watched one, unless an event loop policy says otherwise. Raises what
    `nose2_aio.config.loop_factories.make_loop` does.
    """
    if factory is not None and not factory.is_asyncio:
        loop = loop_factories.make_loop(factory)
    else:
        loop = InstrumentedLoop() if _is_default() else asyncio.new_event_loop()
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
