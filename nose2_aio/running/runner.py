"""A runner: one event loop, and the host on it that runs the coroutines of a test (`host`).

1. A runner has a new loop of its own, or a loop that was given, or that of an *outer* runner: a
   test runs inside its class, a class inside its module. Its own loop is the current one.
2. `Runner.run` hands the host a coroutine and runs the loop until the host is done with it. What
   the coroutine raises is raised again outside of the loop, without frames of asyncio or ours.
3. `Runner.call` calls plain code between two coroutines, in the same context.
4. At its time limit, in a deadlock and by Ctrl-C, a coroutine is cancelled (`cancellation`).
5. `Runner.close` ends the host, unless a coroutine was the last one. Callbacks that are scheduled
   still run. What is left on the runner's own loop is shut down in another task (`shutdown`), since
   it may wait for the host. The loop is closed, and the previous loop is current again.
6. A given loop is left as it is. On an outer runner's loop, only tasks of this one are ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from typing import Any, Self

from nose2_aio.config.loop_factories import Factory
from nose2_aio.errors import AbandonedLoopError, LoopError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.problems import Problems, current_problems
from nose2_aio.eventloop.state import LoopState
from nose2_aio.introspection import tracebacks
from nose2_aio.running import shutdown
from nose2_aio.running.cancellation import Canceller
from nose2_aio.running.deadlines import Deadline, Limit
from nose2_aio.running.host import Host, State, always, never
from nose2_aio.running.runner_options import RunnerOptions
from nose2_aio.running.shutdown import Leftovers
from nose2_aio.running.time_limits import TimeLimits, call_users_code

__all__ = ["Runner"]

_ENDINGS = 5
"""How many graces the shutdown of a loop may take, if something on it blocks."""


class Runner:
    """Runs coroutines on one loop, in one task and one context.

    With ``loop``, that one is used and left open. With ``outer``, the loop of that runner is used.
    Otherwise a new loop of ``factory`` is made; it is current until it is closed with the runner.

    Coroutines run in ``context``, or else in a copy of the outer context or the current one.

    Raises `LoopError` if a loop runs in this thread, or if ``loop`` runs in another one.
    """

    factory: Factory | None = None
    """What has made the loop. None: asyncio, or the loop was given."""
    is_calling = False
    """True while `call` runs."""
    is_abandoned = False
    """True if the loop was abandoned."""
    _outer: Runner | None = None
    _loop_state: LoopState | None = None
    _at_end: contextlib.ExitStack | None = None
    """What is undone when the runner is closed."""
    _restore: Callable[[], None] | None = None
    """Makes the loop current that was before. None if the loop is not the runner's own."""
    _shutdown: asyncio.Task[None] | None = None
    _canceller: Canceller | None = None

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        loop: AbstractEventLoop | None = None,
        *,
        outer: Runner | None = None,
        factory: Factory | None = None,
        context: contextvars.Context | None = None,
        options: RunnerOptions | None = None,
        problems: Problems | None = None,
        host: type[Host] = Host,
    ) -> None:
        if event_loops.is_running():
            raise LoopError("a test can't be run by a loop of its own while another loop runs here")
        if options is None:
            options = RunnerOptions(TimeLimits()) if outer is None else outer.options
        self.options: RunnerOptions = options
        self.problems = problems or Problems()
        if outer is not None:
            self._outer = outer
            self.factory = outer.factory
            self.loop: AbstractEventLoop = outer.loop
            self._loop_state = outer._loop_state
            self.context: contextvars.Context = outer.context.copy()
            self.context.run(current_problems.set, self.problems)
            self.host: Host = Host(self.loop, self.context, outer.host, self._end)
            return
        if loop is not None and loop.is_running():
            raise LoopError(f"the loop that the test is to run on runs elsewhere: {loop!r}")
        self.context = contextvars.copy_context() if context is None else context
        if loop is None:
            loop = event_loops.new(factory, debug=options.debug)
            self.factory = factory
            self._restore = event_loops.make_current(loop)
        self.loop = loop
        self.host = host(loop, self.context, None, self._end)
        self._record()

    def _record(self) -> None:
        """Record what happens on the loop, as long as the runner is open."""
        state = getattr(self.loop, instrumented.STATE, None)
        if state is None:
            self._undo.enter_context(instrumented.instrument(self.loop))
            self.context.run(current_problems.set, self.problems)
            state = instrumented.state_of(self.loop)
            self.options.note_blind(self.loop)
            if state is not None:
                state.is_new = self._restore is not None
        if state is not None:
            state.problems = state.problems or self.problems
        self._loop_state = state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        if self.problems.abandon_reason and error is None:
            raise AbandonedLoopError(self.problems.abandon_reason)

    @property
    def is_open(self) -> bool:
        """True if another coroutine may follow."""
        return self.host.state in (State.NEW, State.OPEN)

    @property
    def is_given(self) -> bool:
        """True if the loop was given, to this runner or to the outermost one."""
        return all(runner._restore is None for runner in self._lineage())

    def run(
        self,
        job: Coroutine[Any, Any, Any],
        stopped: Callable[[str], None],
        *,
        is_last: Callable[[], bool] = never,
    ) -> Any:
        """Run a coroutine to its end; return its value, or raise its error.

        If a task group has cancelled it because of a failed task, the error of that task is raised.
        ``stopped`` is called when the tested code has stopped the loop before that, with the report
        where it waits. If it returns, the loop runs on. If it raises, the coroutine is cancelled.
        ``is_last`` is called at the end. If it returns True, the runner ends at the same time.

        While `call` runs or an inner runner is open, the host is taken: then a coroutine gets a
        task of its own, and a copy of the context.
        """
        host = self.host
        if self.is_calling or host.job is not None:
            own = Runner(
                self.loop, context=self.context.copy(), options=self.options, problems=self.problems
            )
            with own:
                return own.run(job, stopped, is_last=always)
        if self._outer is not None or host.state is not State.NEW:
            self._ensure_current()
        try:
            self.begin(job, is_last)
            self.loop.run_forever()
        except BaseException as error:
            raise self.cut(error)  # noqa: B904 -- the same error
        return self.end(stopped)

    def begin(self, job: Coroutine[Any, Any, Any], is_last: Callable[[], bool]) -> None:
        """Start a coroutine that the loop will run; then call `end`, or `cut` after an error."""
        host, state, time_limits = self.host, self._loop_state, self.options.time_limits
        if time_limits.virtual is not None or (state is not None and state.clock is not None):
            try:
                time_limits.set_clock(self.loop)
            except BaseException:
                job.close()
                raise
        host.deadline = time_limits.deadline
        host.begin(job, is_last)
        if state is not None:
            state.is_new = False
            if state.waits is not (waits := time_limits.waits):
                instrumented.record_waits(self.loop, waits, lambda: host.innermost_line)
            if self.options.fails_deadlocks:
                state.on_deadlock = lambda: self._cancelling.find_deadlock()  # noqa: PLW0108 -- lazy
        if host.deadline is not None:
            self._cancelling.limit(host.deadline)

    def cut(self, error: BaseException) -> BaseException:
        """Run a coroutine to its end that an error interrupts; return the error to raise for it."""
        if self.host.deadline is not None:
            self.host.deadline.leave()
        canceller = self._cancelling
        is_ours = error is canceller.interruption
        canceller.interruption = None
        if isinstance(error, KeyboardInterrupt):
            canceller.note_interrupt(error)
        ended = self._give_up()
        self.options.time_limits.restart_if_over()
        if is_ours:
            canceller.explain(error, ended)
        if self.is_abandoned:
            canceller.note_abandoned(error)
        return tracebacks.trim(error)

    def end(self, stopped: Callable[[str], None]) -> Any:
        """Run the loop on until the coroutine has ended. For the rest see `run`."""
        host, time_limits = self.host, self.options.time_limits
        try:
            while host.job is not None:
                if self._canceller is not None and self._canceller.interruption is not None:
                    raise self._canceller.interruption
                stopped(self._cancelling.report())
                if host.job is not None:
                    self.loop.run_forever()
        except BaseException as error:
            raise self.cut(error)  # noqa: B904 -- the same error
        if host.deadline is not None:
            host.deadline.leave()
        value, failure = host.value, host.error
        host.value = host.error = None
        if self._outer is not None:
            failure = failure or self._outer.host.take_interruption()
        if failure is None and host.is_late and host.deadline is not None:
            time_limits.restart_if_over()
            failure = host.deadline.lateness()
        if failure is None:
            return value
        try:
            raise tracebacks.trim(host.explain(time_limits.as_time_limit_error(failure)))
        finally:
            del failure

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call plain code between two coroutines, in their context, and return what it returns.

        It may run the loop itself. No task of ours is visible there.
        """
        if self.is_calling:
            return function(*args, **kwargs)
        self._ensure_current()
        with contextlib.suppress(LoopError):  # the next coroutine raises it again
            self.options.time_limits.set_clock(self.loop)
        self.is_calling = True
        self.host.hide()
        try:
            return self.context.run(call_users_code, function, *args, **kwargs)
        finally:
            self.is_calling = False

    def close(self) -> None:
        """End the host. Shut down and close the loop if it is the runner's own.

        `Problems.abandon_reason` says if the loop had to be abandoned.
        """
        host, state = self.host, self._loop_state
        try:
            if self.loop.is_closed():
                self._drop()
            elif host.state in (State.OPEN, State.CLOSING) and not self._has_finished:
                self._give_up()
                if not self.is_abandoned:
                    self._finish()
            if self._outer is not None and not self.loop.is_closed():
                self._end_own_tasks()
        finally:
            host.state = State.CLOSED
            host.task = host.on_end = None  # or it would keep the loop alive
            if self._at_end is not None:
                self._at_end.close()
            if state is not None:
                state.on_deadlock = state.waits = None
                if (state.objects or state.endings is not None) and not self.is_given:
                    state.forget(self.problems if self._restore is None else None)
            if self._restore is not None:
                self._restore()
                self.loop.close()

    @property
    def _cancelling(self) -> Canceller:
        if self._canceller is None:
            self._canceller = Canceller(self.loop, self.host, self.options)
        return self._canceller

    def _give_up(self) -> BaseException | None:
        """Cancel the coroutine that runs, and return its error; abandon the loop if it goes on."""
        host = self.host
        host.expect_more()
        if host.is_busy:
            has_ended = self._cancelling.cancel()
            if self._outer is not None:
                self.loop.call_soon(self.loop.stop)  # after what the outer host is about to do
                self.loop.run_forever()
            if not has_ended:
                self._abandon()
        return host.give_up()

    def _abandon(self) -> None:
        """Abandon the loop, with the tasks on it that did not end."""
        for runner in self._lineage():
            runner.is_abandoned = True
            assert runner.host.task is not None
            shutdown.prevent_finalization(runner.host.task)
            runner.host.job = None
        shutdown.abandon(self.loop, is_closed=not self.is_given)

    def _drop(self) -> None:
        """Drop the host: somebody else has closed the loop."""
        if self.is_abandoned:
            return
        if self._loop_state is not None and self._loop_state.objects:
            self._leftovers.inspect()
        self.host.drop()

    def _lineage(self) -> Iterator[Runner]:
        runner: Runner | None = self
        while runner is not None:
            yield runner
            runner = runner._outer

    def _ensure_current(self) -> None:
        if event_loops.current() is not self.loop:
            asyncio.set_event_loop(self.loop)

    @property
    def _undo(self) -> contextlib.ExitStack:
        self._at_end = self._at_end or contextlib.ExitStack()
        return self._at_end

    @property
    def _has_finished(self) -> bool:
        """True if the host of an outer runner goes on, since this one has run its last job."""
        is_done = self.host.state is State.CLOSING and self.host.job is None
        return is_done and self._outer is not None and self._outer.host.job is None

    def _finish(self) -> None:
        """Run the loop until the host has ended, and what is left on it was shut down."""
        self.host.close()
        if self._outer is not None:
            while self._outer.host.job is not None:
                self.loop.run_forever()
            return
        if self.host.has_ended:
            self.loop.call_soon(self._end)
        while self.host.state is State.CLOSING:
            with contextlib.suppress(SystemExit):  # of a leftover task: the shutdown reports it
                self.loop.run_forever()

    def _end(self, is_quiet: bool = False) -> None:  # noqa: FBT001, FBT002 -- a callback
        """Stop the loop after the end of the host, and after the shutdown if there is one.

        ``is_quiet`` says that the host is about to end, and is the last task.
        """
        state = self.host.state
        if state is State.OPEN:
            self.loop.stop()
        elif self._restore is None or state is State.CLOSED or self._is_clean(is_quiet):
            self._stop()
        elif is_quiet:
            self.loop.call_soon(self._end)
        elif self._shutdown is None:
            self._undo.enter_context(self._limited_shutdown())
            self._shutdown = asyncio.Task(self._leftovers.shut_down(), loop=self.loop)
            self._shutdown.add_done_callback(self._stop)

    def _is_clean(self, is_quiet: bool) -> bool:  # noqa: FBT001
        state = self._loop_state
        if state is None or state.objects or state.default_executor or state.has_dropped_generator:
            return not is_quiet and self._leftovers.is_none()
        return is_quiet or not asyncio.all_tasks(self.loop)

    def _stop(self, shutdown: asyncio.Task[None] | None = None) -> None:
        self.host.state = State.CLOSED
        self.loop.stop()
        if shutdown is not None:
            shutdown.result()

    @property
    def _leftovers(self) -> Leftovers:
        return Leftovers(self.loop, self.problems, self.options.grace)

    def _limited_shutdown(self) -> AbstractContextManager[Deadline | None]:
        return self.options.time_limits.within(Limit(_ENDINGS * self.options.grace, "grace"))

    def _end_own_tasks(self) -> None:
        """Cancel the tasks of this runner that are left on the loop of the outer one."""
        if self._loop_state is None or not self._loop_state.objects or self.is_abandoned:
            return
        left = self._leftovers
        if self.is_given or not left.unfinished_tasks():
            left.inspect()
            return
        with self._limited_shutdown():
            left.end_own()
        if self.problems.abandon_reason:
            self._abandon()
