"""Call functions of ours where a function of asyncio starts or returns, with ``sys.monitoring``.

Nothing is replaced. Python calls us at single functions only, and where code handles an exception. It
has this since version 3.12. Before that, or if another tool has taken our identifier, nothing is
called.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import os
import sys
from asyncio import Task
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from nose2_aio.introspection import locations

__all__ = [
    "ASYNCIO",
    "at_handler",
    "at_return",
    "at_start",
    "caller",
    "current_task",
    "is_on",
    "on",
]

_API: Any = getattr(sys, "monitoring", None)
_TOOL = 4
"""Our identifier. Python names tools that have 0 to 2 and 5, and Hypothesis has 3."""
_NAME = "nose2_aio"
_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 -- compared with texts
ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep  # noqa: PTH120
"""The beginning of the names of asyncio's files."""

Handler = Callable[[FrameType, Any], None]
"""Gets the frame of the function, and what it returns. It must not raise anything."""

_callbacks: dict[str, Callable[..., None]] = {}
"""By the name of an event that is monitored in all code."""
_codes: dict[int, CodeType] = {}
_returns: dict[int, Handler] = {}
_starts: dict[int, Handler] = {}
"""By ``id()`` of the code in `_codes`: it takes microseconds to hash a code object."""


def at_return(code: CodeType | None, handler: Handler, *, is_first: bool = False) -> None:
    """Call a handler when a function returns, while monitoring is on.

    With ``is_first``, do nothing if the function has a handler already.
    """
    if not (is_first and id(code) in _returns):
        _add(_returns, code, handler)


def at_start(code: CodeType | None, handler: Handler) -> None:
    """Call a handler when a function starts, while monitoring is on."""
    _add(_starts, code, handler)


def at_handler(handler: Callable[[CodeType, int, BaseException], None]) -> None:
    """Call a function where an exception reaches a handler in any code, while monitoring is on.

    It gets the code, the offset of the handler's first instruction, and the exception. Handling an
    exception takes 0.05 µs longer then. All other code is as fast as before. Only the last function
    that was given is called.
    """
    _callbacks["EXCEPTION_HANDLED"] = handler


def _add(handlers: dict[int, Handler], code: CodeType | None, handler: Handler) -> None:
    if code is not None:
        _codes[id(code)] = code
        handlers[id(code)] = handler
        if is_on():
            _monitor(id(code))


def _monitor(key: int) -> None:
    """Tell Python the events of a code object."""
    start, end = _API.events.PY_START, _API.events.PY_RETURN
    events = (key in _starts and start) | (key in _returns and end)
    _API.set_local_events(_TOOL, _codes[key], events)


def is_on() -> bool:
    """Return True if functions are monitored."""
    return _API is not None and _API.get_tool(_TOOL) == _NAME


@contextmanager
def on() -> Iterator[None]:
    """Monitor the functions that have a handler, inside the block."""
    if _API is None or _API.get_tool(_TOOL) is not None:
        yield
        return
    tool = _TOOL
    _API.use_tool_id(tool, _NAME)
    everywhere = {getattr(_API.events, name): function for name, function in _callbacks.items()}
    kinds = {_API.events.PY_START: _note_start, _API.events.PY_RETURN: _note_return, **everywhere}
    for event, note in kinds.items():
        _API.register_callback(tool, event, note)
    for key in _codes:
        _monitor(key)
    _API.set_events(tool, sum(everywhere))
    try:
        yield
    finally:
        if is_on():  # or a test has freed the identifier
            _API.set_events(tool, 0)
            for code in _codes.values():
                _API.set_local_events(tool, code, 0)
            for event in kinds:
                _API.register_callback(tool, event, None)
            _API.free_tool_id(tool)


def current_task() -> Task[Any] | None:
    """Return the task that runs in this thread; None if none does."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def caller(frame: FrameType) -> FrameType:
    """Return the nearest frame of the user's that has called a function of a library.

    If none has, it is the nearest one outside of asyncio, or else the frame itself. Frames of this
    package that have called a library are the end: they run the event loop.
    """
    nearest, one = frame, frame.f_back
    while one is not None and one.f_code is not locations.CALLBACK_CODE:
        kind = _kind_of(one.f_code.co_filename)
        if kind is _Kind.USER:
            return one
        if kind is _Kind.OWN and nearest is not frame:
            break
        if kind is _Kind.LIBRARY and nearest is frame:
            nearest = one
        one = one.f_back
    return nearest


class _Kind(enum.Enum):
    """Whose a file is."""

    USER = enum.auto()
    OWN = enum.auto()
    """This package."""
    ASYNCIO = enum.auto()
    LIBRARY = enum.auto()


@functools.cache
def _kind_of(filename: str) -> _Kind:
    if filename.startswith(_OWN):
        return _Kind.OWN
    if filename.startswith(ASYNCIO):
        return _Kind.ASYNCIO
    return _Kind.USER if locations.is_users(filename) else _Kind.LIBRARY


def _note_return(code: CodeType, _: int, value: Any) -> None:
    _returns[id(code)](sys._getframe(1), value)


def _note_start(code: CodeType, _: int) -> None:
    _starts[id(code)](sys._getframe(1), None)
