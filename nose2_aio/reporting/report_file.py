"""The file of ``--aio-report``: what became of each test and how long it took, as JSON.

``docs/reference/report.schema.json`` is the schema of the format.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import TestCase

from nose2_aio.config import tag_lookup
from nose2_aio.errors import AioError
from nose2_aio.reporting.failures import Failure
from nose2_aio.reporting.outcomes import Listener, Outcome
from nose2_aio.reporting.timings import TimedTest, Timings

__all__ = ["VERSION", "ReportFile"]

VERSION = 2
"""The version of the format. It changes when a field changes its meaning, or is gone."""


class ReportFile(Listener):
    """Collects the outcomes of a run, and writes them."""

    def __init__(self, path: str) -> None:
        """Write to ``path``; to no file if it is ""."""
        self._path = path
        if path:
            import json  # noqa: F401 -- now, since a test may leave no file to open
        self._tests: list[dict[str, Any]] = []
        self._fixtures: list[dict[str, Any]] = []
        """The fixtures that failed, or that skipped their tests."""

    def end(self, outcome: Outcome) -> None:
        """Add a test or a fixture."""
        place = outcome.place
        row = {
            "id": outcome.name,
            "outcome": outcome.status,
            "file": None if place is None else place.shown_file,
            "line": None if place is None else place.line,
            "message": outcome.message,
        }
        if isinstance(outcome.test, TestCase):
            self._tests.append({**row, "tags": _tags(outcome), "seconds": outcome.seconds})
        else:
            self._fixtures.append(row)

    def write(self, timings: Timings, failures: Iterable[Failure]) -> list[str]:
        """Write the file; return lines that say why that failed, if it did."""
        if not self._path:
            return []
        import json

        report = _rounded(self._as_json(timings, failures))
        text = json.dumps(report, indent=2, ensure_ascii=False)
        try:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            Path(self._path).write_text(text + "\n", "utf-8", "backslashreplace")
        except OSError as error:
            return [f"The report could not be written: {error}", ""]
        return []

    def _as_json(self, timings: Timings, failures: Iterable[Failure]) -> dict[str, Any]:
        tries = {one.name: (one.tries, bool(one.flaky)) for one in failures}
        timed: dict[str, deque[TimedTest]] = {}  # with ``repeat``, a test has several times
        for test in timings.tests:
            timed.setdefault(test.name.partition("\n")[0], deque()).append(test)
        for row in self._tests:
            row["tries"], row["flaky"] = tries.get(row["id"], (1, False))
            row.update(_times(timed[row["id"]].popleft() if timed.get(row["id"]) else None))
        totals = timings.totals
        return {
            "version": VERSION,
            "totals": {
                "tests": len(self._tests),
                "outcomes": Counter(row["outcome"] for row in self._tests),
                "flaky": sum(row["flaky"] for row in self._tests),
                "seconds": sum(row["seconds"] for row in self._tests),
                "coroutine_tests": totals.tests,
                "waiting": totals.waiting,
                "waiting_unknown": totals.unknown,
                "virtual_time_saved": totals.skipped,
            },
            "tests": self._tests,
            "fixtures": self._fixtures,
        }


def _tags(outcome: Outcome) -> dict[str, Any]:
    try:
        return tag_lookup.read_all(outcome.function, outcome.owner)
    except AioError:  # the test has failed with it
        return {}


def _times(test: TimedTest | None) -> dict[str, Any]:
    """Return what is known of the waits of a test: nothing, if it ran no coroutine."""
    if test is None:
        names = ("waiting", "running", "longest_wait", "virtual_time_would_save")
        return {**dict.fromkeys(names), "virtual_time_saved": 0.0}
    _, total, waits = test
    waiting = {
        "total": waits.total,
        "timers": waits.timers,
        "io": waits.files,
        "threads": waits.threads,
    }
    longest = [
        {"place": line.place, "source": line.source, "seconds": seconds}
        for line, seconds in (waits.lines or {}).items()
    ]
    return {
        "seconds": total,
        "waiting": waiting if waits.is_known else None,
        "running": max(total - waits.total, 0.0) if waits.is_known else None,
        "longest_wait": longest[0] if longest else None,
        "virtual_time_would_save": waits.avoidable if waits.is_known else None,
        "virtual_time_saved": waits.skipped,
    }


def _rounded(value: Any) -> Any:
    """Return data for JSON with all its seconds rounded to microseconds."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value
