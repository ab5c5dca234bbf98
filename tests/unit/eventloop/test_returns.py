"""nose2_aio.eventloop.endings: where tasks have returned

Nothing is traced while Python calls such a function, also not by coverage. So it is called here.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from unittest import IsolatedAsyncioTestCase

from nose2_aio.eventloop import endings
from nose2_aio.introspection import monitoring


class Returns(IsolatedAsyncioTestCase):
    """Where tasks have returned."""

    async def test_line(self) -> None:
        """It is the line of the ``return`` of the task's own coroutine."""

        async def inner() -> None:
            endings._note_return(sys._getframe(), None)

        async def outer() -> int:
            await inner()
            endings._note_return(sys._getframe(), None)
            return 1

        task = asyncio.Task(outer())  # no loop of ours asks for its line
        await task
        code = outer.__code__
        self.assertEqual(endings.take_return(task), (code, code.co_firstlineno + 2))
        self.assertIsNone(endings.take_return(task))

    async def test_outside(self) -> None:
        """Outside of a task nothing is noted."""
        before = dict(endings._returned)
        await asyncio.to_thread(endings._note_return, sys._getframe(), None)
        self.assertEqual(endings._returned, before)

    async def test_many(self) -> None:
        """Lines that nobody asks for are forgotten."""

        async def note() -> None:
            endings._note_return(sys._getframe(), None)

        endings._returned.update(
            (-number, (note.__code__, 1)) for number in range(endings._MAX_RETURNS)
        )
        task = asyncio.Task(note())
        await task
        self.assertLess(len(endings._returned), endings._MAX_RETURNS)
        self.assertIsNotNone(endings.take_return(task))

    async def test_watched(self) -> None:
        """The functions of coroutines are monitored, once each."""

        async def function() -> None: ...

        coroutines: list[Any] = [function(), function()]
        for one in coroutines:
            endings.watch_return(one)
            one.close()
        endings.watch_return(None)
        self.assertIs(monitoring._returns[id(function.__code__)], endings._note_return)
