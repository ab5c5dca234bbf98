"""nose2_aio.cases.raising"""

from __future__ import annotations

import traceback
from unittest import TestCase

from nose2_aio.cases.raising import raise_at_line, raise_error


class Raised(TestCase):
    """Errors that are raised in place of a cleanup."""

    def lines(self, error: BaseException) -> list[tuple[str, int | None]]:
        """Return the places in the traceback of an error that ``raise_at_line`` raises."""
        try:
            raise_at_line(error)
        except ValueError as caught:
            self.assertIs(caught, error)
            return [
                (one.filename, one.lineno) for one in traceback.extract_tb(caught.__traceback__)
            ]

    def test_line(self) -> None:
        """The last line of the traceback is that of the first finding."""
        error = ValueError("found:\n\n/a/b.py:70 in f: lost\n/a/b.py:9 in g: lost")
        self.assertEqual(self.lines(error)[-1], ("/a/b.py", 70))

    def test_no_line(self) -> None:
        """An error without a finding, and one that has a traceback, are raised as they are."""
        self.assertEqual(len(self.lines(ValueError("no line"))), 2)
        error = ValueError("/a/b.py:70 in f: lost")
        try:
            raise_error(error, "as a cleanup")
        except ValueError:
            self.assertNotIn(("/a/b.py", 70), self.lines(error))
