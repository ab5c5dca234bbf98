"""Each of these mistakes is an error for mypy and for pyright.

An ignored error that is none is an error too. So each line that ignores one has one.
"""

from __future__ import annotations

import unittest
from collections.abc import Coroutine

import nose2_aio as aio


@aio.run_until_complete
async def connect(port: int) -> str:
    return str(port)


connect("80")  # type: ignore
connect(80, 81)  # type: ignore
number: int = connect(80)  # type: ignore
unknown: object = aio.time_out  # type: ignore


@aio.run_forever  # type: ignore
async def called_too_early() -> Coroutine[object, None, None]:
    return stop()


async def stop() -> None: ...


@aio.timeout(5)
def wait(seconds: float) -> None: ...


wait("5")  # type: ignore
aio.timeout("5")  # type: ignore
aio.timeout(seconds=5)  # type: ignore
aio.timeout()  # type: ignore
aio.retries(1.5)  # type: ignore
aio.exclusive()  # type: ignore
aio.exclusive(1)  # type: ignore
aio.exclusive("database", at_most="2")  # type: ignore
aio.loop()  # type: ignore
aio.loop(7)  # type: ignore
aio.loop(stop)  # type: ignore
aio.loop_scope("suite")  # type: ignore
aio.checks(leaked_tasks="error")  # type: ignore
aio.checks(leaked_task="fail")  # type: ignore
aio.virtual_time(False, wall=True)  # type: ignore
aio.virtual_time(wall="yes")  # type: ignore
aio.run_until_complete(loop=stop)  # type: ignore
aio.run_forever(timeout="1")  # type: ignore
advance = aio.clock().advance("1")  # type: ignore
aio.serial(1)  # type: ignore


@aio.loop_scope("class")  # type: ignore
def test_function() -> None: ...


class Case(unittest.TestCase):
    async def test_contexts(self) -> None:
        await aio.enter_async_context(self, open("file"))  # type: ignore
        await aio.enter_async_context(type(self), stop)  # type: ignore
        await aio.enter_class_async_context(self, stop)  # type: ignore


class Typo(aio.TestCase):
    def test_typo(self) -> None:
        self.assertEqul(1, 1)  # pyright: ignore  # mypy takes a class like this for Any
