"""What is found of the tests, and to which of them that is charged.

A coroutine that nobody awaits comes to light when it is dropped. One that is lost in a circle of
references comes out when garbage is collected, whoever runs then: so that is done at the end of a
test, and ahead of it where something else may have lost one. What comes out later fails nobody.
"""

from __future__ import annotations

import gc
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.eventloop.problems import Problems, current_problems
from nose2_aio.reporting import unawaited
from nose2_aio.reporting.check_results import CheckResults

__all__ = ["Attribution"]


class Attribution:
    """Charges to the test that runs what is found of it."""

    has_awaited = False
    """Whether the test has run on a loop."""
    filters: object = None
    """The filters of warnings when it began."""
    _test: TestCase | None = None
    """The test that runs, or that ran last."""
    _kind: type | None = None
    """Its class."""
    _is_owned = False
    """True while we collect this test's garbage."""
    _is_clean = False
    """Whether there is no garbage of anything before it."""

    def __init__(self, settings: Settings, check_results: CheckResults) -> None:
        self.problems = Problems()
        """What is charged to the test."""
        self.collects = not check_results.ignores("never-awaited", "never-awaited-mocks")
        """Whether somebody wants to know of what nobody awaits."""
        self._late = Problems()
        """What nobody can be charged with any more."""
        self._settings = settings
        self._check_results = check_results

    def begin(self, test: TestCase) -> None:
        """Begin with a test; what is found of the one before from now on is too late."""
        if vars(self.problems):
            self._judge_late()
        if not self.has_awaited or self._kind is not type(test):
            self._is_clean = False
        self._test, self._kind = test, type(test)
        self.filters = unawaited.active_filters()
        self.problems = Problems()
        self.has_awaited = False

    def begin_awaiting(self) -> None:
        """Note that the test is about to run on a loop."""
        if not self._is_clean:
            self._collect(is_owned=False)
        self.has_awaited = True

    def end(self) -> None:
        """Find what the test has lost in circles."""
        if self.has_awaited:
            self._collect(is_owned=True)

    def close(self) -> None:
        """End the books of the last test, behind all of them."""
        self._judge_late()
        self._test = None
        if vars(self._late):
            self._check_results.error_for("nobody knows whose", self._late, {}, can_fail=False)

    def _collect(self, *, is_owned: bool) -> None:
        """Collect what was lost in a circle: by the test itself, or before it."""
        if self.collects:
            self._is_owned = is_owned
            gc.collect(1)
            self._is_owned = False
        self._is_clean = True

    def have_any(self, test: TestCase) -> bool:
        """Tell whether there is anything to judge."""
        return bool(vars(self.problems)) or (
            len(test.__dict__) > unawaited.PLAIN_ATTRIBUTE_COUNT
            and unawaited.has_coroutines(nose2_cases.users_object(test))
        )

    def judge(self, test: TestCase, *, is_passed: bool) -> None:
        """Raise what the checks fail the test with; note what is only told."""
        if not self._are_wanted(test):
            return
        for coroutine in unawaited.unstarted_coroutines(nose2_cases.users_object(test)):
            self.problems.unawaited += (unawaited.describe(coroutine),)
            coroutine.close()
        modes = tag_lookup.read_checks(*nose2_cases.target(test))
        error = self._check_results.error_for(test.id(), self.problems, modes, can_fail=is_passed)
        if error is not None:
            raise error

    def _judge_late(self) -> None:
        """Note what was found of the last test when unittest was done with it."""
        if self._test is not None and vars(self.problems):
            try:
                modes = tag_lookup.read_checks(*nose2_cases.target(self._test))
            except InvalidValueError:  # the test has said so
                modes = {}
            self._check_results.error_for(self._test.id(), self.problems, modes, can_fail=False)

    def _are_wanted(self, test: TestCase) -> bool:
        return self._settings.are_isolated_checked or not unittest_internals.is_isolated(type(test))

    def note_unawaited(self, coroutine: Any, *, is_late: bool) -> bool:
        """Charge a coroutine that was dropped to whoever drops it, unless that says nothing."""
        test, problems = self._test, current_problems.get()
        if is_late and not self._is_owned:
            problems = self._late
        elif problems is None:
            if test is None or not self._are_wanted(test):
                return False
            problems = self.problems
        problems.unawaited += (unawaited.describe(coroutine),)
        return True
