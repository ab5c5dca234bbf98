"""nose2_aio.reporting.check_results"""

from __future__ import annotations

from unittest import TestCase

from nose2_aio.config.settings import Settings
from nose2_aio.eventloop.problems import Finding, Problems
from nose2_aio.reporting.check_results import CheckResults


class Texts(TestCase):
    """The text of an error with findings."""

    def test_many(self) -> None:
        """The error shows at most 20 findings. Its last line counts the others."""
        for count, last in (
            (20, "task 19 (leaked-tasks)"),
            (21, "... and 1 more"),
            (30, "... and 10 more"),
        ):
            problems = Problems()
            problems.findings = tuple(
                Finding("leaked-tasks", "", f"task {number}") for number in range(count)
            )
            error = CheckResults(Settings()).error_for("test", problems, {"leaked-tasks": "fail"})
            self.assertEqual(str(error).splitlines()[-1], last)
