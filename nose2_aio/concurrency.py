"""Many tests at once, each in a thread of its own, with one baton among them.

1. A suite is cut into units (`units`): what has to run in order in one place.
2. A unit that runs beside others runs in a lane: a thread with all that belongs to its tests
   (`lanes`, `unitruns`). Whoever has the baton runs (`batons`); a loop gives it away while it is
   idle. Where nobody wants it then, one more unit is begun, up to so many (`crowds`).
3. What happens there is recorded (`recorders`), and played to the result by the main thread, in
   the order of the suite, each test as soon as its turn comes (`players`).
4. Where it is the turn of a unit that runs alone, nothing is begun any more until nothing is
   running; then it runs in the main thread, on the result itself.
5. Ctrl-C, and a result that wants the run to stop, interrupt all that run; each ends in good order.
   What doesn't end is left behind (`lookouts`).
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nose2_aio import batons, deadlines, mainthread, outputs, seams
from nose2_aio.crowds import Crowd, Running
from nose2_aio.deadlines import Timekeeper
from nose2_aio.lanes import Found, Here, Lane
from nose2_aio.players import Player, time_of_plugins
from nose2_aio.recorders import Again, Recorder
from nose2_aio.seconds import monotonic
from nose2_aio.settings import Settings
from nose2_aio.suspects import Interference, retried
from nose2_aio.units import Unit

__all__ = ["Conductor"]

_FEW_FILES = "concurrency: this process may open {} files, so at most {} tests run at once"
_FILES = 4
"""How many files a test has open: its loop has three."""
_SPARE = 32
"""How many may be open besides."""

_LAST = 5.0
"""Seconds that what runs has to end, when nobody wants to know of it any more."""
_NEEDS_MAIN = (
    "{}: it {}, which only the main thread can, so it ran there, alone; tag it with @aio.serial"
)


class Conductor:
    """Runs units, many at once, and tells a result of them; all in the main thread."""

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        units: Sequence[Unit],
        settings: Settings,
        *,
        here: Here,
        new_lane: Callable[[Timekeeper], Lane],
        merge: Callable[[Found], None],
        on_layer: Callable[[str, Any], None],
    ) -> None:
        """Run as many units at once as settings say, each in a lane that ``new_lane`` makes.

        ``merge`` takes what was found of a test, when its turn comes. ``on_layer`` does at once
        what the hook of a layer is for.
        """
        self.interference: list[Interference] = []
        """The tests that fail beside others and pass alone."""
        self.is_playing = False
        """Whether the result is told of what has happened before."""
        self._classes = [type(unit.tests[0]) for unit in units if not unit.has_fixtures]
        self._here = here
        self._new_lane = new_lane
        self._merge = merge
        self._on_layer = on_layer
        self._retries = settings.retry_alone
        self._has_prompt = here.main.keeper.is_off()
        """Whether a failing test ends in a debugger, which talks to the user."""
        width = _affordable(min(settings.concurrency, len(units)), here.main.keeper.told)
        self._crowd = Crowd(units, width, here, new_lane, on_layer)
        self._crowd.tell = self._tell
        self._turn = self._crowd.baton.home
        self._has_news = False
        self._head: int | None = None
        """The unit of which it waits for some; None: of any."""
        self._interrupts = 0
        """How often Ctrl-C came."""
        self._on_signal: Any = None
        """Our handler of SIGINT, if it is in force."""

    def __call__(self, result: Any) -> None:
        """Run all of them, and play to ``result`` what happens."""
        self._turn.enter(gives=False)  # what runs there runs alone
        try:
            with (
                time_of_plugins() as clock,
                self._on_interrupt(),
                mainthread.noted(self._crowd.needs_main),
                outputs.own() as output,
            ):
                try:
                    self._run(Player(result, clock, output, self._merge))
                    self._end_running()
                    with self._calling():
                        seams.clean_up(self._classes, result)
                    self._here.main.charges.collect_rest()
                    if self._retries:
                        self._retry(result)
                finally:
                    if not self._is_urgent:
                        self._close()
        finally:
            self._turn.leave()

    def running(self) -> list[Running]:
        """Return the tests that run beside others."""
        return self._crowd.tests()

    def _run(self, player: Player) -> None:
        for index, unit in enumerate(self._crowd.units):
            self._obey(player)
            assert unit is not None
            if not unit.is_alone:
                self._play(index, player)
            elif not self._crowd.is_over:
                self._run_alone(unit.suite, player)
            self._crowd.forget(index)
            if self._is_stopped(player):
                break

    def _is_stopped(self, player: Player) -> bool:
        """Tell whether somebody wants the run to end here: what runs is of no interest any more."""
        return player.result.shouldStop and not player.is_in_test and not self._crowd.is_over

    def _drain(self, player: Player) -> None:
        """Wait until nothing runs."""
        self._crowd.is_draining = True
        self._head = None
        while self._crowd.running and not self._crowd.is_over:
            self._wait(player)

    def _run_alone(self, suite: Any, player: Player) -> None:
        """Run a suite with nothing beside it."""
        self._drain(player)
        if not self._crowd.is_over:
            with self._calling():
                player.run(suite)
            found = self._here.main.take()
            if found is not None:  # in its place among the others
                self._merge(found)
        self._crowd.is_draining = False

    def _run_again(self, index: int, again: Again, player: Player) -> None:
        """Run a test alone that has turned out to need that."""
        unit = self._crowd.units[index]
        assert unit is not None
        self._here.main.keeper.told[_NEEDS_MAIN.format(again.name, again.reason)] = None
        self._run_alone(unit.only(again.test, again.copy), player)

    def _retry(self, result: Any) -> None:
        """Run those again by themselves that have failed beside others."""

        def passes(suite: Any) -> bool:
            return not result.shouldStop and self._passes(suite)

        suspects = [one for _, found in sorted(self._crowd.suspects.items()) for one in found]
        self.interference, notes = retried(suspects, passes)
        if not result.shouldStop:
            self._here.main.keeper.told.update(dict.fromkeys(notes))

    def _passes(self, suite: Any) -> bool:
        """Tell whether nothing fails in a suite; nose2 hears nothing of it."""
        lane = self._new_lane(Timekeeper())
        lane.interrupts.stop = self._here.main.interrupts.stop
        recorder = Recorder(lane, (), lambda: False, lambda _: None)
        recorder.take_hooks(suite, self._on_layer)
        self._here.enter(lane)
        try:
            with self._calling(), recorder:
                suite(recorder)
                lane.scopes.close()
                lane.adapter.close()
        finally:
            self._here.enter(self._here.main)
        return recorder.has_passed and not recorder.has_failed

    def _play(self, index: int, player: Player) -> None:
        """Play a unit, as far as it has come, until it is over."""
        while True:
            self._head = index
            recorder = self._crowd.recorders.get(index)
            while recorder is not None and recorder.complete and not self._is_stopped(player):
                recorder.complete -= 1
                self._play_piece(index, recorder.pieces.popleft(), player)
                self._obey(player)
            if self._is_stopped(player):
                return
            if self._crowd.is_done(index):
                player.flush()
                return
            if recorder is None and self._crowd.is_over:  # it is not going to begin
                return
            self._wait(player)

    def _play_piece(self, index: int, piece: Any, player: Player) -> None:
        if isinstance(piece, Again):
            self._run_again(index, piece, player)
            return
        self.is_playing = True
        try:
            if self._has_prompt:
                with self._calling():
                    player.play(piece)
            else:
                player.play(piece)
        finally:
            self.is_playing = False

    def _wait(self, player: Player) -> None:
        """Let the others run until there is news."""
        self._await_news()
        if self._crowd.crash is not None:
            raise self._crowd.crash
        self._obey(player)

    def _obey(self, player: Player) -> None:
        """Have Ctrl-C end the run, wherever it has come."""
        if self._interrupts:
            self._crowd.interrupt()
        if self._crowd.is_over and not player.result.shouldStop:
            player.result.stop()

    def _await_news(self, end: float | None = None) -> None:
        """Let the others run until there is news, or until a moment; look at them meanwhile."""
        self._turn.host(self._look, lambda: self._has_news or (end or math.inf) <= monotonic())
        self._has_news = False

    def _look(self) -> None:
        """Interrupt what has the baton for too long; wake what is to be interrupted."""
        if self._is_urgent:
            raise KeyboardInterrupt
        if self._interrupts:
            self._crowd.interrupt()
        for one in list(self._crowd.running.values()):
            one.turn.rouse()
        run = self._crowd.holder()
        if run is None:
            return
        turn = run.turn
        frame = sys._current_frames().get(turn.thread)
        seconds = monotonic() - turn.since
        if turn.is_interrupted and seconds > batons.TICK and deadlines.is_interruptible(frame):
            turn.is_interrupted = False
            run.lookout.interrupt(frame)
        run.lookout.look(frame, seconds)
        if run.lookout.is_stuck:
            self._crowd.lose(run)

    def _end_running(self) -> None:
        """Have what still runs, and is of no interest any more, come to its end."""
        if not self._crowd.running:
            return
        self._crowd.interrupt()
        self._head = None
        end = monotonic() + _LAST
        while self._crowd.running and monotonic() < end:
            self._await_news(end)

    def _close(self) -> None:
        """End all threads, and what runs in them."""
        self._end_running()
        self._crowd.close()

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C has ended the run."""
        return self._interrupts > 0

    @property
    def _is_urgent(self) -> bool:
        """Whether Ctrl-C came twice: the run is to end on the spot."""
        return self._interrupts > 1

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Call what isn't ours inside the block: Ctrl-C is raised there as ever."""
        handler = signal.getsignal(signal.SIGINT)
        is_ours = handler is self._on_signal
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio.run looks for that
        try:
            yield
        finally:
            if is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, handler)

    @contextmanager
    def _on_interrupt(self) -> Iterator[None]:
        """Have Ctrl-C be noted where the main thread waits."""
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.default_int_handler:
            yield
            return

        own = os.getpid()

        def on_signal(number: int, frame: FrameType | None) -> None:
            is_urgent = self.is_playing and self._interrupts
            if is_urgent or os.getpid() != own:  # a test may have forked
                signal.default_int_handler(number, frame)
            self._interrupts += 1
            self._tell(None)

        self._on_signal = on_signal
        signal.signal(signal.SIGINT, on_signal)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) is on_signal:
                signal.signal(signal.SIGINT, before)

    def _tell(self, index: int | None) -> None:
        """Take note of news of a unit, if it is waited for; None: in any case."""
        if index is None or self._head is None or index == self._head:
            self._has_news = True


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
