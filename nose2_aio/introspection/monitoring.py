"""Call functions of ours where a function of asyncio starts or returns, with ``sys.monitoring``.

Nothing is replaced. Python calls us for single functions, and where code handles an exception. This
needs Python 3.12. On older ones, or if another tool has taken our identifier, nothing is called.
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
    "at_handler",
    "at_return",
    "at_start",
    "callers",
    "current_task",
    "is_on",
    "is_own",
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

_callbacks: dict[str, Callable[..., None]] = {}
"""By the name of an event that is monitored in all code."""
Callers = tuple[tuple[CodeType, int], ...]
"""Functions, and the offsets of the instructions that they were at."""

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
