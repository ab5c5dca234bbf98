"""Workers that are not forked: each loads the suite again, from the same command line.

Such a worker runs nose2 once more. The plugin finds the `SpawnedWorker` that is set here, and runs units
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
from nose2_aio.workers.messages import Channel
from nose2_aio.workers.worker_process import UnitHooks, WorkerProcess

__all__ = ["LoadRequest", "SpawnedWorker", "current_worker", "load_name", "load_names", "spawned"]


class LoadRequest(NamedTuple):
    """What a spawned worker is to load."""

    argv: Sequence[str]
    """The command line."""
    folder: str
    """The current directory of the main process."""
    names: Sequence[str]
    """The names of all tests, in order."""
    is_single_test: bool = False
    """True if it is to run one of its tests, of that name, and no others."""


class SpawnedWorker:
    """What this process is for, if it is a spawned worker."""

    def __init__(self, process: WorkerProcess, plan: LoadRequest) -> None:
        self._process = process
        self._plan = plan

    def work(
        self,
        units: Sequence[Unit],
        hooks: UnitHooks,
        *,
        result: Any,
        describe: Callable[[Any, Any], str],
    ) -> None:
        """Run units for the main process, unless they aren't the same."""
        if self._plan.is_single_test:
            units = _with(units, self._plan.names[0])
        reason = _difference(self._plan.names, load_names(units))
        if reason:
            self._process.refuse(reason)
        else:
            self._process.work(units, hooks, result=result, describe=describe)


_servants: list[SpawnedWorker] = []


def current_worker() -> SpawnedWorker | None:
    """Return what this process is for, if it is a spawned worker."""
    return _servants[0] if _servants else None


def spawned(link: Channel, plan: LoadRequest) -> None:
    """Be a worker: load what ``plan`` says, and run units of it."""
    process = WorkerProcess(link)
    os.chdir(plan.folder)
    _servants.append(SpawnedWorker(process, plan))
    PluggableTestProgram(module=None, argv=list(plan.argv), exit=False)
    process.end()


def load_names(units: Sequence[Unit]) -> list[str]:
    """Return the names of all tests of units."""
    return [load_name(test) for unit in units for test in unit.tests]


def load_name(test: Any) -> str:
    """Return the id of a test, or the name of the class of something else in a suite."""
    return str(test.id()) if hasattr(test, "id") else type(test).__qualname__


def _with(units: Sequence[Unit], name: str) -> list[Unit]:
    """Return the units of the tests of a name: of one, if the name is not that of several."""
    return [
        replace(unit, tests=[test])
        for unit in units
        for test in unit.tests
        if load_name(test) == name
    ]


def _difference(expected: Sequence[str], found: Sequence[str]) -> str:
    for number, (one, other) in enumerate(itertools.zip_longest(expected, found), 1):
        if one != other:
            return (
                "a worker process has loaded other tests than the main process: test "
                f"{number} is {other or 'missing'} there, and {one or 'missing'} here"
            )
    return ""
