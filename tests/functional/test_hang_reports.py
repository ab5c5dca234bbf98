"""Hang reports: what is stuck, what has ended before, and where each task waits."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from unittest import TestCase, skipIf

from tests.runs import Project

UPLOADER = '''
import asyncio


class Uploader:
    """Takes jobs from a queue."""

    def __init__(self):
        self.jobs = asyncio.Queue(2)
        self.workers = []

    async def start(self, count=2):
        for number in range(count):
            self.workers.append(asyncio.create_task(self._work(), name=f"worker-{number}"))

    async def _work(self):
        while True:
            await self._send(await self.jobs.get())

    async def _send(self, item):
        if item == 3:
            raise ConnectionResetError("gone")
        self.jobs.task_done()

    async def finish(self):
        await self.jobs.join()


class Client:
    """Waits for a reply."""

    async def ask(self):
        self.reply = asyncio.get_running_loop().create_future()
        return await self.reply
'''
TESTS = """
import asyncio, time, unittest
import nose2_aio as aio
from uploader import Client, Uploader


class Hangs(unittest.TestCase):
    async def test_queue(self):
        uploader = Uploader()
        await uploader.start()
        for item in 1, 3, 3:
            await uploader.jobs.put(item)
        await uploader.finish()

    @aio.timeout(0.2)
    async def test_socket(self):
        async def serve(reader, writer):
            await gate.wait()

        gate = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reader.readline()

    async def test_circle(self):
        async def one():
            await second

        async def other():
            await asyncio.shield(first)

        first, second = asyncio.create_task(one(), name="a"), asyncio.create_task(other(), name="b")
        await first

    async def test_dead(self):
        async def pump():
            client.reply.set_result(1 / 0)

        async def run():
            try:
                await asyncio.create_task(pump(), name="pump")
            except ZeroDivisionError:
                pass

        client = Client()
        running = asyncio.create_task(run(), name="run")
        cancelled = asyncio.create_task(asyncio.sleep(60), name="sleeper")
        asyncio.get_running_loop().call_soon(cancelled.cancel)
        asyncio.get_running_loop().call_soon(self.fail, "so")
        await client.ask()

    async def test_gather(self):
        async def work(number):
            async with lock:
                if number == 1:
                    await asyncio.Event().wait()

        lock = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.gathers(*map(work, range(25))), name="gatherer")

    async def gathers(self, *members):
        await asyncio.gather(*members)

    @aio.timeout(0.2)
    async def test_job(self):
        def load(seconds):
            time.sleep(seconds)

        def fail():
            raise OSError("disk full")

        await asyncio.gather(asyncio.to_thread(fail), return_exceptions=True)
        await asyncio.to_thread(load, 0.3)

    @aio.timeout(0.2)
    async def test_timer(self):
        async def beat():
            while True:
                await asyncio.sleep(0.15)

        beating = asyncio.create_task(beat(), name="heart")
        done = asyncio.Event()
        handle = asyncio.get_running_loop().call_later(5, self.fail)
        asyncio.get_running_loop().call_later(float("inf"), self.fail)
        await done.wait()
"""

RETURNED = r", at test_it\.py:42 in run" if sys.version_info >= (3, 12) else ""
EXPECTED = {
    "test_queue": [
        (
            r"DeadlockError: .*\n\nstuck at uploader.py:25 in finish: "
            r"waits until all items of the queue Uploader.jobs are done, with 2 left.*; "
            r"nothing here could still wake it\n\n"
            r"Ended before:\n"
            r"  worker-0 \(Uploader\._work\) failed 0\.\d\d s before: ConnectionResetError: gone, "
            r"uploader\.py:21 in _send \(and 1 more like it\)\n"
        ),
    ],
    "test_socket": [
        (
            r"TimeLimitError: .*\n\nstuck: Task-\d+ \(serve\), at test_it.py:17 in serve: "
            r"waits for the event gate to be set; "
            r"only the listening socket at 127\.0\.0\.1:\d+, opened at test_it.py:20 in "
            r"test_socket could wake it\n\n"
            r"The test waits for data from the socket to 127\.0\.0\.1:\d+\.\n\n"
            r"Task-\d+ \(serve\):\n  test_it.py:17 in serve  await gate.wait\(\)\n  waits for"
        ),
    ],
    "test_circle": [
        (
            r"\n\nstuck in a circle: a \(one\), at test_it.py:26 in one: waits for b \(other\); "
            r"b \(other\), at test_it.py:29 in other: waits for a \(one\)\n\n"
            r"a \(one\), made at test_it.py:31 in test_circle:\n"
            r"  test_it.py:26 in one  await second\n  waits for b \(other\)\n\nb \(other\), made"
        ),
    ],
    "test_dead": [
        (
            r"\n\nstuck at uploader.py:33 in ask: waits for the future Client.reply, "
            r"made at uploader.py:32 in ask; nothing"
        ),
        (
            r"\n  pump \(pump\) failed 0\.\d\d s before: ZeroDivisionError: division by zero, "
            r"test_it.py:36 in pump\n"
        ),
        r"\n  the callback TestCase.fail failed 0\.\d\d s before: AssertionError: so, unittest/",
        r"\n  run \(run\) ended 0\.\d\d s before" + RETURNED + "\n",
        r"\n  sleeper \(sleep\) was cancelled 0\.\d\d s before\n",
    ],
    "test_gather": [
        r"\n\nstuck: Task-\d+ \(work\), at test_it.py:55 in work: waits for an event to be set; no",
        (
            r"\nThe test waits for gatherer \(Hangs.gathers\)\.\n\n"
            r"gatherer \(Hangs.gathers\), made at "
            r"test_it.py:59 in test_gather:\n  test_it.py:62 in gathers  await .*\n"
            r"  waits for Task-\d+ \(work\), .* and 20 more tasks \(1 of 25 done\)\n"
        ),
        (
            r"\n  test_it.py:53 in work  async with lock:\n  waits for the lock lock.*\n"
            r"  The same for 22 more: (Task-\d+, ){8}\.\.\.\n"
        ),
    ],
    "test_job": [
        (
            r"\n\nslow at test_it.py:73 in test_job: waits for the executor job load, "
            r"test_it.py:66, handed over at test_it.py:73 in test_job\n\nEnded before:\n"
            r"  the executor job fail, test_it.py:69 failed 0\.\d\d s before: OSError: disk full, "
            r"test_it.py:70 in fail \(and 1 more like it\)\n\n"
            r"A thread of the executor runs load, .*\n"
            r"  test_it.py:67 in load  time.sleep\(seconds\)\n"
        ),
    ],
    "test_timer": [
        (
            r"\n\nstuck at test_it.py:85 in test_timer: waits for the event done to be set; "
            r"only a timer of unittest in \d\.\d+ s "
            r"or heart \(beat\), which sleeps, 0\.\d+ s to go could wake it\n"
        ),
    ],
}

SIBLINGS = """
import asyncio, unittest
import nose2_aio as aio


async def fail(number):
    raise LookupError(number)


class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.failing = asyncio.create_task(fail(1), name="background")
        await asyncio.sleep(0)

    async def test(self):
        await asyncio.Event().wait()


class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.failing = asyncio.create_task(cls.fail_later(), name="background")

    @classmethod
    async def fail_later(cls):
        await asyncio.sleep(0)
        await fail(2)

    async def test_1(self):
        await asyncio.gather(asyncio.create_task(fail(3)), return_exceptions=True)

    async def test_2(self):
        await asyncio.Event().wait()


class Locks(unittest.TestCase):
    async def test(self):
        async def take(first, second):
            async with first:
                await asyncio.sleep(0)
                async with second:
                    pass

        one, other = asyncio.Lock(), asyncio.Lock()
        await asyncio.gather(take(one, other), take(other, one))


@aio.timeout(0.2)
async def test_function():
    await asyncio.gather(fail(4), return_exceptions=True)
    await asyncio.Event().wait()
"""

LIBRARY = '''
class Server:
    """Calls a handler in a task of its own."""

    async def serve(self, handler):
        await handler()


class Client:
    """Waits for a future of its own."""

    async def __aenter__(self):
        await self.connect()

    async def connect(self):
        await self.wait()

    async def wait(self):
        await asyncio.get_running_loop().create_future()

    async def __aexit__(self, *_): ...
'''


@skipIf(sys.platform == "win32", "the loop has no selector of ours there")
class HangReports(TestCase):
    """What a report says first, and what it leaves out."""

    def test_reports(self) -> None:
        """One line says what is stuck, and what could wake it. Then comes what ended before."""
        project = Project(self, test_it=TESTS, uploader=UPLOADER)
        run = project.nose2("-v")
        reports = {re.findall(r"Hangs\.(\w+)", report)[0]: report for report in run.reports}
        self.assertEqual(set(reports), set(EXPECTED), run.output)
        for name, patterns in EXPECTED.items():
            for pattern in patterns:
                with self.subTest(name):
                    self.assertRegex(reports[name], pattern)
            self.assertNotRegex(reports[name], r"<Future|_Gathering|nose2_aio/")

    def test_siblings(self) -> None:
        """What has ended is told for all kinds of tests, on other loops and in workers too."""
        project = Project(self, test_it=SIBLINGS)
        project.write("loops.py", "import asyncio\nother = asyncio.SelectorEventLoop\n")
        for arguments in (
            ["--aio-isolated-checks"],
            ["--aio-workers=2"],
            ["--aio-loop", "uvloop" if find_spec("uvloop") else "loops.other"],
        ):
            run = project.nose2("--aio-time-limit=0.2", *arguments)
            stuck = [report for report in run.reports if "stuck" in report]
            reports = {re.findall(r"test_it\.(\w+)", report)[0]: report for report in stuck}
            for name, number in (("Isolated", 1), ("Shared", 2), ("test_function", 4)):
                with self.subTest(name, arguments=arguments):
                    pattern = rf" failed 0\.\d\d s before: LookupError: {number}, test_it\.py:6"
                    self.assertRegex(reports[name], pattern)
            self.assertNotRegex(run.output, "asyncSetUp\\) ended|LookupError: 3")
            if sys.version_info >= (3, 12):
                self.assertRegex(
                    reports["Locks"],
                    r"stuck in a circle: Task-\d+ \(.*take\), at test_it.py:40 in take: "
                    r"waits for the lock second, held by Task-\d+ \(.*take\) since .*; Task-",
                )

    def test_libraries(self) -> None:
        """A wait in a library is named after what was called. Stuck handlers are told, too."""
        project = Project(
            self,
            test_it="""
            import asyncio, pathlib, sys, sysconfig, types, unittest

            library = types.ModuleType("library")
            vars(library).update(asyncio=asyncio)
            path = pathlib.Path(sysconfig.get_path("purelib"), "library.py")
            source = pathlib.Path("source.txt").read_text()
            exec(compile(source, str(path), "exec"), vars(library))

            class Case(unittest.TestCase):
                async def handle(self):
                    await asyncio.Event().wait()

                async def test(self):
                    loop = asyncio.get_running_loop()
                    serving = loop.create_task(library.Server().serve(self.handle), name="server")
                    loop.call_later(60, library.Client)
                    async with library.Client():
                        pass
            """,
        )
        project.write("source.txt", LIBRARY)
        (report, *_) = project.nose2("--aio-time-limit=0.2").reports
        self.assertRegex(
            report,
            r"\n\nstuck or slow at test_it.py:17 in test: waits in Client.connect of library; "
            r"only the timer for .*Client.* could wake it\n"
            r"also stuck: server \(Server.serve\), at test_it.py:11 in handle: waits for an event",
        )
