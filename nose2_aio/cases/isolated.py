"""Run tests of IsolatedAsyncioTestCase with our limits, checks, clock and reports.

IsolatedAsyncioTestCase runs its own coroutines, on its own loop, with an `asyncio.Runner`. When a
test starts, `IsolatedCases` puts an `IsolatedRunner` in the place of that one. It runs each step
(``asyncSetUp``, the test, ``asyncTearDown``, a cleanup) in a task of its own, as asyncio's does.
The loop, the contexts and the order stay as they are.

IsolatedAsyncioTestCase awaits only what is declared with ``async def``. A test that returns another
awaitable is run all the same. An async ``setUp`` fails, and the error says how to name it.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import generator_tests, unittest_internals
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AioError, DeadlockError, DefinitionError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.problems import Problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.running import coroutines, hypothesis_examples, shutdown
from nose2_aio.running.cancellation import DEADLOCK
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.host import always
from nose2_aio.running.runner import Runner
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.shutdown import Leftovers
from nose2_aio.running.time_limits import call_users_code

__unittest = True

__all__ = ["IsolatedCases", "IsolatedRunner"]

_ENDINGS = 3
"""How many graces the end of a loop may take, where something blocks it."""

_STOPPED = "Event loop stopped before Future completed."
"""What asyncio says when a test stops its loop."""


class IsolatedCases:
    """Steps into tests of IsolatedAsyncioTestCase, one after another.

    ``explain`` returns the error to report for one that was raised.
    """

    test: TestCase | None = None
    """The test that runs, if it is such a test."""

    def __init__(
        self,
        settings: Settings,
        options: RunnerOptions,
        explain: Callable[[BaseException], BaseException],
    ) -> None:
        self._settings = settings
        self._options = options
        self._explain = explain
        self._runner: IsolatedRunner | None = None

    def attach(self, test: TestCase, problems: Problems) -> None:
        """Prepare a test case that is about to run; its asyncio runner exists, its loop may not."""
        self.test = test
        own, case = test.__dict__, type(test)
        own[unittest_internals.TEST] = partial(
            self._call, unittest_internals.TEST, partial(self._call_test, test)
        )
        for hook in (
            unittest_internals.SET_UP,
            unittest_internals.TEAR_DOWN,
            unittest_internals.CLEANUP,
        ):
            own[hook] = partial(self._call, hook, partial(getattr(case, hook), test))
        for name in ("setUp", "tearDown"):
            fixture = getattr(test, name)
            if coroutines.is_declared(fixture):
                own[unittest_internals.SET_UP] = partial(_refuse, test, fixture)
        asyncio_runner = unittest_internals.asyncio_runner(test)
        self._runner = None
        if asyncio_runner is not None:
            self._runner = IsolatedRunner(
                asyncio_runner,
                self._options,
                problems,
                is_checked=self._settings.are_isolated_checked,
                is_loop_chosen=unittest_internals.has_given_loops(test),
            )
            unittest_internals.set_asyncio_runner(test, self._runner)
            if unittest_internals.closes_runner(case):
                own[unittest_internals.CLOSE_RUNNER] = partial(self._close, test)

    def inspect(self) -> None:
        """Look for what the test has left on its loop, when its cleanups are done."""
        if self._runner is not None:
            self._runner.inspect()

    def _call(self, hook: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call one step of a test, under the time limit of the test."""
        time_limits = self._options.time_limits
        time_limits.restart_if_over()
        runner = self._runner
        if runner is not None:
            runner.has_run = False
        try:
            if runner is not None and hook is unittest_internals.SET_UP:
                runner.get_loop()
            call_users_code(function, *args, **kwargs)
            deadline = time_limits.deadline
            if deadline is not None and deadline.is_over and not (runner and runner.has_run):
                raise deadline.lateness()
        except BaseException as error:
            raise tracebacks.trim(self._explain(error), head=False)  # noqa: B904 -- it says all

    def _close(self, test: TestCase) -> None:
        """Close the runner of a test, in place of ``_tearDownAsyncioRunner``."""
        del test.__dict__[unittest_internals.CLOSE_RUNNER]
        runner, self._runner, self.test = self._runner, None, None
        assert runner is not None
        runner.close()

    def _call_test(self, test: TestCase, method: Callable[[], Any]) -> None:
        del test.__dict__[unittest_internals.TEST]
        if inspect.iscoroutinefunction(method):
            unittest_internals.ISOLATED(test, method)
            return
        if hypothesis_examples.has_examples(method, test):
            run = partial(_run_body, test)
            with hypothesis_examples.examples(method, run):
                method()
            return
        call = _Call(method, self._settings)
        unittest_internals.ISOLATED(test, call)
        if call.awaitable is not None:
            awaitable = call.awaitable
            _run_body(test, lambda: awaitable)


class IsolatedRunner:
    """Runs coroutines of one test, in place of the `asyncio.Runner` that its class has made.

    Other attributes are those of that runner.
    """

    def __init__(
        self,
        runner: Any,
        options: RunnerOptions,
        problems: Problems,
        *,
        is_checked: bool,
        is_loop_chosen: bool,
    ) -> None:
        self._runner = runner
        self._options = options
        self._problems = problems
        self._recorded = problems if is_checked else Problems()
        """What happens on the loop; it is thrown away where nothing is checked."""
        self._is_checked = is_checked
        self._is_loop_chosen = is_loop_chosen
        self._loop: AbstractEventLoop | None = None
        self._is_closed = self._is_abandoned = False
        self.has_run = False
        """True if a coroutine has run in the current step: it has been told if it was late."""
        self._at_end = ExitStack()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def get_loop(self) -> AbstractEventLoop:
        """Return the loop; create it at the first call."""
        if self._loop is None:
            loop: AbstractEventLoop = self._runner.get_loop()
            if self._is_loop_chosen:  # asyncio makes only its own loops current
                self._at_end.callback(event_loops.make_current(loop))
            self._at_end.enter_context(instrumented.instrument(loop))
            self._options.note_blind(loop)
            loop_state = instrumented.state_of(loop)
            if loop_state is not None:
                loop_state.problems = self._recorded
                loop_state.is_new = True
            self._loop = loop
            self._options.time_limits.set_clock(loop)
            self._find_deadlocks()
        return self._loop

    def _find_deadlocks(self) -> None:
        """Find deadlocks also where plain code of the test runs the loop by itself."""
        loop_state = instrumented.state_of(self._loop)
        if loop_state is not None and self._options.fails_deadlocks:
            loop_state.on_deadlock = self._fail_deadlock

    def _fail_deadlock(self) -> None:
        raise DeadlockError(f"{DEADLOCK}\n\n{hang_report.describe_loop(self._loop)}")

    def run(
        self, coro: Coroutine[Any, Any, Any], *, context: contextvars.Context | None = None
    ) -> Any:
        """Run a coroutine to its end, in a task of its own; return its value.

        Raises what it raises, and `RuntimeError` where it stops the loop.
        """
        loop = self.get_loop()
        if loop.get_task_factory() is not None:
            coro = _in_users_task(loop, coro, context)
        self.has_run = True
        return self._run(loop, coro, context)

    def _run(
        self,
        loop: AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        context: contextvars.Context | None = None,
    ) -> Any:
        runner = Runner(loop, context=context, options=self._options, problems=self._recorded)
        try:
            with runner:
                return runner.run(coro, _stopped, is_last=always)
        finally:
            self._is_abandoned |= runner.is_abandoned
            self._find_deadlocks()

    def inspect(self) -> None:
        """Look for what the test has left on the loop."""
        loop = self._loop
        loop_state = instrumented.state_of(loop)
        if not self._is_checked or loop is None or loop.is_closed():
            return
        if loop_state is not None and loop_state.objects:
            self._run(loop, shutdown.give_way())
            Leftovers(loop, self._problems, self._options.grace).inspect()

    def close(self) -> None:
        """Shut the loop down and close it; `Problems.abandon_reason` says if that is impossible."""
        if self._is_closed:  # a test case closes its runner when it is deleted, too
            return
        self._is_closed = True
        loop = self._loop
        try:
            if loop is None or loop.is_closed() or type(self._runner) is not asyncio.Runner:
                self._runner.close()
                return
            self._shut_down(loop)
            if event_loops.current() is loop:
                asyncio.set_event_loop(None)
            loop.close()
        finally:
            self._at_end.close()

    def _shut_down(self, loop: AbstractEventLoop) -> None:
        options = self._options
        if Leftovers(loop, Problems(), options.grace).is_none():
            return
        try:
            if not self._is_abandoned:  # or the error of the test says so
                with options.time_limits.within(Limit(_ENDINGS * options.grace, "grace")):
                    stubborn = self._run(loop, shutdown.shut_down(loop, options.grace))
                if stubborn:
                    self._problems.abandon_reason = shutdown.message(stubborn)
        except AioError as error:
            self._problems.abandon_reason = str(error)
        except Exception as error:
            self._problems.abandon_reason = f"the event loop could not be closed: {error!r}"
        shutdown.abandon(loop, is_closed=False)


async def _in_users_task(
    loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any], context: contextvars.Context | None
) -> Any:
    """Run a coroutine in a task that the task factory of the user makes."""
    return await loop.create_task(coro, context=context)


def _stopped() -> None:
    raise RuntimeError(_STOPPED)


def _refuse(test: TestCase, fixture: Any, *_: Any) -> None:
    del test.__dict__[unittest_internals.SET_UP]
    name = fixture.__name__
    raise DefinitionError(
        f"{locations.describe(fixture)}: IsolatedAsyncioTestCase calls {name} outside of its loop, "
        "and drops what it gives.\n"
        f"Name it async{name[0].upper()}{name[1:]}."
    )


def _run_body(test: TestCase, body: Callable[[], Awaitable[Any]]) -> Any:
    """Run a body as a test: in a coroutine function, which is all that is awaited."""

    async def run() -> Any:
        return await body()

    return unittest_internals.ISOLATED(test, run)


class _Call:
    """Calls a test method that isn't declared with ``async def``; keeps an awaitable."""

    def __init__(self, method: Callable[[], Any], settings: Settings) -> None:
        self._method = method
        self._settings = settings
        self.awaitable: Awaitable[Any] | None = None

    def __call__(self) -> Any:
        value = self._method()
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            mode = self._settings.generators
            value = generator_tests.called_again(self._method, self._method, value, mode)
        if inspect.isawaitable(value):
            self.awaitable = value
            return None
        return coroutines.checked(value, self._method)

    def __repr__(self) -> str:
        return repr(self._method)
