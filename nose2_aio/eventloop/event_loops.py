"""Create event loops, make one the current one, and find the one that is current or running."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from nose2_aio.config import loop_factories
from nose2_aio.config.loop_factories import Factory
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.instrumented import InstrumentedLoop

__all__ = [
    "current",
    "has_task",
    "is_idle",
    "is_running",
    "make_current",
    "new",
    "running",
    "unlogged",
]

_logger = logging.getLogger("asyncio")
_TASKS: Any = None
"""The tasks of all loops. From Python 3.14 on, most of them are not in any Python object."""
if sys.version_info < (3, 14):
    _NAME = "_scheduled_tasks" if sys.version_info >= (3, 12) else "_all_tasks"
    _TASKS = getattr(asyncio.tasks, _NAME)
_EAGER_TASKS: Any = getattr(asyncio.tasks, "_eager_tasks", ())
"""The tasks that run their first step, without having been scheduled."""


def new(factory: Factory | None = None, *, debug: bool = False) -> AbstractEventLoop:
    """Return a new event loop of a factory; None: of asyncio.

    asyncio's is an `InstrumentedLoop`, unless the user has set an event loop policy. For errors see
    `nose2_aio.config.loop_factories.make_loop`.
    """
    is_logged = _logger.isEnabledFor(logging.DEBUG)
    loop = unlogged(lambda: _created(factory)) if is_logged else _created(factory)
    if debug:
        loop.set_debug(True)
    return loop


def _created(factory: Factory | None) -> AbstractEventLoop:
    if factory is not None and not factory.is_asyncio:
        return loop_factories.make_loop(factory)
    return InstrumentedLoop() if _is_default() else asyncio.new_event_loop()


def unlogged(make: Callable[[], AbstractEventLoop]) -> AbstractEventLoop:
    """Return the loop that a function makes. asyncio does not log its selector.

    Otherwise the captured log of each test would begin with that.
    """
    if not _logger.isEnabledFor(logging.DEBUG):
        return make()
    _logger.addFilter(_is_not_on_selector)
    try:
        return make()
    finally:
        _logger.removeFilter(_is_not_on_selector)


def _is_not_on_selector(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Using selector")


def _is_default() -> bool:
    """Return True if `asyncio.new_event_loop` returns a plain `asyncio.SelectorEventLoop`.

    That is so on Unix without a policy, or with asyncio's own. Its name differs between Pythons.
    """
    # `asyncio.get_event_loop_policy` warns from Python 3.14 on; 3.16 will have no policies
    policy = getattr(asyncio.events, "_event_loop_policy", None)
    return sys.platform != "win32" and (
        policy is None or type(policy).__module__ == "asyncio.unix_events"
    )


def running() -> AbstractEventLoop | None:
    """Return the event loop that is running in this thread, or None."""
    # `asyncio.get_running_loop` raises an exception for none, which takes ten times as long
    return asyncio._get_running_loop()


def is_running() -> bool:
    """Return True if an event loop is running in this thread."""
    return running() is not None


def is_idle(loop: AbstractEventLoop) -> bool:
    """Return True if nothing is scheduled on a loop, and it waits for no file but its own.

    False if that is not known.
    """
    own: Any = loop
    loop_state = getattr(own, instrumented.STATE, None)
    if loop_state is None or not loop_state.has_selector or own._ready or own._scheduled:
        return False
    return len(own._selector.get_map()) == 1


def has_task(loop: AbstractEventLoop, own: asyncio.Task[Any] | None) -> bool:
    """Return True if a loop has a task that is not done, other than ``own``."""
    if _TASKS is not None and not _EAGER_TASKS and len(_TASKS) <= (own is not None):
        return False  # `asyncio.all_tasks` takes ten times as long
    return bool(asyncio.all_tasks(loop) - {own})


def current() -> AbstractEventLoop | None:
    """Return the current event loop, or None; never create one."""
    state = _thread_state()
    if state is not None and not is_running():
        loop: AbstractEventLoop | None = state._loop
        return loop
    try:
        return asyncio.get_event_loop()
    except RuntimeError:
        return None


def make_current(loop: AbstractEventLoop) -> Callable[[], None]:
    """Make a loop the current one; return a function that undoes that."""
    state = _thread_state()
    before, was_set = current() if state is None else state._loop, True
    if state is not None:  # the policy of uvloop has no ``_set_called``
        was_set = getattr(state, "_set_called", before is not None)
    asyncio.set_event_loop(loop)
    if was_set:
        return functools.partial(asyncio.set_event_loop, before)

    def unset() -> None:
        state._loop, state._set_called = None, False

    return unset


def _thread_state() -> Any:
    """Return what the policy stores about this thread; None if we don't need it.

    Up to Python 3.13, `asyncio.get_event_loop` creates a loop if none was ever set, and after
    `asyncio.set_event_loop` (even with None) it does not. No public function reads or restores
    this.
    """
    if sys.version_info >= (3, 14):
        return None
    return getattr(asyncio.get_event_loop_policy(), "_local", None)
