"""The runner of a test of IsolatedAsyncioTestCase, in place of the `asyncio.Runner` of its class.

1. The loop is that of the runner which the class has made. It is instrumented until the end. If
   that is a runner of asyncio's without a loop factory, its loop is an `InstrumentedLoop`.
2. Each coroutine runs as with asyncio: in a task of its own, which the loop makes, in the given
   context. Our `Runner` limits it, finds deadlocks, and reports where it waits.
3. Ctrl-C cancels the task, as with asyncio.
4. If the class has made a runner of another type, that one runs the coroutines. A deadlock is
   raised out of its loop, and an alarm interrupts it at the time limit.
5. At the end, what is left on the loop is shut down, and nothing can delay that for long.
"""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import AbstractEventLoop
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Self

from nose2_aio.errors import AioError, DeadlockError, LoopError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.problems import Problems
from nose2_aio.reporting import hang_report
from nose2_aio.running import interrupts, shutdown
from nose2_aio.running.cancellation import DEADLOCK
from nose2_aio.running.deadlines import Limit
from nose2_aio.running.host import Host, TaskHost, always
from nose2_aio.running.runner import Runner
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.shutdown import Leftovers
from nose2_aio.running.time_limits import call_users_code

__all__ = ["AsyncioRunner"]

_CLOSING = 5
"""How many graces the end of a loop may take, if something on it blocks."""
_GRACES = 2
"""How many graces each thing that is left on a loop gets to end: asyncio sets no limit."""
_CLOSED = (
    "the test has closed its event loop. IsolatedAsyncioTestCase closes it after the cleanups.\n"
    "Don't call close()."
)
_STOPPED = "Event loop stopped before Future completed."
"""What asyncio says when a test stops its loop."""


class AsyncioRunner(asyncio.Runner):  # type: ignore[misc]  # tests may ask with isinstance()
    """Runs the coroutines of one test. Other attributes are those of ``runner``, which it replaces.

    Problems are recorded in ``problems`` if ``is_checked``. ``is_loop_chosen`` says that we have
    chosen the loop: then it is made the current one. Unless ``is_debugging``, asyncio's debug mode
    is only on if that is so for other loops.
    """

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        runner: Any,
        options: RunnerOptions,
        problems: Problems,
        *,
        is_checked: bool,
        is_loop_chosen: bool,
        is_debugging: bool = True,
    ) -> None:
        # without that of asyncio: all of its methods are replaced
        self._replaced = runner
        self._is_asyncio = type(runner) is asyncio.Runner
        self._options = options
        self._problems = problems
        self._recorded = problems if is_checked else Problems()
        self._is_checked = is_checked
        self._is_loop_chosen = is_loop_chosen
        self._is_debugging = is_debugging
        self._open_loop: AbstractEventLoop | None = None
        self._own_context: contextvars.Context | None = None
        self._is_closed = self._is_abandoned = False
        self._at_end = ExitStack()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replaced, name)

    def __enter__(self) -> Self:
        self.get_loop()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_loop(self) -> AbstractEventLoop:
        """Return the loop; create it at the first call. Raises `RuntimeError` after `close`."""
        if self._is_closed:
            raise RuntimeError("Runner is closed")
        if self._open_loop is None:
            loop = self._made_loop()
            if self._is_loop_chosen:  # asyncio makes only its own loops current
                self._at_end.callback(event_loops.make_current(loop))
            state = instrumented.state_of(loop)
            if state is None:
                self._at_end.enter_context(instrumented.instrument(loop))
                state = instrumented.state_of(loop)
            else:
                self._at_end.callback(state.forget)
            self._options.note_blind(loop)
            if state is not None:
                state.problems = self._recorded
                state.is_new = True
            self._open_loop = loop
            self._own_context = contextvars.copy_context()
            self._options.time_limits.set_clock(loop)
            self._find_deadlocks(loop)
        return self._open_loop

    def run(
        self, coro: Coroutine[Any, Any, Any], *, context: contextvars.Context | None = None
    ) -> Any:
        """Run a coroutine to its end, in a task of its own; return its value.

        Raises what it raises, `RuntimeError` if it stops the loop, and `ValueError` for anything
        else than a coroutine.
        """
        loop = self.get_loop()
        if not self._is_asyncio:
            return self._replaced.run(coro, **({} if context is None else {"context": context}))
        if not asyncio.iscoroutine(coro):
            raise ValueError(f"a coroutine was expected, got {coro!r}")
        if context is None:
            context = self._own_context
        # in debug mode, each frame below this one costs time for each task and future of the test
        with self._runner(loop, context, TaskHost) as runner:
            try:
                runner.begin(coro, always)
                loop.run_forever()
            except BaseException as error:
                raise runner.cut(error)  # noqa: B904 -- the same error
            return runner.end(partial(_fail_stopped, runner.host))

    def inspect(self) -> None:
        """Run the checks for what the test has left on the loop.

        Raises `LoopError` if the test has closed the loop.
        """
        loop = self._open_loop
        state = instrumented.state_of(loop)
        if loop is not None and loop.is_closed() and self._is_asyncio and not self._is_abandoned:
            raise LoopError(_CLOSED)
        if not self._is_checked or loop is None or loop.is_closed():
            return
        if state is not None and state.objects:
            self._run(loop, shutdown.give_way())
            Leftovers(loop, self._problems, self._options.grace).inspect()

    def close(self) -> None:
        """Shut the loop down and close it. `Problems.abandon_reason` says if that is impossible.

        A second call does nothing: a test case closes its runner when it is deleted, too.
        """
        if self._is_closed:
            return
        self._is_closed = True
        loop, self._open_loop = self._open_loop, None  # or the test would keep it alive
        try:
            if loop is None:
                self._replaced.close()
            elif self._is_asyncio:
                self._close_loop(loop)
                self._replaced = None
            else:
                self._close_replaced(loop)
        finally:
            self._at_end.close()

    def _made_loop(self) -> AbstractEventLoop:
        """Return the loop of the runner of the class."""
        runner = self._replaced
        if self._is_asyncio:
            if not self._is_debugging:
                runner._debug = self._options.debug or None  # None: what asyncio has by default
            if runner._loop_factory is None:
                runner._loop_factory = _current_loop
        return event_loops.unlogged(runner.get_loop)

    def _run(self, loop: AbstractEventLoop, coro: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine of ours."""
        with self._runner(loop, None, Host) as runner:
            return runner.run(coro, partial(_fail_stopped, runner.host), is_last=always)

    @contextmanager
    def _runner(
        self, loop: AbstractEventLoop, context: contextvars.Context | None, host: type[Host]
    ) -> Iterator[Runner]:
        runner = Runner(
            loop, context=context, options=self._options, problems=self._recorded, host=host
        )
        try:
            with runner, interrupts.cancelling(runner.host, self._options.grace):
                yield runner
        finally:
            self._is_abandoned |= runner.is_abandoned
            self._find_deadlocks(loop)

    def _find_deadlocks(self, loop: AbstractEventLoop) -> None:
        """Find deadlocks also where plain code of the test, or its own runner, runs the loop."""

        def fail() -> None:
            raise DeadlockError(f"{DEADLOCK}\n\n{hang_report.describe_loop(loop)}".rstrip())

        state = instrumented.state_of(loop)
        if state is not None and self._options.fails_deadlocks:
            state.on_deadlock = fail

    def _close_loop(self, loop: AbstractEventLoop) -> None:
        """Shut the loop down, and close it, unless the test has closed it."""
        options = self._options
        if not loop.is_closed() and not Leftovers(loop, Problems(), options.grace).is_none():
            try:
                if not self._is_abandoned:  # or the error of the test says so
                    with options.time_limits.within(Limit(_CLOSING * options.grace, "grace")):
                        left = shutdown.shut_down(loop, _GRACES * options.grace)
                        stubborn = self._run(loop, left)
                    if stubborn:
                        self._problems.abandon_reason = shutdown.message(stubborn)
            except (Exception, SystemExit) as error:  # SystemExit is that of a leftover task
                self._note_failure(error)
            shutdown.abandon(loop, is_closed=False)
        if event_loops.current() is loop:
            asyncio.set_event_loop(None)
        loop.close()

    def _close_replaced(self, loop: AbstractEventLoop) -> None:
        """Let the test's own runner close its loop; abandon the loop if that takes too long."""
        options = self._options
        state = instrumented.state_of(loop)
        if state is not None:
            state.on_deadlock = None
        try:
            with options.time_limits.within(Limit(_CLOSING * options.grace, "grace")):
                call_users_code(self._replaced.close)
        except BaseException as error:
            self._note_failure(options.time_limits.as_time_limit_error(error))
            shutdown.abandon(loop)

    def _note_failure(self, error: BaseException) -> None:
        text = f"the event loop could not be closed: {error!r}"
        self._problems.abandon_reason = str(error) if isinstance(error, AioError) else text


def _fail_stopped(host: Host, report: str) -> None:
    """Fail a coroutine that has stopped its loop."""
    error = RuntimeError(_STOPPED)
    error.add_note(f"\n{report}")
    if not isinstance(host, TaskHost):
        raise error
    host.detach(error)  # as with asyncio, the task goes on when the loop does


def _current_loop() -> AbstractEventLoop:
    """Return a new loop that is the current one, as asyncio's runners make it without a factory."""
    loop = event_loops.new()
    asyncio.set_event_loop(loop)
    return loop
