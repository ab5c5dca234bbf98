"""The first line of a hang report: what is stuck, where, and what could still wake it."""

from __future__ import annotations

import math
from asyncio import Task, TimerHandle
from typing import Any

from nose2_aio.eventloop import instrumented
from nose2_aio.introspection import await_chains, locations
from nose2_aio.introspection.waits import Kind
from nose2_aio.reporting.loop_tasks import LoopTasks, is_host

__all__ = ["verdict"]

_MAX_SOURCES = 3
"""How many things are named that could wake a loop."""
_HEADS = {
    Kind.ACTION: "stuck",
    Kind.RELEASE: "stuck",
    Kind.DATA: "stuck or slow",
    Kind.WORK: "slow",
    Kind.TIMER: "slow",
    Kind.NOTHING: "busy",
}


def verdict(tasks: LoopTasks) -> list[str]:
    """Return the line on what the test waits for in the end; none if there is no task.

    If no test waits, it is about the task whose wait tells most.
    """
    if not tasks.ordered:
        return []
    ends, circle = _ends(tasks, tasks.ordered[0])
    if not ends:
        texts = [f"{_named(tasks, task)}: {tasks.wait_of(task).words}" for task in circle]
        return [f"stuck in a circle: {'; '.join(one.lstrip(': ') for one in texts)}"]
    task = min(ends, key=lambda one: tasks.wait_of(one).kind)
    wait = tasks.wait_of(task)
    sources = _sources(tasks, task)
    head = _HEADS[wait.kind]
    words = wait.full_words if wait.kind is Kind.RELEASE else wait.words
    text = f"{_named(tasks, task)}: {words}"
    if wait.kind > Kind.DATA or not instrumented.has_selector(tasks.loop):
        return [f"{head}{text}"]
    if not sources:
        return [f"stuck{text}; nothing here could still wake it"]
    if len(sources) > _MAX_SOURCES:
        sources[_MAX_SOURCES - 1 :] = [f"{len(sources) - _MAX_SOURCES + 1} other things"]
    return [f"{head}{text}; only {' or '.join(sources)} could wake it"]


def _ends(tasks: LoopTasks, own: Task[Any]) -> tuple[list[Task[Any]], list[Task[Any]]]:
    """Return the tasks that the test waits for in the end; or else those that form a circle."""
    found, path = [own], []
    for task in found:  # it grows meanwhile
        found += [one for one in tasks.awaited(task) if one not in found]
    ends = [task for task in found if not tasks.awaited(task)]
    one = own
    while not ends and one not in path:
        path.append(one)
        one = tasks.awaited(one)[0]
    return ends, path[path.index(one) :] if path else []


def _named(tasks: LoopTasks, task: Task[Any]) -> str:
    """Return the name of a task, and where it waits; of the test's own task, only the latter."""
    name, place = tasks.name_of(task), _place(task)
    if task is tasks.own and place:
        return f" at {place}"
    return f": {name}{f', at {place}' if place else ''}"


def _place(task: Task[Any]) -> str:
    """Return the innermost line of the user's where a task waits, or else the innermost line."""
    shown = [frame for frame in await_chains.frames(task) if not await_chains.is_hidden(frame)]
    users = [frame for frame in shown if locations.is_users(frame.f_code.co_filename)]
    for frame in reversed(users or shown):
        return locations.line_in(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
    return ""


def _sources(tasks: LoopTasks, stuck: Task[Any]) -> list[str]:
    """Return what could still wake the loop, in words."""
    found = instrumented.describe_wakeup_sources(tasks.loop, has_own=False)
    loop_state = instrumented.state_of(tasks.loop)
    now = tasks.loop.time()
    for one in [] if loop_state is None else loop_state.created:
        if isinstance(one.thing, TimerHandle) and not one.thing.cancelled():
            left = one.thing.when() - now
            if 0 < left < math.inf:
                name = locations.describe_callback(one.thing)
                found.append(f"the timer for {name} in {left:.4g} s")
    for task in tasks.ordered:
        wait = tasks.wait_of(task)
        if task is not stuck and wait.kind >= Kind.TIMER and not is_host(task):
            found.append(f"{tasks.name_of(task)}, which {wait.words}")
    return found
