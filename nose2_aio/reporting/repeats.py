"""Counts how often each test passes, if the setting ``repeat`` runs each test several times."""

from __future__ import annotations

from nose2_aio.reporting.outcomes import Listener, Outcome

__all__ = ["PassCounts"]


class PassCounts(Listener):
    """How often each test ran, and how often it passed. A skip counts as a pass."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        """The number of runs and of passes, by the id of the test."""

    def end(self, outcome: Outcome) -> None:
        """Count one run of a test, or a fixture that failed."""
        counts = self._counts.setdefault(outcome.name, [0, 0])
        counts[0] += 1
        counts[1] += not outcome.has_failed

    def lines(self) -> list[str]:
        """Return a line for each test that did not always pass."""
        return [
            f"{name}: passed {passed} of {runs} times"
            for name, (runs, passed) in self._counts.items()
            if passed < runs
        ]
