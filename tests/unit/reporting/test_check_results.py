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

    def test_alike(self) -> None:
        """Findings that differ only in names and seconds are shown once, and counted."""
        for whats, last in (
            ("the task {} (poll) was", "  the same for 4 more: 1, 2, 3, …"),
            ("the timer {} was", "  the same for 4 more"),
        ):
            problems = Problems()
            problems.findings = tuple(
                Finding("leaked-tasks", "a.py:1 in a", whats.format(one), (f"{one}.5 s",), "poll")
                for one in range(5)
            )
            error = CheckResults(Settings()).error_for("test", problems, {"leaked-tasks": "fail"})
            first = f"a.py:1 in a: {whats.format(0)} (leaked-tasks)"
            self.assertEqual(str(error).splitlines()[2:], [first, "0.5 s", last])
