"""The end of an event loop: nothing that is left over on it can hold that up for long.

1. What is about to end gets a few passes of the loop to do so.
2. Every task that is left over is cancelled. One that isn't done after a grace is cancelled once
   more; if that doesn't help either, it is *stubborn*, and the loop has to be abandoned.
3. Async generators are closed, and the jobs of the default executor waited for, for a grace each.
4. The loop is closed. What still refers to it is kept, so that no finalizer runs into it later.
"""

from __future__ import annotations

import asyncio
import ctypes
import types
from asyncio import AbstractEventLoop, Task, wait
from collections.abc import Callable, Generator
from typing import Any

from nose2_aio.config.seconds import monotonic
from nose2_aio.config.settings import GRACE
from nose2_aio.errors import AbandonedLoopError
from nose2_aio.eventloop import executors, instrumented
from nose2_aio.eventloop.problems import Problems
from nose2_aio.eventloop.state import LoopState
from nose2_aio.reporting import hang_report
from nose2_aio.reporting.inspections import (
    inspect_before_cancel,
    inspect_before_close,
    pending_tasks,
)

__all__ = [
    "Leftovers",
    "abandon",
    "end",
    "give_way",
    "message",
    "prevent_finalization",
    "shut_down",
]

_PASSES = 3
_GRACES = 4
"""After how many graces no further round begins."""
_ROUNDS = 10
"""How often to look for what is left over: tasks that are cancelled may start others."""


def end(loop: AbstractEventLoop) -> None:
    """Shut down a loop that isn't running, if it is open; raises `AbandonedLoopError`."""
    if loop.is_closed():
        return
    stubborn = loop.run_until_complete(shut_down(loop, GRACE))
    if stubborn:
        text = message(stubborn)
        abandon(loop)
        raise AbandonedLoopError(text)


def message(stubborn: set[Task[Any]]) -> str:
    """Return what to say of tasks that would not end."""
    ordered = sorted(stubborn, key=lambda task: str(task.get_name()))
    told = [hang_report.describe_task(task) for task in ordered[: hang_report.MAX_TASKS]]
    if len(ordered) > hang_report.MAX_TASKS:
        told.append(f"... and {len(ordered) - hang_report.MAX_TASKS} tasks more.")
    return "\n\n".join(
        ["the event loop was abandoned: a task was cancelled twice and did not end", *told]
    )


async def shut_down(
    loop: AbstractEventLoop,
    grace: float,
    *,
    on_pending: Callable[[set[Task[Any]]], None] = lambda _: None,
    on_cancelled: Callable[[], None] = lambda: None,
) -> set[Task[Any]]:
    """Cancel what is left over on the running loop and run it to its end; return what won't end.

    Async generators and the default executor are shut down then. What a cancelled task raises
    instead goes to the loop's exception handler, as `asyncio.Runner` has it.

    ``on_pending`` gets the tasks that are left over, before they are cancelled; ``on_cancelled`` is
    called when there are no more.
    """
    await give_way()
    on_pending(_others(loop))
    stubborn = await _cancel_all(lambda: _others(loop), grace)
    on_cancelled()
    await _bounded(loop.shutdown_asyncgens(), grace)
    stubborn |= _others(loop)  # of the closing of an async generator
    loop_state = instrumented.state_of(loop)
    if loop_state is None:
        await _bounded(loop.shutdown_default_executor(), grace)
    elif loop_state.default_executor is not None:
        await _drain(loop_state, grace)
    return stubborn


class Leftovers:
    """What one runner has left on a loop."""

    def __init__(self, loop: AbstractEventLoop, problems: Problems, grace: float) -> None:
        self._loop = loop
        self._problems = problems
        self._grace = grace

    def is_none(self) -> bool:
        """Return True if nothing needs a shutdown. In that case, look for objects left open."""
        loop_state = instrumented.state_of(self._loop)
        if loop_state is None or loop_state.needs_shutdown or asyncio.all_tasks(self._loop):
            return False
        if loop_state.objects:
            inspect_before_close(self._loop, self._problems)
        return True

    def unfinished_tasks(self) -> set[Task[Any]]:
        """Return the pending tasks that are attributed to this runner."""
        return pending_tasks(self._loop, self._problems)

    def inspect(self) -> None:
        """Look for what was left, and leave it there."""
        inspect_before_cancel(self._loop, self._problems, self.unfinished_tasks())
        inspect_before_close(self._loop, self._problems)

    async def shut_down(self) -> None:
        """Shut the running loop down, and look for what was left."""
        loop, problems = self._loop, self._problems
        self._note(
            await shut_down(
                loop,
                self._grace,
                on_pending=lambda tasks: inspect_before_cancel(loop, problems, tasks),
                on_cancelled=lambda: inspect_before_close(loop, problems),
            )
        )

    def end_own(self) -> None:
        """Do to the tasks of this runner what `shut_down` does to all; run the loop meanwhile."""
        task = asyncio.Task(self._end_own(), loop=self._loop)
        task.add_done_callback(lambda _: self._loop.stop())
        while not task.done():
            self._loop.run_forever()
        task.result()

    async def _end_own(self) -> None:
        await give_way()
        inspect_before_cancel(self._loop, self._problems, self.unfinished_tasks())
        self._note(await _cancel_all(self.unfinished_tasks, self._grace))
        inspect_before_close(self._loop, self._problems)

    def _note(self, stubborn: set[Task[Any]]) -> None:
        if stubborn:
            self._problems.abandon_reason = message(stubborn)
            for task in stubborn:
                prevent_finalization(task)


async def _cancel_all(find: Callable[[], set[Task[Any]]], grace: float) -> set[Task[Any]]:
    """Cancel the tasks that ``find`` gives, again and again, until it gives none that can end."""
    stubborn: set[Task[Any]] = set()
    end = monotonic() + _GRACES * grace
    for _ in range(_ROUNDS):
        tasks = find() - stubborn
        if not tasks:
            break
        if monotonic() > end:
            return stubborn | tasks
        for _ in range(2):
            stubborn |= {task for task in tasks if not _cancel(task)}
            tasks -= stubborn
            if not tasks:
                break
            done, tasks = await wait(tasks, timeout=grace)
            for task in done:
                _report(task)
        stubborn |= tasks
    return stubborn


def abandon(loop: AbstractEventLoop, *, is_closed: bool = True) -> None:
    """Abandon a loop that isn't running, with the tasks that did not end."""
    for task in asyncio.all_tasks(loop):
        prevent_finalization(task)
    if is_closed:
        loop.close()


def prevent_finalization(task: Task[Any]) -> None:
    """Make sure that a task that never ends is never finalized: that might hang, also at exit."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
    # nothing public says that we know
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@types.coroutine
def _give_way() -> Generator[None, None, None]:
    """Let the loop go round: what ``asyncio.sleep`` is may be the test's business."""
    yield


async def give_way() -> None:
    """Let the running loop make a few passes, so that tasks that are about to end can do so."""
    for _ in range(_PASSES):
        await _give_way()


def _cancel(task: Task[Any]) -> bool:
    """Cancel a task. Return False if that is not possible."""
    try:
        task.cancel()
    except RecursionError:  # tasks that wait for each other
        return False
    return True


async def _bounded(ending: Any, grace: float) -> None:
    """Await, but no longer than two grace periods."""
    # not by a task factory of the user's: nothing of the test must matter here
    task = asyncio.Task(ending, loop=asyncio.get_running_loop())
    await wait([task], timeout=grace)
    if not task.done():
        task.cancel()
        await wait([task], timeout=grace)
    if not task.done():
        prevent_finalization(task)
    elif not task.cancelled():
        task.exception()  # it was logged by asyncio, or interrupted


async def _drain(loop_state: LoopState, grace: float) -> None:
    """Wait for the jobs of executors, and give up those that don't end."""
    unfinished = {job for job in loop_state.jobs or () if not job.done()}
    if loop_state.executor is not None:
        unfinished |= {asyncio.wrap_future(future) for future in loop_state.executor.unfinished}
    if unfinished:
        _, unfinished = await wait(unfinished, timeout=grace)
        for future in unfinished:
            future.cancel()
    ours = loop_state.executor
    is_idle = ours is loop_state.default_executor and ours is not None and not ours.unfinished
    loop_state.default_executor.shutdown(wait=is_idle, cancel_futures=True)
    if ours is not None:
        executors.abandoned_threads.update(ours.running)


def _others(loop: AbstractEventLoop) -> set[Task[Any]]:
    return asyncio.all_tasks(loop) - {asyncio.current_task(loop)}


def _report(task: Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        task.get_loop().call_exception_handler(
            {
                "message": "unhandled exception while a test's leftover task was cancelled",
                "exception": task.exception(),
                "task": task,
            }
        )
