"""Coroutines that are never awaited: in jobs of a test, in its attributes, in mocks."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project, Run

HEAD = """
import asyncio, threading, time, unittest
from concurrent.futures import ThreadPoolExecutor
from unittest import mock
import nose2_aio as aio

async def save():
    pass

def work():
    save()

"""


def run_tests(case: TestCase, text: str, *arguments: str) -> Run:
    """Run tests that can call ``save`` and ``work``."""
    project = Project(case)
    project.write("test_it.py", HEAD + text)
    return project.nose2("-v", *arguments)


def places(run: Run) -> dict[str, str]:
    """Return the place of the finding in each test that fails, by the name of the test or class."""
    found = {}
    for report in run.reports:
        name = re.search(r"(?s).*end of the class [\w.]*?(\w+):|^\w+: [\w.]*?(\w+)(?= |\n)", report)
        place = re.search(r"^(\S+.*?): the coroutine \w+ was never awaited", report, re.MULTILINE)
        if name and place:
            found[name[1] or name[2]] = place[1]
    return found


class Jobs(TestCase):
    """Coroutines that a job drops, in a thread."""

    def test_jobs(self) -> None:
        """A job in the pool of the loop, or in a pool of the test, is a part of the test."""
        text = """
def later():
    time.sleep(0.02)
    save()

class Case(unittest.TestCase):
    async def test_to_thread(self):
        await asyncio.to_thread(work)
    async def test_executor(self):
        await asyncio.get_running_loop().run_in_executor(None, work)
    async def test_pool(self):
        with ThreadPoolExecutor() as pool:
            await asyncio.get_running_loop().run_in_executor(pool, work)
    async def test_default_pool(self):
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        await asyncio.to_thread(work)
    async def test_not_awaited(self):
        asyncio.get_running_loop().run_in_executor(None, later)

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_isolated(self):
        await asyncio.to_thread(work)

class Wide(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.to_thread(work)
    def test_wide(self):
        pass
"""
        line = "test_it.py:10 in work"
        for arguments in (), ("--aio-loop=uvloop",), ("--aio-workers=2",):
            with self.subTest(arguments):
                run = run_tests(self, text, "--aio-isolated-checks", *arguments)
                self.assertEqual(
                    places(run),
                    {
                        "test_to_thread": line,
                        "test_executor": line,
                        "test_pool": line,
                        "test_default_pool": line,
                        "test_not_awaited": "test_it.py:15 in later",
                        "test_isolated": line,
                        "Wide": line,
                    },
                    run.output,
                )

    def test_nobody_knows_whose(self) -> None:
        """What any other thread drops fails no test. A line is named in any case."""
        run = run_tests(
            self,
            """
def keeps():
    kept = save()

def drops_late():
    time.sleep(0.05)
    save()

class Case(unittest.TestCase):
    def test_1_thread(self):
        for function in work, keeps:
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()
    @aio.checks(leaked_tasks="ignore")
    async def test_2_outlived(self):
        pool = ThreadPoolExecutor()
        self.addCleanup(pool.shutdown, wait=False)
        asyncio.get_running_loop().run_in_executor(pool, drops_late)
    def test_3(self):
        time.sleep(0.1)
""",
        )
        self.assertEqual(run.returncode, 0, run.output)
        told = re.findall(r"^  (\S+ in .*): the coroutine save was", run.output, re.MULTILINE)
        self.assertEqual(
            told,
            [
                "test_it.py:10 in work, where it was dropped",
                "test_it.py:6 in save, its definition",
                "test_it.py:18 in drops_late",
            ],
            run.output,
        )


class Kept(TestCase):
    """Coroutines that an attribute keeps."""

    def test_kept(self) -> None:
        """They may be in nested containers, and in an object. Started ones are no findings."""
        run = run_tests(
            self,
            """
class Box:
    pass

class Slots:
    __slots__ = ("content",)

class Case(unittest.TestCase):
    async def test_nested(self):
        self.kept = {"x": [(save(),)]}
    async def test_object(self):
        self.box = Box()
        self.box.kept = [save()]
    def test_slots(self):
        self.boxes = [Slots()]
        self.boxes[0].content = save()
    async def test_clean(self):
        self.box = Box()
        self.box.circle = self.box
        self.box.task = asyncio.create_task(save())
        self.box.done = save()
        self.circle = [self.box]
        self.circle.append(self.circle)
        await self.box.done

class TestPlain:
    def test_plain(self):
        self.kept = [[save()]]

class Wide(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = [save()]
    def test(self):
        pass

class TestWide:
    @classmethod
    def setUpClass(cls):
        cls.box = Box()
        cls.box.kept = save()
    def test(self):
        pass

class Isolated(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = save()
        cls.addClassCleanup(cls.kept.close)
    async def test(self):
        pass

class Isolated2(Isolated):
    @classmethod
    def setUpClass(cls):
        cls.kept = save()
""",
        )
        self.assertEqual(
            places(run),
            {
                "test_nested": "test_it.py:21 in test_nested",
                "test_object": "test_it.py:24 in test_object",
                "test_slots": "test_it.py:27 in test_slots",
                "test_plain": "test_it.py:39 in test_plain",
                "Wide": "test_it.py:44 in setUpClass",
                "TestWide": "test_it.py:52 in setUpClass",
            },
            run.output,
        )


class HandedToMocks(TestCase):
    """Coroutines that a mock was called with."""

    def test_handed(self) -> None:
        """They are findings of ``never-awaited-mocks``, unless somebody awaits or closes them."""
        text = """
class Case(unittest.TestCase):
    @mock.patch("asyncio.wait_for", new_callable=mock.AsyncMock, side_effect=TimeoutError)
    async def test_patched(self, wait_for):
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(save(), 5)
    async def test_listed(self):
        mock.Mock()([save()], x=1)
    def test_kept(self):
        self.sent = mock.Mock(name="send")
        self.sent(coroutine=save())
    async def test_awaited(self):
        spawn = mock.Mock()
        spawn(save())
        await spawn.call_args[0][0]
    async def test_closed(self):
        mock.Mock(side_effect=lambda one: one.close())(save())
    async def test_wraps(self):
        await mock.AsyncMock(wraps=asyncio.wait_for)(save(), 5)
    def test_mistake(self):
        mock.Mock()()
        save()

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_isolated(self):
        mock.Mock()(save())
"""
        run = run_tests(self, text)
        self.assertEqual(list(places(run)), ["test_mistake"], run.output)
        told = re.findall(
            r"^test_it\.\w+\.(\w+)\n  \S+ in \w+: (.*)", run.output, flags=re.MULTILINE
        )
        end = "was called with, was never awaited (never-awaited-mocks)"
        self.assertEqual(
            told,
            [
                ("test_kept", f"the coroutine save, which the mock send {end}"),
                ("test_listed", f"the coroutine save, which the mock {end}"),
                ("test_patched", f"the coroutine save, which the mock wait_for {end}"),
            ],
            run.output,
        )
        run = run_tests(self, text, "--aio-strict")
        failed = [name for name, outcome in run.outcomes.items() if outcome != "ok"]
        self.assertEqual(
            [name.rpartition(".")[2] for name in failed],
            ["test_kept", "test_listed", "test_mistake", "test_patched", "test_isolated"],
            run.output,
        )
