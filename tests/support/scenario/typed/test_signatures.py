"""The decorators keep the signatures of what they decorate."""

from __future__ import annotations

import asyncio
import contextlib
import unittest
from collections.abc import AsyncGenerator, Callable, Generator
from typing import assert_type

import nose2_aio as aio


@aio.run_until_complete
async def length(text: str, *, times: int = 1) -> int:
    return await asyncio.sleep(0, len(text) * times)


@aio.run_until_complete()
async def maybe(number: int) -> str | None:
    return str(number) if number else None


@aio.run_until_complete(loop=aio.virtual_clock)
def generator(number: int) -> Generator[object, None, int]:
    yield from asyncio.sleep(0).__await__()
    return number


@aio.run_until_complete
def plain(number: int) -> bool:
    return asyncio.get_running_loop().is_running()


@aio.run_forever
async def bare(number: int) -> None:
    await asyncio.sleep(0)


@aio.run_forever(timeout=0, sleep=0, loop=aio.child_loop)
async def with_callback(done: list[int]) -> Callable[[], None]:
    return lambda: done.append(1)


@aio.run_forever(timeout=0)
def with_async_callback(done: list[int]) -> Callable[[], object]:
    async def callback() -> None:
        done.append(2)

    return callback


@contextlib.asynccontextmanager
async def opened(name: str) -> AsyncGenerator[bytes]:
    yield name.encode()


@aio.timeout(5)
@aio.checks(leaked_tasks="fail")
@aio.serial
def double(number: int) -> int:
    return 2 * number


@aio.virtual_time
@aio.loop_scope("class")
@aio.exclusive("counter", at_most=2)
class Counter:
    def __init__(self, start: int) -> None:
        self.start = start


class Calls(unittest.TestCase):
    def test_until_complete(self) -> None:
        self.assertEqual(assert_type(length("ab", times=2), int), 4)
        self.assertEqual(assert_type(maybe(0), str | None), None)
        self.assertEqual(assert_type(generator(3), int), 3)
        self.assertTrue(assert_type(plain(3), bool))

    def test_forever(self) -> None:
        done: list[int] = []
        forever: Callable[[list[int]], None] = with_callback
        forever(done)
        with_async_callback(done)
        self.assertEqual(done, [1, 2])
        another: Callable[[int], None] = bare
        self.assertTrue(callable(another))

    def test_tags(self) -> None:
        self.assertEqual(assert_type(double(2), int), 4)
        self.assertEqual(assert_type(Counter(2), Counter).start, 2)
        self.assertEqual(assert_type(self.static(2), int), 2)
        self.assertEqual(assert_type(self.of_class(), str), "Calls")

    @aio.timeout(1)
    @staticmethod
    def static(number: int) -> int:
        return number

    @aio.timeout(1)
    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @aio.run_until_complete
    async def method(self, number: int) -> int:
        return number

    def test_method(self) -> None:
        self.assertEqual(assert_type(self.method(2), int), 2)

    @aio.virtual_time(wall=False)
    async def test_clock(self) -> None:
        clock = assert_type(aio.clock(), aio.Clock)
        await clock.settle()
        await clock.advance(60)
        self.assertGreaterEqual(assert_type(clock.time(), float), 60)
        assert_type(clock.real_time(), float)
