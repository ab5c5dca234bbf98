"""The first line of a hang report: what is stuck, where, and what could still wake it."""

from __future__ import annotations

import math
from asyncio import Task, TimerHandle
from types import FrameType
from typing import Any

from nose2_aio.eventloop import instrumented
from nose2_aio.introspection import await_chains, locations, swallowing
from nose2_aio.introspection.waits import Kind
from nose2_aio.reporting.loop_tasks import LoopTasks, is_host

__all__ = ["VERDICTS", "blocked", "is_swallowed", "place_of", "verdict"]

VERDICTS = ("stuck", "slow", "busy", "blocked")
"""How the line may begin."""
_MAX_SOURCES = 3
"""How many things are named that could wake a loop."""
_MAX_ALSO = 2
"""How many other tasks are named that are stuck."""
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

    If no test waits, it is about the task whose wait says most.
    """
    if not tasks.ordered:
        return []
    ends, circle = _ends(tasks, tasks.ordered[0])
    if not ends:
        texts = [f"{_named(tasks, task)}: {tasks.wait_of(task).full_words}" for task in circle]
        return [f"stuck in a circle: {'; '.join(one.lstrip(': ') for one in texts)}"]
    task = min(ends, key=lambda one: tasks.wait_of(one).kind)
    wait = tasks.wait_of(task)
    sources = _sources(tasks, task)
    head = _HEADS[wait.kind]
    words = wait.full_words if wait.kind is Kind.RELEASE else wait.words
    text = f"{_named(tasks, task)}: {words}"
    if is_swallowed(tasks, task):
        text += f"; it {swallowing.describe(task)}"
    if wait.kind > Kind.DATA or not instrumented.has_selector(tasks.loop):
        return [f"{head}{text}", *_also(tasks, ends)]
    if not sources:
        return [f"stuck{text}; nothing here could still wake it", *_also(tasks, ends)]
    if len(sources) > _MAX_SOURCES:
        sources[_MAX_SOURCES - 1 :] = [f"{len(sources) - _MAX_SOURCES + 1} other things"]
    return [f"{head}{text}; only {' or '.join(sources)} could wake it", *_also(tasks, ends)]


def blocked(frame: FrameType | None) -> list[str]:
    """Return the line on code that runs all the time, given the innermost frame of its thread."""
    while frame is not None and (await_chains.is_hidden(frame) or not locations.of_user(frame)):
        frame = frame.f_back
    if frame is None:
        return []
    place = locations.line_in(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
    return [f"blocked at {place}: the event loop runs nothing else until this awaits or returns"]


def is_swallowed(tasks: LoopTasks, task: Task[Any]) -> bool:
    """Return True if a task was cancelled, and waits again."""
    # one that is about to run may be about to end
    return task.cancelling() > 0 and tasks.wait_of(task).kind is not Kind.NOTHING


def _also(tasks: LoopTasks, ends: list[Task[Any]]) -> list[str]:
    """Return lines on tasks that others may wait for, in ways that nobody can see.

    If the test waits for data or in a library, these are tasks in which a library has called the
    user's code, such as a handler of a server, and which wait there for something of the user's.
    """
    if any(tasks.wait_of(one).kind is not Kind.DATA for one in ends):
        return []
    found = []
    for task in tasks.ordered:
        shown = await_chains.shown(task)
        is_called = shown and not locations.of_user(shown[0]) and locations.of_user(shown[-1])
        if task not in ends and is_called and tasks.wait_of(task).kind <= Kind.RELEASE:
            found.append(f"also stuck{_named(tasks, task)}: {tasks.wait_of(task).words}")
    return found[:_MAX_ALSO]


def _ends(tasks: LoopTasks, own: Task[Any]) -> tuple[list[Task[Any]], list[Task[Any]]]:
    """Return the tasks that the test waits for in the end; or else those that form a circle."""
    ends = [task for task in tasks.chain(own) if not tasks.awaited(task)]
    one, path = own, []
    while not ends and one not in path:
        path.append(one)
        one = tasks.awaited(one)[0]
    return ends, path[path.index(one) :] if path else []


def _named(tasks: LoopTasks, task: Task[Any]) -> str:
    """Return the name of a task, and where it waits; of the test's own task, only the latter."""
    name, place = tasks.name_of(task), place_of(task)
    if task is tasks.own and place:
        return f" at {place}"
    return f": {name}{f', at {place}' if place else ''}"


def place_of(task: Task[Any]) -> str:
    """Return the innermost line of the user's where a task waits, or else the innermost line."""
    line = await_chains.innermost((one, one.f_lineno) for one in await_chains.shown(task))
    return "" if line is None else line.place


def _timer(timer: TimerHandle) -> str:
    function = locations.callback_of(timer)
    code = getattr(function, "__code__", None)
    if code is None or locations.is_users(code.co_filename):
        return f"the timer for {locations.describe_callback(timer)}"
    return f"a timer of {function.__module__.partition('.')[0]}"


def _sources(tasks: LoopTasks, stuck: Task[Any]) -> list[str]:
    """Return what could still wake the loop, in words."""
    found = instrumented.describe_wakeup_sources(tasks.loop)
    loop_state = instrumented.state_of(tasks.loop)
    now = tasks.loop.time()
    for one in [] if loop_state is None else loop_state.created:
        if isinstance(one.thing, TimerHandle) and not one.thing.cancelled():
            left = one.thing.when() - now
            if 0 < left < math.inf:
                found.append(f"{_timer(one.thing)} in {left:.4g} s")
    for task in tasks.ordered:
        wait = tasks.wait_of(task)
        if task is not stuck and wait.kind >= Kind.TIMER and not is_host(task):
            found.append(f"{tasks.name_of(task)}, which {wait.words}")
    return found
