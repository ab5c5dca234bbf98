"""The report on a loop that hangs: where each of its tasks waits, and what its threads run.

The test's own task comes first. Make the report before anything is cancelled: a cancelled task
no longer shows where it waited.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Task
from types import FrameType
from typing import Any

from nose2_aio.eventloop import instrumented, wakeup_sources
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.host_task import HostTask
from nose2_aio.introspection import await_chains, locations

__all__ = ["MAX_TASKS", "describe_loop", "describe_task", "name_of", "task_lines"]

MAX_TASKS = 20
"""How many tasks a report shows, besides the test's own."""


def describe_loop(
    loop: AbstractEventLoop | None,
    own: Task[Any] | None = None,
    stack: FrameType | None = None,
) -> str:
    """Return the report on a loop, in paragraphs; "" if there is nothing to report.

    ``own`` is the task that the test runs in. By default it is looked for on the loop.
    ``stack`` is the innermost frame of the code that the loop's thread runs at this moment. None
    if it runs the loop itself.
    """
    paragraphs = []
    lines = await_chains.of_frame(stack)
    if lines:
        paragraphs.append(["It runs here:", *await_chains.format_lines(lines)])
    if loop is not None and not loop.is_closed():
        own = own or next(filter(_is_host, asyncio.all_tasks(loop)), None)
        tasks = _ordered(loop, own)
        if own is not None and not own.done() and not lines:
            paragraphs.append(["It waits here:", *task_lines(own)])
        current = asyncio.current_task(loop)
        others = [task for task in tasks if task is not own and task is not current]
        paragraphs += [describe_task(task).splitlines() for task in others[:MAX_TASKS]]
        if len(others) > MAX_TASKS:
            paragraphs.append([f"... and {len(others) - MAX_TASKS} tasks more."])
        paragraphs += [[f"They wait for each other: {cycle}."] for cycle in _cycles(tasks)]
    loop_state = instrumented.state_of(loop)
    if loop_state is not None and loop_state.executor is not None:
        paragraphs += _threads(loop_state.executor)
    paragraphs += _clock(loop)
    return "\n\n".join("\n".join(lines) for lines in paragraphs)


def task_lines(task: Task[Any]) -> list[str]:
    """Return the await chain of a task as indented lines. The last line says what it waits for."""
    return [
        *await_chains.format_lines(await_chains.of_task(task)),
        f"  {await_chains.describe_wait(task, name_of)}",
    ]


def name_of(task: Task[Any]) -> str:
    """Return the name of a task in a report: the task's own, and that of its coroutine.

    A task that tests run in is called "the test".
    """
    if _is_host(task):
        return "the test"
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", None) or repr(coroutine)
    return f"{task.get_name()} ({name.rpartition('<locals>.')[2]})"


def _is_host(task: Task[Any]) -> bool:
    """Return True if a task is one that tests run in."""
    return isinstance(task, HostTask)


def _ordered(loop: AbstractEventLoop, own: Task[Any] | None) -> list[Task[Any]]:
    """Return the tasks of a loop that aren't done: the test's own, then the others by name."""
    found = sorted(asyncio.all_tasks(loop), key=lambda task: _natural(task.get_name()))
    return [*([own] if own is not None else []), *(task for task in found if task is not own)]


def _natural(name: str) -> tuple[str, int]:
    """Return a sort key that puts Task-2 before Task-10."""
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if tail.isdecimal() else (name, 0)


def describe_task(task: Task[Any]) -> str:
    """Return the paragraph on a task that isn't the test's own."""
    place = locations.format_origin(instrumented.origin_of(task))
    made = f", made at {place}" if place else ""
    return "\n".join([f"{name_of(task)}{made}:", *task_lines(task)])


def _cycles(tasks: list[Task[Any]]) -> list[str]:
    """Return a text for each circle of tasks that wait for each other."""
    seen: set[Task[Any]] = set()
    found = []
    for start in tasks:
        path: list[Task[Any]] = []
        one: Task[Any] | None = start
        while one is not None and one not in path and one not in seen:
            path.append(one)
            one = next(iter(await_chains.awaited_tasks(one)), None)
        if one in path:
            circle = path[path.index(one) :]
            found.append(" for ".join(name_of(each) for each in [*circle, circle[0]]))
        seen.update(path)
    return found


def _threads(executor: Executor) -> list[list[str]]:
    """Return a paragraph for each job that an executor runs."""
    frames = wakeup_sources.other_frames()
    found = []
    for identity, job in list(executor.running.items()):
        lines = await_chains.format_lines(await_chains.of_frame(frames.get(identity)))
        found.append([f"A thread of the executor runs {job}{':' if lines else ''}", *lines])
    return found


def _clock(loop: AbstractEventLoop | None) -> list[list[str]]:
    """Return a paragraph on the time of a loop, if it is virtual, and what holds it."""
    clock = instrumented.clock_of(loop)
    if loop is None or clock is None or loop.is_closed():
        return []
    holders = instrumented.describe_wakeup_sources(loop)
    held = ", held by:" if holders else ""
    head = f"Its clock shows {clock.time():g} s of virtual time{held}"
    return [[head, *(f"  {holder}" for holder in holders)]]
