"""A test that returned a value: unittest's own warning of that, where we have called the test."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any
from unittest import TestCase

from nose2_aio.cases import unittest_internals

__unittest = True

__all__ = ["warn_of"]


def warn_of(value: Any, test: TestCase, method: Callable[[], Any]) -> None:
    """Have unittest say in its own words, and at its own place, that a test returned a value."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        unittest_internals.PLAIN(test, _Returned(value, method))
    for warning in said:
        warnings.warn(warning.message, stacklevel=4)


class _Returned:
    """Stands for a test method that was called already."""

    def __init__(self, value: Any, method: Callable[[], Any]) -> None:
        self._value = value
        self._method = method

    def __call__(self) -> Any:
        return self._value

    def __repr__(self) -> str:
        return repr(self._method)
