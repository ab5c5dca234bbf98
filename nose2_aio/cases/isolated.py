"""IsolatedAsyncioTestCase: it runs itself, on loops of its own, and gets our limits and checks.

It asks for declarations: what gives an awaitable but isn't declared a coroutine function it would
drop. A test of that kind is run all the same; a fixture fails with what to write instead.

It runs each fixture in a go of its own. Where one hangs, the task that the loop was started for is
cancelled, twice if need be; then the error is raised out of the loop.
"""

from __future__ import annotations

import asyncio
import inspect
from asyncio import AbstractEventLoop, Task
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest import TestCase

from nose2_aio.cases import generator_tests, unittest_internals
from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AbandonedLoopError, DeadlockError, DefinitionError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.problems import Problems
from nose2_aio.eventloop.state import silence_interrupted
from nose2_aio.introspection import await_chains, locations, tracebacks
from nose2_aio.reporting import hang_report
from nose2_aio.running import coroutines, hypothesis_examples, shutdown
from nose2_aio.running.cancellation import DEADLOCK
from nose2_aio.running.deadlines import Limit, is_debugged
from nose2_aio.running.runner import RunnerOptions
from nose2_aio.running.shutdown import Leftovers

__unittest = True

__all__ = ["Guards"]

_ENDINGS = 3
"""How many graces the end of a loop may take, where what is left over blocks it."""
_TIMES = 2
"""How often to cancel before the loop is left."""

_STARTED_BY = "run_until_complete"
"""What stands in the name of the callback by which a loop halts: asyncio's, or uvloop's."""

_Explained = Callable[[BaseException], BaseException]


class Guards:
    """Guards the tests of such classes, one after the other."""

    def __init__(self, settings: Settings, options: RunnerOptions, explained: _Explained) -> None:
        self._settings = settings
        self._options = options
        self._explained = explained
        self._guard: _Guard | None = None

    def attach(self, test: TestCase, problems: Problems) -> None:
        """Step in at the seams of a test case, the next time that it runs."""
        own = test.__dict__
        guard = _Guard(
            test, self._options, problems, is_checked=self._settings.are_isolated_checked
        )
        self._guard = guard
        own[unittest_internals.TEST] = partial(
            self._call_guarded, unittest_internals.TEST, partial(self._call_test, test)
        )
        for seam in (
            unittest_internals.SET_UP,
            unittest_internals.TEAR_DOWN,
            unittest_internals.CLEANUP,
        ):
            own[seam] = partial(self._call_guarded, seam, partial(getattr(type(test), seam), test))
        for name in ("setUp", "tearDown"):
            fixture = getattr(test, name)
            if coroutines.is_declared(fixture):
                own[unittest_internals.SET_UP] = partial(_refuse, test, fixture)
        if unittest_internals.closes_runner(type(test)):
            own[unittest_internals.CLOSE_RUNNER] = partial(self._close, test)

    @property
    def test(self) -> TestCase | None:
        """The test that is guarded."""
        return None if self._guard is None else self._guard.test

    def inspect(self) -> None:
        """Look for what the test has left behind, when its cleanups are done."""
        assert self._guard is not None
        self._guard.inspect()

    def _call_guarded(
        self, seam: str, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        guard = self._guard
        assert guard is not None
        try:
            if seam is unittest_internals.SET_UP:
                guard.begin()
            with guard.on():
                function(*args, **kwargs)
                guard.check()
        except BaseException as error:
            found = self._explained(guard.explained(error))
            raise tracebacks.trim(found, head=False)  # noqa: B904 -- or what it means

    def _close(self, test: TestCase) -> None:
        """What stands for ``_tearDownAsyncioRunner``: nothing may come out of it."""
        del test.__dict__[unittest_internals.CLOSE_RUNNER]
        guard, self._guard = self._guard, None
        assert guard is not None
        guard.close(partial(getattr(type(test), unittest_internals.CLOSE_RUNNER), test))

    def _call_test(self, test: TestCase, method: Callable[[], Any]) -> None:
        del test.__dict__[unittest_internals.TEST]
        if inspect.iscoroutinefunction(method):
            unittest_internals.ISOLATED(test, method)
            return
        if hypothesis_examples.has_examples(method, test):
            with hypothesis_examples.examples(
                method, lambda body: unittest_internals.ISOLATED(test, _declared(body))
            ):
                method()
            return
        called = _Call(method, self._settings)
        unittest_internals.ISOLATED(test, called)
        if called.given is not None:
            awaitable = called.given
            unittest_internals.ISOLATED(test, _declared(lambda: awaitable))


class _Guard:
    """Guards one test."""

    loop: AbstractEventLoop | None = None
    _error: BaseException | None = None
    """What to fail with that which was cancelled."""
    _halted_for: BaseException | None = None
    """What the loop was halted for."""
    _cancelled = 0
    _grace = 1.0

    def __init__(
        self, test: TestCase, options: RunnerOptions, problems: Problems, *, is_checked: bool
    ) -> None:
        self.test = test
        self._options = options
        self._problems = problems if is_checked else None
        self._spare = problems
        self._watching = ExitStack()

    def begin(self) -> None:
        """Watch the loop of the test."""
        loop = unittest_internals.isolated_loop(self.test)
        if loop is None:
            return
        if unittest_internals.has_given_loops(
            self.test
        ):  # asyncio makes those current that it has made itself
            self._watching.callback(event_loops.make_current(loop))
        self._watching.enter_context(instrumented.instrument(loop))
        self._options.note_blind(loop)
        self.loop = loop
        loop_state = instrumented.state_of(loop)
        if loop_state is not None:
            loop_state.problems = self._problems
            loop_state.is_new = True
            if self._options.fails_deadlocks:
                loop_state.on_deadlock = self._find_deadlock
        instrumented.record_waits(loop, self._options.time_limits.waits, self._innermost_line)
        self._options.time_limits.set_clock(loop)

    def _innermost_line(self) -> await_chains.Line | None:
        task = None if self.loop is None else _main_task(self.loop)
        lines = [] if task is None else await_chains.of_task(task)
        return lines[-1] if lines else None

    def on(self) -> ExitStack:
        """Limit what runs inside the block."""
        self._error, self._cancelled = None, 0
        self._options.time_limits.renew()
        block = ExitStack()
        deadline = self._options.time_limits.deadline
        if self.loop is not None:
            block.callback(instrumented.set_alarm, self.loop, None, None)
        if deadline is not None and self.loop is not None:
            deadline.enter(self.loop, self._expire)
            block.callback(deadline.leave)
        return block

    def explained(self, error: BaseException) -> BaseException:
        """Return what something failed with that may have been cancelled by us."""
        if isinstance(error, KeyboardInterrupt):
            self._note_interrupt(error)
        if self._error is None or error is self._error:
            return error
        found, self._error = self._error, None
        found.__suppress_context__ = True
        if not isinstance(error, asyncio.CancelledError) and found is not self._halted_for:
            found.__cause__ = error
        return found.with_traceback(tracebacks.users_traceback(error))

    def check(self) -> None:
        """Raise what something was cancelled with that has ended all the same."""
        if self._error is not None:
            raise self._error
        deadline = self._options.time_limits.deadline
        if deadline is not None and deadline.is_over:
            raise deadline.lateness()

    def _note_interrupt(self, error: KeyboardInterrupt) -> None:
        """Have Ctrl-C say where it was: asyncio has cancelled what waited there."""
        lines = [] if error.__context__ is None else tracebacks.users_lines(error.__context__)
        if lines:
            error.add_note("\n".join(["\nIt waits here:", *await_chains.format_lines(lines)]))

    def inspect(self) -> None:
        """Look for what the test has left behind."""
        loop, problems = self.loop, self._problems
        loop_state = instrumented.state_of(loop)
        if problems is None or loop is None or loop.is_closed():
            return
        if loop_state is None or loop_state.has_no_objects:
            return
        loop.run_until_complete(shutdown.give_way())
        Leftovers(loop, problems, self._options.grace).inspect()

    def close(self, close: Callable[[], Any]) -> None:
        """Have asyncio's runner closed, and the loop abandoned if that takes too long."""
        loop = self.loop
        if loop is not None:
            end = monotonic() + 2 * self._options.grace
            instrumented.set_alarm(loop, end, self._abandon)
            loop_state = instrumented.state_of(loop)
            if loop_state is not None:
                loop_state.on_deadlock = None
        limit = Limit(_ENDINGS * self._options.grace, "grace")
        left = set() if loop is None or loop.is_closed() else asyncio.all_tasks(loop)
        try:
            with self._options.time_limits.within(limit):
                close()
        except (RuntimeError, Overrun) as error:
            found = self._halted_for or error
            if not isinstance(found, AbandonedLoopError | RecursionError | Overrun):
                raise
            self._spare.abandon_reason = str(found)
            if loop is not None and not loop.is_closed():
                shutdown.abandon(loop)
        except Exception as error:
            self._spare.abandon_reason = f"the event loop could not be closed: {error!r}"
        finally:
            silence_interrupted(left)
            self._watching.close()

    def _find_deadlock(self) -> None:
        assert self.loop is not None
        if _main_task(self.loop) is None:  # the test runs the loop by itself
            raise DeadlockError(f"{DEADLOCK}\n\n{hang_report.hang(self.loop)}")
        self._interrupt(lambda report: DeadlockError(f"{DEADLOCK}\n\n{report}"))

    def _expire(self) -> None:
        deadline = self._options.time_limits.deadline
        assert deadline is not None
        if is_debugged():
            deadline.lift()
            return
        if not deadline.is_over:  # it was extended
            deadline.set_alarm(self._expire)
            return

        def error(report: str) -> BaseException:
            deadline.report = deadline.report or report
            return deadline.error()

        self._interrupt(error)

    def _interrupt(self, make: Callable[[str], BaseException]) -> None:
        """Cancel what runs; at the third time, raise out of the loop."""
        loop = self.loop
        assert loop is not None
        task = _main_task(loop)
        if self._error is None:
            self._error = make(hang_report.hang(loop, task))
        if task is None:
            return  # it is done, though asyncio doesn't know yet
        if self._cancelled >= _TIMES:
            self._leave(self._error)
            return
        self._cancelled += 1
        try:
            task.cancel()
        except RecursionError:  # it waits for tasks that wait for each other
            raise self._error from None
        instrumented.set_alarm(loop, monotonic() + self._options.grace, self._again)

    def _again(self) -> None:
        assert self._error is not None
        self._interrupt(DeadlockError)  # which it has been interrupted with already

    def _abandon(self) -> None:
        assert self.loop is not None
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            shutdown.keep(task)
        self._leave(AbandonedLoopError(shutdown.message(tasks)))

    def _leave(self, error: BaseException) -> None:
        """Raise out of the loop; halt one that only reports what a callback raises."""
        assert self.loop is not None
        if instrumented.has_selector(self.loop):
            raise error
        self._halted_for = error
        self.loop.stop()


def _main_task(loop: AbstractEventLoop) -> Task[Any] | None:
    """Return the task that a loop was started for, until it is done."""
    for task in asyncio.all_tasks(loop):
        # nothing public says
        for callback, _ in getattr(task, "_callbacks", None) or ():
            if _STARTED_BY in getattr(callback, "__qualname__", ""):
                return task
    return None


def _refuse(test: TestCase, fixture: Any) -> None:
    del test.__dict__[unittest_internals.SET_UP]
    name = fixture.__name__
    raise DefinitionError(
        f"{locations.describe(fixture)}: IsolatedAsyncioTestCase calls {name} outside of its loop, "
        "and drops what it gives.\n"
        f"Name it async{name[0].upper()}{name[1:]}."
    )


def _declared(body: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Return a coroutine function, which is all that is run."""

    async def run() -> Any:
        return await body()

    return run


class _Call:
    """Calls a test method that isn't declared a coroutine function; keeps an awaitable."""

    def __init__(self, method: Callable[[], Any], settings: Settings) -> None:
        self._method = method
        self._settings = settings
        self.given: Awaitable[Any] | None = None

    def __call__(self) -> Any:
        value = self._method()
        if inspect.isgenerator(value) and not inspect.isawaitable(value):
            mode = self._settings.generators
            value = generator_tests.called_again(self._method, self._method, value, mode)
        if inspect.isawaitable(value):
            self.given = value
            return None
        return coroutines.checked(value, self._method)

    def __repr__(self) -> str:
        return repr(self._method)
