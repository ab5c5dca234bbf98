"""A crowd: the units that run at once, each in a thread, and which one is begun next.

A thread takes one unit after the other. Where nobody wants the baton one more unit is begun, as
long as fewer than so many run.

All that is known here is changed only by who has the baton: there are no locks.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

from nose2_aio import batons, unawaited
from nose2_aio.alarms import PolledAlarm
from nose2_aio.batons import Baton, Turn
from nose2_aio.deadlines import Timekeeper, is_interruptible
from nose2_aio.lanes import Here, Lane
from nose2_aio.lookouts import Lookout
from nose2_aio.queues import Queue
from nose2_aio.recorders import Ran, Recorder
from nose2_aio.seconds import monotonic
from nose2_aio.suspects import Log, Suspect
from nose2_aio.unitruns import UnitRun
from nose2_aio.units import Unit

__all__ = ["Crowd", "Running"]


_FEW_THREADS = "concurrency: no more threads could be started, so at most {} tests ran at once"


class Running(NamedTuple):
    """A test that runs."""

    name: str
    seconds: float
    """For how long it has."""
    loop: AbstractEventLoop | None
    frame: FrameType | None
    """Where its thread is, if that has the baton."""


class Crowd:
    """The units that run at once, by their index."""

    def __init__(
        self,
        units: Sequence[Unit],
        width: int,
        here: Here,
        new_lane: Callable[[Timekeeper], Lane],
        on_layer: Callable[[str, Any], None],
    ) -> None:
        """Run up to ``width`` units at once, each in a lane that ``new_lane`` makes.

        ``on_layer`` does at once what the hook of a layer is for.
        """
        self.units: list[Unit | None] = list(units)
        """None for those of which nobody wants to know any more."""
        self.baton = Baton()
        self.baton.spare = self._spare
        self.tell: Callable[[int | None], None] = lambda _: None
        """Is told in which unit there is news; None: there is some that can't wait."""
        self.running: dict[int, UnitRun] = {}
        self.recorders: dict[int, Recorder] = {}
        """Those of units that have begun and are not forgotten."""
        self.suspects: dict[int, list[Suspect]] = {}
        self.is_draining = False
        """Whether nothing is to begin for now."""
        self.is_over = False
        """Whether no test is to begin any more."""
        self.crash: BaseException | None = None
        """What must not happen: an error of ours, in one of the threads."""
        self._queue = Queue(units)
        self._width = width
        self._here = here
        self._new_lane = new_lane
        self._on_layer = on_layer
        self._threads: dict[Turn, threading.Thread] = {}
        self._idle: list[Turn] = []
        self._done: set[int] = set()
        self._is_closed = False
        """Whether the threads are to end."""
        self._crowded = 0.0
        """When several units have run last."""
        self._log = Log()
        self._outer_context = contextvars.copy_context()

    def tests(self) -> list[Running]:
        """Return the tests that run."""
        frames = sys._current_frames()
        found = []
        for run in list(self.running.values()):
            frame = None if run.turn.is_idle else frames.get(run.turn.thread)
            found.append(Running(*run.running(), run.turn.loop, frame))
        return found

    def holder(self) -> UnitRun | None:
        """Return what has the baton, if that is one of these."""
        holder = self.baton.holder
        return next((run for run in list(self.running.values()) if run.turn is holder), None)

    def is_done(self, index: int) -> bool:
        """Tell whether a unit is over, and all of it recorded."""
        return index in self._done

    def forget(self, index: int) -> None:
        """Forget a unit that is over."""
        self._done.discard(index)
        self.recorders.pop(index, None)
        self.units[index] = None

    def interrupt(self) -> None:
        """Have all that run be interrupted, and nothing begin any more."""
        if not self.is_over:
            self.is_over = True
            for run in list(self.running.values()):
                run.turn.is_interrupted = True
                run.turn.rouse()

    def lose(self, run: UnitRun) -> None:
        """Give up a unit, and the thread in which it is stuck."""
        error = run.lookout.error()
        if not self.baton.take_home(run.turn):  # it has gone on meanwhile
            return
        index = next(index for index, one in list(self.running.items()) if one is run)
        del self._threads[run.turn]
        run.recorder.lose(error)
        run.recorder.changes.end()
        self._finish(index)

    def close(self) -> None:
        """End the threads; nothing runs any more, but for what has to be left behind."""
        self.is_over = self._is_closed = True
        for turn in self._idle:
            turn.wake()
        for turn in self._idle:
            self._threads[turn].join()
        if not self.running:
            self.baton.close()

    def needs_main(self, reason: str) -> bool:
        """Have the test that runs in this thread be run in the main one, if this isn't it."""
        turn = batons.mine()
        found = next((run for run in list(self.running.values()) if run.turn is turn), None)
        if found is None:
            return False
        found.recorder.needs_main = reason
        return True

    @property
    def _can_begin(self) -> bool:
        return not (self.is_draining or self.is_over or self._queue.is_empty)

    def _spare(self) -> Turn | None:
        """Return the turn of a thread that can begin a unit now, if there is one."""
        if not self._can_begin:
            return None
        if self._idle:
            return self._idle.pop()
        if len(self._threads) >= self._width:
            return None
        turn = Turn(self.baton)
        name = f"nose2_aio-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, args=(turn,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            self._width = len(self._threads)
            self._here.main.keeper.told[_FEW_THREADS.format(self._width)] = None
            return None
        self._threads[turn] = thread
        return turn

    def _work(self, turn: Turn) -> None:
        """What each of the threads does."""
        turn.wait()
        turn.enter()
        try:
            alarm = PolledAlarm(is_interruptible)
            lane = self._new_lane(Timekeeper(alarm))
            lane.charges.is_beside = self._was_crowded
            self._here.enter(lane)
            unawaited.track()
            while (index := self._next(turn)) is not None:
                self._run_unit(index, lane, Lookout(turn, lane.keeper, alarm))
                if turn.is_due():
                    turn.pass_on()
        except BaseException as error:
            self.crash = error
            self.tell(None)
        finally:
            turn.leave()
            turn.end()

    def _next(self, turn: Turn) -> int | None:
        """Wait for the next unit, and return its index; None where none is to begin any more."""
        while not self._can_begin:
            if self._is_closed:
                return None
            self._idle.append(turn)
            turn.rest()
        return self._queue.take()

    def _run_unit(self, index: int, lane: Lane, lookout: Lookout) -> None:
        unit = self.units[index]
        assert unit is not None
        recorder = self._recorder(index, unit, lane)
        run = self.running[index] = UnitRun(unit, lane, recorder, lookout, self._has_others)
        try:
            self._outer_context.copy().run(run)
        finally:
            if not recorder.is_closed:
                recorder.end()
                self._finish(index)

    def _recorder(self, index: int, unit: Unit, lane: Lane) -> Recorder:
        recorder = self.recorders[index] = Recorder(
            lane,
            unit.tests,
            lambda: self.is_over,
            partial(self._note_end, index),
            has_fixtures=unit.has_fixtures,
        )
        recorder.take_hooks(unit.suite, self._on_layer)
        lane.interrupts.stop, lane.interrupts.count = recorder.stop, 0
        return recorder

    def _note_end(self, index: int, ran: Ran) -> None:
        """Note that a test of a unit is over."""
        beside = self._log.add(ran, self._tests_running)
        unit = self.units[index]
        if ran.errors and unit is not None:
            self.suspects.setdefault(index, []).append(Suspect(ran, unit, beside))
        self.tell(index)

    def _finish(self, index: int) -> None:
        """Note that a unit is over."""
        if self._is_crowded:
            self._crowded = monotonic()
        del self.running[index]
        self._done.add(index)
        self._queue.release(index)
        self.tell(index)

    def _tests_running(self) -> list[Ran]:
        return [one.running for one in self.recorders.values() if one.running is not None]

    @property
    def _is_crowded(self) -> bool:
        """Whether several units run."""
        return len(self.running) > 1

    def _has_others(self) -> bool:
        """Tell whether there is another unit that is held up: one that runs, or could."""
        return self._is_crowded or not self._queue.is_empty

    def _was_crowded(self, since: float) -> bool:
        """Tell whether several units have run since a moment."""
        return self._is_crowded or self._crowded >= since
