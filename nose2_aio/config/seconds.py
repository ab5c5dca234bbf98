"""Seconds: the one rule for a number of them, wherever it is given, and the clock for them."""

from __future__ import annotations

import functools
import math
import numbers
import time

from nose2_aio.errors import InvalidTypeError, InvalidValueError

__all__ = ["checked", "monotonic", "parsed"]

monotonic = functools.partial(time.monotonic)
"""The real clock. Libraries that freeze time replace `time.monotonic` wherever it stands."""

_RULE = "{name} must be a finite number of seconds >= 0, got {value!r} ({place})"


def checked(value: object, *, name: str, place: str) -> float:
    """Return ``value`` if it is a finite real number >= 0 and no `bool`.

    ``name`` says what it is for and ``place`` where it was given.
    Raises `InvalidTypeError` for what is no number, `InvalidValueError` for the others.
    """
    message = _RULE.format(name=name, value=value, place=place)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidTypeError(message)
    try:
        valid = math.isfinite(value) and float(value) >= 0
    except OverflowError:  # an int beyond the floats
        valid = False
    if not valid:
        raise InvalidValueError(message)
    return value  # type: ignore[return-value]  # as it was given, for nose2's -A


def parsed(text: str, *, name: str, place: str) -> float:
    """Return the seconds that ``text`` spells, by the same rule as `checked`."""
    try:
        return checked(float(text), name=name, place=place)
    except ValueError:
        message = _RULE.format(name=name, value=text, place=place)
        raise InvalidValueError(message) from None
