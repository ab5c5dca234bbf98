"""How long the coroutine tests of a run took, and how long of that they waited.

There are two forms here: one line with ``-v``, and a table with ``--aio-durations``. The file of
`nose2_aio.reporting.report_file` has them too.
"""

import heapq
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nose2_aio.config.settings import Settings
from nose2_aio.eventloop.wait_times import WaitTimes

__all__ = ["PartialTimings", "TimedTest", "Timings", "Totals"]

_MANY = 1e9
"""From so many seconds on, numbers are written with an exponent."""
_HEAD = ("total", "waiting", "timers", "I/O", "threads", "running")


class TimedTest(NamedTuple):
    """The times of one test, in seconds."""

    name: str
    total: float
    waits: WaitTimes


class Totals(NamedTuple):
    """The times of several tests together, in seconds."""

    tests: int = 0
    """The number of tests."""
    total: float = 0.0
    waiting: float = 0.0
    skipped: float = 0.0
    unknown: int = 0
    """How many of them ran on loops that don't record how long they wait."""

    def __add__(self, other: Any) -> "Totals":
        return Totals(*(own + others for own, others in zip(self, other, strict=True)))


class PartialTimings(NamedTuple):
    """The timings of some of the tests, as one process sends them to another."""

    totals: Totals
    tests: tuple[TimedTest, ...]
    callback_waits: tuple[tuple[str, str], ...] = ()
    """Names of tests that waited long before their callback, and the text for the summary."""
    waiting: Mapping[str, float] = MappingProxyType({})


class Timings:
    """The timings of a run."""

    def __init__(self, settings: Settings, *, is_recorded: bool) -> None:
        """Record the times if ``is_recorded``, or if a setting asks for a table or a file."""
        self._durations = settings.durations
        self._is_detailed = settings.durations is not None or bool(settings.report)
        self._has_file = bool(settings.durations_file)
        self.is_recorded = is_recorded or self._is_detailed or self._has_file
        """True if the times of tests are recorded."""
        self.totals = Totals()
        self.tests: list[TimedTest] = []
        """The times of each test, if a table or a file needs them."""
        self.waiting: dict[str, float] = {}
        """How long each test waited, by the first line of its id, if there is a durations file."""
        self._callback_waits: list[tuple[str, str]] = []

    def begin(self) -> WaitTimes:
        """Return the object in which the loop records the waits of one test."""
        return WaitTimes(is_detailed=self._is_detailed)

    def note(self, name: str, seconds: float, waits: WaitTimes) -> None:
        """Record the times of a test. ``seconds`` is how long it took in all."""
        self.totals += Totals(1, seconds, waits.total, waits.skipped, int(not waits.is_known))
        if waits.for_callback:
            self._callback_waits.append((name, waits.for_callback))
        if self._has_file:
            self.waiting[name.partition("\n")[0]] = waits.total
        if self._is_detailed:
            waits.finish()
            self.tests.append(TimedTest(name, seconds, waits))

    @property
    def has_any(self) -> bool:
        """True if a test was recorded since the last `take`."""
        return bool(self.totals.tests)

    def take(self) -> PartialTimings:
        """Return what was recorded, and forget it."""
        part = PartialTimings(
            self.totals, tuple(self.tests), tuple(self._callback_waits), self.waiting
        )
        self.totals, self.tests, self._callback_waits, self.waiting = Totals(), [], [], {}
        return part

    def add(self, part: PartialTimings) -> None:
        """Add what another process has recorded."""
        self.totals += part.totals
        self.tests += part.tests
        self._callback_waits += part.callback_waits
        self.waiting.update(part.waiting)

    def report(self) -> list[str]:
        """Return the table of the slowest tests as lines, if asked for."""
        if self._durations is None or not self.tests:
            return []
        count = self._durations or len(self.tests)
        slowest = heapq.nlargest(count, self.tests, key=lambda test: test.total)
        tests = "coroutine test" if len(slowest) == 1 else f"{len(slowest)} coroutine tests"
        return [f"The slowest {tests}, in seconds:", "", *_table(slowest), ""]

    def summary(self) -> list[str]:
        """Return a line on all tests, and lines on long waits; empty if no coroutine test ran."""
        count, total, waiting, skipped, unknown = self.totals
        if not self.is_recorded or not count:
            return []
        tests = f"{count} coroutine test{'s' * (count != 1)}"
        but = f" (not known for {unknown} of them)" if unknown else ""
        saved = f", {_long(skipped)} s were saved by virtual time" if skipped else ""
        known = f"{waiting:.2f} s of it waiting{but}" if unknown < count else "waiting not known"
        return [
            f"{tests}: {total:.2f} s in all, {known}{saved}",
            *(f"{name} {what}" for name, what in self._callback_waits),
        ]


def _long(seconds: float) -> str:
    """Return seconds as text. Virtual time can save more of them than a column is wide."""
    return f"{seconds:.2f}" if seconds < _MANY else f"{seconds:.3g}"


def _table(tests: Iterable[TimedTest]) -> list[str]:
    lines = ["  ".join(f"{word:>8}" for word in _HEAD)]
    for name, total, waits in tests:
        waited = (waits.total, waits.timers, waits.files, waits.threads, total - waits.total)
        known = [f"{seconds:8.2f}" if waits.is_known else f"{'?':>8}" for seconds in waited]
        lines += ["  ".join([f"{total:8.2f}", *known, " ".join(name.split())])]
        for line, longest in (waits.lines or {}).items():
            lines.append(f"{'':10}{longest:.2f} s at {line.place}  {line.source}"[:110])
        if waits.avoidable:
            lines.append(f"{'':10}virtual time would save {waits.avoidable:.2f} s")
        if waits.skipped:
            lines.append(f"{'':10}virtual time has saved {_long(waits.skipped)} s")
    return lines
