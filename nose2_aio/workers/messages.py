"""The messages between the main process and its worker processes, and the memory that they share.

The main process sends an `Assignment` for each unit. The worker answers with reports, which are
sequences of events (`Report`, `Event`).
"""

import math
import pickle
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

__all__ = [
    "Assignment",
    "Call",
    "Channel",
    "Collected",
    "Error",
    "ErrorHolder",
    "Event",
    "Logged",
    "NeedsTerminal",
    "Note",
    "OutputText",
    "PickledValue",
    "Refusal",
    "Report",
    "Stopped",
    "SubTest",
    "UnknownTest",
    "WorkerState",
]


class Assignment(NamedTuple):
    """A unit, or some tests of it, that a worker has to run."""

    unit: int
    """The index of the unit."""
    tests: frozenset[int] | None = None
    """The positions of the tests in it; None for all of them."""
    number: int = 0
    """How many assignments the worker got before this one."""


class ErrorHolder(NamedTuple):
    """Something that was reported and isn't a test.

    That is unittest's own ``_ErrorHolder`` for an error in a fixture, or a suite.
    """

    name: str
    """The name of its class, which nose2 prints."""
    description: str


class UnknownTest(NamedTuple):
    """A test that isn't in the suite. It was run by a test, for example."""

    name: str
    """Its ``id()``."""
    text: str
    """Its ``str()``."""
    description: str | None
    """Its ``shortDescription()``."""


ReportedTest: TypeAlias = int | ErrorHolder | UnknownTest
"""A test that was reported: its position in its unit if it is in the suite."""


class PickledValue(NamedTuple):
    """A value from the user's code. It is pickled separately: it may fail to load elsewhere."""

    data: bytes
    """The pickled value; empty if it can't be pickled."""
    text: str
    """The text to show if the value can't be loaded."""


class Error(NamedTuple):
    """An exception with its traceback, as text."""

    kinds: tuple[bytes, ...]
    """Its class and its base classes. Each is pickled separately, if it can be pickled."""
    value: PickledValue
    text: str
    """The text that nose2 prints for it."""


class SubTest(NamedTuple):
    """A subtest."""

    message: PickledValue | None
    """Its message; None if it has none."""
    params: dict[str, PickledValue]


class Call(NamedTuple):
    """A call of a method of the test result, such as ``addSuccess``."""

    name: str
    """The name of the method."""
    test: ReportedTest
    args: tuple[Any, ...]
    """The arguments after the test."""
    moment: float
    """The time of the call, by `time.time`."""


class OutputText(NamedTuple):
    """Text that a test has written to stdout or stderr."""

    descriptor: int
    """The file descriptor: 1 is stdout, 2 is stderr."""
    text: str


class Logged(NamedTuple):
    """A log record for a handler of nose2's ``--log-capture``."""

    handler: int
    """The index of the handler, see `nose2_aio.workers.worker_process.memory_handlers`."""
    record: PickledValue


class NeedsTerminal(NamedTuple):
    """A test that has asked for a debugger, so it has to run in the main process."""

    test: int
    """The position of the test in its unit."""


class Stopped(NamedTuple):
    """A test has called ``stop()`` of its result."""


class Collected(NamedTuple):
    """Findings, timings and notes for the end of the run."""

    value: Any
    """An object that `nose2_aio.run.Run.take` returns and ``merge`` takes."""


class Note(NamedTuple):
    """A line for the end of the run, at its place in the order of the suite."""

    line: str


class Refusal(NamedTuple):
    """The worker has loaded other tests than the main process, so it can't run any."""

    reason: str


Event: TypeAlias = Call | OutputText | Logged | NeedsTerminal | Stopped | Collected | Note | Refusal


class Report(NamedTuple):
    """The events in a worker since its last report."""

    unit: int
    """The index of the unit; -1 if none has run."""
    events: Sequence[Event]
    is_over: bool = False
    """True if the unit is over."""
    is_interrupted: bool = False
    """True if Ctrl-C has ended the unit."""

    def to_bytes(self) -> bytes:
        """Return the report as bytes.

        Its events are pickled as plain tuples. That takes a fifth of the time.
        """
        events = [(_CODES[type(event)], *event) for event in self.events]
        return pickle.dumps((self.unit, events, self.is_over, self.is_interrupted), _PROTOCOL)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Report":
        """Return the report that `to_bytes` has made these bytes of."""
        unit, events, is_over, is_interrupted = pickle.loads(data)  # noqa: S301 -- our own
        return cls(unit, [_KINDS[code](*rest) for code, *rest in events], is_over, is_interrupted)


_LOCK_TIMEOUT = 0.05
"""Seconds to wait for the lock. A worker that died while it held the lock never releases it."""
_PROTOCOL = pickle.HIGHEST_PROTOCOL
_KINDS: tuple[Any, ...] = get_args(Event)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}


class WorkerState:
    """What a worker does right now, in memory that it shares with the main process.

    So the main process can read it even if the worker hangs or has died.
    """

    _UNIT, _TEST, _SINCE, _KILL_AT, _OUT, _ERR, _BEGUN, _TAKEN, _TAKEN_END = range(9)

    def __init__(self, context: BaseContext) -> None:
        self._lock = context.Lock()
        self._numbers: Any = context.RawArray("d", 9)
        self._numbers[self._UNIT] = self._numbers[self._TEST] = -1
        self._numbers[self._KILL_AT] = math.inf

    def begin_assignment(self, number: int) -> bool:
        """Note that the worker begins an assignment; return False if that was taken back."""
        with self._lock:
            if self._numbers[self._TAKEN] <= number < self._numbers[self._TAKEN_END]:
                return False
            self._numbers[self._BEGUN] = number + 1
            return True

    def take_back(self, end: int) -> int:
        """Take back the assignments that have not begun; return the number of the first one.

        ``end`` is the number that the next assignment will have. Return ``end`` if the worker
        doesn't release the lock: then nothing was taken back.
        """
        if not self._lock.acquire(timeout=_LOCK_TIMEOUT):
            return end
        try:
            first = self._numbers[self._TAKEN] = self._numbers[self._BEGUN]
            self._numbers[self._TAKEN_END] = end
            return int(first)
        finally:
            self._lock.release()

    def begin_unit(self, unit: int) -> None:
        """Note that a unit begins. -1 means that no unit runs any more."""
        self._numbers[self._TEST] = -1
        self._numbers[self._UNIT] = unit

    def begin_test(self, test: int, since: float) -> None:
        """Note that a test begins. ``since`` is the time by `time.monotonic`."""
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
        """When the test that runs has begun, by `time.monotonic`."""
        return float(self._numbers[self._SINCE])

    @property
    def kill_at(self) -> float:
        """When the worker counts as stuck, by `time.monotonic`; infinity without a time limit."""
        return float(self._numbers[self._KILL_AT])

    @kill_at.setter
    def kill_at(self, moment: float) -> None:
        self._numbers[self._KILL_AT] = moment

    def note_sent(self, descriptor: int, count: int) -> None:
        """Note how many bytes of output to a file descriptor the worker has sent."""
        self._numbers[self._OUT + descriptor - 1] = count

    def sent(self, descriptor: int) -> int:
        """Return how many bytes of output to a file descriptor the worker has sent."""
        return int(self._numbers[self._OUT + descriptor - 1])


class Channel(NamedTuple):
    """What the main process gives a worker process when it starts it."""

    connection: Connection
    state: WorkerState
    folder: Path
    """The folder for the worker's files."""
    parent: int
    """The process id of the main process."""
