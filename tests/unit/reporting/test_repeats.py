"""nose2_aio.reporting.repeats"""

from __future__ import annotations

from unittest import TestCase

from nose2_aio.reporting.outcomes import Outcome
from nose2_aio.reporting.repeats import PassCounts


class Counts(TestCase):
    """How often tests have passed."""

    def test_lines(self) -> None:
        """There is a line for each test that has failed. Skips and expected failures are passes."""
        counts = PassCounts()
        for name, status in (
            ("a", "passed"),
            ("a", "passed"),
            ("b", "failed"),
            ("b", "passed"),
            ("c", "skipped"),
            ("d", "expected failure"),
            ("e", "error"),
        ):
            counts.begin(name)
            counts.end(Outcome(None, name, status, 0.1, "", None))
        self.assertEqual(counts.lines(), ["b: passed 1 of 2 times", "e: passed 0 of 1 times"])

    def test_none(self) -> None:
        """Without outcomes there is no line."""
        self.assertEqual(PassCounts().lines(), [])
