"""nose2_aio.reporting.repeats"""

from __future__ import annotations

from types import SimpleNamespace
from unittest import TestCase

from nose2_aio.reporting.repeats import PassCounts


def event(name: str, outcome: str, *, fails: bool = False, expected: bool = False) -> object:
    return SimpleNamespace(
        test=SimpleNamespace(id=lambda: name),
        outcome=outcome,
        exc_info=(Exception, None, None) if fails else None,
        expected=expected,
    )


class Counts(TestCase):
    """How often tests have passed."""

    def test_lines(self) -> None:
        """There is a line for each test that has failed. Skips and expected failures are passes."""
        counts = PassCounts()
        for one in (
            event("a", "passed", expected=True),
            event("a", "passed", expected=True),
            event("b\n1", "failed", fails=True),
            event("b\n1", "passed", expected=True),
            event("c", "skipped", fails=True),
            event("d", "failed", fails=True, expected=True),
            event("e", "error", fails=True),
        ):
            counts.note(one)
        self.assertEqual(counts.lines(), ["b: passed 1 of 2 times", "e: passed 0 of 1 times"])

    def test_no_test(self) -> None:
        """Something without an ``id()`` is named by its ``str()``."""
        counts = PassCounts()
        counts.note(SimpleNamespace(test="thing", outcome="error", exc_info=(1,), expected=False))
        self.assertEqual(counts.lines(), ["thing: passed 0 of 1 times"])

    def test_none(self) -> None:
        """Without outcomes there is no line."""
        self.assertEqual(PassCounts().lines(), [])
