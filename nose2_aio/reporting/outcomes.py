"""What became of each test and each fixture that failed: one `Outcome`, for reports of all kinds.

`nose2_aio.cases.outcome_recorder` makes the outcomes from nose2's events.
"""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from nose2_aio.introspection import locations

__all__ = ["FAILED", "FINDING", "Listener", "Outcome", "Place", "place_in", "place_of_finding"]

FAILED = ("failed", "error", "unexpected success")
"""The statuses that fail a run."""
_LINE = r'(?m)^[ |]*File "(?P<file>.+)", line (?P<line>\d+)'
"""A line of a traceback; inside the report of an exception group, there are bars before it."""
FINDING = r"(?m)^(?P<file>\S.*?):(?P<line>\d+) in .*?: "
"""The place of a finding of the checks."""


class Place(NamedTuple):
    """A line of the user's code."""

    file: str
    """The absolute path."""
    line: int

    @property
    def shown_file(self) -> str:
        """The path as seen from the current directory, if the file is below it."""
        below = os.path.relpath(self.file)
        return self.file if below.startswith(os.pardir) else below

    def __str__(self) -> str:
        """Return ``file:line``, with the path as seen from the current directory."""
        return f"{self.shown_file}:{self.line}"


class Outcome(NamedTuple):
    """What became of a test, or of a fixture that failed."""

    test: Any
    """The test case; for a fixture, the object that unittest reports in its place."""
    name: str
    """The id of the test, such as ``test_account.Account.test_withdraw``."""
    status: str
    """``passed``, ``skipped``, ``expected failure`` or one of `FAILED`."""
    seconds: float
    """How long it took, with the fixtures of the test; 0 for a fixture of a class or a module."""
    message: str
    """The first line of the error, or the reason of a skip; "" for none."""
    place: Place | None
    """Where the test failed, or else where it is defined; None if neither is known."""
    function: Any = None
    """The user's function that is the test."""
    owner: type = object
    """The user's class that the test is in, if there is one."""
    events: tuple[Any, ...] = ()
    """nose2's events of the hook ``testOutcome``; a test with subtests has several."""

    @property
    def has_failed(self) -> bool:
        """True if this outcome fails the run."""
        return self.status in FAILED


class Listener:
    """Is told of each test of a run, in the order of the reports."""

    def begin(self, test: Any) -> None:
        """Take a test that begins. A skipped test may end without that."""

    def end(self, outcome: Outcome) -> None:
        """Take what became of a test, or of a fixture that failed."""


def place_in(traceback: str) -> Place | None:
    """Return the innermost line of the user's code in the text of a traceback; None for none."""
    found = [one for one in re.finditer(_LINE, traceback) if locations.is_users(one["file"])]
    return _place(found[-1]) if found else None


def place_of_finding(message: str) -> Place | None:
    """Return the line of the first finding in the message of an error, or of what is stuck."""
    found = re.search(FINDING, message)
    return _place(found) if found else None


def _place(found: re.Match[str]) -> Place:
    file = re.sub(r"^(?:stuck|slow|blocked) at ", "", found["file"])
    return Place(str(Path(file).absolute()), int(found["line"]))
