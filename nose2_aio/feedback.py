"""What users see of a run besides nose2's reports: colours, a line for each failure, annotations.

Nothing here costs time for each test. nose2's lists of failures are read at the end of the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nose2_aio.cases.outcome_recorder import outcome_of
from nose2_aio.config.settings import Settings
from nose2_aio.reporting import colors, github
from nose2_aio.reporting.failure_lines import LABELS, FailureLine
from nose2_aio.run import Run

__all__ = ["Feedback"]


class Feedback:
    """The feedback of one run. It gets hooks of nose2 itself, after the plugin."""

    def __init__(self, run: Run, environment: Mapping[str, str] = os.environ) -> None:
        self._run = run
        self._environment = environment
        self._reporters: Sequence[Any] = ()

    def begin(self, hooks: Any, reporters: Sequence[Any]) -> None:
        """Begin the run; ``reporters`` are the plugins of nose2 that print its reports."""
        self._reporters = reporters
        hooks.register("beforeSummaryReport", self)
        if self._is_on_github:
            hooks.register("afterSummaryReport", self)
        for reporter in reporters:
            if colors.has_colors(reporter.stream, self._environment):
                reporter.stream.stream = colors.ColorStream(reporter.stream.stream)

    @property
    def _is_on_github(self) -> bool:
        settings: Settings = self._run.settings
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
