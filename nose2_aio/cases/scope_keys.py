"""Where tests and fixtures of unittest's stand: their module, their class, and what is tagged."""

from __future__ import annotations

import sys
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.cases.scopes import ScopeKey, ScopeLevel
from nose2_aio.config import tag_lookup
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.settings import Settings
from nose2_aio.running import plans

__all__ = ["factory", "of_class", "of_layer", "of_module", "of_test"]


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
