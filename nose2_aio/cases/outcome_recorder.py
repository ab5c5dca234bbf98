"""Makes one outcome of nose2's events for a test, and tells the listeners of it.

nose2 has an event for the start of a test, one or more for what becomes of it, and one for its end.
There are several if it has subtests, or if a fixture fails after it. Then the first failure counts.
Only the last two kinds of events come for a test that is skipped on some Pythons, and only the
second for a fixture of a class, a module or a layer.
"""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Sequence
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.errors import AioError, CheckError, UnsentError
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.reporting.outcomes import (
    FAILED,
    FINDING,
    Listener,
    Outcome,
    Place,
    place_in,
    place_of_finding,
)
from nose2_aio.reporting.verdicts import VERDICTS

__all__ = ["OutcomeRecorder", "outcome_of"]

_TRACEBACK = "Traceback (most recent call last):"
"""The second line of the error of a module that could not be loaded."""
_OURS = f"{AioError.__module__}."
_HOOKS = ("startTest", "testOutcome", "stopTest")


class OutcomeRecorder:
    """Makes the outcomes of a run. It needs no events while it has no listeners."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.early_listeners: list[Listener] = []
        """Get the outcomes of tests in workers too, at once, and not in the order of the suite."""
        self._start: Any = None
        """The event of the test that runs; None between two tests."""
        self._events: list[Any] = []
        """What became of that test so far."""

    def register(self, hooks: Any) -> None:
        """Register at the hooks of a nose2 session, if there are listeners."""
        for hook in _HOOKS if self.listeners else ():
            hooks.register(hook, self)

    def startTest(self, start: Any) -> None:  # noqa: N802 -- nose2's name
        """Take nose2's event for the start of a test."""
        self._start, self._events = start, []
        for listener in self.listeners:
            listener.begin(start.test)

    def testOutcome(self, event: Any) -> None:  # noqa: N802 -- nose2's name
        """Take nose2's event for what has become of a test or a fixture."""
        if self._start is None:
            self._tell(outcome_of(event.test, [event]))
        else:
            self._events.append(event)

    def stopTest(self, stop: Any) -> None:  # noqa: N802 -- nose2's name
        """Take nose2's event for the end of a test."""
        if self._start is not None:
            start, self._start = self._start, None
            seconds = max(0.0, stop.stopTime - start.startTime)
            self._tell(outcome_of(start.test, self._events, seconds))

    def _tell(self, outcome: Outcome) -> None:
        for listener in self.listeners:
            listener.end(outcome)


def outcome_of(test: Any, events: Sequence[Any], seconds: float = 0.0) -> Outcome:
    """Return what became of a test, or of a fixture, given nose2's events of ``testOutcome``."""
    statuses = [_status(event) for event in events]
    failures = [event for event in events if _status(event) in FAILED]
    event = (failures or events or [None])[0]
    status = _status(event) if failures else (statuses or ["passed"])[-1]
    is_test = isinstance(test, TestCase)
    function, owner = nose2_cases.function_and_owner(test) if is_test else (None, object)
    return Outcome(
        test,
        _name(test),
        status,
        seconds,
        _message(event),
        _place_of_failure(event) or _definition(function),
        function,
        owner,
        tuple(events),
    )


def _name(test: Any) -> str:
    """Return the id of a test, or the name of a fixture."""
    if isinstance(test, TestCase):
        return str(test.id()).partition("\n")[0]
    return nose2_cases.fixture_name(test)


def _status(event: Any) -> str:
    """Return the status that one event of nose2 stands for."""
    if event.outcome == "skipped":
        return "skipped"
    if event.exc_info is None:
        return "passed" if event.expected or event.outcome == "subtest" else "unexpected success"
    if event.expected:
        return "expected failure"
    if event.outcome != "subtest":
        return "failed" if event.outcome == "failed" else "error"
    return "failed" if issubclass(event.exc_info[0], event.test.failureException) else "error"


def _message(event: Any) -> str:
    """Return the first line of an error that says something, or the reason of a skip.

    If a module could not be loaded, it is the last line: the text has the traceback of the cause.
    Of a group, it has the first exception in it, too.
    """
    if event is None or event.exc_info is None:
        return str(getattr(event, "reason", None) or "")
    kind, error, _ = event.exc_info
    text = _words(error).removeprefix(_OURS)
    lines = [line for line in text.splitlines() if line.strip()]
    if lines[1:2] == [_TRACEBACK]:
        return lines[-1]
    verdict = next((line for line in lines[1:3] if line.startswith(VERDICTS)), "")
    if verdict and issubclass(kind, AioError):
        return f"{kind.__name__}: {verdict}"
    if lines[0].endswith(":") and lines[1:]:  # such as that of a `CheckError`
        return f"{kind.__name__}: {re.sub(FINDING, '', lines[1].strip())}"
    return lines[0]


def _words(error: BaseException) -> str:
    """Return an error with its type, without its traceback."""
    is_sent = isinstance(error, UnsentError)  # the text of another error
    return str(error) if is_sent else tracebacks.in_words(error)


def _place_of_failure(event: Any) -> Place | None:
    """Return where a test failed; None if that is not known, or if it has not failed.

    The words of an error may have a traceback too. That counts only if there is no other, as for a
    module that could not be loaded, or if the words are those of a group.
    """
    if event is None or event.exc_info is None:
        return None
    kind, error, frames = event.exc_info
    is_text = isinstance(frames, str)
    text = frames if is_text else "".join(traceback.format_exception(kind, error, frames))
    is_group = issubclass(kind, BaseExceptionGroup)
    head = "" if is_group else text.rpartition(_words(error))[0]
    found = place_in(head) or place_in(text)
    is_finding = found is None and issubclass(kind, CheckError)  # it has no traceback
    return place_of_finding(str(error)) if is_finding else found


def _definition(function: Any) -> Place | None:
    """Return where a function is defined; None if that is not known."""
    code = getattr(locations.unwrap(function), "__code__", None)
    return Place(code.co_filename, code.co_firstlineno) if inspect.iscode(code) else None
