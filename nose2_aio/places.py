"""Where something stands in the user's code, as ``file:line`` for messages."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from types import CodeType
from typing import Any

__unittest = True

__all__ = ["describe", "of_caller", "of_code"]

_PACKAGE = __name__.partition(".")[0]


def of_code(code: CodeType) -> str:
    """Return ``file:line`` of the code's first line, the file relative where that is shorter."""
    return _place(code.co_filename, code.co_firstlineno)


def of_caller() -> str:
    """Return ``file:line`` of the nearest calling frame that isn't this package's."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return _place(frame.f_code.co_filename, frame.f_lineno)


def describe(function: Any) -> str:
    """Return ``name, file:line`` of a function, or its `repr` where it has no code."""
    innermost = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(innermost, "__code__", None)
    if code is None:
        return repr(function)
    return f"{innermost.__name__}, {of_code(code)}"


def _place(filename: str, line: int) -> str:
    path = Path(filename)
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive, on Windows
        relative = filename
    return f"{relative if not relative.startswith('..') else filename}:{line}"
