"""Shorten tracebacks: they begin at the line of the test, and have no frames of this package."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

from nose2_aio.errors import AioError
from nose2_aio.introspection import await_chains, locations
from nose2_aio.introspection.await_chains import Line

__all__ = [
    "at_definition",
    "at_line",
    "entries",
    "has_line_of",
    "in_words",
    "innermost_line",
    "innermost_place",
    "of_stack",
    "reported_with",
    "trim",
    "users_lines",
    "users_traceback",
]

_PACKAGE = __name__.partition(".")[0]
_RUNNERS = ("asyncio", "contextlib", "unittest")
_Error = TypeVar("_Error", bound=BaseException)


def trim(error: _Error, *, head: bool = True) -> _Error:
    """Remove frames from the traceback of an error, in place, and return the error.

    1. The frames of this package are removed.
    2. With ``head``, the first frames are removed, up to the first one that is not of asyncio,
       contextlib or unittest. If that would leave none, they stay.
    3. From an `AioError`, these first frames are removed in any case.
    4. The same is done to all errors that are reported with it, see `reported_with`.
    """
    for one in reported_with(error):
        # called on the base class: an exception class of the user's may forbid to set attributes
        BaseException.with_traceback(one, _relinked(_kept(one, head=head)))
    return error


def reported_with(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that are reported with it: causes, contexts, members of groups."""
    seen: set[int] = set()
    pending: list[BaseException] = [error]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions


def in_words(error: BaseException) -> str:
    """Return the type and the message of an error; of a group, also of the first error in it."""
    inner = error
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[0]
    head, newline, rest = "".join(traceback.format_exception_only(error)).strip().partition("\n")
    cause = f": {in_words(inner)}".partition("\n")[0] if inner is not error else ""
    return f"{head}{cause}{newline}{rest}"


def of_stack(frame: FrameType | None) -> TracebackType | None:
    """Return the traceback of an error that the innermost frame of a running stack would raise.

    It begins where the event loop, unittest or this package calls the user's code.
    """
    found = None
    while frame is not None and locations.package_of(frame) not in (_PACKAGE, *_RUNNERS):
        found = TracebackType(found, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return found


def at_definition(function: Any) -> TracebackType | None:
    """Return a traceback with the line of a function's definition; None if it has no source."""
    code = getattr(locations.unwrap(function), "__code__", None)
    return code and at_line(code.co_filename, code.co_firstlineno, code.co_name)


def at_line(file: str, line: int, name: str) -> TracebackType:
    """Return a traceback with a line of the function ``name``.

    It is for an error that no line of the user's has raised: IDEs and pytest show the line.
    """
    code = compile("import sys; frame = sys._getframe()", file, "exec")
    found: dict[str, Any] = {}
    exec(code.replace(co_name=name, co_firstlineno=line), found)  # noqa: S102 -- ours
    return TracebackType(None, found["frame"], -1, line)


def innermost_place(error: BaseException) -> str:
    """Return ``name, file:line`` of the user's innermost function; "" if there is none."""
    users = [one for one in _kept(error, head=True) if locations.of_user(one.tb_frame)]
    return locations.of_frame(users[-1].tb_frame, users[-1].tb_lineno) if users else ""


def innermost_line(error: BaseException) -> str:
    """Return ``file:line in function`` of the innermost line, the user's if there is one."""
    line = await_chains.innermost(
        (one.tb_frame, one.tb_lineno) for one in entries(error) if _package(one) != _PACKAGE
    )
    return "" if line is None else line.place


def has_line_of(error: BaseException, function: Any) -> bool:
    """Return True if the traceback of an error has a line of a function."""
    code = getattr(function, "__code__", None)
    return any(entry.tb_frame.f_code is code for entry in entries(error))


def users_traceback(error: BaseException) -> TracebackType | None:
    """Return what `trim` keeps of an error's traceback, without the frames of asyncio.

    The traceback is relinked in place. None if no frame is left.
    """
    kept = _kept(error, head=True)
    return _relinked([entry for entry in kept if _package(entry) not in ("asyncio", "selectors")])


def users_lines(error: BaseException) -> list[Line]:
    """Return what `trim` keeps of an error's traceback as lines, without those of asyncio."""
    kept = (entry for entry in _kept(error, head=True) if _package(entry) != "asyncio")
    return await_chains.to_lines((entry.tb_frame, entry.tb_lineno) for entry in kept)


def _kept(error: BaseException, *, head: bool) -> list[TracebackType]:
    """Return the entries that `trim` keeps."""
    kept = [entry for entry in entries(error) if _package(entry) != _PACKAGE]
    if not head and not isinstance(error, AioError):
        return kept
    users = list(itertools.dropwhile(lambda entry: _package(entry) in _RUNNERS, kept))
    if users or isinstance(error, AioError):
        return users
    return kept  # the runner itself has raised the error


def _relinked(kept: list[TracebackType]) -> TracebackType | None:
    """Make a traceback of these entries alone."""
    following = None
    for entry in reversed(kept):
        entry.tb_next = following
        following = entry
    return following


def entries(error: BaseException) -> Iterator[TracebackType]:
    """Yield the entries of the traceback of an error, the outermost first."""
    entry = error.__traceback__
    while entry is not None:
        yield entry
        entry = entry.tb_next


def _package(entry: TracebackType) -> str:
    return locations.package_of(entry.tb_frame)
