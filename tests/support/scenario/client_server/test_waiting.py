"""Tests of clients and servers that wait 1 to 60 s each.

Each has a server of its own, and talks to it through real sockets. Run in virtual time, they should
take little more than their computing time. In real time, 100 of them take 50 minutes.
"""

import asyncio
import unittest

from nose2.tools import params

import nose2_aio as aio

COUNT = 100


async def answer(reader, writer, idle):
    """Answer each line. Close the connection if none comes for some seconds."""
    try:
        while line := await asyncio.wait_for(reader.readline(), idle):
            writer.write(line)
            await writer.drain()
    except TimeoutError:
        pass
    writer.close()
    await writer.wait_closed()


class Resending(asyncio.DatagramProtocol):
    """Answers a message when it has come for the last time."""

    def __init__(self):
        self.left = 4

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.left -= 1
        if not self.left:
            self.transport.sendto(data, address)


class Waiting(asyncio.DatagramProtocol):
    """Waits for a message."""

    def __init__(self):
        self.received = asyncio.Event()

    def datagram_received(self, data, address):
        self.received.set()


class ClientServer(unittest.TestCase):
    """Five kinds of waiting."""

    @params(*range(COUNT))
    async def test(self, number):
        loop = asyncio.get_running_loop()
        kinds = self.keep_alive, self.idle, self.retry, self.give_up, self.resend
        seconds = 1 + 59 * number / (COUNT - 1 or 1)
        start = loop.time()
        await kinds[number % len(kinds)](seconds)
        self.assertAlmostEqual(loop.time() - start, seconds, delta=0.5)

    async def start(self, handler):
        """Start a server, for as long as the test runs; return its address."""
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        await aio.enter_async_context(self, server)
        return server.sockets[0].getsockname()

    async def keep_alive(self, seconds):
        """A client sends a line each second."""
        address = await self.start(lambda *streams: answer(*streams, idle=10))
        reader, writer = await asyncio.open_connection(*address)
        for number in range(round(seconds)):
            writer.write(b"%d\n" % number)
            self.assertEqual(await asyncio.wait_for(reader.readline(), 5), b"%d\n" % number)
            await asyncio.sleep(seconds / round(seconds))
        writer.close()
        await writer.wait_closed()

    async def idle(self, seconds):
        """A server closes a connection that is idle."""
        address = await self.start(lambda *streams: answer(*streams, idle=seconds))
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"hello\n")
        self.assertEqual(await reader.readline(), b"hello\n")
        self.assertEqual(await asyncio.wait_for(reader.read(), seconds + 1), b"")
        writer.close()
        await writer.wait_closed()

    async def retry(self, seconds):
        """A client tries again, each time after twice as long, until it gets an answer."""
        tries = iter(range(5))

        async def refuse(reader, writer):
            if next(tries) == 4:
                writer.write(b"hello\n")
            writer.close()
            await writer.wait_closed()

        address = await self.start(refuse)
        for number in range(5):
            reader, writer = await asyncio.open_connection(*address)
            line = await asyncio.wait_for(reader.readline(), 5)
            writer.close()
            await writer.wait_closed()
            if not line:
                await asyncio.sleep(seconds * 2**number / 15)
        self.assertEqual(line, b"hello\n")

    async def give_up(self, seconds):
        """A server never answers."""
        address = await self.start(lambda *streams: answer(*streams, idle=seconds + 1))
        reader, writer = await asyncio.open_connection(*address)
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(seconds):
                await reader.readline()
        writer.close()
        await writer.wait_closed()

    async def resend(self, seconds):
        """A client sends a datagram four times."""
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Resending, ("127.0.0.1", 0))
        address = server.get_extra_info("sockname")
        client, waiting = await loop.create_datagram_endpoint(Waiting, remote_addr=address)
        for _ in range(3):
            client.sendto(b"hello")
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(waiting.received.wait(), seconds / 3)
        client.sendto(b"hello")
        await asyncio.wait_for(waiting.received.wait(), 5)
        client.close()
        server.close()
        await asyncio.sleep(0)
