"""Which function of the user's it is, and where it stands: ``file:line``, for messages."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

__all__ = [
    "Origin",
    "describe",
    "innermost",
    "is_users",
    "line_in",
    "of_caller",
    "of_frame",
    "of_origin",
    "origin",
    "package",
    "text_of",
]

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = tuple(
    sorted({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}, reverse=True)
)
"""Those inside of others first."""
_DEPTH = 3
_LOOP = asyncio.Handle._run.__code__

Origin = tuple[tuple[CodeType, int], ...]
"""Where something was made: a few lines and their functions, the innermost first."""


def of_caller() -> str:
    """Return ``file:line`` of the nearest calling frame that isn't this package's."""
    frame = sys._getframe(1)
    while frame.f_back and package(frame) == _PACKAGE:
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


def describe(function: Any) -> str:
    """Return ``name, file:line`` of a function, or its `repr` where it has no code."""
    inner = innermost(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        if inspect.isbuiltin(inner) and isinstance(inner.__module__, str):
            return f"{inner.__module__}.{inner.__qualname__}"
        return text_of(function)
    return f"{inner.__name__}, {_place(code.co_filename, code.co_firstlineno)}"


def innermost(function: Any) -> Any:
    """Return the function under bound methods, `functools.partial` and `functools.wraps`."""
    while True:
        inner: Any
        if isinstance(function, functools.partial):
            inner = function.func
        elif inspect.ismethod(function):
            inner = function.__func__
        else:
            inner = getattr(function, "__dict__", {}).get("__wrapped__")
        if inner is None:
            return function
        function = inner


def of_frame(frame: FrameType, line: int) -> str:
    """Return ``name, file:line`` of a line in a function that runs."""
    return f"{frame.f_code.co_name}, {_place(frame.f_code.co_filename, line)}"


def line_in(filename: str, line: int | None, name: str) -> str:
    """Return ``file:line in name``, which is how reports name a line; a library's from its root."""
    for library in _LIBRARIES:
        if filename.startswith(f"{library}{os.sep}"):
            return f"{filename[len(library) + 1 :]}:{line or 0} in {name}"
    return f"{_place(filename, line or 0)} in {name}"


def package(frame: FrameType) -> str:
    """Return the name of the top-level package that a frame's code is in."""
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0]


def is_users(filename: str) -> bool:
    """Tell whether a file is the user's, and none of a library."""
    return not filename.startswith(_LIBRARIES) and filename[:1] != "<"


def text_of(value: object, convert: Callable[[object], str] = repr) -> str:
    """Return the text of a value that may be the user's, or its type where it has none."""
    try:
        return convert(value)
    except Exception:  # a report is no place to fail
        return f"<{type(value).__name__}>"


def origin(frame: FrameType | None) -> Origin:
    """Note where something is made, given the innermost frame: of asyncio's and ours none.

    Frames beyond the loop say nothing of it.
    """
    while frame is not None and package(frame) in ("asyncio", _PACKAGE):
        frame = None if frame.f_code is _LOOP else frame.f_back
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < _DEPTH and frame.f_code is not _LOOP:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def of_origin(origin: Origin) -> str:
    """Return ``file:line in function`` of the user's innermost line; of any, if none is theirs."""
    for code, line in origin:
        if is_users(code.co_filename):
            return line_in(code.co_filename, line, code.co_name)
    if not origin:
        return ""
    code, line = origin[0]
    return line_in(code.co_filename, line, code.co_name)


def _place(filename: str, line: int) -> str:
    path = Path(filename)
    try:
        relative = os.path.relpath(path)
    except (ValueError, OSError):  # another drive, on Windows; no directory to be in
        relative = filename
    return f"{relative if not relative.startswith('..') else filename}:{line}"
