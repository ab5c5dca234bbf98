"""Runs failed tests again at the end of the run. A test that passes then is flaky.

Each test runs alone, in a fresh worker process, at most as many times as its tag or the setting
says. A flaky test keeps the report of its first failure. nose2's summary and the JUnit report have
a category for flaky tests.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.config import tag_lookup
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError

__all__ = ["Failure", "Failures", "complete_junit", "move_to_category", "retry"]

_CATEGORY = "flaky"
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML can't have."""
_NOT_IN_MP = "retries: with -N, no failed test is run again: use --aio-workers=N in its place"
_MOST = 20
"""How many of the tests that ran at the same time are shown."""


@dataclass(eq=False)
class Failure:
    """A test that has failed."""

    test: Any
    events: list[Any] = field(default_factory=list)
    """nose2's outcome events that report the failure: several if subtests have failed."""
    tries: int = 1
    """How often it ran."""
    flaky: str = ""
    """If it has passed when it ran again: lines on that."""

    @property
    def name(self) -> str:
        """The id of the test, without the values of its parameters."""
        return str(self.test.id()).partition("\n")[0]


def _describe(tries: int, concurrent: Sequence[str] | None) -> str:
    """Return lines on a flaky test.

    ``concurrent`` has the ids of the tests that ran at the same time when it failed. None if tests
    ran in the main process, one at a time.
    """
    lines = [f"flaky: it passed on try {tries}, alone in a fresh worker process"]
    if concurrent:
        shown = [f"  {name}" for name in concurrent[:_MOST]]
        left = len(concurrent) - _MOST
        more = [f"  and {left} more"] if left > 0 else []
        lines += ["When it failed, these tests ran at the same time:", *shown, *more]
    elif concurrent is not None:
        lines += ["When it failed, no other test ran at the same time."]
    return "\n".join(lines)


class Failures:
    """The tests that have failed so far."""

    def __init__(self) -> None:
        self._found: dict[int, Failure] = {}

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


def max_retries(test: Any, settings: Settings) -> int:
    """Return how many times a test may run again."""
    try:
        tagged = tag_lookup.read_retries(*nose2_cases.function_and_owner(test))
    except InvalidValueError:  # the test has reported this error
        return 0
    return settings.retries if tagged is None else tagged


def retry(
    failures: Iterable[Failure],
    settings: Settings,
    run_alone: Callable[[Any], bool | None],
    concurrent_tests: Callable[[Any], Sequence[str] | None],
) -> str:
    """Run failed tests again, and note which are flaky; return a line that says what was done.

    ``run_alone`` runs a test and returns True if it passes, None after Ctrl-C.
    ``concurrent_tests`` returns the ids of the tests that ran at the same time, or None.
    """
    count = flaky = 0
    began = monotonic()
    for failure in failures:
        most = max_retries(failure.test, settings)
        count += most > 0
        if most and multiprocessing.current_process().daemon:
            return _NOT_IN_MP
        while failure.tries <= most and not failure.flaky:
            has_passed = run_alone(failure.test)
            if has_passed is None:
                return "retries: interrupted"
            failure.tries += 1
            if has_passed:
                failure.flaky = _describe(failure.tries, concurrent_tests(failure.test))
                flaky += 1
    tests = f"{count} failed test{'s' * (count != 1)}"
    line = f"retries: {tests} run again in {monotonic() - began:.1f} s, {flaky} flaky"
    return line if count else ""


def move_to_category(
    failures: Iterable[Failure], categories: dict[str, list[Any]], *, is_failure: bool
) -> None:
    """Move the events of flaky tests to a category of their own in nose2's report.

    ``categories`` are those of nose2, and change. Unless ``is_failure``, the run can still succeed.
    """
    moved = {id(event) for one in failures if one.flaky for event in one.events}
    for name in ("errors", "failures"):
        events = categories.get(name, [])
        found = [event for event in events if id(event) in moved]
        if found:
            events[:] = [event for event in events if id(event) not in moved]
            categories.setdefault(_CATEGORY, []).extend(found)
            for event in () if is_failure else found:
                event.outcome = _CATEGORY  # else the run would count as failed


def complete_junit(
    reporter: Any, failures: Iterable[Failure], details: Callable[[Failure], list[str]]
) -> None:
    """Complete the report that nose2's plugin ``junitxml`` is about to write: mark flaky tests.

    ``details`` returns the lines to add to the text of a failure.
    """
    by_name = {one.name: one for one in failures}
    for case in reporter.tree.iter("testcase") if by_name else ():
        failure = by_name.get(f"{case.get('classname')}.{case.get('name')}".split(" (")[0])
        if failure is None:
            continue
        text = _NOT_IN_XML.sub("\ufffd", "\n".join(details(failure)))
        for child in case:
            if child.tag in ("error", "failure"):
                child.text = f"{child.text}\n{text}"
                if failure.flaky:
                    reporter.errors -= child.tag == "error"
                    reporter.failed -= child.tag == "failure"
                    child.tag = "flakyError" if child.tag == "error" else "flakyFailure"
