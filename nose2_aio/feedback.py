"""What users see of a run besides nose2's reports: progress, colours, failure lines, annotations.

Only the progress costs time for each test. All else is read from nose2's lists at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nose2_aio.cases.outcome_recorder import outcome_of
from nose2_aio.config.seconds import monotonic
from nose2_aio.reporting import github
from nose2_aio.reporting.failure_lines import FailureLine
from nose2_aio.reporting.failures import LABELS
from nose2_aio.reporting.terminals import has_colors, terminal_of
from nose2_aio.run import Run

__all__ = ["Feedback"]


class Feedback:
    """The feedback of one run. It gets hooks of nose2 itself, after the plugin."""

    def __init__(self, run: Run, environment: Mapping[str, str] = os.environ) -> None:
        self._run = run
        self._environment = environment
        self._reporters: Sequence[Any] = ()

    def begin(self, session: Any, reporters: Sequence[Any]) -> None:
        """Begin the run; ``reporters`` are the plugins of nose2 that print its reports."""
        self._reporters = reporters
        session.hooks.register("beforeSummaryReport", self)
        if self._is_on_github:
            session.hooks.register("afterSummaryReport", self)
        for reporter in reporters:
            terminal = terminal_of(reporter.stream)
            if has_colors(self._environment, is_terminal=terminal is not None):
                from nose2_aio.reporting import colors

                reporter.stream.stream = colors.ColorStream(reporter.stream.stream)
            if terminal is not None and self._has_progress(session.verbosity):
                self._show_progress(session, reporter, terminal)

    def _has_progress(self, verbosity: int) -> bool:
        """Return True if the progress is to be shown on a terminal.

        With ``-v``, a line says which test runs. But with workers, that comes when it has ended.
        """
        settings = self._run.settings
        is_off = settings.progress == "off" or bool(self._environment.get("CI"))
        is_quiet = verbosity < 1 or (verbosity > 1 and not settings.workers)
        return not (is_off or is_quiet or self._environment.get("TERM") == "dumb")

    def _show_progress(self, session: Any, reporter: Any, terminal: int) -> None:
        from nose2_aio.reporting.live_line import LiveLine
        from nose2_aio.reporting.progress import Progress

        streams = [one for one in (sys.stdout, sys.stderr) if terminal_of(one) is not None]
        line = LiveLine(terminal, streams)
        progress = Progress(self._run, self._running, line, reporter.stream.writeln)
        progress.register(session.hooks, has_dots=session.verbosity == 1)
        self._run.outcomes.listeners.append(progress)
        self._run.outcomes.early_listeners.append(progress)

    def _running(self) -> Sequence[tuple[str, float]]:
        """Return the ids of the tests that run, and for how many seconds they have run."""
        workers, running = self._run.workers, self._run.adapter.running()
        if workers is not None and workers.is_running:
            return workers.running()
        return [] if running is None else [(running.name, monotonic() - running.began)]

    @property
    def _is_on_github(self) -> bool:
        settings = self._run.settings
        is_there = self._environment.get("GITHUB_ACTIONS") == "true"
        return is_there and settings.ci_annotations == "auto"

    def beforeSummaryReport(self, event: Any) -> None:  # noqa: N802 -- nose2's name
        """Print a line for each failure, if there are several: the report of one is right above."""
        found = _failures(event)
        if len(found) > 1:
            for line in [*map(str, found), ""]:
                event.stream.writeln(line)

    def afterSummaryReport(self, event: Any) -> None:  # noqa: N802 -- nose2's name
        """Print an annotation for each failure, and append to the summary of the job."""
        found = _failures(event)
        workspace = self._environment.get("GITHUB_WORKSPACE", "")
        for one in found:
            event.stream.writeln(github.annotation(one, workspace))
        path = self._environment.get("GITHUB_STEP_SUMMARY")
        try:
            if path:
                with Path(path).open("a", encoding="utf-8") as file:
                    file.write(github.summary(found, self._verdict(event, len(found))))
        except OSError as error:
            event.stream.writeln(f"ci-annotations: no summary could be written: {error}")

    def _verdict(self, event: Any, failures: int) -> str:
        """Return the result of the run in one line."""
        ran = sum(reporter.testsRun for reporter in self._reporters)
        tests = f"{ran} test{'s' * (ran != 1)} in {event.stopTestEvent.timeTaken:.1f} s"
        found = f"{failures} failure{'s' * (failures != 1)} in " if failures else ""
        is_good = event.stopTestEvent.result.wasSuccessful()
        return f"{'OK' if is_good else 'FAILED'}: {found}{tests}"


def _failures(event: Any) -> list[FailureLine]:
    """Return the failures in the order of nose2's reports, given its event for the summary."""
    return [
        FailureLine(label, outcome_of(one.test, [one]))
        for category, label in LABELS.items()
        for one in event.reportCategories.get(category, ())
    ]
