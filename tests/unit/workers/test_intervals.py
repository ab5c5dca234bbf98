"""nose2_aio.workers.intervals"""

from __future__ import annotations

from unittest import TestCase

from nose2_aio.workers.intervals import RunInterval, RunIntervals
from nose2_aio.workers.messages import Call


def intervals(*found: RunInterval) -> RunIntervals:
    made = RunIntervals()
    for unit, test, began, ended in found:
        made.begin(unit, Call("startTest", test, (), began))
        made.end(unit, test, Call("stopTest", test, (), ended))
    return made


class Intervals(TestCase):
    """When tests ran."""

    def test_concurrent(self) -> None:
        """Two tests ran at the same time if their intervals overlap by more than a moment."""
        first, second = RunInterval(0, 0, 1.0, 2.0), RunInterval(0, 1, 2.0, 3.0)
        other = RunInterval(1, 0, 1.5, 1.8)
        made = intervals(first, second, other)
        self.assertEqual(made.concurrent(0, 0), [other])
        self.assertEqual(made.concurrent(0, 1), [])
        self.assertEqual(made.concurrent(1, 0), [first])

    def test_average(self) -> None:
        """The average moves by an eighth towards the last duration; no test counts as 0."""
        made = RunIntervals()
        self.assertEqual(made.average, 0.0)
        made = intervals(RunInterval(0, 0, 1.0, 9.0))
        self.assertEqual(made.average, 1.0)
        made.end(1, 0, Call("stopTest", 0, (), 5.0))  # its start has not come
        self.assertAlmostEqual(made.average, 1.0 + (1e-4 - 1.0) / 8)
