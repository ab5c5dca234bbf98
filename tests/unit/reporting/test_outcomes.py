"""nose2_aio.reporting.outcomes"""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from unittest import TestCase

from nose2_aio.reporting import outcomes
from nose2_aio.reporting.outcomes import Place, place_in, place_of_finding


class Places(TestCase):
    """Lines of the user's code."""

    def test_users(self) -> None:
        """The innermost line of the user's counts, and not that of a library below it."""
        try:
            json.loads("{")
        except ValueError:
            found = place_in(traceback.format_exc())
        assert found is not None
        self.assertEqual(found.file, __file__)

    def test_library(self) -> None:
        """The line of a library, or of this package, is none of the user's."""
        for module in (json, outcomes):
            self.assertIsNone(place_in(f'  File "{module.__file__}", line 3, in f'))

    def test_group(self) -> None:
        """The lines of an exception inside a group are found too."""
        text = '  | File "/a/outer.py", line 1, in f\n    | File "/a/inner.py", line 2, in g\n'
        self.assertEqual(place_in(text), Place("/a/inner.py", 2))

    def test_findings(self) -> None:
        """An error of the checks is where its first finding is, and never in this package."""
        ours = str(Path(outcomes.__file__).parent / "checks.py")
        self.assertIsNone(place_in(f'  File "{ours}", line 3, in check\nCheckError: found:'))
        text = "found:\n\n/a/b.py:4 in f: a task\n/c.py:5 in g: it"
        self.assertEqual(place_of_finding(text), Place("/a/b.py", 4))
        stuck = place_of_finding("late\n\nstuck at /a/b.py:4 in f: waits for it")
        self.assertEqual(stuck, Place("/a/b.py", 4))
        self.assertIsNone(place_of_finding("found:\n\na task"))

    def test_none(self) -> None:
        """A text without a line has no place."""
        self.assertIsNone(place_in("AssertionError"))

    def test_text(self) -> None:
        """A path below the current directory is shown as seen from there."""
        self.assertEqual(str(Place(str(Path("a/b.py").absolute()), 3)), "a/b.py:3")
        self.assertEqual(str(Place("/elsewhere/b.py", 3)), "/elsewhere/b.py:3")
