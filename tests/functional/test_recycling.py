"""A loop that is closed hands its open files on to the next one. No test can tell."""

from __future__ import annotations

import sys
from unittest import TestCase, skipUnless

from tests.runs import LOAD, Project

TESTS = """
import asyncio, os, signal, socket, threading, unittest

def files():
    return len(os.listdir("/proc/self/fd"))

class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = files()

    @classmethod
    def tearDownClass(cls):
        assert files() == cls.files, (files(), cls.files)

class Many(Base):
    def test_loops(self):
        async def step():
            await asyncio.sleep(0)
        for _ in range(2000):
            asyncio.run(step())

    async def test_own(self):
        self.assertEqual(files(), self.files)
        await asyncio.to_thread(str)

for number in range(300):
    async def test(self):
        await asyncio.sleep(0)
    setattr(Many, f"test_{number}", test)

class Spoilers(Base):
    async def test_1_leaked_reader(self):
        self.pair = socket.socketpair()
        self.addCleanup(lambda: [one.close() for one in self.pair])
        asyncio.get_running_loop().add_reader(self.pair[0], print)

    async def test_2_signal_handler(self):
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, came.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await came.wait()

    async def test_3_late_thread(self):
        loop = asyncio.get_running_loop()
        def wake():
            try:
                while True:
                    loop.call_soon_threadsafe(str)
            except RuntimeError:  # it is closed
                pass
        type(self).thread = threading.Thread(target=wake)
        self.thread.start()
        await asyncio.sleep(0.01)

    async def test_4_wakes(self):
        self.thread.join()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        self.assertGreaterEqual(asyncio.get_running_loop().time() - began, 0.0099)

    async def test_5_own_close(self):
        loop = asyncio.new_event_loop()
        loop.close()

class Forks(Base):
    @classmethod
    def setUpClass(cls):
        cls.pipe = os.pipe()
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        os.close(cls.pipe[0])
        os.close(cls.pipe[1])

    def fork(self, in_child):
        child = os.fork()
        if not child:
            try:
                in_child()
                os._exit(7)
            finally:
                os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)

    def test_1_spare(self):
        "The child process does not have the spare files."
        def use():
            before = files()
            assert before <= self.files - 3
            asyncio.run(asyncio.sleep(0))
            assert files() == before
        self.fork(use)

    async def test_2_open(self):
        "The child process uses the loop that it has inherited."
        loop = asyncio.get_running_loop()
        self.fork(lambda: loop.add_reader(self.pipe[0], str))
        self.fork(lambda: loop._close_self_pipe())
        await asyncio.to_thread(str)

    async def test_3_unchanged(self):
        os.write(self.pipe[1], b"x")
        self.assertEqual(asyncio.get_running_loop()._selector._selector.poll(0), [])
        await asyncio.to_thread(str)
"""


@skipUnless(sys.platform == "linux", "only Linux has epoll")
class Recycling(TestCase):
    """Tests that do all kinds of things with their loops, one after the other."""

    def test_together(self) -> None:
        """All pass, with workers too. Nothing is left open at the end."""
        project = Project(self, test_all=TESTS)
        for workers in ("0", "1"):
            arguments = ("-m", "nose2", *LOAD, f"--aio-workers={workers}")
            run = project.python("-W", "always::ResourceWarning", *arguments)
            self.assertEqual(run.ran, 310, run.output)
            self.assertTrue(run.output.endswith("\n\nOK\n"), run.output)
            self.assertNotIn("Warning", run.output)
