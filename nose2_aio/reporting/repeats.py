"""How often each test passes, where each runs several times: see the setting ``repeat``."""

from __future__ import annotations

from typing import Any

__all__ = ["Tally"]


class Tally:
    """Counts how often tests run, and pass."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def note(self, event: Any) -> None:
        """Note the outcome of a test; a test with failed subtests has one for each."""
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
