"""nose2_aio.workers.messages"""

from __future__ import annotations

import math
import multiprocessing
import pickle
from typing import Any
from unittest import TestCase

from nose2_aio.workers import messages
from nose2_aio.workers.messages import (
    Call,
    Collected,
    Error,
    ErrorHolder,
    Logged,
    NeedsTerminal,
    OutputText,
    PickledValue,
    Refusal,
    Report,
    Stopped,
    SubTest,
    UnknownTest,
    WorkerState,
)


class Reports(TestCase):
    """What a worker sends."""

    def test_packed(self) -> None:
        """A report arrives as it was sent, with events of every kind."""
        value = PickledValue(pickle.dumps(LookupError("lost")), "words")
        error = Error((pickle.dumps(LookupError),), value, "text")
        events: list[Any] = [
            Call("startTest", 0, (), 1.5),
            OutputText(2, "written"),
            Logged(1, value),
            Stopped(),
            Call("addSubTest", 0, (SubTest(None, {"a": value}), error), 2.0),
            Call("addError", ErrorHolder("_ErrorHolder", "setUpClass (x)"), (error,), 2.0),
            Call("stopTest", UnknownTest("id", "text", None), (), 2.5),
            NeedsTerminal(3),
            Collected({"any": "thing"}),
            Refusal("why"),
        ]
        found = Report.from_bytes(Report(7, events, is_over=True).to_bytes())
        self.assertEqual((found.unit, found.is_over, found.is_interrupted), (7, True, False))
        self.assertEqual([type(one) for one in found.events], [type(one) for one in events])
        self.assertEqual(found.events, events)

    def test_end(self) -> None:
        """A report says that the unit is over, and that Ctrl-C has ended it."""
        self.assertEqual(Report.from_bytes(Report(0, []).to_bytes())[2:], (False, False))
        found = Report.from_bytes(Report(0, [], is_over=False, is_interrupted=True).to_bytes())
        self.assertEqual(found[2:], (False, True))

    def test_exports(self) -> None:
        """Every kind of event can be sent."""
        kinds = messages.Event.__args__  # type: ignore[attr-defined]
        for kind in kinds:
            event = kind(*range(len(kind._fields)))
            self.assertEqual(Report.from_bytes(Report(0, [event]).to_bytes()).events, [event])


class States(TestCase):
    """What both processes see."""

    def test_begin(self) -> None:
        """Nothing runs at first, and no time limit is set."""
        state = WorkerState(multiprocessing.get_context("spawn"))
        self.assertEqual((state.unit, state.test, state.kill_at), (-1, -1, math.inf))
        self.assertEqual((state.sent(1), state.sent(2)), (0, 0))

    def test_run(self) -> None:
        """It says which test of which unit runs, and since when."""
        state = WorkerState(multiprocessing.get_context("spawn"))
        state.begin_unit(4)
        self.assertEqual((state.unit, state.test), (4, -1))
        state.begin_test(2, 17.25)
        self.assertEqual((state.unit, state.test, state.since), (4, 2, 17.25))
        state.end_test()
        self.assertEqual((state.unit, state.test), (4, -1))
        state.begin_test(3, 18)
        state.begin_unit(-1)
        self.assertEqual((state.unit, state.test), (-1, -1))

    def test_numbers(self) -> None:
        """The numbers don't overwrite each other."""
        state = WorkerState(multiprocessing.get_context("spawn"))
        state.begin_unit(1)
        state.begin_test(2, 3)
        state.kill_at = 4
        state.note_sent(1, 5)
        state.note_sent(2, 6)
        found = (state.unit, state.test, state.since, state.kill_at, state.sent(1), state.sent(2))
        self.assertEqual(found, (1, 2, 3, 4, 5, 6))

    def test_shared(self) -> None:
        """A child process changes what the parent sees."""
        context = multiprocessing.get_context("spawn")
        state = WorkerState(context)
        child = context.Process(target=state.begin_unit, args=(5,))
        child.start()
        child.join()
        self.assertEqual(state.unit, 5)
        child.close()


class TakenBack(TestCase):
    """Assignments that the main process takes back."""

    def setUp(self) -> None:
        self.state = WorkerState(multiprocessing.get_context("spawn"))

    def test_rest(self) -> None:
        """Assignments that have not begun are taken back, and don't begin. Later ones do."""
        self.assertTrue(self.state.begin_assignment(0))
        self.assertTrue(self.state.begin_assignment(1))
        self.assertEqual(self.state.take_back(4), 2)
        self.assertEqual(
            [self.state.begin_assignment(n) for n in (2, 3, 4, 5)], [False] * 2 + [True] * 2
        )
        self.assertEqual(self.state.take_back(6), 6)
        self.assertTrue(self.state.begin_assignment(6))

    def test_held(self) -> None:
        """Nothing is taken back from a worker that died while it began an assignment."""
        with self.state._lock:
            self.assertEqual(self.state.take_back(3), 3)
