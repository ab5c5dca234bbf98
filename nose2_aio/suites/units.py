"""Units: what has to run in order, in one place.

1. A test is a unit by itself, unless it shares fixtures or a loop with others (`owners`). Then all
   tests of its class, or of its module, that stand next to each other are one unit. So are all of a
   layer, and all of a suite that runs itself. Where ``loop-scope`` is ``run``, all tests are one.
2. Units that share a key of ``@aio.exclusive`` never run at the same time.
3. A unit with a test that is tagged ``@aio.serial`` runs while nothing else does.

Units can be put in any order: each has its fixtures set up and torn down for it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import BaseTestSuite, TestCase, TestSuite

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.suites.copies import copied
from nose2_aio.suites.sharing import Owners

__all__ = ["Unit", "fresh", "order", "reordered", "shuffled", "units"]


@dataclass(slots=True, eq=False)
class Unit:
    """What has to run in order, in one place."""

    tests: list[Any]
    """In order; test cases, but for what a loader has made of other things."""
    suite: Any
    """What to execute: the same tests, with their fixtures. Not inside of another suite."""
    is_serial: bool = False
    """Whether no other unit runs at the same time: one of its tests is tagged so."""
    keys: Mapping[str, int] = field(default_factory=dict)
    """What it shares with others: so many units with such a key run at the same time, at most."""
    has_fixtures: bool = False
    """Whether tests share fixtures in it, or might."""
    repetition: int | None = None
    """On which of their loops its tests run, where loops were chosen."""

    def part(self, positions: Collection[int]) -> Any:
        """Return a suite with the tests at these positions, and the fixtures of these."""
        tests = {id(test): test for n, test in enumerate(self.tests) if n in positions}
        return _with(self.suite, tests) or _Suite(tests.values())

    def copied(self) -> Unit:
        """Return a copy with copies of its tests."""
        tests = {id(test): _copied(test) for test in self.tests}
        suite = _with(self.suite, tests) or _Suite(tests.values())
        return replace(self, tests=list(tests.values()), suite=suite)


class _Suite(TestSuite):
    """Tests whose fixtures are set up for them, whatever ran before."""

    def run(self, result: Any, debug: bool = False) -> Any:  # noqa: FBT001, FBT002 -- unittest's
        unittest_internals.forget_class(result)
        try:
            return super().run(result, debug)
        finally:
            unittest_internals.forget_class(result)


def _with(suite: Any, tests: Mapping[int, Any]) -> Any:
    """Return a copy of a suite with other tests, by the identity of those that it has.

    None where it has none of them.
    """
    within = unittest_internals.tests_in(suite)
    if within is None:
        return tests.get(id(suite))
    if unittest_internals.runs_itself(suite) and not (
        isinstance(suite, _Suite | _Series) or nose2_cases.is_layer(suite)
    ):
        return suite  # it alone knows its tests
    parts = [part for one in within if (part := _with(one, tests)) is not None]
    return unittest_internals.suite_with(suite, parts) if parts else None


def _copied(test: Any) -> Any:
    return copied(test) if isinstance(test, TestCase) else test


class _Series(BaseTestSuite):
    """The suites of units, one after the other; after them come the cleanups that are left."""

    def __init__(self, units: Sequence[Unit]) -> None:
        super().__init__(unit.suite for unit in units)
        self._cases = [type(unit.tests[0]) for unit in units if unit.tests]

    def run(self, result: Any) -> Any:
        super().run(result)
        unittest_internals.clean_up(self._cases, result)
        return result


def units(suite: Any, settings: Settings) -> list[Unit]:
    """Return the units of a suite, in its order, or in that of ``shuffle``."""
    found = _cut(suite, settings)
    if settings.shuffle is not None:
        found = shuffled(found, settings.shuffle)
    return [_joined(found)] if settings.loop_scope == "run" and found else found


def fresh(suite: Any) -> Any:
    """Return a copy of a suite, with copies of its tests."""
    tests = {id(test): _copied(test) for test in unittest_internals.flattened(suite)}
    return _with(suite, tests) or TestSuite()


def _cut(suite: Any, settings: Settings) -> list[Unit]:
    """Return what has to stay in order, in the order of a suite: a loop of the run aside."""
    owners = Owners(settings)
    found: list[Unit] = []
    last: Hashable = None
    for one in unittest_internals.flattened(suite, unittest_internals.runs_itself):
        if unittest_internals.runs_itself(one):
            found.append(_whole(one))
            last = None
            continue
        owner = owners.of(one)
        if owner is None:
            found.append(Unit([], BaseTestSuite()))
        elif owner != last:
            found.append(Unit([], _Suite(), has_fixtures=True))
        last = owner
        unit = found[-1]
        unit.suite.addTest(one)
        _add(unit, one)
    return found


def _joined(units: Sequence[Unit]) -> Unit:
    """Return one unit for all tests, which share the loop of the run."""
    return Unit(
        [test for unit in units for test in unit.tests],
        _Series(units),
        is_serial=any(unit.is_serial for unit in units),
        has_fixtures=True,
    )


def shuffled(units: Iterable[Unit], seed: int) -> list[Unit]:
    """Return units in a random order, the same for a seed on every Python."""
    numbers = random.Random(seed)  # noqa: S311 -- its random() is what never changes
    return sorted(units, key=lambda _: numbers.random())


def reordered(suite: Any, settings: Settings, *, is_flat: bool = False) -> Any:
    """Return a suite with its units in the order that ``shuffle`` asks for, or as it is.

    It is another suite: the one that was given loses its tests to it.

    With ``is_flat`` it has the tests themselves, for who looks for them and runs them elsewhere.
    """
    if settings.shuffle is None:
        return suite
    found = shuffled(_cut(suite, settings), settings.shuffle)
    tests = unittest_internals.tests_in(suite)
    if tests and not unittest_internals.runs_itself(suite):
        tests.clear()  # or it would keep them when they have run
    if not is_flat:
        return _Series(found)
    suites = [unit.suite for unit in found]
    return TestSuite(
        test
        for one in suites
        for test in (
            one if isinstance(one, _Suite) or not unittest_internals.runs_itself(one) else (one,)
        )
    )


def order(settings: Settings) -> list[str]:
    """Return, as lines, how to have the order of a run again that isn't that of the suite."""
    seed = settings.shuffle
    return [] if seed is None else [f"shuffled with --aio-shuffle={seed}"]


def _whole(suite: Any) -> Unit:
    """Return the unit of a suite that runs itself."""
    unit = Unit([], _Suite([suite]), has_fixtures=True)
    if nose2_cases.is_layer(suite):
        unit = Unit([], suite, has_fixtures=True)
    for test in unittest_internals.flattened(suite):
        _add(unit, test)
    return unit


def _add(unit: Unit, test: Any) -> None:
    """Add a test to a unit, and what its tags say."""
    unit.tests.append(test)
    if not isinstance(test, TestCase):
        return
    function, owner = nose2_cases.target(test)
    if not (getattr(function, "__dict__", None) or tag_lookup.has_tags(owner)):
        return
    try:
        is_serial, keys = (
            tag_lookup.read_serial(function, owner),
            tag_lookup.read_exclusive(function, owner),
        )
    except InvalidValueError:  # the test says so when it runs
        return
    unit.is_serial |= is_serial
    for key, at_most in keys.items():
        unit.keys = {**unit.keys, key: min(at_most, unit.keys.get(key, at_most))}
