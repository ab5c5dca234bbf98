"""A runner: one event loop, and the one task on it that all of a test runs in.

1. The runner is made for a loop; nothing runs yet.
2. The first `Runner.run` starts the *host task* on the loop and hands it a coroutine. The loop
   runs until the host has brought that to its end, and is halted there; the host waits.
3. Every further `run` wakes the host with the next coroutine. So all of them share one task
   and one `contextvars.Context`, though plain synchronous code runs in between.
4. `Runner.close` wakes the host for the last time, unless a `run` was known to be the last. The
   host ends; what its last step has scheduled (a transport's closing, callbacks of the task) runs.
5. On a loop of the runner's own, a task of its own then shuts down what is left over, since that
   may wait for the host. Where nothing is, the host does it itself, which saves a task. The loop
   is closed, and the loop that was current before is current again. A loop that was given is
   left as it is.

What a coroutine raises is caught in the host and raised again outside of the loop, so that no
frame of asyncio's comes between the test and its caller.
"""

from __future__ import annotations

import asyncio
import enum
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from nose2_aio import loops, stacks
from nose2_aio.errors import LoopError

__all__ = ["Runner"]


class State(enum.Enum):
    """The life of a runner."""

    NEW = "new"
    OPEN = "open"
    CLOSING = "closing"
    """No further coroutine comes."""
    CLOSED = "closed"


class Runner:
    """Runs coroutines on one loop, in one task.

    With ``loop``, on that one, which is left open; without, on a new one, which is current
    until it is closed with the runner.

    Raises `LoopError` where a loop runs in this thread already, or where ``loop`` runs in another.
    """

    _state = State.NEW
    _restore: Callable[[], None] | None = None
    """Makes the loop current that was before; None where the loop isn't the runner's own."""
    _host: asyncio.Task[None] | None = None
    _job: Coroutine[Any, Any, Any] | None = None
    _wake: asyncio.Future[None] | None = None
    _value: Any = None
    _error: BaseException | None = None
    _is_shut_down = False
    _ending: asyncio.Task[None] | None = None
    """Shuts down where the host can't."""

    def __init__(self, loop: AbstractEventLoop | None = None, *, debug: bool = False) -> None:
        if loops.is_running():
            raise LoopError("a test can't be run by a loop of its own while another loop runs here")
        if loop is not None and loop.is_running():
            raise LoopError(f"the loop that the test is to run on runs elsewhere: {loop!r}")
        if loop is None:
            loop = loops.new(debug=debug)
            self._restore = loops.make_current(loop)
        self._loop = loop

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value} {self._loop!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self, job: Coroutine[Any, Any, Any], stopped: Callable[[], None], *, last: bool = False
    ) -> Any:
        """Run a coroutine to its end and return its value, or raise what it raised.

        ``stopped`` is called whenever the tested code has stopped the loop before that. Where it
        returns, the loop runs on; where it raises, the coroutine is cancelled and run to its end.

        With ``last``, no other follows, and the loop need not be halted before the runner ends.
        """
        self._job = job
        self._state = State.CLOSING if last else State.OPEN
        try:
            self._wake_host()
            self._loop.run_forever()
            while self._job is not None:
                stopped()
                self._loop.run_forever()
        except BaseException as error:
            self._give_up()
            raise stacks.trimmed(error)  # noqa: B904 -- the same error, without the runner's frames
        value, error = self._value, self._error
        self._value = self._error = None
        if error is None:
            return value
        try:
            raise stacks.trimmed(error)
        finally:
            del error

    def close(self) -> None:
        """End the host task; shut down and close the loop if it is the runner's own."""
        try:
            if self._state in (State.OPEN, State.CLOSING) and not self._loop.is_closed():
                self._give_up()
                self._finish()
        finally:
            self._state = State.CLOSED
            if self._restore is not None:
                self._restore()
                self._loop.close()

    def _wake_host(self) -> None:
        if self._host is None or self._host.done():
            # not by a task factory of the user's: nothing of the test must matter here
            self._host = asyncio.Task(self._serve(), loop=self._loop)
        elif self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _give_up(self) -> None:
        """Cancel the coroutine that runs, if one does, and run it to its end."""
        while self._job is not None and self._host is not None and not self._host.done():
            self._host.cancel()
            self._host.add_done_callback(self._stop)  # it may not even have begun
            self._loop.run_forever()
        if self._job is not None:
            self._job.close()
        self._job = self._value = self._error = None

    def _finish(self) -> None:
        if self._state is State.OPEN:
            self._state = State.CLOSING
            self._wake_host()
        elif self._state is State.CLOSING and self._host is not None and self._host.done():
            self._loop.call_soon(self._end)
        while self._state is State.CLOSING:
            self._loop.run_forever()

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
                if self._state is State.OPEN:
                    self._loop.stop()
                    await self._woken()
            if self._restore is not None:
                await self._shut_down_alone()
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon(self._end)

    async def _shut_down_alone(self) -> None:
        """Shut down, unless something is left over."""
        if len(asyncio.all_tasks(self._loop)) > 1:
            return
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
        self._is_shut_down = True
        # what the last step has scheduled runs after this one, and may start tasks
        self._loop.set_task_factory(self._make_late_task)

    def _make_late_task(self, loop: AbstractEventLoop, job: Any, /, **options: Any) -> Any:
        self._is_shut_down = False
        return asyncio.Task(job, loop=loop, **options)

    async def _woken(self) -> None:
        """Wait for the next job, or for the runner's end; hand a cancellation on to the job."""
        cancelled = False
        while self._job is None and self._state is State.OPEN:
            self._wake = self._loop.create_future()
            try:
                await self._wake
            except asyncio.CancelledError:
                cancelled = True
        if cancelled and self._job is not None:
            host = asyncio.current_task()
            assert host is not None
            host.uncancel()
            host.cancel()

    def _end(self) -> None:
        """Halt the loop, behind the host's end, and behind the shutdown if that is to come."""
        if self._state is State.OPEN:
            self._loop.stop()
        elif self._restore is None or self._is_shut_down or self._state is State.CLOSED:
            self._halt()
        elif self._ending is None:
            self._ending = asyncio.Task(loops.shut_down(self._loop), loop=self._loop)
            self._ending.add_done_callback(self._halt)

    def _halt(self, _: asyncio.Task[None] | None = None) -> None:
        self._state = State.CLOSED
        if self._restore is not None:
            self._loop.set_task_factory(None)
        self._loop.stop()

    def _stop(self, _: asyncio.Task[None]) -> None:
        self._loop.stop()
