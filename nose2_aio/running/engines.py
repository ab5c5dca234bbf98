"""The two engines: run a test until complete, or run its loop forever.

*Run until complete*: the body of the test runs to its end.

*Run forever*:

1. The body runs.
2. The loop goes on for `Plan.timeout` seconds.
3. If the body returned a callable, it is called and awaited. If it takes an argument, it gets the
   test case.
4. The loop goes on for `Plan.sleep` seconds.
5. The test fails if anything failed on the loop in steps 1 to 4: the body, the callable, a task
   or a callback. Several errors are raised as one exception group.

A test without a decorator is run until complete. If its body returns a callable, it goes on with
step 2.
"""

import asyncio
import enum
import functools
import inspect
from collections.abc import Awaitable, Callable
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, NamedTuple, TypeAlias
from unittest import SkipTest

from nose2_aio.errors import DefinitionError, LoopStoppedError
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.problems import current_problems
from nose2_aio.introspection import waits
from nose2_aio.reporting.inspections import take_lost_errors
from nose2_aio.running.coroutines import call_and_await, close_unstarted
from nose2_aio.running.deadlines import Deadline

__all__ = ["NO_CASE", "SLEEP", "TIMEOUT", "Body", "Engine", "Execution", "Plan"]

TIMEOUT = 1.0
"""Seconds that run forever waits before it calls the callable."""
SLEEP = 0.0
"""Seconds that run forever waits after that."""
NO_CASE = object()
"""Replaces the test case if there is none."""

Body: TypeAlias = "CoroutineType[Any, Any, Any] | Callable[[], Awaitable[Any]]"
"""What a test runs: a coroutine, or a function that returns an awaitable."""


class Engine(enum.StrEnum):
    """How a test is run."""

    UNTIL_COMPLETE = "run until complete"
    FOREVER = "run forever"
    BY_RESULT = "run until complete, or forever if the body returns a callable"


class Plan(NamedTuple):
    """How one test is to be run; times in seconds."""

    engine: Engine = Engine.BY_RESULT
    timeout: float = TIMEOUT
    """How long run forever waits before it calls the callable; run until complete ignores it."""
    sleep: float = SLEEP
    """How long it waits after that."""
    timeout_class: str = ""
    """The class whose tag has set ``timeout``; "" for none."""


class Execution:
    """One run of a test: `main` is what runs on the loop."""

    _ran = False
    """True if the body has run, and the callable if there is one."""
    _ending = False
    """True if the tested code has stopped the loop after that."""
    _pause: asyncio.Future[None] | None = None
    """Completed at the end of the present wait."""

    def __init__(
        self,
        body: Body,
        plan: Plan,
        case: object = NO_CASE,
        deadline: Deadline | None = None,
    ) -> None:
        self.deadline = deadline
        """The time limit, if there is one: the waits of run forever don't count."""
        self._body = body
        self._plan = plan
        self._case = case
        self._forever = plan.engine is Engine.FOREVER

    async def main(self) -> Any:
        """Run the test on the running loop and return its value.

        Raises the error of the test, or `DefinitionError` if it returned what would never run.
        """
        try:
            body = self._body
            value = await (body if isinstance(body, CoroutineType) else body())
            if value is not None:
                _refuse_unawaited(value)
            if self._forever or callable(value):
                await self._run_forever(value)
                value = None
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            failures = _lost_errors() if self._forever else []
            if not failures:
                raise
            self._fail(failures if isinstance(error, SkipTest) else [error, *failures])
        else:
            if self._forever:
                self._fail(_lost_errors())
            return value

    def stopped(self, report: str) -> None:
        """End the waiting, since the tested code has stopped the loop.

        Raises `LoopStoppedError` if the body or the callable is not done yet. ``report`` says where
        it waits.
        """
        if not self._ran:
            raise LoopStoppedError(f"the loop was stopped before the test was done\n\n{report}")
        self._ending = True
        assert self._pause is not None
        _finish(self._pause)

    async def _run_forever(self, value: Any) -> None:
        """Go on with step 2, with the value that the body returned."""
        plan = self._plan
        if plan.engine is Engine.UNTIL_COMPLETE:
            raise DefinitionError(
                f"the test returned {_name(value)}, which run_until_complete would never call.\n"
                "Use run_forever, or await it in the test."
            )
        self._forever = True
        if self.deadline is not None:
            self.deadline.extend(plan.timeout + plan.sleep)
        self._ran = not callable(value)
        await self._run_on(plan.timeout)
        if plan.timeout > TIMEOUT and plan.timeout_class:
            self._note_wait()
        if callable(value):
            _refuse_unawaited(await call_and_await(self._callback(value)))
        self._ran = True
        await self._run_on(plan.sleep)

    def _note_wait(self) -> None:
        """Record the wait before the callable: who tagged the class may have meant a limit."""
        loop_state = instrumented.state_of(asyncio.get_running_loop())
        if loop_state is None or loop_state.waits is None:
            return
        if loop_state.clock is None or not loop_state.clock.is_virtual:
            plan = self._plan
            place = f"@timeout on class {plan.timeout_class}"
            loop_state.waits.for_callback = f"waited {plan.timeout:g} s ({place})"

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
        # reports read ``loop`` and ``h``
        h = loop.call_later(seconds, _finish, self._pause)
        try:
            await self._pause
        finally:
            h.cancel()

    def _fail(self, errors: list[BaseException]) -> None:
        """Raise the errors of the time in which the loop ran forever, each once."""
        failures = list({id(error): error for error in errors}.values())
        if len(failures) > 1:
            message = f"{len(failures)} things failed while the loop ran forever"
            raise BaseExceptionGroup(message, failures) from None
        if failures:
            raise failures[0]


waits.describe_timer(
    Execution._run_on, lambda left: f"is in a wait of run_forever, {left:.4g} s to go"
)


def _refuse_unawaited(value: Any) -> None:
    """Raise `DefinitionError` for a task, coroutine or generator: nobody would await it."""
    if isinstance(value, asyncio.Task):
        value.cancel()
        kind, name = "task", value.get_name()
    elif isinstance(value, CoroutineType | GeneratorType | AsyncGeneratorType):
        if isinstance(value, CoroutineType):
            close_unstarted(value)
        kind, name = type(value).__name__.replace("_", " "), value.__qualname__
    else:
        return
    raise DefinitionError(
        f"the test returned the {kind} {name}, which nobody would wait for.\nAwait it in the test."
    )


def _lost_errors() -> list[BaseException]:
    """Return the errors on the running loop, outside of the test, that nobody has retrieved."""
    loop = asyncio.get_running_loop()
    loop_state = instrumented.state_of(loop)
    problems = current_problems.get() or (None if loop_state is None else loop_state.problems)
    return [] if problems is None else take_lost_errors(loop, problems)


def _finish(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)


def _takes_argument(function: Callable[..., Any]) -> bool:
    """Return True if a callable needs an argument. One with a default may belong to a closure."""
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
