"""nose2_aio.cases.isolated"""

from __future__ import annotations

from unittest import IsolatedAsyncioTestCase, TestCase

from nose2_aio.cases.isolated import IsolatedCases
from nose2_aio.config.settings import Settings
from nose2_aio.eventloop.problems import Problems
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import TimeLimits


class Cases(TestCase):
    """Stepping into a test of IsolatedAsyncioTestCase."""

    def test_no_runner(self) -> None:
        """A test case that has no runner keeps what it has."""

        class Case(IsolatedAsyncioTestCase):
            async def test(self) -> None: ...

        case = Case("test")
        options = RunnerOptions(TimeLimits())
        cases = IsolatedCases(Settings(), options, lambda error: error)
        cases.attach(case, Problems())
        cases.end(case, Problems(), is_passed=True)
        self.assertIsNone(case._asyncioRunner)  # type: ignore[attr-defined]
