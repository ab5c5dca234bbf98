"""nose2_aio.workers.retries"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase
from xml.etree import ElementTree as ET

import nose2_aio as aio
from nose2_aio.config import settings
from nose2_aio.workers import retries
from nose2_aio.workers.retries import Failure, Failures, Flaky


class Case(TestCase):
    def plain(self) -> None: ...

    @aio.retries(3)
    def tagged(self) -> None: ...

    @aio.retries(0)
    def never(self) -> None: ...

    def invalid(self) -> None: ...

    invalid.retries = "2"  # type: ignore[attr-defined]


SETTINGS = settings.resolve({"retries": "1"}, {})


def event(test: Any, *, fails: bool = True, expected: bool = False, outcome: str = "failed") -> Any:
    return SimpleNamespace(
        test=test, exc_info=(1, 2, 3) if fails else None, expected=expected, outcome=outcome
    )


class Failed(TestCase):
    """Which tests have failed."""

    def test_noted(self) -> None:
        """Each test that has failed, once, with all its events; no expected failures."""
        failures = Failures()
        first, second = Case("plain"), Case("plain")
        subtest = SimpleNamespace(test_case=first)
        events = [event(second), event(first), event(subtest), event(first)]
        for one in events:
            failures.note(one)
        for one in (
            event(Case("tagged"), fails=False),
            event(Case("tagged"), expected=True),
            event(SimpleNamespace(id=lambda: "setUpClass (x)")),
        ):
            failures.note(one)
        found = list(failures)
        self.assertEqual([one.test for one in found], [second, first])
        self.assertEqual([one.events for one in found], [events[:1], events[1:]])

    def test_tries(self) -> None:
        """A tag wins over the setting. A test with an invalid tag doesn't run again."""
        found = [
            retries.max_retries(Case(n), SETTINGS) for n in ("plain", "tagged", "never", "invalid")
        ]
        self.assertEqual(found, [1, 3, 0, 0])


class Again(TestCase):
    """Failed tests that run again."""

    def retried(self, *outcomes: bool, name: str = "tagged") -> tuple[list[Flaky], str, int]:
        """The flaky tests, the line and how often one test has run."""
        results = iter(outcomes)
        test = Case(name)
        ran: list[Any] = []

        def run_alone(one: Any) -> bool:
            ran.append(one)
            return next(results)

        found, line = retries.retry([Failure(test)], SETTINGS, run_alone, lambda _: ["a.b"])
        self.assertEqual(ran, [test] * len(ran))
        return found, line, len(ran)

    def test_flaky(self) -> None:
        """A test runs until it passes. Then it is flaky."""
        (flaky,), line, count = self.retried(False, True, True)
        self.assertEqual(count, 2)
        self.assertRegex(line, r"^retries: 1 failed test run again in \d+\.\d s, 1 flaky$")
        self.assertEqual(
            flaky.note.splitlines(),
            [
                "flaky: it passed on try 3, alone in a fresh worker process",
                "When it failed, these tests ran at the same time:",
                "  a.b",
            ],
        )

    def test_fails(self) -> None:
        """A test runs at most as often as the setting says. If it never passes it isn't flaky."""
        found, line, count = self.retried(False, False, False)
        self.assertEqual((found, count), ([], 3))
        self.assertRegex(line, ", 0 flaky$")

    def test_interrupted(self) -> None:
        """Ctrl-C ends the retries. The flaky tests so far are returned."""
        results = iter([True, None, True])
        failures = [Failure(Case("plain")) for _ in range(3)]
        found, line = retries.retry(failures, SETTINGS, lambda _: next(results), lambda _: None)
        self.assertEqual(
            ([one.test for one in found], line), ([failures[0].test], "retries: interrupted")
        )

    def test_never(self) -> None:
        """If no test runs again, there is no line."""
        self.assertEqual(self.retried(name="never"), ([], "", 0))

    def test_several(self) -> None:
        """The line counts the tests."""
        failures = Failures()
        for name in ("plain", "never", "tagged"):
            failures.note(event(Case(name)))
        found, line = retries.retry(failures, SETTINGS, lambda _: True, lambda _: None)
        names = (f"{__name__}.Case.{name}" for name in ("plain", "never", "tagged"))
        tries = [(2, True), (1, False), (2, True)]
        self.assertEqual(failures.tries(), dict(zip(names, tries, strict=True)))
        first, _, third = failures
        self.assertEqual([one.test for one in found], [first.test, third.test])
        self.assertRegex(line, r"^retries: 2 failed tests run again in \d+\.\d s, 2 flaky$")

    def test_notes(self) -> None:
        """At most 20 of the tests that ran at the same time are named."""
        failure = Failure(Case("plain"), tries=2)
        first = "flaky: it passed on try 2, alone in a fresh worker process"
        self.assertEqual(Flaky(failure, None).note, first)
        self.assertEqual(
            Flaky(failure, []).note,
            f"{first}\nWhen it failed, no other test ran at the same time.",
        )
        names = [f"n{number}" for number in range(23)]
        lines = Flaky(failure, names).note.splitlines()
        self.assertEqual(lines[-2:], ["  n19", "  and 3 more"])
        self.assertEqual(Flaky(failure, names[:20]).note.splitlines()[-1], "  n19")


class Reports(TestCase):
    """What nose2 reports."""

    def test_categories(self) -> None:
        """Events of flaky tests move to their own category. A setting says if the run fails."""
        for is_failure, outcome in ((True, "failed"), (False, "flaky")):
            flaky, other = event(Case("plain")), event(Case("plain"))
            error = event(Case("plain"), outcome="error")
            categories = {"failures": [other, flaky], "errors": [error], "skipped": [other]}
            found = [Flaky(Failure(None, [flaky, error]), None)]
            retries.move_to_category(found, categories, is_failure=is_failure)
            self.assertEqual(categories["failures"], [other])
            self.assertEqual(categories["errors"], [])
            self.assertEqual(categories["skipped"], [other])
            self.assertEqual(categories["flaky"], [error, flaky])
            self.assertEqual(flaky.outcome, outcome)
            self.assertEqual(other.outcome, "failed")

    def test_no_category(self) -> None:
        """Without flaky tests there is no category."""
        categories: dict[str, list[Any]] = {"failures": [event(Case("plain"))]}
        retries.move_to_category([], categories, is_failure=True)
        self.assertEqual(list(categories), ["failures"])

    def test_junit(self) -> None:
        """In JUnit's report a flaky failure has its own tag and isn't counted as a failure."""
        test = Case("plain")
        owner, _, name = test.id().rpartition(".")
        tree = ET.Element("testsuite")
        for classname, called, tag in (
            (owner, name, "failure"),
            (owner, f"{name} (n=1)", "error"),
            (owner, "other", "failure"),
            ("other", name, "failure"),
        ):
            case = ET.SubElement(tree, "testcase", classname=classname, name=called)
            ET.SubElement(case, tag).text = "text"
            ET.SubElement(case, "system-out").text = "out"
        reporter = SimpleNamespace(tree=tree, errors=1, failed=3)
        flaky = Flaky(Failure(test), None)
        retries.mark_in_junit(reporter, [flaky])
        self.assertEqual(
            [case[0].tag for case in tree], ["flakyFailure", "flakyError", "failure", "failure"]
        )
        self.assertEqual((reporter.errors, reporter.failed), (0, 2))
        self.assertEqual(tree[0][0].text, f"text\n{flaky.note}\n")
        self.assertEqual((tree[2][0].text, tree[0][1].text), ("text", "out"))
