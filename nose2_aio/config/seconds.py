"""Seconds: which numbers of seconds are valid, and the real clock."""

from __future__ import annotations

import functools
import math
import numbers
import time

from nose2_aio.errors import InvalidTypeError, InvalidValueError

__all__ = ["monotonic", "parse", "validate"]

monotonic = functools.partial(time.monotonic)
"""Return the seconds on the real clock, as `time.monotonic` does.

Libraries that freeze time replace `time.monotonic` in each module that has it. They do not find it
in a `functools.partial`.
"""

_RULE = "{name} must be a finite number of seconds >= 0, got {value!r} ({place})"


def validate(value: object, *, name: str, place: str) -> float:
    """Return ``value`` if it is a finite real number >= 0, and not a `bool`.

    ``name`` and ``place`` are for the message: what the value is for, and where it was given.

    Raises `InvalidTypeError` if it is not a number, and `InvalidValueError` for other numbers.
    """
    message = _RULE.format(name=name, value=value, place=place)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidTypeError(message)
    try:
        valid = math.isfinite(value) and float(value) >= 0
    except OverflowError:  # an int that no float can hold
        valid = False
    if not valid:
        raise InvalidValueError(message)
    return value  # type: ignore[return-value]  # not converted: nose2's -A compares it


def parse(text: str, *, name: str, place: str) -> float:
    """Return the number of seconds in ``text``, by the same rule as `validate`.

    Raises `InvalidValueError`, also for a number with underscores, which Python accepts.
    """
    try:
        if "_" in text:
            raise ValueError(text)
        return validate(float(text), name=name, place=place)
    except ValueError:
        message = _RULE.format(name=name, value=text, place=place)
        raise InvalidValueError(message) from None
