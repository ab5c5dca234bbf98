"""Calling one fixture: what gives an awaitable is run in its scope.

A fixture is any function of the user's that is called around tests: ``setUp``, a cleanup, a
layer's ``testSetUp``. What it gives decides, as it does with tests: nobody asks what it is
declared to be.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from nose2_aio.cases import generator_tests
from nose2_aio.cases.scope_keys import ScopeKey
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config import tag_lookup
from nose2_aio.config.settings import Settings
from nose2_aio.errors import DefinitionError, LoopStoppedError
from nose2_aio.eventloop import event_loops
from nose2_aio.eventloop.problems import Problems, current_problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running import coroutines, plans
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.host import always
from nose2_aio.running.interrupts import Interrupts
from nose2_aio.running.runner import Runner
from nose2_aio.running.time_limits import call_users_code

__all__ = ["FixtureCaller"]


class FixtureCaller:
    """Calls fixtures, each in its scope."""

    def __init__(self, settings: Settings, scopes: Scopes, interrupts: Interrupts) -> None:
        self._scopes = scopes
        self._settings = settings
        self._limit = plans.overall(settings)
        self._interrupts = interrupts

    def explained(self, error: BaseException) -> BaseException:
        """Return what a test or a fixture failed with: for what has interrupted it, what that was.

        In its traceback there is no frame of ours.
        """
        error = self._scopes.options.time_limits.as_time_limit_error(error)
        return tracebacks.trim(self._interrupts.explained(error), head=False)

    def call(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        function: Callable[..., Any],
        /,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Call a fixture under its time limit: that of its test, unless it has one of its own.

        See `_call` for the rest.
        """
        tagged = None
        if "timeout" in getattr(function, "__dict__", ()):
            tagged = tag_lookup.read_durations(function, object).timeout
        time_limits = self._scopes.options.time_limits
        is_limited = time_limits.deadline is not None or not self._limit.seconds
        if tagged is None and scope_key.test is not None and is_limited:
            return self._call(scope_key, is_last, function, *args, **kw)
        limit = self._limit if tagged is None else Limit(tagged, "@timeout")
        virtual = time_limits.virtual
        if scope_key.test is None:
            virtual = plans.virtual(None, scope_key.case or object, self._settings)
        with time_limits.time(limit, virtual) as deadline, self._booked(scope_key):
            try:
                value = self._call(scope_key, is_last, function, *args, **kw)
            except BaseException as error:
                raise self.explained(error)  # noqa: B904 -- the same, or one that says it all
            if deadline is not None and deadline.is_over:
                raise deadline.lateness()
            return value

    @contextmanager
    def _booked(self, scope_key: ScopeKey) -> Iterator[None]:
        """Charge what a fixture of more than a test leaves outside of a loop to no test."""
        if scope_key.test is not None:
            yield
            return
        problems = Problems()
        token = current_problems.set(problems)
        try:
            yield
        finally:
            current_problems.reset(token)
        error = self._scopes.judge(scope_key.level, scope_key.owner(scope_key.level), problems)
        if error is not None:
            raise error

    def _call(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        function: Callable[..., Any],
        /,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Call a fixture that stands at ``scope_key``, and return what it comes to.

        Where it gives an awaitable, that is run in the scope of the position. A loop that it
        makes current by itself is that scope's from then on.

        ``is_last`` says, when that has ended, whether anything can follow in the scope.

        Raises `DefinitionError` for a generator function that is no coroutine, and for an awaitable
        while a loop runs: nobody would await it.
        """
        if event_loops.is_running():
            return _refused(function(*args, **kw), function)
        if coroutines.is_declared(function):
            return self._run(scope_key, is_last, function, function(*args, **kw))
        runner = self._scopes.around(scope_key)
        if runner is None and self._scopes.is_declared(scope_key):
            runner = self._scopes.runner(scope_key)
        if runner is None:
            before = event_loops.current()
            value = call_users_code(function, *args, **kw)
        else:
            before = runner.loop
            value = runner.call(function, *args, **kw)
        if value is None:
            self._note_loop(scope_key, before)
            return None
        return self.settle(scope_key, is_last, value, function, *args, **kw)

    def settle(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        value: Any,
        function: Callable[..., Any],
        /,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Return what a fixture comes to that was called and gave a value: see `call`."""
        awaitable = _awaitable(value, function, args, kw)
        return value if awaitable is None else self._run(scope_key, is_last, function, awaitable)

    def _is_lost(self, scope_key: ScopeKey) -> bool:
        """Tell whether the loop that a fixture belongs to had to be abandoned."""
        return self._scopes.has_lost(scope_key)

    def _note_loop(self, scope_key: ScopeKey, before: AbstractEventLoop | None) -> None:
        loop = self._scopes.made_current(before)
        if loop is not None:
            self._scopes.give(scope_key, loop)

    def _run(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        function: Any,
        awaitable: Awaitable[Any],
    ) -> Any:
        def stopped() -> None:
            raise LoopStoppedError(
                f"{locations.describe(function)}: the loop was stopped before the fixture was done"
            )

        job = _awaited(awaitable, function)
        runner = None
        try:
            if self._is_lost(scope_key):
                return None
            runner = self._scopes.runner(scope_key)
            loop = awaitable.get_loop() if isinstance(awaitable, asyncio.Future) else runner.loop
            if loop is runner.loop:
                return runner.run(job, stopped, is_last=is_last)
            with Runner(loop, options=self._scopes.options) as own:
                return own.run(job, stopped, is_last=always)
        finally:
            if runner is not None and runner.is_abandoned:
                self._scopes.lost.add(scope_key.owner(scope_key.level))
            job.close()  # where it could not even be begun
            if inspect.iscoroutine(awaitable):
                awaitable.close()


async def _awaited(awaitable: Awaitable[Any], function: Any) -> Any:
    value = await awaitable
    _check(value, function)
    return value


def _awaitable(
    value: Any, function: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]
) -> Awaitable[Any] | None:
    """Return what a fixture gave as something to await, or None if it is nothing of the kind."""
    if inspect.isawaitable(value):
        return value
    if isinstance(value, types.GeneratorType):
        again = generator_tests.called_again(
            partial(function, *args, **kw), function, value, "auto"
        )
        if again is not value:
            return again  # type: ignore[no-any-return]
        if value.gi_code is getattr(locations.unwrap(function), "__code__", None):
            raise _undrivable(function, "a generator function")
    _check(value, function)
    return None


def _refused(value: Any, function: Any) -> Any:
    if not inspect.isawaitable(value):
        return value
    if inspect.iscoroutine(value):
        value.close()
    raise DefinitionError(
        f"{locations.describe(function)}: an async cleanup can't be run while a loop runs.\n"
        "Let unittest call it, or await it instead of calling doCleanups()."
    )


def _check(value: Any, function: Any) -> None:
    if isinstance(value, types.AsyncGeneratorType):
        raise _undrivable(function, "an async generator function")


def _undrivable(function: Any, kind: str) -> DefinitionError:
    return DefinitionError(
        f"{locations.describe(function)}: {kind} can't be a fixture, "
        "its body would never run.\n"
        "Put what follows the 'yield' into a fixture of its own, or enter a context manager "
        "with aio.enter_async_context."
    )
