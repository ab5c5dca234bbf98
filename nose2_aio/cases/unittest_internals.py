"""The private parts of unittest that we use: the hooks, the cleanups, the suites.

A *hook* is a private method of a test case. unittest calls the test and its fixtures through
hooks: ``_callSetUp``, ``_callTestMethod``, ``_callTearDown``, ``_callCleanup``. They were made for
IsolatedAsyncioTestCase, and are stable since Python 3.8. A class that overrides
``_callTestMethod`` or ``run`` runs its tests by itself.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import operator
import sys
import unittest
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any
from unittest import BaseTestSuite, IsolatedAsyncioTestCase, TestCase, TestSuite

from nose2_aio.introspection import locations

__all__ = [
    "CLEANUP_HOOK",
    "CLOSE_RUNNER_HOOK",
    "RUN_CODE",
    "SET_UP_HOOK",
    "TEAR_DOWN_HOOK",
    "TEST_HOOK",
    "asyncio_runner",
    "call_cleanup",
    "call_isolated_test_method",
    "call_remaining_cleanups",
    "call_test_method",
    "called_by_unittest",
    "cleanups_of",
    "cleanups_of_test",
    "error_holder",
    "flattened",
    "forget_previous_class",
    "has_class_cleanups",
    "has_default_hook",
    "has_passed",
    "is_called_by_run",
    "is_custom_suite",
    "is_isolated",
    "is_loop_chosen",
    "is_run_by_unittest",
    "is_runner_closed_by_unittest",
    "is_runner_made_by_unittest",
    "is_running",
    "is_set_up_by_unittest",
    "like_unittests",
    "method_name",
    "overrides",
    "overrides_run",
    "own_method",
    "pop_class_cleanups",
    "pop_module_cleanups",
    "replaced_enter_context",
    "set_asyncio_runner",
    "set_loop_factory",
    "subtest",
    "subtest_parts",
    "suite_with",
    "takes_any_result",
    "test_in",
    "tests_in",
]

SET_UP_HOOK = "_callSetUp"
TEST_HOOK = "_callTestMethod"
TEAR_DOWN_HOOK = "_callTearDown"
CLEANUP_HOOK = "_callCleanup"
CLOSE_RUNNER_HOOK = "_tearDownAsyncioRunner"
_MAKE_RUNNER_HOOK = "_setupAsyncioRunner"

call_test_method: Callable[..., Any] = getattr(TestCase, TEST_HOOK)
method_name: Callable[[TestCase], str] = operator.attrgetter("_testMethodName")
"""Returns the name of the method that is the test."""
has_passed: Callable[[TestCase], bool] = operator.attrgetter("_outcome.success")
"""Returns True if a test whose method has just returned has passed, with its subtests."""
cleanups_of_test: Callable[[TestCase], list[Any]] = operator.attrgetter("_cleanups")
"""Returns the cleanups of a test that are waiting."""
call_isolated_test_method: Callable[..., Any] = getattr(IsolatedAsyncioTestCase, TEST_HOOK)
call_cleanup: Callable[..., Any] = getattr(TestCase, CLEANUP_HOOK)
RUN_CODE = locations.code_of(TestCase, "run")

_DEFAULT_SUITE_METHODS = {
    name: (getattr(BaseTestSuite, name), getattr(TestSuite, name))
    for name in ("run", "__call__", "__iter__")
}
_LIKE_UNITTESTS = "__nose2_aio_like_unittests__"
"""The attribute of a method of ours that does what unittest's does."""
_LOOP_CHOSEN = "__nose2_aio_loop_chosen__"
"""The attribute of a test case whose loop we have chosen."""

Cleanup = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function to call, with its arguments."""


def is_run_by_unittest(case: type[TestCase]) -> bool:
    """Return True if unittest calls the tests of a class: the class doesn't override that."""
    return takes_any_result(case) and _is_unittests(case, "run")


def takes_any_result(case: type[TestCase]) -> bool:
    """Return True if a class calls the method of a test as unittest does."""
    is_isolated_hook = getattr(case, TEST_HOOK) is call_isolated_test_method
    return is_isolated_hook or has_default_hook(case, TEST_HOOK)


def like_unittests(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method of ours that does what unittest's does: it counts as that."""
    setattr(method, _LIKE_UNITTESTS, True)
    return method


def _is_unittests(case: type[TestCase], name: str) -> bool:
    """Return True if a class has unittest's method of a name."""
    method = getattr(case, name)
    return method is own_method(case, name) or hasattr(method, _LIKE_UNITTESTS)


def called_by_unittest(case: type[TestCase]) -> Iterator[str]:
    """Yield the names of the methods that unittest calls to run a test of a class.

    A class that runs its tests by itself may call its own methods in another way.
    """
    yield "__call__"
    for name in ("__call__", "run"):
        if not (_is_unittests(case, name) or inspect.iscoroutinefunction(getattr(case, name))):
            return
    yield from ("run", "doCleanups", SET_UP_HOOK, TEST_HOOK, TEAR_DOWN_HOOK, CLEANUP_HOOK)


def overrides_run(case: type[TestCase]) -> bool:
    """Return True if a class overrides a method that goes on after the cleanups of a test."""
    return not all(_is_unittests(case, name) for name in ("__call__", "run", "doCleanups"))


def own_method(case: type[TestCase], name: str) -> Any:
    """Return the method of a name that unittest has for a class."""
    return getattr(IsolatedAsyncioTestCase if is_isolated(case) else TestCase, name)


def has_default_hook(case: type[TestCase], hook: str) -> bool:
    """Return True if a class has the hook of TestCase, which may be ours now."""
    return getattr(case, hook, None) is getattr(TestCase, hook)


def is_set_up_by_unittest(case: type[TestCase]) -> bool:
    """Return True if unittest calls ``setUp`` and ``tearDown`` of a class."""
    return _is_unittests(case, "run") and has_default_hook(case, SET_UP_HOOK)


def is_running(test: TestCase) -> bool:
    """Return True while unittest runs a test, from its ``setUp`` to its last cleanup."""
    return getattr(test, "_outcome", None) is not None


def cleanups_of(owner: object) -> list[Any]:
    """Return the cleanups of a test or a class that are waiting; those of modules for others."""
    if isinstance(owner, TestCase):
        return cleanups_of_test(owner)
    if isinstance(owner, type):
        return owner._class_cleanups  # type: ignore[attr-defined,no-any-return]
    return unittest.case._module_cleanups  # type: ignore[attr-defined,no-any-return]


def has_class_cleanups(case: type[TestCase]) -> bool:
    """Return True if cleanups of a class are waiting."""
    return bool(case._class_cleanups)  # type: ignore[attr-defined]


def pop_class_cleanups(case: type[TestCase]) -> Iterator[Cleanup]:
    """Yield the cleanups of a class, the last one first, and remove each from the class."""
    return _pop_all(case._class_cleanups)  # type: ignore[attr-defined]


def pop_module_cleanups() -> Iterator[Cleanup]:
    """Yield the cleanups of a module, the last one first, and remove each from unittest's list."""
    return _pop_all(unittest.case._module_cleanups)  # type: ignore[attr-defined]


def call_remaining_cleanups(cases: Iterable[type], result: Any) -> None:
    """Call the cleanups of classes and of modules that are still waiting.

    A test may have added one to a class without fixtures. The tests of such a class run one by one,
    so the cleanup isn't called after them.
    """
    for case in dict.fromkeys(cases):
        if getattr(case, "_class_cleanups", ()) or unittest.case._module_cleanups:  # type: ignore[attr-defined]
            result._previousTestClass, result._moduleSetUpFailed = case, False
            TestSuite().run(result)
            forget_previous_class(result)


@contextmanager
def replaced_enter_context(replacement: Callable[..., Any]) -> Iterator[None]:
    """Inside the block, call a function when a test case, class or module enters a context manager.

    Its arguments are unittest's own function for that, the context manager, and the function that
    adds a cleanup.
    """
    module: Any = unittest.case
    before = module._enter_context
    module._enter_context = partial(replacement, before)
    try:
        yield
    finally:
        module._enter_context = before


def is_called_by_run(frame: FrameType) -> bool:
    """Return True if `TestCase.run` calls ``doCleanups``, and not the user.

    ``frame`` is the caller's. It may be that of a ``doCleanups`` that overrides TestCase's.
    """
    caller: FrameType | None = frame
    while caller is not None and caller.f_code.co_name == "doCleanups":
        caller = caller.f_back
    return caller is not None and caller.f_code is RUN_CODE


def test_in(frame: FrameType | None) -> Any:
    """Return the test that runs in a stack, given its innermost frame; None if it runs none."""
    while frame is not None and frame.f_code is not RUN_CODE:
        frame = frame.f_back
    return None if frame is None else frame.f_locals["self"]


def is_isolated(case: type[TestCase]) -> bool:
    """Return True if a class is a subclass of IsolatedAsyncioTestCase."""
    return issubclass(case, IsolatedAsyncioTestCase)


def is_runner_closed_by_unittest(case: type[TestCase]) -> bool:
    """Return True if a class has the hook of IsolatedAsyncioTestCase that closes the runner."""
    hook = getattr(IsolatedAsyncioTestCase, CLOSE_RUNNER_HOOK, None)
    return hook is not None and getattr(case, CLOSE_RUNNER_HOOK) is hook


def overrides(test: object, name: str) -> bool:
    """Return True if the class of a test of IsolatedAsyncioTestCase overrides a method."""
    return getattr(type(test), name) is not getattr(IsolatedAsyncioTestCase, name)


def asyncio_runner(test: Any) -> Any:
    """Return the `asyncio.Runner` of a test of IsolatedAsyncioTestCase; None if it has none."""
    return getattr(test, "_asyncioRunner", None)


def set_asyncio_runner(test: Any, runner: Any) -> None:
    """Replace the runner of a test of IsolatedAsyncioTestCase."""
    test._asyncioRunner = runner


def is_runner_made_by_unittest(case: type[TestCase]) -> bool:
    """Return True if a class has the hook of IsolatedAsyncioTestCase that makes the runner."""
    hook = getattr(IsolatedAsyncioTestCase, _MAKE_RUNNER_HOOK, None)
    return hook is not None and getattr(case, _MAKE_RUNNER_HOOK) is hook


def set_loop_factory(test: Any, factory: Callable[[], AbstractEventLoop]) -> None:
    """Let IsolatedAsyncioTestCase run a test on a loop of a factory, the next time that it runs.

    For the class, `is_runner_made_by_unittest` must return True.
    """
    test.__dict__[_LOOP_CHOSEN] = True
    test.loop_factory = factory  # unittest uses it from Python 3.13 on
    if sys.version_info < (3, 13):
        test.__dict__[_MAKE_RUNNER_HOOK] = partial(_make_runner, test, factory)


def is_loop_chosen(test: object) -> bool:
    """Return True if `set_loop_factory` was called for a test."""
    return _LOOP_CHOSEN in vars(test)


if sys.version_info < (3, 13):

    def _make_runner(test: Any, factory: Callable[[], AbstractEventLoop]) -> None:
        """Create the runner with a loop factory, in place of ``_setupAsyncioRunner``."""
        del test.__dict__[_MAKE_RUNNER_HOOK]
        test._asyncioRunner = asyncio.Runner(debug=True, loop_factory=factory)


def tests_in(suite: object) -> list[Any] | None:
    """Return the list of the tests in a suite; None for anything that isn't one of unittest's."""
    if not isinstance(suite, BaseTestSuite):
        return None
    found = getattr(suite, "_tests", None)
    return found if isinstance(found, list) else None


def flattened(suite: Any, is_whole: Callable[[Any], bool] = lambda _: False) -> Iterator[Any]:
    """Yield the tests in a suite, in order.

    A suite for which ``is_whole`` returns True is yielded itself, not its tests.
    """
    waiting = [suite]
    while waiting:
        one = waiting.pop()
        tests = None if is_whole(one) else tests_in(one)
        if tests is None:
            yield one
        else:
            waiting += reversed(tests)


def error_holder(description: str) -> Any:
    """Return the object that unittest reports in place of a test if a wider fixture fails."""
    return unittest.suite._ErrorHolder(description)  # type: ignore[attr-defined]


def subtest(test: TestCase, message: Any, params: dict[str, Any]) -> Any:
    """Return a subtest. ``message`` is None if it has none."""
    text = unittest.case._subtest_msg_sentinel if message is None else message  # type: ignore[attr-defined]
    return unittest.case._SubTest(test, text, params)  # type: ignore[attr-defined]


def subtest_parts(found: Any) -> tuple[Any, dict[str, Any]]:
    """Return the message of a subtest (None if it has none), and its parameters."""
    message = found._message
    has_none = message is unittest.case._subtest_msg_sentinel  # type: ignore[attr-defined]
    return None if has_none else message, dict(found.params)


def is_custom_suite(suite: object) -> bool:
    """Return True if a suite overrides how unittest runs or iterates the tests in it."""
    return isinstance(suite, BaseTestSuite) and any(
        getattr(type(suite), name) not in methods
        for name, methods in _DEFAULT_SUITE_METHODS.items()
    )


def forget_previous_class(result: Any) -> None:
    """Let unittest set up the class and the module of the next test, whatever ran before."""
    result._previousTestClass = None


def suite_with(suite: Any, tests: list[Any]) -> Any:
    """Return a copy of a suite with other tests in it."""
    found = copy.copy(suite)
    found._tests = tests
    return found


def _pop_all(cleanups: list[Cleanup]) -> Iterator[Cleanup]:
    while cleanups:
        yield cleanups.pop()
