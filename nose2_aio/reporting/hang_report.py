"""The report on a loop that hangs: what is stuck, what has ended before, and where each task waits.

1. One line says what is stuck, and what could still wake it (`verdicts`).
2. Then comes what has ended before, those that failed first.
3. Then come the lines of the test's own task, those that it waits for, and the other tasks.

Make the report before anything is cancelled: a cancelled task no longer shows where it waited.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from asyncio import AbstractEventLoop, Task
from collections import Counter
from types import FrameType
from typing import Any

from nose2_aio.eventloop import instrumented, wakeup_sources
from nose2_aio.eventloop.executors import Executor
from nose2_aio.eventloop.virtual_clock import Clock
from nose2_aio.introspection import await_chains, locations, swallowing, waits
from nose2_aio.introspection.await_chains import Line
from nose2_aio.introspection.waits import Kind
from nose2_aio.reporting import verdicts
from nose2_aio.reporting.loop_tasks import LoopTasks, is_idle_host, name_of, own_task

__all__ = [
    "MAX_TASKS",
    "describe_loop",
    "describe_task",
    "swallowed_lines",
    "task_lines",
    "without_lines",
]

MAX_TASKS = 20
"""How many tasks a report shows, besides the test's own."""
_MAX_ENDED = 10
"""How many lines a report has on what has ended before."""
_WAITS = "It waits here:"


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
    lines = await_chains.of_frame(stack)
    running = ["It runs here:", *await_chains.format_lines(lines)] if lines else []
    if loop is None or loop.is_closed():
        return "\n".join(running)
    if own is None or is_idle_host(own):
        own = own_task(loop)
    tasks = LoopTasks(loop, own)
    paragraphs = [verdicts.blocked(stack) if lines else verdicts.verdict(tasks)]
    paragraphs += [_ended(loop), running]
    if own is not None and not own.done() and not lines:
        paragraphs.append([_WAITS, *task_lines(tasks, own)])
    told = own, asyncio.current_task(loop) if lines else None
    paragraphs += _paragraphs(tasks, [task for task in tasks.ordered if task not in told])
    loop_state = instrumented.state_of(loop)
    if loop_state is not None and loop_state.executor is not None:
        paragraphs += _threads(loop_state.executor)
    paragraphs += _clock(loop)
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def without_lines(report: str, lines: list[Line]) -> str:
    """Return a report without the lines of the test's own task, if a traceback shows ``lines``."""
    paragraphs = report.split("\n\n")
    for number, text in enumerate(paragraphs):
        head, *rest = text.split("\n")
        shown = await_chains.format_lines(lines[: len(rest) - 1])
        if head == _WAITS and rest[:-1] == shown:
            words = rest[-1].strip()
            is_told = any(words in one for one in paragraphs[:number])
            paragraphs[number : number + 1] = [] if is_told else [f"The test {words}."]
            return "\n\n".join(paragraphs)
    return report


def describe_task(task: Task[Any]) -> str:
    """Return the paragraph on a task that isn't the test's own."""
    return "\n".join(_paragraph(LoopTasks(task.get_loop(), None), task))


def swallowed_lines(loop: AbstractEventLoop, own: Task[Any] | None) -> list[str]:
    """Return a line for each task that was cancelled and went on, without waiting for others.

    ``own`` is the task that the test runs in.
    """
    tasks = LoopTasks(loop, own)
    cancelled = [task for task in asyncio.all_tasks(loop) if task.cancelling()]
    ends = [task for task in cancelled if not tasks.wait_of(task).tasks]
    return [
        f"stuck: {tasks.name_of(task)} {swallowing.describe(task)}"
        for task in sorted(ends, key=waits.by_name)[:MAX_TASKS]
    ]


def task_lines(tasks: LoopTasks, task: Task[Any]) -> list[str]:
    """Return the await chain of a task as indented lines. The last line says what it waits for."""
    lines = await_chains.format_lines(await_chains.of_task(task))
    swallowed = verdicts.is_swallowed(tasks, task)
    return [
        *lines,
        f"  {tasks.wait_of(task).full_words}",
        *([f"  It {swallowing.describe(task)}."] if swallowed else []),
    ]


def _paragraph(tasks: LoopTasks, task: Task[Any]) -> list[str]:
    place = locations.format_callers(instrumented.origin_of(task))
    made = f", made at {place}" if place else ""
    return [f"{name_of(task)}{made}:", *task_lines(tasks, task)]


def _paragraphs(tasks: LoopTasks, others: list[Task[Any]]) -> list[list[str]]:
    """Return the paragraphs on tasks. Those that wait at the same place share one."""
    found: dict[str, tuple[list[str], list[Task[Any]]]] = {}
    for task in others:
        lines = _paragraph(tasks, task)
        key = re.sub(r"\d[\d.]* s to go|\w+:\d+$", "", "\n".join(lines[1:]))
        found.setdefault(key, (lines, []))[1].append(task)
    groups = list(found.values())
    paragraphs = []
    for lines, (_, *same) in groups[:MAX_TASKS]:
        more = [f"  The same for {len(same)} more: {tasks.listed(same)}"] if same else []
        paragraphs.append([*lines, *more])
    left = sum(len(same) for _, same in groups[MAX_TASKS:]) + tasks.left_out
    if left:
        paragraphs.append([f"... and {left} more tasks."])
    return paragraphs


def _ended(loop: AbstractEventLoop) -> list[str]:
    """Return the paragraph on what has ended before."""
    loop_state = instrumented.state_of(loop)
    if loop_state is None:
        return []
    found: dict[tuple[Any, ...], tuple[str, int]] = {}
    for one in loop_state.endings or ():
        text = one.describe(loop_state.now)
        if one.error is None and _is_asyncios(one.name):
            continue
        key = one.name or text, one.error, one.line
        _, count = found.get(key, ("", 0))
        found[key] = text, count + one.times
    lines = [
        f"  {text}{f' (and {count - 1} more like it)' if count > 1 else ''}"
        for text, count in itertools.islice(found.values(), _MAX_ENDED)
    ]
    return ["Ended before:", *lines] if lines else []


def _is_asyncios(name: str) -> bool:
    """Return True if this is the name of a method in asyncio."""
    head, dot, _ = name.partition(".")
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("asyncio.")]
    return bool(dot) and any(hasattr(module, head) for module in modules)


def _threads(executor: Executor) -> list[list[str]]:
    """Return a paragraph for each job that an executor runs. Those at the same lines share one."""
    frames = wakeup_sources.other_frames()
    found: Counter[tuple[str, ...]] = Counter()
    for identity, job in list(executor.running.items()):
        lines = await_chains.format_lines(await_chains.of_frame(frames.get(identity)))
        found[f"{job}{':' if lines else ''}", *lines] += 1
    return [
        [
            f"{'A thread' if n == 1 else f'{n} threads'} of the executor run{'s' * (n == 1)} {job}",
            *lines,
        ]
        for (job, *lines), n in found.items()
    ]


def _clock(loop: AbstractEventLoop) -> list[list[str]]:
    """Return a paragraph on the time of a loop, if it is virtual, and what holds it."""
    clock = instrumented.clock_of(loop)
    if clock is None:
        return []
    holders = instrumented.describe_wakeup_sources(loop)
    held = ", held by:" if holders else ""
    head = f"Its clock shows {clock.time():g} s of virtual time{held}"
    return [[head, *(f"  {holder}" for holder in holders)]]


waits.describe_in(
    Clock.advance,
    Kind.TIMER,
    lambda own: f"moves the clock, {own['goal'] - own['self'].time():.4g} s to go",
)
waits.describe_in(Clock.settle, Kind.WORK, lambda _: "waits until only timers are left to wait for")
