"""What a test needs of where it runs: what it shares with others, and what it has to itself."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio import kinds, positions, tags
from nose2_aio.errors import InvalidValueError
from nose2_aio.scopes import Level
from nose2_aio.settings import Settings

__all__ = ["Needs", "Reader"]


class Needs(NamedTuple):
    """What one test needs."""

    is_serial: bool = False
    keys: Mapping[Hashable, int] = MappingProxyType({})
    """How many tests with such a key run at the same time, at most."""


_NONE = Needs()


class Reader:
    """Reads what tests need; what is the same for many it reads once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owners: dict[type, Hashable] = {}
        self._modules: dict[str, bool] = {}

    def owner(self, test: Any) -> Hashable:
        """Return what a test shares fixtures or a loop in: a class or a module; None for neither.

        It is the same for all tests of a class.
        """
        case = type(test)
        if case not in self._owners:
            self._owners[case] = self._owner(test) if isinstance(test, TestCase) else None
        return self._owners[case]

    def needs(self, test: Any) -> Needs:
        """Return what a test needs."""
        if not isinstance(test, TestCase):
            return _NONE
        function, owner = kinds.target(test)
        needs = _NONE
        if getattr(function, "__dict__", None) or tags.are_on(owner):
            try:
                is_serial = tags.read_serial(function, owner)
                needs = Needs(is_serial, tags.read_exclusive(function, owner))
            except InvalidValueError:  # the test says so when it runs
                return _NONE
        shared = getattr(kinds.declared(function), "__self__", None)
        if shared is None or shared is kinds.users_object(test):
            return needs
        # what a test generator has yielded has its object in common with the others
        return needs._replace(keys={**needs.keys, (Level.TEST, id(shared)): 1})

    def _owner(self, test: TestCase) -> Hashable:
        case = type(test)
        wanted = positions.of_test(test, self._settings).wanted
        if wanted is Level.MODULE or self._is_shared(case.__module__):
            return Level.MODULE, case.__module__
        if wanted is Level.CLASS or _has_class_fixtures(case):
            return Level.CLASS, kinds.users_owner(kinds.users_class(test))
        return None

    def _is_shared(self, module: str) -> bool:
        """Tell whether a module has fixtures, or a loop that some of its tests share."""
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


def _wants_module(thing: object) -> bool:
    return isinstance(thing, type) and tags.read_loop_scope(thing) == "module"


def _has_class_fixtures(case: type[TestCase]) -> bool:
    return any(
        getattr(getattr(case, name), "__func__", None) is not getattr(TestCase, name).__func__
        for name in ("setUpClass", "tearDownClass")
    )
