"""An account of what the coroutine tests of a run have cost: how long they ran, and waited.

It is told in a line with ``-v``, in a table by ``--aio-durations``, and in a file of JSON by
``--aio-report``, whose form `VERSION` stands for: see ``docs/waiting.rst``.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from nose2_aio.config.settings import Settings
from nose2_aio.eventloop.wait_times import WaitTimes

__all__ = ["VERSION", "Cost", "Part", "Timings", "Total"]

VERSION = 1
"""The version of the form of the report."""
_MANY = 1e9
_HEAD = ("total", "waiting", "timers", "I/O", "threads", "running")


class Cost(NamedTuple):
    """What one test has cost, in seconds."""

    name: str
    total: float
    timers: float
    files: float
    threads: float
    is_known: bool
    """Whether it is known how long it has waited."""
    place: str
    """The line where it has waited longest: ``file:line in function``; "" for none."""
    source: str
    longest: float
    """How long it has waited there."""
    avoidable: float
    """What virtual time would have saved."""
    skipped: float
    """What virtual time has saved."""

    @property
    def waiting(self) -> float:
        """How long it has waited in all."""
        return self.timers + self.files + self.threads

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in the report."""
        waiting = {
            "total": self.waiting,
            "timers": self.timers,
            "io": self.files,
            "threads": self.threads,
        }
        longest = {"place": self.place, "source": self.source, "seconds": self.longest}
        return {
            "id": self.name,
            "seconds": self.total,
            "waiting": waiting if self.is_known else None,
            "running": max(self.total - self.waiting, 0.0) if self.is_known else None,
            "longest_wait": longest if self.place else None,
            "virtual_time_would_save": self.avoidable if self.is_known else None,
            "virtual_time_saved": self.skipped,
        }


class Total(NamedTuple):
    """What all tests have cost, in seconds."""

    tests: int = 0
    total: float = 0.0
    waiting: float = 0.0
    skipped: float = 0.0
    unknown: int = 0
    """How many of them were on loops that don't tell how long they have waited."""

    def __add__(self, other: Any) -> Total:
        return Total(*(own + others for own, others in zip(self, other, strict=True)))


class Part(NamedTuple):
    """The account of one share of the tests."""

    total: Total
    costs: tuple[Cost, ...]


class Timings:
    """The account of a run."""

    def __init__(self, settings: Settings, *, is_kept: bool) -> None:
        self._durations = settings.durations
        self._path = settings.report
        self._is_detailed = settings.durations is not None or bool(settings.report)
        self.is_kept = is_kept or self._is_detailed
        """Whether somebody wants to know."""
        self._total = Total()
        self._costs: list[Cost] = []

    def begin(self) -> WaitTimes:
        """Return what a test has to note its waits in."""
        return WaitTimes(is_detailed=self._is_detailed)

    def note(self, name: str, seconds: float, waits: WaitTimes) -> None:
        """Note what a test has cost."""
        self._total += Total(1, seconds, waits.total, waits.skipped, int(not waits.is_known))
        if self._is_detailed:
            line, longest = waits.longest or (None, 0.0)
            self._costs.append(
                Cost(
                    name,
                    seconds,
                    waits.timers,
                    waits.files,
                    waits.threads,
                    waits.is_known,
                    "" if line is None else line.place,
                    "" if line is None else line.source,
                    longest,
                    waits.avoidable,
                    waits.skipped,
                )
            )

    @property
    def has_any(self) -> bool:
        """True if anything was noted since it was taken."""
        return bool(self._total.tests)

    def take(self) -> Part:
        """Return what was noted, and forget it."""
        part = Part(self._total, tuple(self._costs))
        self._total, self._costs = Total(), []
        return part

    def add(self, part: Part) -> None:
        """Add what was noted elsewhere."""
        self._total += part.total
        self._costs += part.costs

    def slowest(self) -> list[str]:
        """Return the table of the slowest tests, in lines, and write the report."""
        lines: list[str] = []
        if self._path:
            text = json.dumps(_rounded(self._as_json()), indent=2, ensure_ascii=False)
            try:
                Path(self._path).write_text(text + "\n", "utf-8", "backslashreplace")
            except OSError as error:
                lines += [f"The report could not be written: {error}", ""]
        if self._durations is None or not self._costs:
            return lines
        count = self._durations or len(self._costs)
        slowest = heapq.nlargest(count, self._costs, key=lambda cost: cost.total)
        tests = "coroutine test" if len(slowest) == 1 else f"{len(slowest)} coroutine tests"
        return [*lines, f"The slowest {tests}, in seconds:", "", *_table(slowest), ""]

    def summary(self) -> str:
        """Return the one line on all of it; "" where no coroutine test ran."""
        count, total, waiting, skipped, unknown = self._total
        if not self.is_kept or not count:
            return ""
        tests = f"{count} coroutine test{'s' * (count != 1)}"
        but = f" (not known for {unknown} of them)" if unknown else ""
        saved = f", {_long(skipped)} s were saved by virtual time" if skipped else ""
        return f"{tests}: {total:.2f} s in all, {waiting:.2f} s of it waiting{but}{saved}"

    def _as_json(self) -> dict[str, Any]:
        count, total, waiting, skipped, unknown = self._total
        return {
            "version": VERSION,
            "count": count,
            "unknown": unknown,
            "seconds": total,
            "waiting": waiting,
            "virtual_time_saved": skipped,
            "tests": [cost.as_json() for cost in self._costs],
        }


def _long(seconds: float) -> str:
    """Return seconds of virtual time, which may be very many, as text."""
    return f"{seconds:.2f}" if seconds < _MANY else f"{seconds:.3g}"


def _rounded(value: Any) -> Any:
    """Return what is going to be JSON, its seconds to the microsecond."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value


def _table(costs: Iterable[Cost]) -> list[str]:
    lines = ["  ".join(f"{word:>8}" for word in _HEAD)]
    for cost in costs:
        waited = (cost.waiting, cost.timers, cost.files, cost.threads, cost.total - cost.waiting)
        known = [f"{seconds:8.2f}" if cost.is_known else f"{'?':>8}" for seconds in waited]
        lines += ["  ".join([f"{cost.total:8.2f}", *known, " ".join(cost.name.split())])]
        if cost.place:
            at = f"{cost.longest:.2f} s at {cost.place}"
            lines.append(f"{'':10}{at}  {cost.source}"[:110])
        if cost.avoidable:
            lines.append(f"{'':10}virtual time would save {cost.avoidable:.2f} s")
        if cost.skipped:
            lines.append(f"{'':10}virtual time has saved {_long(cost.skipped)} s")
    return lines
