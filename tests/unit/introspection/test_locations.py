"""nose2_aio.introspection.locations"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import types
from pathlib import Path
from unittest import TestCase, mock

from nose2_aio.introspection import locations

HERE = Path(__file__)


def function() -> None:
    """Stands on line 17."""


class Describe(TestCase):
    """Name and place of a function."""

    def test_function(self) -> None:
        """A function below the current folder has a relative path."""
        with contextlib.chdir(HERE.parent):
            self.assertEqual(locations.describe(function), f"function, {HERE.name}:17")

    def test_elsewhere(self) -> None:
        """One elsewhere has its whole path."""
        with contextlib.chdir("/"):
            self.assertEqual(locations.describe(function), f"function, {str(HERE).lstrip('/')}:17")
        with tempfile.TemporaryDirectory() as other, contextlib.chdir(other):
            self.assertEqual(locations.describe(function), f"function, {HERE}:17")

    def test_wrapped(self) -> None:
        """What is told is the user's function, not the decorator's."""
        wrapped = functools.wraps(function)(lambda: None)
        self.assertEqual(locations.describe(wrapped), locations.describe(function))
        self.assertIn("test_wrapped, ", locations.describe(self.test_wrapped))
        self.assertEqual(
            locations.describe(functools.partial(function)), locations.describe(function)
        )

    def test_no_code(self) -> None:
        """What has no code is shown as it is."""
        self.assertEqual(locations.describe(print), "builtins.print")
        self.assertEqual(locations.describe(5), "5")


class Innermost(TestCase):
    """The function under wrappers."""

    def test_layers(self) -> None:
        """Through partials, methods and functools.wraps, in any order."""
        wrapped = functools.wraps(function)(lambda: None)
        for layered in (
            function,
            functools.partial(function),
            functools.partial(wrapped),
            types.MethodType(wrapped, self),
            functools.wraps(wrapped)(functools.partial(wrapped)),
        ):
            self.assertIs(locations.innermost(layered), function)

    def test_mocks(self) -> None:
        """A mock, which has every attribute, is its own end."""
        for made in (mock.MagicMock(), mock.AsyncMock()):
            self.assertIs(locations.innermost(made), made)

    def test_no_function(self) -> None:
        """Other callables end it."""
        self.assertIs(locations.innermost(print), print)


class Lines(TestCase):
    """Lines for reports."""

    def test_library(self) -> None:
        """A library's line is named from the library's root."""
        file = contextlib.__file__
        self.assertEqual(locations.line_in(file, 5, "f"), "contextlib.py:5 in f")
        self.assertEqual(locations.line_in("/x/y.py", None, "f"), "/x/y.py:0 in f")

    def test_origin(self) -> None:
        """The user's innermost line counts; any other only where there is none."""
        library = (contextlib.suppress.__exit__.__code__, 7)
        ours = (self.test_origin.__code__, 8)
        self.assertIn(f"{HERE.name}:8 in test_origin", locations.of_origin((library, ours)))
        self.assertEqual(locations.of_origin((library,)), "contextlib.py:7 in __exit__")
        self.assertEqual(locations.of_origin(()), "")

    def test_no_directory(self) -> None:
        """Where there is no directory to be in, a path is told as it is."""
        with mock.patch("os.path.relpath", side_effect=FileNotFoundError):
            self.assertEqual(locations.line_in("/x/y.py", 5, "f"), "/x/y.py:5 in f")


class Caller(TestCase):
    """Place of the caller."""

    def test_caller(self) -> None:
        """It is the line that calls."""
        with contextlib.chdir(HERE.parent):
            self.assertRegex(locations.of_caller(), rf"^{HERE.name}:\d+$")
