"""Units: what has to run in order, in one place.

1. A test by itself is one, unless it shares fixtures or a loop with others: then all tests of its
   class or its module are that stand next to each other, or all of a layer.
2. Units of the same class or module have that in common as a key, so they never run side by side.
3. A unit with a test that can't run in a thread of its own runs alone: whatever isn't declared to
   be a coroutine test, what runs itself, and what waits where nobody can tell.

Units can be put in any order: each has its fixtures set up and torn down for it.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any
from unittest import BaseTestSuite, TestSuite

from nose2_aio import kinds, seams
from nose2_aio.needs import Reader
from nose2_aio.scopes import Level
from nose2_aio.settings import Settings

__all__ = ["Unit", "order", "reordered", "shuffled", "units"]


@dataclass(slots=True, eq=False)
class Unit:
    """What has to run in order, in one place."""

    tests: list[Any]
    """In order; test cases, but for what a loader has made of other things."""
    suite: Any
    """What to execute: the same tests, with their fixtures. Not inside of another suite."""
    is_alone: bool = False
    """Whether it runs in the main thread with nothing beside it."""
    keys: frozenset[Hashable] = frozenset()
    """What it has to itself: it never runs beside another unit with one of these."""
    has_fixtures: bool = False
    """Whether tests share fixtures in it, or might."""
    reason: str = ""
    """Why it runs alone, where its tests were to run on a loop that can't do otherwise."""

    def only(self, test: Any, substitute: Any) -> Any:
        """Return what to execute to have another test run in the place of one, and no others."""
        return _only(self.suite, test, substitute) or _Suite([substitute])


class _Suite(TestSuite):
    """Tests whose fixtures are set up for them, whatever ran before."""

    def run(self, result: Any, debug: bool = False) -> Any:  # noqa: FBT001, FBT002 -- unittest's
        seams.forget_class(result)
        try:
            return super().run(result, debug)
        finally:
            seams.forget_class(result)


def _only(suite: Any, test: Any, substitute: Any) -> Any:
    """Return a suite of one test alone; None where that isn't in it."""
    if suite is test:
        return substitute
    tests = seams.tests_in(suite)
    parts = [] if tests is None else [_only(one, test, substitute) for one in tests]
    parts = [part for part in parts if part is not None]
    return seams.suite_with(suite, parts) if parts else None


class _Reordered(BaseTestSuite):
    """Suites in another order; behind them come the cleanups that are left."""

    def __init__(self, suites: Iterable[Any], cases: list[type]) -> None:
        super().__init__(suites)
        self._cases = cases

    def run(self, result: Any) -> Any:
        super().run(result)
        seams.clean_up(self._cases, result)
        return result


def units(suite: Any, settings: Settings, repetition: int | None = None) -> list[Unit]:
    """Return the units of a suite, in its order.

    Tests that are tagged with several loops need what the one of that repetition of the run needs;
    None: what any of them needs. Loops are asked only where there is a concurrency.
    """
    reader = Reader(settings, repetition)
    found: list[Unit] = []
    last: Hashable = None
    for one in seams.flattened(suite, seams.runs_itself):
        if seams.runs_itself(one):
            found.append(_whole(one, reader))
            last = None
            continue
        kind = reader.kind(one)
        if kind.owner is None or kind.owner != last:
            if kind.owner is None:
                found.append(Unit([], BaseTestSuite(), kind.is_alone))
            else:
                keys = frozenset([kind.owner])
                found.append(Unit([], _Suite(), kind.is_alone, keys, has_fixtures=True))
        last = kind.owner
        unit = found[-1]
        unit.suite.addTest(one)
        _add(unit, one, reader)
    return found


def shuffled(units: Iterable[Unit], seed: int) -> list[Unit]:
    """Return units in a random order, the same for a seed on every Python."""
    numbers = random.Random(seed)  # noqa: S311 -- its random() is what never changes
    return sorted(units, key=lambda _: numbers.random())


def ordered(suite: Any, settings: Settings, repetition: int | None) -> list[Unit]:
    """Return the units of a suite in the order in which they are to run; it loses its tests."""
    found = units(suite, settings, repetition)
    if settings.shuffle is not None:
        found = shuffled(found, settings.shuffle)
    _empty(suite)
    return found


def _empty(suite: Any) -> None:
    """Have a suite keep no tests, which are to be gone when they have run."""
    waiting = [suite]
    while waiting:
        one = waiting.pop()
        tests = None if seams.runs_itself(one) else seams.tests_in(one)
        if tests:
            waiting += tests
            tests.clear()


def reordered(suite: Any, settings: Settings, *, is_flat: bool = False) -> Any:
    """Return a suite with its units in the order that ``shuffle`` asks for, or as it is.

    It is another suite: the one that was given loses its tests to it.

    With ``is_flat`` it has the tests themselves, for who looks for them and runs them elsewhere.
    """
    if settings.shuffle is None:
        return suite
    found = shuffled(units(suite, settings), settings.shuffle)
    suites = [unit.suite for unit in found]
    tests = seams.tests_in(suite)
    if tests and not seams.runs_itself(suite):
        tests.clear()  # or it would keep them when they have run
    if not is_flat:
        return _Reordered(suites, [type(unit.tests[0]) for unit in found if unit.tests])
    return TestSuite(
        test
        for one in suites
        for test in (one if isinstance(one, _Suite) or not seams.runs_itself(one) else (one,))
    )


def order(settings: Settings) -> list[str]:
    """Return, as lines, how to have the order of a run again that isn't that of the suite."""
    seed = settings.shuffle
    return [] if seed is None else [f"shuffled with --aio-shuffle={seed}"]


def _whole(suite: Any, reader: Reader) -> Unit:
    """Return the unit of such a suite."""
    tests = list(seams.flattened(suite))
    if not kinds.is_layer(suite):
        return Unit(tests, _Suite([suite]), is_alone=True, has_fixtures=True)
    keys = frozenset([(Level.LAYER, suite.layer)])
    unit = Unit([], suite, keys=keys, has_fixtures=True)
    for test in tests:
        _add(unit, test, reader)
    return unit


def _add(unit: Unit, test: Any, reader: Reader) -> None:
    """Note a test of a unit, and what it needs."""
    unit.tests.append(test)
    needs = reader.needs(test)
    unit.is_alone |= needs.is_alone
    unit.keys |= needs.keys
    unit.reason = unit.reason or needs.reason
