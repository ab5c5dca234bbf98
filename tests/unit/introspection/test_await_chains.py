"""nose2_aio.introspection.await_chains, nose2_aio.reporting.hang_report"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any
from unittest import TestCase, mock

import nose2_aio as aio
from nose2_aio.eventloop import instrumented
from nose2_aio.introspection import await_chains
from nose2_aio.introspection.await_chains import Line
from nose2_aio.reporting import hang_report


class Unprintable:
    """An object whose `repr` fails."""

    def __repr__(self) -> str:
        raise ValueError


async def numbers() -> AsyncIterator[int]:
    """Wait before the first number."""
    await asyncio.Event().wait()
    yield 1


async def iterates() -> None:
    """Iterate, two levels deep."""
    async for _ in numbers():
        pass


async def descends(depth: int) -> None:
    """Wait, some calls deep."""
    if depth:
        await descends(depth - 1)
    else:
        await asyncio.Event().wait()


class Chains(TestCase):
    """What a task waits for."""

    def test_known(self) -> None:
        """asyncio still has all functions that we look for, as Python code."""
        self.assertTrue(await_chains._GROUP)
        self.assertTrue(await_chains._CHAINED)
        for code in (*await_chains._WORDS, *await_chains._TASKS_IN):
            self.assertTrue(hasattr(code, "co_name"))

    @aio.checks(leaked_tasks="ignore")
    async def test_words(self) -> None:
        """Each kind of wait is described."""
        full, lock, semaphore = asyncio.Queue[int](1), asyncio.Lock(), asyncio.Semaphore(0)
        full.put_nowait(1)
        await lock.acquire()
        condition, barrier = asyncio.Condition(), asyncio.Barrier(2)
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()

        async def waits_for_condition() -> None:
            async with condition:
                await condition.wait()

        async def gathers() -> None:
            await asyncio.gather(*(asyncio.sleep(5) for _ in range(6)))

        async def groups() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(5), name="inner")

        async def jobs() -> None:
            await asyncio.to_thread(ours.fileno)

        for coroutine, words in (
            (asyncio.sleep(5), r"sleeps, [45]\.?\d* s to go"),
            (asyncio.Event().wait(), "waits for the event <asyncio.locks.Event .*unset"),
            (lock.acquire(), "waits for the lock <asyncio.locks.Lock .*locked"),
            (semaphore.acquire(), "waits for the semaphore <asyncio.locks.Semaphore"),
            (waits_for_condition(), "waits for the condition <asyncio.locks.Condition"),
            (barrier.wait(), "waits for the barrier <asyncio.locks.Barrier"),
            (asyncio.Queue[int]().get(), "waits for an item of <Queue"),
            (full.put(2), "waits for room in <Queue"),
            (full.join(), "waits until all is done of <Queue"),
            (reader.read(), "waits for data$"),
            (loop.sock_recv(ours, 1), "waits to receive from <socket"),
            (asyncio.wait([asyncio.create_task(asyncio.sleep(5), name="a")]), "waits for a "),
            (gathers(), r"waits for Task-\d+ \(sleep\), .* and 2 more tasks$"),
            (groups(), r"waits for inner \(sleep\)"),
            (self.awaits(loop.create_future()), "waits for a future that nobody has completed: <F"),
            (jobs(), "waits for a job of an executor|is about to run"),
        ):
            with self.subTest(words):
                task: asyncio.Task[Any] = asyncio.create_task(self.awaits(coroutine))
                for _ in range(3):
                    await asyncio.sleep(0)
                self.assertRegex(await_chains.describe_wait(task, hang_report.name_of), f"^{words}")
                task.cancel()
                await asyncio.wait([task])
        new = asyncio.create_task(asyncio.sleep(0))
        self.assertEqual(await_chains.describe_wait(new, hang_report.name_of), "is about to run")
        await new

    async def awaits(self, one: Any) -> None:
        """Await."""
        await one

    async def test_names(self) -> None:
        """The user's own types and functions are not mistaken for asyncio's of the same name."""

        async def waits() -> None:
            await asyncio.Event().wait()

        class coroutine_wrapper:  # a name of CPython's
            def __init__(self) -> None:
                self.inner = waits()

        wrapper = coroutine_wrapper()
        self.assertEqual(await_chains._step(wrapper), (None, None))
        wrapper.inner.close()

        def done(_: object) -> None: ...

        done.__qualname__ = "_chain_future.<locals>._call_check_cancel"
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(done)
        task = asyncio.create_task(self.awaits(future))
        await asyncio.sleep(0)
        words = await_chains.describe_wait(task, hang_report.name_of)
        self.assertRegex(words, "^waits for a future that nobody has completed")
        future.set_result(None)
        await task

    async def test_wait_for(self) -> None:
        """``wait_for`` waits for a task, or in it."""
        task = asyncio.create_task(asyncio.wait_for(asyncio.Event().wait(), 5))
        for _ in range(3):
            await asyncio.sleep(0)
        words = await_chains.describe_wait(task, hang_report.name_of)
        self.assertRegex(words, r"^waits for (Task-\d+ \(Event.wait\)|the event <)")
        task.cancel()

    async def test_chain(self) -> None:
        """A chain has coroutines and async generators. The middle of a long one is left out."""
        for coroutine, names in (
            (iterates(), ["iterates", "numbers"]),
            (descends(2), ["descends"] * 3),
            (descends(50), ["descends"] * 15 + ["..."] + ["descends"] * 15),
        ):
            task: asyncio.Task[None] = asyncio.create_task(coroutine)
            await asyncio.sleep(0)
            lines = await_chains.of_task(task)
            found = [line.place.rpartition(" in ")[2].split()[0] for line in lines]
            self.assertEqual([name[:8] for name in found], [name[:8] for name in names])
            task.cancel()
            await asyncio.wait([task])
        self.assertEqual(await_chains.of_task(task), [])

    def test_no_end(self) -> None:
        """An unknown awaitable ends the chain; a circular chain is not followed for ever."""
        for module in ("builtins", __name__):
            wrapper = type("coroutine_wrapper", (), {"__module__": module})()
            self.assertEqual(await_chains._step(wrapper), (None, None))
        circle = mock.Mock(spec=["cr_frame", "cr_await"], cr_frame=sys._getframe())
        circle.cr_await = circle
        task = mock.Mock(get_coro=lambda: circle)
        self.assertEqual(len(list(await_chains._frames(task))), await_chains._MAX_FRAMES)

    def test_running(self) -> None:
        """A running stack is shown without the frames of the test runner."""
        lines = await_chains.of_frame(sys._getframe())
        self.assertEqual(lines[-1].source, "lines = await_chains.of_frame(sys._getframe())")
        self.assertNotIn("unittest", lines[0].place)

    def test_no_line(self) -> None:
        """A frame may have no line number, while an async generator is closed."""
        number: Any = None
        (line,) = await_chains.to_lines([(sys._getframe(), number)])
        self.assertIn("test_await_chains.py:0 in test_no_line", line.place)

    def test_formatted(self) -> None:
        """The source code is in one column, and is cut."""
        lines = [Line("a.py:1 in f", "X" * 200), Line("long.py:100 in function", "Z")]
        texts = await_chains.format_lines(lines)
        self.assertEqual(
            [text.index(letter) for text, letter in zip(texts, "XZ", strict=True)], [27, 27]
        )
        self.assertLess(len(texts[0]), 100)

    async def test_unprintable(self) -> None:
        """A value whose `repr` fails does not break the description."""
        queue = asyncio.Queue[object](1)
        queue.put_nowait(Unprintable())
        task = asyncio.create_task(queue.put(2))
        await asyncio.sleep(0)
        self.assertRegex(
            await_chains.describe_wait(task, hang_report.name_of), "waits for room in <Queue"
        )
        task.cancel()


class Reports(TestCase):
    """The report of a loop."""

    async def test_many(self) -> None:
        """Twenty tasks are shown at most, in the order of their numbers."""
        tasks = [asyncio.create_task(asyncio.sleep(5), name=f"task-{n}") for n in range(25)]
        await asyncio.sleep(0)
        report = hang_report.describe_loop(asyncio.get_running_loop())
        named = [line.partition(" ")[0] for line in report.splitlines() if " made at " in line]
        self.assertEqual(named, [f"task-{number}" for number in range(20)])
        self.assertTrue(report.endswith("... and 5 tasks more."), report)
        for task in tasks:
            task.cancel()

    def test_none(self) -> None:
        """Without a loop, the report is empty."""
        self.assertEqual(hang_report.describe_loop(None), "")

    async def test_place(self) -> None:
        """It is known where a task was created only if the loop is instrumented."""
        task = asyncio.create_task(asyncio.sleep(0))
        self.assertEqual(instrumented.origin_of(task)[0][0].co_name, "test_place")
        await task
        loop = asyncio.new_event_loop()
        try:
            other = loop.create_task(self.nothing())
            self.assertEqual(instrumented.origin_of(other), ())
        finally:
            await asyncio.to_thread(loop.run_until_complete, other)
            loop.close()

    async def test_host(self) -> None:
        """Only the task that the test runs in is called "the test"."""
        own = asyncio.current_task()
        assert own is not None
        self.assertEqual(hang_report.name_of(own), "the test")
        coroutine = self.nothing()
        coroutine.__qualname__ = own.get_coro().__qualname__  # type: ignore[union-attr]
        other = asyncio.create_task(coroutine, name="other")
        self.assertEqual(hang_report.name_of(other), f"other ({coroutine.__qualname__})")
        await other

    async def nothing(self) -> None:
        """Do nothing."""
