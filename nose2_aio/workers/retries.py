"""Runs failed tests again at the end of the run. A test that passes then is flaky.

Each test runs alone, in a fresh worker process, at most as many times as its tag or the setting
says. A flaky test keeps the report of its first failure. nose2's summary and the JUnit report have
a category for flaky tests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nose2_aio.cases import nose2_cases
from nose2_aio.config import tag_lookup
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import InvalidValueError
from nose2_aio.reporting.failures import Failure

__all__ = ["FAILED", "are_due", "complete_junit", "max_retries", "move_to_category", "retry"]

FAILED = "retries: failed tests could not be run again: {error}"
"""The line that says that no worker could be started."""
_CATEGORY = "flaky"
_NOT_IN_XML = r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
"""The characters that XML can't have."""
_NOT_IN_MP = "retries: with -N, no failed test is run again: use --aio-workers=N in its place"
_MOST = 20
"""How many of the tests that ran at the same time are shown."""


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


def max_retries(test: Any, settings: Settings) -> int:
    """Return how many times a test may run again."""
    try:
        tagged = tag_lookup.read_retries(*nose2_cases.function_and_owner(test))
    except InvalidValueError:  # the test has reported this error
        return 0
    return settings.retries if tagged is None else tagged


def are_due(failures: Iterable[Failure], settings: Settings) -> bool:
    """Return True if one of the failed tests at least may run again."""
    is_possible = settings.repeat == 1 and os.name == "posix"
    return is_possible and any(max_retries(one.test, settings) for one in failures)


def retry(
    failures: Iterable[Failure],
    settings: Settings,
    run_alone: Callable[[Any], bool | None],
    concurrent_tests: Callable[[Any], Sequence[str] | None],
) -> str:
    """Run failed tests again, and note which are flaky; return a line that says what was done.

    One of them at least may run again, see `are_due`.

    ``run_alone`` runs a test and returns True if it passes, None after Ctrl-C.
    ``concurrent_tests`` returns the ids of the tests that ran at the same time, or None.
    """
    import multiprocessing

    if multiprocessing.current_process().daemon:
        return _NOT_IN_MP
    count = flaky = 0
    began = monotonic()
    for failure in failures:
        most = max_retries(failure.test, settings)
        count += most > 0
        while failure.tries <= most and not failure.flaky:
            has_passed = run_alone(failure.test)
            if has_passed is None:
                return "retries: interrupted"
            failure.tries += 1
            if has_passed:
                failure.flaky = _describe(failure.tries, concurrent_tests(failure.test))
                flaky += 1
    tests = f"{count} failed test{'s' * (count != 1)}"
    return f"retries: {tests} run again in {monotonic() - began:.1f} s, {flaky} flaky"


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
        text = re.sub(_NOT_IN_XML, "\ufffd", "\n".join(details(failure)))
        for child in case:
            if child.tag in ("error", "failure"):
                child.text = f"{child.text}\n{text}"
                if failure.flaky:
                    reporter.errors -= child.tag == "error"
                    reporter.failed -= child.tag == "failure"
                    child.tag = "flakyError" if child.tag == "error" else "flakyFailure"
