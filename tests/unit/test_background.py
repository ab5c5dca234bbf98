"""nose2_aio.background"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any
from unittest import TestCase

from nose2_aio.background import Background


async def fails(number: int) -> None:
    """Fail."""
    await asyncio.sleep(0)
    raise LookupError(number)


class Failures(TestCase):
    """What fails beside a test."""

    async def watched(self) -> Background:
        """A background that is watched until the end of the test."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, report: self.reports.append(report))
        background = Background(loop)
        background.watch()
        self.addCleanup(background.release)
        return background

    def setUp(self) -> None:
        """The user's own handler collects what it is told."""
        self.reports: list[dict[str, Any]] = []

    def numbers(self, background: Background) -> list[str]:
        """The failures, as texts, in order."""
        return sorted(str(error) for error in background.failures())

    async def test_task(self) -> None:
        """A task that failed is known though it is still referenced, once."""
        background = await self.watched()
        task = asyncio.create_task(fails(1))
        await asyncio.sleep(0.001)
        self.assertTrue(task.done())
        self.assertEqual(self.numbers(background), ["1"])
        self.assertEqual(self.numbers(background), [])

    async def test_future(self) -> None:
        """So is a future, such as that of a job in a thread."""
        background = await self.watched()
        job = asyncio.get_running_loop().run_in_executor(None, int, "no number")
        while not job.done():
            await asyncio.sleep(0.001)
        self.assertEqual(
            self.numbers(background), ["invalid literal for int() with base 10: 'no number'"]
        )

    async def test_forgotten_task(self) -> None:
        """So is one that nobody references any more."""
        background = await self.watched()
        asyncio.create_task(fails(2))  # noqa: RUF006
        await asyncio.sleep(0.001)
        gc.collect()
        self.assertEqual(self.numbers(background), ["2"])

    async def test_dealt_with(self) -> None:
        """A failure that the test has seen, a cancelled task and a running one are none."""
        background = await self.watched()
        seen = asyncio.create_task(fails(3))
        with self.assertRaises(LookupError):
            await seen
        cancelled = asyncio.create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        cancelled.cancel()
        running = asyncio.create_task(asyncio.sleep(0.01))
        await asyncio.sleep(0.001)
        self.assertFalse(running.done())
        self.assertEqual(self.numbers(background), [])

    async def test_callback(self) -> None:
        """A callback that failed is known, and the user's own handler is told as ever."""
        background = await self.watched()
        asyncio.get_running_loop().call_soon(int, "4")
        asyncio.get_running_loop().call_soon(int, "no number")
        await asyncio.sleep(0.001)
        self.assertEqual(
            self.numbers(background), ["invalid literal for int() with base 10: 'no number'"]
        )
        self.assertEqual(len(self.reports), 1)

    async def test_no_exception(self) -> None:
        """A report without an exception is only passed on."""
        background = await self.watched()
        asyncio.get_running_loop().call_exception_handler({"message": "so"})
        self.assertEqual(self.reports, [{"message": "so"}])
        self.assertEqual(background.failures(), [])

    async def test_default_handler(self) -> None:
        """Without a handler of the user's, asyncio logs it as ever."""
        loop = asyncio.get_running_loop()
        background = Background(loop)
        background.watch()
        with self.assertLogs("asyncio") as logs:
            loop.call_soon(int, "no number")
            await asyncio.sleep(0.001)
        background.release()
        self.assertIn("Exception in callback int(", logs.output[0])

    async def test_replaced_handler(self) -> None:
        """A handler that the test sets deals with callbacks; tasks fail all the same."""
        background = await self.watched()
        loop = asyncio.get_running_loop()
        handler = self.reports.append
        loop.set_exception_handler(lambda _, report: handler(report))
        loop.call_soon(int, "no number")
        task = asyncio.create_task(fails(7))
        await asyncio.sleep(0.001)
        self.assertTrue(task.done())
        self.assertEqual(self.numbers(background), ["7"])
        self.assertEqual(len(self.reports), 1)

    async def test_overlooked(self) -> None:
        """Tasks that had failed before are somebody else's."""
        theirs = asyncio.create_task(fails(8))
        await asyncio.sleep(0.001)
        background = await self.watched()
        background.overlook()
        ours = asyncio.create_task(fails(9))
        await asyncio.sleep(0.001)
        self.assertEqual(self.numbers(background), ["9"])
        self.assertTrue(theirs.done() and ours.done())
        self.assertEqual(str(theirs.exception()), "8")

    async def test_users_factory(self) -> None:
        """The user's own task factory makes the tasks, and gets all their options."""
        loop = asyncio.get_running_loop()
        made = []

        def factory(
            loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
        ) -> asyncio.Task[Any]:
            made.append(options)
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(factory)
        background = await self.watched()
        task = loop.create_task(fails(5), name="named")
        await asyncio.sleep(0.001)
        self.assertEqual((len(made), task.get_name()), (1, "named"))
        self.assertEqual(self.numbers(background), ["5"])
        background.release()
        self.assertIs(loop.get_task_factory(), factory)

    async def test_untouched(self) -> None:
        """Handler and factory are the user's own, and tasks have the names they always had."""
        loop = asyncio.get_running_loop()
        before = loop.get_exception_handler()
        background = Background(loop)
        background.watch()
        self.assertIsNone(loop.get_task_factory())
        task = loop.create_task(asyncio.sleep(0))
        self.assertRegex(task.get_name(), r"^Task-\d+$")
        await task
        background.release()
        self.assertEqual(loop.get_exception_handler(), before)

    async def test_asyncio_still_tells(self) -> None:
        """asyncio's tasks still have the attribute that says whether anybody asked."""
        task = asyncio.create_task(fails(6))
        await asyncio.sleep(0.001)
        self.assertIs(task._log_traceback, True)
        task.exception()
        self.assertIs(task._log_traceback, False)
