"""Coroutine tests under Hypothesis: each example runs as a test does.

Hypothesis calls the test for each example, and refuses a coroutine function. For test runners, it
documents the attribute ``hypothesis.inner_test``: they may replace what Hypothesis calls. We do not
import Hypothesis.

Some errors end the test at once: a time limit, a deadlock, the crash of a task that ``setUp`` has
started. Hypothesis would try to reproduce them, and run into them again and again.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from nose2_aio.errors import DeadlockError, TimeLimitError
from nose2_aio.introspection import locations, tracebacks

__all__ = ["examples", "has_examples"]

_EXPLANATION = "hypothesis.internal.scrutineer"
"""The module of Hypothesis that finds the lines which only failing examples run."""
_LENGTH = 200
"""How many characters of each argument of an example are shown."""


class _TestEnd(BaseException):
    """Raised through Hypothesis, which lets it pass, in place of the error that ends the test."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def has_examples(function: object, case: object) -> bool:
    """Return True if Hypothesis calls a coroutine test, and nobody else runs it."""
    inner = getattr(_handle(function), "inner_test", None)
    return inspect.iscoroutinefunction(inner) and not hasattr(case, "execute_example")


@contextmanager
def examples(
    function: object,
    run: Callable[[Callable[[], Awaitable[Any]]], Any],
    is_over: Callable[[BaseException], bool] = lambda _: False,
) -> Iterator[None]:
    """Inside the block, run each example with ``run``, which gets a function for its body.

    ``is_over`` returns True for an error after which no other example can run.
    """
    handle = _handle(function)
    inner = handle.inner_test

    @functools.wraps(inner)
    def run_example(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(functools.partial(inner, *args, **kwargs))
        except BaseException as error:
            tracebacks.trim(error)
            if not (isinstance(error, TimeLimitError | DeadlockError) or is_over(error)):
                raise
            error.add_note(f"Hypothesis ran it with {_shown(kwargs)}")
            raise _TestEnd(error) from None

    handle.inner_test = run_example
    try:
        with _unexplained():
            yield
    except _TestEnd as end:
        raise end.error from None
    finally:
        handle.inner_test = inner


def _shown(arguments: dict[str, Any]) -> str:
    """Return the text of the arguments of an example, without ``self``."""
    texts = {name: locations.text_of(arguments[name]) for name in arguments if name != "self"}
    return ", ".join(
        f"{name}={text if len(text) <= _LENGTH else f'{text[:_LENGTH]}...'}"
        for name, text in texts.items()
    )


@contextmanager
def _unexplained() -> Iterator[None]:
    """Inside the block, leave lines of this package out of Hypothesis's explanation of a failure.

    There is no public way. It lists them, since our lines that handle a failure run only then.
    """
    module: Any = sys.modules.get(_EXPLANATION, ModuleType(_EXPLANATION))
    before = module.UNHELPFUL_LOCATIONS = getattr(module, "UNHELPFUL_LOCATIONS", ())
    module.UNHELPFUL_LOCATIONS += ("/nose2_aio/**",)
    try:
        yield
    finally:
        module.UNHELPFUL_LOCATIONS = before


def _handle(function: Any) -> Any:
    return getattr(function, "__dict__", {}).get("hypothesis")
