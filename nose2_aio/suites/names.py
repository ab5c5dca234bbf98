"""Names of tests, and of the modules, classes and layers that they belong to."""

from __future__ import annotations

import re
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases

__all__ = ["base_name", "is_load_failure", "name_of", "owners_of"]

_LOOP = r"(.+)\[[^\[\]]+\]"

_LOADERS = ("nose2.loader", "unittest.loader")
"""The modules of the tests that report that something could not be loaded."""


def is_load_failure(test: Any) -> bool:
    """Return True for a test that reports that something could not be loaded."""
    return type(test).__module__ in _LOADERS


def name_of(test: Any) -> str:
    """Return the first line of the id of a test; the name of its class for anything else."""
    return str(test.id()).partition("\n")[0] if hasattr(test, "id") else type(test).__qualname__


def base_name(name: str) -> str:
    """Return the id of a test without the name of its loop, if it has one."""
    match = re.fullmatch(_LOOP, name)
    return name if match is None else match[1]


def owners_of(test: Any) -> set[str]:
    """Return the names of the module, the class and the layers of a test."""
    case = nose2_cases.user_class_of_test(test) if isinstance(test, TestCase) else type(test)
    layers = getattr(getattr(test, "layer", None), "__mro__", ())
    owners = (f"{one.__module__}.{one.__qualname__}" for one in (case, *layers))
    return {case.__module__, *owners}
