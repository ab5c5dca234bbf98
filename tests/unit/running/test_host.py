"""nose2_aio.running.host"""

from __future__ import annotations

import asyncio
import contextvars
from unittest import TestCase

from nose2_aio.running.host import TaskHost, always


class Steps(TestCase):
    """`TaskHost`."""

    def test_not_instrumented(self) -> None:
        """A step also runs on a loop that can't be instrumented."""

        async def step() -> str:
            await asyncio.sleep(0)
            return "done"

        loop = asyncio.SelectorEventLoop()
        self.addCleanup(loop.close)
        host = TaskHost(loop, contextvars.copy_context(), None, self.fail)
        host.begin(step(), always)
        loop.run_forever()
        self.assertEqual((host.value, host.job), ("done", None))
