"""The tasks of one loop in a report: their names, what each waits for, and their order."""

from __future__ import annotations

import asyncio
import functools
from asyncio import AbstractEventLoop, Future, StreamReader, Task
from collections import deque
from typing import Any

from nose2_aio.eventloop import executors, instrumented
from nose2_aio.eventloop.host_task import HostTask
from nose2_aio.introspection import await_chains, locations, waits
from nose2_aio.introspection.locations import Origin
from nose2_aio.introspection.waits import Kind, Links, Names, Wait

__all__ = ["LoopTasks", "is_host", "is_idle_host", "name_of", "own_task"]

_MAX_EXAMINED = 200
"""How many tasks of a loop are looked at, at most."""
_MAX_NAMES = 8
"""How many names of tasks a line has, at most."""


def name_of(task: Task[Any]) -> str:
    """Return the name of a task in a report: the task's own, and that of its coroutine.

    A task that tests run in is called "the test".
    """
    if is_host(task):
        return "the test"
    coroutine = task.get_coro()
    name = getattr(coroutine, "__qualname__", None) or repr(coroutine)
    return f"{task.get_name()} ({name.rpartition('<locals>.')[2]})"


def is_host(task: Task[Any]) -> bool:
    """Return True if a task is one that tests run in."""
    return isinstance(task, HostTask)


def is_idle_host(task: Task[Any]) -> bool:
    """Return True if tests run in a task, but none does now."""
    return isinstance(task, HostTask) and task.is_idle


def own_task(loop: AbstractEventLoop) -> Task[Any] | None:
    """Return the task in which a test runs on a loop; None if there is none, or it is not known."""
    loop_state = instrumented.state_of(loop)
    own = None if loop_state is None else loop_state.own_task
    hosts = (one for one in asyncio.all_tasks(loop) if isinstance(one, HostTask))
    return own or next((one for one in hosts if not one.is_idle), None)


class LoopTasks:
    """The tasks of a loop that aren't done. ``own`` is that of the test, if there is one."""

    def __init__(self, loop: AbstractEventLoop, own: Task[Any] | None) -> None:
        self.loop = loop
        self.own = own
        shown = [] if own is None else await_chains.shown(own)
        self._names = Names(
            self.name_of, self._describe_future, self._describe_job, lambda: self.links, shown
        )
        self._waits: dict[Task[Any], Wait] = {}

    @functools.cached_property
    def links(self) -> Links:
        """Which tasks complete which futures."""
        return Links(asyncio.all_tasks(self.loop))

    @functools.cached_property
    def _future_origins(self) -> dict[int, Origin]:
        loop_state = instrumented.state_of(self.loop)
        return {} if loop_state is None else loop_state.future_origins

    def name_of(self, task: Task[Any]) -> str:
        """Return the name of a task; that of the test's own is "the test"."""
        return "the test" if task is self.own else name_of(task)

    def listed(self, tasks: list[Task[Any]]) -> str:
        """Return the names of tasks that have the same coroutine."""
        names = [task.get_name() for task in tasks[:_MAX_NAMES]]
        return ", ".join([*names, *(["..."] if len(tasks) > _MAX_NAMES else [])])

    def wait_of(self, task: Task[Any]) -> Wait:
        """Return what a task waits for."""
        if task not in self._waits:
            self._waits[task] = waits.of_task(task, self._names)
        return self._waits[task]

    def awaited(self, task: Task[Any]) -> list[Task[Any]]:
        """Return the tasks that a task waits for.

        They may also be at the other end of a connection, or hold a lock.
        """
        wait = self.wait_of(task)
        found = wait.tasks or wait.holders
        if wait.stream is not None:
            found = self._servers_of(wait.stream)
        return sorted((one for one in found if one is not task), key=waits.by_name)

    @functools.cached_property
    def ordered(self) -> list[Task[Any]]:
        """The test's own task, those that it waits for, then the others, the most telling first."""
        found = [] if self.own is None or self.own.done() else self.chain(self.own)
        shown = {*found, asyncio.current_task(self.loop)}
        others = [
            one
            for one in asyncio.all_tasks(self.loop)
            if one not in shown and not is_idle_host(one)
        ]
        others = sorted(others, key=waits.by_name)[: _MAX_EXAMINED - len(found)]
        return found + sorted(others, key=lambda one: self.wait_of(one).kind)

    @property
    def left_out(self) -> int:
        """How many tasks `ordered` does not have, since there are too many."""
        every = asyncio.all_tasks(self.loop) - {asyncio.current_task(self.loop)}
        return sum(not is_idle_host(one) for one in every - {*self.ordered})

    def chain(self, task: Task[Any]) -> list[Task[Any]]:
        """Return a task and those that it waits for, and so on."""
        found = {task: None}
        pending = deque([task])
        while pending and len(found) < _MAX_EXAMINED:
            new = [one for one in self.awaited(pending.popleft()) if one not in found]
            found.update(dict.fromkeys(new[: _MAX_EXAMINED - len(found)]))
            pending += new
        return list(found)

    def _servers_of(self, stream: StreamReader) -> tuple[Task[Any], ...]:
        """Return the task that serves the other end of a stream, if that is on the same loop."""
        # neither the transports of a loop nor the task of a stream's protocol have a public name
        transport = getattr(stream, "_transport", None)
        if transport is None:
            return ()
        ends = _ends(transport)
        others = list(getattr(self.loop, "_transports", {}).values())
        servers = [other.get_protocol() for other in others if _ends(other) == ends[::-1]]
        tasks = [getattr(server, "_task", None) for server in servers if all(ends)]
        return tuple(task for task in tasks if isinstance(task, Task) and not task.done())

    def _describe_job(self, future: Future[Any]) -> Wait | None:
        """Return which executor job a future is for, if the loop has recorded it."""
        loop_state = instrumented.state_of(self.loop)
        jobs: Any = (loop_state and loop_state.jobs) or {}
        if loop_state is None or future not in jobs:
            return None
        created = loop_state.find(future)
        place = locations.format_origin(() if created is None else created.origin)
        handed_over = f", handed over at {place}" if place else ""
        job = executors.describe_job(jobs[future])
        return Wait(Kind.WORK, f"waits for {job}{handed_over}")

    def _describe_future(self, future: Future[Any], name: str) -> Wait | None:
        """Return what a future is for, if the loop has recorded it."""
        job = self._describe_job(future)
        origin = self._future_origins.get(id(future), ())
        if job is not None or not origin:
            return job
        place = locations.format_origin(origin)
        return Wait(Kind.ACTION, f"waits for {name}, made at {place}")


def _ends(transport: Any) -> tuple[Any, Any]:
    """Return the addresses of both ends of a connection."""
    return transport.get_extra_info("sockname"), transport.get_extra_info("peername")
