"""A lane: a thread in which tests run one after another, and what belongs to it alone.

The scopes that are open, the deadline, what is found and what it has cost: all of that is of the
tests that run there. A serial run has one lane, that of the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from nose2_aio import tags
from nose2_aio.accounts import Account, Part
from nose2_aio.adapters import Adapter
from nose2_aio.charges import Charges
from nose2_aio.deadlines import Timekeeper
from nose2_aio.errors import AioError
from nose2_aio.fixtures import Fixtures
from nose2_aio.interrupts import Interrupts
from nose2_aio.ledgers import Ledger
from nose2_aio.scopes import Level, Scopes
from nose2_aio.settings import Settings
from nose2_aio.verdicts import Told, Verdicts

__all__ = ["Found", "Here", "Lane"]


class Found(NamedTuple):
    """What was found in some tests that ran elsewhere: in another lane, in a worker process."""

    told: list[Told]
    account: Part
    notes: list[str]
    interference: Sequence[str] = ()
    """The names of the tests that fail beside others and pass alone."""


class Lane:
    """What belongs to the tests of one thread."""

    def __init__(
        self,
        settings: Settings,
        verdicts: Verdicts,
        interrupts: Interrupts,
        *,
        is_kept: bool,
        keeper: Timekeeper | None = None,
    ) -> None:
        self.keeper = keeper or Timekeeper()
        self.scopes = Scopes(settings, self.keeper)
        self.scopes.judge = self._judge
        self.verdicts = verdicts
        self.interrupts = interrupts
        self.account = Account(settings, is_kept=is_kept)
        self.fixtures = Fixtures(settings, self.scopes, interrupts)
        self.charges = Charges(settings, verdicts)
        self.adapter = Adapter(settings, self.scopes, self.fixtures, self.charges, self.account)

    def take(self) -> Found | None:
        """Return what was found, if anything was, and forget it."""
        if not (self.verdicts.told or self.keeper.told or self.account.has_any):
            return None
        notes, self.keeper.told = list(self.keeper.told), {}
        return Found(self.verdicts.take(), self.account.take(), notes)

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


class Here:
    """Finds the lane of the thread that asks."""

    def __init__(self, main: Lane) -> None:
        self.main = main
        self._own = threading.local()
        self._own.lane = main

    def __call__(self) -> Lane:
        """Return the lane of this thread; that of the main one in a thread that has none."""
        lane: Lane = getattr(self._own, "lane", self.main)
        return lane

    def enter(self, lane: Lane) -> None:
        """Have a lane be that of this thread."""
        self._own.lane = lane

    @property
    def is_lane(self) -> bool:
        """Whether this thread has one."""
        return hasattr(self._own, "lane")
