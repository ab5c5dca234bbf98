"""nose2_aio.cases.outcome_recorder"""

from __future__ import annotations

import sys
import unittest
from typing import Any
from unittest import TestCase

from nose2.events import StartTestEvent, StopTestEvent, TestOutcomeEvent
from nose2.session import Session

from nose2_aio.cases import unittest_internals
from nose2_aio.cases.outcome_recorder import OutcomeRecorder
from nose2_aio.errors import CheckError, LoopError, UnsentError
from nose2_aio.reporting.outcomes import Outcome, Place


class Case(TestCase):
    def test_it(self) -> None: ...


TEST = Case("test_it")
LINE = Case.test_it.__code__.co_firstlineno


class Recorded:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.ended: list[Outcome] = []

    def begin(self, test: Any) -> None:
        self.begun.append(test)

    def end(self, outcome: Outcome) -> None:
        self.ended.append(outcome)


def raised(error: BaseException) -> Any:
    try:
        raise error
    except BaseException:
        return sys.exc_info()


def became(outcome: str, error: Any = None, **options: Any) -> Any:
    test = options.pop("test", TEST)
    return TestOutcomeEvent(test, None, outcome, error, **options)


class Outcomes(TestCase):
    """What became of a test."""

    def outcome(self, *events: Any, test: Any = TEST) -> Outcome:
        """Return the outcome that these events of a test make."""
        listener = Recorded()
        recorder = OutcomeRecorder()
        recorder.listeners.append(listener)
        recorder.startTest(StartTestEvent(test, None, 10.0))
        for event in events:
            recorder.testOutcome(event)
        recorder.stopTest(StopTestEvent(test, None, 10.5))
        self.assertEqual(listener.begun, [test])
        (outcome,) = listener.ended
        self.assertEqual((outcome.seconds, outcome.events), (0.5, events))
        return outcome

    def test_statuses(self) -> None:
        """Each event of nose2 has its status; the first failure counts."""
        subtest = unittest_internals.subtest(TEST, "n", {})
        passed = became("passed", expected=True)
        failed = became("failed", raised(AssertionError("no")))
        error = became("error", raised(ValueError("bad\nworse")))
        expected = became("failed", raised(KeyError(1)), expected=True)
        cause = "Traceback (most recent call last):\n  File 'x'\nNameError: y"
        quoting = became("failed", raised(AssertionError(f"printed\n\nwords\n{cause}")))
        load = became("error", raised(ImportError(f"no test module\n{cause}")))
        failed_part = became("subtest", raised(AssertionError()), test=subtest)
        check = "CheckError: a task"
        group = raised(ExceptionGroup("g", [ExceptionGroup("h", [KeyError(1)])]))
        stuck = "stuck at a.py:1 in f: waits for b.py:2 in g: it"
        for events, (status, message) in (
            ([passed], ("passed", "")),
            ([failed], ("failed", "AssertionError: no")),
            ([load], ("error", "NameError: y")),
            ([quoting], ("failed", "AssertionError: printed")),
            ([became("error", raised(LoopError("no")))], ("error", "LoopError: no")),
            ([became("failed", raised(CheckError("found:\n\na task")))], ("failed", check)),
            ([became("error", raised(CheckError(":")))], ("error", "CheckError: :")),
            ([became("error", raised(UnsentError("MyError: 1\n\nwhy")))], ("error", "MyError: 1")),
            ([failed, error], ("failed", "AssertionError: no")),
            ([became("failed", raised(OSError("this:\n\nis\n")))], ("failed", "OSError: is")),
            ([error], ("error", "ValueError: bad")),
            (
                [became("error", raised(LoopError(f"it ended\n\n{stuck}\n\nmore")))],
                ("error", f"LoopError: {stuck}"),
            ),
            (
                [became("error", group)],
                ("error", "ExceptionGroup: g (1 sub-exception): KeyError: 1"),
            ),
            ([became("skipped", reason="later")], ("skipped", "later")),
            ([expected], ("expected failure", "KeyError: 1")),
            ([became("passed", expected=False)], ("unexpected success", "")),
            ([became("subtest", test=subtest), passed], ("passed", "")),
            ([failed_part], ("failed", "AssertionError")),
            ([became("subtest", raised(OSError()), test=subtest)], ("error", "OSError")),
            ([], ("passed", "")),
        ):
            with self.subTest(status, message=message):
                found = self.outcome(*events)
                self.assertEqual((found.status, found.message), (status, message))
                self.assertEqual(found.name, f"{__name__}.Case.test_it")

    def test_places(self) -> None:
        """A test is where it failed, as a traceback or its text shows, or where it is defined."""
        error = raised(AssertionError())
        text = (AssertionError, AssertionError(), 'File "/a/b.py", line 7, in f\nAssertionError')
        mine = Place(__file__, error[2].tb_lineno)
        self.assertEqual(self.outcome(became("failed", error)).place, mine)
        self.assertEqual(self.outcome(became("failed", text)).place, Place("/a/b.py", 7))
        self.assertEqual(self.outcome(became("passed", expected=True)).place, Place(__file__, LINE))
        found = raised(CheckError("found:\n\n/a/b.py:4 in f: a task"))
        self.assertEqual(
            self.outcome(became("failed", (*found[:2], None))).place, Place("/a/b.py", 4)
        )
        waits = (LoopError, LoopError("it ended\n\nstuck at /a/b.py:7 in f: it"), None)
        self.assertEqual(self.outcome(became("error", waits)).place, Place(__file__, LINE))
        inner = 'Traceback (most recent call last):\n  File "/a/b.py", line 7, in f\nOSError'
        quoting = became("failed", raised(AssertionError(f"printed:\n{inner}")))
        self.assertEqual(self.outcome(quoting).place.file, __file__)
        load = (ImportError, ImportError(inner), None)
        self.assertEqual(self.outcome(became("error", load)).place, Place("/a/b.py", 7))
        try:
            raise ValueError
        except ValueError as member:
            group = raised(ExceptionGroup("both", [member]))
            line = member.__traceback__.tb_lineno
        self.assertEqual(self.outcome(became("error", group)).place, Place(__file__, line))
        code = unittest.FunctionTestCase(print)
        self.assertIsNone(self.outcome(became("passed", expected=True), test=code).place)

    def test_not_started(self) -> None:
        """A fixture that failed, and a test that was skipped before its start, have outcomes."""
        listener, recorder = Recorded(), OutcomeRecorder()
        recorder.listeners.append(listener)
        holder = unittest_internals.error_holder("setUpClass (module.Case)")
        fails = (OSError, OSError("no"), None)
        recorder.testOutcome(became("error", fails, test=holder))
        recorder.testOutcome(became("skipped", reason="now"))
        recorder.stopTest(StopTestEvent(TEST, None, 1.0))
        self.assertEqual(
            [(one.name, one.status, one.place) for one in listener.ended],
            [
                ("setUpClass (module.Case)", "error", None),
                (f"{__name__}.Case.test_it", "skipped", Place(__file__, LINE)),
            ],
        )

    def test_register(self) -> None:
        """Without listeners, nothing is registered."""
        session: Any = Session()
        recorder = OutcomeRecorder()
        recorder.register(session.hooks)
        self.assertNotIn("stopTest", session.hooks.hooks)
        recorder.listeners.append(Recorded())
        recorder.register(session.hooks)
        self.assertIn(recorder, session.hooks.hooks["stopTest"].plugins)
