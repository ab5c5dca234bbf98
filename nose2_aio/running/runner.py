"""A runner: one event loop, and the one task on it that all of a test runs in.

1. The runner is made for a loop; nothing runs yet.
2. The first `Runner.run` starts the *host task* on the loop and hands it a coroutine. The loop
   runs until the host has brought that to its end, and is halted there; the host waits.
3. Every further `run` wakes the host with the next coroutine. So all of them share one task
   and one `contextvars.Context`, though plain synchronous code runs in between; `Runner.call` runs
   that in the same context.
4. A runner inside another (a test in its class, a class in its module) has a host of its own on
   the same loop, in a copy of the outer context. The outer host's job is to await the inner host.
   So what cancels the outer one, such as a task group that was entered in ``setUpClass`` and
   whose task has crashed, cancels what runs inside. A host that is idle, or awaits an inner
   one, is out of sight for `asyncio.all_tasks`: who waits for all tasks would never end.
5. `Runner.close` wakes the host for the last time, unless a `run` turned out to be the last. The
   host ends, and the outer one, if there is one, is free for the next; what the last step has
   scheduled (a transport's closing, callbacks of the task) runs.
6. On a loop of the runner's own, a task of its own then shuts down what is left over (`endings`),
   since that may wait for the host; where nothing was made on the loop, nothing is. The loop is
   closed, and the loop that was current before is current again. A loop that was given is left as
   it is. On that of an outer runner the tasks are cancelled that were made in this one.
7. A coroutine is interrupted at its limit, in a deadlock, and by Ctrl-C: see `ladders`. One that
   doesn't end then is left behind, and the loop with it.

What a coroutine raises is caught in the host and raised again outside of the loop, so that no
frame of asyncio's comes between the test and its caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple, Self

from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.settings import GRACE
from nose2_aio.errors import AbandonedLoopError, LoopError
from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.host_task import HostTask
from nose2_aio.eventloop.problems import Problems, current_problems
from nose2_aio.eventloop.state import LoopState
from nose2_aio.introspection import await_chains, tracebacks
from nose2_aio.introspection.await_chains import Line
from nose2_aio.running import shutdown
from nose2_aio.running.cancellation import Canceller
from nose2_aio.running.deadlines import Deadline, Limit, TimeLimits
from nose2_aio.running.shutdown import Leftovers

__all__ = ["Runner", "RunnerOptions", "always", "never"]


class RunnerOptions(NamedTuple):
    """What holds for all runners of a run."""

    time_limits: TimeLimits
    grace: float = GRACE
    """Seconds that what is cancelled has to end."""
    fails_deadlocks: bool = True
    debug: bool = False
    """Whether loops run in asyncio's debug mode."""
    asks_for_deadlocks: bool = False
    """Whether somebody has said that they are to fail."""

    def note_blind(self, loop: AbstractEventLoop) -> None:
        """Have it told of a loop that was made elsewhere if no deadlock can be found there."""
        if self.asks_for_deadlocks and self.fails_deadlocks and not instrumented.has_selector(loop):
            name = instrumented.class_name(loop)
            self.time_limits.told[
                f"deadlocks = fail: none can be found on {name}, which has no selector of "
                "Python's. Set a time-limit."
            ] = None


def always() -> bool:
    """Say that a coroutine is the last one."""
    return True


def never() -> bool:
    """Say that others may follow."""
    return False


_ENDINGS = 5
"""How many graces the end of a loop may take, where what is left over blocks it."""


class State(enum.Enum):
    """The life of a runner."""

    NEW = "new"
    OPEN = "open"
    CLOSING = "closing"
    """No further coroutine comes."""
    CLOSED = "closed"


class Runner:
    """Runs coroutines on one loop, in one task and one context.

    With ``loop``, on that one, which is left open; inside the runner ``outer``, on its loop;
    without either, on a new one of ``factory``, which is current until it is closed with the
    runner.

    What runs, runs in ``context``, or else in a copy of the outer or the current one.

    Raises `LoopError` where a loop runs in this thread already, or where ``loop`` runs in another.
    """

    _state = State.NEW
    factory: Factory | None = None
    """What has made the loop; None: asyncio's, or it was given."""
    _outer: Runner | None = None
    _loop_state: LoopState | None = None
    """That on the loop."""
    _at_end: contextlib.ExitStack | None = None
    """What is to be undone behind the loop."""
    _restore: Callable[[], None] | None = None
    """Makes the loop current that was before; None where the loop isn't the runner's own."""
    _host: HostTask | None = None
    _job: Coroutine[Any, Any, Any] | None = None
    _is_last: Callable[[], bool] = staticmethod(never)
    _wake: asyncio.Future[None] | None = None
    _value: Any = None
    _error: BaseException | None = None
    _is_attending = False
    """Whether the host's job is to await an inner one."""
    is_calling = False
    """Whether `call` runs."""
    _ending: asyncio.Task[None] | None = None
    """Shuts down what is left over."""
    _deadline: Deadline | None = None
    _is_late = False
    """Whether the last coroutine has ended behind its deadline."""
    _steps: Canceller | None = None
    is_abandoned = False
    """Whether the loop was left behind."""

    def __init__(  # noqa: PLR0913 -- each by its name
        self,
        loop: AbstractEventLoop | None = None,
        *,
        outer: Runner | None = None,
        factory: Factory | None = None,
        context: contextvars.Context | None = None,
        options: RunnerOptions | None = None,
        problems: Problems | None = None,
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
            return
        if loop is not None and loop.is_running():
            raise LoopError(f"the loop that the test is to run on runs elsewhere: {loop!r}")
        self.context = contextvars.copy_context() if context is None else context
        if loop is None:
            loop = event_loops.new(factory, debug=self.options.debug)
            self.factory = factory
            self._restore = event_loops.make_current(loop)
        self._loop_state = instrumented.state_of(loop)
        if self._loop_state is None:
            self._undo.enter_context(instrumented.instrument(loop))
            self.context.run(current_problems.set, self.problems)
            self._loop_state = instrumented.state_of(loop)
            self.options.note_blind(loop)
            if self._loop_state is not None:
                self._loop_state.is_new = self._restore is not None
        if self._loop_state is not None:
            self._loop_state.problems = self._loop_state.problems or self.problems
        self.loop = loop

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value} {self.loop!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if self.problems.abandon_reason and error is None:
            raise AbandonedLoopError(self.problems.abandon_reason)

    @property
    def is_open(self) -> bool:
        """Whether a coroutine may still come."""
        return self._state is State.NEW or self._state is State.OPEN

    @property
    def ended_for(self) -> BaseException | None:
        """What a coroutine was cancelled for, if one was: what is entered there is over."""
        cancellation = None if self._host is None else self._host.cancellation
        return None if cancellation is None else cancellation.__cause__

    @property
    def is_given(self) -> bool:
        """Whether its loop was given, to it or to the outermost."""
        return all(runner._restore is None for runner in self._lineage())

    def run(
        self,
        job: Coroutine[Any, Any, Any],
        stopped: Callable[[], None],
        *,
        is_last: Callable[[], bool] = never,
    ) -> Any:
        """Run a coroutine to its end and return its value, or raise what it raised.

        ``stopped`` is called whenever the tested code has stopped the loop before that. Where it
        returns, the loop runs on; where it raises, the coroutine is cancelled and run to its end.

        ``is_last`` is asked at the end. If it says so, the runner ends in the same go.

        While `call` runs here or an inner runner is open, task and context are taken: then a
        coroutine gets a task of its own, and a copy of the context.

        What a task group cancels because one of its tasks has failed raises what that task raised.
        """
        if self.is_calling or self._job is not None:
            context = self.context.copy()
            with Runner(
                self.loop, context=context, options=self.options, problems=self.problems
            ) as own:
                return own.run(job, stopped, is_last=always)
        if self._outer is not None or self._state is not State.NEW:
            self._ensure_current()
        self._is_attending = False
        time_limits, loop_state = self.options.time_limits, self._loop_state
        if time_limits.virtual is not None or (
            loop_state is not None and loop_state.clock is not None
        ):
            try:
                time_limits.set_clock(self.loop)
            except BaseException:
                job.close()
                raise
        self._deadline = time_limits.deadline
        try:
            self._begin(job, is_last)
            self._run(stopped)
        except BaseException as error:
            raise tracebacks.trim(self._interrupted(error))  # noqa: B904 -- the same, without our frames
        value, failure = self._value, self._error
        self._value = self._error = None
        if self._outer is not None:
            failure = failure or self._outer._interrupt()
        if self._deadline is not None and failure is None:
            failure = self._lateness()
        if failure is None:
            return value
        try:
            assert self._host is not None
            failure = self.options.time_limits.explained(failure)
            raise tracebacks.trim(self._host.explained(failure))
        finally:
            del failure

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call plain code between two coroutines, in their context, and return what it returns.

        It may run the loop by itself, and sees no task of ours on it.
        """
        if self.is_calling:
            return function(*args, **kwargs)
        self._ensure_current()
        with contextlib.suppress(LoopError):  # the next coroutine is going to say so
            self.options.time_limits.set_clock(self.loop)
        self.is_calling = True
        try:
            return self.context.run(_call_users_code, function, *args, **kwargs)
        finally:
            self.is_calling = False

    def close(self) -> None:
        """End the host task; shut down and close the loop if it is the runner's own.

        `Problems.abandon_reason` says if that had to be abandoned.
        """
        try:
            if self.loop.is_closed():
                if (
                    self._loop_state is not None
                    and not self._loop_state.has_no_objects
                    and not self.is_abandoned
                ):
                    self._left.inspect()
                self._drop()
            elif self._state in (State.OPEN, State.CLOSING) and not self._is_left():
                self._give_up()
                if not self.is_abandoned:
                    self._finish()
            if self._outer is not None and not self.loop.is_closed():
                self._end_own_tasks()
        finally:
            self._state = State.CLOSED
            self._host = None
            if self._at_end is not None:
                self._at_end.close()
            if self._loop_state is not None:
                self._loop_state.on_deadlock = None
                if self._restore is not None:
                    self._loop_state.forget()
            if self._restore is not None:
                self._restore()
                self.loop.close()

    @property
    def _canceller(self) -> Canceller:
        if self._steps is None:
            self._steps = Canceller(
                self.loop,
                lambda: self._host,
                lambda: self._is_busy,
                self.options.time_limits,
                self.options.grace,
            )
        return self._steps

    def _find_deadlock(self) -> None:
        self._canceller.find_deadlock()

    def _interrupted(self, error: BaseException) -> BaseException:
        """Bring the coroutine to its end, and return what to raise for what has interrupted it."""
        ladder = self._canceller
        is_ours = error is ladder.interruption
        ladder.interruption = None
        if isinstance(error, KeyboardInterrupt):
            ladder.note_interrupt(error)
        ended = self._give_up()
        self.options.time_limits.renew()
        if is_ours:
            ladder.explain(error, ended)
        if self.is_abandoned:
            ladder.note_abandoned(error)
        return error

    def _run(self, stopped: Callable[[], None]) -> None:
        """Run the loop until the host has done its job."""
        loop, deadline, loop_state = self.loop, self._deadline, self._loop_state
        if loop_state is not None:
            loop_state.is_new = False
            if loop_state.waits is not self.options.time_limits.waits:
                instrumented.record_waits(
                    loop, self.options.time_limits.waits, self._innermost_line
                )
            if self.options.fails_deadlocks:
                loop_state.on_deadlock = self._find_deadlock
        if deadline is not None:
            self._canceller.limit(deadline)
        try:
            loop.run_forever()
            while self._job is not None:
                if self._steps is not None and self._steps.interruption is not None:
                    raise self._steps.interruption
                stopped()
                loop.run_forever()
        finally:
            if deadline is not None:
                deadline.leave()

    def _innermost_line(self) -> Line | None:
        """Return the line of the user's where the host is."""
        lines = [] if self._host is None else await_chains.of_task(self._host)
        return lines[-1] if lines else None

    def _lateness(self) -> BaseException | None:
        """Return the error for a coroutine that has ended behind its limit."""
        deadline, self._deadline = self._deadline, None
        if not self._is_late or deadline is None:
            return None
        self._is_late = False
        self.options.time_limits.renew()
        return deadline.lateness()

    def _interrupt(self) -> BaseException | None:
        """Return the interrupt that has hit this host, or an outer one, while an inner one ran."""
        found, self._error = self._error, None
        return found or (None if self._outer is None else self._outer._interrupt())

    @property
    def _undo(self) -> contextlib.ExitStack:
        self._at_end = self._at_end or contextlib.ExitStack()
        return self._at_end

    def _is_left(self) -> bool:
        """Tell whether the host has ended, and the outer one is free."""
        return (
            self._state is State.CLOSING
            and self._job is None
            and self._outer is not None
            and self._outer._job is None
        )

    def _lineage(self) -> Iterator[Runner]:
        runner: Runner | None = self
        while runner is not None:
            yield runner
            runner = runner._outer

    def _ensure_current(self) -> None:
        if event_loops.current() is not self.loop:
            asyncio.set_event_loop(self.loop)

    def _begin(self, job: Coroutine[Any, Any, Any], is_last: Callable[[], bool]) -> None:
        """Have the host do a job when the loop runs."""
        self._state = State.OPEN
        self._value = self._error = None
        self._job = job
        self._is_last = is_last
        if self._host is not None and not self._host.done():
            self._wake_host()
            return
        # not by a task factory of the user's: nothing of the test must matter here
        self._host = HostTask(self._serve(), loop=self.loop, context=self.context)
        if self._outer is not None:
            self._outer._attend(self._host)

    def _attend(self, inner: HostTask) -> None:
        """Have the host await that of an inner runner, when the loop runs; out of sight."""
        self._is_attending = True
        self._begin(_awaited(inner), never)
        assert self._host is not None
        self._host.hide()

    def _wake_host(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _give_up(self) -> BaseException | None:
        """Cancel the coroutine that runs, if one does, and run it to its end; return its error.

        Where it doesn't end, the loop is left behind.
        """
        self._is_last = never
        if self._is_busy:
            has_ended = self._canceller.climb()
            if self._outer is not None:
                self.loop.call_soon(self.loop.stop)  # with what the outer host is about to do
                self.loop.run_forever()
            if not has_ended:
                self._abandon()
        if self._job is not None:
            self._job.close()
        error = self._error
        self._job = self._value = self._error = None
        return error

    @property
    def _is_busy(self) -> bool:
        """Whether the host still has a job to bring to its end."""
        return self._job is not None and self._host is not None and not self._host.done()

    def _abandon(self) -> None:
        """Leave the loop behind, with the tasks on it that would not end."""
        for runner in self._lineage():
            runner.is_abandoned = True
            assert runner._host is not None
            shutdown.keep(runner._host)
            runner._job = None
        shutdown.abandon(self.loop, is_closed=not self.is_given)

    def _finish(self) -> None:
        self._state = State.CLOSING
        self._wake_host()
        if self._outer is not None:
            while self._outer._job is not None:
                self.loop.run_forever()
            return
        if self._host is None or self._host.done():
            self.loop.call_soon(self._end)
        while self._state is State.CLOSING:
            self.loop.run_forever()

    def _drop(self) -> None:
        """Forget the host, where somebody has closed the loop under it."""
        if self._host is None or self.is_abandoned:
            return
        coroutine: Any = self._host.get_coro()
        coroutine.close()
        # nothing public says that we know that it will never end
        self._host._log_destroy_pending = False  # type: ignore[attr-defined]

    async def _serve(self) -> None:
        """The host task: bring one job after the other to its end."""
        try:
            while self._job is not None:
                try:
                    self._value = await self._job
                except BaseException as error:
                    self._error = error
                    if isinstance(error, GeneratorExit):
                        return  # it may be this task that is closed: no more awaiting
                finally:
                    self._job = None
                if self._deadline is not None:
                    self._is_late = self._deadline.is_over
                if self._is_last():
                    self._state = State.CLOSING
                else:
                    self.loop.stop()
                    await self._woken()
        finally:
            if self._outer is None and not self.loop.is_closed():
                self.loop.call_soon(self._end)

    async def _woken(self) -> None:
        """Wait for the next job, or for the runner's end; hand a cancellation on to the job."""
        host = self._host
        assert host is not None
        host.is_idle = True
        host.hide()
        while self._job is None and self._state is State.OPEN:
            self._wake = self.loop.create_future()
            try:
                await self._wake
            except asyncio.CancelledError:  # that came with the last step
                host.note_cancellation()
        host.is_idle = False
        if not self._is_attending:
            host.show()
        if host.was_cancelled:
            host.was_cancelled = False
            if self._job is not None:
                host.cancel()

    def _end(self) -> None:
        """Halt the loop, behind the host's end, and behind the shutdown if that is to come."""
        if self._state is State.OPEN:
            self.loop.stop()
        elif self._restore is None or self._state is State.CLOSED or self._left.is_none():
            self._halt()
        elif self._ending is None:
            # what is left over may block the loop
            self._undo.enter_context(self._limited_end())
            self._ending = asyncio.Task(self._left.shut_down(), loop=self.loop)
            self._ending.add_done_callback(self._note_end)

    @property
    def _left(self) -> Leftovers:
        return Leftovers(self.loop, self.problems, self.options.grace)

    def _limited_end(self) -> AbstractContextManager[Deadline | None]:
        return self.options.time_limits.within(Limit(_ENDINGS * self.options.grace, "grace"))

    def _note_end(self, ending: asyncio.Task[None]) -> None:
        self._halt()
        ending.result()

    def _halt(self) -> None:
        self._state = State.CLOSED
        self.loop.stop()

    def _end_own_tasks(self) -> None:
        """Cancel what was left over in this runner, on the loop of the outer one."""
        if self._loop_state is None or self._loop_state.has_no_objects or self.is_abandoned:
            return
        left = self._left
        if self.is_given or not left.own():
            left.inspect()
            return
        with self._limited_end():
            task = asyncio.Task(left.end_own(), loop=self.loop)
            task.add_done_callback(self._stop)
            while not task.done():
                self.loop.run_forever()
            task.result()
        if self.problems.abandon_reason:
            self._abandon()

    def _stop(self, _: asyncio.Task[Any]) -> None:
        self.loop.stop()


def _call_users_code(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


async def _awaited(inner: HostTask) -> None:
    """The job of a host while another one is inside it."""
    with contextlib.suppress(asyncio.CancelledError):  # its own: this one's went there
        await inner
