"""Finds what tests share: the fixtures or the loop of a class or module, or an object."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases, scope_keys
from nose2_aio.cases.scope_keys import ScopeLevel
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings

__all__ = ["OwnerFinder"]


class OwnerFinder:
    """Finds the owner of a test: the class, module or object that it shares with other tests.

    It looks at each class and each module once.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owners: dict[type, Hashable] = {}
        self._modules: dict[str, bool] = {}

    def owner_of(self, test: Any) -> Hashable:
        """Return a key for the owner of a test; None if it shares nothing.

        1. The module or the class, if its tests share fixtures or a loop.
        2. Else the object whose methods a test generator has yielded as several tests.
        """
        if not isinstance(test, TestCase):
            return None
        case = type(test)
        if case not in self._owners:
            self._owners[case] = self._owner(test)
        return self._owners[case] or _shared_object(test)

    def _owner(self, test: TestCase) -> Hashable:
        case = type(test)
        wanted = scope_keys.of_test(test, self._settings).loop_scope
        if wanted is ScopeLevel.MODULE or self._is_shared(case.__module__):
            return ScopeLevel.MODULE, case.__module__
        if wanted is ScopeLevel.CLASS or _has_class_fixtures(case):
            return ScopeLevel.CLASS, nose2_cases.user_class_of_case(
                nose2_cases.user_class_of_test(test)
            )
        return None

    def _is_shared(self, module: str) -> bool:
        """Return True if a module has fixtures, or a loop that some of its tests share."""
        found = self._modules.get(module)
        if found is None:
            own = getattr(sys.modules.get(module), "__dict__", {})
            found = (
                "setUpModule" in own
                or "tearDownModule" in own
                or self._settings.loop_scope == "module"
                or any(map(_wants_module, own.values()))
            )
            self._modules[module] = found
        return found


def _shared_object(test: TestCase) -> Hashable:
    """Return a key for the object whose method a test generator has yielded as the test.

    None if there is no such object.
    """
    shared = getattr(
        nose2_cases.unwrap_nose2(nose2_cases.function_and_owner(test)[0]), "__self__", None
    )
    if shared is None or shared is nose2_cases.user_object(test):
        return None
    return ScopeLevel.TEST, id(shared)


def _wants_module(thing: object) -> bool:
    return isinstance(thing, type) and tag_lookup.read_loop_scope(thing) == "module"


def _has_class_fixtures(case: type[TestCase]) -> bool:
    return any(
        getattr(getattr(case, name), "__func__", None) is not getattr(TestCase, name).__func__
        for name in ("setUpClass", "tearDownClass")
    )
