"""Attribution: the test that a problem belongs to.

Most problems are found while the test runs, in its context. A coroutine that was never awaited is
found when it is dropped:

1. Usually that is while its test runs.
2. If it is part of a reference cycle, it is dropped by the next garbage collection, whatever test
   runs then. So garbage is collected at the end of each test that has run a coroutine.
3. A class fixture, or a test that has run no coroutine, may have left such a cycle before. Then
   garbage is collected before the first coroutine of the test, too. What is found fails no test.
4. It may be kept in an attribute of the test case. That is checked after the last cleanup.
"""

from __future__ import annotations

import gc
import inspect
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.eventloop import asyncio_log
from nose2_aio.eventloop.jobs import problems_in_thread
from nose2_aio.eventloop.problems import CheckedProblems, HandlerCall, Problems, current_problems
from nose2_aio.introspection import attributes
from nose2_aio.reporting import unawaited
from nose2_aio.reporting.check_results import CheckResults

__all__ = ["Attribution"]

_PLAIN_ATTRIBUTES = frozenset(vars(TestCase()))
"""The attributes that a test case has if the user adds none."""
_PLAIN_COUNT = len(_PLAIN_ATTRIBUTES)
_NONE: frozenset[str] = frozenset()
_NOT_USERS = (
    _PLAIN_ATTRIBUTES
    | frozenset(vars(IsolatedAsyncioTestCase()))
    | {
        unittest_internals.SET_UP_HOOK,
        unittest_internals.TEST_HOOK,
        unittest_internals.TEAR_DOWN_HOOK,
        unittest_internals.CLEANUP_HOOK,
        unittest_internals.CLOSE_RUNNER_HOOK,
    }
)
"""The attributes that unittest and this package set."""


class Attribution:
    """Attributes problems to the test that runs."""

    has_run_coroutine = False
    """True if the test has run a coroutine, or is about to."""
    warnings_filters: object = None
    """The warnings filters that were active when the test began."""
    known_filters: list[Any] | None = None
    """The warnings filters from before the run; None if it has not begun."""
    _test: TestCase | None = None
    """The test that runs, or that ran last."""
    _is_collecting = False
    """True while we collect this test's garbage."""
    _attributes_before = _NONE
    """The names of the attributes that the test case had when it began."""
    _is_running = False
    """True while a test runs."""
    _is_clean = False
    """True if no garbage is left from before the test."""

    def __init__(self, settings: Settings, check_results: CheckResults) -> None:
        self.problems: Problems = CheckedProblems()
        """The problems of the test."""
        self.are_unawaited_checked = not check_results.ignores(
            "never-awaited", "never-awaited-mocks"
        )
        """True unless both checks for coroutines that were never awaited are off."""
        self._late = Problems()
        """Problems that were found too late to know the test."""
        self._thread = threading.get_ident()
        self._handed: list[tuple[Any, str]] = []
        """The coroutines that mocks were called with in this test, and the names of the mocks."""
        self._settings = settings
        self._check_results = check_results

    def begin(self, test: TestCase) -> None:
        """Begin a test, and report problems of the one before that were found after its end."""
        if vars(self.problems):
            self._report_late()
            self._renew()
        elif self.has_run_coroutine:
            self._renew()
        else:  # nothing else refers to its problems
            self._is_clean = False
        if type(self._test) is not type(test):
            self._is_clean = False
        self._test = test
        self._is_running = True
        has_attributes = len(getattr(test, "__dict__", ())) > _PLAIN_COUNT
        self._attributes_before = frozenset(_attributes(test)) if has_attributes else _NONE
        self.warnings_filters = unawaited.active_filters()

    def _renew(self) -> None:
        """Let the next test have problems of its own."""
        if self.has_run_coroutine:
            self.problems.is_checked = False
        else:
            self._is_clean = False
        self.problems = CheckedProblems()
        self.has_run_coroutine = False

    def begin_coroutine(self) -> None:
        """Called before a coroutine of the test runs."""
        if not self._is_clean:
            self._collect_garbage(is_of_test=False)
        self.has_run_coroutine = True

    def end(self) -> None:
        """Find what the test has dropped: collect its garbage, if it has run a coroutine."""
        self._is_running = False
        if self._handed:
            self._take_handed()
        if self.has_run_coroutine:
            self._collect_garbage(is_of_test=True)

    def _release_attributes(self, test: TestCase) -> None:
        """Delete attributes whose finalizers may report something, such as an unclosed session.

        Otherwise the finalizers would run with the test case's, after the test was reported. Only
        attributes that the test has set, and that nothing else refers to, are deleted. A class or a
        cleanup that keeps the test case may still need them, as may a class that overrides ``run``.
        """
        case = type(test)
        is_async = self.has_run_coroutine or unittest_internals.is_isolated(case)
        if not (is_async and self._is_checked(test)) or unittest_internals.overrides_run(case):
            return
        owner = nose2_cases.user_object(test)
        new = [name for name in _attributes(test) if name not in self._attributes_before]
        if not new:
            return
        keepers = unittest_internals.cleanups_of(None)  # those of its module
        token = current_problems.set(self.problems)
        calls = self.problems.handler_calls
        try:
            with asyncio_log.captured() as logged:
                for name in attributes.release(owner, new, keepers):
                    found = (
                        *self.problems.handler_calls[len(calls) :],
                        *map(HandlerCall.of_log, logged),
                    )
                    calls += tuple(one.kept_in(f"self.{name}") for one in found)
                    self.problems.handler_calls = calls
                    logged.clear()
        finally:
            current_problems.reset(token)

    def close(self) -> None:
        """Report the problems that were found after the end of the last test, or too late."""
        self._report_late()
        self.problems.is_checked = False
        self._test = None
        if self._late.unawaited:
            self._check_results.error_for("unknown test", self._late, {}, can_fail=False)

    def _collect_garbage(self, *, is_of_test: bool) -> None:
        """Collect garbage: that of the test, or what was left before it."""
        if self.are_unawaited_checked:
            self._is_collecting = is_of_test
            gc.collect(1)
            self._is_collecting = False
        self._is_clean = True

    def shortened_log(self) -> AbstractContextManager[None]:
        """Keep errors that the checks report out of asyncio's log, inside the block."""
        is_off = self._check_results.ignores("lost-exceptions")
        return nullcontext() if is_off else asyncio_log.shortened()

    def has_problems(self, test: TestCase, *, keeps_attributes: bool) -> bool:
        """Return True if `check` may find something.

        Unless ``keeps_attributes``, resources that nobody closed report that.
        """
        has_attributes = len(test.__dict__) > _PLAIN_COUNT
        if has_attributes and not keeps_attributes:
            self._release_attributes(test)
        return bool(vars(self.problems)) or (
            has_attributes and any(attributes.unstarted(_attributes(test).values()))
        )

    def check(self, test: TestCase, *, is_passed: bool) -> None:
        """Raise the error of the checks that fail the test; store other findings for the report.

        ``is_passed`` says whether the test has passed so far: otherwise nothing is raised.
        """
        if not self._is_checked(test):
            return
        self.problems.unawaited += unawaited.take_kept(_attributes(test).values())
        modes = tag_lookup.read_checks(*nose2_cases.function_and_owner(test))
        error = self._check_results.error_for(test.id(), self.problems, modes, can_fail=is_passed)
        if error is not None:
            raise error

    def _report_late(self) -> None:
        """Store problems of the last test that were found after its end: they can't fail it."""
        if self._test is not None and vars(self.problems):
            try:
                modes = tag_lookup.read_checks(*nose2_cases.function_and_owner(self._test))
            except InvalidValueError:  # the test has failed with it
                modes = {}
            self._check_results.error_for(self._test.id(), self.problems, modes, can_fail=False)

    def _is_checked(self, test: TestCase) -> bool:
        return self._settings.are_isolated_checked or not unittest_internals.is_isolated(type(test))

    def note_handed(self, coroutine: Any, mock_name: str) -> None:
        """Record a coroutine that a mock was called with, while a test runs."""
        if self._is_running and self._test is not None and self._is_checked(self._test):
            self._handed.append((coroutine, mock_name))

    def _take_handed(self) -> None:
        """Report the coroutines that mocks were called with, if they were never started."""
        handed, self._handed = self._handed, []
        for coroutine, mock_name in handed:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                self.problems.unawaited += (unawaited.describe_handed(coroutine, mock_name),)
                coroutine.close()

    def note_unawaited(self, coroutine: Any, *, is_late: bool) -> bool:
        """Attribute a dropped coroutine that was never awaited; return False if that is impossible.

        ``is_late`` is True if a garbage collection has dropped it. In another thread, it is known
        only for a job whose test that is.
        """
        test, problems = self._test, problems_in_thread()
        is_foreign = threading.get_ident() != self._thread
        is_known = not is_late or self._is_collecting
        if is_foreign:
            is_known = not is_late and problems is not None and problems.is_checked
        if not is_known:
            problems = self._late
        elif problems is None:
            if test is None or not self._is_checked(test):
                return False
            problems = self.problems
        problems.unawaited += (unawaited.describe(coroutine, is_dropped=not is_late),)
        return True


def _attributes(test: TestCase) -> dict[str, object]:
    """Return the attributes that the user has given a test case, or the object of a test class."""
    found = getattr(nose2_cases.user_object(test), "__dict__", {})  # none with __slots__
    return {name: value for name, value in found.items() if name not in _NOT_USERS}
