"""Replays what workers have recorded on nose2's result, in the order of the suite.

nose2 and its plugins ask for the time when they are told of something. Here that is later, so they
get the time that was recorded.
"""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from logging import Handler
from typing import Any
from unittest import TestCase

from nose2_aio import seams
from nose2_aio.errors import AioError
from nose2_aio.units import Unit
from nose2_aio.workers.messages import (
    Call,
    Error,
    Event,
    Holder,
    Logged,
    Ref,
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
            self._handlers[event.handler].handle(event.record)
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
            return seams.subtest(test, value.message, value.params)
        return value


def restored(error: Error) -> tuple[type[BaseException], BaseException, str]:
    """Return an error as ``sys.exc_info()`` does, but for the traceback, which is text."""
    try:
        value = pickle.loads(error.value)  # noqa: S301 -- our own
    except Exception as failure:  # it can be loaded in the worker alone
        value = AioError(f"{error.kind.__name__} could not be loaded: {failure}")
    return error.kind, value, error.text


def found(ref: Ref, unit: Unit) -> Any:
    """Return the test that was reported, or what stands for it."""
    if isinstance(ref, int):
        return unit.tests[ref]
    if isinstance(ref, Holder):
        kind = type(seams.holder(""))
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
    """Write to a stream; what that can't encode, with backslashes."""
    stream = getattr(sys, name)
    try:
        stream.write(text)
    except UnicodeEncodeError as error:
        stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))


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
