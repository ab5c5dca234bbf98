"""Many tests at once, each in a thread of its own, with one baton among them.

1. A suite is cut into units (`units`): what has to run in order in one place.
2. A unit that runs beside others runs in a lane: a thread with all that belongs to its tests
   (`lanes`). Whoever has the baton runs (`batons`); a loop gives it away while it is idle. Where
   nobody wants it then, one more unit is begun, as long as there are fewer than so many.
3. What happens there is recorded (`recorders`), and played to the result by the main thread, in
   the order of the suite, each test as soon as its turn comes.
4. Where it is the turn of a unit that runs alone, nothing is begun any more until nothing is
   running; then it runs in the main thread, on the result itself.
5. Ctrl-C, and a result that wants the run to stop, interrupt all that run; each ends in good order.

All that is known here is changed only by who has the baton: there are no locks.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import os
import signal
import sys
import threading
import warnings
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

from nose2_aio import (
    alarms,
    batons,
    chains,
    deadlines,
    mainthread,
    outputs,
    reports,
    seams,
    stacks,
    unawaited,
    wakers,
)
from nose2_aio.alarms import PolledAlarm
from nose2_aio.batons import Baton, LostBatonError, Turn
from nose2_aio.deadlines import Timekeeper
from nose2_aio.errors import InterruptedRunError
from nose2_aio.lanes import Found, Here, Lane
from nose2_aio.players import Player, time_of_plugins
from nose2_aio.queues import Queue
from nose2_aio.recorders import Again, Ran, Recorder
from nose2_aio.seconds import monotonic
from nose2_aio.suspects import Interference, Log, Suspect, retried
from nose2_aio.units import Unit

__all__ = ["Crowd"]

_FEW_FILES = "concurrency: this process may open {} files, so at most {} tests run at once"
_FILES = 4
"""How many files a test has open: its loop has three."""
_SPARE = 32
"""How many may be open besides."""

_LAST = 5.0
"""Seconds that what runs has to end, when nobody wants to know of it any more."""
_TICK = 0.02
"""Seconds between two looks at what has the baton."""
_NEEDS_MAIN = (
    "{}: it {}, which only the main thread can, so it ran there, alone; tag it with @aio.serial"
)
_PATIENCE = 1.0
"""Seconds until something is stuck that was interrupted, and is where it was."""
_STAYED = (
    "{}: it waited for a job or a thread while it had patched or redirected something, so all "
    "others waited too"
)
_SLOW = 0.25
"""Seconds after which it is noted where a test blocks."""


class Crowd:
    """Runs units, many at once."""

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        units: Sequence[Unit],
        width: int,
        *,
        here: Here,
        new_lane: Callable[[Timekeeper], Lane],
        merge: Callable[[Found], None],
        on_layer: Callable[[str, Any], None],
        retries: bool = True,
    ) -> None:
        """Run up to ``width`` units at once, each in a lane that ``new_lane`` makes.

        ``merge`` takes what was found of a test, when its turn comes. ``on_layer`` does at once
        what the hook of a layer is for. With ``retries`` a test that fails is run again alone.
        """
        self._units: list[Unit | None] = list(units)
        self._queue = Queue(units)
        self._classes = [type(unit.tests[0]) for unit in units if not unit.has_fixtures]
        self._width = _affordable(min(width, len(units)), here.main.keeper.told)
        self._here = here
        self.new_lane = new_lane
        self._merge = merge
        self._on_layer = on_layer
        self._retries = retries
        self.interference: list[Interference] = []
        """The tests that fail beside others and pass alone."""
        self.is_playing = False
        """Whether the result is told of what has happened before."""
        self._baton = Baton()
        self._baton.spare = self._spare
        self._turn = Turn(self._baton)
        """That of the main thread."""
        self._news = threading.Lock()
        self._news.acquire()
        self._is_waiting = False
        """Whether the main thread waits for news."""
        self._head: int | None = None
        """The unit of which it waits for some; None: of any."""
        self._lanes: list[_Lane] = []
        """Those whose threads live."""
        self._idle: list[_Lane] = []
        self._running: dict[int, _Lane] = {}
        """By the index of the unit."""
        self._recorders: dict[int, Recorder] = {}
        """Those of units that have begun and are not played to their end."""
        self._done: set[int] = set()
        self._crowded = 0.0
        """When several units have run last."""
        self._is_draining = False
        """Whether nothing is to begin."""
        self._is_over = False
        """Whether no test is to begin any more."""
        self._interrupts = 0
        """How often Ctrl-C came."""
        self._is_calling = False
        """Whether the main thread calls what isn't ours."""
        self._crash: BaseException | None = None
        """What has escaped from a lane."""
        self._context = contextvars.copy_context()
        self._log = Log()
        self._suspects: dict[int, list[Suspect]] = {}
        """By the index of their unit."""

    def __call__(self, result: Any) -> None:
        """Run all of them, and play to ``result`` what happens."""
        self._turn.enter(gives=False)  # what runs there runs alone
        try:
            with (
                time_of_plugins() as clock,
                self._on_interrupt(),
                mainthread.noted(self._needs_main),
                outputs.own() as output,
            ):
                self._turn.take()
                try:
                    self._run(Player(result, clock, output, self._merge))
                    self._end_running()
                    with self._calling():
                        seams.clean_up(self._classes, result)
                    self._here.main.adapter.collect_rest()
                    if self._retries:
                        self._retry(result)
                finally:
                    if not self._is_urgent:
                        self._close()
        finally:
            self._turn.leave()

    def running(self) -> list[tuple[str, float, AbstractEventLoop | None, FrameType | None]]:
        """Return the tests that run: names, for how long, their loops, and what has the baton."""
        frames = sys._current_frames()
        found = []
        for lane in list(self._running.values()):
            frame = None if lane.turn.is_idle else frames.get(lane.turn.thread)
            found.append((*lane.running(), lane.turn.loop, frame))
        return found

    # the main thread

    def _run(self, player: Player) -> None:
        for index, unit in enumerate(self._units):
            assert unit is not None
            if not unit.is_alone:
                self._play(index, player)
            elif not self._is_over:
                self._run_alone(unit.suite, player)
            self._units[index] = None
            if self._is_stopped(player):
                break

    def _is_stopped(self, player: Player) -> bool:
        """Tell whether somebody wants the run to end here: what runs is of no interest any more."""
        return player.result.shouldStop and not player.is_in_test and not self._is_over

    def _drain(self, player: Player) -> None:
        """Wait until nothing runs."""
        self._is_draining = True
        self._head = None
        while self._running and not self._is_over:
            self._wait(player)

    def _run_alone(self, suite: Any, player: Player) -> None:
        """Run a suite with nothing beside it."""
        self._drain(player)
        if not self._is_over:
            with self._calling():
                player.run(suite)
            found = self._here.main.take()
            if found is not None:  # in its place among the others
                self._merge(found)
        self._is_draining = False

    def _run_again(self, index: int, again: Again, player: Player) -> None:
        """Run a test alone that has turned out to need that."""
        unit = self._units[index]
        assert unit is not None
        self._here.main.keeper.told[_NEEDS_MAIN.format(again.name, again.reason)] = None
        self._run_alone(unit.only(again.test, again.copy), player)

    def _retry(self, result: Any) -> None:
        """Run those again by themselves that have failed beside others."""
        suspects = [one for index in sorted(self._suspects) for one in self._suspects[index]]

        def passes(suite: Any) -> bool:
            if result.shouldStop:
                return False
            lane = self.new_lane(Timekeeper())
            lane.interrupts.stop = self._here.main.interrupts.stop
            recorder = Recorder(lane, (), lambda: False, lambda _: None)
            recorder.take_hooks(suite, self._on_layer)
            self._here.enter(lane)
            try:
                with self._calling(), recorder.on():
                    suite(recorder)
                    lane.scopes.close()
                    lane.adapter.close()
            finally:
                self._here.enter(self._here.main)
            return not recorder.has_failed

        self.interference, notes = retried(suspects, passes)
        if not result.shouldStop:
            self._here.main.keeper.told.update(dict.fromkeys(notes))

    def _play(self, index: int, player: Player) -> None:
        """Play a unit, as far as it has come, until it is over."""
        while True:
            self._head = index
            recorder = self._recorders.get(index)
            while recorder is not None and recorder.complete and not self._is_stopped(player):
                recorder.complete -= 1
                self._play_piece(index, recorder.pieces.popleft(), player)
            if self._is_stopped(player):
                return
            if index in self._done:
                player.flush()
                self._done.discard(index)
                del self._recorders[index]
                return
            if recorder is None and self._is_over:  # it is not going to begin
                return
            self._wait(player)

    def _play_piece(self, index: int, piece: Any, player: Player) -> None:
        if isinstance(piece, Again):
            self._run_again(index, piece, player)
            return
        self.is_playing = True
        self._is_calling = self._here.main.keeper.is_off()  # there may be a prompt
        try:
            player.play(piece)
        finally:
            self.is_playing = self._is_calling = False

    def _wait(self, player: Player) -> None:
        """Let the others run until there is news."""
        self._is_waiting = True
        self._turn.give()
        while not self._news.acquire(timeout=_TICK):
            self._look()
        self._turn.take(self._look)
        self._is_waiting = False
        if self._crash is not None:
            raise self._crash
        if self._is_over and not player.result.shouldStop:
            player.result.stop()

    def _look(self) -> None:
        """Interrupt what has the baton for too long; wake what is to be interrupted."""
        if self._is_urgent:
            raise KeyboardInterrupt
        if self._interrupts:
            self._end_all()
        for lane in list(self._running.values()):
            lane.turn.rouse()
        holder = self._baton.holder
        found = next((one for one in self._running.values() if one.turn is holder), None)
        if holder is None or found is None:
            return
        frame = sys._current_frames().get(holder.thread)
        seconds = monotonic() - holder.since
        if holder.is_interrupted and seconds > _TICK and deadlines.is_interruptible(frame):
            holder.is_interrupted = False
            found.interrupt(frame)
        found.look(frame, seconds)
        if found.is_stuck:
            self._lose(found)

    def _lose(self, lane: _Lane) -> None:
        """Give up a lane whose test is stuck where nothing interrupts it."""
        index = next(index for index, one in self._running.items() if one is lane)
        self._lanes.remove(lane)
        recorder = self._recorders[index]
        recorder.lose(lane.error())
        recorder.changes.end()
        self.finish(index)
        self._baton.take_away()

    def _end_all(self) -> None:
        """Have all that run be interrupted, and nothing begin any more."""
        if not self._is_over:
            self._is_over = True
            for lane in list(self._running.values()):
                lane.turn.is_interrupted = True
                lane.turn.rouse()

    def _end_running(self) -> None:
        """Have what still runs, and is of no interest any more, come to its end."""
        if not self._running:
            return
        self._end_all()
        self._head = None
        end = monotonic() + _LAST
        while self._running and monotonic() < end:
            self._is_waiting = True
            self._turn.give()
            while not self._news.acquire(timeout=_TICK) and monotonic() < end:
                self._look()
            self._turn.take(self._look)

    def _close(self) -> None:
        """End all lanes, and what runs in them."""
        self._end_running()
        self._is_over = True
        for lane in self._idle:
            lane.turn.wake()
        for lane in self._idle:
            lane.thread.join()
        self._turn.give()

    @property
    def _is_urgent(self) -> bool:
        """Whether Ctrl-C came twice: the run is to end on the spot."""
        return self._interrupts > 1

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Call what isn't ours inside the block: Ctrl-C is raised there as ever."""
        self._is_calling = True
        try:
            yield
        finally:
            self._is_calling = False

    @contextmanager
    def _on_interrupt(self) -> Iterator[None]:
        """Have Ctrl-C be noted where the main thread waits."""
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler:
            yield
            return

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self._is_calling or (self.is_playing and self._interrupts):
                signal.default_int_handler(number, frame)
            self._interrupts += 1
            self._tell()

        signal.signal(signal.SIGINT, on_signal)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) is on_signal:
                signal.signal(signal.SIGINT, before)

    # who has the baton

    def _spare(self) -> Turn | None:
        """Return the turn of a lane that can begin a unit now, if there is one."""
        if self._is_draining or self._is_over or self._queue.is_empty:
            return None
        if self._idle:
            return self._idle.pop().turn
        if len(self._lanes) >= self._width:
            return None
        lane = _Lane(self, Turn(self._baton), len(self._lanes))
        self._lanes.append(lane)
        lane.thread.start()
        return lane.turn

    @property
    def is_crowded(self) -> bool:
        """Whether several units run."""
        return len(self._running) > 1

    @property
    def has_others(self) -> bool:
        """Whether there is another unit that is held up: one that runs, or could."""
        return self.is_crowded or not self._queue.is_empty

    def was_crowded(self, since: float) -> bool:
        """Tell whether several units have run since a moment."""
        return self.is_crowded or self._crowded >= since

    def begin(self, lane: _Lane) -> int | None:
        """Wait for the next unit, and return its index; None where there is none any more."""
        while self._is_draining or self._is_over or self._queue.is_empty:
            self._idle.append(lane)
            lane.turn.rest()
            if not lane.turn.has_it:  # this was to wake it for its end
                return None
        index = self._queue.take()
        self._running[index] = lane
        return index

    def recorder(self, lane: Lane, index: int) -> Recorder:
        """Return what is to record a unit."""
        unit = self._units[index]
        assert unit is not None
        recorder = Recorder(
            lane,
            unit.tests,
            lambda: self._is_over,
            partial(self._note_end, index),
            has_fixtures=unit.has_fixtures,
        )
        self._recorders[index] = recorder
        recorder.take_hooks(self.suite(index), self._on_layer)
        lane.interrupts.stop, lane.interrupts.count = recorder.stop, 0
        return recorder

    def enter(self, lane: Lane) -> None:
        """Have a lane be that of the thread that calls."""
        self._here.enter(lane)
        unawaited.track()

    def context(self) -> contextvars.Context:
        """Return the context for a unit."""
        return self._context.copy()

    def suite(self, index: int) -> Any:
        """Return what to execute for a unit."""
        unit = self._units[index]
        assert unit is not None
        return unit.suite

    def fail(self, index: int, recorder: Recorder) -> None:
        """Have the last test of a unit fail with what has just gone wrong behind it."""
        unit = self._units[index]
        assert unit is not None
        recorder.addError(unit.tests[-1], sys.exc_info())

    def crash(self, error: BaseException) -> None:
        """Take note of what must not happen: an error of a lane itself."""
        self._crash = error
        self._tell()

    def _needs_main(self, reason: str) -> bool:
        """Have the test that runs in this thread run in the main one instead, if this isn't it."""
        turn = batons.mine()
        found = next((index for index, lane in self._running.items() if lane.turn is turn), None)
        if found is None:
            return False
        self._recorders[found].needs_main = reason
        return True

    def _tests_running(self) -> list[Ran]:
        return [one.running for one in self._recorders.values() if one.running is not None]

    def _note_end(self, index: int, ran: Ran) -> None:
        beside = self._log.add(ran, self._tests_running)
        unit = self._units[index]
        if ran.errors and unit is not None:
            self._suspects.setdefault(index, []).append(Suspect(ran, unit, beside))
        if index == self._head:
            self._tell()

    def finish(self, index: int) -> None:
        """Note that a unit is over."""
        if self.is_crowded:
            self._crowded = monotonic()
        del self._running[index]
        self._done.add(index)
        self._queue.release(index)
        if self._head is None or index == self._head:
            self._tell()

    def _tell(self) -> None:
        """Tell the main thread that there is news, if it waits for that."""
        if self._is_waiting:
            self._is_waiting = False
            with contextlib.suppress(RuntimeError):  # Ctrl-C may have told at the same time
                self._news.release()


_LIMITS: Any = importlib.import_module("resource") if os.name == "posix" else None


def _affordable(width: int, told: dict[str, None]) -> int:
    """Return how many loops there can be at once, with the files that this process may open."""
    if _LIMITS is None:
        return width
    most, _ = _LIMITS.getrlimit(_LIMITS.RLIMIT_NOFILE)
    if most == _LIMITS.RLIM_INFINITY or _FILES * width + _SPARE <= most:
        return width
    found: int = max(1, (most - _SPARE) // _FILES)
    told[_FEW_FILES.format(most, found)] = None
    return found


class _Spot(NamedTuple):
    """Where something was interrupted."""

    where: tuple[int, int]
    moment: float
    error: Callable[[], BaseException]
    """Makes what to report it with."""


class _Lane:
    """A lane of a crowd, and its thread."""

    def __init__(self, crowd: Crowd, turn: Turn, number: int) -> None:
        self._crowd = crowd
        self.turn = turn
        self.thread = threading.Thread(
            target=self._main, name=f"nose2_aio-{number + 1}", daemon=True
        )
        self._lane: Lane | None = None
        self._alarm: PolledAlarm | None = None
        self._recorder: Recorder | None = None
        """That of the unit that runs."""
        self._blocked_at = ""
        self._spot: _Spot | None = None
        """Where it was when it was interrupted last."""
        self.is_stuck = False
        """Whether it was interrupted twice in the same place, to no effect."""

    def running(self) -> tuple[str, float]:
        """Return the name of the test that runs, and for how many seconds it has; "" for none."""
        return ("", 0.0) if self._lane is None else self._lane.adapter.running()

    def look(self, frame: FrameType | None, seconds: float) -> None:
        """Look at what it runs, from the main thread: for so many seconds without a pause."""
        lane, alarm = self._lane, self._alarm
        if lane is None or alarm is None:
            return
        if seconds >= _SLOW and not self._blocked_at:
            self._blocked_at = next((line.place for line in chains.of_frame(frame)[::-1]), "")
        if self._spot is not None and seconds < monotonic() - self._spot.moment:
            self._spot = None  # it has gone on since
        deadline = lane.keeper.deadline
        before = 0 if deadline is None else deadline.interrupted
        alarm.poll(frame)
        if deadline is not None and deadline.interrupted > before:
            self._note_spot(frame, deadline.error)
        elif self._spot is not None and monotonic() - self._spot.moment > _PATIENCE:
            self._note_spot(frame, self._spot.error)

    def interrupt(self, frame: FrameType | None) -> None:
        """Interrupt what it runs, as Ctrl-C does in the main thread."""
        alarms.interrupt(self.turn.thread, KeyboardInterrupt)
        report = reports.hang(None, stack=frame)
        self._note_spot(frame, lambda: InterruptedRunError(f"interrupted by Ctrl-C\n\n{report}"))

    def _note_spot(self, frame: FrameType | None, error: Callable[[], BaseException]) -> None:
        """Note where it was interrupted: still there the next time, it is stuck in C."""
        where = (id(frame), 0 if frame is None else frame.f_lasti)
        self.is_stuck = self._spot is not None and self._spot.where == where
        self._spot = _Spot(where, monotonic(), error)

    def error(self) -> BaseException:
        """Return the error for a test that can't be interrupted."""
        assert self._spot is not None
        error = self._spot.error()
        error.add_note("It could not be interrupted: its thread was left behind.")
        stack = sys._current_frames().get(self.turn.thread)
        return error.with_traceback(stacks.of_frame(stack))

    def _main(self) -> None:
        """What its thread does."""
        turn, crowd = self.turn, self._crowd
        turn.wait()
        turn.enter()
        try:
            self._alarm = PolledAlarm()
            self._lane = crowd.new_lane(Timekeeper(self._alarm))
            crowd.enter(self._lane)
            self._lane.adapter.is_beside = crowd.was_crowded
            turn.on_give, turn.on_take = self._leave, self._return
            turn.stays, turn.on_stayed = self._stays, self._note_stayed
            turn.on_held_up = self._lane.keeper.put_off
            turn.on_blocked = self._note_blocked
            while (index := crowd.begin(self)) is not None:
                self._run(self._lane, index)
                turn.pass_on()
        except LostBatonError:
            pass
        except BaseException as error:
            crowd.crash(error)
        finally:
            turn.leave()
            if turn.has_it:
                turn.give()

    def _run(self, lane: Lane, index: int) -> None:
        recorder = self._crowd.recorder(lane, index)
        self._spot = None
        self._blocked_at = ""
        try:
            self._crowd.context().run(self._execute, lane, index, recorder)
        except Exception:  # such as what could not be put back: it must not end the run
            self._crowd.fail(index, recorder)
        finally:
            if not recorder.is_closed:
                recorder.end()
                self._crowd.finish(index)

    def _execute(self, lane: Lane, index: int, recorder: Recorder) -> None:
        self._recorder = recorder
        try:
            with recorder.on():
                lane.adapter.filters = warnings.filters  # for fixtures ahead of its first test
                try:
                    self._crowd.suite(index)(recorder)
                finally:
                    lane.scopes.close()
                    lane.adapter.close()
                    recorder.note_step()
        finally:
            self._recorder = None

    def _stays(self, has_job: bool) -> bool:  # noqa: FBT001 -- a callback
        """Tell whether its threads are to see what its test has changed of the process."""
        recorder = self._recorder
        if recorder is None or not recorder.changes.are_any:
            return False
        return has_job or wakers.has_busy_thread()

    def _note_stayed(self) -> None:
        """Note that it has waited with its changes in place, and the others with it."""
        if self._lane is not None and self._recorder is not None and self._crowd.has_others:
            self._lane.keeper.told[_STAYED.format(self._recorder.name)] = None

    def _leave(self) -> None:
        """Put aside what is its own, before others run."""
        if self._recorder is not None and self._lane is not None:
            self._lane.adapter.collect_young()
            self._recorder.changes.leave()

    def _return(self) -> None:
        if self._recorder is not None:
            self._recorder.changes.enter()

    def _note_blocked(self, seconds: float) -> None:
        """Note that it has held up the others."""
        place, self._blocked_at = self._blocked_at, ""
        recorder = self._recorder
        if self._lane is not None and recorder is not None and self._crowd.has_others:
            text = f"{recorder.name} blocked the loop for {seconds:.1f} s, and all others with it"
            self._lane.keeper.told[f"{place}: {text}" if place else text] = None
