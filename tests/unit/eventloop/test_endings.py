"""nose2_aio.eventloop.endings"""

from __future__ import annotations

from unittest import TestCase

from nose2_aio.eventloop import endings
from nose2_aio.eventloop.endings import Endings


class SilentError(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        raise ValueError


class Kept(TestCase):
    """What is kept of tasks that have ended."""

    def test_text(self) -> None:
        """Name, time, and one line on the error."""
        kept = Endings()
        try:
            raise LookupError("first\nsecond")
        except LookupError as error:
            kept.add_failed(10, None, "Task-1", "f.<locals>.g", error)
        kept.add_failed(11, None, lambda: "the job", "", SilentError())
        kept.add_failed(11, None, "Task-2", "f", KeyError("x" * 300))
        kept.others += [(11.5, None, "Task-3", "f", None), (11.5, None, "Task-4", "f", "")]
        line = self.test_text.__code__, 25
        kept.others.append((11.5, None, "Task-5", "f", None, line))
        first, second, third, *others, last = [one.describe(12) for one in kept]
        self.assertRegex(last, r"^Task-5 \(f\) ended 0\.50 s before, at .*:25 in test_text$")
        self.assertRegex(
            first,
            r"^Task-1 \(g\) failed 2\.00 s before: LookupError: first second, .* in test_text$",
        )
        self.assertEqual(second, "the job failed 1.00 s before: SilentError: <SilentError>")
        self.assertRegex(third, "^Task-2 .*: KeyError: 'x+ \\.\\.\\.$")
        self.assertLess(len(third), 250)
        expected = ["Task-3 (f) ended 0.50 s before", "Task-4 (f) was cancelled 0.50 s before"]
        self.assertEqual(others, expected)

    def test_many(self) -> None:
        """The last ones are kept. Those with the same error are counted."""
        kept = Endings()
        for number in range(endings._MAX + 2):
            for _ in range(2):
                kept.add_failed(number, None, "", "", ValueError(number))
        numbers = range(2, endings._MAX + 2)
        self.assertEqual([(one.when, one.times) for one in kept], [(n, 2) for n in numbers])

    def test_forget(self) -> None:
        """What a test has created is forgotten with it."""
        kept, one, other = Endings(), object(), object()
        for owner in (one, other):
            kept.add_failed(0, owner, "", "", ValueError(owner))
            kept.others.append((0, owner, "", "", None))
        kept.forget(one)
        self.assertEqual([each.owner for each in kept], [other, other])
