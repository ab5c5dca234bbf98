"""Call functions of ours where a function of asyncio starts or returns, with ``sys.monitoring``.

Nothing is replaced, and nothing else becomes slower: Python calls us at single functions only. It
has this since version 3.12. Before that, or if another tool has taken our identifier, nothing is
called.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio import Task
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from nose2_aio.introspection import locations

__all__ = [
    "ASYNCIO",
    "Callers",
    "at_return",
    "at_start",
    "callers",
    "current_task",
    "is_on",
    "is_own",
    "noting_handlers",
    "on",
]

_API: Any = getattr(sys, "monitoring", None)
_TOOL = 4
"""Our identifier. Python names tools that have 0 to 2 and 5, and Hypothesis has 3."""
_NAME = "nose2_aio"
_FOLDER = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 -- compared with texts
ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep  # noqa: PTH120
"""The beginning of the names of asyncio's files."""

Handler = Callable[[FrameType, Any], None]
"""Gets the frame of the function, and what it returns. It must not raise anything."""

Callers = tuple[tuple[CodeType, int], ...]
"""Functions, and the offsets of the instructions that they were at."""

_codes: dict[int, CodeType] = {}
_returns: dict[int, Handler] = {}
_starts: dict[int, Handler] = {}
"""By ``id()`` of the code in `_codes`: it takes microseconds to hash a code object."""


def at_return(code: CodeType | None, handler: Handler) -> None:
    """Call a handler when a function returns, while monitoring is on."""
    _add(_returns, code, handler)


def at_start(code: CodeType | None, handler: Handler) -> None:
    """Call a handler when a function starts, while monitoring is on."""
    _add(_starts, code, handler)


def _add(handlers: dict[int, Handler], code: CodeType | None, handler: Handler) -> None:
    if code is not None:
        _codes[id(code)] = code
        handlers[id(code)] = handler


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
    kinds = ((_API.events.PY_START, _note_start), (_API.events.PY_RETURN, _note_return))
    wanted: dict[int, int] = {}
    for (event, note), handlers in zip(kinds, (_starts, _returns), strict=True):
        _API.register_callback(tool, event, note)
        for key in handlers:
            wanted[key] = wanted.get(key, 0) | event
    for key, event in wanted.items():
        _API.set_local_events(tool, _codes[key], event)
    try:
        yield
    finally:
        for key in wanted:
            _API.set_local_events(tool, _codes[key], 0)
        for event, _ in kinds:
            _API.register_callback(tool, event, None)
        _API.free_tool_id(tool)


@contextmanager
def noting_handlers(note: Callable[[CodeType, int, BaseException], None]) -> Iterator[None]:
    """Inside the block, call a function where an exception reaches a handler, in any code.

    It gets the code, the offset of the handler's first instruction, and the exception.
    """
    if not is_on():
        yield
        return
    event = _API.events.EXCEPTION_HANDLED
    _API.register_callback(_TOOL, event, note)
    _API.set_events(_TOOL, event)
    try:
        yield
    finally:
        _API.set_events(_TOOL, 0)
        _API.register_callback(_TOOL, event, None)


def current_task() -> Task[Any] | None:
    """Return the task that runs in this thread; None if none does."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def is_own(code: CodeType) -> bool:
    """Return True if code is in this package."""
    return code.co_filename.startswith(_FOLDER)


def callers(frame: FrameType, most: int) -> Callers:
    """Return the user's functions that have called a function of a library, ``most`` at most.

    The innermost one is the first. If there is none, it is the nearest function outside of asyncio,
    or else the library's function itself.
    """
    found: Callers = ()
    one, library, is_ours = frame.f_back, frame, False
    for _ in _STEPS:
        if one is None or (code := one.f_code) is _CALLBACK:
            break
        kind = _kinds.get(code.co_filename)
        if kind is None:
            kind = _kind_of(code.co_filename)
        if not kind:
            found += ((code, one.f_lasti),)
            if len(found) == most:
                return found
        elif kind == _LIBRARY:
            library = one if library is frame else library
        elif kind == _OWN:
            if found or library is not frame:
                break
            is_ours = True
        elif kind == _RUNNER and (found or is_ours):
            break
        one = one.f_back
    return found or ((library.f_code, library.f_lasti),)


_CALLBACK = locations.CALLBACK_CODE
_STEPS = range(50)
"""How far callers are looked for."""
_USER, _OWN, _RUNNER, _ASYNCIO, _LIBRARY = range(5)
"""Whose a file is. A runner calls tests: unittest or nose2."""
_RUNNERS = {"unittest", "nose2"}
_kinds: dict[str, int] = {}
"""By the name of the file."""


def _kind_of(filename: str) -> int:
    if filename.startswith(_FOLDER):
        kind = _OWN
    elif filename.startswith(ASYNCIO):
        kind = _ASYNCIO
    elif locations.is_users(filename):
        kind = _USER
    else:
        kind = _LIBRARY if _RUNNERS.isdisjoint(Path(filename).parts) else _RUNNER
    _kinds[filename] = kind
    return kind


def _note_return(code: CodeType, _: int, value: Any) -> None:
    _returns[id(code)](sys._getframe(1), value)


def _note_start(code: CodeType, _: int) -> None:
    _starts[id(code)](sys._getframe(1), None)
