"""The two engines: run a test until complete, or run its loop forever.

Run until complete: the body runs to its end.

Run forever:

1. The body runs.
2. The loop runs on for `Plan.timeout` seconds.
3. What the body returned, if it is callable, is called and awaited, with the test case if it
   takes an argument.
4. The loop runs on for `Plan.sleep` seconds.
5. Whatever failed on the loop from 1 to 4 fails the test: body, callback, tasks and the loop's
   own callbacks. Several failures come as one exception group.

A test that nobody decorated is run until complete, and goes on with step 2 if its body
returns a callable.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from unittest import SkipTest

from nose2_aio.background import Background
from nose2_aio.coroutines import called
from nose2_aio.deadlines import NO_LIMIT, Limit, bounded
from nose2_aio.errors import DefinitionError, LoopStoppedError

__unittest = True

__all__ = ["NO_CASE", "SLEEP", "TIMEOUT", "Engine", "Execution", "Plan"]

TIMEOUT = 1.0
"""Seconds that run forever waits for before it calls back."""
SLEEP = 0.0
"""Seconds for which it runs on behind that."""
NO_CASE = object()
"""Stands for the test case where there is none."""


class Engine(enum.Enum):
    """How a test is run."""

    UNTIL_COMPLETE = "run until complete"
    FOREVER = "run forever"
    BY_RESULT = "run until complete, or forever if the body returns a callable"


class Plan(NamedTuple):
    """How one test is to be run; times in seconds."""

    engine: Engine = Engine.BY_RESULT
    timeout: float = TIMEOUT
    sleep: float = SLEEP
    limit: Limit = NO_LIMIT
    """For the body."""
    callback_limit: Limit = NO_LIMIT


class Execution:
    """One run of a test: `main` is what runs on the loop."""

    def __init__(
        self, body: Callable[[], Awaitable[Any]], plan: Plan, case: object = NO_CASE
    ) -> None:
        self._body = body
        self._plan = plan
        self._case = case
        self._forever = plan.engine is Engine.FOREVER
        self._ran = False
        """Whether all that the test has to run was begun."""
        self._ending = False
        self._pause: asyncio.Future[None] | None = None

    async def main(self) -> Any:
        """Run the test on the running loop and return its value.

        Raises what the test raised; `DefinitionError` for a test whose callback would never run.
        """
        background = Background(asyncio.get_running_loop())
        background.watch()
        try:
            value = await self._phases()
        except (SkipTest, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._fail(error, background)
        else:
            self._fail(None, background)
            return value
        finally:
            background.release()

    def stopped(self) -> None:
        """Note that the tested code has stopped the loop: what still waits need not.

        Raises `LoopStoppedError` if that was before all of the test had run.
        """
        if not self._ran:
            raise LoopStoppedError("the loop was stopped before the test ran")
        self._ending = True
        assert self._pause is not None
        _finish(self._pause)

    async def _phases(self) -> Any:
        plan = self._plan
        value = await _limited(self._body(), plan.limit)
        if callable(value) and plan.engine is Engine.UNTIL_COMPLETE:
            raise DefinitionError(
                f"the test returned {_name(value)}, which run_until_complete would never call.\n"
                "Use run_forever, or await it in the test."
            )
        self._forever = self._forever or callable(value)
        if not self._forever:
            return value
        self._ran = not callable(value)
        await self._run_on(plan.timeout)
        self._ran = True
        if callable(value):
            await _limited(called(self._callback(value)), plan.callback_limit)
        await self._run_on(plan.sleep)
        return None

    def _callback(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not _takes_argument(function):
            return function
        if self._case is NO_CASE:
            raise DefinitionError(
                f"{_name(function)} takes an argument, but there is no test case to give it.\n"
                "Let it take none, or make the test a method."
            )
        return functools.partial(function, self._case)

    async def _run_on(self, seconds: float) -> None:
        if self._ending:
            return
        loop = asyncio.get_running_loop()
        self._pause = loop.create_future()
        timer = loop.call_later(seconds, _finish, self._pause)
        try:
            await self._pause
        finally:
            timer.cancel()

    def _fail(self, error: BaseException | None, background: Background) -> None:
        """Raise what the test and, where it ran forever, the loop beside it came to."""
        failures = [] if error is None else [error]
        if self._forever:
            failures += [other for other in background.failures() if other is not error]
        if len(failures) > 1:
            message = f"{len(failures)} things failed while the loop ran forever"
            raise BaseExceptionGroup(message, failures) from None
        if failures:
            raise failures[0]


def _limited(awaitable: Awaitable[Any], limit: Limit) -> Awaitable[Any]:
    return bounded(awaitable, limit) if limit.seconds else awaitable


def _finish(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)


def _takes_argument(function: Callable[..., Any]) -> bool:
    """Tell whether a callback needs an argument: one that has a default may be a closure's."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some builtins have none
        return False
    return any(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
        for parameter in parameters
    )


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
