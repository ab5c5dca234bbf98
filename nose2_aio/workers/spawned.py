"""Workers that are spawned, not forked. Each runs the same command line again.

1. The main process starts a worker with `run_spawned`, which notes what the process is for, and
   runs nose2.
2. nose2 loads the suite. The plugin asks for the worker that this process is
   (`nose2_aio.workers.role`), and calls its ``work`` instead of running the suite.
3. The worker compares the names of the tests that it has loaded with those of the main process. If
   they differ it refuses. Else it runs units for the main process.
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from nose2.main import PluggableTestProgram

from nose2_aio.suites.units import Unit
from nose2_aio.workers import role
from nose2_aio.workers.messages import Channel
from nose2_aio.workers.recording import Describe
from nose2_aio.workers.worker_process import WorkerHooks, WorkerProcess

__all__ = [
    "LoadRequest",
    "SpawnedWorker",
    "load_name",
    "load_names",
    "run_spawned",
]


class LoadRequest(NamedTuple):
    """What a spawned worker has to load."""

    argv: Sequence[str]
    """The command line."""
    folder: str
    """The current directory of the main process."""
    names: Sequence[str]
    """The names of all tests, in order, by `load_name`."""
    is_single_test: bool = False
    """True if the worker runs one of the loaded tests, and ``names`` has only its name."""


class SpawnedWorker:
    """A spawned worker: this process."""

    def __init__(self, process: WorkerProcess, request: LoadRequest) -> None:
        self._process = process
        self._request = request

    def work(
        self,
        units: Sequence[Unit],
        hooks: WorkerHooks,
        *,
        result: Any,
        describe: Describe,
    ) -> None:
        """Run units for the main process, or refuse if they aren't the same there.

        ``result`` and ``describe`` are those of `nose2_aio.workers.recording.RecordingResult`.
        """
        if self._request.is_single_test:
            units = _units_with(units, self._request.names[0])
        difference = _difference(self._request.names, load_names(units))
        if difference:
            self._process.refuse(difference)
        else:
            self._process.work(units, hooks, result=result, describe=describe)


def run_spawned(channel: Channel, request: LoadRequest) -> None:
    """Load the suite again and run units of it. This is the main function of the new process."""
    process = WorkerProcess(channel)
    os.chdir(request.folder)
    role.set_worker(SpawnedWorker(process, request))
    PluggableTestProgram(module=None, argv=list(request.argv), exit=False)
    process.end()


def load_names(units: Sequence[Unit]) -> list[str]:
    """Return the names of all tests of units."""
    return [load_name(test) for unit in units for test in unit.tests]


def load_name(test: Any) -> str:
    """Return the id of a test; the name of its class for anything else in a suite."""
    return str(test.id()) if hasattr(test, "id") else type(test).__qualname__


def _units_with(units: Sequence[Unit], name: str) -> list[Unit]:
    """Return a unit for each test of that name, with that test only."""
    return [
        replace(unit, tests=[test])
        for unit in units
        for test in unit.tests
        if load_name(test) == name
    ]


def _difference(expected: Sequence[str], found: Sequence[str]) -> str:
    """Return the first difference between the names in the main process and those found here."""
    for number, (one, other) in enumerate(itertools.zip_longest(expected, found), 1):
        if one != other:
            return (
                "a worker process has loaded other tests than the main process: test "
                f"{number} is {other or 'missing'} there, and {one or 'missing'} here"
            )
    return ""
