"""Our own run: it steps in at the tests of `nose2_aio.testcase` if no run of nose2 does.

1. The first test or class fixture begins it. Its settings are read then. It ends with the process.
2. It steps in only while one of its tests or fixtures runs, so that it can't disturb other tests.
   But its handlers of SIGTERM and SIGQUIT stay until the process ends.
3. A test may run a suite by itself. That suite has a run of its own, which ends with the test.
4. What fails no test, such as a finding that only warns, becomes an `AioWarning`.
"""

from __future__ import annotations

import argparse
import atexit
import configparser
import os
import re
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any
from unittest import TestCase

from nose2.main import PluggableTestProgram
from nose2.session import Session

from nose2_aio.cases import definitions, hooks, nose2_cases, scope_keys
from nose2_aio.cases.adapter import Adapter
from nose2_aio.config import config_files, environment, tag_lookup
from nose2_aio.config.settings import Settings, resolve
from nose2_aio.errors import AioError, AioWarning, DefinitionError, InvalidValueError
from nose2_aio.eventloop import wakeup_sources
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.reporting import check_results
from nose2_aio.reporting.outcomes import place_of_finding
from nose2_aio.run import Run
from nose2_aio.running import plans, process_end

__all__ = ["CLASS_FIXTURES", "Standalone", "current"]

CLASS_FIXTURES = ("setUpClass", "tearDownClass")
_FILES = ("unittest.cfg", "nose2.cfg")
"""The files that nose2 reads by default, besides those that it adds itself."""
_NEEDS_NOSE2 = (
    *("workers", "worker-start", "retries", "flaky", "repeat", "shuffle", "shard", "shards"),
    *("last-failed", "failed-first", "progress", "ci-annotations", "durations", "report"),
    *("durations-file", "exit-grace", "baseline-update"),
)
"""The settings that have no effect without nose2."""
_PLACE = r"(?P<file>.+?):(?P<line>\d+)(?: in .*)?"


class Standalone:
    """A run of tests that another runner executes."""

    def __init__(self) -> None:
        self._mistake: AioError | None = None
        """What is wrong with the settings: each test fails with it."""
        settings = Settings()
        try:
            settings = _settings()
        except InvalidValueError as error:
            self._mistake = error
        self._settings = settings
        given = environment.names(os.environ, _NEEDS_NOSE2) if self._mistake is None else []
        self._run = Run(settings, is_kept=False, is_debugging=lambda: False)
        self._known: set[type] = set()
        """The classes whose fixtures are known."""
        self._told: set[str] = set()
        """The notes that were shown."""
        self._run.scopes.has_factories = True
        self._run.fixtures.default_traceback = self._traceback
        self.adapter.tell = self._tell
        if given:
            self._run.note(f"without nose2, these have no effect: {', '.join(given)}")
        wakeup_sources.ignore_foreign_threads()
        self._run.begin(lambda: None, self._run.describe_running)
        self._will_exit = process_end.will_exit()
        """True for ``python -m unittest``: its process ends with the run."""

    @property
    def adapter(self) -> Adapter:
        """The adapter that steps in at its tests."""
        return self._run.adapter

    def run_test(self, test: TestCase, execute: Callable[[Any], Any], result: Any) -> Any:
        """Run a test: ``execute`` is unittest's ``run``."""
        case = type(test)
        self._run.interrupts.stop = _stop_of(result)
        if self._will_exit:
            self._run.time_limits.on_stuck = partial(self._end_stuck, result)
        with self._stepping_in():
            if case not in self._known:
                self._run.adapter.definitions.inspect(test)
                self._run.adapter.definitions.replace(setattr)
                self._note_class(case)
            self.adapter.attach(test)
            error = self._mistake or _module_error(case)
            if error is not None:
                self.adapter.fail(test, error.with_traceback(self._traceback(error)))
            self._note_loops(test)
            try:
                return execute(result)
            finally:
                self.adapter.detach()
                inner = _runs.pop(self.adapter, None)
                if inner is not None:
                    inner.end()

    def call_in_class(self, found: Any, case: type[TestCase]) -> Any:
        """Call a fixture of a class; ``found`` is what a class defines."""
        error = self._mistake or _module_error(case)
        if error is not None:
            raise error.with_traceback(None)
        with self._stepping_in():
            self._note_class(case)
            value = self._run.fixture_wrappers.call_in_class(found, case)
        self._tell()
        return value

    def end_class(self, case: type[TestCase]) -> None:
        """Call the cleanups of a class, and close its loop, in place of ``doClassCleanups``."""
        with self._stepping_in():
            self._run.fixture_wrappers.do_class_cleanups(case)
        try:
            self._tell()
        except AioWarning:
            case.tearDown_exceptions.append(sys.exc_info())  # type: ignore[attr-defined]

    def end(self) -> None:
        """Close what is left, and warn of what was found last."""
        self._run.end()
        self._tell()

    @contextmanager
    def _stepping_in(self) -> Iterator[None]:
        if hooks.in_charge() is self.adapter:  # a fixture calls that of a base class
            yield
            return
        with hooks.replaced(self.adapter):
            yield

    def _note_class(self, case: type[TestCase]) -> None:
        """Note which fixtures of a class are async: its tests share a loop then."""
        self._known.add(case)
        for name in CLASS_FIXTURES:
            function = getattr(case, name)
            self._run.fixture_wrappers.note_async_fixture(
                scope_keys.of_class(case, self._settings), function
            )

    def _note_loops(self, test: TestCase) -> None:
        """Note it if a test has several loops: it runs on the first one only."""
        function, owner = nose2_cases.function_and_owner(test)
        if self._settings.loop or tag_lookup.has_tags(owner) or getattr(function, "__dict__", None):
            try:
                names = [
                    one.name for one in plans.factories(function, owner, self._settings).values()
                ]
            except InvalidValueError:  # the test fails with it
                return
            if len(names) > 1:
                self._run.note(
                    f"loop: without nose2, tests run on one loop only, {names[0]}, and not on "
                    f"{', '.join(names[1:])}"
                )

    def _end_stuck(self, result: Any, error: BaseException, frame: FrameType | None) -> None:
        """Report a test that nothing can interrupt, and end the process."""
        self._run.fail_running(result, error, frame)
        result.printErrors()
        _runs.clear()  # or their loops would be closed, while the test runs
        process_end.leave(1)

    def _traceback(self, error: BaseException) -> TracebackType | None:
        """Return a traceback with the line of the first finding, or else of the test's definition.

        Without it, pytest would show lines of ours.
        """
        place, test = place_of_finding(str(error)), self.adapter.test
        if place is not None:
            return tracebacks.at_line(place.file, place.line, "finding")
        function = None if test is None else nose2_cases.function_and_owner(test)[0]
        return tracebacks.at_definition(function)

    def _tell(self) -> None:
        """Warn of findings that have failed no test, and of notes."""
        found = self._run.take()
        if found is None:
            return
        for name, findings, _ in found.entries:
            _warn("\n".join([name, *check_results.texts(findings)]), findings[0].place)
        for note in found.notes:
            if note not in self._told:
                self._told.add(note)
                _warn(note, "")


def current() -> Standalone | None:
    """Return the run that has to step in at a test or a fixture; None if one of nose2 does."""
    outer = hooks.in_charge()
    if outer is not None and not outer.is_busy:
        return next((one for one in _runs.values() if one.adapter is outer), None)
    if outer not in _runs:
        _runs[outer] = Standalone()
    return _runs[outer]


_runs: dict[Adapter | None, Standalone] = {}
"""The runs of this process, by the adapter that runs the test around them."""


@atexit.register
def _end() -> None:
    for one in _runs.values():
        one.end()


def _settings() -> Settings:
    """Return the settings of the configuration files and of the environment."""
    given = argparse.Namespace(config=[*_FILES], top_level_directory=None, user_config=True)
    files = [Path(name) for name in PluggableTestProgram.findConfigFiles(None, given)]
    found = [path.absolute() for path in dict.fromkeys(files) if path.is_file()]
    session = Session()
    try:
        session.loadConfigFiles(*map(str, found))
        texts = config_files.read(session, found)
    except configparser.InterpolationError as error:
        message = config_files.explain_interpolation(error, session.config)
        raise InvalidValueError(message) from None
    except (
        *(configparser.Error, tomllib.TOMLDecodeError, UnicodeDecodeError),
        AttributeError,  # nose2 takes each value in the file for a table
    ) as error:
        names = ", ".join(map(str, found))
        raise InvalidValueError(f"one of these can't be read: {names}: {error}") from None
    variables = environment.read(os.environ)
    for key in _NEEDS_NOSE2:
        texts.pop(key, None)
        variables.pop(key, None)
    settings = resolve(texts, {}, everywhere=session.config.defaults(), environment=variables)
    exists = bool(settings.baseline) and Path(settings.baseline).exists()
    # only nose2 writes the file
    baseline = settings.baseline if exists else ""
    return settings._replace(baseline=baseline)


def _module_error(case: type[TestCase]) -> DefinitionError | None:
    """Return the error for a class whose module has an async fixture: nobody awaits that."""
    for function in definitions.async_fixtures_of_module(case):
        return DefinitionError(
            f"{locations.describe(function)}: an async fixture of a module needs nose2 with the "
            "plugin: nobody has awaited it.\n"
            "Make it a fixture of the class, or run 'nose2 --plugin nose2_aio'."
        )
    return None


def _stop_of(result: Any) -> Callable[[], Any] | None:
    """Return what ends the run of a result after the current test; None if nothing is known."""
    session = getattr(result, "session", None)  # of pytest, whose results are its items
    if session is not None:
        return partial(setattr, session, "shouldstop", "interrupted")
    return getattr(result, "stop", None)


def _warn(text: str, place: str) -> None:
    match = re.fullmatch(_PLACE, place)
    file, line = (match["file"], int(match["line"])) if match else ("nose2_aio", 0)
    warnings.warn_explicit(text, AioWarning, file, line)
