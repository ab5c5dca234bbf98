"""Create event loops, make one the current one, and find the one that is current or running.

Making and closing an epoll and a socket pair (the *self-pipe*, through which other threads wake a
loop) takes half of the time of a short test. So a loop of ours leaves these `LoopFiles` as the
*spare* ones when it is closed, and the next loop takes them over. All Python objects are new: the
loop, its selector, the map of its files.

1. A run has one spare set of files, from its beginning to its end, on systems with epoll. Only
   the thread that has begun the run takes them, and only one loop at a time: a second loop has
   files of its own. So tests that count open files see the same number before and after.
2. A loop whose selector ever had another file, or that ever had a signal handler, closes its files
   for real. epoll may still have such a file, though the selector has forgotten it. So does a loop
   that another thread closes, or that existed while the process was forked. Then there are new
   spare files at once.
3. A loop takes the spare files only if epoll still has this self-pipe, and nothing is in it. A
   byte from a thread that was late, in ``call_soon_threadsafe``, closes the files. If somebody else
   has closed some of them, their numbers may belong to other files now: we never close these.
4. A byte that comes even later wakes the next loop for nothing. That changes neither its time nor
   its result: a loop looks for deadlocks, and virtual time moves on, only after a pass without
   any event.
5. A child process that was forked closes its copy of the spare files, and recycles nothing. It
   must not touch what epoll watches, since it shares that with the parent process.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import select
import selectors
import socket
import sys
from asyncio import AbstractEventLoop, Handle
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from selectors import EVENT_READ, SelectorKey
from threading import get_ident
from typing import Any, cast

from nose2_aio.config import loop_factories
from nose2_aio.config.loop_factories import Factory
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.instrumented import InstrumentedMixin
from nose2_aio.eventloop.selector import InstrumentedSelector
from nose2_aio.eventloop.state import LoopState

__all__ = [
    "InstrumentedLoop",
    "current",
    "has_task",
    "is_idle",
    "is_running",
    "make_current",
    "new",
    "recycling",
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


class LoopFiles:
    """The open files of a loop: an epoll that watches the reading end of a self-pipe."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.reader, self.writer = socket.socketpair()
        for one in (self.reader, self.writer):
            one.settimeout(0)
        self.number = self.reader.fileno()
        self.epoll.register(self.number, select.EPOLLIN)

    def new_selector(self) -> InstrumentedSelector:
        """Return a new selector that waits with the epoll."""
        selector: Any = InstrumentedSelector.__new__(InstrumentedSelector)
        selectors._BaseSelectorImpl.__init__(selector)
        selector._selector = self.epoll
        return cast(InstrumentedSelector, selector)

    def close(self) -> None:
        """Close them."""
        self.reader.close()
        self.writer.close()
        self.epoll.close()

    def reuse(self) -> bool:
        """Return True if a new loop can have them. If not, close those that are still ours."""
        try:
            self.epoll.modify(self.number, select.EPOLLIN)  # fails if it is no longer this socket
            if not self.epoll.poll(0, 1):
                return True
            are_open = bool(self.reader.recv(1))  # nothing: the other end is closed
        except (OSError, ValueError):
            are_open = False
        if are_open:
            self.close()
        else:
            self.reader.detach()
            self.writer.detach()
            _lost.append(self.epoll)
        return False


class _Recycler:
    """Has the spare files of this process."""

    def __init__(self) -> None:
        self.thread: int | None = None
        """The thread that recycles files; None: nothing is recycled."""
        self._spare: LoopFiles | None = None
        self._lent: LoopFiles | None = None
        """The files of the open loop that leaves them as the spare ones. None: there is no such."""

    def begin(self) -> None:
        """Recycle files in this thread from now on."""
        self.thread = get_ident()
        self._refill()

    def end(self) -> None:
        """Recycle nothing from now on, and close the spare files."""
        self.thread = self._lent = None
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    def take(self) -> LoopFiles | None:
        """Return files for a new loop; None: it has to open its own."""
        if get_ident() != self.thread or self._lent is not None:
            return None
        if self._spare is None or not self._spare.reuse():
            self._spare = None
            self._refill()
        # in this order: another thread may fork at any moment
        files = self._lent = self._spare
        self._spare = None
        return files

    def give_back(self, files: LoopFiles, *, are_clean: bool) -> None:
        """Keep the files of a loop that is being closed as the spare ones, or close them."""
        if files is self._lent:
            self._lent = None
            if are_clean and get_ident() == self.thread:
                self._spare = files
                return
        files.close()
        self._refill()

    def _refill(self) -> None:
        """Open spare files, if there are none and no loop has them."""
        if self._spare is self._lent is None and get_ident() == self.thread:
            with suppress(Exception):  # too many files are open, or a test has replaced sockets
                self._spare = LoopFiles()

    def after_fork(self) -> None:
        """Keep nothing that two processes have. Called in the parent process."""
        self._lent = None


_recycler = _Recycler()
_lost: list[Any] = []
"""Objects that would close a file that is no longer ours, when they are deleted."""
getattr(os, "register_at_fork", lambda **_: None)(  # Windows has no fork
    after_in_child=_recycler.end, after_in_parent=_recycler.after_fork
)


@contextmanager
def recycling() -> Iterator[None]:
    """Inside the block, loops that are made in this thread take over the files of closed ones."""
    if _recycler.thread is not None or not hasattr(select, "epoll"):
        yield
        return
    _recycler.begin()
    try:
        yield
    finally:
        _recycler.end()


class InstrumentedLoop(InstrumentedMixin, asyncio.SelectorEventLoop):  # type: ignore[misc]  # wider parameters
    """An instrumented `asyncio.SelectorEventLoop`."""

    def __init__(self) -> None:
        loop_state = self.__nose2_aio__ = LoopState()
        files = loop_state.files = _recycler.take()
        selector = InstrumentedSelector() if files is None else files.new_selector()
        selector.loop_state = loop_state
        super().__init__(selector)

    def _make_self_pipe(self) -> None:
        own, files = cast(Any, self), self.__nose2_aio__.files
        if files is None:
            super()._make_self_pipe()  # type: ignore[misc]
            return
        own._ssock, own._csock = files.reader, files.writer
        own._internal_fds += 1
        # in the selector's map only: epoll watches it already
        handle = Handle(own._read_from_self, (), self)
        key = SelectorKey(files.number, files.number, EVENT_READ, (handle, None))
        own._selector._fd_to_key[files.number] = key

    def _close_self_pipe(self) -> None:
        own, loop_state = cast(Any, self), self.__nose2_aio__
        files = loop_state.files
        if files is None:
            super()._close_self_pipe()  # type: ignore[misc]
            return
        loop_state.files = own._ssock = own._csock = None
        own._internal_fds -= 1
        are_clean = loop_state.is_bare and type(own._selector) is InstrumentedSelector
        if are_clean:
            selectors._BaseSelectorImpl.close(own._selector)
            own._selector = None  # or asyncio would close the epoll
        _recycler.give_back(files, are_clean=are_clean)

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:  # type: ignore[override]
        """Add a handler of a signal. Python will write the signal's number to the self-pipe."""
        self.__nose2_aio__.is_bare = False
        super().add_signal_handler(sig, callback, *args)


# users see asyncio's class
InstrumentedLoop.__name__ = InstrumentedLoop.__qualname__ = asyncio.SelectorEventLoop.__name__
InstrumentedLoop.__module__ = asyncio.SelectorEventLoop.__module__
