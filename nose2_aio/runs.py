"""A run: a suite on each of its loops, and what is found meanwhile.

nose2 says what to execute it with, and on which result; all that is needed for it is made here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any, NamedTuple

from nose2_aio import interrupts, loops, positions, reports, seams, tags, units, variants, wakers
from nose2_aio.accounts import Account, Part
from nose2_aio.adapters import Adapter, stepping_in
from nose2_aio.charges import Charges
from nose2_aio.errors import AioError
from nose2_aio.faces import Faces
from nose2_aio.factories import Factory
from nose2_aio.fixtures import Fixtures
from nose2_aio.interrupts import Interrupts
from nose2_aio.ledgers import Ledger
from nose2_aio.scopes import Level, Scopes
from nose2_aio.settings import Settings
from nose2_aio.verdicts import Told, Verdicts

__all__ = ["Execute", "Found", "Run"]

Execute = Callable[[Any, Any], Any]
"""Executes a suite on a result."""


class Found(NamedTuple):
    """What was found in some tests that ran in another process."""

    told: list[Told]
    account: Part
    notes: list[str]


class Run:
    """One run of tests, in this process."""

    def __init__(
        self, settings: Settings, *, is_kept: bool, is_debugging: Callable[[], bool]
    ) -> None:
        """``is_kept`` says whether somebody wants to know what each test has cost.

        ``is_debugging`` tells whether a failing test ends in a debugger.
        """
        self.settings = settings
        self.scopes = Scopes(settings)
        self.scopes.judge = self._judge
        self.keeper = self.scopes.rules.keeper
        self.keeper.is_off = is_debugging
        self.verdicts = Verdicts(settings)
        self.interrupts = Interrupts()
        self.account = Account(settings, is_kept=is_kept)
        self.fixtures = Fixtures(settings, self.scopes, self.interrupts)
        self.faces = Faces(settings, self.scopes, self.fixtures)
        self.charges = Charges(settings, self.verdicts)
        self.adapter = Adapter(settings, self.scopes, self.fixtures, self.charges, self.account)
        self.is_cut = False
        """Whether it was broken off by Ctrl-C."""
        self._told: list[Told] = []
        self._signals = ExitStack()

    def begin(self, stop: Callable[[], Any], tell: Callable[[FrameType | None], str]) -> None:
        """Be ready for signals: ``stop`` ends the run, ``tell`` says what is going on."""
        self.interrupts.stop = stop
        self._signals.enter_context(interrupts.telling(tell))

    def end(self) -> None:
        """Close the loop of the run."""
        self.scopes.close()
        self._signals.close()
        self._told += self.verdicts.take()

    def execute(self, execute: Execute, suite: Any, result: Any, *, is_sent: bool = False) -> Any:
        """Execute a suite, on each of its loops; ``is_sent`` says that other processes do that."""
        wakers.note_threads()
        # worker processes repeat their shares themselves
        repeated = None if is_sent else variants.repeated(suite, self.settings)
        self.scopes.chooses = self._choose if repeated is not None else None
        try:
            with stepping_in(self.adapter):
                if repeated is not None:
                    return self._execute_each(execute, repeated, result)
                return self._execute_once(execute, suite, result, is_sent=is_sent)
        except KeyboardInterrupt:
            self.is_cut = True
            raise
        finally:
            self._told += self.verdicts.take()

    def _execute_each(
        self, execute: Execute, repeated: list[variants.Repetition], result: Any
    ) -> Any:
        """Run what is to be repeated on other loops, fixtures included."""
        value = None
        while repeated:
            number, part = repeated.pop(0)
            self.scopes.begin(number)
            value = self._execute_once(execute, part, result)
            if repeated:  # or unittest would take its fixtures for set up
                seams.forget_class(result)
        return value

    def _execute_once(
        self, execute: Execute, suite: Any, result: Any, *, is_sent: bool = False
    ) -> Any:
        with self.faces.on(suite):
            try:
                if not is_sent:
                    suite = units.reordered(suite, self.settings)
                return execute(suite, result)
            finally:
                self.scopes.close(but_run=True)

    def _choose(self, level: Level, owner: Any, repetition: int) -> Factory | None:
        return positions.factory(level, owner, repetition, self.settings)

    def _judge(self, level: Level, owner: object, ledger: Ledger) -> AioError | None:
        """Judge what was found in a scope that is wider than a test, or in a fixture of it."""
        if not vars(ledger):
            return None
        name = f"{owner.__module__}.{owner.__qualname__}" if isinstance(owner, type) else owner
        what = f"{level.name.lower()} {name or ''}".strip()
        modes = tags.read_checks(None, owner if isinstance(owner, type) else object)
        can_fail = level in (Level.MODULE, Level.CLASS)
        return self.verdicts.judge(
            str(name or "the run"), ledger, modes, what=what, can_fail=can_fail
        )

    def merge(self, found: Found) -> None:
        """Add what was found in another process."""
        self._told += found.told
        self.account.add(found.account)
        self.notes.update(dict.fromkeys(found.notes))

    def take(self) -> Found:
        """Return what was found here, and forget it."""
        told, self._told = self._told, []
        notes, self.keeper.told = list(self.keeper.told), {}
        return Found(told, self.account.take(), notes)

    @property
    def notes(self) -> dict[str, None]:
        """What there is to say of what was asked for and can't be done, in its order."""
        return self.keeper.told

    def report(self) -> list[str]:
        """Return, as lines, what was found and has failed no test, and what the slowest cost."""
        return [*self.verdicts.report(self._told), *self.account.slowest()]

    def going_on(self, frame: FrameType | None) -> str:
        """Tell what is going on, while the main thread runs ``frame``."""
        name, seconds = self.adapter.running()
        head = f"{name} runs for {seconds:.2f} s" if name else "between two tests"
        return f"\n{head}\n\n{reports.hang(loops.running(), stack=frame)}\n"
