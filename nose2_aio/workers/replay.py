"""Replays the events that workers have recorded on nose2's own result.

nose2 and its plugins read the clock when they get a result. They get it later than it happened, so
here they read the time that was recorded.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from logging import Handler
from typing import Any
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import (
    Call,
    Error,
    Event,
    Logged,
    OutputText,
    ReportedTest,
    Stopped,
    SubTest,
    UnknownTest,
)
from nose2_aio.workers.pickling import load_error, load_log_record, load_subtest

__all__ = ["Clock", "Replay", "time_of_plugins"]

_MODULES_WITH_TIME = ("nose2.result", "nose2.plugins.junitxml")


class Clock:
    """Replaces the module `time` in nose2 and its plugins while results are replayed."""

    moment: float | None = None
    """The time to return; None for the real time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        """Return the time of the event that is replayed, or else the real time."""
        return time.time() if self.moment is None else self.moment


class Replay:
    """Replays events on a result."""

    def __init__(
        self, result: Any, units: Sequence[Unit], clock: Clock, handlers: Sequence[Handler]
    ) -> None:
        """Replay on ``result``, and replay log records on ``handlers`` (see `Logged`)."""
        self.result = result
        self._units = units
        self._clock = clock
        self._handlers = handlers
        self.is_in_test = False
        """True between the start and the end of a test."""

    def play(self, unit: int, event: Event) -> None:
        """Replay one event of a unit."""
        if isinstance(event, OutputText):
            _write("stdout" if event.descriptor == 1 else "stderr", event.text)
        elif isinstance(event, Logged):
            self._handlers[event.handler].emit(load_log_record(event.record))
        elif isinstance(event, Stopped):
            self.result.stop()
        elif isinstance(event, Call):
            self._call(unit, event)

    def _call(self, unit: int, call: Call) -> None:
        test = _reported(call.test, self._units[unit])
        args = [self._loaded(one, test) for one in call.args]
        self._clock.moment = call.moment
        try:
            getattr(self.result, call.name)(test, *args)
        finally:
            self._clock.moment = None
        if call.name in ("startTest", "stopTest"):
            self.is_in_test = call.name == "startTest"

    def _loaded(self, value: Any, test: Any) -> Any:
        if isinstance(value, Error):
            return load_error(value)
        if isinstance(value, SubTest):
            return load_subtest(test, value)
        return value


def _reported(reference: ReportedTest, unit: Unit) -> Any:
    """Return the test that was reported, or an object that looks like it."""
    if isinstance(reference, int):
        return unit.tests[reference]
    if isinstance(reference, UnknownTest):
        return _UnknownTestCase(reference)
    kind = type(unittest_internals.error_holder(""))
    if reference.name != kind.__name__:
        kind = type(reference.name, (kind,), {})
    return kind(reference.description)


class _UnknownTestCase(TestCase):
    """Looks like a test that isn't in the suite."""

    def __init__(self, reference: UnknownTest) -> None:
        super().__init__("run")
        self._reference = reference

    def id(self) -> str:
        return self._reference.name

    def __str__(self) -> str:
        return self._reference.text

    def shortDescription(self) -> str | None:  # noqa: N802 -- unittest's name
        return self._reference.description


def _write(name: str, text: str) -> None:
    """Write text to ``sys.stdout`` or ``sys.stderr``, even if its encoding lacks some characters.

    Bytes that could not be decoded in the worker are written as they were, if the stream has a
    buffer for bytes. Other characters are escaped.
    """
    stream = getattr(sys, name)
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        data = text.encode(
            error.encoding, "surrogateescape" if _has_bytes(text) else "backslashreplace"
        )
        if hasattr(stream, "buffer"):
            stream.flush()
            stream.buffer.write(data)
        else:
            stream.write(data.decode(error.encoding, "backslashreplace"))


def _has_bytes(text: str) -> bool:
    """Return True if text has bytes that could not be decoded (``surrogateescape``)."""
    return any("\udc80" <= one <= "\udcff" for one in text)


@contextmanager
def time_of_plugins() -> Iterator[Clock]:
    """Make nose2 and its plugins read another clock inside the block, and yield that clock."""
    clock = Clock()
    with ExitStack() as stack:
        for name in _MODULES_WITH_TIME:
            module: Any = sys.modules.get(name)
            if module is not None:
                stack.callback(setattr, module, "time", module.time)
                module.time = clock
        yield clock
