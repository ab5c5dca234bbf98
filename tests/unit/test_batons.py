"""nose2_aio.batons"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest import TestCase, mock

from nose2_aio import batons
from nose2_aio.batons import Baton, Occupant, Turn

_sleep = time.sleep
_LIMIT = 20
"""Seconds until a test of threads is given up."""


def until(condition: Callable[[], object]) -> None:
    """Wait for something that another thread is about to do."""
    end = time.monotonic() + _LIMIT
    while not condition():
        assert time.monotonic() < end, "nothing has come"
        time.sleep(0.001)


class Worker:
    """A thread that runs ``body`` with a turn of its own, once it has the baton."""

    def __init__(self, baton: Baton, body: Callable[[Turn], object]) -> None:
        self.turn = Turn(baton)
        self.error: BaseException | None = None
        self._baton, self._body = baton, body
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Worker:
        """Have it run up to where it waits for the baton."""
        self._thread.start()
        until(lambda: self.turn in self._baton._waiting)
        return self

    def end(self) -> None:
        """Wait for its end, and raise what it has raised."""
        self._thread.join(_LIMIT)
        assert not self._thread.is_alive(), "it hangs"
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        self.turn.enter()
        try:
            self.turn.take()
            self._body(self.turn)
            self.turn.give()
        except BaseException as error:
            self.error = error
        finally:
            self.turn.leave()


class Clock:
    """Stands for the clock of `batons`."""

    def __init__(self, case: TestCase) -> None:
        self.now = 100.0
        patch = mock.patch.object(batons, "monotonic", lambda: self.now)
        patch.start()
        case.addCleanup(patch.stop)


class Batons(TestCase):
    """Who has it, and who gets it."""

    def setUp(self) -> None:
        """Have the baton in this thread."""
        self.baton, self.told = Baton(), list[object]()
        self.turn = Turn(self.baton)
        self.turn.enter()
        self.addCleanup(self.turn.leave)
        self.assertEqual(self.turn.take(), 0.0)

    def worker(self, word: object = None, body: Callable[[Turn], object] | None = None) -> Worker:
        """A thread that says a word when it has the baton."""

        def run(turn: Turn) -> None:
            self.told.append(word)
            if body is not None:
                body(turn)

        return Worker(self.baton, run)

    def test_exclusive(self) -> None:
        """Only one thread runs at any time, however often they take turns."""
        inside: list[int] = []
        crowds: list[int] = []

        def body(turn: Turn) -> None:
            for _ in range(40):
                inside.append(0)
                time.sleep(0)
                crowds.append(len(inside))
                inside.pop()
                turn.give()
                turn.take()

        workers = [self.worker(0, body).start() for _ in range(4)]
        self.turn.give()
        for worker in workers:
            worker.end()
        self.assertEqual((crowds, inside), ([1] * 160, []))
        self.assertIsNone(self.baton.holder)

    def test_first_come(self) -> None:
        """Who has waited longest is next; who gives it away comes last."""
        workers = [self.worker(number).start() for number in range(4)]
        self.assertTrue(self.baton.is_wanted)
        self.turn.give()
        self.turn.take()
        self.told.append("main")
        self.turn.give()
        for worker in workers:
            worker.end()
        self.assertEqual(self.told[:4], [0, 1, 2, 3])
        self.assertFalse(self.baton.is_wanted)

    def test_who_looks(self) -> None:
        """Who looks meanwhile is ahead of all who wait already, and looks again and again."""
        go, looks = threading.Event(), list[Turn | None]()
        first = self.worker("first", lambda _: go.wait(_LIMIT)).start()
        second = self.worker("second").start()
        self.turn.give()
        until(lambda: self.told)

        def look() -> None:
            looks.append(self.baton.holder)
            if len(looks) == 3:
                go.set()

        self.assertGreater(self.turn.take(look), 0)
        self.assertEqual(self.told, ["first"])
        self.assertEqual(looks, [first.turn] * 3)
        self.assertTrue(self.turn.has_it)
        self.assertFalse(first.turn.has_it)
        self.turn.give()
        first.end()
        second.end()
        self.assertEqual(self.told, ["first", "second"])

    def test_nobody(self) -> None:
        """Where nobody waits it is put down, and there for the next who comes."""
        self.turn.give()
        self.assertIsNone(self.baton.holder)
        looks = mock.Mock()
        self.assertEqual(self.turn.take(looks), 0.0)
        looks.assert_not_called()

    def test_spare(self) -> None:
        """Where nobody waits, the spare one gets it; who asks for that has it still."""
        turn, asked = Turn(self.baton), list[Turn | None]()

        def rest() -> None:
            turn.enter()
            turn.wait()
            self.told.append(self.baton.holder)
            turn.give()
            turn.leave()

        def spare() -> Turn | None:
            asked.append(self.baton.holder)
            return turn if len(asked) == 1 else None

        self.baton.spare = spare
        thread = threading.Thread(target=rest, daemon=True)
        thread.start()
        self.turn.give()
        thread.join(_LIMIT)
        self.assertEqual(asked, [self.turn, turn])
        self.assertEqual(self.told, [turn])
        self.assertIsNone(self.baton.holder)

    def test_spare_unasked(self) -> None:
        """It isn't asked for while somebody waits."""
        worker = self.worker("waited").start()
        self.baton.spare = mock.Mock(return_value=None)
        self.turn.give()
        worker.end()
        self.baton.spare.assert_called_once_with()  # by the last one
        self.assertEqual(self.told, ["waited"])

    def test_spare_late(self) -> None:
        """Who comes while it is asked for is not forgotten."""
        late = self.worker("late")

        def spare() -> None:
            self.baton.spare = lambda: None
            late.start()

        self.baton.spare = spare
        self.turn.give()
        late.end()
        self.assertEqual(self.told, ["late"])

    def test_taken_away(self) -> None:
        """From who is stuck it is taken for good: the next one runs, the stuck one no further."""
        go = threading.Event()

        class Parked(BaseException):
            """In the place of sleeping for good."""

        for word in ("give", "take", "pass_on", "rest", "check"):
            with self.subTest(word), mock.patch("nose2_aio.batons.time.sleep", side_effect=Parked):
                self.told.clear()
                go.clear()

                def body(turn: Turn, name: str = word) -> None:
                    go.wait(_LIMIT)
                    getattr(turn, name)()

                stuck, following = self.worker("stuck", body), self.worker("next")
                with mock.patch("nose2_aio.batons.time.sleep", _sleep):
                    stuck.start()
                    following.start()
                    self.turn.give()
                    until(lambda: self.told)
                self.assertFalse(self.baton.take_away(self.turn))
                self.assertTrue(self.baton.take_away(stuck.turn))
                self.baton.give()
                following.end()
                self.assertEqual(self.told, ["stuck", "next"])
                go.set()
                with self.assertRaises(Parked):
                    stuck.end()
                self.assertIsNone(self.baton.holder)
                self.assertNotIn(stuck.turn, self.baton._waiting)
                self.assertEqual(self.turn.take(), 0.0)


class Turns(TestCase):
    """A thread's part."""

    def setUp(self) -> None:
        """Have the baton in this thread, whose clock stands still."""
        self.clock = Clock(self)
        self.baton = Baton()
        self.turn = Turn(self.baton)
        self.turn.enter()
        self.addCleanup(self.turn.leave)
        self.turn.take()

    def while_it_waits(self, seconds: float) -> Worker:
        """Start a thread that has the baton for so long while this one waits."""
        is_waiting = threading.Event()
        wait = self.turn.wait

        def waits(look: Callable[[], object] | None = None) -> None:
            is_waiting.set()
            wait(look)

        self.turn.wait = waits  # type: ignore[method-assign]

        def body(_: Turn) -> None:
            is_waiting.wait(_LIMIT)
            self.clock.now += seconds

        return Worker(self.baton, body).start()

    def test_thread(self) -> None:
        """It belongs to the thread that has entered, until that leaves."""
        self.assertIs(batons.mine(), self.turn)
        self.assertIn(threading.get_ident(), batons.threads)
        self.assertTrue(self.turn.is_of_this_thread)
        other = []
        thread = threading.Thread(
            target=lambda: other.extend([batons.mine(), self.turn.is_of_this_thread])
        )
        thread.start()
        thread.join()
        self.assertEqual(other, [None, False])
        self.turn.leave()
        self.assertIsNone(batons.mine())
        self.assertNotIn(threading.get_ident(), batons.threads)

    def test_nested(self) -> None:
        """A test that runs tests takes part as before when they are done."""
        inner = Turn(Baton())
        inner.enter(gives=False)
        self.assertIsNone(batons.mine())
        inner.leave()
        self.assertIs(batons.mine(), self.turn)
        self.assertIn(threading.get_ident(), batons.threads)

    def test_pass_on(self) -> None:
        """Between two steps it is given away where it was here for long and another wants it."""
        self.clock.now += 10
        self.turn.occupant = mock.Mock(spec=Occupant)
        self.turn.occupant.stays.return_value = False
        self.assertEqual(self.turn.pass_on(), 0.0)  # nobody wants it
        self.turn.occupant.leave.assert_not_called()
        self.turn.got = self.clock.now
        worker = self.while_it_waits(3)
        self.clock.now += batons._LONG / 2
        self.assertEqual(self.turn.pass_on(), 0.0)  # it is here for a moment only
        self.assertTrue(self.turn.has_it)
        self.assertTrue(self.baton.is_wanted)
        self.clock.now += batons._LONG / 2 + 1e-6
        self.assertAlmostEqual(self.turn.pass_on(), 3)
        worker.end()
        self.assertTrue(self.turn.has_it)
        self.assertEqual(self.turn.got, self.clock.now)

    def test_held_up(self) -> None:
        """It is told for how long others have held it up, if they have, and not for its own."""
        told: list[float] = []
        self.turn.occupant.note_held_up = told.append  # type: ignore[method-assign]
        self.turn.give()
        self.clock.now += 5
        self.assertEqual(self.turn.take(), 0.0)  # it was idle
        self.assertEqual(told, [])
        worker = self.while_it_waits(2)
        self.turn.give()
        self.assertEqual(self.turn.take(), 2.0)
        worker.end()
        self.assertEqual(told, [2.0])
        self.assertEqual((self.turn.got, self.turn.since), (107.0, 107.0))

    def test_calls(self) -> None:
        """What is its own is put aside before it is given away, and comes back with it."""
        told = []

        def note(word: str) -> Callable[[], None]:
            return lambda: told.append((word, self.turn.has_it, self.turn.loop))

        self.turn.occupant = mock.Mock(leave=note("leave"), come_back=note("come back"))
        loop: Any = mock.Mock()
        self.turn.give(loop)
        self.assertIs(self.turn.loop, loop)
        self.assertFalse(self.turn.has_it)
        self.turn.take()
        self.assertEqual(told, [("leave", True, None), ("come back", True, loop)])

    def test_blocked(self) -> None:
        """It is told of steps that take long, whether or not it is given away behind them."""
        told: list[float] = []
        self.turn.occupant.note_blocked = told.append  # type: ignore[method-assign]
        for step in (self.turn.pass_on, self.turn.give):
            self.clock.now += batons._BLOCKED - 0.01
            self.turn.pass_on()
            self.clock.now += batons._BLOCKED
            step()
        self.assertEqual([round(seconds, 6) for seconds in told], [batons._BLOCKED] * 2)
        self.clock.now += 10  # while it is idle
        self.turn.take()
        self.turn.give()
        self.assertEqual(len(told), 2)
        self.turn.take()
        self.turn.occupant = Occupant()
        self.clock.now += 10
        self.turn.pass_on()
        self.assertEqual(self.turn.since, self.clock.now)

    def test_stays(self) -> None:
        """What occupies it may keep it; that it was idle for long meanwhile is told."""
        told = []
        occupant = self.turn.occupant = mock.Mock(spec=Occupant)
        occupant.note_stayed.side_effect = lambda: told.append(self.clock.now)
        worker = self.while_it_waits(0)
        self.clock.now += 2 * batons._LONG
        self.assertEqual(self.turn.pass_on(has_job=True), 0.0)
        occupant.stays.assert_called_once_with(has_job=True)
        occupant.leave.assert_not_called()
        for _ in range(2):
            self.clock.now += batons._BLOCKED / 2
            self.turn.note_stay()
        self.assertEqual(told, [self.clock.now])
        occupant.stays.return_value = False
        self.clock.now += 2 * batons._LONG
        self.turn.pass_on()
        worker.end()
        occupant.leave.assert_called_once_with()

    def test_nobody_cares(self) -> None:
        """What doesn't care keeps nothing, and takes everything."""
        occupant = Occupant()
        self.assertFalse(occupant.stays(has_job=True))
        occupant.leave()
        occupant.come_back()
        occupant.note_stayed()
        occupant.note_held_up(1.0)
        occupant.note_blocked(1.0)

    def test_rest(self) -> None:
        """It waits behind having given it away, until somebody wakes it; that has it in hand."""
        told = []

        def body(turn: Turn) -> None:
            self.clock.now += 1
            turn.rest()
            told.append((turn.has_it, turn.got, turn.since))

        worker = Worker(self.baton, body).start()
        self.turn.give()
        until(lambda: self.baton.holder is None)
        self.clock.now += 1
        self.assertFalse(told)
        self.turn.take()
        self.baton.spare = lambda: None if told else worker.turn
        self.turn.give()
        worker.end()
        self.assertEqual(told, [(True, 102.0, 102.0)])
        self.assertIsNone(self.baton.holder)

    def test_rouse(self) -> None:
        """Its loop is woken where that is idle, and what runs there is to be interrupted."""
        loop: Any = mock.Mock()
        self.turn.give(loop)
        self.turn.rouse()
        loop.call_soon_threadsafe.assert_not_called()
        self.turn.is_interrupted = True
        self.turn.rouse()
        loop.call_soon_threadsafe.assert_called_once()
        self.assertIsNone(loop.call_soon_threadsafe.call_args.args[0]())
        self.turn.take()
        self.turn.rouse()
        loop.call_soon_threadsafe.assert_called_once()

    def test_rouse_closed(self) -> None:
        """That it was closed meanwhile is no error."""
        loop = asyncio.new_event_loop()
        self.turn.give(loop)
        self.turn.is_interrupted = True
        loop.close()
        self.turn.rouse()
