"""Which function of the user's it is, and where it stands: ``file:line``, for messages."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["describe", "innermost", "of_caller", "of_frame"]

_PACKAGE = __name__.partition(".")[0]


def of_caller() -> str:
    """Return ``file:line`` of the nearest calling frame that isn't this package's."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


def describe(function: Any) -> str:
    """Return ``name, file:line`` of a function, or its `repr` where it has no code."""
    inner = innermost(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return repr(function)
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


def _place(filename: str, line: int) -> str:
    path = Path(filename)
    try:
        relative = os.path.relpath(path)
    except ValueError:  # pragma: no cover -- another drive, on Windows
        relative = filename
    return f"{relative if not relative.startswith('..') else filename}:{line}"
