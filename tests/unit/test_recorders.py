"""nose2_aio.recorders"""

from __future__ import annotations

import threading
import unittest
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, TestSuite, mock

from nose2.suite import LayerSuite

from nose2_aio import recorders, writers
from nose2_aio.errors import AbandonedLoopError, TimeLimitError
from nose2_aio.recorders import Again, Call, Hook, Ran, Recorder
from nose2_aio.writers import Text

OUTCOMES = {
    "passes": ["addSuccess"],
    "fails": ["addFailure"],
    "errs": ["addError"],
    "skips": ["addSkip"],
    "never": ["addSkip"],
    "expected": ["addExpectedFailure"],
    "unexpected": ["addUnexpectedSuccess"],
    "parts": ["addSubTest", "addSubTest"],
}
"""What unittest tells a result of each of these."""


class Case(TestCase):
    """One of each kind."""

    def passes(self) -> None: ...

    def fails(self) -> None:
        self.fail("no")

    def errs(self) -> None:
        raise LookupError("it")

    def skips(self) -> None:
        self.skipTest("later")

    @unittest.skip("never")
    def never(self) -> None: ...

    @unittest.expectedFailure
    def expected(self) -> None:
        self.fail("as it should")

    @unittest.expectedFailure
    def unexpected(self) -> None: ...

    def parts(self) -> None:
        for part in range(2):
            with self.subTest(part=part):
                self.assertEqual(part, 0)


class Broken(Case):
    """Nothing of it runs."""

    @classmethod
    def setUpClass(cls) -> None:
        raise LookupError("in setUpClass")


def tests(names: str, case: type[TestCase] = Case) -> list[TestCase]:
    return [case(name) for name in names.split()]


class Recording(TestCase):
    """A recorder, with nothing behind it."""

    def setUp(self) -> None:
        self.lane: Any = SimpleNamespace(
            keeper=SimpleNamespace(held_up=0.0), adapter=mock.Mock(), take=lambda: "found"
        )
        self.is_over = False
        self.ended: list[tuple[Ran, int]] = []

    def recorder(self, found: Iterable[Any] = ()) -> Recorder:
        recorder = Recorder(
            self.lane,
            found,
            lambda: self.is_over,
            lambda ran: self.ended.append((ran, recorder.complete)),
        )
        return recorder

    def ran(self, names: str, case: type[TestCase] = Case) -> Recorder:
        """What has recorded a suite of tests that has run."""
        found = tests(names, case)
        recorder = self.recorder(found)
        result: Any = recorder
        TestSuite(found)(result)
        return recorder

    def names(self, recorder: Recorder) -> list[str]:
        return [getattr(piece, "name", type(piece).__name__) for piece in recorder.pieces]


class Results(Recording):
    """What unittest tells a result."""

    def test_outcomes(self) -> None:
        """All of it is noted, in its order, and what was found of a test ahead of its end."""
        for name, outcome in OUTCOMES.items():
            with self.subTest(name):
                recorder = self.ran(name)
                found = self.names(recorder)
                if name == "never" and found[0] != "startTest":  # some releases of Python 3.12
                    found = ["startTest", *found]
                self.assertEqual(found, ["startTest", *outcome, "found", "stopTest"])
                self.assertEqual(recorder.pieces[-2].args, ("found",))

    def test_arguments(self) -> None:
        """With what unittest has given."""
        found = tests("fails skips parts")
        recorder = self.recorder()
        result: Any = recorder
        TestSuite(found)(result)
        calls = {piece.name: piece for piece in recorder.pieces}
        test, error = calls["addFailure"].args
        self.assertEqual(test, found[0])
        self.assertEqual((error[0], str(error[1])), (AssertionError, "no"))
        self.assertEqual(calls["addSkip"].args, (found[1], "later"))
        test, part, error = calls["addSubTest"].args
        self.assertEqual((test, part.params["part"]), (found[2], 1))
        self.assertIs(error[0], AssertionError)
        self.assertEqual(calls["stopTest"].args, (found[2],))

    def test_played(self) -> None:
        """Played to a result of unittest's it comes to the same."""
        names = " ".join(OUTCOMES)
        played, direct = unittest.TestResult(), unittest.TestResult()
        for piece in self.ran(names).pieces:
            if piece.name != "found":
                getattr(played, piece.name)(*piece.args)
        TestSuite(tests(names))(direct)
        self.assertEqual(played.testsRun, direct.testsRun)
        for what in ("failures", "errors", "skipped", "unexpectedSuccesses"):
            found = [len(getattr(result, what)) for result in (played, direct)]
            self.assertEqual(found[0], found[1], what)
            self.assertTrue(found[0], what)

    def test_adapter(self) -> None:
        """A test runs for real, and the adapter learns of its end."""
        recorder = self.ran("passes fails")
        self.assertEqual(
            [call[0] for call in self.lane.adapter.method_calls], ["attach", "detach"] * 2
        )
        self.assertIsNone(recorder.running)

    def test_errors(self) -> None:
        """A test knows what it has failed with; what passes, skips or should fail has nothing."""
        self.ran(" ".join(OUTCOMES))
        found = {
            ran.name.rpartition(".")[2]: [type(one) for one in ran.errors] for ran, _ in self.ended
        }
        failed = {
            "fails": [AssertionError],
            "errs": [LookupError],
            "unexpected": [AssertionError],
            "parts": [AssertionError],
        }
        found.setdefault("never", [])  # some releases of Python 3.12 don't start it
        self.assertEqual(found, {name: failed.get(name, []) for name in OUTCOMES})

    def test_has_failed(self) -> None:
        """So does a recorder, whichever has."""
        for name in OUTCOMES:
            self.assertEqual(
                self.ran(name).has_failed, name in {"fails", "errs", "unexpected", "parts"}, name
            )

    def test_fixtures(self) -> None:
        """What a fixture of a class fails with is no test's."""
        recorder = self.ran("passes", Broken)
        self.assertEqual(self.names(recorder), ["addError"])
        self.assertTrue(recorder.has_failed)
        self.assertEqual((self.ended, recorder.complete), ([], 0))
        recorder.end()
        self.assertEqual((self.names(recorder), recorder.complete), (["addError", "found"], 2))

    def test_complete(self) -> None:
        """What has happened is of use up to the end of a test."""
        self.ran("passes parts")
        self.assertEqual([complete for _, complete in self.ended], [4, 9])

    def test_between(self) -> None:
        """What has happened between two tests is, once the second one begins."""
        recorder = self.recorder()
        recorder.add(Text("stdout", "x"))
        self.assertEqual(recorder.complete, 0)
        recorder.startTest(Case("passes"))
        self.assertEqual(recorder.complete, 1)

    def test_over(self) -> None:
        """No further test begins where the run is over."""
        self.is_over = True
        self.assertEqual(self.names(self.ran("passes")), [])
        self.assertTrue(self.recorder().shouldStop)

    def test_duration(self) -> None:
        """Python 3.12 tells of durations, which nose2 has no use for."""
        recorder = self.recorder()
        recorder.addDuration(Case("passes"), 1.0)
        self.assertEqual(self.names(recorder), [])

    def test_moments(self) -> None:
        """Times are such as if nobody had held up the test."""
        recorder = self.recorder()
        clock = SimpleNamespace(time=lambda: 1000.0)
        with mock.patch.object(recorders, "time", clock):
            self.lane.keeper.held_up = 50.0  # the ones before
            recorder.startTest(test := Case("passes"))
            clock.time = lambda: 1010.0
            self.lane.keeper.held_up = 57.0
            recorder.stopTest(test)
        moments = {piece.name: piece.moment for piece in recorder.pieces}
        self.assertEqual(moments, {"startTest": 1000.0, "found": 1003.0, "stopTest": 1003.0})

    def test_nothing_found(self) -> None:
        """Where nothing was found there is nothing to note."""
        self.lane.take = lambda: None
        recorder = self.ran("passes")
        recorder.end()
        self.assertEqual(self.names(recorder), ["startTest", "addSuccess", "stopTest"])


class Putting_off(Recording):
    """A test that turns out to need the main thread."""

    def test_again(self) -> None:
        """Nothing is left of its run but that it is to run again, as it was before it ran."""

        class Needs(TestCase):
            number = 0

            def test(self) -> None:
                self.number = 5
                recorder.add(Text("stdout", "in vain"))
                recorder.needs_main = "it sets"
                self.fail("in vain")

        found = [Case("passes"), Needs("test"), Case("fails")]
        recorder = self.recorder(found)
        result: Any = recorder
        TestSuite(found)(result)
        whole = ["startTest", "addSuccess", "found", "stopTest"]
        failed = ["startTest", "addFailure", "found", "stopTest"]
        self.assertEqual(
            self.names(recorder), [*whole, f"{Needs.__module__}.{Needs.__qualname__}.test", *failed]
        )
        again = recorder.pieces[4]
        self.assertIsInstance(again, Again)
        self.assertIsInstance(again.copy, Needs)
        self.assertIsNot(again.copy, again.test)
        self.assertEqual((again.test.number, again.copy.number), (5, 0))
        self.assertEqual([len(ran.errors) for ran, _ in self.ended], [0, 0, 1])
        self.assertEqual((again.reason, recorder.needs_main), ("it sets", ""))

    def test_fixture(self) -> None:
        """What is noted outside of a test puts off none."""
        recorder = self.recorder()
        recorder.needs_main = "it sets"
        recorder.stopTest(Case("passes"))
        self.assertEqual(self.names(recorder), ["found", "stopTest"])


class Losing(Recording):
    """A thread that is left behind."""

    def test_running(self) -> None:
        """The test that runs gets the error, those behind it say that they were not run."""
        found = tests("passes fails errs")
        recorder = self.recorder(found)
        recorder.startTest(found[0])
        recorder.addSuccess(found[0])
        recorder.stopTest(found[0])
        recorder.startTest(found[1])
        recorder.lose(TimeLimitError("late"))
        calls = [
            (piece.name, piece.args[0], piece.args[1][1] if piece.args[1:] else None)
            for piece in list(recorder.pieces)[4:]
        ]
        self.assertEqual([name for name, *_ in calls], ["startTest", "addError", "stopTest"] * 2)
        self.assertEqual([test for _, test, _ in calls], [found[1]] * 3 + [found[2]] * 3)
        self.assertIsInstance(calls[1][2], TimeLimitError)
        self.assertIsInstance(calls[4][2], AbandonedLoopError)
        self.assertEqual(
            str(calls[4][2]),
            f"it was not run: {found[1].id()} has left the thread behind that both of them run in",
        )
        for piece in recorder.pieces:
            if piece.name == "addError":  # nose2 looks at it
                self.assertIs(piece.args[1][2], piece.args[1][1].__traceback__)
                self.assertIsNotNone(piece.args[1][2])
        self.assertEqual(recorder.complete, len(recorder.pieces))
        self.assertEqual([len(ran.errors) for ran, _ in self.ended], [0, 0])

    def test_traceback(self) -> None:
        """An error that has a traceback keeps it."""
        try:
            raise TimeLimitError("late")
        except TimeLimitError as error:
            late, traceback = error, error.__traceback__
        recorder = self.recorder()
        recorder.startTest(Case("passes"))
        recorder.lose(late)
        self.assertEqual(recorder.pieces[1].args[1], (TimeLimitError, late, traceback))

    def test_fixture(self) -> None:
        """Where a fixture is stuck, none of the tests runs, and each says so."""
        found = tests("passes fails")
        recorder = self.recorder(found)
        late = TimeLimitError("late")
        recorder.lose(late)
        self.assertEqual(self.names(recorder), ["startTest", "addError", "stopTest"] * 2)
        for number in (1, 4):
            error = recorder.pieces[number].args[1][1]
            self.assertIn("it was not run: a fixture has left the thread behind", str(error))
            self.assertIs(error.__cause__, late)

    def test_closed(self) -> None:
        """What the lost thread does from then on is of no interest."""
        found = tests("passes")
        recorder = self.recorder(found)
        recorder.startTest(found[0])
        recorder.lose(TimeLimitError("late"))
        self.assertTrue(recorder.is_closed)
        before = list(recorder.pieces)
        recorder.add(Text("stdout", "late"))
        recorder.addSuccess(found[0])
        recorder.stopTest(found[0])
        self.assertEqual((list(recorder.pieces), recorder.complete), (before, len(before)))


class Output(Recording):
    """What is written."""

    def test_on(self) -> None:
        """What its thread writes is recorded inside of the block; its turn is taken and ended."""
        recorder = self.recorder()
        elsewhere = []
        self.assertIsNone(writers.of_writer())
        with recorder:
            self.assertIs(writers.of_writer(), recorder)
            self.assertTrue(recorder.changes.has_turn)
            thread = threading.Thread(target=lambda: elsewhere.append(writers.of_writer()))
            thread.start()
            thread.join()
        self.assertIsNone(writers.of_writer())
        self.assertFalse(recorder.changes.has_turn)
        self.assertTrue(recorder.changes.is_over)
        self.assertEqual(elsewhere, [None])
        with self.assertRaises(LookupError), self.recorder():
            raise LookupError
        self.assertIsNone(writers.of_writer())


class Layers(Recording):
    """The hooks that nose2 calls for layers."""

    def test_hooks(self) -> None:
        """They are noted, in the order of the rest; what we do for them is done at once."""

        class Layer:
            @classmethod
            def setUp(cls) -> None: ...

            @classmethod
            def testSetUp(cls) -> None: ...

        calls: list[tuple[str, Any]] = []
        session = mock.Mock()
        own = session.hooks
        inner = LayerSuite(session, tests("passes"), layer=Layer)
        outer = LayerSuite(session, [inner], layer=Layer)
        recorder = self.recorder()
        recorder.take_hooks(outer, lambda name, event: calls.append((name, event)))
        result: Any = recorder
        outer(result)
        for call in own.method_calls:
            self.fail(f"{call} was called")
        hooks = [piece for piece in recorder.pieces if isinstance(piece, Hook)]
        self.assertEqual(len(hooks), len(calls))
        self.assertEqual([hook.event for hook in hooks], [event for _, event in calls])
        for hook, (name, _) in zip(hooks, calls, strict=True):
            self.assertIs(hook.call, getattr(own, name))
        names = [name for name, _ in calls]
        self.assertEqual(
            [names.count(name) for name in ("startLayerSetup", "startLayerSetupTest")], [2, 1]
        )
        first = self.names(recorder).index("startTest")
        self.assertIsInstance(recorder.pieces[0], Hook)
        self.assertTrue(0 < first < len(recorder.pieces) - 1)

    def test_again(self) -> None:
        """A suite that is recorded a second time calls nothing of the first recorder."""
        session = mock.Mock()
        suite = LayerSuite(session, tests("passes"), layer=object)
        first, second = self.recorder(), self.recorder()
        for recorder in (first, second):
            recorder.take_hooks(suite, mock.Mock())
        suite.session.hooks.startLayerSetup("event")
        self.assertEqual(list(first.pieces), [])
        self.assertEqual(list(second.pieces), [Hook(session.hooks.startLayerSetup, "event")])

    def test_others(self) -> None:
        """A suite that has no session, and a test, are left alone."""
        test = Case("passes")
        self.recorder().take_hooks(TestSuite([test]), mock.Mock())
        self.assertFalse(hasattr(test, "session"))

    def test_call(self) -> None:
        """A call has a name, arguments and a moment; what is added stands as it is."""
        recorder = self.recorder()
        recorder.add(text := Text("stdout", "x"))
        recorder.addSkip(Case("skips"), "later")
        self.assertIs(recorder.pieces[0], text)
        self.assertIsInstance(recorder.pieces[1], Call)
