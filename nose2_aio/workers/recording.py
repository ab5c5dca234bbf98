"""A result that records what happens to tests, so that it can be sent and replayed.

unittest calls the methods of a result while tests run. In a worker these calls are recorded, with
what the tests print and log in between, and sent after each test.
"""

from __future__ import annotations

import copy
import functools
import logging
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.config.seconds import monotonic
from nose2_aio.introspection import locations
from nose2_aio.workers.messages import (
    Call,
    Error,
    Event,
    Found,
    Holder,
    Logged,
    NeedsTerminal,
    Packed,
    Ref,
    Report,
    State,
    Stopped,
    Stranger,
    SubTest,
    Text,
)
from nose2_aio.workers.output import Output

__unittest = True

__all__ = ["Recorder", "Steps"]


_Method = Callable[..., None]


class Steps(Protocol):
    """What a worker does around each test."""

    def attach(self, test: TestCase) -> None:
        """Prepare a test case to run its coroutines."""

    def detach(self) -> None:
        """End what was begun for it."""

    def take(self) -> Any:
        """Return what was found since it was asked last; None for nothing."""


def _noting(method: _Method) -> _Method:
    """Let Ctrl-C wait until a method is done: it has to note all or nothing."""

    @functools.wraps(method)
    def call(self: Recorder, *args: Any) -> None:
        before, self.is_noting = self.is_noting, True
        try:
            method(self, *args)
        finally:
            self.is_noting = before

    return call


class Recorder:
    """The result on which a worker runs its tests."""

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        steps: Steps,
        state: State,
        output: Output,
        send: Callable[[Report], None],
        *,
        result: Any,
        describe: Callable[[Any, Any], str],
    ) -> None:
        """Stand for ``result``, which is nose2's.

        ``describe`` returns the text of an error of a test, given ``sys.exc_info()``.
        """
        self.failfast: bool = result.failfast
        self.needs_terminal = False
        """True if the test that runs has asked for a debugger."""
        self.is_noting = True
        """True while Ctrl-C must not raise KeyboardInterrupt: no code of the user's runs."""
        self._result = result
        self._steps = steps
        self._state = state
        self._output = output
        self._send = send
        self._describe = describe
        self._unit = -1
        self._positions: Mapping[int, int] = {}
        self._events: list[Event] = []
        self._running: Any = None
        self._stops = False
        self._is_interrupted = False
        self._has_failed = False
        self._before = 0
        """How many events had come before the test that runs; -1: a part of it has been sent."""
        self._has_fixtures = False
        self._left = 0
        """How many tests of the unit are still to come."""

    def begin(self, unit: int, positions: Mapping[int, int], *, has_fixtures: bool) -> None:
        """Begin with a unit; ``positions`` has those of its tests, by their identity."""
        self._unit, self._positions = unit, positions
        self._has_fixtures, self._left = has_fixtures, len(positions)
        self._has_failed = False
        self._state.begin_unit(unit)

    def end(self) -> None:
        """Send that the unit is over."""
        if self._has_fixtures:
            self._take_output()
        self._flush(is_over=True)
        self._state.begin_unit(-1)

    def close(self) -> None:
        """Send what has come since, if anything has."""
        self._take_output()
        self._take_found()
        if self._events:
            self._flush()

    def add_log(self, handler: int, record: logging.LogRecord) -> None:
        """Record a log record for a handler."""
        self._events.append(Logged(handler, _record(record)))

    def interrupt(self) -> None:
        """End the run after the current test: Ctrl-C has come."""
        self._is_interrupted = True

    def note_interrupt(self, error: BaseException) -> None:
        """Record that Ctrl-C has ended the unit without a word from the test that ran."""
        test, self._is_interrupted = self._running, True
        if test is not None:
            self.addError(test, (type(error), error, error.__traceback__))
            self.stopTest(test)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._result, name)  # a test may ask for anything of it

    @property
    def shouldStop(self) -> bool:  # noqa: N802 -- unittest's name, as all below
        """True if no further test is to begin."""
        return self._stops or self._is_interrupted or (self.failfast and self._has_failed)

    @shouldStop.setter
    def shouldStop(self, value: bool) -> None:  # noqa: N802
        if value:
            self.stop()

    def stop(self) -> None:
        """End the run after the current test: a test wants that."""
        self._stops = True
        self._events.append(Stopped())

    def wasSuccessful(self) -> bool:  # noqa: N802
        """Return True if nothing of the unit has failed so far."""
        return not self._has_failed

    @_noting
    def startTest(self, test: Any) -> None:  # noqa: N802
        """Record that a test begins, and prepare it."""
        if self._has_fixtures:  # they may have printed something
            self._take_output()
        position = self._positions.get(id(test), -1)
        if position >= 0:  # or a test runs another one
            self._running = test
            self._before = len(self._events)
            self._state.begin_test(position, monotonic())
        self._call("startTest", test)
        self._steps.attach(test)

    @_noting
    def stopTest(self, test: Any) -> None:  # noqa: N802
        """Record that a test is over, and send what has happened."""
        self._steps.detach()
        error = sys.exc_info()
        if isinstance(error[1], KeyboardInterrupt):  # it has ended the test without a word
            self.addError(test, error)
        self._call("stopTest", test)
        if test is not self._running:
            return
        self._running = None
        if self.needs_terminal:
            self.needs_terminal = False
            if self._before >= 0:  # or it would be told twice
                self._events[self._before :] = [NeedsTerminal(self._positions[id(test)])]
        self._left -= 1
        if self._has_fixtures or self._left:  # or the end of the unit is sent with it
            self._flush()
            self._state.end_test()

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        """Record that a test has passed."""
        self._tell("addSuccess", test)

    def addError(self, test: Any, error: Any) -> None:  # noqa: N802
        """Record an error of a test, or of a fixture of a class, a module or a layer."""
        self._fail("addError", test, error)

    def addFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        """Record that a test has failed."""
        self._fail("addFailure", test, error)

    @_noting
    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:  # noqa: N802
        """Record the outcome of a subtest."""
        self._has_failed |= error is not None
        sent = None if error is None else self._error(subtest, error)
        self._tell("addSubTest", test, _subtest(subtest), sent)
        if sent is not None and not self.needs_terminal:
            self._flush()  # the worker may yet die in this test
            self._before = -1

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        """Record that a test, or all of a class, was skipped."""
        self._tell("addSkip", test, str(reason))

    def addExpectedFailure(self, test: Any, error: Any) -> None:  # noqa: N802
        """Record that a test has failed, as it should."""
        self._tell("addExpectedFailure", test, self._error(test, error))

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        """Record that a test has passed that should fail."""
        self._tell("addUnexpectedSuccess", test)

    def addDuration(self, test: Any, elapsed: float) -> None:  # noqa: N802
        """Ignore it: nose2 does so, too."""

    def _fail(self, name: str, test: Any, error: Any) -> None:
        self._has_failed = True
        self._tell(name, test, self._error(test, error))

    @_noting
    def _tell(self, name: str, test: Any, *args: Any) -> None:
        self._take_output()
        self._call(name, test, *args)

    def _call(self, name: str, test: Any, *args: Any) -> None:
        self._events.append(Call(name, self._ref(test), args, time.time()))

    def _take_output(self) -> None:
        self._events += [Text(*one) for one in self._output.take()]

    def _flush(self, *, is_over: bool = False) -> None:
        self._take_found()
        report = Report(self._unit, self._events, is_over, self._is_interrupted)
        has_output = any(isinstance(event, Text) for event in self._events)
        self._events = []
        self._send(report)
        if has_output:
            self._output.note_sent()

    def _take_found(self) -> None:
        found = self._steps.take()
        if found is not None:
            self._events.append(Found(found))

    def _ref(self, test: Any) -> Ref:
        position = self._positions.get(id(test))
        if position is not None:
            return position
        if not isinstance(test, TestCase):
            description = getattr(test, "description", None) or str(test)
            return Holder(type(test).__name__, description)
        return Stranger(test.id(), str(test), test.shortDescription())

    def _error(self, test: Any, error: Any) -> Error:
        kind, value, _ = error
        kinds = tuple(filter(None, map(_pickled, kind.__mro__)))
        text = "".join(traceback.format_exception_only(value)).rstrip()
        return Error(kinds, Packed(_pickled(value), text), self._describe(test, error))


def _pickled(value: object) -> bytes:
    """Return a pickled value of the user's; nothing if it can't be pickled."""
    try:
        return pickle.dumps(value)
    except Exception:  # a class of the user's may do anything
        return b""


def _subtest(subtest: Any) -> SubTest:
    message, params = unittest_internals.subtest_parts(subtest)
    sent = {name: Packed(_pickled(one), locations.text_of(one)) for name, one in params.items()}
    text = locations.text_of(message, str)
    return SubTest(None if message is None else Packed(_pickled(message), text), sent)


def _record(record: logging.LogRecord) -> Packed:
    """Return a log record as it can be sent: its message and its exception as text."""
    found = copy.copy(record)
    if found.exc_info and not found.exc_text:
        found.exc_text = logging.Formatter().formatException(found.exc_info)
    found.exc_info = None
    try:
        found.msg = record.getMessage()
    except Exception:  # the handler would say so on stderr
        found.msg = locations.text_of(record.msg, str)
    found.args = None
    return Packed(_pickled(found), found.msg)
