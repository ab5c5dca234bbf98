"""Where tests and fixtures of unittest's stand: their module, their class, and what is tagged."""

from __future__ import annotations

import sys
from unittest import TestCase

from nose2_aio import kinds, tags
from nose2_aio.scopes import Level, Position
from nose2_aio.settings import Settings

__all__ = ["of_class", "of_layer", "of_module", "of_test"]


def of_test(test: TestCase, settings: Settings) -> Position:
    """Return where a test stands, with its ``setUp``, ``tearDown`` and cleanups."""
    case = type(test)
    users = kinds.users_class(test)
    # nose2 makes a class of its own for each test of a test class; one with fixtures runs them each
    owner = case if "setUpClass" in vars(case) else users
    return Position(
        Level.TEST, None, sys.intern(case.__module__), owner, test, _wanted(users, settings)
    )


def of_class(case: type[TestCase], settings: Settings) -> Position:
    """Return where ``setUpClass`` and its like stand."""
    return Position(
        Level.CLASS, None, sys.intern(case.__module__), case, None, _wanted(case, settings)
    )


def of_module(name: str, settings: Settings) -> Position:
    """Return where ``setUpModule`` and its like stand."""
    return Position(
        Level.MODULE, None, sys.intern(name), None, None, Level[settings.loop_scope.upper()]
    )


def of_layer(layer: type, settings: Settings) -> Position:
    """Return where a layer's ``setUp`` and ``tearDown`` stand."""
    return Position(Level.LAYER, layer, None, None, None, Level[settings.loop_scope.upper()])


def _wanted(case: type, settings: Settings) -> Level:
    return Level[(tags.read_loop_scope(case) or settings.loop_scope).upper()]
