"""What a test changes of the process's state for itself, while others run beside it.

``contextlib.redirect_stdout``, ``warnings.catch_warnings``, ``assertWarns`` and ``assertLogs`` put
something of theirs where all of the process sees it. Tests take turns: before one gives its turn
away, what it has put there is set aside, and what stood there comes back. When its turn comes
again, so does what is its own. Nothing of that is done for a test that has changed nothing.

Threads of a test run while it is away. What they write and log finds what was set aside.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import unittest
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import Handler, Logger
from operator import is_
from typing import Any, NamedTuple
from unittest import TestCase, mock

from nose2_aio import patches
from nose2_aio.patches import Patch

__unittest = True

__all__ = ["Changes", "Setup", "are_any", "are_mine", "noted", "seen"]

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
_lock = threading.RLock()  # a coroutine may be dropped anywhere, and leave its contexts then
"""Held while loggers change hands, and by those who look at them from outside."""


class Setup(NamedTuple):
    """How a logger is set up."""

    handlers: list[Handler]
    level: int
    propagate: bool


class _Swap:
    """A logger that a test has changed for itself."""

    def __init__(self, logger: Logger) -> None:
        self.depth = 0
        self.base = _taken(logger)
        self.own = self.base


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
        self._base = _state()
        self._aside: dict[int, Any] = {_CLEANUPS: []} if has_fixtures else {}
        self._swaps: dict[Logger, _Swap] = {}
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
        if self._swaps:
            self._trade(comes_back=True)
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
        if self._swaps:
            self._trade(comes_back=False)
        else:
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
            with _lock:
                self._swaps = {}
                _changed.discard(self)

    @property
    def are_any(self) -> bool:
        """Whether the unit has changed anything, in its turn, that its threads should see."""
        return (
            bool(self._patches or self._swaps)
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

    def note(self, logger: Logger) -> None:
        """Note that a logger is about to be changed, for as long as a context lasts."""
        with _lock:
            _changed.add(self)
            self._swaps.setdefault(logger, _Swap(logger)).depth += 1

    def restore(self, logger: Logger, before: Setup) -> None:
        """Have a logger as it was, unless an outer context has changed it as well.

        ``before`` is how it was when the context ended.
        """
        with _lock:
            swap = self._swaps.get(logger)
            if swap is not None:
                swap.depth -= 1
                if not swap.depth:
                    del self._swaps[logger]
                    if not self._swaps:
                        _changed.discard(self)
            if swap is None or not self.has_turn:  # the context was dropped, with its coroutine
                _set_up(logger, before)
            elif not swap.depth:
                # what unittest restores is a copy of the handlers, older than they may be
                _set_up(logger, swap.base)

    def _put(self, values: dict[int, Any]) -> None:
        for place, value in values.items():
            setattr(*_PLACES[place], value)
        if _FILTERS in values:
            # what was shown under other filters would be taken for shown
            with warnings.catch_warnings():
                pass

    def _trade(self, *, comes_back: bool) -> None:
        with _lock:
            for logger, swap in list(self._swaps.items()):
                if comes_back:
                    swap.base = _taken(logger)
                    _set_up(logger, swap.own)
                else:
                    swap.own = _taken(logger)
                    _set_up(logger, swap.base)
            Changes.holder = self if comes_back else None


_changed: set[Changes] = set()
"""Those that have changed any logger."""


def are_any() -> bool:
    """Tell whether any unit has changed a logger."""
    return bool(_changed)


def are_mine(changes: Changes) -> bool:
    """Tell whether the calling thread has the turn, and it is this unit's."""
    return changes.has_turn and changes.thread == threading.get_ident()


def seen(logger: Logger, changes: Changes) -> list[Setup]:
    """Return how a logger and those above it are set up, as a thread of a unit should see them.

    The unit may be away, and another one have changed them.
    """
    found = []
    with _lock:
        holder = Changes.holder
        one: Logger | None = logger
        while one is not None:
            found.append(_seen(one, changes, holder))
            one = one.parent
    return found


def _seen(logger: Logger, changes: Changes, holder: Changes | None) -> Setup:
    if holder is changes:
        return _taken(logger)
    swap = changes._swaps.get(logger)
    if swap is not None:
        return swap.own
    swap = None if holder is None else holder._swaps.get(logger)
    return _taken(logger) if swap is None else swap.base


@contextmanager
def noted() -> Iterator[None]:
    """While the block runs, ``assertLogs`` and ``assertNoLogs`` are a unit's own, and patches."""
    names = ("assertLogs", "assertNoLogs")
    before = {name: vars(TestCase)[name] for name in names}
    for name in names:
        setattr(TestCase, name, _noting(before[name]))
    try:
        with patches.noted(_begin_patch, _end_patch):
            yield
    finally:
        for name in names:
            setattr(TestCase, name, before[name])


def _begin_patch(key: object, patch: Patch) -> None:
    changes = Changes.holder
    if changes is not None and are_mine(changes):
        changes.add_patch(key, patch)


def _end_patch(key: object) -> Patch | None:
    changes = Changes.holder
    return None if changes is None else changes.end_patch(key)


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def made(
        self: TestCase, logger: Logger | str | None = None, *args: Any, **kwargs: Any
    ) -> _Noted:
        which = logger if isinstance(logger, Logger) else logging.getLogger(logger)
        return _Noted(method(self, logger, *args, **kwargs), which)

    return made


class _Noted:
    """A context that changes a logger, from the thread whose turn it is or from another."""

    def __init__(self, context: Any, logger: Logger) -> None:
        self._asserting = context
        self._logger = logger
        self._changes: Changes | None = None

    def __enter__(self) -> Any:
        changes = Changes.holder
        if changes is not None and are_mine(changes):
            changes.note(self._logger)
            self._changes = changes
        return self._asserting.__enter__()

    def __exit__(self, *error: object) -> Any:
        before = _taken(self._logger)
        try:
            return self._asserting.__exit__(*error)
        finally:
            if self._changes is not None:
                self._changes.restore(self._logger, before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asserting, name)


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


def _taken(logger: Logger) -> Setup:
    return Setup(logger.handlers, logger.level, logger.propagate)


def _set_up(logger: Logger, setup: Setup) -> None:
    logger.handlers = setup.handlers
    logger.propagate = setup.propagate
    if logger.level != setup.level:
        logger.setLevel(setup.level)  # which forgets what was enabled before
