"""A run: a suite on each of its loops, one by one or many at once, and what is found meanwhile.

nose2 says what to execute it with, and on which result; all that is needed for it is made here.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

from nose2_aio import interrupts, loops, positions, reports, seams, units, variants, wakers
from nose2_aio.accounts import Part, Total
from nose2_aio.adapters import stepping_in
from nose2_aio.concurrency import Conductor
from nose2_aio.deadlines import Timekeeper
from nose2_aio.faces import Faces
from nose2_aio.factories import Factory
from nose2_aio.interrupts import Interrupts
from nose2_aio.lanes import Found, Here, Lane
from nose2_aio.scopes import Level
from nose2_aio.settings import Settings
from nose2_aio.suspects import Interference
from nose2_aio.verdicts import Told, Verdicts

__all__ = ["Execute", "Run"]

Execute = Callable[[Any, Any], Any]
"""Executes a suite on a result."""


class Run:
    """One run of tests, in this process."""

    def __init__(
        self,
        settings: Settings,
        *,
        is_kept: bool,
        is_debugging: Callable[[], bool],
        on_layer: Callable[[str, Any], None],
    ) -> None:
        """``is_kept`` says whether somebody wants to know what each test has cost.

        ``is_debugging`` tells whether a failing test ends in a debugger. ``on_layer`` does at once
        what the hook of a layer is for.
        """
        self.settings = settings
        self._is_kept = is_kept
        self._is_debugging = is_debugging
        self._on_layer = on_layer
        here = self.here = Here(self._new_lane())
        self.main = here.main
        """The lane of the main thread."""
        self.faces = Faces(settings, lambda: here().scopes, lambda: here().fixtures)
        self.interference: list[Interference] = []
        """The tests that fail beside others and pass alone."""
        self.interfering: set[str] = set()
        """The names of such tests of worker processes."""
        self.is_cut = False
        """Whether it was broken off by Ctrl-C."""
        self._told: list[Told] = []
        self._conductor: Conductor | None = None
        self._signals = ExitStack()

    def begin(self, stop: Callable[[], Any], tell: Callable[[FrameType | None], str]) -> None:
        """Be ready for signals: ``stop`` ends the run, ``tell`` says what is going on."""
        self.main.interrupts.stop = stop
        self._signals.enter_context(interrupts.telling(tell))

    def end(self) -> None:
        """Close the loop of the run."""
        self.main.scopes.close()
        self._signals.close()
        self._told += self.main.verdicts.take()

    def execute(self, execute: Execute, suite: Any, result: Any, *, is_sent: bool = False) -> Any:
        """Execute a suite, on each of its loops; ``is_sent`` says that other processes do that."""
        wakers.note_threads()
        # worker processes repeat their shares themselves
        repeated = None if is_sent else variants.repeated(suite, self.settings)
        here = self.here
        self.main.scopes.chooses = self._choose if repeated is not None else None
        try:
            with stepping_in(lambda: here().adapter, lambda: here.is_lane):
                if repeated is not None:
                    return self._execute_each(execute, repeated, result)
                return self._execute_once(execute, suite, result, is_sent=is_sent)
        except KeyboardInterrupt:
            self.is_cut = True
            raise
        finally:
            self._told += self.main.verdicts.take()

    def _execute_each(
        self, execute: Execute, repeated: list[variants.Repetition], result: Any
    ) -> Any:
        """Run what is to be repeated on other loops, fixtures included."""
        value = None
        while repeated:
            number, part = repeated.pop(0)
            self.main.scopes.begin(number)
            value = self._execute_once(execute, part, result)
            if repeated:  # or unittest would take its fixtures for set up
                seams.forget_class(result)
        return value

    def _execute_once(
        self, execute: Execute, suite: Any, result: Any, *, is_sent: bool = False
    ) -> Any:
        with self.faces.on(suite):
            try:
                if self.settings.concurrency > 1 and not is_sent:
                    suite = self._conductor = self._conducted(suite)
                elif not is_sent:
                    suite = units.reordered(suite, self.settings)
                return execute(suite, result)
            finally:
                if self._conductor is not None:
                    self.interference += self._conductor.interference
                    self.is_cut |= self._conductor.is_interrupted
                self._conductor = None
                self.main.scopes.close(but_run=True)

    def _conducted(self, suite: Any) -> Conductor:
        """Return what runs many tests of a suite at once."""
        main = self.main.scopes
        found = units.ordered(suite, self.settings, main.repetition)

        def new_lane(keeper: Timekeeper) -> Lane:
            lane = self._new_lane(keeper)
            lane.scopes.follow(main)
            return lane

        self.notes.update(dict.fromkeys(unit.reason for unit in found if unit.reason))
        return Conductor(
            found,
            self.settings,
            here=self.here,
            new_lane=new_lane,
            merge=self.merge,
            on_layer=self._on_layer,
        )

    def _new_lane(self, keeper: Timekeeper | None = None) -> Lane:
        lane = Lane(
            self.settings,
            Verdicts(self.settings),
            Interrupts(),
            is_kept=self._is_kept,
            keeper=keeper,
        )
        lane.keeper.is_off = self._is_debugging
        return lane

    def _choose(self, level: Level, owner: Any, repetition: int) -> Factory | None:
        return positions.factory(level, owner, repetition, self.settings)

    @property
    def is_played(self) -> bool:
        """Whether what nose2 tells of has happened before, in another thread."""
        return self._conductor is not None and self._conductor.is_playing

    def merge(self, found: Found) -> None:
        """Take what was found elsewhere."""
        self._told += found.told
        self.main.account.add(found.account)
        self.notes.update(dict.fromkeys(found.notes))
        self.interfering.update(found.interference)

    def take(self) -> Found:
        """Return what was found here, and forget it."""
        found = self.main.take() or Found([], Part(Total(), ()), [])
        names = [one.name for one in self.interference]
        found = found._replace(told=self._told, interference=names)
        self._told = []
        self.interference.clear()
        return found

    @property
    def notes(self) -> dict[str, None]:
        """What there is to say of what was asked for and can't be done, in its order."""
        return self.main.keeper.told

    def report(self) -> list[str]:
        """Return, as lines, what was found and has failed no test, and what the slowest cost."""
        return [*self.main.verdicts.report(self._told), *self.main.account.slowest()]

    def going_on(self, frame: FrameType | None) -> str:
        """Tell what is going on, while the main thread runs ``frame``."""
        beside = [] if self._conductor is None else self._conductor.running()
        if beside:
            return "".join(_going_on(*one) for one in beside)
        return _going_on(*self.main.adapter.running(), loops.running(), frame)


def _going_on(
    name: str, seconds: float, loop: AbstractEventLoop | None, stack: FrameType | None
) -> str:
    """Tell what one test does."""
    head = f"{name} runs for {seconds:.2f} s" if name else "between two tests"
    return f"\n{head}\n\n{reports.hang(loop, stack=stack)}\n"
