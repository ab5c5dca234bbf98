"""nose2_aio.introspection.holders"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import TestCase, mock, skipUnless

import nose2_aio as aio
from nose2_aio.introspection import holders, monitoring, waits

HAS_MONITORING = sys.version_info >= (3, 12)


def words_of(task: asyncio.Task[Any]) -> str:
    """Return what a task waits for, with the names of tasks, and this file's name as HERE."""
    text = waits.of_task(task, waits.Names(lambda one: one.get_name())).full_words
    return re.sub(r"tests/unit/introspection/test_holders.py:\d+", "HERE", text)


class Lock(asyncio.Lock):
    """A lock whose methods are overridden."""

    async def acquire(self) -> Any:
        return await super().acquire()


async def hold(thing: Any) -> None:
    """Hold a lock or a semaphore."""
    async with thing:
        await asyncio.Event().wait()


async def keep(thing: Any) -> None:
    """Acquire it, and end."""
    await thing.acquire()


async def fail(thing: Any) -> None:
    """Acquire it, and fail."""
    await keep(thing)
    await asyncio.sleep(0)
    raise ValueError("no")


@skipUnless(HAS_MONITORING, "Python 3.12 has sys.monitoring")
class Holders(TestCase):
    """What a report says of who holds something."""

    async def waiting(self, wait: Callable[[], Awaitable[Any]]) -> str:
        """Start a task that waits, and return what it waits for."""

        async def waits() -> None:
            await wait()

        task = asyncio.create_task(waits(), name="waiting")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        text = words_of(task)
        task.cancel()
        return text

    @aio.checks(leaked_tasks="ignore")
    async def test_lock(self) -> None:
        """A lock is held by a task, by one that has ended, or by nobody that is known."""
        lock, kept, gone, failed, dropped = [asyncio.Lock() for _ in range(5)]
        holding = asyncio.create_task(hold(lock), name="holding")
        keeping = asyncio.create_task(keep(kept), name="keeping")
        await asyncio.create_task(keep(gone), name="gone")
        with self.assertRaises(ValueError):
            await asyncio.create_task(fail(failed), name="failing")
        cancelled = asyncio.create_task(fail(dropped), name="cancelled")
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        del cancelled
        gc.collect()
        how = "failed (ValueError: no, HERE in fail)"
        by_fail = "since HERE in keep, called at HERE in fail"
        for one, expected in (
            (lock, "holding since HERE in hold"),
            (kept, "keeping (keep), which has ended, since HERE in keep"),
            (gone, "gone (keep), which has ended, since HERE in keep"),
            (failed, f"failing (fail), which {how}, {by_fail}"),
            (dropped, f"cancelled (fail), which was cancelled, {by_fail}"),
        ):
            text = await self.waiting(one.acquire)
            self.assertEqual(text, f"waits for a lock, held by {expected}")
        with mock.patch.dict(holders._noted, clear=True):
            self.assertEqual(await self.waiting(lock.acquire), "waits for a lock")
        with mock.patch.object(monitoring, "is_on", return_value=False):
            self.assertEqual(await self.waiting(lock.acquire), "waits for a lock")
        self.assertTrue(keeping.done() and not holding.done())

    @aio.checks(leaked_tasks="ignore")
    async def test_itself(self) -> None:
        """A task may wait for itself."""
        lock = Lock()

        async def twice() -> None:
            async with lock:
                await lock.acquire()

        expected = (
            "waits for the lock lock, held by this task itself since HERE in acquire, "
            "called at HERE in twice, called at HERE in waits"
        )
        self.assertEqual(await self.waiting(twice), expected)

    @aio.checks(leaked_tasks="ignore")
    async def test_semaphore(self) -> None:
        """Each slot has its holder; who releases gives back his own."""
        semaphore = asyncio.Semaphore(3)
        tasks = [asyncio.create_task(hold(semaphore), name="first") for _ in range(2)]
        await semaphore.acquire()
        semaphore.release()
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(keep(semaphore), name="last"))
        await asyncio.sleep(0)
        self.assertEqual(
            await self.waiting(semaphore.acquire),
            "waits for a semaphore, held by first (2 times) since HERE in hold; "
            "by last (keep), which has ended, since HERE in keep",
        )
        semaphore.release()  # for one of the others
        found = [code.co_name for _, ((code, _), *_) in holders._noted[id(semaphore)].held]
        self.assertEqual(found, ["hold", "keep"])
        closed = asyncio.Semaphore(0)
        self.assertEqual(await self.waiting(closed.acquire), "waits for a semaphore")
        closed.release()

    @aio.checks(leaked_tasks="ignore")
    async def test_queue(self) -> None:
        """Who has put and taken items is known."""
        queue, full = asyncio.Queue[int](), asyncio.Queue[int](1)
        nobody = "waits for an item of a queue; nobody has put one into it"
        self.assertEqual(await self.waiting(queue.get), nobody)
        self.from_outside(queue)
        self.assertEqual(
            await self.waiting(queue.join),
            "waits until all items of a queue are done, with 1 left; "
            "nobody has taken one that is not done",
        )
        await queue.get()
        self.assertRegex(
            await self.waiting(queue.join),
            "^waits until all items of .*; 1 taken and not marked as done: by Task-.* at HERE in ",
        )
        self.assertRegex(
            await self.waiting(queue.get),
            "^waits for an item of a queue; the last one was put at HERE in from_outside$",
        )
        queue.task_done()
        full.put_nowait(1)
        wait = lambda: full.put(2)
        self.assertEqual(
            await self.waiting(wait),
            "waits for room in a queue, with 1 of 1 in it; nobody has taken one",
        )
        await full.get()
        full.put_nowait(1)
        self.assertRegex(
            await self.waiting(wait),
            "^waits for room in .*; the last one was taken by Task-.* at HERE in test_queue$",
        )

    def from_outside(self, queue: asyncio.Queue[int]) -> None:
        """Put an item into a queue, where no loop runs."""
        with mock.patch.object(monitoring, "current_task", return_value=None):
            queue.put_nowait(1)

    async def test_event(self) -> None:
        """Who has cleared an event is known."""
        event = asyncio.Event()
        self.assertEqual(await self.waiting(event.wait), "waits for an event to be set")
        event.set()
        event.clear()
        self.assertRegex(
            await self.waiting(event.wait),
            "^waits for an event to be set; it was cleared by Task-.* at HERE in test_event$",
        )

    async def test_many(self) -> None:
        """Of many holders, only some are shown; the last uses are noted."""
        semaphore = asyncio.Semaphore(100)
        for number in range(60):
            text = f"async def f{number}(one): await one.acquire()"
            exec(compile(text, "elsewhere.py", "exec"), found := {})
            await found[f"f{number}"](semaphore)
        tasks = [asyncio.create_task(semaphore.acquire(), name=f"task {one}") for one in range(7)]
        await asyncio.wait(tasks)
        uses = holders._noted[id(semaphore)]
        self.assertEqual(len(uses.held), holders._MAX_NOTED)
        text = holders._by(uses.held, "at", lambda user: "somebody")
        self.assertRegex(
            text, r"^by somebody at elsewhere.py:1 in f17, called at .*; .*; .*; at 41 other lines$"
        )
        names = iter("abcdefg")
        text = holders._by(list(uses.held)[-7:], "at", lambda user: next(names))
        self.assertRegex(text, r"^by a, b, c and 4 more at .*locks.py:\d+ in acquire$")

    @aio.checks(leaked_tasks="ignore")
    async def test_tasks(self) -> None:
        """A task waits for those that hold what it needs, unless these wait for it too."""
        lock, queue = asyncio.Lock(), asyncio.Queue[int]()

        async def takes(*, is_busy: bool) -> None:
            await queue.get()
            await (asyncio.sleep(60) if is_busy else queue.get())

        holding = asyncio.create_task(hold(lock))
        for number in range(2):
            queue.put_nowait(number)
        busy, idle = [asyncio.create_task(takes(is_busy=one)) for one in (True, False)]
        await asyncio.sleep(0)
        for wait, expected in (
            (lock.acquire, (holding,)),
            (queue.join, (busy,)),
            (queue.get, ()),
            (asyncio.Lock().acquire, ()),
        ):
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            names = waits.Names(lambda one: one.get_name())
            self.assertEqual(waits.of_task(task, names).holders, expected)
        self.assertFalse(idle.done())

    async def test_no_trace(self) -> None:
        """The notes end with the object."""
        lock = asyncio.Lock()
        async with lock:
            key = id(lock)
            self.assertIn(key, holders._noted)
        del lock
        self.assertNotIn(key, holders._noted)
