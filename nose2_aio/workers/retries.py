"""Runs failed tests again at the end of the run. A test that passes then is flaky.

Each test runs alone, in a fresh worker process, at most as many times as its tag or the setting
says. A flaky test keeps the report of its first failure. nose2's summary and the JUnit report have
a category for flaky tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import TestCase

from nose2_aio.cases import nose2_cases
from nose2_aio.config import tag_lookup
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError

__all__ = ["Failure", "Failures", "Flaky", "mark_in_junit", "move_to_category", "retry"]

_CATEGORY = "flaky"
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
    is_flaky: bool = False
    """True if it has passed at last."""


class Flaky:
    """A test that has failed, and has passed when it ran again."""

    def __init__(self, failure: Failure, concurrent: Sequence[str] | None) -> None:
        """``concurrent`` has the ids of the tests that ran at the same time when it failed.

        None if tests ran in the main process, one at a time.
        """
        self.test = failure.test
        self.events = failure.events
        lines = [f"flaky: it passed on try {failure.tries}, alone in a fresh worker process"]
        if concurrent:
            shown = [f"  {name}" for name in concurrent[:_MOST]]
            left = len(concurrent) - _MOST
            more = [f"  and {left} more"] if left > 0 else []
            lines += ["When it failed, these tests ran at the same time:", *shown, *more]
        elif concurrent is not None:
            lines += ["When it failed, no other test ran at the same time."]
        self.note = "\n".join(lines)


class Failures:
    """The tests that have failed so far."""

    def __init__(self) -> None:
        self._found: dict[int, Failure] = {}

    def __iter__(self) -> Iterator[Failure]:
        return iter(self._found.values())

    def name_of(self, event: Any) -> str:
        """Return the name of the test that the event reports first; "" if it reports none."""
        for failure in self:
            if failure.events[0] is event:
                return str(failure.test.id())
        return ""

    def tries(self) -> dict[str, tuple[int, bool]]:
        """Return how often each failed test ran, and if it is flaky, by its id."""
        return {one.test.id().partition("\n")[0]: (one.tries, one.is_flaky) for one in self}

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
) -> tuple[list[Flaky], str]:
    """Run failed tests again; return the flaky ones, and a line that says what was done.

    ``run_alone`` runs a test and returns True if it passes, None after Ctrl-C.
    ``concurrent_tests`` returns the ids of the tests that ran at the same time, see `Flaky`.
    """
    found: list[Flaky] = []
    count, began = 0, monotonic()
    for failure in failures:
        most = max_retries(failure.test, settings)
        count += most > 0
        while failure.tries <= most and not failure.is_flaky:
            is_passed = run_alone(failure.test)
            if is_passed is None:
                return found, "retries: interrupted"
            failure.tries += 1
            failure.is_flaky = is_passed
        if failure.is_flaky:
            found.append(Flaky(failure, concurrent_tests(failure.test)))
    tests = f"{count} failed test{'s' * (count != 1)}"
    line = f"retries: {tests} run again in {monotonic() - began:.1f} s, {len(found)} flaky"
    return found, line if count else ""


def move_to_category(
    flaky: Iterable[Flaky], categories: dict[str, list[Any]], *, is_failure: bool
) -> None:
    """Move the events of flaky tests to a category of their own in nose2's report.

    ``categories`` are those of nose2, and change. Unless ``is_failure``, the run can still succeed.
    """
    moved = {id(event) for one in flaky for event in one.events}
    for name in ("errors", "failures"):
        events = categories.get(name, [])
        found = [event for event in events if id(event) in moved]
        if found:
            events[:] = [event for event in events if id(event) not in moved]
            categories.setdefault(_CATEGORY, []).extend(found)
            for event in () if is_failure else found:
                event.outcome = _CATEGORY  # else the run would count as failed


def mark_in_junit(reporter: Any, flaky: Iterable[Flaky]) -> None:
    """Mark flaky tests in the report that nose2's plugin ``junitxml`` is about to write."""
    notes = {one.test.id().partition("\n")[0]: one.note for one in flaky}
    for case in reporter.tree.iter("testcase"):
        note = notes.get(f"{case.get('classname')}.{case.get('name')}".split(" (")[0])
        for child in list(case) if note else ():
            if child.tag in ("error", "failure"):
                reporter.errors -= child.tag == "error"
                reporter.failed -= child.tag == "failure"
                child.tag = "flakyError" if child.tag == "error" else "flakyFailure"
                child.text = f"{child.text}\n{note}\n"
