"""Timeouts of the user's own that end a test: the report says what their tasks waited for."""

from __future__ import annotations

import re
import sys
from unittest import TestCase, skipUnless

from tests.runs import Project

EXPIRING = """
import asyncio, unittest

class Client:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.done = asyncio.Event()
    async def work(self):
        async with self.lock:
            await self.done.wait()
    async def fetch(self):
        async with asyncio.timeout(0.05):
            async with self.lock:
                pass
    async def ask(self):
        try:
            await self.fetch()
        except TimeoutError as error:
            raise RuntimeError("no answer") from error
    async def start(self):
        self.task = asyncio.create_task(self.work(), name="worker")
        await asyncio.sleep(0)

async def serve(reader, writer):
    await asyncio.Event().wait()

class Plain(unittest.TestCase):
    async def test_chain(self):
        client = Client()
        await client.start()
        await client.ask()
    async def test_group(self):
        client = Client()
        await client.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(client.fetch(), name="fetching")
    async def test_wait_for(self):
        await asyncio.wait_for(asyncio.create_task(Client().work(), name="worker"), 0.05)
    async def test_stream(self):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, self.writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.wait_for(reader.readline(), 0.05)
    async def test_at(self):
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + 0.05):
            await asyncio.sleep(9)
    async def test_handled(self):
        try:
            await Client().start()
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except TimeoutError:
            pass
        self.fail()
    def test_sync(self):
        asyncio.run(asyncio.wait_for(asyncio.Event().wait(), 0.01))

class Isolated(unittest.IsolatedAsyncioTestCase):
    test_chain = Plain.test_chain
"""
WORKER = "worker (Client.work), at 9 in work, waits for the event Client.done to be set"
WAITS = (
    "at 12 in fetch, waits for the lock Client.lock, held by worker (Client.work) since 8 in work"
)
NOTES = {
    "Plain.test_chain": [
        "The timeout of 0.05 s, made at 11 in fetch, expired. At that moment:",
        f"the test, {WAITS}",
        WORKER,
    ],
    "Plain.test_group": [
        "The timeout of 0.05 s, made at 11 in fetch, expired. At that moment:",
        f"fetching (Client.fetch), {WAITS}",
        WORKER,
    ],
    "Plain.test_wait_for": [
        "The timeout of 0.05 s, made at 37 in test_wait_for, expired. At that moment:",
        "the test, at 37 in test_wait_for, waits for worker (Client.work)",
        WORKER,
    ],
    "Plain.test_stream": [
        "The timeout of 0.05 s, made at 41 in test_stream, expired. At that moment:",
        "the test, at 41 in test_stream, waits for data from the socket to 127.0.0.1:PORT",
        "T (serve), at 24 in serve, waits for an event to be set",
    ],
    "Plain.test_at": [
        "The timeout expired. At that moment:",
        "the test, at 44 in test_at, sleeps go",
    ],
    "Plain.test_handled": [],
    "Plain.test_sync": [
        "The timeout of 0.01 s expired. At that moment:",
        "T (wait_for), waits for an event to be set",
    ],
    "Isolated.test_chain": [
        "The timeout of 0.05 s, made at 11 in fetch, expired. At that moment:",
        f"T (Plain.test_chain), {WAITS}",
        WORKER,
    ],
}


@skipUnless(sys.version_info >= (3, 12), "Python 3.12 has sys.monitoring")
class Expired(TestCase):
    """Timeouts that expire."""

    maxDiff = None

    def test_each(self) -> None:
        """The note has its seconds, its line, and what its task and others waited for."""
        made = Project(self, test_it=EXPIRING)
        for arguments in ((), ("--aio-workers", "2")):
            run = made.nose2(*arguments)
            found = {}
            for report in run.reports:
                name = re.search(r"\(test_it\.(\w+\.test_\w+)\)", report)
                assert name is not None, run.output
                text = re.sub(r"test_it.py:|^  \| |, \d\.\d+ s to", "", report, flags=re.MULTILINE)
                text = re.sub(r"Task-\d+", "T", re.sub(r"127.0.0.1:\d+", "127.0.0.1:PORT", text))
                note = re.search(r"^The timeout.*moment:\n(?:  \w.*\n)+", text + "\n", re.MULTILINE)
                lines = [] if note is None else note[0].splitlines()
                found[name[1]] = [line.strip() for line in lines]
            self.assertEqual(found, NOTES, run.output)
