"""The seams through which unittest calls a test and its fixtures, and which classes keep them.

`TestCase._callTestMethod` and its like were made for IsolatedAsyncioTestCase, and are stable since
Python 3.8. A class that overrides that one, or ``run``, runs its tests by itself.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase

__all__ = [
    "CLEANUP",
    "ISOLATED",
    "PLAIN",
    "PLAIN_CLEANUP",
    "SET_UP",
    "TEAR_DOWN",
    "TEST",
    "add_last_cleanup",
    "calls_fixtures",
    "class_cleanups",
    "count_cleanups",
    "has_class_cleanups",
    "is_unittests",
    "keeps",
    "method_name",
    "module_cleanups",
]

SET_UP, TEST, TEAR_DOWN, CLEANUP = "_callSetUp", "_callTestMethod", "_callTearDown", "_callCleanup"
PLAIN: Callable[..., Any] = getattr(TestCase, TEST)
ISOLATED: Callable[..., Any] = getattr(IsolatedAsyncioTestCase, TEST)
PLAIN_CLEANUP: Callable[..., Any] = getattr(TestCase, CLEANUP)
_PLAIN = {seam: getattr(TestCase, seam) for seam in (SET_UP, TEAR_DOWN)}

Cleanup = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""What is to be called, with its arguments."""


def is_unittests(case: type[TestCase]) -> bool:
    """Tell whether a class leaves it to unittest to call its tests."""
    return getattr(case, TEST) in (PLAIN, ISOLATED) and case.run in (
        TestCase.run,
        IsolatedAsyncioTestCase.run,
    )


def keeps(case: type[TestCase], seam: str) -> bool:
    """Tell whether a class has a seam as TestCase has it."""
    return getattr(case, seam) is _PLAIN[seam]


def calls_fixtures(case: type[TestCase]) -> bool:
    """Tell whether a class leaves it to unittest to call ``setUp`` and ``tearDown``."""
    return case.run is TestCase.run and keeps(case, SET_UP)


def method_name(test: TestCase) -> str:
    """Return the name of the method that is the test."""
    return test._testMethodName


def count_cleanups(test: TestCase) -> int:
    """Return how many cleanups of a test are waiting: nothing public does."""
    return len(test._cleanups)  # type: ignore[attr-defined]


def has_class_cleanups(case: type[TestCase]) -> bool:
    """Tell whether cleanups of a class are waiting."""
    return bool(case._class_cleanups)  # type: ignore[attr-defined]


def class_cleanups(case: type[TestCase]) -> Iterator[Cleanup]:
    """Take the cleanups of a class off it, the last one first."""
    return _popped(case._class_cleanups)  # type: ignore[attr-defined]


def module_cleanups() -> Iterator[Cleanup]:
    """Take the cleanups of a module off their list, the last one first."""
    return _popped(unittest.case._module_cleanups)  # type: ignore[attr-defined]


def _popped(cleanups: list[Cleanup]) -> Iterator[Cleanup]:
    while cleanups:
        yield cleanups.pop()


def add_last_cleanup(test: TestCase, function: Callable[[], Any]) -> None:
    """Have a cleanup called behind all others: ``addCleanup`` puts it in front of them."""
    test._cleanups.insert(0, (function, (), {}))  # type: ignore[attr-defined]
