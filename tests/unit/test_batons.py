"""nose2_aio.batons"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest import TestCase, mock

from nose2_aio import batons, sleepers
from nose2_aio.batons import Baton, Occupant, Turn

_sleep = time.sleep
_LIMIT = 20
"""Seconds until a test of threads is given up."""
LOOP: Any = mock.Mock()
"""In the place of a loop that is idle."""


class Worker:
    """A thread that runs ``body`` with a turn of its own, once it has the baton."""

    def __init__(self, baton: Baton, body: Callable[[Turn], object]) -> None:
        self.turn = Turn(baton)
        self.is_over = False
        self.error: BaseException | None = None
        self._body = body
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait for its end, and raise what it has raised."""
        self._thread.join(_LIMIT)
        assert not self._thread.is_alive(), "it hangs"
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        self.turn.wait()
        self.turn.enter()
        try:
            self._body(self.turn)
        except BaseException as error:
            self.error = error
        finally:
            self.is_over = True
            self.turn.leave()
            self.turn.end()


class Clock:
    """Stands for the clock."""

    def __init__(self, case: TestCase) -> None:
        self.now = 100.0
        for module in (batons, sleepers):
            patch = mock.patch.object(module, "monotonic", lambda: self.now)
            patch.start()
            case.addCleanup(patch.stop)


class Batons(TestCase):
    """Who has it, and who gets it; this thread is home."""

    def setUp(self) -> None:
        """Have the baton in this thread."""
        self.baton, self.told = Baton(), list[object]()
        self.addCleanup(self.baton.close)
        self.home = self.baton.home
        self.home.enter(gives=False)
        self.addCleanup(self.home.leave)
        self.waiting: list[Worker] = []
        self.baton.spare = self.spare

    def spare(self) -> Turn | None:
        """Begin with the next worker."""
        return self.waiting.pop(0).turn if self.waiting else None

    def worker(self, word: object = None, body: Callable[[Turn], object] | None = None) -> Worker:
        """A thread that says a word when it has the baton; it is the next spare one."""

        def run(turn: Turn) -> None:
            self.told.append(word)
            if body is not None:
                body(turn)

        self.waiting.append(Worker(self.baton, run))
        return self.waiting[-1]

    def host(self, *workers: Worker, look: Callable[[], object] = lambda: None) -> None:
        """Let workers run to their ends."""
        end = time.monotonic() + _LIMIT
        self.home.host(look, lambda: all(one.is_over for one in workers) or time.monotonic() > end)
        for worker in workers:
            worker.end()

    def file(self) -> tuple[int, socket.socket]:
        """The number of a file, and what is to be written to if that is to have something."""
        reads, writes = socket.socketpair()
        self.addCleanup(reads.close)
        self.addCleanup(writes.close)
        return reads.fileno(), writes

    def test_exclusive(self) -> None:
        """Only one thread runs at any time, however often they take turns."""
        inside: list[int] = []
        crowds: list[int] = []

        def body(turn: Turn) -> None:
            for number in range(40):
                inside.append(0)
                time.sleep(0)
                crowds.append(len(inside))
                inside.pop()
                if number % 2:
                    turn.pass_on()
                else:
                    turn.sleep(LOOP, self.file()[0], 0.001)

        self.host(*(self.worker(0, body) for _ in range(4)))
        self.assertEqual((crowds, inside), ([1] * 160, []))
        self.assertTrue(self.home.has_it)

    def test_moments(self) -> None:
        """Who could go on first is next."""

        def body(seconds: float) -> Callable[[Turn], object]:
            def run(turn: Turn) -> None:
                turn.sleep(LOOP, self.file()[0], seconds)
                self.told.append(seconds)

            return run

        moments = [0.04, 0.01, 0.03, 0.02]
        self.host(*(self.worker("begun", body(seconds)) for seconds in moments))
        self.assertEqual(self.told, ["begun"] * 4 + sorted(moments))

    def test_first_come(self) -> None:
        """Who gives it away comes behind all who could go on, and ahead of who would begin."""
        number, writes = self.file()

        def waits(turn: Turn) -> None:
            turn.sleep(LOOP, number, None)
            self.told.append("woken")

        def wakes(turn: Turn) -> None:
            self.assertFalse(self.baton.is_wanted)
            writes.send(b"x")
            self.assertTrue(self.baton.is_wanted)
            self.worker("third")
            turn.pass_on()
            self.told.append("back")

        self.host(self.worker("first", waits), self.worker("second", wakes))
        self.assertEqual(self.told[:4], ["first", "second", "woken", "back"])
        self.host()
        self.assertFalse(self.baton.is_wanted)

    def test_looks(self) -> None:
        """Where nobody can go on home has it, and looks; it looks while one has it for long."""
        number, writes = self.file()
        go = threading.Event()
        holders: list[Turn | None] = []

        def body(turn: Turn) -> None:
            turn.sleep(LOOP, number, None)
            go.wait(_LIMIT)

        def look() -> None:
            holders.append(self.baton.holder)
            if len(holders) == 3:
                writes.send(b"x")
            if len(holders) == 6:
                go.set()

        worker = self.worker("sleeps", body)
        self.host(worker, look=look)
        self.assertEqual(holders[:6], [self.home] * 3 + [worker.turn] * 3)

    def test_recalled(self) -> None:
        """Home is next when it is called, whoever could go on; one that has it for long is told."""
        go = threading.Event()
        is_called = False

        def long(turn: Turn) -> None:
            go.wait(_LIMIT)
            while not self.baton.is_wanted:
                time.sleep(0.001)
            turn.pass_on()
            self.told.append("back")

        def look() -> None:
            nonlocal is_called
            is_called = True
            go.set()

        worker = self.worker("long", long)
        self.home.host(look, lambda: is_called)
        self.assertTrue(self.home.has_it)
        self.assertEqual(self.told, ["long"])
        is_called = False
        self.host(worker)
        self.assertEqual(self.told, ["long", "back"])

    def test_recalled_late(self) -> None:
        """To have been called when it was home already is forgotten."""
        self.baton.is_recalled = True
        self.host(self.worker("begins"))
        self.assertEqual(self.told, ["begins"])

    def test_spare(self) -> None:
        """Who asks for the spare one has it still; while one can go on it isn't asked for."""
        asked: list[Turn] = []

        def spare() -> Turn | None:
            asked.append(self.baton.holder)
            return self.spare()

        def body(turn: Turn) -> None:
            turn.pass_on()
            self.told.append(len(asked))

        self.baton.spare = spare
        worker = self.worker("one", body)
        self.host(worker)
        self.assertEqual(self.told, ["one", 1])
        self.assertEqual(asked[:2], [self.home, worker.turn])

    def test_spare_at_once(self) -> None:
        """It begins before anybody is waited for."""
        woken = mock.Mock(wraps=self.baton._sleepers.woken)
        worker = self.worker("one", lambda _: self.told.append(woken.call_args_list[:]))
        with mock.patch.object(self.baton._sleepers, "woken", woken):
            self.host(worker)
        self.assertEqual(self.told, ["one", [mock.call(0.0)]])

    def test_rest(self) -> None:
        """One that rests waits until it is the spare one; that has it in hand."""
        Clock(self)
        told = []

        def body(turn: Turn) -> None:
            turn.got = turn.since = 0.0
            turn.rest()
            told.append((turn.has_it, turn.got, turn.since))

        worker = self.worker("rests", body)
        self.home.host(lambda: None, lambda: bool(self.told) and self.home.has_it)
        self.assertEqual(told, [])
        self.waiting.append(worker)
        self.host(worker)
        self.assertEqual(told, [(True, 100.0, 100.0)])

    def test_taken_away(self) -> None:
        """From who is stuck it is taken for good: the next one runs, the stuck one no further."""
        go = threading.Event()

        class Parked(BaseException):
            """In the place of sleeping for good."""

        def sleep(turn: Turn) -> None:
            turn.sleep(LOOP, self.file()[0], 0.0)

        for step in (sleep, Turn.pass_on, Turn.is_due, Turn.rest, Turn.check):
            with self.subTest(step), mock.patch("nose2_aio.batons.time.sleep", side_effect=Parked):
                self.told.clear()
                go.clear()

                def body(turn: Turn, step: Callable[[Turn], object] = step) -> None:
                    go.wait(_LIMIT)
                    step(turn)

                stuck = self.worker("stuck", body)
                following = self.worker("next")
                taken: list[bool] = []

                def look(
                    stuck: Worker = stuck, following: Worker = following, taken: Any = taken
                ) -> None:
                    if not taken and not following.is_over:
                        self.assertFalse(self.baton.take_home(following.turn))
                        taken.append(self.baton.take_home(stuck.turn))

                self.host(following, look=look)
                self.assertEqual((self.told, taken), (["stuck", "next"], [True]))
                go.set()
                with self.assertRaises(Parked):
                    stuck.end()
                self.assertTrue(self.home.has_it)
                self.assertFalse(self.baton.is_wanted)

    def test_taken_at_that_moment(self) -> None:
        """One that gives it away while it is taken goes to sleep for good, and nobody gets it."""
        file, _ = self.file()
        gives: tuple[Callable[[Turn], None], ...] = (
            self.baton.give,
            self.baton.give_way,
            lambda turn: self.baton.give_until(turn, file, 0.0),
        )
        for give in gives:
            turn = Turn(self.baton)
            turn.is_lost = True
            give(turn)
            self.assertTrue(self.home.has_it)
            self.assertFalse(self.baton.is_wanted)


class Turns(TestCase):
    """A thread's part; home is another thread."""

    def setUp(self) -> None:
        """Have the baton in this thread, whose clock stands still."""
        self.clock = Clock(self)
        self.baton = Baton()
        self.addCleanup(self.baton.close)
        self.turn = Turn(self.baton)
        self.spares = [self.turn]
        self.baton.spare = lambda: self.spares.pop(0) if self.spares else None
        self.is_over = False
        self.looks: Callable[[], object] = lambda: None
        home = threading.Thread(target=self.host, daemon=True)
        home.start()
        self.addCleanup(home.join, _LIMIT)
        self.addCleanup(self.turn.end)
        self.addCleanup(self.end)
        self.turn.wait()
        self.turn.enter()
        self.addCleanup(self.turn.leave)
        reads, self.writes = socket.socketpair()
        self.addCleanup(self.writes.close)
        self.addCleanup(reads.close)
        self.file = reads.fileno()
        """That of a socket to which `writes` sends."""
        self.idle = self.writes.fileno()
        """One that has nothing."""

    def host(self) -> None:
        """Be home, in a thread of its own."""
        self.baton.home.enter(gives=False)
        self.baton.home.host(lambda: self.looks(), lambda: self.is_over)
        self.baton.home.leave()

    def end(self) -> None:
        """Have home be left."""
        self.is_over = True

    def other(self, *seconds: float, before: Callable[[], object] = lambda: None) -> Worker:
        """A thread that has the baton for so many seconds, and again, when this one gives it."""

        def body(turn: Turn) -> None:
            before()
            for one in seconds:
                self.clock.now += one
                if one != seconds[-1]:
                    turn.pass_on()

        worker = Worker(self.baton, body)
        self.spares.append(worker.turn)
        return worker

    def test_thread(self) -> None:
        """It belongs to the thread that has entered, until that leaves."""
        self.assertIs(batons.mine(), self.turn)
        self.assertIn(threading.get_ident(), batons.threads)
        self.assertTrue(self.turn.is_of_this_thread)
        self.assertTrue(self.turn.has_it)
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

    def test_due(self) -> None:
        """Between two steps it is due where it was here for long and another could go on."""
        self.clock.now += 10
        self.assertFalse(self.turn.is_due())  # nobody wants it
        self.assertEqual(self.turn.got, self.clock.now)
        self.baton._note_ready(0.0, Turn(self.baton))
        self.clock.now += batons._LONG / 2
        self.assertFalse(self.turn.is_due())  # it is here for a moment only
        self.clock.now += batons._LONG / 2 + 1e-6
        self.assertTrue(self.turn.is_due())
        self.baton._ready.clear()

    def test_held_up(self) -> None:
        """It is told for how long others have held it up, and not for its own."""
        told: list[float] = []
        self.turn.occupant.note_held_up = told.append  # type: ignore[method-assign]
        other = self.other(1, 2)
        self.assertEqual(self.turn.sleep(LOOP, self.file, 1.0), 0.0)  # when it was woken
        self.assertEqual(self.turn.pass_on(), 2.0)
        other.end()
        other = self.other(3.0)
        self.assertEqual(self.turn.sleep(LOOP, self.file, 1.0), 2.0)
        other.end()
        other = self.other(4.0, before=lambda: self.writes.send(b"x"))
        self.assertEqual(self.turn.sleep(LOOP, self.file, None), 4.0)
        other.end()
        self.assertEqual(told, [0.0, 2.0, 2.0, 4.0])
        self.assertEqual((self.turn.got, self.turn.since), (110.0, 110.0))

    def test_idle(self) -> None:
        """While nobody has it nobody is held up."""

        def looks() -> None:
            self.clock.now += 5

        self.looks = looks
        self.assertEqual(self.turn.sleep(LOOP, self.file, 10.0), 0.0)
        self.looks = lambda: self.writes.send(b"x")
        self.assertEqual(self.turn.sleep(LOOP, self.file, 10.0), 0.0)
        self.assertEqual(self.clock.now, 110)

    def test_calls(self) -> None:
        """What is its own is put aside before it is given away, and comes back with it."""
        told = []

        def note(word: str) -> Callable[[], None]:
            return lambda: told.append((word, self.turn.has_it, self.turn.is_idle, self.turn.loop))

        self.turn.occupant = mock.Mock(leave=note("leave"), come_back=note("come back"))
        self.writes.send(b"x")
        self.turn.sleep(LOOP, self.file, None)
        other = self.other(1.0, before=note("other"))
        self.turn.sleep(LOOP, self.idle, 1.0)
        other.end()
        self.assertEqual(
            told,
            [
                ("leave", True, False, None),
                ("come back", True, False, LOOP),
                ("leave", True, False, LOOP),
                ("other", False, True, LOOP),
                ("come back", True, False, LOOP),
            ],
        )

    def test_blocked(self) -> None:
        """It is told of steps that take long, whether or not it is given away behind them."""
        told: list[float] = []
        self.turn.occupant.note_blocked = told.append  # type: ignore[method-assign]
        self.writes.send(b"x")
        for step in (self.turn.is_due, lambda: self.turn.sleep(LOOP, self.file, None)):
            self.clock.now += batons._BLOCKED - 0.01
            self.turn.is_due()
            self.clock.now += batons._BLOCKED
            step()
        self.assertEqual([round(seconds, 6) for seconds in told], [batons._BLOCKED] * 2)
        other = self.other(10)
        self.turn.sleep(LOOP, self.idle, 1.0)
        other.end()
        self.assertEqual(len(told), 2)
        self.turn.occupant = Occupant()
        self.clock.now += 10
        self.turn.is_due()
        self.assertEqual(self.turn.since, self.clock.now)

    def test_stays(self) -> None:
        """That its loop was idle for long while it kept the baton is told, not called blocking."""
        told = []
        occupant = self.turn.occupant = mock.Mock(spec=Occupant)
        occupant.note_stayed.side_effect = lambda: told.append(self.clock.now)
        for _ in range(2):
            self.clock.now += batons._BLOCKED / 2
            self.turn.note_stay()
        self.assertEqual(told, [self.clock.now])
        self.clock.now += batons._BLOCKED
        self.turn.note_stay()
        occupant.note_blocked.assert_not_called()
        self.turn.pass_on()
        self.turn.note_stay()
        self.assertEqual(len(told), 2)

    def test_nobody_cares(self) -> None:
        """What doesn't care keeps nothing, and takes everything."""
        occupant = Occupant()
        self.assertFalse(occupant.stays(has_job=True))
        occupant.leave()
        occupant.come_back()
        occupant.note_stayed()
        occupant.note_held_up(1.0)
        occupant.note_blocked(1.0)

    def test_rouse(self) -> None:
        """Its loop is woken where that is idle, and what runs there is to be interrupted."""
        loop: Any = mock.Mock()
        told: list[int] = []

        def look() -> None:
            self.turn.rouse()
            told.append(loop.call_soon_threadsafe.call_count)
            self.turn.is_interrupted = True
            self.turn.rouse()
            told.append(loop.call_soon_threadsafe.call_count)
            self.writes.send(b"x")

        self.looks = look
        self.turn.sleep(loop, self.file, None)
        self.looks = lambda: None
        self.assertEqual(told, [0, 1])
        self.assertIsNone(loop.call_soon_threadsafe.call_args.args[0]())
        self.turn.rouse()
        loop.call_soon_threadsafe.assert_called_once()

    def test_rouse_closed(self) -> None:
        """That it was closed meanwhile is no error."""
        self.turn.loop = loop = asyncio.new_event_loop()
        self.turn.is_interrupted = self.turn.is_idle = True
        loop.close()
        self.turn.rouse()
