"""What fails on a loop beside the test itself: its callbacks and its tasks."""

from __future__ import annotations

import asyncio
import gc
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Iterator
from typing import Any

__all__ = ["Background"]


class Background:
    """Watches a loop from `watch` to `release`, and knows what failed on it meanwhile.

    A failure counts when nobody has dealt with it: it reached the loop's exception handler, or
    it stands in a task or future that nobody asked for its exception, though that may still be
    referenced. asyncio reports those only when they are collected, and forgets about them before:
    the garbage collector still knows them.

    An exception handler of the user's works as ever; one that the test sets itself deals with
    what it is told.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._reported: list[BaseException] = []
        self._overlooked: weakref.WeakSet[asyncio.Future[Any]] | None = None

    def watch(self) -> None:
        """Begin to collect."""
        self._handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(self._collect)

    def release(self) -> None:
        """Cease to collect."""
        if self._loop.get_exception_handler() == self._collect:
            self._loop.set_exception_handler(self._handler)

    def overlook(self) -> None:
        """Leave out the futures that have failed until now: they are somebody else's."""
        self._overlooked = weakref.WeakSet(self._failed())

    def failures(self) -> list[BaseException]:
        """Return what has failed until now, and consider it dealt with."""
        found, self._reported = self._reported, []
        for future in self._failed():
            if self._overlooked is None or future not in self._overlooked:
                error = future.exception()
                assert error is not None
                found.append(error)
        return found

    def _failed(self) -> Iterator[asyncio.Future[Any]]:
        for future in gc.get_objects():
            if (
                issubclass(type(future), asyncio.Future)  # every task is one
                and future.get_loop() is self._loop
                and future.done()
                # nothing public says whether somebody has asked for its exception
                and future._log_traceback
            ):
                yield future

    def _collect(self, loop: AbstractEventLoop, report: dict[str, Any]) -> None:
        if report.get("exception") is not None:
            self._reported.append(report["exception"])
        if self._handler is not None:
            self._handler(loop, report)
        else:
            loop.default_exception_handler(report)
