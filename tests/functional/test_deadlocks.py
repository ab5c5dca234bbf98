"""Deadlocks: a test that can never finish fails at once. Other tests are left alone."""

from __future__ import annotations

import re
import sys
from unittest import TestCase, skipIf

from tests.runs import Project

HEAD = """
import asyncio, os, signal, subprocess, threading, time, unittest
from concurrent.futures import ThreadPoolExecutor
import nose2_aio as aio

"""
MESSAGE = "DeadlockError: it can never finish: nothing is left that could wake its event loop\n"


@skipIf(sys.platform == "win32", "the loop has no selector of ours there")
class Deadlocks(TestCase):
    """Tests that can never finish, and tests that only look so."""

    def project(self, code: str) -> Project:
        """Return a project with one module."""
        made = Project(self, test_it="")
        made.write("test_it.py", HEAD + code)
        return made

    def test_dead(self) -> None:
        """A deadlock fails with a report, whatever it waits for, in fixtures too, limit or not."""
        run = self.project("""
class Dead(unittest.TestCase):
    async def test_circle(self):
        async def one():
            await second
        async def other():
            await first
        first, second = asyncio.create_task(one()), asyncio.create_task(other())
        await first
    async def test_at_infinity(self):
        asyncio.get_running_loop().call_later(float("inf"), print).cancel()
        async with asyncio.timeout(float("inf")):
            await asyncio.wait_for(asyncio.Event().wait(), float("inf"))
    async def test_event(self):
        await asyncio.Event().wait()
    async def test_executor(self):
        await asyncio.to_thread(int)
        with ThreadPoolExecutor() as pool:
            await asyncio.get_running_loop().run_in_executor(pool, int)
            await asyncio.Event().wait()
    @aio.timeout(60)
    async def test_limited(self):
        async with asyncio.Lock() as lock, asyncio.timeout(None):
            await asyncio.get_running_loop().create_future()
    async def test_queue(self):
        queue = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(queue.get(), name="getter")
    async def test_swallows(self):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

class SetUp(unittest.TestCase):
    async def setUp(self):
        await asyncio.Event().wait()
    async def test(self): pass

class SetUpClass(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.Event().wait()
    async def test(self): pass

class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls): pass
    async def test(self):
        await asyncio.Event().wait()
    async def test_next(self): pass

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        await asyncio.Event().wait()
    async def test(self):
        await asyncio.Event().wait()

class IsolatedSlow(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        await asyncio.sleep(0.3)
    async def test(self):
        await asyncio.Event().wait()

class IsolatedCircle(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        async def one():
            await second
        async def other():
            await first
        first, second = asyncio.create_task(one()), asyncio.create_task(other())
        await first
    def test_next(self):
        asyncio.get_event_loop().run_forever()

class OwnRun(unittest.TestCase):
    async def setUp(self):
        self.loop = asyncio.get_running_loop()
    def test(self):
        self.loop.run_until_complete(asyncio.Event().wait())
""").nose2("-v", "--aio-grace=0.1")
        reports = [report.partition("\n")[0] for report in run.reports]
        self.assertEqual(len(reports), 16, run.output)
        self.assertEqual("".join(run.reports).count(MESSAGE), 16, run.output)
        self.assertFalse([one for one in reports if "test_it.Shared.test_next" in one], reports)
        for line in (
            "stuck in a circle: Task-",
            "stuck at test_it.py:19 in test_event: waits for an event to be set; nothing here",
            "stuck: getter (Queue.get): waits for an item of the queue queue; ",
            (
                "\n\nThe test waits for getter (Queue.get).\n\n"
                "getter (Queue.get), made at test_it.py:32 in test_queue:\n"
                "  waits for an item of the queue queue"
            ),
            "in test_limited: waits for a future, made at test_it.py:28 in test_limited; nothing",
            " (Event.wait): waits for an event to be set; nothing here could still wake it\n\nT",
        ):
            self.assertIn(line, run.output)

    def test_alive(self) -> None:
        """A test is no deadlock if a thread, process, signal or file may still wake it."""
        run = self.project("""
class Alive(unittest.TestCase):
    async def test_executors(self):
        await asyncio.to_thread(time.sleep, 0.05)
        with ThreadPoolExecutor() as pool:
            await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.05)
    async def test_file(self):
        reader, writer = os.pipe()
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(reader, done.set)
        subprocess.Popen(["sh", "-c", f"sleep 0.05; echo >&{writer}"], pass_fds=[writer])
        await done.wait()
        asyncio.get_running_loop().remove_reader(reader)
        os.close(reader), os.close(writer)
    async def test_process(self):
        process = await asyncio.create_subprocess_exec("sleep", "0.05")
        await process.wait()
    async def test_signal(self):
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGUSR1, signal.SIGINT):
            loop.add_signal_handler(number, done.set)
            subprocess.Popen(["sh", "-c", f"sleep 0.05; kill -{number} {os.getpid()}"])
            await done.wait()
            loop.remove_signal_handler(number)
            done.clear()
    async def test_signal_handler(self):
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        before = signal.signal(
            signal.SIGUSR2, lambda *_: loop.call_soon_threadsafe(done.set)
        )
        subprocess.Popen(["sh", "-c", f"sleep 0.05; kill -USR2 {os.getpid()}"])
        await done.wait()
        signal.signal(signal.SIGUSR2, before)
    async def test_thread(self):
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Timer(0.05, loop.call_soon_threadsafe, [done.set]).start()
        await done.wait()
""").nose2("-v")
        self.assertEqual(set(run.outcomes.values()), {"ok"}, run.output)
        self.assertEqual(run.ran, 6)

    def test_last_thread_ends(self) -> None:
        """A test fails as soon as the last thread that could have woken it has ended."""
        run = self.project("""
class Forsaken(unittest.TestCase):
    async def test(self):
        threading.Thread(target=time.sleep, args=[0.2]).start()
        await asyncio.Event().wait()
""").nose2("--aio-time-limit=30", "--aio-durations=1")
        self.assertIn(MESSAGE, run.output)
        found = re.search(r"^ +([\d. ]+?) +test_it\.Forsaken\.test$", run.output, re.MULTILINE)
        assert found, run.output
        _, _, timers, _, threads, _ = found[1].split()
        self.assertGreater(float(threads), float(timers), run.output)

    def test_off(self) -> None:
        """With ``deadlocks = ignore``, only the time limit ends the test."""
        run = self.project("""
async def test():
    await asyncio.Event().wait()
""").nose2("--aio-deadlocks=ignore", "--aio-time-limit=0.05")
        self.assertIn("TimeLimitError", run.output)
        self.assertNotIn("DeadlockError", run.output)
