"""nose2_aio.introspection.swallowing"""

from __future__ import annotations

import asyncio
import threading
from unittest import TestCase

import nose2_aio as aio
from nose2_aio.introspection import swallowing


def swallow() -> None:
    """Catch a CancelledError outside of a task."""
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        pass


class Swallowing(TestCase):
    """Where a cancelled task goes on."""

    @aio.checks(leaked_tasks="ignore")
    async def test_unknown(self) -> None:
        """Nothing is known of handlers outside of tasks, or if the file is not there."""
        count = len(swallowing._reached)
        asyncio.get_running_loop().call_soon(swallow)
        await asyncio.sleep(0)
        thread = threading.Thread(target=swallow)
        thread.start()
        thread.join()
        self.assertEqual(len(swallowing._reached), count)
        task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        task.cancel()
        self.assertEqual(swallowing.describe(task), "was cancelled, and went on")
        code = compile("pass", "gone.py", "exec")
        self.assertEqual(swallowing._place(code, len(code.co_code)), "")
        swallowing._reached[task] = code, len(code.co_code)
        self.assertEqual(swallowing.describe(task), "was cancelled, and went on")
        self.assertEqual(swallowing._place(code, 0), "gone.py:1 in <module>")
