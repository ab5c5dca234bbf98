"""The seams through which unittest calls a test and its fixtures, and which classes keep them.

`TestCase._callTestMethod` and its like were made for IsolatedAsyncioTestCase, and are stable since
Python 3.8. A class that overrides that one, or ``run``, runs its tests by itself.
"""

from __future__ import annotations

import asyncio
import copy
import sys
import unittest
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType
from typing import Any
from unittest import BaseTestSuite, IsolatedAsyncioTestCase, TestCase, TestSuite

from nose2_aio.introspection import locations

__all__ = [
    "CLEANUP",
    "CLOSE_RUNNER",
    "ISOLATED",
    "PLAIN",
    "PLAIN_CLEANUP",
    "RUN",
    "SET_UP",
    "TEAR_DOWN",
    "TEST",
    "asyncio_runner",
    "calls_fixtures",
    "class_cleanups",
    "clean_up",
    "closes_runner",
    "count_cleanups",
    "flattened",
    "forget_class",
    "give_loops",
    "has_class_cleanups",
    "has_given_loops",
    "holder",
    "is_end",
    "is_isolated",
    "is_unittests",
    "keeps",
    "makes_runner",
    "method_name",
    "module_cleanups",
    "runs_itself",
    "set_asyncio_runner",
    "subtest",
    "subtest_parts",
    "suite_with",
    "tests_in",
]

CLOSE_RUNNER = "_tearDownAsyncioRunner"
_MAKE_RUNNER = "_setupAsyncioRunner"
_GIVEN = "__nose2_aio_given__"
SET_UP, TEST, TEAR_DOWN, CLEANUP = "_callSetUp", "_callTestMethod", "_callTearDown", "_callCleanup"
PLAIN: Callable[..., Any] = getattr(TestCase, TEST)
ISOLATED: Callable[..., Any] = getattr(IsolatedAsyncioTestCase, TEST)
PLAIN_CLEANUP: Callable[..., Any] = getattr(TestCase, CLEANUP)
_OF_SUITES = ("run", "__call__", "__iter__")
_PLAIN = {seam: getattr(TestCase, seam) for seam in (SET_UP, TEAR_DOWN)}

_SUITES = {name: (getattr(BaseTestSuite, name), getattr(TestSuite, name)) for name in _OF_SUITES}
RUN = locations.code_of(TestCase, "run")

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


def clean_up(cases: Iterable[type], result: Any) -> None:
    """Call what is left of the cleanups of classes, and of modules.

    A test may add one though its class has no fixtures, and then it isn't called with these.
    """
    for case in dict.fromkeys(cases):
        if getattr(case, "_class_cleanups", ()) or unittest.case._module_cleanups:  # type: ignore[attr-defined]
            result._previousTestClass, result._moduleSetUpFailed = case, False
            TestSuite().run(result)
            forget_class(result)


def is_end(frame: FrameType) -> bool:
    """Tell whether it is `TestCase.run` that calls ``doCleanups``, not somebody by hand.

    A class may override it in between.
    """
    if frame.f_code is RUN:
        return True
    caller: FrameType | None = frame
    while caller is not None and caller.f_code.co_name == "doCleanups":
        caller = caller.f_back
    return caller is not None and caller.f_code is RUN


def is_isolated(case: type[TestCase]) -> bool:
    """Tell whether a class is one of IsolatedAsyncioTestCase's."""
    return issubclass(case, IsolatedAsyncioTestCase)


def closes_runner(case: type[TestCase]) -> bool:
    """Tell whether a class leaves it to IsolatedAsyncioTestCase to close its runner."""
    own = getattr(IsolatedAsyncioTestCase, CLOSE_RUNNER, None)
    return own is not None and getattr(case, CLOSE_RUNNER) is own


def asyncio_runner(test: Any) -> Any:
    """Return what IsolatedAsyncioTestCase is about to run a test with, an `asyncio.Runner`."""
    return getattr(test, "_asyncioRunner", None)


def set_asyncio_runner(test: Any, runner: Any) -> None:
    """Run the coroutines of an IsolatedAsyncioTestCase with another runner."""
    test._asyncioRunner = runner


def makes_runner(case: type[TestCase]) -> bool:
    """Tell whether a class leaves it to IsolatedAsyncioTestCase to make its runner."""
    own = getattr(IsolatedAsyncioTestCase, _MAKE_RUNNER, None)
    return own is not None and getattr(case, _MAKE_RUNNER) is own


def give_loops(test: Any, factory: Callable[[], AbstractEventLoop]) -> None:
    """Have IsolatedAsyncioTestCase run a test on a loop of a factory, the next time that it runs.

    Its class leaves it to unittest to make the runner.
    """
    test.__dict__[_GIVEN] = True
    test.loop_factory = factory  # Python 3.13's own way
    if sys.version_info < (3, 13):
        test.__dict__[_MAKE_RUNNER] = partial(_make_runner, test, factory)


def has_given_loops(test: object) -> bool:
    """Tell whether we have chosen the loop of a test."""
    return _GIVEN in vars(test)


if sys.version_info < (3, 13):

    def _make_runner(test: Any, factory: Callable[[], AbstractEventLoop]) -> None:
        """Do what ``_setupAsyncioRunner`` does, with a loop factory."""
        del test.__dict__[_MAKE_RUNNER]
        test._asyncioRunner = asyncio.Runner(debug=True, loop_factory=factory)


def tests_in(suite: object) -> list[Any] | None:
    """Return the list of what is in a suite of unittest's, or None for anything else."""
    if not isinstance(suite, BaseTestSuite):
        return None
    found = getattr(suite, "_tests", None)
    return found if isinstance(found, list) else None


def flattened(suite: Any, is_whole: Callable[[Any], bool] = lambda _: False) -> Iterator[Any]:
    """Give the tests in a suite, in order, and those suites that are to stay whole."""
    waiting = [suite]
    while waiting:
        one = waiting.pop()
        tests = None if is_whole(one) else tests_in(one)
        if tests is None:
            yield one
        else:
            waiting += reversed(tests)


def holder(description: str) -> Any:
    """Return what unittest reports the errors of class and module fixtures with."""
    return unittest.suite._ErrorHolder(description)  # type: ignore[attr-defined]


def subtest(test: TestCase, message: Any, params: dict[str, Any]) -> Any:
    """Return a subtest; ``message`` is None where it has none."""
    text = unittest.case._subtest_msg_sentinel if message is None else message  # type: ignore[attr-defined]
    return unittest.case._SubTest(test, text, params)  # type: ignore[attr-defined]


def subtest_parts(found: Any) -> tuple[Any, dict[str, Any]]:
    """Return the message of a subtest, or None where it has none, and its parameters."""
    message = found._message
    has_none = message is unittest.case._subtest_msg_sentinel  # type: ignore[attr-defined]
    return None if has_none else message, dict(found.params)


def runs_itself(suite: object) -> bool:
    """Tell whether a suite doesn't leave it to unittest to run what is in it."""
    return isinstance(suite, BaseTestSuite) and any(
        getattr(type(suite), name) not in found for name, found in _SUITES.items()
    )


def forget_class(result: Any) -> None:
    """Have unittest take the fixtures of no class and no module for set up."""
    result._previousTestClass = None


def suite_with(suite: Any, tests: list[Any]) -> Any:
    """Return a copy of a suite with other tests in it."""
    found = copy.copy(suite)
    found._tests = tests
    return found


def _popped(cleanups: list[Cleanup]) -> Iterator[Cleanup]:
    while cleanups:
        yield cleanups.pop()
