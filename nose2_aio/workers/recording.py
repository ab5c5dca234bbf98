"""The test result on which a worker runs its tests. It records, so that others can replay.

unittest calls the methods of a result while tests run. Here each call becomes an event, and so do
the output and the log records between the calls. The events are sent to the main process after
each test.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.config.seconds import monotonic
from nose2_aio.workers.messages import (
    Call,
    Collected,
    Error,
    ErrorHolder,
    Event,
    Logged,
    NeedsTerminal,
    OutputText,
    Report,
    ReportedTest,
    Stopped,
    UnknownTest,
    WorkerState,
)
from nose2_aio.workers.output import Output
from nose2_aio.workers.pickling import pickle_error, pickle_log_record, pickle_subtest

__unittest = True

__all__ = ["Describe", "RecordingHooks", "RecordingResult"]

Describe = Callable[[Any, Any], str]
"""Returns the text of an error, given a test and ``sys.exc_info()``."""
_Method = Callable[..., None]


class RecordingHooks(Protocol):
    """The functions that a worker calls around each test."""

    def attach(self, test: TestCase) -> None:
        """Prepare a test case to run its coroutines."""

    def detach(self) -> None:
        """Undo what ``attach`` has done."""

    def take(self) -> Any:
        """Return the findings, timings and notes since the last call; None if there are none."""


def _uninterruptible(method: _Method) -> _Method:
    """Delay Ctrl-C until the method has returned: it must record an event as a whole."""

    @functools.wraps(method)
    def call(self: RecordingResult, *args: Any) -> None:
        before, self.is_uninterruptible = self.is_uninterruptible, True
        try:
            method(self, *args)
        finally:
            self.is_uninterruptible = before

    return call


@dataclass
class _UnitProgress:
    """The unit that runs."""

    index: int = -1
    positions: Mapping[int, int] = field(default_factory=dict)
    """The positions of the tests in the unit, by the `id` of the test."""
    has_fixtures: bool = False
    left: int = 0
    """How many tests of the unit have not ended."""
    has_failed: bool = False
    """True if a test of the unit has failed."""


class RecordingResult:
    """The test result of a worker."""

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        hooks: RecordingHooks,
        state: WorkerState,
        output: Output,
        send: Callable[[Report], None],
        *,
        result: Any,
        describe: Describe,
    ) -> None:
        """Record, and send a report after each test.

        ``result`` is nose2's own result. Attributes that this class lacks are taken from it.
        """
        self.failfast: bool = result.failfast
        self.needs_terminal = False
        """True if the test that runs has asked for a debugger."""
        self.is_uninterruptible = True
        """True while no code of the user's runs. Then Ctrl-C must not raise KeyboardInterrupt."""
        self._result = result
        self._hooks = hooks
        self._state = state
        self._output = output
        self._send = send
        self._describe = describe
        self._unit = _UnitProgress()
        self._events: list[Event] = []
        """The events that have not been sent."""
        self._running: Any = None
        """The test of the unit that runs."""
        self._was_stopped = False
        """True if a test has called ``stop()``."""
        self._is_interrupted = False
        self._first_event = 0
        """The index of the first event of the test that runs; -1 if some were sent already."""

    def begin(self, unit: int, positions: Mapping[int, int], *, has_fixtures: bool) -> None:
        """Begin a unit. ``positions`` maps the `id` of each test to its position."""
        self._unit = _UnitProgress(unit, positions, has_fixtures=has_fixtures, left=len(positions))
        self._state.begin_unit(unit)

    def end(self) -> None:
        """Send the last events of the unit."""
        if self._unit.has_fixtures:
            self._take_output()
        self._flush(is_over=True)
        self._state.begin_unit(-1)

    def close(self) -> None:
        """Send the events that have come after the last unit, if there are any."""
        self._take_output()
        self._collect()
        if self._events:
            self._flush()

    def add_log(self, handler: int, record: logging.LogRecord) -> None:
        """Record a log record for a handler, given by its index."""
        self._events.append(Logged(handler, pickle_log_record(record)))

    def interrupt(self) -> None:
        """End the run after the current test: Ctrl-C has come."""
        self._is_interrupted = True

    def note_interrupt(self, error: BaseException) -> None:
        """Record that Ctrl-C has ended the unit, and the test that ran."""
        test, self._is_interrupted = self._running, True
        if test is not None:
            self.addError(test, (type(error), error, error.__traceback__))
            self.stopTest(test)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result, name)  # a test may use any attribute of nose2's result

    @property
    def shouldStop(self) -> bool:  # noqa: N802 -- unittest's name, as all below
        """True if no other test may begin."""
        return (
            self._was_stopped or self._is_interrupted or (self.failfast and self._unit.has_failed)
        )

    @shouldStop.setter
    def shouldStop(self, value: bool) -> None:  # noqa: N802
        if value:
            self.stop()

    def stop(self) -> None:
        """End the run after the current test. A test has called this."""
        self._was_stopped = True
        self._events.append(Stopped())

    def wasSuccessful(self) -> bool:  # noqa: N802
        """Return True if no test of the unit has failed so far."""
        return not self._unit.has_failed

    @_uninterruptible
    def startTest(self, test: Any) -> None:  # noqa: N802
        """Record that a test begins, and prepare it to run."""
        if self._unit.has_fixtures:  # these may have printed something
            self._take_output()
        position = self._unit.positions.get(id(test), -1)
        if position >= 0:  # else it is a test that a test of the unit runs
            self._running = test
            self._first_event = len(self._events)
            self._state.begin_test(position, monotonic())
        self._call("startTest", test)
        self._hooks.attach(test)

    @_uninterruptible
    def stopTest(self, test: Any) -> None:  # noqa: N802
        """Record that a test is over, and send its events."""
        self._hooks.detach()
        error = sys.exc_info()
        if isinstance(error[1], KeyboardInterrupt):  # unittest has recorded no outcome
            self.addError(test, error)
        self._call("stopTest", test)
        if test is not self._running:
            return
        self._running = None
        if self.needs_terminal:
            self.needs_terminal = False
            if self._first_event >= 0:  # else its first events were sent, and it can't run again
                self._events[self._first_event :] = [NeedsTerminal(self._unit.positions[id(test)])]
        self._unit.left -= 1
        if (
            self._unit.has_fixtures or self._unit.left
        ):  # else ``end`` sends it, together with the unit's end
            self._flush()
            self._state.end_test()

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        """Record that a test has passed."""
        self._record("addSuccess", test)

    def addError(self, test: Any, error: Any) -> None:  # noqa: N802
        """Record an error of a test, or of a fixture of a class, a module or a layer."""
        self._fail("addError", test, error)

    def addFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        """Record that a test has failed."""
        self._fail("addFailure", test, error)

    @_uninterruptible
    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:  # noqa: N802
        """Record the outcome of a subtest."""
        self._unit.has_failed |= error is not None
        sent = None if error is None else self._error(subtest, error)
        self._record("addSubTest", test, pickle_subtest(subtest), sent)
        if sent is not None and not self.needs_terminal:
            self._flush()  # the worker may die in the rest of this test
            self._first_event = -1

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        """Record that a test, or a whole class, was skipped."""
        self._record("addSkip", test, str(reason))

    def addExpectedFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        """Record that a test has failed as expected."""
        self._record("addExpectedFailure", test, self._error(test, error))

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        """Record that a test has passed and was expected to fail."""
        self._record("addUnexpectedSuccess", test)

    def addDuration(self, test: Any, elapsed: float) -> None:  # noqa: N802
        """Do nothing, as nose2 does."""

    def _fail(self, name: str, test: Any, error: Any) -> None:
        self._unit.has_failed = True
        self._record(name, test, self._error(test, error))

    @_uninterruptible
    def _record(self, name: str, test: Any, *args: Any) -> None:
        self._take_output()
        self._call(name, test, *args)

    def _call(self, name: str, test: Any, *args: Any) -> None:
        self._events.append(Call(name, self._reference(test), args, time.time()))

    def _take_output(self) -> None:
        self._events += [OutputText(*one) for one in self._output.take()]

    def _flush(self, *, is_over: bool = False) -> None:
        self._collect()
        report = Report(self._unit.index, self._events, is_over, self._is_interrupted)
        has_output = any(isinstance(event, OutputText) for event in self._events)
        self._events = []
        self._send(report)
        if has_output:
            self._output.note_sent()

    def _collect(self) -> None:
        collected = self._hooks.take()
        if collected is not None:
            self._events.append(Collected(collected))

    def _reference(self, test: Any) -> ReportedTest:
        position = self._unit.positions.get(id(test))
        if position is not None:
            return position
        if not isinstance(test, TestCase):
            return ErrorHolder(type(test).__name__, nose2_cases.fixture_name(test))
        return UnknownTest(test.id(), str(test), test.shortDescription())

    def _error(self, test: Any, error: Any) -> Error:
        return pickle_error(error, self._describe(test, error))
