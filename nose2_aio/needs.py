"""What a test needs of where it runs: whether others can run beside it, and what it has to itself.

Beside others runs what is declared to be a coroutine test, in a thread of its own, on a loop that
tells when it waits. All else runs alone, in the main thread.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio import (
    decorators,
    factories,
    given,
    kinds,
    loops,
    plans,
    positions,
    seams,
    tags,
    watched,
)
from nose2_aio.errors import InvalidValueError
from nose2_aio.factories import Factory
from nose2_aio.scopes import Level
from nose2_aio.settings import Settings

__all__ = ["Kind", "Needs", "Reader", "check_loops"]

_BLIND = "has no selector of Python's to tell when it waits"


class Kind(NamedTuple):
    """What is the same for all tests of a class."""

    owner: Hashable
    """What they are in one unit with, and have as a key; None for nothing."""
    is_alone: bool


class Needs(NamedTuple):
    """What one test needs."""

    is_alone: bool = False
    keys: frozenset[Hashable] = frozenset()
    reason: str = ""


_ALONE = Needs(is_alone=True)
_NONE = Needs()


def check_loops(settings: Settings) -> None:
    """Check that the loops of a run can be waited for beside others; makes one of each.

    Raises `InvalidValueError` where ``concurrency`` can't be.
    """
    if settings.concurrency == 1:
        return
    for factory in settings.loop or (None,):
        name = _blind(factory)
        if name:
            place = factory.place if factory else "asyncio.new_event_loop"
            raise InvalidValueError(
                f"concurrency must be 1 on {name}, which {_BLIND}, got {settings.concurrency} "
                f"({settings.places.get('concurrency', 'concurrency')}, {place})"
            )


class Reader:
    """Reads what tests need; what is the same for many it reads once."""

    def __init__(self, settings: Settings, repetition: int | None) -> None:
        self._settings = settings
        self._repetition = repetition
        self._kinds: dict[type, Kind] = {}
        self._modules: dict[str, bool] = {}
        self._names: dict[Hashable, str] = {}

    def kind(self, test: Any) -> Kind:
        """Return what is the same for all tests of the class of a test."""
        case = type(test)
        found = self._kinds.get(case)
        if found is None:
            found = self._kinds[case] = self._kind(test)
        return found

    def needs(self, test: Any) -> Needs:
        """Return what a test needs."""
        if self.kind(test).is_alone:
            return _ALONE
        function, owner = kinds.target(test)
        has_tags = getattr(function, "__dict__", None) or tags.are_on(owner)
        try:
            needs = self._tagged(function, owner) if has_tags else _NONE
            if self._settings.concurrency > 1 and seams.is_isolated(type(test)):
                needs = self._isolated(test, needs)
        except InvalidValueError:  # the test says so when it runs
            return _ALONE
        function = kinds.declared(function)
        if not decorators.is_declared(function, test) or given.has_examples(function, test):
            return needs._replace(is_alone=True)  # Hypothesis sets the random state of the process
        shared = getattr(function, "__self__", None)
        if shared is None or shared is kinds.users_object(test):
            return needs
        # what a test generator has yielded has its object in common with the others
        return needs._replace(keys=needs.keys | {(Level.TEST, id(shared))})

    def _kind(self, test: Any) -> Kind:
        case = type(test)
        if not isinstance(test, TestCase):
            return Kind(None, is_alone=True)
        wanted = positions.of_test(test, self._settings).wanted
        # the loop of the run is one, and all tests on it follow each other
        is_alone = wanted is Level.RUN or not seams.is_unittests(case)
        if wanted is Level.MODULE or self._is_shared(case.__module__):
            return Kind((Level.MODULE, case.__module__), is_alone)
        if wanted is Level.CLASS or _has_class_fixtures(case):
            return Kind((Level.CLASS, kinds.users_owner(kinds.users_class(test))), is_alone)
        return Kind(None, is_alone)

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

    def _tagged(self, function: object, owner: type) -> Needs:
        """Return what the tags of a test say."""
        is_alone = tags.read_serial(function, owner)
        is_alone |= tags.read_virtual_time(function, owner) == "wall"  # the process has one
        reason = ""
        if self._settings.concurrency > 1 and tags.read_loop(function, owner):
            chosen = plans.factories(function, owner, self._settings)
            found = [*chosen.values()]
            if self._repetition is not None:
                found = [chosen.get(self._repetition, found[0])]
            reason = next(filter(None, (self._reason(one, one.given) for one in found)), "")
        return Needs(is_alone or bool(reason), tags.read_exclusive(function, owner), reason)

    def _isolated(self, test: TestCase, needs: Needs) -> Needs:
        """Return what one of IsolatedAsyncioTestCase's needs, which may have loops of its own."""
        case = type(test)
        if not seams.makes_runner(case):
            return needs._replace(is_alone=True)
        own = getattr(test, "loop_factory", None)
        if own is None or seams.has_given_loops(test):
            return needs
        place = f"loop_factory of {case.__module__}.{case.__qualname__}"
        reason = self._reason(factories.checked([own], place=place)[0], case) or needs.reason
        return needs._replace(is_alone=needs.is_alone or bool(reason), reason=reason)

    def _reason(self, factory: Factory, key: object) -> str:
        """Return why tests on loops of a factory run alone, or nothing."""
        key = key if isinstance(key, str | type) else id(key)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = _blind(factory)
        return name and f"tests on {name} run alone: it {_BLIND} ({factory.place})"


def _wants_module(thing: object) -> bool:
    return isinstance(thing, type) and tags.read_loop_scope(thing) == "module"


def _has_class_fixtures(case: type[TestCase]) -> bool:
    return any(
        getattr(getattr(case, name), "__func__", None) is not getattr(TestCase, name).__func__
        for name in ("setUpClass", "tearDownClass")
    )


def _blind(factory: Factory | None) -> str:
    """Return the name of the loops of a factory that have no selector of Python's, or nothing.

    Raises `InvalidValueError` where it gives no loop.
    """
    try:
        loop = loops.new(factory)
    except InvalidValueError:
        raise
    except Exception:  # the tests say so when they run
        return ""
    name = watched.name_of(loop)
    try:
        with watched.on(loop):
            return "" if watched.tells_of_events(loop) else name
    finally:
        loop.close()
