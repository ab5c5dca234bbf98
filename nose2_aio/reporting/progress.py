"""How far the run is, on a terminal: done of all, failed, running, and what has run for longest.

1. The line is drawn when a test begins, at most every 0.1 s, and by an alarm every 0.5 s. The alarm
   is a signal. Where there is none, the line stays as it is while a test runs.
2. It replaces the dots of nose2. A failure is shown above the line when it happens.

With the package ``tqdm``, the line has a bar, and the time that is left.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol
from unittest import TestCase

from nose2_aio.config.seconds import monotonic
from nose2_aio.eventloop.alarms import Alarm
from nose2_aio.introspection.debuggers import is_debugged, is_in_debugger
from nose2_aio.reporting.failure_lines import FailureLine
from nose2_aio.reporting.live_line import LiveLine
from nose2_aio.reporting.outcomes import Listener, Outcome

__all__ = ["Progress", "RunState"]

_INTERVAL = 0.1
"""Seconds between two drawings, at least."""
_TICK = 0.5
"""Seconds between two drawings while no test begins."""
_BAR = "{bar:10} {percentage:3.0f}% {remaining} left, "
_OUTCOME_HOOKS = (
    *("reportSuccess", "reportFailure", "reportError", "reportSkip", "reportOtherOutcome"),
    *("reportExpectedFailure", "reportUnexpectedSuccess"),
)
"""nose2's hooks before it prints a dot, or a letter."""


class RunState(Protocol):
    """What the progress must know of the run."""

    planned: int
    """How many tests are to run."""
    is_replaying: bool
    """True while nose2 is told what has happened in a worker process: that was shown already."""


class Progress(Listener):
    """The progress of a run."""

    def __init__(
        self,
        run: RunState,
        running: Callable[[], Sequence[tuple[str, float]]],
        line: LiveLine,
        write: Callable[[str], Any],
    ) -> None:
        """``write`` writes a line to the report of nose2.

        ``running`` returns the ids of the tests that run, and for how many seconds they have run.
        """
        self._run = run
        self._running = running
        self._line = line
        self._write = write
        self._done = self._failed = 0
        self._began = monotonic()
        self._next = 0.0
        """When the line may be drawn again."""
        self._has_dots = False
        """True if nose2 would print dots."""
        self._alarm = Alarm()
        self._tqdm: Any = None
        with contextlib.suppress(ImportError):
            self._tqdm = importlib.import_module("tqdm").tqdm

    def register(self, hooks: Any, *, has_dots: bool) -> None:
        """Register at the hooks of a nose2 session."""
        self._has_dots = has_dots
        for name in ("stopTestRun", *(_OUTCOME_HOOKS if has_dots else ())):
            hooks.register(name, self)
        self._set_alarm(self._began)

    def begin(self, _: Any) -> None:
        """Take a test that begins."""
        now = monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            if self._has_dots:  # else nose2 has begun a line on a test
                self._line.end_unfinished()
            self._draw(now)

    def end(self, outcome: Outcome) -> None:
        """Take what became of a test, or of a fixture that failed."""
        if self._run.is_replaying:
            return
        self._done += isinstance(outcome.test, TestCase)
        if outcome.status in ("failed", "error"):
            self._failed += 1
            self._line.end_unfinished()
            label = "FAIL" if outcome.status == "failed" else "ERROR"
            self._write(str(FailureLine(label, outcome)))

    def stopTestRun(self, _: Any) -> None:  # noqa: N802 -- nose2's name
        """Erase the line."""
        self._alarm.close()
        self._line.close()

    def _hide(self, event: Any) -> None:
        event.handled = True

    reportSuccess = reportFailure = reportError = reportSkip = reportOtherOutcome = _hide  # noqa: N815
    reportExpectedFailure = reportUnexpectedSuccess = _hide  # noqa: N815

    def _draw(self, now: float) -> None:
        self._set_alarm(now)
        self._line.draw(self._text(now))

    def _set_alarm(self, now: float) -> None:
        if self._alarm.is_signal:
            self._alarm.set((now + _TICK, self._ring))

    def _ring(self, frame: FrameType | None) -> None:
        with contextlib.suppress(Exception):  # it would be raised in the test
            now = monotonic()
            if is_debugged() or is_in_debugger(frame):
                self._set_alarm(now)
            else:
                self._draw(now)

    def _text(self, now: float) -> str:
        running = self._running()
        parts = [f"{self._done:,} of {self._run.planned:,} tests"]
        if self._failed:
            parts.append(f"{self._failed:,} failed")
        if len(running) > 1:
            parts.append(f"{len(running)} running")
        if running:
            name, seconds = max(running, key=lambda one: one[1])
            parts.append(
                name.partition("\n")[0] + (f" for {int(seconds)} s" if seconds >= 1 else "")
            )
        return f"{self._bar(now)}{', '.join(parts)}"

    def _bar(self, now: float) -> str:
        if self._tqdm is None or not self._run.planned:
            return ""
        return str(
            self._tqdm.format_meter(
                self._done, self._run.planned, now - self._began, bar_format=_BAR
            )
        )
