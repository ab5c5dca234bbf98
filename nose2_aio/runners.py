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
6. On a loop of the runner's own, a task of its own then shuts down what is left over, since that
   may wait for the host. Where nothing is, the host does it itself, which saves a task. The loop
   is closed, and the loop that was current before is current again. A loop that was given is
   left as it is.

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
from types import TracebackType
from typing import Any, Self

from nose2_aio import loops, stacks
from nose2_aio.errors import LoopError
from nose2_aio.hosts import Host

__all__ = ["Runner", "always", "never"]


def always() -> bool:
    """Say that a coroutine is the last one."""
    return True


def never() -> bool:
    """Say that others may follow."""
    return False


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
    without either, on a new one, which is current until it is closed with the runner.

    What runs, runs in ``context``, or else in a copy of the outer or the current one.

    Raises `LoopError` where a loop runs in this thread already, or where ``loop`` runs in another.
    """

    _state = State.NEW
    _outer: Runner | None = None
    _restore: Callable[[], None] | None = None
    """Makes the loop current that was before; None where the loop isn't the runner's own."""
    _host: Host | None = None
    _job: Coroutine[Any, Any, Any] | None = None
    _is_last: Callable[[], bool] = staticmethod(never)
    _wake: asyncio.Future[None] | None = None
    _value: Any = None
    _error: BaseException | None = None
    _is_attending = False
    """Whether the host's job is to await an inner one."""
    is_calling = False
    """Whether `call` runs."""
    _is_shut_down = False
    _ending: asyncio.Task[None] | None = None
    """Shuts down where the host can't."""

    def __init__(
        self,
        loop: AbstractEventLoop | None = None,
        *,
        outer: Runner | None = None,
        context: contextvars.Context | None = None,
        debug: bool = False,
    ) -> None:
        if loops.is_running():
            raise LoopError("a test can't be run by a loop of its own while another loop runs here")
        if outer is not None:
            self._outer = outer
            self.loop: AbstractEventLoop = outer.loop
            self.context: contextvars.Context = outer.context.copy()
            return
        if loop is not None and loop.is_running():
            raise LoopError(f"the loop that the test is to run on runs elsewhere: {loop!r}")
        if loop is None:
            loop = loops.new(debug=debug)
            self._restore = loops.make_current(loop)
        self.loop = loop
        self.context = contextvars.copy_context() if context is None else context

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
            with Runner(self.loop, context=self.context.copy()) as own:
                return own.run(job, stopped, is_last=always)
        if self._outer is not None or self._state is not State.NEW:
            self._ensure_current()
        self._is_attending = False
        try:
            self._begin(job, is_last)
            self.loop.run_forever()
            while self._job is not None:
                stopped()
                self.loop.run_forever()
        except BaseException as error:
            self._give_up()
            raise stacks.trimmed(error)  # noqa: B904 -- the same error, without the runner's frames
        value, failure = self._value, self._error
        self._value = self._error = None
        if self._outer is not None:
            failure = failure or self._outer._interrupt()
        if failure is None:
            return value
        try:
            assert self._host is not None
            raise stacks.trimmed(self._host.explained(failure))
        finally:
            del failure

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call plain code between two coroutines, in their context, and return what it returns.

        It may run the loop by itself, and sees no task of ours on it.
        """
        if self.is_calling:
            return function(*args, **kwargs)
        self._ensure_current()
        self.is_calling = True
        try:
            return self.context.run(function, *args, **kwargs)
        finally:
            self.is_calling = False

    def close(self) -> None:
        """End the host task; shut down and close the loop if it is the runner's own."""
        try:
            if self._outer is not None and self._state is State.CLOSING and self._is_left():
                return
            if self._state in (State.OPEN, State.CLOSING):
                if self.loop.is_closed():
                    self._drop()
                else:
                    self._give_up()
                    self._finish()
        finally:
            self._state = State.CLOSED
            self._host = None
            if self._restore is not None:
                self._restore()
                self.loop.close()

    def _interrupt(self) -> BaseException | None:
        """Return the interrupt that has hit this host, or an outer one, while an inner one ran."""
        found, self._error = self._error, None
        return found or (None if self._outer is None else self._outer._interrupt())

    def _is_left(self) -> bool:
        """Tell whether the host has ended, and the outer one is free."""
        return self._job is None and self._outer is not None and self._outer._job is None

    def _lineage(self) -> Iterator[Runner]:
        runner: Runner | None = self
        while runner is not None:
            yield runner
            runner = runner._outer

    def _ensure_current(self) -> None:
        if loops.current() is not self.loop:
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
        self._host = Host(self._serve(), loop=self.loop, context=self.context)
        if self._outer is not None:
            self._outer._attend(self._host)

    def _attend(self, inner: Host) -> None:
        """Have the host await that of an inner runner, when the loop runs; out of sight."""
        self._is_attending = True
        self._begin(_awaited(inner), never)
        assert self._host is not None
        self._host.hide()

    def _wake_host(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _give_up(self) -> None:
        """Cancel the coroutine that runs, if one does, and run it to its end."""
        while self._job is not None and self._host is not None and not self._host.done():
            asyncio.Task.cancel(self._host)
            self._host.add_done_callback(self._stop)  # it may not even have begun
            self.loop.run_forever()
            if self._outer is not None:
                self.loop.call_soon(self.loop.stop)  # with the other one, if that is to come
                self.loop.run_forever()
        if self._job is not None:
            self._job.close()
        self._job = self._value = self._error = None

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
        assert self._host is not None
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
                if self._is_last():
                    self._state = State.CLOSING
                else:
                    self.loop.stop()
                    await self._woken()
            if self._restore is not None:
                await self._shut_down_alone()
        finally:
            if self._outer is None and not self.loop.is_closed():
                self.loop.call_soon(self._end)

    async def _shut_down_alone(self) -> None:
        """Shut down, unless something is left over."""
        if asyncio.all_tasks(self.loop) - {self._host}:
            return
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()
        self._is_shut_down = True
        # what the last step has scheduled runs after this one, and may start tasks
        self.loop.set_task_factory(self._make_late_task)

    def _make_late_task(self, loop: AbstractEventLoop, job: Any, /, **options: Any) -> Any:
        self._is_shut_down = False
        return asyncio.Task(job, loop=loop, **options)

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
        elif self._restore is None or self._is_shut_down or self._state is State.CLOSED:
            self._halt()
        elif self._ending is None:
            self._ending = asyncio.Task(loops.shut_down(self.loop), loop=self.loop)
            self._ending.add_done_callback(self._halt)

    def _halt(self, _: asyncio.Task[None] | None = None) -> None:
        self._state = State.CLOSED
        if self._restore is not None:
            self.loop.set_task_factory(None)
        self.loop.stop()

    def _stop(self, _: asyncio.Task[None]) -> None:
        self.loop.stop()


async def _awaited(inner: Host) -> None:
    """The job of a host while another one is inside it."""
    with contextlib.suppress(asyncio.CancelledError):  # its own: this one's went there
        await inner
