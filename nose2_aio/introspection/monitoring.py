"""Call functions of ours where a function of asyncio starts or returns, with ``sys.monitoring``.

Nothing is replaced, and nothing else becomes slower: Python calls us at single functions only. It
has this since version 3.12. Before that, or if other tools have taken all identifiers, nothing is
called.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from nose2_aio.introspection import locations

__all__ = ["at_return", "at_start", "caller", "is_on", "on"]

_API: Any = getattr(sys, "monitoring", None)
_TOOLS = (4, 3)
"""Identifiers that Python gives to no kind of tool. The others are those of debuggers and so on.

Hypothesis takes 3.
"""
_NAME = "nose2_aio"
_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 -- compared with texts
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep  # noqa: PTH120

Handler = Callable[[FrameType, Any], None]
"""Gets the frame of the function, and what it returns. It must not raise anything."""

_returns: dict[CodeType, Handler] = {}
_starts: dict[CodeType, Handler] = {}


def at_return(code: CodeType | None, handler: Handler) -> None:
    """Call a handler when a function returns, while monitoring is on."""
    if code is not None:
        _returns[code] = handler


def at_start(code: CodeType | None, handler: Handler) -> None:
    """Call a handler when a function starts, while monitoring is on."""
    if code is not None:
        _starts[code] = handler


def is_on() -> bool:
    """Return True if functions are monitored."""
    return _API is not None and any(_API.get_tool(tool) == _NAME for tool in _TOOLS)


@contextmanager
def on() -> Iterator[None]:
    """Monitor the functions that have a handler, inside the block."""
    tool = None if _API is None or is_on() else next(filter(_is_free, _TOOLS), None)
    if tool is None:
        yield
        return
    _API.use_tool_id(tool, _NAME)
    kinds = ((_API.events.PY_START, _note_start), (_API.events.PY_RETURN, _note_return))
    wanted: dict[CodeType, int] = {}
    for (event, note), handlers in zip(kinds, (_starts, _returns), strict=True):
        _API.register_callback(tool, event, note)
        for code in handlers:
            wanted[code] = wanted.get(code, 0) | event
    for code, event in wanted.items():
        _API.set_local_events(tool, code, event)
    try:
        yield
    finally:
        for code in wanted:
            _API.set_local_events(tool, code, 0)
        for event, _ in kinds:
            _API.register_callback(tool, event, None)
        _API.free_tool_id(tool)


def caller(frame: FrameType) -> FrameType:
    """Return the nearest frame of the user's that has called a function of a library.

    If none has, it is the nearest one outside of asyncio, or else the frame itself.
    """
    nearest, one = frame, frame.f_back
    while one is not None and one.f_code is not locations.CALLBACK_CODE:
        filename = one.f_code.co_filename
        if filename.startswith(_OWN):
            break
        if locations.is_users(filename):
            return one
        if nearest is frame and not filename.startswith(_ASYNCIO):
            nearest = one
        one = one.f_back
    return nearest


def _is_free(tool: int) -> bool:
    return _API.get_tool(tool) is None


def _note_return(code: CodeType, _: int, value: Any) -> None:
    _returns[code](sys._getframe(1), value)


def _note_start(code: CodeType, _: int) -> None:
    _starts[code](sys._getframe(1), None)
