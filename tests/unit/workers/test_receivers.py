"""nose2_aio.workers.receivers"""

from __future__ import annotations

import signal
from typing import Any
from unittest import TestCase, TestResult, TestSuite, mock

from nose2_aio.cases.outcome_recorder import OutcomeRecorder
from nose2_aio.suites.units import Unit
from nose2_aio.workers.messages import Call, SubTest
from nose2_aio.workers.receivers import PassDetector, ReplayReceiver


class Case(TestCase):
    def a(self) -> None: ...


class Passing(TestCase):
    """A test that runs again."""

    def passed(self, *events: Call) -> bool:
        collector = PassDetector()
        collector.preview(0, events)
        for event in events:
            collector.receive(0, event)
        collector.merge(None)
        collector.note("")
        collector.run_here(0, 0)
        return collector.has_passed

    def test_outcomes(self) -> None:
        """It passes if there is a success, and no failure of the test, a subtest or a fixture."""

        def call(name: str, *args: Any) -> Call:
            return Call(name, 0, args, 0.0)

        success = call("addSuccess")
        self.assertTrue(self.passed(call("startTest"), success, call("stopTest")))
        self.assertTrue(self.passed(call("addExpectedFailure", 1)))
        part = SubTest(None, {})
        self.assertTrue(self.passed(call("addSubTest", part, None), success))
        for events in (
            [],
            [call("addSkip", "later")],
            [call("addFailure", 1)],
            [call("addUnexpectedSuccess")],
            [success, call("addError", 1)],
            [call("addSubTest", part, 1), success],
        ):
            self.assertFalse(self.passed(*events), events)


class Here(TestCase):
    """A test that asks for a debugger."""

    def test_run_here(self) -> None:
        """It runs in the main process, on nose2's result. Ctrl-C raises KeyboardInterrupt there."""
        unit = Unit([Case("a"), Case("a")], TestSuite(), repetition=2)
        unit.suite.addTests(unit.tests)
        result, hooks = mock.Mock(), mock.Mock(outcomes=OutcomeRecorder())
        handlers = []
        hooks.begin_unit.side_effect = lambda _: handlers.append(signal.getsignal(signal.SIGINT))
        player = ReplayReceiver(mock.Mock(result=TestResult()), [unit], hooks)
        player.run_here(0, 1)
        self.assertEqual(player._replay.result.testsRun, 1)
        self.assertEqual(handlers, [signal.default_int_handler])
        self.assertEqual([one[0] for one in hooks.mock_calls], ["note", "begin_unit", "end_unit"])
        self.assertEqual(result.mock_calls, [])
