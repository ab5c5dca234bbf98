"""Describe where code is, for messages: the name of a function, and ``file:line``."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

__all__ = [
    "CALLBACK_CODE",
    "Origin",
    "at_instruction",
    "callback_of",
    "capture_origin",
    "code_of",
    "describe",
    "describe_callback",
    "format_callers",
    "format_origin",
    "is_of_library",
    "is_users",
    "line_in",
    "of_caller",
    "of_frame",
    "of_user",
    "package_of",
    "text_of",
    "unwrap",
]

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = tuple(
    sorted(
        {
            str(Path(os.__file__).parent),
            *(one for one in sys.path if one.endswith(("site-packages", "dist-packages"))),
        },
        reverse=True,
    )
)
"""The directories of libraries. A directory inside another one comes before it."""
_SCRIPTS = {
    Path(one).parent
    for one in (sys.executable, *getattr(sys, "argv", ())[:1])
    if Path(one).parent.name in ("bin", "Scripts")
}
"""The directory of the script ``nose2``, and that of Python."""
_NOT_USERS = tuple(
    f"{one}{os.sep}" for one in (*_LIBRARIES, *_SCRIPTS, Path(__file__).parent.parent)
)
"""The directories that no file of the user's is in. One is that of this package."""
_UNITTEST = f"{Path(unittest.__file__).parent}{os.sep}"
_ORIGIN_DEPTH = 3
"""How many lines an origin has, at most."""

Origin = tuple[tuple[CodeType, int], ...]
"""Where an object was created: functions that were running and their lines, the innermost first."""


def code_of(owner: object, name: str) -> CodeType | None:
    """Return the code object of a library's function: an attribute of a module or a class.

    None if there is no such function, or if it has no code object because it is written in C.
    Frames are compared with it. No frame has the code None, so the comparison is False then.
    """
    code: CodeType | None = getattr(getattr(owner, name, None), "__code__", None)
    return code


def of_caller() -> str:
    """Return ``file:line`` of the nearest calling frame that is not in this package."""
    frame = sys._getframe(1)
    while frame.f_back and package_of(frame) == _PACKAGE:
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


def describe(function: Any) -> str:
    """Return ``name, file:line`` of a function.

    For a builtin function or a class it is ``module.name``. For any other object without code it is
    its `repr`.
    """
    inner = unwrap(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        is_named = inspect.isbuiltin(inner) or isinstance(inner, type)
        if is_named and isinstance(inner.__module__, str):
            return f"{inner.__module__}.{inner.__qualname__}"
        return text_of(function)
    return f"{inner.__name__}, {_place(code.co_filename, code.co_firstlineno)}"


def callback_of(handle: object) -> Any:
    """Return the function that a handle of the loop calls; None if it is no handle."""
    # no public attribute has it
    return unwrap(getattr(handle, "_callback", None))


def describe_callback(handle: asyncio.Handle) -> str:
    """Return ``name, file:line`` of the function of a handle, with the name of its class."""
    function = callback_of(handle)
    code = getattr(function, "__code__", None)
    if code is None:
        return describe(function)
    name = function.__qualname__.rpartition("<locals>.")[2]
    return f"{name}, {_place(code.co_filename, code.co_firstlineno)}"


def unwrap(function: Any) -> Any:
    """Return the function inside bound methods, `functools.partial` and `functools.wraps`."""
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
    """Return ``name, file:line`` for a line of a running function."""
    return f"{frame.f_code.co_name}, {_place(frame.f_code.co_filename, line)}"


def line_in(filename: str, line: int | None, name: str) -> str:
    """Return ``file:line in name``, as reports show a line of the function ``name``.

    The path of a library's file is relative to the library's root.
    """
    return f"{_place(filename, line or 0)} in {name}"


def at_instruction(code: CodeType, offset: int) -> tuple[CodeType, int]:
    """Return the code with the line of the instruction at an offset; 0 if it has no line."""
    lines = (line for start, end, line in code.co_lines() if start <= offset < end)
    return code, next(lines, None) or 0


def package_of(frame: FrameType) -> str:
    """Return the name of the top-level package that the code of a frame is in."""
    name: str = frame.f_globals.get("__name__") or ""
    return name.partition(".")[0]


def is_users(filename: str) -> bool:
    """Return True if a file is the user's, and not a library's."""
    return not filename.startswith(_NOT_USERS) and filename[:1] != "<"


def of_user(frame: FrameType) -> bool:
    """Return True if a frame is of the user's code, and not of a library."""
    return is_users(frame.f_code.co_filename)


def text_of(value: object, convert: Callable[[object], str] = repr) -> str:
    """Return the text of a value, or the name of its type if ``convert`` raises an exception."""
    try:
        return convert(value)
    except Exception:  # the user's, while a report is written
        return f"<{type(value).__name__}>"


def capture_origin(frame: FrameType | None) -> Origin:
    """Return where an object is being created, given the innermost frame.

    Frames of asyncio and of this package are left out at its inner end. So are all frames that are
    outside of the event loop: they say where the loop was started.
    """
    while frame is not None and package_of(frame) in ("asyncio", _PACKAGE):
        frame = None if frame.f_code is CALLBACK_CODE else frame.f_back
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < _ORIGIN_DEPTH and frame.f_code is not CALLBACK_CODE:
        found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


def format_origin(origin: Origin) -> str:
    """Return ``file:line in function`` of the innermost line that is the user's.

    If no line is the user's, it is the innermost line. If there is no line, or if that is where
    unittest has started the loop, it is "".
    """
    for code, line in origin:
        if is_users(code.co_filename):
            return line_in(code.co_filename, line, code.co_name)
    if not origin or origin[0][0].co_filename.startswith(_UNITTEST):
        return ""
    code, line = origin[0]
    return line_in(code.co_filename, line, code.co_name)


def format_callers(origin: Origin) -> str:
    """Return the user's lines of an origin, the innermost first: ``a.py:3 in f, called at …``.

    If no line is the user's, it is the innermost line. If there is no line, it is "".
    """
    users = [entry for entry in origin if is_users(entry[0].co_filename)]
    places = [line_in(code.co_filename, line, code.co_name) for code, line in users]
    return ", called at ".join(places) or format_origin(origin)


def is_of_library(origin: Origin) -> bool:
    """Return True if an object was created in libraries only. False if that is not known."""
    return bool(origin) and not any(is_users(code.co_filename) for code, _ in origin)


def _place(filename: str, line: int) -> str:
    for library in _LIBRARIES:
        if filename.startswith(f"{library}{os.sep}"):
            return f"{filename[len(library) + 1 :]}:{line}"
    path = Path(filename)
    try:
        relative = os.path.relpath(path)
    except (ValueError, OSError):  # another drive, on Windows; no current directory
        relative = filename
    return f"{relative if not relative.startswith('..') else filename}:{line}"


CALLBACK_CODE = code_of(asyncio.Handle, "_run")
"""The code of the function in which asyncio's loop calls a callback, or runs a step of a task."""
