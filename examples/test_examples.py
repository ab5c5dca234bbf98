"""Examples of coroutine tests. Run them with:  nose2 -v -s examples"""

import asyncio
import unittest

from nose2.tools import params

import nose2_aio as aio


class Queue(unittest.TestCase):
    """A plain ``TestCase`` is enough: it needs no other base class."""

    async def test_keeps_order(self):
        queue = asyncio.Queue()
        for number in range(3):
            await queue.put(number)
        self.assertEqual([await queue.get() for _ in range(3)], [0, 1, 2])

    @params(0, 1, 2)
    async def test_has_room(self, size):
        queue = asyncio.Queue(maxsize=3)
        for _ in range(size):
            queue.put_nowait(None)
        self.assertFalse(queue.full())

    @aio.timeout(5)
    async def test_get_waits_for_put(self):
        queue = asyncio.Queue()
        getter = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        self.assertFalse(getter.done())
        await queue.put("late")
        self.assertEqual(await getter, "late")

    def test_generator(self):
        value = yield from asyncio.sleep(0, "the old way")
        self.assertEqual(value, "the old way")


async def test_function():
    async with asyncio.timeout(1):
        await asyncio.sleep(0)


async def check_gathered(count):
    results = await asyncio.gather(*(asyncio.sleep(0, number) for number in range(count)))
    assert results == list(range(count))


def test_generated():
    for count in (0, 1, 10):
        yield check_gathered, count


class EchoServer(unittest.TestCase):
    """``run_forever`` keeps the server running until the test has talked to it."""

    @aio.run_forever(timeout=0.1, sleep=0.1)
    async def test_echo(self):
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()

        async def talk_to_it():
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello\n")
            self.assertEqual(await reader.readline(), b"hello\n")
            writer.close()
            await writer.wait_closed()
            server.close()

        return talk_to_it


async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
