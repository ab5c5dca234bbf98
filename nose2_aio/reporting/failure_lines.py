"""One line for each failure: the test, ``file:line``, and the first line of the error."""

from typing import NamedTuple

from nose2_aio.reporting.outcomes import Outcome

__all__ = ["FailureLine"]

_LONGEST = 200
"""How long a message may be."""


class FailureLine(NamedTuple):
    """One failure."""

    label: str
    """One of the values of `nose2_aio.reporting.failures.LABELS`."""
    outcome: Outcome

    @property
    def message(self) -> str:
        """The first line of the error, or as much of it as is shown."""
        text = self.outcome.message
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

    def __str__(self) -> str:
        """Return ``FAIL test_x.Case.test_y, test_x.py:12: AssertionError: 1 != 2``."""
        place = f", {self.outcome.place}" if self.outcome.place else ""
        return f"{self.label} {self.outcome.name}{place}: {self.message}"
