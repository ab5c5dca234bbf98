"""Raise an error in place of a cleanup, so that unittest reports it for the test.

Such an error is about something that was found after the test, so its traceback has no line of the
user's. nose2 prints only its text. pytest and IDEs show the lines of tracebacks, and mark the last
one. `raise_at_line` is for them.
"""

from __future__ import annotations

import ast
from types import CodeType, FunctionType
from typing import Any, NoReturn

from nose2_aio.reporting.outcomes import Place, place_of_finding

__unittest = True

__all__ = ["raise_at_line", "raise_error"]

_TREE = ast.parse("def finding(): raise error")


def raise_error(error: BaseException, *_: Any) -> NoReturn:
    """Raise an error."""
    raise error


def raise_at_line(error: BaseException, *_: Any) -> NoReturn:
    """Raise an error in a function that has the file and the line of the first finding in it."""
    place = None if error.__traceback__ else place_of_finding(str(error))
    if place is not None:
        FunctionType(_code_at(place), {"error": error})()
    raise error


def _code_at(place: Place) -> CodeType:
    """Return code at a place that raises the global variable ``error``."""
    columns = {"col_offset": -1, "end_col_offset": -1}  # unknown: no part of the line is marked
    for node in ast.walk(_TREE):
        vars(node).update(lineno=place.line, end_lineno=place.line, **columns)
    code = compile(_TREE, place.file, "exec")
    return next(one for one in code.co_consts if isinstance(one, CodeType))
