"""nose2_aio.workers.retries"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import TestCase, mock
from xml.etree import ElementTree as ET

import nose2_aio as aio
from nose2_aio.config import settings
from nose2_aio.reporting.failures import Failure, Failures
from nose2_aio.workers import retries


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


def failure(test: Any, flaky: str, *events: Any) -> Failure:
    found = Failure(test)
    found.flaky = flaky
    found.events += events
    return found


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

    def retried(
        self, *outcomes: bool, name: str = "tagged", concurrent: list[str] | None = None
    ) -> tuple[Failure, str]:
        """Return the failure of a test that runs again, and the line."""
        results = iter(outcomes)
        failure = Failure(Case(name))
        ran: list[Any] = []

        def run_alone(one: Any) -> bool:
            ran.append(one)
            return next(results)

        line = retries.retry([failure], SETTINGS, run_alone, lambda _: concurrent)
        self.assertEqual(ran, [failure.test] * (failure.tries - 1))
        return failure, line

    def test_flaky(self) -> None:
        """A test runs until it passes. Then it is flaky."""
        failure, line = self.retried(False, True, True, concurrent=["a.b"])
        self.assertEqual(failure.tries, 3)
        self.assertRegex(line, r"^retries: 1 failed test run again in \d+\.\d s, 1 flaky$")
        self.assertEqual(
            failure.flaky.splitlines(),
            [
                "flaky: it passed on try 3, alone in a fresh worker process",
                "When it failed, these tests ran at the same time:",
                "  a.b",
            ],
        )

    def test_fails(self) -> None:
        """A test runs at most as often as the setting says. If it never passes it isn't flaky."""
        failure, line = self.retried(False, False, False)
        self.assertEqual((failure.flaky, failure.tries), ("", 4))
        self.assertRegex(line, ", 0 flaky$")

    def test_interrupted(self) -> None:
        """Ctrl-C ends the retries. The flaky tests so far are known."""
        results = iter([True, None, True])
        failures = [Failure(Case("plain")) for _ in range(3)]
        line = retries.retry(failures, SETTINGS, lambda _: next(results), lambda _: None)
        self.assertEqual(
            ([bool(one.flaky) for one in failures], line),
            ([True, False, False], "retries: interrupted"),
        )

    def test_daemon(self) -> None:
        """A process of nose2's -N can't start another one."""
        with mock.patch("multiprocessing.current_process", return_value=mock.Mock(daemon=True)):
            failure, line = self.retried(True)
        self.assertEqual((failure.tries, failure.flaky), (1, ""))
        self.assertIn("use --aio-workers=N", line)

    def test_several(self) -> None:
        """The line counts the tests."""
        failures = [Failure(Case(name)) for name in ("plain", "never", "tagged")]
        line = retries.retry(failures, SETTINGS, lambda _: True, lambda _: None)
        self.assertEqual([one.tries for one in failures], [2, 1, 2])
        self.assertRegex(line, r"^retries: 2 failed tests run again in \d+\.\d s, 2 flaky$")

    def test_concurrent(self) -> None:
        """At most 20 of the tests that ran at the same time are named."""
        first = "flaky: it passed on try 2, alone in a fresh worker process"
        self.assertEqual(self.retried(True)[0].flaky, first)
        alone = f"{first}\nWhen it failed, no other test ran at the same time."
        self.assertEqual(self.retried(True, concurrent=[])[0].flaky, alone)
        names = [f"n{number}" for number in range(23)]
        lines = self.retried(True, concurrent=names)[0].flaky.splitlines()
        self.assertEqual(lines[-2:], ["  n19", "  and 3 more"])
        lines = self.retried(True, concurrent=names[:20])[0].flaky.splitlines()
        self.assertEqual(lines[-1], "  n19")


class Reports(TestCase):
    """What nose2 reports."""

    def test_categories(self) -> None:
        """Events of flaky tests move to their own category. A setting says if the run fails."""
        for is_failure, outcome in ((True, "failed"), (False, "flaky")):
            flaky, other = event(Case("plain")), event(Case("plain"))
            error = event(Case("plain"), outcome="error")
            categories = {"failures": [other, flaky], "errors": [error], "skipped": [other]}
            found = [failure(None, "it is", flaky, error), failure(None, "", other)]
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
        """In JUnit's report, failures have their details. A flaky one doesn't count."""
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
        failures = [failure(test, "it is"), failure(Case("tagged"), "")]
        ET.SubElement(ET.SubElement(tree, "testcase", classname=owner, name="tagged"), "error")
        tree[4][0].text = "text"
        retries.complete_junit(reporter, failures, lambda one: [f"found\x00in {one.name}"])
        self.assertEqual(
            [case[0].tag for case in tree],
            ["flakyFailure", "flakyError", "failure", "failure", "error"],
        )
        self.assertEqual((reporter.errors, reporter.failed), (0, 2))
        self.assertEqual(tree[0][0].text, f"text\nfound\ufffdin {test.id()}")
        self.assertEqual(tree[4][0].text, f"text\nfound\ufffdin {owner}.tagged")
        self.assertEqual((tree[2][0].text, tree[0][1].text), ("text", "out"))
