"""Keeps errors that the checks report out of asyncio's log on the terminal.

By default, asyncio logs each call of a loop's exception handler. nose2 prints the log to stderr, in
the middle of the progress dots. Handlers that print elsewhere still get these records.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["captured", "recorded", "shortened"]

_is_recorded = ContextVar("nose2_aio_is_recorded", default=False)
"""True while asyncio logs an error that a check reports."""


@contextmanager
def recorded() -> Iterator[None]:
    """Mark what asyncio logs inside the block: a check reports it."""
    token = _is_recorded.set(True)
    try:
        yield
    finally:
        _is_recorded.reset(token)


@contextmanager
def shortened() -> Iterator[None]:
    """Don't print what is marked as `recorded`, inside the block."""
    terminal = (sys.stderr, sys.__stderr__, sys.stdout)
    handlers = [
        one
        for one in (*logging.getLogger().handlers, logging.lastResort)
        if isinstance(one, logging.StreamHandler) and one.stream in terminal
    ]
    for handler in handlers:
        handler.addFilter(_is_news)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_is_news)


@contextmanager
def captured() -> Iterator[list[logging.LogRecord]]:
    """Yield a list that gets the errors that asyncio logs inside the block, unless `recorded`."""
    found: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        is_captured = record.levelno >= logging.ERROR and not _is_recorded.get()
        found.extend([record] * is_captured)
        return not is_captured

    logger = logging.getLogger("asyncio")
    logger.addFilter(keep)
    try:
        yield found
    finally:
        logger.removeFilter(keep)


def _is_news(record: logging.LogRecord) -> bool:
    return not (_is_recorded.get() and record.name == "asyncio")
