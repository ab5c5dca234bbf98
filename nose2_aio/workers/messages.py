"""What the main process and its worker processes tell each other."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "Call",
    "Error",
    "Event",
    "Found",
    "Holder",
    "Link",
    "Logged",
    "NeedsTerminal",
    "Order",
    "Packed",
    "Refusal",
    "Report",
    "State",
    "Stopped",
    "Stranger",
    "SubTest",
    "Text",
    "unpacked",
]


class Order(NamedTuple):
    """Run tests of a unit."""

    unit: int
    """The index of the unit."""
    tests: frozenset[int] | None = None
    """The positions of the tests in it; None for all of them."""
    number: int = 0
    """How many orders the worker has got before."""


class Holder(NamedTuple):
    """Stands for something that is no test: a suite, or what unittest reports fixtures with."""

    name: str
    """The name of its class, which nose2 prints."""
    description: str


class Stranger(NamedTuple):
    """Stands for a test that isn't in the suite, such as one that a test has run."""

    name: str
    text: str
    description: str | None


Ref: TypeAlias = int | Holder | Stranger
"""A test, by its position in its unit, or something else that was reported."""


class Packed(NamedTuple):
    """A value of the user's: pickled by itself, since the main process may not know its class."""

    data: bytes
    """Nothing if it can't be pickled."""
    text: str
    """What stands for it then."""


class Error(NamedTuple):
    """An exception with its traceback, as text."""

    kinds: tuple[bytes, ...]
    """Its class and its base classes, as far as they can be pickled, each by itself."""
    value: Packed
    text: str
    """What nose2 prints of it."""


class SubTest(NamedTuple):
    """A subtest."""

    message: Packed | None
    """Its message; None where it has none."""
    params: dict[str, Packed]


class Call(NamedTuple):
    """A call of a method of the result."""

    name: str
    test: Ref
    args: tuple[Any, ...]
    moment: float
    """When, by `time.time`."""


class Text(NamedTuple):
    """Something that was written to a file descriptor: 1 is stdout, 2 is stderr."""

    descriptor: int
    text: str


class Logged(NamedTuple):
    """A log record for a handler that keeps records in memory."""

    handler: int
    """The index of the handler."""
    record: Packed


class NeedsTerminal(NamedTuple):
    """A test that has asked for a debugger: it has to run in the main process."""

    test: int


class Stopped(NamedTuple):
    """A test has called ``stop`` of the result."""


class Found(NamedTuple):
    """What the checks have found, and what tests have cost: see `nose2_aio.run`."""

    value: Any


class Refusal(NamedTuple):
    """A worker has loaded other tests than the main process."""

    reason: str


Event: TypeAlias = Call | Text | Logged | NeedsTerminal | Stopped | Found | Refusal


class Report(NamedTuple):
    """What has happened in a worker since its last report."""

    unit: int
    events: Sequence[Event]
    is_over: bool = False
    """True if the unit is over."""
    is_interrupted: bool = False
    """True if Ctrl-C has ended the unit."""

    def packed(self) -> bytes:
        """Return it as bytes. Its events are plain tuples there: that takes a fifth of the time."""
        events = [(_CODES[type(event)], *event) for event in self.events]
        return pickle.dumps((self.unit, events, self.is_over, self.is_interrupted), _PROTOCOL)


def unpacked(data: bytes) -> Report:
    """Return a report from bytes."""
    unit, events, is_over, is_interrupted = pickle.loads(data)  # noqa: S301 -- our own
    return Report(unit, [_KINDS[code](*rest) for code, *rest in events], is_over, is_interrupted)


_PATIENCE = 0.05
"""Seconds to wait for a worker that has died while it began an order."""
_PROTOCOL = pickle.HIGHEST_PROTOCOL
_KINDS: tuple[Any, ...] = (Call, Text, Logged, NeedsTerminal, Stopped, Found, Refusal)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}


class State:
    """What a worker does right now: in memory that it shares with the main process.

    So the main process knows that even of a worker that hangs, or that has died.
    """

    _UNIT, _TEST, _SINCE, _KILL_AT, _OUT, _ERR, _BEGUN, _TAKEN, _TAKEN_END = range(9)

    def __init__(self, context: BaseContext) -> None:
        self._lock = context.Lock()
        self._numbers: Any = context.RawArray("d", 9)
        self._numbers[self._UNIT] = self._numbers[self._TEST] = -1
        self._numbers[self._KILL_AT] = math.inf

    def begin_order(self, number: int) -> bool:
        """Note that the worker begins an order; return False if that was taken back."""
        with self._lock:
            if self._numbers[self._TAKEN] <= number < self._numbers[self._TAKEN_END]:
                return False
            self._numbers[self._BEGUN] = number + 1
            return True

    def take_back(self, end: int) -> int:
        """Take back the orders that have not begun; return the number of the first one.

        ``end`` is the number of the next order. It is returned if the worker doesn't let go.
        """
        if not self._lock.acquire(timeout=_PATIENCE):
            return end
        try:
            first = self._numbers[self._TAKEN] = self._numbers[self._BEGUN]
            self._numbers[self._TAKEN_END] = end
            return int(first)
        finally:
            self._lock.release()

    def begin_unit(self, unit: int) -> None:
        """Note that a unit begins; -1: that the last one is over."""
        self._numbers[self._TEST] = -1
        self._numbers[self._UNIT] = unit

    def begin_test(self, test: int, since: float) -> None:
        """Note that a test begins, at a time by `time.monotonic`."""
        self._numbers[self._SINCE] = since
        self._numbers[self._TEST] = test

    def end_test(self) -> None:
        """Note that no test runs."""
        self._numbers[self._TEST] = -1

    @property
    def unit(self) -> int:
        """The index of the unit that runs; -1 for none."""
        return int(self._numbers[self._UNIT])

    @property
    def test(self) -> int:
        """The position of the test that runs, in its unit; -1 for none."""
        return int(self._numbers[self._TEST])

    @property
    def since(self) -> float:
        """When that has begun, by `time.monotonic`."""
        return float(self._numbers[self._SINCE])

    @property
    def kill_at(self) -> float:
        """When the worker is stuck, by `time.monotonic`; infinity without a limit."""
        return float(self._numbers[self._KILL_AT])

    @kill_at.setter
    def kill_at(self, moment: float) -> None:
        self._numbers[self._KILL_AT] = moment

    def note_sent(self, descriptor: int, count: int) -> None:
        """Note how many bytes of its output the worker has sent."""
        self._numbers[self._OUT + descriptor - 1] = count

    def sent(self, descriptor: int) -> int:
        """Return how many bytes of its output the worker has sent."""
        return int(self._numbers[self._OUT + descriptor - 1])


class Link(NamedTuple):
    """What connects a worker process with the main process."""

    connection: Connection
    state: State
    folder: Path
    """The folder of its files."""
    parent: int
    """The process id of the main process."""
