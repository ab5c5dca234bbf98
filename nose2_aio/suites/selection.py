"""Let nose2's switches ``-A`` and ``-E`` find tests by the tags of their classes.

They look for attributes of a test case and of its method. A tag of a class is neither, so that it
can't hide an attribute of the class. So they get a `_TaggedTest` in place of each test case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.config import tag_lookup

__all__ = ["with_class_tags"]

_Validate = Callable[[Any, Any], bool]
"""Takes a test and the attributes that are asked for; returns True if the test is selected."""


def with_class_tags(validate: _Validate) -> _Validate:
    """Return a function that does the same, and also finds the tags of a test's class."""

    def validate_tagged(test: TestCase, attributes: Any) -> bool:
        function, owner = nose2_cases.function_and_owner(test)
        if not tag_lookup.has_tags(owner):
            return validate(test, attributes)
        return validate(_TaggedTest(test, _tags(function, owner)), attributes)

    return validate_tagged


def _tags(function: Any, owner: type) -> dict[str, Any]:
    """Return the tags that a test has by its class, with values as a function would have them."""
    own = tag_lookup.own_tags(function)
    found = {
        name: value
        for name, value in tag_lookup.class_tags(owner).items()
        if own.get(name) is None or name == "exclusive"
    }
    if "loop" in found:
        loops = tuple(factory.given for factory in found["loop"])
        found["loop"] = loops[0] if len(loops) == 1 else loops
    if "exclusive" in found:
        found["exclusive"] = tuple(tag_lookup.read_exclusive(function, owner))
    return found


class _TaggedTest:
    """Has the attributes of a test case, and the tags of its class where it has no attribute."""

    def __init__(self, test: TestCase, tags: dict[str, Any]) -> None:
        self._test = test
        self._tags = tags

    def __getattribute__(self, name: str) -> Any:
        own = object.__getattribute__(self, "__dict__")
        try:
            return getattr(own["_test"], name)
        except AttributeError:
            if name not in own["_tags"]:
                raise
            return own["_tags"][name]
