"""Shut an event loop down. Nothing that is left on it can delay that for long.

1. The loop goes round a few times, so that tasks that are about to end can end.
2. Each task that is left is cancelled. If it does not end within a grace, it is cancelled again. If
   it still does not end, it is *stubborn*, and the loop must be abandoned.
3. Async generators are closed (`async_generators`), and the jobs of the default executor are
   awaited, a grace for each.
4. The loop is closed. Stubborn tasks are never deleted: their ``finally`` blocks might hang.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from nose2_aio.running import async_generators

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
"""How often the loop goes round before anything is cancelled."""
_GRACES = 4
"""After how many graces no other round of cancelling begins."""
_ROUNDS = 10
"""How many rounds there are at most: a task that is cancelled may start another one."""


def end(loop: AbstractEventLoop) -> None:
    """Shut down a loop that isn't running, unless it is closed.

    Raises `AbandonedLoopError` if a task does not end.
    """
    if loop.is_closed():
        return
    stubborn = loop.run_until_complete(shut_down(loop, GRACE))
    if stubborn:
        text = message(stubborn)
        abandon(loop)
        raise AbandonedLoopError(text)


def message(stubborn: set[Task[Any]]) -> str:
    """Return the message about tasks that did not end."""
    ordered = sorted(stubborn, key=lambda task: str(task.get_name()))
    reports = [hang_report.describe_task(task) for task in ordered[: hang_report.MAX_TASKS]]
    if len(ordered) > hang_report.MAX_TASKS:
        reports.append(f"... and {len(ordered) - hang_report.MAX_TASKS} more tasks.")
    return "\n\n".join(
        ["the event loop was abandoned: a task was cancelled twice and did not end", *reports]
    )


async def shut_down(
    loop: AbstractEventLoop,
    grace: float,
    *,
    on_pending: Callable[[set[Task[Any]]], None] = lambda _: None,
    on_cancelled: Callable[[], None] = lambda: None,
) -> set[Task[Any]]:
    """Cancel the tasks that are left on the running loop; return those that do not end.

    Then shut down async generators and the default executor. If a cancelled task raises another
    error, the loop's exception handler gets it, as with `asyncio.Runner`.

    ``on_pending`` gets the tasks that are left, before they are cancelled. ``on_cancelled`` is
    called when there are none any more.
    """
    await give_way()
    on_pending(_others(loop))
    stubborn = await _cancel_all(lambda: _others(loop), grace)
    on_cancelled()
    await _close_generators(loop, grace)
    stubborn |= _others(loop)  # tasks that the closing of an async generator has left
    loop_state = instrumented.state_of(loop)
    if loop_state is None:
        await _bounded(loop.shutdown_default_executor(), grace)
    elif loop_state.default_executor is not None:
        await _drain(loop_state, grace)
    return stubborn


class Leftovers:
    """The tasks and objects that one runner has left on a loop."""

    def __init__(self, loop: AbstractEventLoop, problems: Problems, grace: float) -> None:
        self._loop = loop
        self._problems = problems
        self._grace = grace

    def is_none(self) -> bool:
        """Return True if nothing must be shut down. Then run the checks for what was left open."""
        loop_state = instrumented.state_of(self._loop)
        if loop_state is None or loop_state.needs_shutdown or asyncio.all_tasks(self._loop):
            return False
        if loop_state.objects:
            inspect_before_close(self._loop, self._problems)
        return True

    def unfinished_tasks(self) -> set[Task[Any]]:
        """Return the pending tasks that were created in this runner."""
        return pending_tasks(self._loop, self._problems)

    def inspect(self) -> None:
        """Run the checks for what was left, and leave it there."""
        inspect_before_cancel(self._loop, self._problems, self.unfinished_tasks())
        inspect_before_close(self._loop, self._problems)

    async def shut_down(self) -> None:
        """Shut the running loop down, and run the checks for what was left."""
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
        """Run the loop, and cancel the tasks of this runner as `shut_down` cancels all."""
        task = asyncio.Task(self._end_own(), loop=self._loop)
        task.add_done_callback(lambda _: self._loop.stop())
        while not task.done():
            with contextlib.suppress(SystemExit):  # of a leftover task: it is reported
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
    """Cancel the tasks that ``find`` returns, until it returns none; return the stubborn ones."""
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
    """Never delete a task that did not end: its ``finally`` blocks might hang, also at the exit."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task))
    # no public attribute stops asyncio's message that the task was destroyed
    task._log_destroy_pending = False  # type: ignore[attr-defined]


@types.coroutine
def _give_way() -> Generator[None, None, None]:
    """Let the loop go round once. A test may have replaced ``asyncio.sleep``."""
    yield


async def give_way() -> None:
    """Let the running loop go round a few times, so that tasks that are about to end can end."""
    for _ in range(_PASSES):
        await _give_way()


def _cancel(task: Task[Any]) -> bool:
    """Cancel a task; return False if that is impossible."""
    try:
        task.cancel()
    except RecursionError:  # tasks that wait for each other
        return False
    return True


async def _close_generators(loop: AbstractEventLoop, grace: float) -> None:
    """Close the async generators that are open. After a few graces, none gets time to wait."""
    end = monotonic() + _GRACES * grace
    are_closed = True
    for generator in async_generators.in_order(loop):
        time_left = grace if monotonic() < end else 0
        await _bounded(async_generators.closing(loop, generator), time_left)
        are_closed = are_closed and generator.ag_frame is None
    if are_closed:  # or asyncio would close them again
        await _bounded(loop.shutdown_asyncgens(), grace)


async def _bounded(ending: Any, grace: float) -> None:
    """Await something, for two graces at most."""
    # without the task factory of the user: nothing of the test must matter here
    task = asyncio.Task(ending, loop=asyncio.get_running_loop())
    await wait([task], timeout=grace)
    if not task.done():
        task.cancel()
        await wait([task], timeout=grace)
    if not task.done():
        prevent_finalization(task)
    elif not task.cancelled():
        task.exception()  # retrieve it: asyncio has logged it, or we have interrupted it


async def _drain(loop_state: LoopState, grace: float) -> None:
    """Wait for the jobs of executors, for one grace; give up those that don't end."""
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
