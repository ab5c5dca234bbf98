"""Records how long tests and fixtures take, for the durations file of later runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import TestCase

from nose2_aio.config import baseline_file, durations_file
from nose2_aio.config.durations_file import Duration
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.reporting.outcomes import Listener, Outcome

__all__ = ["Durations"]


class Durations(Listener):
    """The durations of a run. It listens to the outcomes of tests in the main process."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.durations_file
        self._shard = settings.shard
        self._repeat = settings.repeat
        self._tests: dict[str, float] = {}
        self._skipped: dict[str, float] = {}
        self._fixtures: dict[str, Duration] = {}
        """How long the fixtures of classes, modules and layers took, by the names of these."""
        self._is_in_fixture = False

    def end(self, outcome: Outcome) -> None:
        """Record the time of a test. A failed one may have ended early, or at its limit."""
        if isinstance(outcome.test, TestCase) and not outcome.has_failed:
            found = self._skipped if outcome.status == "skipped" else self._tests
            found[outcome.name] = outcome.seconds

    @contextmanager
    def fixture_of(self, owner: Any) -> Iterator[None]:
        """Record the time of the block, which runs a fixture of a class, a module or a layer.

        If it calls another such fixture, that is a part of it.
        """
        if not self._path or self._is_in_fixture:
            yield
            return
        name = owner
        if isinstance(owner, type):
            name = f"{owner.__module__}.{owner.__qualname__}"
        self._is_in_fixture, began, cpu = True, monotonic(), time.process_time()
        try:
            yield
        finally:
            self._is_in_fixture = False
            seconds = monotonic() - began
            waiting = max(0.0, seconds - (time.process_time() - cpu))
            self.add_fixtures({name: Duration(seconds, waiting)})

    def take_fixtures(self) -> Mapping[str, Duration]:
        """Return the times of the fixtures, and forget them."""
        found, self._fixtures = self._fixtures, {}
        return found

    def add_fixtures(self, durations: Mapping[str, Duration]) -> None:
        """Add the times of fixtures, maybe of another process."""
        for name, one in durations.items():
            self._fixtures[name] = self._fixtures.get(name, Duration(0.0, 0.0)) + one

    def write(self, waiting: Mapping[str, float]) -> list[str]:
        """Write the file; return a line if that fails.

        ``waiting`` is how long coroutine tests waited, by their ids. What an earlier run has
        recorded stays, where there is nothing new, and where a test was skipped. A shard writes a
        file of its own, with its own tests only: all shards must read the same file.
        """
        if not self._path:
            return []
        known = {} if self._shard else durations_file.read(self._path)
        tests = {
            name: Duration(seconds, min(seconds, waiting.get(name, 0.0)))
            for name, seconds in self._tests.items()
        }
        fixtures = {
            name: Duration(*(each / self._repeat for each in one))
            for name, one in self._fixtures.items()
        }
        skipped = {name: Duration(seconds, 0.0) for name, seconds in self._skipped.items()}
        path = durations_file.own_path(self._path, self._shard)
        try:
            durations_file.write(path, {**skipped, **known, **tests, **fixtures})
        except OSError as error:
            file = baseline_file.shown(str(path))
            return [f"durations-file: {file} could not be written: {error}"]
        return []
