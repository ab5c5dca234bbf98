"""nose2_aio.workers.recording"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import sys
from typing import Any
from unittest import TestCase, TestSuite, expectedFailure, mock, skip

from nose2_aio.workers import recording
from nose2_aio.workers.messages import (
    Call,
    Collected,
    ErrorHolder,
    Logged,
    NeedsTerminal,
    OutputText,
    PickledValue,
    Report,
    Stopped,
    SubTest,
    UnknownTest,
    WorkerState,
)


class TwiceError(Exception):
    """Can be pickled, and can't be loaded."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Hidden:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")

    def __repr__(self) -> str:
        return "<hidden>"


class Case(TestCase):
    """Tests of every outcome."""

    def passes(self) -> None: ...

    def fails(self) -> None:
        self.fail("words")

    def errs(self) -> None:
        raise LookupError("lost")

    def skips(self) -> None:
        self.skipTest("later")

    @skip("never")
    def skipped(self) -> None: ...

    @expectedFailure
    def expected(self) -> None:
        self.fail()

    @expectedFailure
    def unexpected(self) -> None: ...

    def parts(self) -> None:
        with self.subTest("first", number=1):
            pass
        with self.subTest(hidden=Hidden()):
            self.fail()

    def local_error(self) -> None:
        class LocalError(LookupError): ...

        raise LocalError("local")

    def two_arguments(self) -> None:
        raise TwiceError(1, 2)

    def interrupted(self) -> None:
        raise KeyboardInterrupt

    def asks_late(self) -> None:
        with self.subTest():
            self.fail()
        recorders[-1].needs_terminal = True

    def runs_another(self) -> None:
        Case("passes").run(recorders[-1])


recorders: list[Any] = []


class Fixture(TestCase):
    """A class whose fixture fails."""

    @classmethod
    def setUpClass(cls) -> None:
        raise LookupError("set up")

    def passes(self) -> None: ...


class Recording(TestCase):
    """The events of a unit."""

    def setUp(self) -> None:
        self.state = WorkerState(multiprocessing.get_context("spawn"))
        self.output = mock.Mock()
        self.output.take.return_value = []
        self.hooks = mock.Mock()
        self.hooks.take.return_value = None
        self.reports: list[Report] = []
        self.result = mock.Mock(failfast=False, own="of nose2")
        self.recorder = recording.RecordingResult(
            self.hooks,
            self.state,
            self.output,
            self.send,
            result=self.result,
            describe=self.describe,
        )
        recorders.append(self.recorder)

    def send(self, report: Report) -> None:
        self.reports.append(Report.from_bytes(report.to_bytes()))

    @staticmethod
    def describe(test: Any, error: Any) -> str:
        return f"described {error[1]}"

    def run_unit(
        self, *names: str, case: type[TestCase] = Case, has_fixtures: bool = False
    ) -> list[Any]:
        """Run tests as a unit; return all events."""
        tests = [case(name) for name in names]
        self.begin(tests, has_fixtures=has_fixtures)
        TestSuite(tests)(self.recorder)
        self.recorder.end()
        return self.events

    def begin(self, tests: list[TestCase], *, has_fixtures: bool = False) -> None:
        positions = {id(test): index for index, test in enumerate(tests)}
        self.tests = tests
        self.recorder.begin(5, positions, has_fixtures=has_fixtures)

    @property
    def events(self) -> list[Any]:
        return [event for report in self.reports for event in report.events]

    def names(self, events: list[Any]) -> list[str]:
        return [event.name for event in events if isinstance(event, Call)]


class Outcomes(Recording):
    """Calls of the result."""

    def test_passes(self) -> None:
        """Start, outcome and end are sent, with the position of the test and the time."""
        events = self.run_unit("passes", "passes")
        self.assertEqual(self.names(events), ["startTest", "addSuccess", "stopTest"] * 2)
        self.assertEqual([event.test for event in events], [0] * 3 + [1] * 3)
        moments = [event.moment for event in events]
        self.assertEqual(moments, sorted(moments))
        self.assertGreater(moments[0], 1e9)

    def test_each(self) -> None:
        """Every outcome has its call."""
        for name, call, args in (
            ("skips", "addSkip", ("later",)),
            ("skipped", "addSkip", ("never",)),
            ("unexpected", "addUnexpectedSuccess", ()),
        ):
            with self.subTest(name):
                self.reports.clear()
                # Python 3.12.1 starts no test that is skipped by a decorator
                (found,) = [one for one in self.run_unit(name) if one.name == call]
                self.assertEqual(found.args, args)
        for name, call, kind in (
            ("fails", "addFailure", AssertionError),
            ("errs", "addError", LookupError),
            ("expected", "addExpectedFailure", AssertionError),
        ):
            with self.subTest(name):
                self.reports.clear()
                _, found, _ = self.run_unit(name)
                self.assertEqual(found.name, call)
                (error,) = found.args
                self.assertIs(pickle.loads(error.kinds[0]), kind)
                value = pickle.loads(error.value.data)
                self.assertIs(type(value), kind)
                self.assertEqual(error.text, f"described {value}")

    def test_subtests(self) -> None:
        """Subtests are sent with message and parameters, or with the text of these."""
        events = self.run_unit("parts")
        self.assertEqual(self.names(events), ["startTest", "addSubTest", "addSubTest", "stopTest"])
        first, second = events[1:3]
        number = PickledValue(pickle.dumps(1), "1")
        message = PickledValue(pickle.dumps("first"), "first")
        self.assertEqual(first.args, (SubTest(message, {"number": number}), None))
        subtest, error = second.args
        self.assertEqual(subtest, SubTest(None, {"hidden": PickledValue(b"", "<hidden>")}))
        self.assertIs(pickle.loads(error.kinds[0]), AssertionError)

    def test_unsendable(self) -> None:
        """An error that can't be sent is replaced by a base class with the same text."""
        events = self.run_unit("local_error", "two_arguments")
        local, twice = (event.args[0] for event in events if event.name == "addError")
        self.assertIs(pickle.loads(local.kinds[0]), LookupError)
        self.assertEqual(local.value.data, b"")
        self.assertRegex(local.value.text, r"LocalError: local$")
        self.assertEqual(local.text, "described local")
        self.assertIs(pickle.loads(twice.kinds[0]), TwiceError)
        self.assertRegex(twice.value.text, r"TwiceError: 1 and 2$")

    def test_fixtures(self) -> None:
        """An error of a fixture is sent with its description."""
        events = self.run_unit("passes", case=Fixture, has_fixtures=True)
        self.assertEqual(self.names(events), ["addError"])
        self.assertEqual(
            events[0].test, ErrorHolder("_ErrorHolder", f"setUpClass ({__name__}.Fixture)")
        )

    def test_stranger(self) -> None:
        """A test that isn't in the unit is sent by its names."""
        events = self.run_unit("runs_another")
        (stranger,) = {event.test for event in events if not isinstance(event.test, int)}
        self.assertEqual(
            stranger,
            UnknownTest(f"{__name__}.Case.passes", str(Case("passes")), None),
        )


class Moments(Recording):
    """When reports are sent."""

    def test_reports(self) -> None:
        """A report is sent after each test. Without fixtures the last one also ends the unit."""
        self.run_unit("passes", "passes", "passes")
        self.assertEqual([len(report.events) for report in self.reports], [3, 3, 3])
        self.assertEqual([report.is_over for report in self.reports], [False, False, True])
        self.assertEqual({report.unit for report in self.reports}, {5})
        self.reports.clear()
        self.run_unit("passes", has_fixtures=True)
        self.assertEqual([report.is_over for report in self.reports], [False, True])

    def test_state(self) -> None:
        """The main process can see which test runs."""
        seen: list[Any] = []
        self.hooks.attach.side_effect = self.hooks.detach.side_effect = lambda *_: seen.append(
            (self.state.unit, self.state.test)
        )
        self.run_unit("passes", "passes")
        self.assertEqual(seen, [(5, 0), (5, 0), (5, 1), (5, 1)])
        self.assertEqual((self.state.unit, self.state.test), (-1, -1))
        self.begin([Case("passes")], has_fixtures=True)
        self.assertEqual((self.state.unit, self.state.test), (5, -1))
        self.tests[0](self.recorder)
        self.assertEqual((self.state.unit, self.state.test), (5, -1))

    def test_steps(self) -> None:
        """Each test is prepared, and detached before its end is recorded."""
        self.run_unit("passes", "fails")
        self.assertEqual(
            [one.args for one in self.hooks.attach.mock_calls], [(t,) for t in self.tests]
        )
        self.assertEqual(self.hooks.detach.call_count, 2)

    def test_output(self) -> None:
        """Output comes before the outcome of the test that wrote it."""
        self.output.take.side_effect = iter([[], [(1, "one"), (2, "two")], [], []])
        start, *texts, outcome, _ = self.run_unit("passes", has_fixtures=True)
        self.assertEqual(start.name, "startTest")
        self.assertEqual(texts, [OutputText(1, "one"), OutputText(2, "two")])
        self.assertEqual(outcome.name, "addSuccess")

    def test_late_output(self) -> None:
        """Output at the end of a unit, or after it, is sent, too."""
        self.begin([Case("passes")])
        self.output.take.return_value = [(1, "end")]
        self.recorder.close()
        self.assertEqual(self.reports[-1].events, [OutputText(1, "end")])
        self.output.note_sent.assert_called_once_with()
        self.begin([Case("passes")], has_fixtures=True)
        self.recorder.end()
        self.assertEqual(self.reports[-1].events, [OutputText(1, "end")])
        self.output.take.return_value = []
        self.recorder.close()
        self.assertEqual(len(self.reports), 2)

    def test_found(self) -> None:
        """Findings of the checks are sent with a report."""
        self.hooks.take.side_effect = ["first", None, "third", None]
        self.run_unit("passes", "passes")
        self.recorder.close()
        found = [[e.value for e in r.events if isinstance(e, Collected)] for r in self.reports]
        self.assertEqual(found, [["first"], [], ["third"]])

    def test_logged(self) -> None:
        """Log records are sent as text, so their arguments need not be picklable."""
        try:
            raise TwiceError(1, 2)
        except TwiceError:
            error = sys.exc_info()
        record = logging.makeLogRecord(
            {"msg": "%s %s", "args": (Hidden(), 1), "exc_info": error, "extra": 7}
        )
        self.begin([Case("passes")])
        self.recorder.add_log(3, record)
        bad = logging.makeLogRecord({"msg": "%d", "args": ("x",)})
        self.recorder.add_log(0, bad)
        self.recorder.end()
        sent, other = self.events
        self.assertIsInstance(sent, Logged)
        found = pickle.loads(sent.record.data)
        self.assertEqual((sent.handler, found.getMessage()), (3, "<hidden> 1"))
        self.assertIn("TwiceError: 1 and 2", found.exc_text)
        self.assertEqual(found.extra, 7)
        self.assertEqual((other.handler, pickle.loads(other.record.data).getMessage()), (0, "%d"))
        record.own = Hidden()
        self.recorder.add_log(0, record)
        self.recorder.end()
        self.assertEqual(self.events[-1].record, PickledValue(b"", "<hidden> 1"))
        self.assertEqual((record.args[1], bad.args), (1, ("x",)))  # type: ignore[index]


class Stops(Recording):
    """Runs that end early."""

    def test_failfast(self) -> None:
        """With ``failfast`` no test of the unit runs after a failure. The next unit runs."""
        self.recorder.failfast = True
        for name in ("fails", "errs", "parts"):
            with self.subTest(name):
                self.reports.clear()
                self.run_unit("passes", name, "passes")
                self.assertEqual(self.names(self.events).count("startTest"), 2)
                self.assertFalse(self.reports[-1].is_interrupted)
        self.recorder.failfast = False
        self.reports.clear()
        self.run_unit("fails", "passes")
        self.assertEqual(self.names(self.events).count("startTest"), 2)

    def test_stop(self) -> None:
        """After Ctrl-C no other test begins, and the report says so."""
        self.recorder.interrupt()
        self.run_unit("passes")
        self.assertEqual(self.events, [])
        self.assertTrue(self.reports[-1].is_interrupted)

    def test_stopped(self) -> None:
        """A test may stop the run. The main process stops it when it replays that event."""
        for stop in (self.recorder.stop, lambda: setattr(self.recorder, "shouldStop", True)):
            self.begin([Case("passes")])
            stop()
            self.recorder.end()
            self.assertTrue(self.recorder.shouldStop)
            self.assertEqual(self.events, [Stopped()])
            self.assertFalse(self.reports[-1].is_interrupted)
            self.reports.clear()
        self.recorder.shouldStop = False
        self.assertEqual(self.recorder.own, "of nose2")

    def test_successful(self) -> None:
        """A test sees whether its unit has failed so far."""
        self.run_unit("passes")
        self.assertTrue(self.recorder.wasSuccessful())
        self.run_unit("fails")
        self.assertFalse(self.recorder.wasSuccessful())

    def test_noting(self) -> None:
        """Ctrl-C has to wait before the first unit, and then only while an event is recorded."""
        seen: list[bool] = []
        self.assertTrue(self.recorder.is_uninterruptible)
        self.recorder.is_uninterruptible = False
        self.output.take.side_effect = lambda: seen.append(self.recorder.is_uninterruptible) or []
        self.run_unit("passes", has_fixtures=True)
        self.assertEqual(seen[:2], [True, True])
        self.assertFalse(self.recorder.is_uninterruptible)

    def test_interrupt(self) -> None:
        """A test that Ctrl-C has ended fails, even if unittest has recorded no outcome."""
        tests = [Case("passes"), Case("interrupted")]
        self.begin(tests)
        with self.assertRaises(KeyboardInterrupt) as caught:
            TestSuite(tests)(self.recorder)
        self.recorder.note_interrupt(caught.exception)
        self.recorder.end()
        self.assertTrue(self.reports[-1].is_interrupted)
        names = self.names(self.events)
        self.assertEqual(names[3:], ["startTest", "addError", "stopTest"])
        self.assertEqual(self.state.test, -1)

    def test_no_end(self) -> None:
        """So does a test whose class doesn't call ``stopTest`` then."""
        (test,) = [Case("passes")]
        self.begin([test])
        self.recorder.startTest(test)
        self.recorder.note_interrupt(KeyboardInterrupt())
        self.recorder.end()
        self.assertEqual(self.names(self.events), ["startTest", "addError", "stopTest"])

    def test_between(self) -> None:
        """Between two tests no test fails."""
        self.begin([Case("passes")])
        self.recorder.note_interrupt(KeyboardInterrupt())
        self.recorder.end()
        self.assertEqual((self.events, self.reports[-1].is_interrupted), ([], True))

    def test_terminal(self) -> None:
        """Only that fact is sent for a test that has asked for a debugger."""

        def attach(test: TestCase) -> None:
            if test is self.tests[1]:
                self.recorder.needs_terminal = True

        self.hooks.attach.side_effect = attach
        events = self.run_unit("passes", "fails", "passes")
        self.assertEqual(self.names(events), ["startTest", "addSuccess", "stopTest"] * 2)
        self.assertEqual(events[3], NeedsTerminal(1))

    def test_terminal_after_subtest(self) -> None:
        """If some of its events were sent already, it is not run again, nor reported twice."""
        events = self.run_unit("asks_late")
        self.assertEqual(self.names(events), ["startTest", "addSubTest", "stopTest"])
        self.assertFalse(self.recorder.needs_terminal)

    def test_terminal_after_output(self) -> None:
        """The events before it are sent."""
        self.begin([Case("fails")], has_fixtures=True)
        self.recorder.add_log(0, logging.makeLogRecord({}))
        self.recorder.needs_terminal = True
        self.tests[0](self.recorder)
        self.assertEqual([type(one) for one in self.events], [Logged, NeedsTerminal])
