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

__all__ = ["Baton", "Occupant", "Turn", "mine", "threads"]

_LONG = 0.02
"""Seconds after which it is given away between two steps of a loop, if another one wants it."""

_BLOCKED = 0.25
"""Seconds from which on a step is long enough to be told of."""

_FOR_GOOD = 3600.0
"""Seconds that a thread sleeps again and again which is to do nothing any more."""

_TICK = 0.02
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
        """Returns who is to have it where nobody waits for it, if there is somebody."""
        self.holder: Turn | None = None
        self._guard = threading.Lock()
        self._waiting: deque[Turn] = deque()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._waiting)

    def take(self, turn: Turn, look: Callable[[], object] | None) -> float:
        """Wait until it is there; return for how many seconds.

        With ``look``, ahead of all who wait already; that is called again and again meanwhile.
        """
        with self._guard:
            if self.holder is None:
                self.holder = turn
                return 0.0
            (self._waiting.append if look is None else self._waiting.appendleft)(turn)
        began = monotonic()
        turn.wait(look)
        return monotonic() - began

    def give(self) -> None:
        """Give it to the next who waits, or to the spare one, or put it down."""
        following = self._following()
        if following is None:
            following = self.spare()  # who asks has it still
            with self._guard:
                if following is None and self._waiting:
                    following = self._waiting.popleft()
                self.holder = following
        if following is not None:
            following.wake()

    def take_away(self, turn: Turn) -> bool:
        """Take it away for good from one that is stuck, unless that hasn't it any more.

        Who takes it away gives it on.
        """
        with self._guard:
            turn.is_lost = self.holder is turn
        return turn.is_lost

    def _following(self) -> Turn | None:
        with self._guard:
            if not self._waiting:
                return None
            self.holder = self._waiting.popleft()
            return self.holder


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
    got = 0.0
    """When it has got it."""
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

    def give(self, loop: AbstractEventLoop | None = None) -> None:
        """Give the baton away, while ``loop`` is idle."""
        self.check()
        self.note_step(monotonic())
        self.occupant.leave()
        self.loop, self.is_idle = loop, True
        self._baton.give()

    def take(self, look: Callable[[], object] | None = None) -> float:
        """Wait for it; return for how many seconds others have held it up: see `Baton.take`."""
        self.check()
        held_up = self._baton.take(self, look)
        self.is_idle = False
        if held_up:
            self.occupant.note_held_up(held_up)
        self.got = self.since = monotonic()
        self._stayed = 0.0
        self.occupant.come_back()
        return held_up

    def pass_on(self, *, has_job: bool = False) -> float:
        """Between two steps: let others have it, if it was here for long; else nothing is done.

        ``has_job`` says whether a job of the loop's runs in another thread.
        """
        self.check()
        now = monotonic()
        is_due = now - self.got >= _LONG and self._baton.is_wanted
        if not is_due or self.occupant.stays(has_job=has_job):
            self.note_step(now)
            return 0.0
        self.give()
        return self.take()

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

    def wait(self, look: Callable[[], object] | None = None) -> None:
        """Wait until somebody gives it to this one."""
        if look is None:
            self._gate.acquire()
            return
        while not self._gate.acquire(timeout=_TICK):
            look()

    def rest(self) -> None:
        """Give the baton away, and wait until somebody wakes this thread."""
        self.check()
        self._baton.give()
        self.wait()
        self.got = self.since = monotonic()

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
