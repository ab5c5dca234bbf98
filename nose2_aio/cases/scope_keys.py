"""Where tests and fixtures of unittest's stand: their module, their class, and what is tagged."""

from __future__ import annotations

import enum
import sys
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.config import tag_lookup
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.settings import Settings
from nose2_aio.running import plans

__all__ = ["ScopeKey", "ScopeLevel", "factory", "of_class", "of_layer", "of_module", "of_test"]


class ScopeLevel(enum.IntEnum):
    """How wide a scope is: the less, the wider."""

    RUN = 0
    LAYER = 1
    MODULE = 2
    CLASS = 3
    TEST = 4


class ScopeKey(NamedTuple):
    """Where something of the user's stands: in which module, in which class of it, in which test.

    A layer's fixture stands in the layer alone.
    """

    level: ScopeLevel
    """The scope that it belongs to itself."""
    layer: type | None = None
    module: str | None = None
    case: type | None = None
    test: object = None
    wanted: ScopeLevel = ScopeLevel.TEST
    """The scope that ``loop-scope`` gives it."""

    def owner(self, level: ScopeLevel) -> object:
        """What makes a scope at that level another than the next: the module, say."""
        return (None, self.layer, self.module, self.case, self.test)[level]


def of_test(test: TestCase, settings: Settings) -> ScopeKey:
    """Return where a test stands, with its ``setUp``, ``tearDown`` and cleanups."""
    case = type(test)
    users = nose2_cases.users_class(test)
    # nose2 makes a class of its own for each test of a test class; one with fixtures runs them each
    owner = case if "setUpClass" in vars(case) else users
    return ScopeKey(
        ScopeLevel.TEST, None, sys.intern(case.__module__), owner, test, _wanted(users, settings)
    )


def of_class(case: type[TestCase], settings: Settings) -> ScopeKey:
    """Return where ``setUpClass`` and its like stand."""
    return ScopeKey(
        ScopeLevel.CLASS, None, sys.intern(case.__module__), case, None, _wanted(case, settings)
    )


def of_module(name: str, settings: Settings) -> ScopeKey:
    """Return where ``setUpModule`` and its like stand."""
    return ScopeKey(
        ScopeLevel.MODULE,
        None,
        sys.intern(name),
        None,
        None,
        ScopeLevel[settings.loop_scope.upper()],
    )


def of_layer(layer: type, settings: Settings) -> ScopeKey:
    """Return where a layer's ``setUp`` and ``tearDown`` stand."""
    return ScopeKey(
        ScopeLevel.LAYER, layer, None, None, None, ScopeLevel[settings.loop_scope.upper()]
    )


def factory(level: ScopeLevel, owner: Any, repetition: int, settings: Settings) -> Factory | None:
    """Return what makes the loop of a scope, in one of the run's repetitions; None: asyncio's.

    Raises `nose2_aio.errors.InvalidValueError` for a tag that was set by hand to none.
    """
    function: Any = None
    users: type = object
    if level is ScopeLevel.TEST:
        function, users = nose2_cases.target(owner)
    elif level is ScopeLevel.CLASS:
        users = nose2_cases.users_owner(owner)
    found = plans.factories(function, users, settings)
    return found.get(repetition, next(iter(found.values()), None))


def _wanted(case: type, settings: Settings) -> ScopeLevel:
    return ScopeLevel[(tag_lookup.read_loop_scope(case) or settings.loop_scope).upper()]
