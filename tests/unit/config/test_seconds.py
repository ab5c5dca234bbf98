"""nose2_aio.config.seconds"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from unittest import TestCase

from nose2_aio.config import seconds
from nose2_aio.errors import InvalidTypeError, InvalidValueError


class Checked(TestCase):
    """The rule for values."""

    def test_valid(self) -> None:
        """Real numbers >= 0 are returned as they are."""
        for value in (0, 0.0, 5, 0.25, Fraction(1, 2), 10**9):
            self.assertIs(seconds.validate(value, name="timeout", place="here"), value)

    def test_no_numbers(self) -> None:
        """Other values have the wrong type: bools, texts, None, decimals, complex numbers."""
        for value in (True, "5", None, Decimal(1), 1j, [1]):
            with self.assertRaises(InvalidTypeError) as caught:
                seconds.validate(value, name="timeout", place="@timeout, here")
            self.assertEqual(
                str(caught.exception),
                f"timeout must be a finite number of seconds >= 0, got {value!r} (@timeout, here)",
            )

    def test_out_of_range(self) -> None:
        """Negative numbers, infinity, NaN, and integers that no float can hold are invalid."""
        for value in (-1, -0.001, math.inf, -math.inf, math.nan, 10**400):
            with self.assertRaises(InvalidValueError) as caught:
                seconds.validate(value, name="sleep", place="here")
            self.assertNotIsInstance(caught.exception, TypeError)


class Parsed(TestCase):
    """The rule for texts."""

    def test_valid(self) -> None:
        """The text of a number >= 0."""
        self.assertEqual(seconds.parse(" 2.5 ", name="time-limit", place="here"), 2.5)
        self.assertEqual(seconds.parse("1e-3", name="time-limit", place="here"), 0.001)

    def test_invalid(self) -> None:
        """For any other text, the error shows it as it was written."""
        for text in ("", "abc", "-1", "inf", "nan", "5s", "True"):
            with self.assertRaises(InvalidValueError) as caught:
                seconds.parse(text, name="time-limit", place="[aio] time-limit")
            self.assertEqual(
                str(caught.exception),
                "time-limit must be a finite number of seconds >= 0, "
                f"got {text!r} ([aio] time-limit)",
            )
