"""The host: one task that runs one coroutine after another.

1. `Host.begin` hands the host a *job*, a coroutine. The first job starts the task; a later one
   wakes it. So all jobs share one task and one `contextvars.Context`.
2. When a job is done, the loop goes round once more if anything is scheduled: a task that the job
   has just started runs its first step. Then the host stops the loop, and waits for the next job.
   If ``is_last`` says that no other job follows, the task ends instead.
3. Hosts nest: the job of the outer host is to await the inner one (`Host.attend`). So whatever
   cancels the outer host, such as a task group of ``setUpClass`` whose task has failed, cancels the
   job of the inner one.
4. If other code may run on the loop while a host waits for a job, or for an inner host, the host
   is hidden from `asyncio.all_tasks`: code that waits for all tasks would wait for ever.

A `TaskHost` runs one job as `asyncio.Runner` would: in a task that the loop makes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import enum
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

from nose2_aio.eventloop import event_loops, instrumented
from nose2_aio.eventloop.host_task import HostTask
from nose2_aio.introspection import await_chains
from nose2_aio.introspection.await_chains import Line
from nose2_aio.running.deadlines import Deadline

__all__ = ["Host", "State", "TaskHost", "always", "never"]


class State(enum.Enum):
    """The life of a host."""

    NEW = "new"
    OPEN = "open"
    CLOSING = "closing"
    """No other job follows."""
    CLOSED = "closed"


def always() -> bool:
    """Say that a job is the last one."""
    return True


def never() -> bool:
    """Say that other jobs may follow."""
    return False


class Host:
    """Runs jobs on a loop, in a context; ``on_end`` is called on the loop after the last one.

    It gets True if the task still runs, but is the last thing on the loop.
    """

    state = State.NEW
    task: asyncio.Task[Any] | None = None
    job: Coroutine[Any, Any, Any] | None = None
    """The coroutine that runs, or is to run."""
    deadline: Deadline | None = None
    """The time limit of the job."""
    is_late = False
    """True if the last job has ended after its deadline."""
    is_being_cancelled = False
    """True if the job was cancelled for a time limit, a deadlock or Ctrl-C."""
    value: Any = None
    """The value of the last job."""
    error: BaseException | None = None
    """The error of the last job."""
    _is_last: Callable[[], bool] = staticmethod(never)
    _wake: asyncio.Future[None] | None = None
    _is_attending = False
    """True while the job is to await an inner host."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        context: contextvars.Context,
        outer: Host | None,
        on_end: Callable[..., None],
    ) -> None:
        self.loop = loop
        self._context = context
        self._outer = outer
        self.on_end: Callable[..., None] | None = on_end

    @property
    def is_busy(self) -> bool:
        """True while the task has a job to run to its end."""
        return self.job is not None and self.task is not None and not self.task.done()

    @property
    def has_ended(self) -> bool:
        """True if no task runs: none was started, or it is done."""
        return self.task is None or self.task.done()

    @property
    def cancelled_for(self) -> BaseException | None:
        """The error for which a job was cancelled: the contexts entered in it are over."""
        cancellation = self.task.cancellation if isinstance(self.task, HostTask) else None
        return None if cancellation is None else cancellation.__cause__

    @property
    def innermost_line(self) -> Line | None:
        """The innermost line of the user's that the job awaits."""
        lines = [] if self.task is None else await_chains.of_task(self.task)
        return lines[-1] if lines else None

    def begin(self, job: Coroutine[Any, Any, Any], is_last: Callable[[], bool]) -> None:
        """Run a job as soon as the loop runs; ``is_last`` is called at its end."""
        self.state = State.OPEN
        self._is_attending = self.is_late = self.is_being_cancelled = False
        self.value = self.error = None
        self.job = job
        self._is_last = is_last
        if self.task is not None and not self.task.done():
            self._wake_up()
            return
        # debug mode would save our stack twice, which is slow
        is_debugging = self.loop.get_debug()
        if is_debugging:
            self.loop.set_debug(False)
        # without the task factory of the user: nothing of the test must matter here
        task = self.task = HostTask(self._serve(), loop=self.loop, context=self._context)
        if is_debugging:
            self.loop.set_debug(True)
        if self._outer is not None:
            self._outer.attend(task)

    def attend(self, inner: HostTask) -> None:
        """Await the task of an inner host as soon as the loop runs."""
        self.begin(_awaited(inner), never)
        self._is_attending = True
        self.hide()

    def hide(self) -> None:
        """Hide its task from `asyncio.all_tasks` until the next job begins, since it is idle."""
        if isinstance(self.task, HostTask):
            self.task.hide()

    def take_interruption(self) -> BaseException | None:
        """Return the error that this host, or an outer one, got while an inner one ran."""
        error, self.error = self.error, None
        return error or (None if self._outer is None else self._outer.take_interruption())

    def cancel(self) -> None:
        """Cancel the job; raises `RecursionError` for tasks that wait for each other."""
        assert self.task is not None
        asyncio.Task.cancel(self.task)  # a `HostTask` would look for the cause

    def explain(self, error: BaseException) -> BaseException:
        """Return the error to raise for that of a job: the cause of a cancellation, if known."""
        assert isinstance(self.task, HostTask)
        return self.task.error_to_raise(error)

    def give_up(self) -> BaseException | None:
        """Forget the job, and return its error if it has ended with one."""
        if self.job is not None:
            self.job.close()
        error = self.error
        self.job = self.value = self.error = None
        return error

    def expect_more(self) -> None:
        """Wait for another job after this one."""
        self._is_last = never

    def close(self) -> None:
        """End the task: no other job follows."""
        self.state = State.CLOSING
        self._wake_up()

    def drop(self) -> None:
        """Close the coroutine of the task: its loop was closed by somebody else."""
        if self.task is not None:
            coroutine: Any = self.task.get_coro()
            coroutine.close()
            # nothing public stops asyncio's message that the task was destroyed
            self.task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _stop(self) -> None:
        """Stop the loop, after what the job has scheduled last, as without us."""
        if getattr(self.loop, "_ready", True):
            self.hide()
            self.loop.call_soon(self._stop_if_idle)
        else:
            self.loop.stop()  # nothing is scheduled: this saves one round of the loop

    def _is_quiet(self) -> bool:
        """Return True if there is no other task, and nothing is scheduled or waits for the end."""
        task = self.task
        assert task is not None
        return not (
            task._callbacks
            or not event_loops.is_idle(self.loop)
            or event_loops.has_task(self.loop, task)
        )

    def _stop_if_idle(self) -> None:
        if self.job is None:  # or the test has stopped the loop before, and another job has begun
            self.loop.stop()

    async def _serve(self) -> None:
        """Run one job after another."""
        is_quiet = False
        try:
            while self.job is not None:
                try:
                    self.value = await self.job
                except BaseException as error:
                    self.error = error
                    if isinstance(error, GeneratorExit):
                        return  # it may be this task that is closed: it must not await any more
                finally:
                    self.job = None
                if self.deadline is not None:
                    self.is_late = self.deadline.is_over
                if self._is_last():
                    self.state = State.CLOSING
                    is_quiet = self.error is None and self._is_quiet()
                else:
                    self._stop()
                    await self._next()
        finally:
            if self.on_end is not None and self._outer is None and not self.loop.is_closed():
                if is_quiet:
                    self.on_end(is_quiet)  # this saves one round of the loop
                else:
                    self.loop.call_soon(self.on_end)

    async def _next(self) -> None:
        """Wait for the next job or the end; a cancellation that comes meanwhile hits the job."""
        task = self.task
        assert isinstance(task, HostTask)
        task.is_idle = True
        while self.job is None and self.state is State.OPEN:
            self._wake = asyncio.Future(loop=self.loop)  # the loop would record where it was made
            try:
                await self._wake
            except asyncio.CancelledError as error:  # of the last step of the job before
                task.take_cancellation(error)
        task.is_idle = False
        if task.is_hidden and not self._is_attending:
            task.show()
        if self.job is not None:
            task.pass_cancellation()


class TaskHost(Host):
    """Runs one job, in a task that the loop makes, with the task factory of the user."""

    def begin(self, job: Coroutine[Any, Any, Any], _: Callable[[], bool]) -> None:
        """Run the job as soon as the loop runs."""
        self.state = State.OPEN
        self.job = job
        # debug mode would save our stack twice, which is slow; a task factory is the user's
        is_quiet = self.loop.get_debug() and self.loop.get_task_factory() is None
        if is_quiet:
            self.loop.set_debug(False)
        self.task = self.loop.create_task(job, context=self._context)
        if is_quiet:
            self.loop.set_debug(True)
        self.task.add_done_callback(self._note_end)
        loop_state = instrumented.state_of(self.loop)
        if loop_state is not None:
            loop_state.own_task = self.task
            # a report does not list the steps of a test as tasks that have ended
            self.task.remove_done_callback(loop_state.note_end)

    def cancel(self) -> None:
        """Cancel the job; raises `RecursionError` for tasks that wait for each other."""
        assert self.task is not None
        self.task.cancel()

    def explain(self, error: BaseException) -> BaseException:
        """Return the error as it is."""
        return error

    def give_up(self) -> BaseException | None:
        """Forget the job; its error has been raised out of the loop."""
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.exception()  # retrieve it, or asyncio would log it
        return super().give_up()

    def detach(self, error: BaseException) -> None:
        """Fail with an error, and leave the task as it is."""
        self.job, self.error = None, error
        self.state = State.CLOSED

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        if self.job is None:  # it was detached or given up
            return
        self.job = None
        self.state = State.CLOSED
        loop_state = instrumented.state_of(self.loop)
        if loop_state is not None:
            loop_state.own_task = None
        self.is_late = self.deadline is not None and self.deadline.is_over
        try:
            self.value = task.result()
        except BaseException as error:
            self.error = error
        self.loop.stop()


async def _awaited(inner: HostTask) -> None:
    with contextlib.suppress(asyncio.CancelledError):  # the inner host has passed it to its job
        await inner
