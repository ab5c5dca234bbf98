"""The tests that have failed so far in a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from unittest import TestCase

__all__ = ["LABELS", "Failure", "Failures"]

LABELS: Mapping[str, str] = {"errors": "ERROR", "failures": "FAIL", "flaky": "FLAKY"}
"""The categories of nose2's report that have failures, in its order, and how each line begins."""


class Failure:
    """A test that has failed."""

    tries = 1
    """How often it ran."""
    flaky = ""
    """If it has passed when it ran again: lines on that."""

    def __init__(self, test: Any) -> None:
        self.test = test
        self.events: list[Any] = []
        """nose2's outcome events that report the failure: several if subtests have failed."""

    @property
    def name(self) -> str:
        """The id of the test, without the values of its parameters."""
        return str(self.test.id()).partition("\n")[0]


class Failures:
    """The tests that have failed so far."""

    def __init__(self) -> None:
        self._found: dict[int, Failure] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Failure]:
        return iter(self._found.values())

    def reported_by(self, event: Any) -> Failure | None:
        """Return the failure that the event reports first; None if it reports none."""
        return next((one for one in self if one.events[0] is event), None)

    def note(self, event: Any) -> None:
        """Note a test if it has failed, given the event of nose2's hook ``testOutcome``."""
        if event.exc_info is None or event.expected:
            return
        test = getattr(event.test, "test_case", event.test)  # the test of a subtest
        if not isinstance(test, TestCase):  # a fixture
            return
        self._found.setdefault(id(test), Failure(test)).events.append(event)
