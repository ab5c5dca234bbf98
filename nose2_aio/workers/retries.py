"""Failed tests run again at the end: one that passes then is flaky.

Each runs alone, in a fresh worker process, up to as many times as its tag or the setting says. A
flaky test keeps the report of its first failure. In the summary and in JUnit's report it is of a
category of its own.
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

__all__ = ["Failure", "Failures", "Flaky", "annotate", "retry"]

CATEGORY = "flaky"
_MOST = 20
"""How many of the tests that ran at the same time are named."""


@dataclass(eq=False)
class Failure:
    """A test that has failed, with the events of nose2's that say so."""

    test: Any
    events: list[Any] = field(default_factory=list)


class Flaky:
    """A test that has failed, and has passed when it was run again."""

    def __init__(self, failure: Failure, tries: int, beside: Sequence[str] | None) -> None:
        """``tries`` counts the first one; ``beside`` names the tests that ran at the same time."""
        self.test = failure.test
        self.events = failure.events
        lines = [f"flaky: it passed on try {tries}, alone in a fresh worker process"]
        if beside:
            shown = [f"  {name}" for name in beside[:_MOST]]
            more = [f"  and {len(beside) - _MOST} more"] if len(beside) > _MOST else []
            lines += ["When it failed, these tests ran at the same time:", *shown, *more]
        elif beside is not None:
            lines += ["When it failed, no other test ran at the same time."]
        self.note = "\n".join(lines)


class Failures:
    """The tests that have failed so far."""

    def __init__(self) -> None:
        self._found: dict[int, Failure] = {}

    def __iter__(self) -> Iterator[Failure]:
        return iter(self._found.values())

    def note(self, event: Any) -> None:
        """Note the outcome of a test, if it has failed."""
        if event.exc_info is None or event.expected:
            return
        test = getattr(event.test, "test_case", event.test)  # that of a subtest
        if not isinstance(test, TestCase):  # a fixture's
            return
        self._found.setdefault(id(test), Failure(test)).events.append(event)


def tries(test: Any, settings: Settings) -> int:
    """Return how many times a test is run again at most."""
    try:
        tagged = tag_lookup.read_retries(*nose2_cases.target(test))
    except InvalidValueError:  # the test has said so
        return 0
    return settings.retries if tagged is None else tagged


def retry(
    failures: Iterable[Failure],
    settings: Settings,
    passes: Callable[[Any], bool | None],
    beside: Callable[[Any], Sequence[str] | None],
) -> tuple[list[Flaky], str]:
    """Run failed tests again; return the flaky ones, and a line that says what was done.

    ``passes`` runs a test and returns whether it passes; None if Ctrl-C has come. ``beside`` names
    the tests that ran at the same time; None if that can't be.
    """
    found: list[Flaky] = []
    count, began = 0, monotonic()
    for failure in failures:
        most = tries(failure.test, settings)
        count += most > 0
        for number in range(most):
            is_passed = passes(failure.test)
            if is_passed is None:
                return found, "retries: interrupted"
            if is_passed:
                found.append(Flaky(failure, number + 2, beside(failure.test)))
                break
    tests = f"{count} failed test{'s' * (count != 1)}"
    line = f"retries: {tests} run again in {monotonic() - began:.1f} s, {len(found)} flaky"
    return found, line if count else ""


def sort_out(flaky: Iterable[Flaky], categories: dict[str, list[Any]], *, is_failure: bool) -> None:
    """Give the events of flaky tests a category of their own in nose2's report."""
    moved = {id(event) for one in flaky for event in one.events}
    for name in ("errors", "failures"):
        events = categories.get(name, [])
        found = [event for event in events if id(event) in moved]
        if found:
            events[:] = [event for event in events if id(event) not in moved]
            categories.setdefault(CATEGORY, []).extend(found)
            for event in () if is_failure else found:
                event.outcome = CATEGORY  # or nose2 would take the run for failed


def annotate(reporter: Any, flaky: Iterable[Flaky]) -> None:
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
