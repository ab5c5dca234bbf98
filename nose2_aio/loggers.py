"""Loggers that a test changes for itself with ``assertLogs``: set aside while others run.

Threads of a test run while it is away, and log: they see loggers as the test has set them up.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import Handler, Logger
from typing import Any, NamedTuple
from unittest import TestCase

__unittest = True

__all__ = ["Loggers", "Setup", "are_any", "noted"]

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


class Loggers:
    """Those that the tests of one unit have changed, as long as the contexts last."""

    holder: Loggers | None = None
    """Those of the unit whose turn it is."""

    def __init__(self) -> None:
        self._swaps: dict[Logger, _Swap] = {}

    @property
    def are_any(self) -> bool:
        """Whether there are any."""
        return bool(self._swaps)

    def come_back(self) -> None:
        """Set up each as the unit has left it."""
        if not self._swaps:
            Loggers.holder = self
            return
        with _lock:
            for logger, swap in list(self._swaps.items()):
                swap.base = _taken(logger)
                _set_up(logger, swap.own)
            Loggers.holder = self

    def leave(self) -> None:
        """Set up each as it was when the unit came."""
        if not self._swaps:
            Loggers.holder = None
            return
        with _lock:
            for logger, swap in list(self._swaps.items()):
                swap.own = _taken(logger)
                _set_up(logger, swap.base)
            Loggers.holder = None

    def end(self) -> None:
        """Forget what was left behind."""
        if not self._swaps:
            return
        with _lock:
            self._swaps = {}
            _changed.discard(self)

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
            if swap is None or Loggers.holder is not self:  # it was dropped, with its coroutine
                _set_up(logger, before)
            elif not swap.depth:
                # what unittest restores is a copy of the handlers, older than they may be
                _set_up(logger, swap.base)

    def seen(self, logger: Logger) -> list[Setup]:
        """Return how a logger and those above it are set up, as a thread of the unit should see it.

        The unit may be away, and another one have changed them.
        """
        found = []
        with _lock:
            holder = Loggers.holder
            one: Logger | None = logger
            while one is not None:
                found.append(self._seen(one, holder))
                one = one.parent
        return found

    def _seen(self, logger: Logger, holder: Loggers | None) -> Setup:
        if holder is self:
            return _taken(logger)
        swap = self._swaps.get(logger)
        if swap is not None:
            return swap.own
        swap = None if holder is None else holder._swaps.get(logger)
        return _taken(logger) if swap is None else swap.base


_changed: set[Loggers] = set()
"""Those of units that have changed any."""


def are_any() -> bool:
    """Tell whether any unit has changed a logger."""
    return bool(_changed)


@contextmanager
def noted(mine: Callable[[], Loggers | None]) -> Iterator[None]:
    """While the block runs, ``assertLogs`` and ``assertNoLogs`` are a unit's own.

    ``mine`` returns those of the unit that runs in the thread that asks.
    """
    names = ("assertLogs", "assertNoLogs")
    before = {name: vars(TestCase)[name] for name in names}
    for name in names:
        setattr(TestCase, name, _noting(before[name], mine))
    try:
        yield
    finally:
        for name in names:
            setattr(TestCase, name, before[name])


def _noting(method: Callable[..., Any], mine: Callable[[], Loggers | None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def made(
        self: TestCase, logger: Logger | str | None = None, *args: Any, **kwargs: Any
    ) -> _Noted:
        which = logger if isinstance(logger, Logger) else logging.getLogger(logger)
        return _Noted(method(self, logger, *args, **kwargs), which, mine)

    return made


class _Noted:
    """A context that changes a logger, from the thread whose turn it is or from another."""

    def __init__(self, context: Any, logger: Logger, mine: Callable[[], Loggers | None]) -> None:
        self._asserting = context
        self._logger = logger
        self._mine = mine
        self._loggers: Loggers | None = None

    def __enter__(self) -> Any:
        self._loggers = self._mine()
        if self._loggers is not None:
            self._loggers.note(self._logger)
        return self._asserting.__enter__()

    def __exit__(self, *error: object) -> Any:
        before = _taken(self._logger)
        try:
            return self._asserting.__exit__(*error)
        finally:
            if self._loggers is not None:
                self._loggers.restore(self._logger, before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asserting, name)


def _taken(logger: Logger) -> Setup:
    return Setup(logger.handlers, logger.level, logger.propagate)


def _set_up(logger: Logger, setup: Setup) -> None:
    logger.handlers = setup.handlers
    logger.propagate = setup.propagate
    if logger.level != setup.level:
        logger.setLevel(setup.level)  # which forgets what was enabled before
