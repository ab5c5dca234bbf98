"""The seam through which unittest calls a test, and which classes keep unittest's own.

`TestCase._callTestMethod` was made for IsolatedAsyncioTestCase, and is stable since Python 3.8.
A class that overrides it, or ``run``, runs its tests by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase

__all__ = ["ISOLATED", "NAME", "PLAIN", "is_unittests"]

NAME = "_callTestMethod"
PLAIN: Callable[..., Any] = getattr(TestCase, NAME)
ISOLATED: Callable[..., Any] = getattr(IsolatedAsyncioTestCase, NAME)


def is_unittests(case: type[TestCase]) -> bool:
    """Tell whether a class leaves it to unittest to call its tests."""
    return getattr(case, NAME) in (PLAIN, ISOLATED) and case.run in (
        TestCase.run,
        IsolatedAsyncioTestCase.run,
    )
