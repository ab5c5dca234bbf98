"""Reports of hangs say who holds a lock, and follow the locks."""

from __future__ import annotations

import sys
from unittest import TestCase, skipUnless

from tests.runs import Project

KEPT = """
import asyncio, unittest
import nose2_aio as aio

async def keep():
    global lock
    lock = asyncio.Lock()
    await lock.acquire()

async def acquire():
    await asyncio.create_task(keep())
    await lock.acquire()

async def test_function():
    await acquire()

class Plain(unittest.TestCase):
    async def test(self):
        await acquire()
    @aio.loop("uvloop.new_event_loop")
    @aio.timeout(0.2)
    async def test_uvloop(self):
        await acquire()

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        await acquire()

class Wider(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await acquire()
    async def test(self): pass
"""
MP = """
[unittest]
plugins = nose2_aio
    nose2.plugins.mp
[multiprocess]
always-on = True
processes = 2
"""
CIRCLE = """
import asyncio, unittest

class Account:
    def __init__(self):
        self.lock = asyncio.Lock()

async def move(source, target):
    async with source.lock:
        await asyncio.sleep(0)
        async with target.lock:
            pass

class Case(unittest.TestCase):
    async def test(self):
        one, other = Account(), Account()
        await asyncio.gather(move(one, other), move(other, one))
"""

ENDED = """
import asyncio, unittest

class Limiter:
    def __init__(self):
        self.slot = asyncio.Semaphore(1)
    async def enter(self):
        await self.slot.acquire()

async def fetch(limiter):
    await limiter.enter()
    raise KeyError("bell")

class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.event = asyncio.Event()
    async def test_1_clears(self):
        self.event.set()
        self.event.clear()
    async def test_2_waits(self):
        await self.event.wait()
    async def test_failed(self):
        limiter = Limiter()
        await asyncio.gather(asyncio.create_task(fetch(limiter)), return_exceptions=True)
        await limiter.enter()
"""


@skipUnless(sys.version_info >= (3, 12), "Python 3.12 has sys.monitoring")
class Holders(TestCase):
    """Who holds a lock."""

    def test_kept(self) -> None:
        """It is known on any loop, in any kind of test, and in other processes."""
        made = Project(self, test_it=KEPT)
        made.write("mp.cfg", MP)
        for arguments in ((), ("--aio-workers", "2"), ("-c", "mp.cfg")):
            run = made.nose2(*arguments, plugin="-c" not in arguments)
            self.assertEqual(len(run.reports), 5, run.output)
            for report in run.reports:
                self.assertRegex(
                    report,
                    r"held by Task-\d+ \(keep\), which has ended, since test_it.py:7 in keep(;|\n)",
                )

    def test_circle(self) -> None:
        """Two tasks that wait for each other's locks are a circle."""
        made = Project(self, test_it=CIRCLE)
        run = made.nose2()
        self.assertRegex(
            run.output,
            r"\nstuck in a circle: Task-\d \(move\), at test_it.py:10 in move: waits for the lock "
            r"target.lock.*; Task-\d \(move\), at test_it.py:10 in move: ",
        )
        self.assertRegex(
            run.output,
            r"waits for the lock target.lock, held by Task-\d \(move\) since test_it.py:8 in move",
        )

    def test_ended(self) -> None:
        """The report says how the holder has ended, and who has called it, though it is gone."""
        made = Project(self, test_it=ENDED)
        run = made.nose2()
        self.assertIn(
            "it was cleared by a test or fixture, which has ended, at test_it.py:19 in "
            "test_1_clears",
            run.output,
        )
        self.assertRegex(
            run.output,
            r"held by Task-\d+ \(fetch\), which failed \(KeyError: 'bell', test_it.py:11 in "
            r"fetch\), since test_it.py:7 in enter, called at test_it.py:10 in fetch",
        )
