"""What fails on a loop beside the test itself: its callbacks and its tasks."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import AbstractEventLoop
from typing import Any

__all__ = ["Background"]


class Background:
    """Watches a loop from `watch` to `release`, and knows what failed on it meanwhile.

    A failure counts when nobody has dealt with it: it was reported to the loop, or it stands in
    a finished task that nobody asked for its exception, though the task may still be referenced
    (asyncio reports those only when they are collected).

    It stands before two methods of the loop. The exception handler and the task factory are not
    touched: whatever the user sets there works as ever, and hides nothing.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop: Any = loop
        self._tasks: list[weakref.ref[asyncio.Future[Any]]] = []
        self._reported: list[BaseException] = []

    def watch(self) -> None:
        """Begin to collect."""
        self._report = self._loop.call_exception_handler
        self._create_task = self._loop.create_task
        self._loop.call_exception_handler = self._collect
        self._loop.create_task = self._remember

    def release(self) -> None:
        """Cease to collect."""
        self._loop.call_exception_handler = self._report
        self._loop.create_task = self._create_task

    def failures(self) -> list[BaseException]:
        """Return what has failed until now, and consider it dealt with."""
        found, self._reported = self._reported, []
        for reference in self._tasks:
            task = reference()
            # nothing public says whether somebody has asked for a task's exception
            if task is not None and task.done() and getattr(task, "_log_traceback", False):
                error = task.exception()
                assert error is not None
                found.append(error)
        return found

    def _collect(self, report: dict[str, Any]) -> None:
        if report.get("exception") is not None:
            self._reported.append(report["exception"])
        self._report(report)

    def _remember(self, *args: Any, **kwargs: Any) -> Any:
        task = self._create_task(*args, **kwargs)
        self._tasks.append(weakref.ref(task))
        return task
