"""Coroutine tests under Hypothesis: each example is run as a test is.

Hypothesis calls the test for each example, and refuses a coroutine function. It documents
``hypothesis.inner_test`` for runners to replace what it calls. It is never imported here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["examples", "has_examples"]


def has_examples(function: object, case: object) -> bool:
    """True if Hypothesis calls a coroutine test, and the case has no ``execute_example``."""
    inner = getattr(_handle(function), "inner_test", None)
    return inspect.iscoroutinefunction(inner) and not hasattr(case, "execute_example")


@contextmanager
def examples(
    function: object, run: Callable[[Callable[[], Awaitable[Any]]], Any]
) -> Iterator[None]:
    """Run each example inside the block with ``run``, which is passed a callable for its body."""
    handle = _handle(function)
    inner = handle.inner_test

    @functools.wraps(inner)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return run(functools.partial(inner, *args, **kwargs))

    handle.inner_test = wrapper
    try:
        yield
    finally:
        handle.inner_test = inner


def _handle(function: Any) -> Any:
    return getattr(function, "__dict__", {}).get("hypothesis")
