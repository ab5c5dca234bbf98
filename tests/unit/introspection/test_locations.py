"""nose2_aio.introspection.locations"""

from __future__ import annotations

import contextlib
import functools
import sysconfig
import types
from pathlib import Path
from unittest import TestCase, mock

from nose2_aio.introspection import locations

HERE = Path(__file__)


def function() -> None:
    """Is on line 17."""


class Describe(TestCase):
    """Name and place of a function."""

    def test_function(self) -> None:
        """A function below the current folder has a relative path."""
        with contextlib.chdir(HERE.parent):
            self.assertEqual(locations.describe(function), "function, test_locations.py:17")

    def test_elsewhere(self) -> None:
        """A function in another folder has its whole path."""
        with contextlib.chdir("/"):
            self.assertEqual(locations.describe(function), f"function, {str(HERE).lstrip('/')}:17")
        with contextlib.chdir(HERE.parents[2] / "functional"):
            self.assertEqual(locations.describe(function), f"function, {HERE}:17")

    def test_wrapped(self) -> None:
        """It is the place of the user's function, not of a decorator."""
        wrapped = functools.wraps(function)(lambda: None)
        self.assertEqual(locations.describe(wrapped), locations.describe(function))
        self.assertIn("test_wrapped, ", locations.describe(self.test_wrapped))
        self.assertEqual(
            locations.describe(functools.partial(function)), locations.describe(function)
        )

    def test_no_code(self) -> None:
        """An object without code is shown by its `repr`."""
        self.assertEqual(locations.describe(print), "builtins.print")
        self.assertEqual(locations.describe(5), "5")


class Code(TestCase):
    """Code objects of a library's functions."""

    def test_code(self) -> None:
        """None for a function in C, and if there is no such function."""
        self.assertIs(locations.code_of(Code, "test_code"), Code.test_code.__code__)
        self.assertIsNone(locations.code_of(str, "upper"))
        self.assertIsNone(locations.code_of(str, "lost"))


class Unwrap(TestCase):
    """The function inside wrappers."""

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
            self.assertIs(locations.unwrap(layered), function)

    def test_mocks(self) -> None:
        """A mock, which has every attribute, is returned as it is."""
        for made in (mock.MagicMock(), mock.AsyncMock()):
            self.assertIs(locations.unwrap(made), made)

    def test_no_function(self) -> None:
        """Other callables are returned as they are."""
        self.assertIs(locations.unwrap(print), print)


class Lines(TestCase):
    """Lines for reports."""

    def test_library(self) -> None:
        """The path of a library's file begins at the library's root."""
        file = contextlib.__file__
        self.assertEqual(locations.line_in(file, 5, "f"), "contextlib.py:5 in f")
        self.assertEqual(locations.line_in("/x/y.py", None, "f"), "/x/y.py:0 in f")

    def test_script(self) -> None:
        """The script that starts nose2 is not the user's."""
        self.assertFalse(locations.is_users(str(Path(sysconfig.get_path("scripts"), "nose2"))))
        self.assertTrue(locations.is_users(__file__))

    def test_origin(self) -> None:
        """It is the user's innermost line, or else the innermost line."""
        library = (contextlib.suppress.__exit__.__code__, 7)
        ours = (self.test_origin.__code__, 8)
        self.assertIn(
            "test_locations.py:8 in test_origin", locations.format_origin((library, ours))
        )
        self.assertEqual(locations.format_origin((library,)), "contextlib.py:7 in __exit__")
        self.assertEqual(locations.format_origin(()), "")

    def test_no_directory(self) -> None:
        """Without a current directory, a path is shown as it is."""
        with mock.patch("os.path.relpath", side_effect=FileNotFoundError):
            self.assertEqual(locations.line_in("/x/y.py", 5, "f"), "/x/y.py:5 in f")


class Caller(TestCase):
    """Place of the caller."""

    def test_caller(self) -> None:
        """It is the line that calls."""
        with contextlib.chdir(HERE.parent):
            self.assertRegex(locations.of_caller(), r"^test_locations\.py:\d+$")
