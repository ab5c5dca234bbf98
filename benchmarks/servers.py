"""Tests with a server and clients that wait, for ``ratios.py``.

Real sockets of the loopback interface connect them. Each test waits 1 to 60 s: for a keepalive, an
idle timeout, a slow answer, or the next try. The same suite with all waits at 0, in real time, says
what it computes.
"""

from __future__ import annotations

SUITE = """\
import asyncio, unittest
from nose2.tools import params

def waits():
    return [({unit} * (1 + number * 59 / {last}),) for number in range({count})]

async def connect(server):
    return await asyncio.open_connection(*server.sockets[0].getsockname())

class Servers(unittest.TestCase):
    async def serve(self, handle):
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        self.addCleanup(server.wait_closed)
        self.addCleanup(server.close)
        return server

    @params(*waits())
    async def test_keepalive(self, every):
        async def handle(reader, writer):
            while await asyncio.wait_for(reader.readline(), 2 * every or None):
                writer.write(b"pong\\n")
            writer.close()
        reader, writer = await connect(await self.serve(handle))
        for _ in range(5):
            writer.write(b"ping\\n")
            answer = await asyncio.wait_for(reader.readline(), 2 * every or None)
            self.assertEqual(answer, b"pong\\n")
            await asyncio.sleep(every)
        writer.close()

    @params(*waits())
    async def test_idle_timeout(self, limit):
        async def handle(reader, writer):
            try:
                await asyncio.wait_for(reader.readline(), limit)
            except TimeoutError:
                writer.write(b"bye\\n")
            writer.close()
        reader, writer = await connect(await self.serve(handle))
        self.assertEqual(await reader.readline(), b"bye\\n")
        writer.close()

    @params(*waits())
    async def test_slow_answer(self, seconds):
        async def handle(reader, writer):
            await reader.readline()
            await asyncio.sleep(seconds)
            writer.write(b"late\\n")
            writer.close()
        server = await self.serve(handle)
        for patience in (seconds / 2, None):
            reader, writer = await connect(server)
            writer.write(b"?\\n")
            try:
                answer = await asyncio.wait_for(reader.readline(), patience)
            except TimeoutError:
                answer = b""
            self.assertEqual(answer, b"" if patience is not None else b"late\\n")
            writer.close()

    @params(*waits())
    async def test_tries_again(self, pause):
        tries = []
        async def handle(reader, writer):
            tries.append(1)
            if len(tries) == 4:
                writer.write(b"welcome\\n")
            writer.close()
        server = await self.serve(handle)
        while True:
            reader, writer = await connect(server)
            answer = await reader.readline()
            writer.close()
            if answer:
                break
            await asyncio.sleep(pause)
        self.assertEqual(len(tries), 4)
"""
KINDS = 4
"""The test methods of the suite."""


def suite(count: int, unit: int) -> str:
    """Return a suite of ``count`` tests, with waits in this unit of seconds."""
    each = count // KINDS
    text = SUITE
    for name, value in {"unit": unit, "last": max(each - 1, 1), "count": each}.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
