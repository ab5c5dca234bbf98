"""Run tests of IsolatedAsyncioTestCase with our limits, checks, clock and reports.

IsolatedAsyncioTestCase runs its own coroutines, on its own loop, with an `asyncio.Runner`. When a
test starts, `IsolatedCases` replaces that runner by an `AsyncioRunner`. Like asyncio's, it runs
each step (``asyncSetUp``, the test, ``asyncTearDown``, a cleanup) in a task of its own. The loop,
the contexts and the order stay as they are.

IsolatedAsyncioTestCase awaits only what is declared with ``async def``. If a test returns another
awaitable, we run it too. An async ``setUp`` fails, and the error says how to name it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import generator_tests, unittest_internals
from nose2_aio.cases.asyncio_runner import AsyncioRunner
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.phases import CLEANUP, Phase
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AbandonedLoopError, DeadlockError, DefinitionError
from nose2_aio.eventloop.problems import Problems
from nose2_aio.introspection import locations, tracebacks
from nose2_aio.running import coroutines, hypothesis_examples
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.time_limits import calls_users_code

__unittest = True

__all__ = ["IsolatedCases"]


_STEPS = (
    unittest_internals.SET_UP_HOOK,
    unittest_internals.TEST_HOOK,
    unittest_internals.TEAR_DOWN_HOOK,
    unittest_internals.CLEANUP_HOOK,
)
_FIXTURES = {
    unittest_internals.SET_UP_HOOK: ("setUp", "asyncSetUp"),
    unittest_internals.TEAR_DOWN_HOOK: ("tearDown", "asyncTearDown"),
}
_HOOKS = (*_STEPS, unittest_internals.CLOSE_RUNNER_HOOK)
_CALL_TEST = unittest_internals.call_isolated_test_method


class IsolatedCases:
    """Steps into tests of IsolatedAsyncioTestCase, one after another.

    ``fixtures`` knows the phase of the test, and which error to report.
    """

    test: TestCase | None = None
    """The test that runs, if its class is an IsolatedAsyncioTestCase."""

    def __init__(
        self,
        settings: Settings,
        options: RunnerOptions,
        fixtures: FixtureCaller,
    ) -> None:
        self._settings = settings
        self._options = options
        self._fixtures = fixtures
        self._runner: AsyncioRunner | None = None

    def attach(self, test: TestCase, problems: Problems) -> None:
        """Prepare a test case that is about to run. Its loop may not exist yet."""
        self.test = test
        own, case = test.__dict__, type(test)
        for hook in _STEPS:
            own[hook] = partial(self._call, hook, partial(getattr(case, hook), test))
        method = getattr(test, unittest_internals.method_name(test), None)
        is_own = getattr(case, unittest_internals.TEST_HOOK) is not _CALL_TEST
        if not (is_own or inspect.iscoroutinefunction(method)):
            call = partial(self._call_test, test)
            own[unittest_internals.TEST_HOOK] = partial(
                self._call, unittest_internals.TEST_HOOK, call
            )
        for name in ("setUp", "tearDown"):
            fixture = getattr(test, name)
            if coroutines.is_declared(fixture):
                own[unittest_internals.SET_UP_HOOK] = partial(_refuse, test, fixture)
        asyncio_runner = unittest_internals.asyncio_runner(test)
        self._runner = None
        if asyncio_runner is not None:
            self._runner = AsyncioRunner(
                asyncio_runner,
                self._options,
                problems,
                is_checked=self._settings.are_isolated_checked,
                is_loop_chosen=unittest_internals.is_loop_chosen(test),
                is_debugging=self._settings.isolated_debug,
            )
            unittest_internals.set_asyncio_runner(test, self._runner)
            if unittest_internals.is_runner_closed_by_unittest(case):
                own[unittest_internals.CLOSE_RUNNER_HOOK] = partial(self._close, test)

    def end(self, test: TestCase, problems: Problems, *, is_passed: bool) -> None:
        """Look for what the test has left on its loop, and close that, after its last cleanup.

        If it has passed so far, raises `AbandonedLoopError` if the loop had to be abandoned.
        """
        if self._runner is None:
            return
        self._runner.inspect()
        if unittest_internals.is_runner_closed_by_unittest(type(test)):
            self._runner.close()
        reason = problems.abandon_reason
        if reason and is_passed and not self._settings.are_isolated_checked:  # or the checks do
            del problems.abandon_reason
            raise AbandonedLoopError(reason)

    @calls_users_code
    def _call(self, hook: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call one step of a test, under the time limit of the test."""
        time_limits = self._options.time_limits
        time_limits.restart_if_over()
        self._fixtures.phases.current = self._phase(hook, args)
        try:
            if self._runner is not None and hook is unittest_internals.SET_UP_HOOK:
                self._runner.get_loop()
            function(*args, **kwargs)
            deadline = time_limits.deadline
            if deadline is not None and deadline.is_over_in_real_time:
                raise deadline.lateness()  # of plain code; the runner raises that of coroutines
            if hook is unittest_internals.TEST_HOOK and self.test is not None:
                self._fixtures.phases.has_passed = unittest_internals.has_passed(self.test)
        except BaseException as error:
            if isinstance(error, DeadlockError):  # of a loop that the test runs
                error.__traceback__ = tracebacks.users_traceback(error)
            raise tracebacks.trim(self._fixtures.error_to_report(error), head=False)  # noqa: B904 -- it has the cause

    def _phase(self, hook: str, args: tuple[Any, ...]) -> Phase | None:
        """Return the phase in which a hook is called, with its arguments."""
        test = self.test
        if hook is unittest_internals.CLEANUP_HOOK and test is not None:
            return Phase(CLEANUP, test, args[0], len(unittest_internals.cleanups_of_test(test)))
        names = _FIXTURES.get(hook, ())
        own = [one for one in names if unittest_internals.overrides(test, one)]
        return Phase(" or ".join(own), test) if own else None

    def _close(self, test: TestCase) -> None:
        """Close the runner of a test, in place of ``_tearDownAsyncioRunner``."""
        for hook in _HOOKS:  # or the test would refer to itself
            test.__dict__.pop(hook, None)
        runner, self._runner, self.test = self._runner, None, None
        assert runner is not None
        runner.close()

    def _call_test(self, test: TestCase, method: Callable[[], Any]) -> None:
        """Call a test method that isn't declared with ``async def``."""
        if hypothesis_examples.has_examples(method, test):
            run = partial(_run_body, test)
            with hypothesis_examples.examples(method, run):
                method()
            return
        call = _Call(method, self._settings)
        _CALL_TEST(test, call)
        if call.awaitable is not None:
            awaitable = call.awaitable
            _run_body(test, lambda: awaitable)


def _refuse(test: TestCase, fixture: Any, *_: Any) -> None:
    del test.__dict__[unittest_internals.SET_UP_HOOK]
    name = fixture.__name__
    raise DefinitionError(
        f"{locations.describe(fixture)}: IsolatedAsyncioTestCase calls {name} outside of its loop, "
        "and does not await it.\n"
        f"Name it async{name[0].upper()}{name[1:]}."
    )


def _run_body(test: TestCase, body: Callable[[], Awaitable[Any]]) -> Any:
    """Run a body as a test, in a coroutine function: unittest awaits nothing else."""

    async def run() -> Any:
        return await body()

    return _CALL_TEST(test, run)


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
            value = generator_tests.call_as_coroutine(self._method, self._method, value, mode)
        if inspect.isawaitable(value):
            self.awaitable = value
            return None
        return coroutines.checked(value, self._method)

    def __repr__(self) -> str:
        return repr(self._method)
