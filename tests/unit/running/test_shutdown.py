"""nose2_aio.running.shutdown"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import TestCase, mock

import nose2_aio as aio
from nose2_aio.errors import AbandonedLoopError
from nose2_aio.eventloop import instrumented
from nose2_aio.eventloop.alarms import Overrun
from nose2_aio.eventloop.problems import HandlerCall, Problems
from nose2_aio.reporting.inspections import inspect_after_test
from nose2_aio.running import shutdown


async def poll() -> None:
    """Sleep for a long time."""
    await asyncio.sleep(100)


async def stubborn() -> None:
    """Sleep, and ignore each cancellation."""
    while True:
        try:
            await poll()
        except asyncio.CancelledError:
            pass


class ShutDown(TestCase):
    """The end of a loop."""

    def test_by_hand(self) -> None:
        """If a task does not end, ``child_loop`` abandons the loop, with an error that says why."""
        with (
            mock.patch.object(shutdown, "GRACE", 0.01),
            self.assertRaises(AbandonedLoopError) as caught,
            aio.child_loop() as loop,
        ):
            loop.create_task(stubborn())
            loop.run_until_complete(asyncio.sleep(0))
        self.assertIn("(stubborn)", str(caught.exception))
        self.assertTrue(loop.is_closed())

    def test_many(self) -> None:
        """The message describes twenty tasks at most."""
        loop = asyncio.new_event_loop()
        tasks = {loop.create_task(poll()) for _ in range(25)}
        self.assertTrue(shutdown.message(tasks).endswith("\n\n... and 5 more tasks."))
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks))
        loop.close()

    def test_closed(self) -> None:
        """A loop that the user has closed is not shut down."""
        with aio.child_loop() as loop:
            loop.close()

    def run_end(self, prepare: Callable[[], Any], grace: float = 0.01) -> set[Any]:
        """Shut down a plain loop after ``prepare`` has run on it."""
        loop = asyncio.new_event_loop()

        async def main() -> set[Any]:
            kept = await prepare()
            stubborn = await shutdown.shut_down(loop, grace)
            del kept
            return stubborn

        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    def test_circle(self) -> None:
        """Tasks that wait for each other can't be cancelled. They are returned at once."""

        async def prepare() -> list[asyncio.Task[Any]]:
            tasks: list[asyncio.Task[Any]] = []

            async def waits(number: int) -> None:
                await tasks[number]

            tasks += [asyncio.create_task(waits(1)), asyncio.create_task(waits(0))]
            await asyncio.sleep(0)
            return tasks

        tasks = self.run_end(prepare)
        self.assertEqual(len(tasks), 2)
        for task in tasks:
            shutdown.prevent_finalization(task)

    def test_respawning(self) -> None:
        """If cancelled tasks start others again and again, the shutdown ends all the same."""
        began = time.monotonic()

        async def again() -> None:
            try:
                await poll()
            finally:
                await asyncio.sleep(0.005)
                asyncio.get_running_loop().create_task(again())

        async def prepare() -> None:
            asyncio.get_running_loop().create_task(again())
            await asyncio.sleep(0)

        for task in self.run_end(prepare):
            shutdown.prevent_finalization(task)
        self.assertLess(time.monotonic() - began, 1)

    def test_rounds(self) -> None:
        """The number of rounds is limited."""

        async def prepare() -> None:
            async def again(times: int) -> None:
                try:
                    await poll()
                finally:
                    if times:
                        asyncio.get_running_loop().create_task(again(times - 1))

            asyncio.get_running_loop().create_task(again(3))
            await asyncio.sleep(0)

        with mock.patch.object(shutdown, "_ROUNDS", 2):
            for task in self.run_end(prepare, grace=5):
                shutdown.prevent_finalization(task)

    def test_bounded(self) -> None:
        """An awaitable that takes too long is cancelled."""

        async def prepare() -> None:
            await shutdown._bounded(poll(), 0.001)

        self.assertEqual(self.run_end(prepare), set())

    def test_interrupted(self) -> None:
        """A cancellation, or our interruption, is not a lost exception."""
        problems = Problems()
        problems.handler_calls = tuple(
            HandlerCall({"exception": error}, False, (), "")
            for error in (Overrun(), asyncio.CancelledError())
        )
        inspect_after_test(problems)
        self.assertEqual(problems.findings, ())

    def test_asyncgen(self) -> None:
        """If an async generator does not close, the shutdown ends all the same."""

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                await stubborn()

        async def prepare() -> Any:
            generator = numbers()
            await anext(generator)
            return generator

        for task in self.run_end(prepare):
            shutdown.prevent_finalization(task)

    def test_executor(self) -> None:
        """If a job of the user's executor does not end, the shutdown ends all the same."""
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))

        async def main() -> set[Any]:
            loop.run_in_executor(None, time.sleep, 0.2)
            return await shutdown.shut_down(loop, 0.01)

        try:
            with instrumented.instrument(loop):
                self.assertEqual(loop.run_until_complete(main()), set())
        finally:
            loop.close()
