"""nose2_aio.eventloop.host_task"""

from __future__ import annotations

import asyncio
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any
from unittest import TestCase

import uvloop

from nose2_aio.eventloop import event_loops
from nose2_aio.running.runner import Runner


async def fails() -> None:
    """Fail."""
    raise LookupError("no such table")


class Causes(TestCase):
    """The error that a cancelled job fails with."""

    def run_jobs(self, make_loop: Callable[[], AbstractEventLoop], *jobs: Any) -> None:
        """Run one job after the other in the host task of one runner."""
        loop = make_loop()
        self.addCleanup(loop.close)
        with Runner(loop) as runner:
            for job in jobs:
                runner.run(job(), lambda _: None)

    def test_task_group(self) -> None:
        """If a task of a group fails, that error; also on a loop that is written in C."""
        for make_loop in (event_loops.new, uvloop.new_event_loop):
            group = asyncio.TaskGroup()

            async def enter(group: asyncio.TaskGroup = group) -> None:
                await group.__aenter__()

            async def start(group: asyncio.TaskGroup = group) -> None:
                group.create_task(fails())
                await asyncio.sleep(10)

            with (
                self.subTest(make_loop),
                self.assertRaisesRegex(LookupError, "no such table") as caught,
            ):
                self.run_jobs(make_loop, enter, start)
            self.assertRegex(
                caught.exception.__notes__[0],
                r"^It failed in the background. The running code was cancelled in start, \S+:\d+$",
            )

    def test_between_jobs(self) -> None:
        """If no job was running, the next one is cancelled."""
        group = asyncio.TaskGroup()

        async def enter() -> None:
            await group.__aenter__()
            group.create_task(fails())

        async def waits() -> None:
            await asyncio.sleep(10)

        with self.assertRaisesRegex(LookupError, "no such table"):
            self.run_jobs(event_loops.new, enter, waits)

    def test_eager(self) -> None:
        """If a task of a group fails in its first step, as it is started: that error."""
        if not hasattr(asyncio, "eager_task_factory"):
            self.skipTest("Python 3.12 and later start tasks eagerly")
        group = asyncio.TaskGroup()

        async def enter() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            await group.__aenter__()

        async def start() -> None:
            group.create_task(fails())
            await asyncio.sleep(10)

        with self.assertRaisesRegex(LookupError, "no such table"):
            self.run_jobs(event_loops.new, enter, start)

    def test_taken_back(self) -> None:
        """If a job leaves the context that has cancelled it before it waits, it goes on."""
        timeout: asyncio.Timeout

        async def enter() -> None:
            nonlocal timeout
            timeout = await asyncio.timeout(0.001).__aenter__()

        async def blocks() -> None:
            time.sleep(0.002)

        async def leave() -> None:
            await timeout.__aexit__(None, None, None)

        for make_loop in (event_loops.new, uvloop.new_event_loop):
            with self.subTest(make_loop):
                self.run_jobs(make_loop, enter, blocks, leave, lambda: asyncio.sleep(0.001))

    def test_message(self) -> None:
        """A cancellation between two jobs keeps its message, and is counted once."""

        async def cancels() -> None:
            own = asyncio.current_task()
            assert own is not None
            asyncio.get_running_loop().call_soon(own.cancel, "enough")

        async def cancels_itself() -> None:
            own = asyncio.current_task()
            assert own is not None
            own.cancel("enough")

        async def waits() -> None:
            own = asyncio.current_task()
            assert own is not None
            with self.assertRaisesRegex(asyncio.CancelledError, "^enough$"):
                await asyncio.sleep(10)
            self.assertEqual((own.cancelling(), own.uncancel()), (1, 0))

        for make_loop in (event_loops.new, uvloop.new_event_loop):
            for job in (cancels, cancels_itself):
                with self.subTest(make_loop, job=job):
                    self.run_jobs(make_loop, job, waits)

    def test_by_hand(self) -> None:
        """If other code calls ``cancel``, it is a plain cancellation."""
        for make_loop in (event_loops.new, uvloop.new_event_loop):

            async def waits() -> None:
                host: Any = asyncio.current_task()
                failed = asyncio.get_running_loop().create_task(fails())

                async def cancel(failed: asyncio.Task[None]) -> None:
                    host.cancel()

                await asyncio.wait([failed])
                failed.exception()
                other = asyncio.create_task(cancel(failed))
                await asyncio.sleep(10)
                await other

            with self.subTest(make_loop), self.assertRaises(asyncio.CancelledError):
                self.run_jobs(make_loop, waits)

    def test_by_itself(self) -> None:
        """If a job cancels itself, it is a plain cancellation."""
        for make_loop in (event_loops.new, uvloop.new_event_loop):

            async def cancels() -> None:
                own: Any = asyncio.current_task()
                own.cancel()
                await asyncio.sleep(0)

            with self.subTest(make_loop), self.assertRaises(asyncio.CancelledError):
                self.run_jobs(make_loop, cancels)
