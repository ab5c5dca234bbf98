"""Cuts a suite into units: tests that have to run one after the other, in one process.

1. A test that shares no fixtures and no loop with other tests is a unit by itself.
2. If tests share these (`nose2_aio.suites.sharing`), all tests of the class or of the module that
   are next to each other in the suite are one unit.
3. All tests of a layer are one unit. So are all tests of a suite that runs itself.
4. If ``loop-scope`` is ``run``, all tests of the run are one unit.

At the same time there run at most as many units with a key of ``@aio.exclusive`` as that allows. A
unit with a test that is tagged ``@aio.serial`` runs while no other unit does.

Units can run in any order: the fixtures of each are set up and torn down for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import BaseTestSuite, TestCase, TestSuite

from nose2_aio.cases import nose2_cases, unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.suites import loop_variants
from nose2_aio.suites.copies import copied
from nose2_aio.suites.sharing import OwnerFinder

__all__ = ["Unit", "copied_suite", "reordered", "split", "units_of_run"]


@dataclass(slots=True, eq=False)
class Unit:
    """Tests that have to run one after the other, in one process."""

    tests: list[Any]
    """The tests, in order: test cases, and whatever else a loader has put into the suite."""
    suite: Any
    """The suite to execute: the same tests with their fixtures. It is in no other suite."""
    is_serial: bool = False
    """True if no other unit may run at the same time: one of its tests is tagged so."""
    exclusive_keys: Mapping[str, int] = field(default_factory=dict)
    """The keys of its ``@aio.exclusive`` tags, and how many units with each run at once at most."""
    has_fixtures: bool = False
    """True if its tests share fixtures, or might."""
    repetition: int | None = None
    """The repetition that the unit belongs to; None if no loop was chosen for any test."""

    def part(self, positions: Collection[int]) -> Any:
        """Return a suite with the tests at these positions, and with their fixtures."""
        tests = {id(test): test for n, test in enumerate(self.tests) if n in positions}
        return _with(self.suite, tests) or _UnitSuite(tests.values())

    def copied(self) -> Unit:
        """Return a copy of the unit, with copies of its tests."""
        tests = {id(test): _copied(test) for test in self.tests}
        suite = _with(self.suite, tests) or _UnitSuite(tests.values())
        return replace(self, tests=list(tests.values()), suite=suite)


class _UnitSuite(TestSuite):
    """A suite whose fixtures are set up and torn down for it, whatever ran before."""

    def run(self, result: Any, debug: bool = False) -> Any:  # noqa: FBT001, FBT002 -- unittest's
        unittest_internals.forget_previous_class(result)
        try:
            return super().run(result, debug)
        finally:
            unittest_internals.forget_previous_class(result)


def _with(suite: Any, tests: Mapping[int, Any]) -> Any:
    """Return a copy of a suite in which other tests replace its own.

    ``tests`` maps the `id` of a test in the suite to the test in the copy. The copy has no others.
    Return None if the suite has none of them.
    """
    within = unittest_internals.tests_in(suite)
    if within is None:
        return tests.get(id(suite))
    if unittest_internals.is_custom_suite(suite) and not (
        isinstance(suite, _UnitSuite | _JoinedSuite) or nose2_cases.is_layer_suite(suite)
    ):
        return suite  # only the suite itself knows how to run its tests
    parts = [part for one in within if (part := _with(one, tests)) is not None]
    return unittest_internals.suite_with(suite, parts) if parts else None


def _copied(test: Any) -> Any:
    return copied(test) if isinstance(test, TestCase) else test


class _JoinedSuite(BaseTestSuite):
    """The suites of several units. After the last one, it calls the cleanups that are left."""

    def __init__(self, units: Sequence[Unit]) -> None:
        super().__init__(unit.suite for unit in units)
        self._cases = [type(unit.tests[0]) for unit in units if unit.tests]

    def run(self, result: Any) -> Any:
        super().run(result)
        unittest_internals.call_remaining_cleanups(self._cases, result)
        return result


def units_of_run(suite: Any, settings: Settings) -> list[Unit]:
    """Return the units that a whole run executes, in the order in which it reports them.

    They are the units of the suite for each of the loops, as often as ``repeat`` says.
    """
    repetitions = loop_variants.repetitions(suite, settings)
    parts = [(None, suite)] if repetitions is None else repetitions
    found: list[Unit] = []
    for number, part in parts:
        own = [replace(unit, repetition=number) for unit in split(part, settings)]
        found += own
        for _ in range(settings.repeat - 1):
            found += [unit.copied() for unit in own]
    return found


def split(suite: Any, settings: Settings) -> list[Unit]:
    """Return the units of a suite, in its order."""
    found = _split(suite, settings)
    return [_joined(found)] if settings.loop_scope == "run" and found else found


def copied_suite(suite: Any) -> Any:
    """Return a copy of a suite, with copies of its tests."""
    tests = {id(test): _copied(test) for test in unittest_internals.flattened(suite)}
    return _with(suite, tests) or TestSuite()


def _split(suite: Any, settings: Settings) -> list[Unit]:
    """Return the units of a suite, in its order, as if ``loop-scope`` were not ``run``."""
    finder = OwnerFinder(settings)
    found: list[Unit] = []
    last: Hashable = None
    for one in unittest_internals.flattened(suite, unittest_internals.is_custom_suite):
        if unittest_internals.is_custom_suite(one):
            found.append(_whole(one))
            last = None
            continue
        owner = finder.owner_of(one)
        if owner is None:
            found.append(Unit([], BaseTestSuite()))
        elif owner != last:
            found.append(Unit([], _UnitSuite(), has_fixtures=True))
        last = owner
        unit = found[-1]
        unit.suite.addTest(one)
        _add(unit, one)
    return found


def _joined(units: Sequence[Unit]) -> Unit:
    """Return one unit with the tests of all units. They share the loop of the run."""
    return Unit(
        [test for unit in units for test in unit.tests],
        _JoinedSuite(units),
        is_serial=any(unit.is_serial for unit in units),
        has_fixtures=True,
    )


def reordered(suite: Any, settings: Settings, rank: Callable[[Unit], Any]) -> Any:
    """Return a suite with the same units, sorted by their ranks. Its tests move there."""
    found = sorted(_split(suite, settings), key=rank)
    tests = unittest_internals.tests_in(suite)
    if tests and not unittest_internals.is_custom_suite(suite):
        tests.clear()  # or the old suite would keep tests alive that have run
    flat: list[Any] = []
    for unit in found:
        own = unit.suite
        is_ours = isinstance(own, _UnitSuite) or not unittest_internals.is_custom_suite(own)
        flat += own if is_ours else [own]
    return TestSuite(flat)


def _whole(suite: Any) -> Unit:
    """Return the unit of a suite that runs itself."""
    unit = Unit([], _UnitSuite([suite]), has_fixtures=True)
    if nose2_cases.is_layer_suite(suite):
        unit = Unit([], suite, has_fixtures=True)
    for test in unittest_internals.flattened(suite):
        _add(unit, test)
    return unit


def _add(unit: Unit, test: Any) -> None:
    """Add a test to a unit, with the effect of its tags."""
    unit.tests.append(test)
    if not isinstance(test, TestCase):
        return
    function, owner = nose2_cases.function_and_owner(test)
    if not (getattr(function, "__dict__", None) or tag_lookup.has_tags(owner)):
        return
    try:
        is_serial, keys = (
            tag_lookup.read_serial(function, owner),
            tag_lookup.read_exclusive(function, owner),
        )
    except InvalidValueError:  # the test reports this error when it runs
        return
    unit.is_serial |= is_serial
    for key, at_most in keys.items():
        known = unit.exclusive_keys
        unit.exclusive_keys = {**known, key: min(at_most, known.get(key, at_most))}
