"""What a test changes of the process's state for itself, while others run beside it.

``contextlib.redirect_stdout``, ``warnings.catch_warnings``, ``assertWarns`` and ``assertLogs`` put
something of theirs where all of the process sees it. Tests take turns: before one gives its turn
away, what it has put there is set aside, and what stood there comes back. When its turn comes
again, so does what is its own. Nothing of that is done for a test that has changed nothing.

Threads of a test run while it is away. What they write and log finds what was set aside.
"""

from __future__ import annotations

import logging
import sys
import threading
import unittest
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any
from unittest import mock

from nose2_aio import batons, loggers, patches
from nose2_aio.loggers import Loggers
from nose2_aio.patches import Patch

__all__ = ["Changes", "are_mine", "noted"]

_PLACES: tuple[tuple[Any, str], ...] = (
    (sys, "stdout"),
    (sys, "stderr"),
    (sys, "stdin"),
    (warnings, "filters"),
    (warnings, "showwarning"),
    (warnings, "_showwarnmsg_impl"),  # where catch_warnings(record=True) puts its log
    (unittest.case, "_module_cleanups"),  # those of all modules are in one list
    (mock._patch, "_active_patches"),  # what patch.stopall() stops
)
_FILTERS = 3
_CLEANUPS, _ACTIVE = 6, 7
_MANAGER = logging.root.manager
"""Of the loggers, whatever a test has patched."""


class Changes:
    """What the tests of one unit, which run in order in one thread, have changed for themselves.

    Nothing is shared with another unit: what a test leaves behind ends with the unit.
    """

    holder: Changes | None = None
    """Whose turn it is."""

    def __init__(self, *, has_fixtures: bool = False) -> None:
        """``has_fixtures`` says whether it runs the cleanups of a class or a module."""
        self.is_over = False
        """Whether the unit has ended."""
        self.thread = 0
        """In which thread it takes its turns."""
        self._base: tuple[Any, ...] = ()
        """What stood at its places when it took its turn."""
        self._aside: dict[int, Any] = {_CLEANUPS: []} if has_fixtures else {}
        self.loggers = Loggers()
        self._patches: dict[int, Patch] = {}
        """Those of mock that are in effect, in their order."""
        self._disabled = 0
        """Up to which level logging is off for all."""
        self._own_disabled: int | None = None
        """And for the unit, if that is different."""

    def enter(self) -> None:
        """Take the turn, in the thread of the unit: what is its own comes back."""
        self.thread = threading.get_ident()
        self._base = _state()
        if self._aside:
            self._put(self._aside)
            self._aside = {}
        self.loggers.come_back()
        self._disabled = _MANAGER.disable
        if self._own_disabled is not None:
            logging.disable(self._own_disabled)
        for patch in self._patches.values():
            patch.enter()
        Changes.holder = self

    def leave(self) -> None:
        """Give the turn away: what is its own is set aside, and what stood there comes back."""
        for patch in reversed(self._patches.values()):
            patch.leave()
        own = _MANAGER.disable
        self._own_disabled = None
        if own != self._disabled:
            self._own_disabled = own
            logging.disable(self._disabled)
        now, base = _state(), self._base
        if not all(map(is_, now, base)):
            places = [place for place in range(len(now)) if now[place] is not base[place]]
            self._aside = {place: now[place] for place in places}
            self._put({place: base[place] for place in places})
        self.loggers.leave()
        Changes.holder = None

    def end(self) -> None:
        """Give the last turn away, unless it is, and forget what was left behind."""
        try:
            if self.has_turn:
                self.leave()
        finally:
            self.is_over = True
            self._aside = {}
            self._patches = {}
            self.loggers.end()

    @property
    def are_any(self) -> bool:
        """Whether the unit has changed anything, in its turn, that its threads should see."""
        return (
            bool(self._patches)
            or self.loggers.are_any
            or _MANAGER.disable != self._disabled
            or not all(map(is_, _state()[:_CLEANUPS], self._base))
        )

    @property
    def has_turn(self) -> bool:
        """Whether it is this unit's turn."""
        return Changes.holder is self

    def stream(self, name: str) -> Any:
        """Return what the unit has put in the place of a stream of `sys`, if that is set aside."""
        return self._aside.get(0 if name == "stdout" else 1) if self._aside else None

    def add_patch(self, key: object, patch: Patch) -> None:
        """Note a patch that is in effect from now on."""
        if mock._patch._active_patches is self._base[_ACTIVE]:  # type: ignore[attr-defined]
            mock._patch._active_patches = []  # type: ignore[attr-defined]
        self._patches[id(key)] = patch

    def end_patch(self, key: object) -> Patch | None:
        """Note that one is undone, and return it, if it is known."""
        return self._patches.pop(id(key), None)

    def _put(self, values: dict[int, Any]) -> None:
        for place, value in values.items():
            setattr(*_PLACES[place], value)
        if _FILTERS in values:
            # what was shown under other filters would be taken for shown
            with warnings.catch_warnings():
                pass


def are_mine(changes: Changes) -> bool:
    """Tell whether the calling thread has the turn, and it is this unit's."""
    return changes.has_turn and changes.thread == threading.get_ident()


@contextmanager
def noted() -> Iterator[None]:
    """While the block runs, what a unit patches is its own, and what ``assertLogs`` changes."""
    with loggers.noted(_loggers), patches.noted(_begin_patch, _end_patch):
        yield


def _mine() -> Changes | None:
    """Return those of the unit whose turn it is, if the calling thread has it."""
    changes = Changes.holder
    return changes if changes is not None and are_mine(changes) else None


def _loggers() -> Loggers | None:
    changes = _mine()
    return None if changes is None else changes.loggers


def _begin_patch(key: object, patch: Patch) -> None:
    changes = _mine()
    if changes is not None:
        changes.add_patch(key, patch)


def _end_patch(key: object) -> Patch | None:
    turn = batons.mine()
    if turn is not None:
        turn.check()  # or it would undo what is another's
    changes = Changes.holder
    return None if changes is None else changes.end_patch(key)


def _state() -> tuple[Any, ...]:
    return (
        sys.stdout,
        sys.stderr,
        sys.stdin,
        warnings.filters,
        warnings.showwarning,
        warnings._showwarnmsg_impl,  # type: ignore[attr-defined]
        unittest.case._module_cleanups,  # type: ignore[attr-defined]
        mock._patch._active_patches,  # type: ignore[attr-defined]
    )
