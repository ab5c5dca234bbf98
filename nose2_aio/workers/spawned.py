"""Workers that are not forked: each loads the suite again, from the same command line.

Such a worker runs nose2 once more. The plugin finds the `Servant` that is set here, and runs units
for the main process instead of the whole suite. It refuses if its tests aren't those of the main
process.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from nose2.main import PluggableTestProgram

from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import Link
from nose2_aio.workers.process import Process, UnitSteps

__all__ = ["Plan", "Servant", "name_of", "names_of", "servant", "spawned"]


class Plan(NamedTuple):
    """What a spawned worker is to load."""

    argv: Sequence[str]
    """The command line."""
    folder: str
    """The current directory of the main process."""
    names: Sequence[str]
    """The names of all tests, in order."""
    is_one: bool = False
    """True if it is to run one of its tests, of that name, and no others."""


class Servant:
    """What this process is for, if it is a spawned worker."""

    def __init__(self, process: Process, plan: Plan) -> None:
        self._process = process
        self._plan = plan

    def work(
        self,
        units: Sequence[Unit],
        steps: UnitSteps,
        *,
        result: Any,
        describe: Callable[[Any, Any], str],
    ) -> None:
        """Run units for the main process, unless they aren't the same."""
        if self._plan.is_one:
            units = _with(units, self._plan.names[0])
        reason = _difference(self._plan.names, names_of(units))
        if reason:
            self._process.refuse(reason)
        else:
            self._process.work(units, steps, result=result, describe=describe)


_servants: list[Servant] = []


def servant() -> Servant | None:
    """Return what this process is for, if it is a spawned worker."""
    return _servants[0] if _servants else None


def spawned(link: Link, plan: Plan) -> None:
    """Be a worker: load what ``plan`` says, and run units of it."""
    process = Process(link)
    os.chdir(plan.folder)
    _servants.append(Servant(process, plan))
    PluggableTestProgram(module=None, argv=list(plan.argv), exit=False)
    process.end()


def names_of(units: Sequence[Unit]) -> list[str]:
    """Return the names of all tests of units."""
    return [name_of(test) for unit in units for test in unit.tests]


def name_of(test: Any) -> str:
    """Return the id of a test, or the name of the class of something else in a suite."""
    return str(test.id()) if hasattr(test, "id") else type(test).__qualname__


def _with(units: Sequence[Unit], name: str) -> list[Unit]:
    """Return the units of the tests of a name: of one, if the name is not that of several."""
    return [
        replace(unit, tests=[test])
        for unit in units
        for test in unit.tests
        if name_of(test) == name
    ]


def _difference(expected: Sequence[str], found: Sequence[str]) -> str:
    for number, (one, other) in enumerate(itertools.zip_longest(expected, found), 1):
        if one != other:
            return (
                "a worker process has loaded other tests than the main process: test "
                f"{number} is {other or 'missing'} there, and {one or 'missing'} here"
            )
    return ""
