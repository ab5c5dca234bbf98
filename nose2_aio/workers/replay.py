"""Replays what workers have recorded on nose2's result, in the order of the suite.

nose2 and its plugins ask for the time when they are told of something. Here that is later, so they
get the time that was recorded.
"""

from __future__ import annotations

import logging
import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from logging import Handler
from typing import Any
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.errors import UnsentError
from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import (
    Call,
    Error,
    Event,
    Holder,
    Logged,
    Packed,
    Ref,
    Stopped,
    Stranger,
    SubTest,
    Text,
)

__all__ = ["Clock", "Replay", "time_of_plugins"]


class Clock:
    """Stands for the module `time` in nose2 and its plugins while results are replayed."""

    moment: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        """Return the time of what is replayed, or else the time."""
        return time.time() if self.moment is None else self.moment


class Replay:
    """Replays events on a result."""

    def __init__(
        self, result: Any, units: Sequence[Unit], clock: Clock, handlers: Sequence[Handler]
    ) -> None:
        """``handlers`` keep log records in memory: see `Logged`."""
        self.result = result
        self._units = units
        self._clock = clock
        self._handlers = handlers
        self.is_in_test = False
        """True between the start and the end of a test."""

    def play(self, unit: int, event: Event) -> None:
        """Replay one event of a unit."""
        if isinstance(event, Text):
            _write("stdout" if event.descriptor == 1 else "stderr", event.text)
        elif isinstance(event, Logged):
            self._handlers[event.handler].emit(_record(event.record))
        elif isinstance(event, Stopped):
            self.result.stop()
        elif isinstance(event, Call):
            self._call(unit, event)

    def _call(self, unit: int, call: Call) -> None:
        test = found(call.test, self._units[unit])
        args = [self._restored(one, test) for one in call.args]
        self._clock.moment = call.moment
        try:
            getattr(self.result, call.name)(test, *args)
        finally:
            self._clock.moment = None
        if call.name in ("startTest", "stopTest"):
            self.is_in_test = call.name == "startTest"

    def _restored(self, value: Any, test: Any) -> Any:
        if isinstance(value, Error):
            return restored(value)
        if isinstance(value, SubTest):
            params = {name: _unpacked(one) for name, one in value.params.items()}
            message = None if value.message is None else _unpacked(value.message)
            return unittest_internals.subtest(test, message, params)
        return value


def restored(error: Error) -> tuple[type[BaseException], BaseException, str]:
    """Return an error as ``sys.exc_info()`` does, but for the traceback, which is text."""
    kinds = map(_loaded, error.kinds)
    kind = next((one for one in kinds if one is not None), Exception)
    value = _loaded(error.value.data)
    return kind, UnsentError(error.value.text) if value is None else value, error.text


def _loaded(data: bytes) -> Any:
    """Return a pickled value; None if it can't be loaded here, or wasn't pickled."""
    try:
        return pickle.loads(data)  # noqa: S301 -- our own
    except Exception:  # a class of the user's may do anything
        return None


def _unpacked(value: Packed) -> Any:
    """Return a value, or what looks the same."""
    found = _loaded(value.data)
    return Shown(value.text) if found is None and value.text != "None" else found


class Shown:
    """Stands for a value that can't be sent: it looks the same."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _record(record: Packed) -> logging.LogRecord:
    found = _loaded(record.data)
    if isinstance(found, logging.LogRecord):
        return found
    return logging.makeLogRecord({"msg": record.text, "levelname": "?", "name": "?"})


def found(ref: Ref, unit: Unit) -> Any:
    """Return the test that was reported, or what stands for it."""
    if isinstance(ref, int):
        return unit.tests[ref]
    if isinstance(ref, Holder):
        kind = type(unittest_internals.holder(""))
        return (kind if ref.name == kind.__name__ else type(ref.name, (kind,), {}))(ref.description)
    return _StandIn(ref)


class _StandIn(TestCase):
    """Stands for a test that isn't in the suite."""

    def __init__(self, stranger: Stranger) -> None:
        super().__init__("run")
        self._stranger = stranger

    def id(self) -> str:
        return self._stranger.name

    def __str__(self) -> str:
        return self._stranger.text

    def shortDescription(self) -> str | None:  # noqa: N802 -- unittest's name
        return self._stranger.description


def _write(name: str, text: str) -> None:
    """Write to a stream what may be no text: then it goes on as bytes, if there is a way."""
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
    return any("\udc80" <= one <= "\udcff" for one in text)


@contextmanager
def time_of_plugins() -> Iterator[Clock]:
    """Give nose2 and its plugins the time of another clock inside the block."""
    clock = Clock()
    with ExitStack() as stack:
        for name in _TIMED:
            module: Any = sys.modules.get(name)
            if module is not None:
                stack.callback(setattr, module, "time", module.time)
                module.time = clock
        yield clock


_TIMED = ("nose2.result", "nose2.plugins.junitxml")
