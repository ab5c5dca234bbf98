"""Counts how often each test passes, if the setting ``repeat`` runs each test several times."""

from __future__ import annotations

from typing import Any

__all__ = ["PassCounts"]


class PassCounts:
    """How often each test ran, and how often it passed."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        """The number of runs and of passes, by the id of the test."""

    def note(self, event: Any) -> None:
        """Count one outcome, given the event of nose2's hook ``testOutcome``.

        A skip and an expected failure count as passes. A test with failed subtests has an outcome
        for each of them.
        """
        test = event.test
        name = str(test.id() if hasattr(test, "id") else test).partition("\n")[0]
        counts = self._counts.setdefault(name, [0, 0])
        counts[0] += 1
        counts[1] += event.outcome == "skipped" or event.exc_info is None or bool(event.expected)

    def lines(self) -> list[str]:
        """Return a line for each test that did not always pass."""
        return [
            f"{name}: passed {passed} of {runs} times"
            for name, (runs, passed) in self._counts.items()
            if passed < runs
        ]
