"""nose2_aio.introspection.waits"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any
from unittest import TestCase

import nose2_aio as aio
from nose2_aio.introspection import waits
from nose2_aio.introspection.waits import Kind, Links, Names, Wait
from nose2_aio.reporting.loop_tasks import name_of

NAMES = Names(name_of, links=lambda: Links(asyncio.all_tasks()))


class Unprintable:
    """An object whose `repr` fails."""

    def __repr__(self) -> str:
        raise ValueError


async def awaits(one: Any) -> None:
    """Await."""
    await one


async def nothing() -> None:
    """Do nothing."""


class Waits(TestCase):
    """What a task waits for."""

    def test_known(self) -> None:
        """asyncio still has all functions that we look for, as Python code."""
        for codes in (waits._GROUP, waits._CHAINED, waits._SHIELDS):
            self.assertTrue(codes)
        for code in (*waits._WORDS, *waits._FUTURES_IN):
            self.assertTrue(hasattr(code, "co_name"))

    async def assert_waits(self, coroutine: Any, words: str, kind: Kind) -> None:
        """Run a coroutine in a task until it waits, and compare what it waits for."""
        task: asyncio.Task[Any] = asyncio.create_task(coroutine, name="T")
        try:
            for _ in range(4):
                await asyncio.sleep(0)
            found = waits.of_task(task, NAMES)
            self.assertRegex(
                found.words, f"^{words}([,;] .*)?$"
            )  # who has used it, in test_holders
            self.assertIs(found.kind, kind)
        finally:
            task.cancel()
            await asyncio.wait([task])

    @aio.checks(leaked_tasks="ignore")
    async def test_words(self) -> None:
        """Each kind of wait is described. An object has the name that the user gave it."""
        full, lock, semaphore = asyncio.Queue[Any](1), asyncio.Lock(), asyncio.Semaphore(0)
        full.put_nowait(Unprintable())
        await lock.acquire()
        condition, barrier = asyncio.Condition(), asyncio.Barrier(2)
        loop = asyncio.get_running_loop()

        async def waits_for_condition() -> None:
            async with condition:
                await condition.wait()

        async def waits_at_barrier() -> None:
            await barrier.wait()

        async def joins(queue: asyncio.Queue[Any]) -> None:
            await queue.join()

        async def takes() -> None:
            async with lock:
                pass

        for coroutine, words, kind in (
            (asyncio.sleep(5), r"sleeps, [45]\.?\d* s to go", Kind.TIMER),
            (asyncio.Event().wait(), "waits for an event to be set", Kind.ACTION),
            (takes(), "waits for the lock lock", Kind.RELEASE),
            (semaphore.acquire(), "waits for a semaphore", Kind.RELEASE),
            (
                waits_for_condition(),
                "waits for the condition condition to be notified",
                Kind.ACTION,
            ),
            (
                waits_at_barrier(),
                "waits at the barrier barrier, with 1 of 2 there",
                Kind.ACTION,
            ),
            (asyncio.Queue[int]().get(), "waits for an item of a queue", Kind.ACTION),
            (full.put(2), "waits for room in a queue, with 1 of 1 in it", Kind.ACTION),
            (
                joins(full),
                "waits until all items of the queue queue are done, with 1 left",
                Kind.ACTION,
            ),
            (asyncio.StreamReader().read(), "waits for data from a pipe", Kind.DATA),
            (
                awaits(loop.create_future()),
                "waits for the future one that nobody has completed",
                Kind.ACTION,
            ),
            (
                awaits(asyncio.wrap_future(concurrent.futures.Future())),
                "waits for a job of an executor or thread",
                Kind.WORK,
            ),
        ):
            with self.subTest(words):
                await self.assert_waits(coroutine, words, kind)
        new = asyncio.create_task(asyncio.sleep(0))
        for _ in range(2):  # before its first step, and in ``sleep(0)``
            found = waits.of_task(new, NAMES)
            self.assertEqual(found, Wait(Kind.NOTHING, "is about to run"))
            await asyncio.sleep(0)
        await new

    async def test_outer_names(self) -> None:
        """An object may have a name in other frames that are known."""
        done = asyncio.Event()
        task = asyncio.create_task(done.wait())
        await asyncio.sleep(0)
        names = Names(name_of, frames=[sys._getframe()])
        self.assertEqual(waits.of_task(task, names).words, "waits for the event done to be set")
        done.set()
        await task

    async def test_sockets(self) -> None:
        """A wait for a socket, a connection or a child process names it."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        await self.assert_waits(
            loop.sock_recv(ours, 1), "waits to receive from the socket", Kind.DATA
        )
        accepted = asyncio.Event()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await accepted.wait()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        name = f"the socket to 127.0.0.1:{port}"
        await self.assert_waits(reader.read(), f"waits for data from {name}", Kind.DATA)
        writer.transport.pause_reading()
        writer.transport.set_write_buffer_limits(0)
        writer.write(bytes(10_000_000))
        await self.assert_waits(writer.drain(), f"waits until {name} takes more data", Kind.DATA)
        writer.close()
        await self.assert_waits(writer.wait_closed(), f"waits until {name} is closed", Kind.DATA)
        writer.transport.abort()
        accepted.set()
        server.close()
        await server.wait_closed()
        for process in (
            await asyncio.create_subprocess_exec("sleep", "5"),
            await asyncio.create_subprocess_shell("exec sleep 5"),
        ):
            words = rf"waits for the end of the process {process.pid} \((exec )?sleep( 5)?\)"
            await self.assert_waits(process.wait(), words, Kind.WORK)
            process.kill()
            await process.wait()

    @aio.checks(leaked_tasks="ignore")
    async def test_tasks(self) -> None:
        """A wait for tasks names them, through futures and callbacks too."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        ended = asyncio.create_task(nothing())
        await ended

        def complete(future: asyncio.Future[Any], _: object) -> None:
            if not future.done():
                future.set_result(None)

        async def groups() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(5), name="inner")

        async def gathers(*members: Any) -> None:
            await asyncio.gather(*members)

        def by_closure(one: asyncio.Task[Any]) -> asyncio.Future[Any]:
            future = loop.create_future()
            one.add_done_callback(lambda task: complete(future, task))
            return future

        def by_partial(one: asyncio.Task[Any]) -> asyncio.Future[Any]:
            future = loop.create_future()
            one.add_done_callback(functools.partial(complete, future))
            return future

        def by_thread(_: object) -> asyncio.Future[Any]:
            return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(long(event), loop))

        async def waits_for_one(one: asyncio.Task[Any]) -> None:
            await asyncio.wait_for(one, 5)

        name = r"waits for one \(Event\.wait\)"
        rows: list[tuple[Callable[[asyncio.Task[Any]], Any], str]] = [
            (awaits, name),
            (lambda one: asyncio.wait([one, ended]), rf"{name} \(1 of 2 done\)"),
            (
                lambda one: gathers(ended, one, event.wait()),
                r"waits for Task-.* and one .*\(1 of 3 done\)",
            ),
            (
                lambda _: gathers(*(asyncio.sleep(5) for _ in range(6))),
                r"waits for Task-\d+ \(sleep\), .* and 2 more tasks",
            ),
            (lambda _: groups(), r"waits for inner \(sleep\)"),
            (waits_for_one, name),
            (lambda one: awaits(asyncio.shield(one)), name),
            (lambda one: awaits(asyncio.shield(asyncio.shield(one))), name),
            (lambda one: awaits(asyncio.shield(asyncio.gather(one))), name),
            (lambda one: awaits(by_closure(one)), name),
            (lambda one: awaits(by_partial(one)), name),
            (lambda one: awaits(by_thread(one)), r"waits for Task-\d+ \(long\)"),
            (lambda _: gathers(loop.create_future()), "waits for the future members.* completed"),
        ]
        for make, words in rows:
            with self.subTest(words):
                one = asyncio.create_task(event.wait(), name="one")
                await self.assert_waits(make(one), words, Kind.ACTION)
        event.set()

    async def test_names(self) -> None:
        """The user's own functions are not mistaken for asyncio's of the same name."""

        def done(_: object) -> None: ...

        done.__qualname__ = "_chain_future.<locals>._call_check_cancel"
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(done)
        words = "waits for the future one that nobody has completed"
        await self.assert_waits(awaits(future), words, Kind.ACTION)

    async def test_library(self) -> None:
        """A wait in a library is named after its function."""
        code = compile("async def read(future):\n    await future", f"{socket.__file__}", "exec")
        namespace: dict[str, Any] = {"__name__": "library.module"}
        exec(code, namespace)
        reading = namespace["read"](asyncio.get_running_loop().create_future())
        await self.assert_waits(reading, "waits in read of library", Kind.DATA)

    async def test_wait_for(self) -> None:
        """``wait_for`` waits for a task, or in it."""
        words = r"waits for (Task-\d+ \(Event.wait\)|an event to be set)"
        await self.assert_waits(asyncio.wait_for(asyncio.Event().wait(), 5), words, Kind.ACTION)

    def test_empty_cell(self) -> None:
        """A callback whose closure has no value yet holds nothing."""

        def make() -> Callable[[], object]:
            if threading.active_count() < 0:
                value = 1
            return lambda: value

        self.assertEqual(waits._held_by(make()), [])


async def long(event: asyncio.Event) -> None:
    """Wait for an event."""
    await event.wait()
