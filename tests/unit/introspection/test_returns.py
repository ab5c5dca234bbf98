"""nose2_aio.introspection.returns

Nothing is traced while Python calls such a function, also not by coverage. So it is called here.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from unittest import IsolatedAsyncioTestCase

from nose2_aio.introspection import monitoring, returns


class Returns(IsolatedAsyncioTestCase):
    """Where tasks have returned."""

    async def test_line(self) -> None:
        """It is the line of the ``return`` of the task's own coroutine."""

        async def inner() -> None:
            returns._note(sys._getframe(), None)

        async def outer() -> int:
            await inner()
            returns._note(sys._getframe(), None)
            return 1

        task = asyncio.Task(outer())  # no loop of ours asks for its line
        await task
        code = outer.__code__
        self.assertEqual(returns.take(task), (code, code.co_firstlineno + 2))
        self.assertIsNone(returns.take(task))

    async def test_outside(self) -> None:
        """Outside of a task nothing is noted."""
        before = dict(returns._returned)
        await asyncio.to_thread(returns._note, sys._getframe(), None)
        self.assertEqual(returns._returned, before)

    async def test_many(self) -> None:
        """Lines that nobody asks for are forgotten."""

        async def note() -> None:
            returns._note(sys._getframe(), None)

        returns._returned.update((-number, (note.__code__, 1)) for number in range(returns._MAX))
        task = asyncio.Task(note())
        await task
        self.assertLess(len(returns._returned), returns._MAX)
        self.assertIsNotNone(returns.take(task))

    async def test_watched(self) -> None:
        """The functions of coroutines are monitored, once each."""

        async def function() -> None: ...

        coroutines: list[Any] = [function(), function()]
        for one in coroutines:
            returns.watch(one)
            one.close()
        returns.watch(None)
        self.assertIs(monitoring._returns[id(function.__code__)], returns._note)
