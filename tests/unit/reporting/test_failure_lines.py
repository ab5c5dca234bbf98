"""nose2_aio.reporting.failure_lines"""

from __future__ import annotations

from pathlib import Path
from unittest import TestCase

from nose2_aio.reporting.failure_lines import FailureLine
from nose2_aio.reporting.outcomes import Outcome, Place


def failure(message: str, place: Place | None, *, label: str = "FAIL") -> FailureLine:
    return FailureLine(label, Outcome(None, "test_x.Case.test_y", "failed", 0.0, message, place))


class Lines(TestCase):
    """The line of a failure."""

    def test_line(self) -> None:
        """It has the test, the place if that is known, and the message, which is cut."""
        place = Place(str(Path("test_x.py").absolute()), 12)
        for message, where, expected in (
            ("KeyError: 1", place, "FAIL test_x.Case.test_y, test_x.py:12: KeyError: 1"),
            ("KeyError: 1", None, "FAIL test_x.Case.test_y: KeyError: 1"),
            ("x" * 200, None, f"FAIL test_x.Case.test_y: {'x' * 200}"),
            ("x" * 201, None, f"FAIL test_x.Case.test_y: {'x' * 199}…"),
        ):
            self.assertEqual(str(failure(message, where)), expected)
