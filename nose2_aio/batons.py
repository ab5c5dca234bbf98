"""The baton: of all threads in which tests run, the one that has it runs; the others wait.

It is given away only where a loop is idle, or between two steps of one that has had it for long. So
tests interleave exactly where coroutines do, and what is shared by them needs no lock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable

from nose2_aio.seconds import monotonic
from nose2_aio.sleepers import Sleepers

__all__ = ["TICK", "Baton", "Occupant", "Turn", "mine", "threads"]

_LONG = 0.02
"""Seconds after which it is given away between two steps of a loop, if another one wants it."""

_BLOCKED = 0.25
"""Seconds from which on a step is long enough to be told of."""

_FOR_GOOD = 3600.0
"""Seconds that a thread sleeps again and again which is to do nothing any more."""

TICK = 0.02
"""Seconds between two looks at who has it."""

threads: set[int] = set()
"""The identities of the threads that have it, or wait for it: none of them wakes another."""

_own = threading.local()


def mine() -> Turn | None:
    """Return what this thread takes part with; None where it doesn't."""
    turn: Turn | None = getattr(_own, "turn", None)
    return turn


class Baton:
    """The baton of a run."""

    def __init__(self) -> None:
        self.spare: Callable[[], Turn | None] = _nobody
        """Returns who is to have it where nobody else can go on, if there is somebody."""
        self.home = Turn(self)
        """Has it where there is none: who waits there waits for all."""
        self.holder = self.home
        self.is_recalled = False
        """Whether home is to have it next."""
        self._guard = threading.Lock()
        self._ready: deque[Turn] = deque()
        self._sleepers: Sleepers[Turn] = Sleepers()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody could go on; asked by who has it."""
        return self.is_recalled or self._has_ready()

    def give(self, turn: Turn) -> None:
        """Give it from ``turn`` to who could go on, or else home."""
        with self._guard:
            self._give(turn)

    def give_until(self, turn: Turn, file: int, timeout: float | None) -> None:
        """Give it from ``turn``, which goes on when that comes: see `Sleepers.add`."""
        with self._guard:
            if not turn.is_lost:
                self._sleepers.add(turn, file, timeout)
            self._give(turn)

    def give_way(self, turn: Turn) -> None:
        """Give it from ``turn``, which goes on when those have that could go on now."""
        with self._guard:
            if not turn.is_lost:
                self._has_ready()
                self._note_ready(monotonic(), turn)
            self._give(turn)

    def take_home(self, turn: Turn) -> bool:
        """Take it away for good from one that is stuck, unless that hasn't it any more."""
        with self._guard:
            turn.is_lost = self.holder is turn
            if turn.is_lost:
                self.holder = self.home
                self.home.wake()
        return turn.is_lost

    def close(self) -> None:
        """Close what was opened: nobody is to have it any more."""
        self._sleepers.close()

    def _give(self, turn: Turn) -> None:
        if turn.is_lost:
            return
        self.holder = following = self._following(turn)
        following.wake()

    def _following(self, turn: Turn) -> Turn:
        if self.is_recalled:
            return self.home
        if self._has_ready():
            return self._ready.popleft()
        spare = self.spare()
        if spare is not None:
            return spare
        if turn is self.home and self._has_ready(TICK):
            return self._ready.popleft()
        return self.home

    def _has_ready(self, timeout: float = 0.0) -> bool:
        for moment, turn in self._sleepers.woken(timeout):
            self._note_ready(moment, turn)
        return bool(self._ready)

    def _note_ready(self, moment: float, turn: Turn) -> None:
        turn.ready = moment
        self._ready.append(turn)


class Occupant:
    """What runs in a thread, and is told of its turns; this one doesn't care."""

    def stays(self, *, has_job: bool) -> bool:  # noqa: ARG002 -- those of tests do
        """Tell whether the baton can't be given away; ``has_job``: the loop waits for a job."""
        return False

    def leave(self) -> None:
        """Step aside: the baton is about to be given away."""

    def come_back(self) -> None:
        """Go on: the baton is there again."""

    def note_stayed(self) -> None:
        """Note that the loop was idle for long, and the baton wasn't given away."""

    def note_held_up(self, seconds: float) -> None:
        """Note for how many seconds others have held it up."""

    def note_blocked(self, seconds: float) -> None:
        """Note a step that took long, in seconds."""


class Turn:
    """A thread's part in a baton."""

    loop: AbstractEventLoop | None = None
    """The loop for which it was given away last."""
    is_idle = False
    """Whether that is idle."""
    thread = 0
    """The identity of the thread."""
    is_lost = False
    """Whether it was taken away for good: the thread is to do nothing any more."""
    is_interrupted = False
    """Whether what runs in the thread is to be interrupted, as by Ctrl-C."""
    ready = 0.0
    """Since when it could go on."""
    got = 0.0
    """When it has got the baton."""
    since = 0.0
    """When its last step has begun."""
    _stayed = 0.0
    """Seconds for which its loop was idle, and it wasn't given away."""

    def __init__(self, baton: Baton) -> None:
        self.occupant = Occupant()
        """What runs in the thread."""
        self._baton = baton
        self._gate = threading.Lock()
        self._gate.acquire()
        self._outer: tuple[Turn | None, bool] = (None, False)
        """What this thread took part with before, and whether it did."""

    def enter(self, *, gives: bool = True) -> None:
        """Have it be that of this thread; ``gives`` says whether loops here give the baton away."""
        self.thread = threading.get_ident()
        self.got = self.since = monotonic()
        self._outer = mine(), self.thread in threads  # a test may run tests
        threads.add(self.thread)
        _own.turn = self if gives else None

    def leave(self) -> None:
        """Have this thread take no part any more."""
        _own.turn, is_outer = self._outer
        if not is_outer:
            threads.discard(self.thread)

    @property
    def is_of_this_thread(self) -> bool:
        """Whether it is that of the thread that asks."""
        return self.thread == threading.get_ident()

    @property
    def has_it(self) -> bool:
        """Whether it has the baton."""
        return self._baton.holder is self

    def sleep(self, loop: AbstractEventLoop, file: int, timeout: float | None) -> float:
        """Let others run while ``loop`` is idle: until its file is ready, or for so many seconds.

        Return for how many seconds it was held up by others behind that.
        """
        self._leave(loop)
        self._baton.give_until(self, file, timeout)
        return self._come_back()

    def _leave(self, loop: AbstractEventLoop | None) -> None:
        self.note_step(monotonic())
        self.occupant.leave()
        self.loop, self.is_idle = loop, True

    def _come_back(self) -> float:
        self.wait()
        self.is_idle = False
        self.got = self.since = monotonic()
        self._stayed = 0.0
        held_up = self.got - self.ready
        self.occupant.note_held_up(held_up)
        self.occupant.come_back()
        return held_up

    def is_due(self) -> bool:
        """Tell, between two steps, whether others should have it now: it was here for long."""
        now = monotonic()
        self.note_step(now)
        if now - self.got < _LONG:
            return False
        self.got = now
        return self._baton.is_wanted

    def pass_on(self, loop: AbstractEventLoop | None = None) -> float:
        """Let others run, between two steps of ``loop`` or of none.

        Return for how many seconds it was held up.
        """
        self._leave(loop)
        self._baton.give_way(self)
        return self._come_back()

    def note_stay(self) -> None:
        """Note that its loop was idle, and it wasn't given away: nothing has blocked."""
        now = monotonic()
        self._stayed += now - self.since
        self.since = now
        if self._stayed >= _BLOCKED:
            self.occupant.note_stayed()

    def note_step(self, now: float) -> None:
        """Note that a step is over."""
        self.check()
        seconds, self.since = now - self.since, now
        if seconds >= _BLOCKED:
            self.occupant.note_blocked(seconds)

    def check(self) -> None:
        """Go no further if it was taken away for good: to raise would run what stands outside."""
        while self.is_lost:
            time.sleep(_FOR_GOOD)

    def rest(self) -> None:
        """Let others run, and wait until this one is the spare one."""
        self.check()
        self._baton.give(self)
        self.wait()
        self.got = self.since = monotonic()

    def end(self) -> None:
        """Give the baton away for good, if it has that."""
        if self.has_it:
            self._baton.give(self)

    def host(self, look: Callable[[], object], is_called: Callable[[], bool]) -> None:
        """Let others run until it is called; ``look`` again and again meanwhile.

        That is for the home one: where no other can go on it waits for all of them.
        """
        while not is_called():
            self._baton.is_recalled = False
            self._baton.give(self)
            if self.has_it:
                look()
            while not self._gate.acquire(timeout=TICK):
                look()
                self._baton.is_recalled = is_called()

    def wait(self) -> None:
        """Wait until it is this one's turn."""
        self._gate.acquire()

    def rouse(self) -> None:
        """Wake its loop where that is idle, and what runs there is to be interrupted."""
        loop = self.loop
        if self.is_interrupted and self.is_idle and loop is not None:
            with contextlib.suppress(RuntimeError):  # it may be closed by now
                loop.call_soon_threadsafe(_nobody)

    def wake(self) -> None:
        """Have it go on."""
        self._gate.release()


def _nobody() -> None:
    return None
