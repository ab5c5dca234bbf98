"""Tracebacks as the user wants to read them: from the test's own line on, without our frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

from nose2_aio.errors import AioError
from nose2_aio.introspection import await_chains, locations
from nose2_aio.introspection.await_chains import Line

__all__ = ["innermost_place", "lines", "trimmed", "users"]

_PACKAGE = __name__.partition(".")[0]
_RUNNERS = ("asyncio", "contextlib", "unittest")
_Error = TypeVar("_Error", bound=BaseException)


def trimmed(error: _Error, *, head: bool = True) -> _Error:
    """Leave our frames out of the traceback of ``error``, and with ``head`` the runners' before it.

    The same is done to all that is reported with it: causes, contexts, and the members of
    exception groups. An error of ours keeps the user's frames only. Returns ``error``.
    """
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        # an exception class of the user's may forbid to set attributes
        BaseException.with_traceback(one, _relinked(_kept(one, head=head)))
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return error


def innermost_place(error: BaseException) -> str:
    """Return ``name, file:line`` of the innermost of the user's functions; "" if there is none."""
    own = [
        entry
        for entry in _kept(error, head=True)
        if locations.is_users(entry.tb_frame.f_code.co_filename)
    ]
    return locations.of_frame(own[-1].tb_frame, own[-1].tb_lineno) if own else ""


def users(error: BaseException) -> TracebackType | None:
    """Return the traceback of an error without the frames of asyncio, and ours."""
    kept = _kept(error, head=True)
    return _relinked([entry for entry in kept if _package(entry) not in ("asyncio", "selectors")])


def lines(error: BaseException) -> list[Line]:
    """Return the lines of the user's that an error has come through."""
    kept = (entry for entry in _kept(error, head=True) if _package(entry) != "asyncio")
    return await_chains.of_lines((entry.tb_frame, entry.tb_lineno) for entry in kept)


def _kept(error: BaseException, *, head: bool) -> list[TracebackType]:
    entries = [entry for entry in _entries(error.__traceback__) if _package(entry) != _PACKAGE]
    if not head and not isinstance(error, AioError):
        return entries
    users = list(itertools.dropwhile(lambda entry: _package(entry) in _RUNNERS, entries))
    if users or isinstance(error, AioError):
        return users
    return entries  # an error of the runner itself


def _relinked(entries: list[TracebackType]) -> TracebackType | None:
    following = None
    for entry in reversed(entries):
        entry.tb_next = following
        following = entry
    return following


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _package(entry: TracebackType) -> str:
    return locations.package(entry.tb_frame)
