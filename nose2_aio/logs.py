"""Log records of many tests at once: which handlers get them, and when.

A handler that was there before gets what a test logs when the test's results are told. One that a
test has made or added gets it at once, but only from its own unit; when that is over and the
handler is still there, it is one of the others.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import Handler, Logger, LogRecord
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from nose2_aio import changes, loggers, writers
from nose2_aio.loggers import Setup
from nose2_aio.writers import Logged

__all__ = ["own"]

_UNIT = "__nose2_aio_unit__"
_Method: TypeAlias = Callable[..., Any]


@contextmanager
def own() -> Iterator[Callable[[Handler, LogRecord], Any]]:
    """While the block runs, records are those of the test that they are made on behalf of.

    Gives what has a handler deal with a record now.
    """
    attached = _attached()
    steps = [
        _step(Handler, "__init__", _making),
        _step(Handler, "handle", _handling),
        _step(Logger, "addHandler", lambda before: _adding(before, attached)),
        _step(Logger, "isEnabledFor", _enabling),
        _step(Logger, "callHandlers", _calling),
    ]
    handle = steps[1][2]
    try:
        yield handle
    finally:
        for owner, name, before, ours in steps:
            if vars(owner)[name] is ours:  # or else somebody builds on it, and it does nothing
                setattr(owner, name, before)


def _step(
    owner: type, name: str, make: Callable[[_Method], _Method]
) -> tuple[type, str, _Method, _Method]:
    before = vars(owner)[name]
    ours = make(before)
    setattr(owner, name, ours)
    return owner, name, before, ours


def _attached() -> WeakValueDictionary[int, Handler]:
    """Return the handlers that any logger has, by identity: equality is the user's."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = [one for logger in loggers for one in getattr(logger, "handlers", ())]
    return WeakValueDictionary({id(one): one for one in handlers})


def _making(before: _Method) -> _Method:
    def made(self: Handler, *args: Any, **kwargs: Any) -> None:
        before(self, *args, **kwargs)
        output = writers.of_writer()
        if output is not None:
            self.__dict__[_UNIT] = output.changes

    return made


def _adding(before: _Method, attached: WeakValueDictionary[int, Handler]) -> _Method:
    def add(self: Logger, hdlr: Handler) -> None:
        output = writers.of_writer()
        if output is None:
            attached[id(hdlr)] = hdlr
        elif id(hdlr) not in attached and isinstance(hdlr, Handler):
            hdlr.__dict__[_UNIT] = output.changes
        before(self, hdlr)

    return add


def _handling(before: _Method) -> _Method:
    def handle(self: Handler, record: LogRecord) -> Any:
        output = writers.of_writer()
        # the last resort writes to what stands at sys.stderr now
        if output is None or self is logging.lastResort:
            return before(self, record)
        unit = self.__dict__.get(_UNIT)
        if unit is output.changes:
            return before(self, record)
        if unit is None or unit.is_over:
            output.add(Logged(self, _kept(record)))
            return True
        return False

    return handle


def _kept(record: LogRecord) -> LogRecord:
    """Return a copy of a record whose message is what it says now: arguments may change."""
    found = copy.copy(record)
    try:
        found.msg = record.getMessage()
    except Exception:  # a handler says so
        return found
    found.args = None
    return found


def _enabling(before: _Method) -> _Method:
    def is_enabled(self: Logger, level: int) -> Any:
        seen = _seen(self)
        if seen is None:
            return before(self, level)
        if self.disabled or self.manager.disable >= level:
            return False
        return level >= next((setup.level for setup in seen if setup.level), logging.NOTSET)

    return is_enabled


def _calling(before: _Method) -> _Method:
    def call(self: Logger, record: LogRecord) -> None:
        seen = _seen(self)
        if seen is None:
            before(self, record)
            return
        handlers: list[Handler] = []
        for setup in seen:
            handlers += setup.handlers
            if not setup.propagate:
                break
        if not handlers and logging.lastResort is not None:
            handlers = [logging.lastResort]
        for handler in handlers:
            if record.levelno >= handler.level:
                handler.handle(record)

    return call


def _seen(logger: Logger) -> list[Setup] | None:
    """Return how loggers are set up for the test on whose behalf this runs; None: as they are."""
    if not loggers.are_any():
        return None
    output = writers.of_writer()
    if output is None or changes.are_mine(output.changes):
        return None
    return output.changes.loggers.seen(logger)
