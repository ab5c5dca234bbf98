"""Jobs that a test hands to a thread pool: they are a part of the test, as its tasks are.

So each job is wrapped in a `JobFunction`, which does two things in the thread:

1. It notes the `Problems` of the test. The thread has no event loop that would have them, and only
   `asyncio.to_thread` copies the context of the test.
2. Python records there where coroutines are created, as it does in the thread of the event loop.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nose2_aio.eventloop.problems import Problems, current_problems

__all__ = ["JobFunction", "as_part_of_test", "problems_in_thread"]


class _Running(threading.local):
    problems: Problems | None = None
    """The problems of the job that the thread runs."""


_running = _Running()


class JobFunction:
    """The function of a job. It runs as a part of the test, or of the wider scope, that made it."""

    def __init__(self, function: Callable[..., Any], problems: Problems | None) -> None:
        """``problems`` are those of the test or scope. This is called in the thread of the loop."""
        self.__wrapped__ = function
        self._problems = problems
        self._depth = sys.get_coroutine_origin_tracking_depth()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, in a thread of the pool."""
        depth = sys.get_coroutine_origin_tracking_depth()
        before, _running.problems = _running.problems, self._problems
        sys.set_coroutine_origin_tracking_depth(max(depth, self._depth))
        try:
            return self.__wrapped__(*args, **kwargs)
        finally:
            sys.set_coroutine_origin_tracking_depth(depth)
            _running.problems = before


def as_part_of_test(function: Any, pool: object, problems: Problems | None) -> Any:
    """Return a function to hand to a pool in place of the user's.

    It runs as a part of the test of the context, or else as a part of the owner of ``problems``.
    Only functions for threads are replaced. asyncio has to see a coroutine function: it refuses it.
    """
    if isinstance(pool, ThreadPoolExecutor) and not inspect.iscoroutinefunction(function):
        return JobFunction(function, current_problems.get() or problems)
    return function


def problems_in_thread() -> Problems | None:
    """Return the `Problems` of the context, or else of the job that this thread runs."""
    return current_problems.get() or _running.problems
