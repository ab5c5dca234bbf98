"""Every other public name, as tests use it."""

from __future__ import annotations

import asyncio
import unittest

import nose2_aio as aio

aio.guard()

ERRORS: tuple[type[aio.AioError], ...] = (
    aio.AbandonedLoopError,
    aio.CheckError,
    aio.DeadlockError,
    aio.DefinitionError,
    aio.FixtureExitError,
    aio.InterruptedRunError,
    aio.InvalidTypeError,
    aio.InvalidValueError,
    aio.LoopError,
    aio.LoopStoppedError,
    aio.TimeLimitError,
    aio.UnsentError,
    aio.WorkerDiedError,
    aio.WorkerStartError,
)
WARNING: type[Warning] = aio.AioWarning


def new_loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


class Errors(unittest.TestCase):
    def test_time_limit(self) -> None:
        @aio.timeout(0.01)
        @aio.run_until_complete
        async def slow() -> None:
            await asyncio.sleep(10)

        with self.assertRaises(aio.TimeLimitError) as caught:
            slow()
        self.assertIsInstance(caught.exception, TimeoutError)

    @aio.loop(new_loop)
    @aio.retries(1)
    async def test_no_clock(self) -> None:
        self.assertRaises(aio.LoopError, aio.clock)

    def test_current_loop(self) -> None:
        with aio.child_loop() as loop, aio.current_loop() as current:
            self.assertIs(loop, current)

    def test_version(self) -> None:
        version: str = aio.__version__
        self.assertRegex(version, r"^\d+\.\d+\.\d+")
        self.assertEqual(aio.AioPlugin.configSection, "aio")


@aio.sleep(0)
@aio.loop("asyncio.new_event_loop")
@aio.virtual_time(False)
async def test_function() -> None:
    await asyncio.sleep(0)
