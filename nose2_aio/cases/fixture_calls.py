"""Call one fixture, and run the awaitable that it returns, in the scope of the fixture.

A fixture is any function of the user that is called before or after tests: ``setUp``, a cleanup,
``testSetUp`` of a layer. As with tests, the value that it returns decides, not how it is declared.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any
from unittest import TestCase

from nose2_aio.cases import generator_tests
from nose2_aio.cases.phases import Phases
from nose2_aio.cases.scope_keys import ScopeKey
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config import tag_lookup
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import DefinitionError, LoopStoppedError
from nose2_aio.eventloop import event_loops
from nose2_aio.eventloop.problems import CheckedProblems, current_problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.reporting import expired_timeouts
from nose2_aio.running import coroutines, plans
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.host import always
from nose2_aio.running.interrupts import Interrupts
from nose2_aio.running.runner import Runner
from nose2_aio.running.slow_tests import Running
from nose2_aio.running.time_limits import call_users_code

__all__ = ["FixtureCaller"]


_NO_LOOP = "no running event loop"
"""What asyncio says."""
_HOW_TO_HAVE_ONE = "Plain functions are called while no loop runs. Make it a coroutine function."
_INSTEAD = {
    "addAsyncCleanup": "self.addCleanup(function): it may be a coroutine function",
    "enterAsyncContext": "await aio.enter_async_context(self, manager)",
}
"""What to write in place of a method that only IsolatedAsyncioTestCase has."""


class FixtureCaller:
    """Calls fixtures, each in its scope and under its time limit."""

    def __init__(self, settings: Settings, scopes: Scopes, interrupts: Interrupts) -> None:
        self._scopes = scopes
        self._settings = settings
        self._limit = plans.overall(settings)
        self._interrupts = interrupts
        self.running: Running | None = None
        """The fixture of a class, a module or a layer that runs."""
        self.phases = Phases()
        self.default_traceback: Callable[[BaseException], TracebackType | None] | None = None
        """Returns the traceback of an error of a test that has no line of the user's."""

    def error_to_report(self, error: BaseException) -> BaseException:
        """Return the error to report for one that a test or a fixture has raised.

        If the time limit or Ctrl-C has interrupted it, that is an error that says so. The traceback
        of the error has no frames of ours.
        """
        error = self._scopes.options.time_limits.as_time_limit_error(error)
        note = _advice(error)
        if note and not hasattr(error, "__notes__"):
            error.add_note(note)
        error = self._interrupts.error_to_raise(error)
        self.phases.explain(error)
        expired_timeouts.explain(error)
        error = tracebacks.trim(error, head=False)
        if error.__traceback__ is None and self.default_traceback is not None:
            BaseException.with_traceback(error, self.default_traceback(error))
        if self._scopes.test_problems is not None:
            found = map(id, tracebacks.reported_with(error))
            self._scopes.test_problems.reported += tuple(found)
        return error

    def call(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        function: Callable[..., Any],
        /,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Call a fixture under its time limit, and return the value that it returns or awaits.

        The limit is that of its tag. Without a tag it is that of the test, or of the settings.
        `_call` describes the arguments, and what else is raised.
        """
        tagged = None
        if "timeout" in getattr(function, "__dict__", ()):
            tagged = tag_lookup.read_durations(function, object).timeout
        time_limits = self._scopes.options.time_limits
        is_limited = time_limits.deadline is not None or not self._limit.seconds
        if tagged is None and scope_key.test is not None and is_limited:
            return self._call(scope_key, is_last, function, *args, **kw)
        limit = self._limit if tagged is None else Limit(tagged, "@timeout", is_tagged=True)
        virtual = time_limits.virtual
        if scope_key.test is None:
            virtual = plans.virtual(None, scope_key.case or object, self._settings)
            self.phases.begin(function, scope_key.owner)
        with time_limits.time(limit, virtual) as deadline, self._recording(scope_key, function):
            try:
                value = self._call(scope_key, is_last, function, *args, **kw)
            except BaseException as error:
                raise self.error_to_report(error)  # noqa: B904 -- the same, or one that says more
            if deadline is not None and deadline.is_over:
                raise deadline.lateness()
            return value

    @contextmanager
    def _recording(self, scope_key: ScopeKey, function: Any) -> Iterator[None]:
        """Record the problems that a fixture wider than a test causes outside of a loop.

        Raises the error that they fail the fixture with. For a fixture of a test, do nothing.
        """
        if scope_key.test is not None:
            yield
            return
        problems = CheckedProblems()
        token = current_problems.set(problems)
        before, self.running = self.running, self._begin(scope_key, function)
        try:
            yield
        except BaseException as error:
            also = self._scopes.error_for(scope_key.level, scope_key.owner, problems)
            problems.is_checked = False
            if also is not None:
                BaseException.add_note(error, f"\n{also}")
            raise
        finally:
            self._scopes.options.time_limits.note_held(self.running.name)
            self.running = before
            current_problems.reset(token)
        found = self._scopes.error_for(scope_key.level, scope_key.owner, problems)
        problems.is_checked = False
        if found is not None:
            raise found

    def _begin(self, scope_key: ScopeKey, function: Any) -> Running:
        owner, now = scope_key.owner, monotonic()
        if isinstance(owner, type):
            owner = f"{owner.__module__}.{owner.__qualname__}"
        slow = self._scopes.options.time_limits.slow
        if slow is not None and now >= slow.lost_at:
            slow.start(now)
        return Running(f"{getattr(function, '__name__', repr(function))} ({owner})", now)

    def _call(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        function: Callable[..., Any],
        /,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Call a fixture of a scope; return its value, or that of the awaitable that it returns.

        The awaitable runs in the scope. If the fixture makes a loop the current one, the scope uses
        that loop from then on.

        ``is_last`` is called at the end of the awaitable. It returns True if nothing can follow in
        the scope.

        Raises `DefinitionError` for a generator function that is no coroutine. Raises it also for
        an awaitable while a loop runs, since nobody would await it.
        """
        if event_loops.is_running():
            return _plain_value(function(*args, **kw), function)
        if coroutines.is_declared(function):
            return self._run(scope_key, is_last, function, function(*args, **kw))
        runner = self._scopes.runner_around(scope_key)
        if runner is None and self._scopes.has_async_fixture(scope_key):
            runner = self._scopes.runner_for(scope_key)
        if runner is None:
            before = event_loops.current()
            value = call_users_code(function, *args, **kw)
        else:
            before = runner.loop
            value = runner.call(function, *args, **kw)
        if value is None:
            loop = self._scopes.loop_made_current(before)
            if loop is not None:
                self._scopes.use_loop(scope_key, loop)
            return None
        return self.finish_call(scope_key, is_last, value, function, *args, **kw)

    def finish_call(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        value: Any,
        function: Callable[..., Any],
        /,
        *args: Any,
        **kw: Any,
    ) -> Any:
        """Finish the call of a fixture that has returned a value: run it, if it is an awaitable."""
        awaitable = _as_awaitable(value, function, args, kw)
        return value if awaitable is None else self._run(scope_key, is_last, function, awaitable)

    def _run(
        self,
        scope_key: ScopeKey,
        is_last: Callable[[], bool],
        function: Any,
        awaitable: Awaitable[Any],
    ) -> Any:
        def stopped(report: str) -> None:
            raise LoopStoppedError(
                f"{locations.describe(function)}: the loop was stopped before the fixture was done"
                f"\n\n{report}"
            )

        job: Any = awaitable if inspect.iscoroutine(awaitable) else _await(awaitable)
        runner = None
        try:
            if self._scopes.has_abandoned_loop(scope_key):
                return None
            runner = self._scopes.runner_for(scope_key)
            loop = awaitable.get_loop() if isinstance(awaitable, asyncio.Future) else runner.loop
            if loop is runner.loop:
                value = runner.run(job, stopped, is_last=is_last)
            else:
                with Runner(loop, options=self._scopes.options) as own:
                    value = own.run(job, stopped, is_last=always)
        finally:
            if runner is not None and runner.is_abandoned:
                self._scopes.abandoned_owners.add(scope_key.owner)
            coroutines.close_unstarted(job)
        _refuse_async_generator(value, function)
        return value


def _advice(error: BaseException) -> str:
    """Return what to add to an error that says too little; "" for most errors."""
    if isinstance(error, RuntimeError) and str(error) == _NO_LOOP:
        return _HOW_TO_HAVE_ONE
    if isinstance(error, AttributeError) and isinstance(error.obj, TestCase):
        instead = _INSTEAD.get(error.name or "")
        if instead:
            return f"Only IsolatedAsyncioTestCase has it. Write {instead}."
    return ""


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _as_awaitable(
    value: Any, function: Callable[..., Any], args: tuple[Any, ...], kw: dict[str, Any]
) -> Awaitable[Any] | None:
    """Return the value of a fixture as an awaitable; None if it isn't one.

    Raises `DefinitionError` for a generator or an async generator of the fixture itself.
    """
    if inspect.isawaitable(value):
        return value
    if isinstance(value, types.GeneratorType):
        again = generator_tests.call_as_coroutine(
            partial(function, *args, **kw), function, value, "auto"
        )
        if again is not value:
            return again  # type: ignore[no-any-return]
        if value.gi_code is getattr(locations.unwrap(function), "__code__", None):
            raise _unsupported(function, "a generator function")
    _refuse_async_generator(value, function)
    return None


def _plain_value(value: Any, function: Any) -> Any:
    """Return a value; raise `DefinitionError` if it is an awaitable."""
    if not inspect.isawaitable(value):
        return value
    if inspect.iscoroutine(value):
        value.close()
    raise DefinitionError(
        f"{locations.describe(function)}: an async cleanup can't be run while a loop runs.\n"
        "Let unittest call it, or await it instead of calling doCleanups()."
    )


def _refuse_async_generator(value: Any, function: Any) -> None:
    if isinstance(value, types.AsyncGeneratorType):
        raise _unsupported(function, "an async generator function")


def _unsupported(function: Any, kind: str) -> DefinitionError:
    return DefinitionError(
        f"{locations.describe(function)}: {kind} can't be a fixture, "
        "its body would never run.\n"
        "Put what follows the 'yield' into a fixture of its own, or enter a context manager "
        "with aio.enter_async_context."
    )
