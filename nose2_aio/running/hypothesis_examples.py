"""Coroutine tests under Hypothesis: each example runs as a test does.

Hypothesis calls the test for each example, and refuses a coroutine function. For test runners, it
documents the attribute ``hypothesis.inner_test``: they may replace what Hypothesis calls. We do not
import Hypothesis.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["examples", "has_examples"]


def has_examples(function: object, case: object) -> bool:
    """Return True if Hypothesis calls a coroutine test, and nobody else runs it."""
    inner = getattr(_handle(function), "inner_test", None)
    return inspect.iscoroutinefunction(inner) and not hasattr(case, "execute_example")


@contextmanager
def examples(
    function: object, run: Callable[[Callable[[], Awaitable[Any]]], Any]
) -> Iterator[None]:
    """Inside the block, run each example with ``run``, which gets a function for its body."""
    handle = _handle(function)
    inner = handle.inner_test

    @functools.wraps(inner)
    def run_example(*args: Any, **kwargs: Any) -> Any:
        return run(functools.partial(inner, *args, **kwargs))

    handle.inner_test = run_example
    try:
        yield
    finally:
        handle.inner_test = inner


def _handle(function: Any) -> Any:
    return getattr(function, "__dict__", {}).get("hypothesis")
