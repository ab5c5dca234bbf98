"""Scope keys: the test, class, module or layer that a test or a fixture belongs to."""

import enum
import sys
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.config import tag_lookup
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.settings import Settings
from nose2_aio.running import plans

__all__ = ["ScopeKey", "ScopeLevel", "loop_factory", "of_class", "of_layer", "of_module", "of_test"]


class ScopeLevel(enum.IntEnum):
    """How wide a scope is. The widest has the lowest number."""

    RUN = 0
    LAYER = 1
    MODULE = 2
    CLASS = 3
    TEST = 4


class ScopeKey(NamedTuple):
    """Identifies the scope of a test or a fixture, and the scopes around it.

    The key of a layer's fixture has the layer only.
    """

    level: ScopeLevel
    """The level of the scope itself."""
    layer: type | None = None
    module: str | None = None
    case: type | None = None
    test: object = None
    loop_scope: ScopeLevel = ScopeLevel.TEST
    """The level that ``loop-scope`` names, as a tag or as a setting."""

    @property
    def owner(self) -> object:
        """What identifies the scope: the test case, the class, the name of the module, the layer.

        None for the run.
        """
        return self.owner_at(self.level)

    def owner_at(self, level: ScopeLevel) -> object:
        """Return the owner of the scope itself, or of one around it; None if the key has none."""
        return (None, self.layer, self.module, self.case, self.test)[level]


def of_test(test: TestCase, settings: Settings) -> ScopeKey:
    """Return the key of a test, and of its ``setUp``, ``tearDown`` and cleanups."""
    case = type(test)
    user_class = nose2_cases.user_class_of_test(test)
    # nose2 makes a class for each test of a test class, and calls the class fixtures for each
    owner = case if "setUpClass" in vars(case) else user_class
    return ScopeKey(
        ScopeLevel.TEST,
        None,
        sys.intern(case.__module__),
        owner,
        test,
        _loop_scope(user_class, settings),
    )


def of_class(case: type[TestCase], settings: Settings) -> ScopeKey:
    """Return the key of ``setUpClass``, ``tearDownClass`` and class cleanups."""
    return ScopeKey(
        ScopeLevel.CLASS, None, sys.intern(case.__module__), case, None, _loop_scope(case, settings)
    )


def of_module(name: str, settings: Settings) -> ScopeKey:
    """Return the key of ``setUpModule``, ``tearDownModule`` and module cleanups."""
    return ScopeKey(
        ScopeLevel.MODULE,
        None,
        sys.intern(name),
        None,
        None,
        ScopeLevel[settings.loop_scope.upper()],
    )


def of_layer(layer: type, settings: Settings) -> ScopeKey:
    """Return the key of ``setUp`` and ``tearDown`` of a layer."""
    return ScopeKey(
        ScopeLevel.LAYER, layer, None, None, None, ScopeLevel[settings.loop_scope.upper()]
    )


def loop_factory(
    level: ScopeLevel, owner: Any, repetition: int, settings: Settings
) -> Factory | None:
    """Return the loop factory of a scope in one of the repetitions of the run; None for asyncio's.

    Raises `nose2_aio.errors.InvalidValueError` if the tag was set by hand to a wrong value.
    """
    function: Any = None
    user_class: type = object
    if level is ScopeLevel.TEST:
        function, user_class = nose2_cases.function_and_owner(owner)
    elif level is ScopeLevel.CLASS:
        user_class = nose2_cases.user_class_of_case(owner)
    found = plans.factories(function, user_class, settings)
    return found.get(repetition, next(iter(found.values()), None))


def _loop_scope(case: type, settings: Settings) -> ScopeLevel:
    return ScopeLevel[(tag_lookup.read_loop_scope(case) or settings.loop_scope).upper()]
