"""What fails on a loop beside the test itself: its callbacks and its tasks."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import AbstractEventLoop
from typing import Any

__unittest = True

__all__ = ["Background"]


class Background:
    """Watches a loop from `watch` to `release`, and knows what failed on it meanwhile.

    A failure counts when nobody has dealt with it: it reached the loop's exception handler, or
    it stands in a finished task that nobody asked for its exception, though the task may still
    be referenced (asyncio reports those only when they are collected). The user's own exception
    handler and task factory, or asyncio's, work as ever: ours stand before them.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: list[weakref.ref[asyncio.Future[Any]]] = []
        self._reported: list[BaseException] = []

    def watch(self) -> None:
        """Begin to collect."""
        self._handler = self._loop.get_exception_handler()
        self._factory = self._loop.get_task_factory()
        self._loop.set_exception_handler(self._collect)
        self._loop.set_task_factory(self._make_task)

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

    def release(self) -> None:
        """Cease to collect."""
        if self._loop.get_exception_handler() == self._collect:
            self._loop.set_exception_handler(self._handler)
        if self._loop.get_task_factory() == self._make_task:
            self._loop.set_task_factory(self._factory)

    def _collect(self, loop: AbstractEventLoop, report: dict[str, Any]) -> None:
        if report.get("exception") is not None:
            self._reported.append(report["exception"])
        if self._handler is not None:
            self._handler(loop, report)
        else:
            loop.default_exception_handler(report)

    def _make_task(
        self, loop: AbstractEventLoop, coroutine: Any, /, **options: Any
    ) -> asyncio.Future[Any]:
        task: asyncio.Future[Any]
        if self._factory is None:
            task = asyncio.Task(coroutine, loop=loop, **options)
        else:
            task = self._factory(loop, coroutine, **options)
        self._tasks.append(weakref.ref(task))
        return task
