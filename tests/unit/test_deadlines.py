"""nose2_aio.deadlines"""

from __future__ import annotations

import asyncio
import time
import traceback
from unittest import TestCase

from nose2_aio.deadlines import Limit, bounded
from nose2_aio.errors import TimeLimitError

SOON = Limit(0.01, "@timeout")


class Bounded(TestCase):
    """Awaiting under a limit."""

    async def test_in_time(self) -> None:
        """What is done in time gives its value, or its own error."""
        self.assertEqual(await bounded(asyncio.sleep(0, 5), SOON), 5)
        with self.assertRaisesRegex(TimeoutError, "^mine$"):
            await bounded(self.raises(), SOON)

    async def raises(self) -> None:
        """Raise a timeout of its own."""
        raise TimeoutError("mine")

    async def test_exceeded(self) -> None:
        """At the limit it is cancelled, and the error has the lines where it waited."""
        try:
            await bounded(self.waits(), SOON)
        except TimeLimitError as error:
            report = "".join(traceback.format_exception(error))
            names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        self.assertIn("TimeLimitError: not done within its time limit of 0.01 s (@timeout)", report)
        self.assertNotIn("CancelledError", report)
        self.assertEqual(names[-2:], ["waits", "sleep"])

    async def waits(self) -> None:
        """Wait for long."""
        await asyncio.sleep(3600)

    async def test_swallowed(self) -> None:
        """One that catches its cancellation fails all the same, with a note."""
        with self.assertRaises(TimeLimitError) as caught:
            await bounded(self.swallows(), SOON)
        self.assertEqual(
            caught.exception.__notes__,
            ["It ended all the same: it blocked the loop, or caught its cancellation."],
        )

    async def test_blocked(self) -> None:
        """So does one that blocks the loop until its time is over, with or without an error."""

        async def blocks() -> None:
            time.sleep(0.02)

        async def fails() -> None:
            time.sleep(0.02)
            raise LookupError

        with self.assertRaises(TimeLimitError):
            await bounded(blocks(), SOON)
        with self.assertRaises(LookupError):
            await bounded(fails(), SOON)

    async def swallows(self) -> None:
        """Take the cancellation for granted."""
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

    async def test_failed_meanwhile(self) -> None:
        """An error on the way out is the cause."""
        with self.assertRaises(TimeLimitError) as caught:
            await bounded(self.fails_at_the_end(), SOON)
        self.assertIsInstance(caught.exception.__cause__, LookupError)

    async def fails_at_the_end(self) -> None:
        """Fail while being cancelled."""
        try:
            await asyncio.sleep(3600)
        finally:
            raise LookupError

    async def test_cancelled_from_outside(self) -> None:
        """A cancellation by somebody else stays one."""
        task = asyncio.create_task(bounded(self.waits(), Limit(5, "here")))
        await asyncio.sleep(0)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
