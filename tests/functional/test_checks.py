"""The checks at the end of each test: findings, attribution, and what follows."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import TestCase

from tests.runs import Project, Run

HELPERS = """
import asyncio

async def fetch():
    return 1

async def fails():
    raise ValueError("no")

async def poll():
    while True:
        await asyncio.sleep(10)

async def numbers():
    for number in range(10):
        yield number
"""


def found(run: Run, name: str) -> str:
    """Return what the report says of the one test of that name, or the summary at the end."""
    reports = [one for one in run.reports if one.startswith((f"FAIL: {name} ", f"ERROR: {name} "))]
    told = re.findall(rf"^test_it\.\w+\.{name}\n((?:  .*\n)+)", run.output, re.MULTILINE)
    (one,) = [report.rpartition("-" * 70 + "\n")[2] for report in reports] + told
    return str(one)


class Found(TestCase):
    """What each check finds."""

    def project(self, body: str) -> Project:
        """Return a project that has a class with these tests."""
        lines = body.strip("\n").splitlines()
        code = "\n".join(f"    {line}" for line in lines)
        project = Project(self, test_it="", helpers="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            "import asyncio, unittest, warnings\n"
            "from unittest import mock\n"
            "import nose2_aio as aio\n"
            "from helpers import *\n"
            "class Case(unittest.TestCase):\n" + code + "\n",
        )
        return project

    def run_tests(self, body: str, *arguments: str) -> Run:
        """Run a class with these tests."""
        return self.project(body).nose2("-v", *arguments)

    def test_never_awaited(self) -> None:
        """A coroutine that nobody awaits fails the test, dropped or kept, also in a sync test."""
        run = self.run_tests("""
async def test_dropped(self):
    fetch()
async def test_kept(self):
    self.kept = fetch()
def test_sync(self):
    fetch()
def test_listed(self):
    self.kept = [1, fetch()]
""")
        for name, line in (("dropped", 7), ("kept", 9), ("sync", 11), ("listed", 13)):
            self.assertEqual(
                found(run, f"test_{name}"),
                "nose2_aio.errors.CheckError: this was found at the end of the test:\n\n"
                f"test_it.py:{line} in test_{name}: "
                "the coroutine fetch was never awaited (never-awaited)\n",
                run.output,
            )
        self.assertNotIn("RuntimeWarning", run.output)

    def test_never_awaited_mocks(self) -> None:
        """The unawaited call of an AsyncMock is reported, but the test passes."""
        run = self.run_tests("""
async def test_mock(self):
    client = mock.AsyncMock(name="client")
    client.close()
""")
        self.assertEqual(run.returncode, 0, run.output)
        self.assertEqual(
            found(run, "test_mock"),
            "  test_it.py:8 in test_mock: the coroutine of the AsyncMock client.close was never "
            "awaited (never-awaited-mocks)\n",
        )

    def test_caught_warning(self) -> None:
        """A test that catches Python's warning about a lost coroutine passes; any other fails.

        From Python 3.14 on, warning filters can live in a context variable. It is the same then.
        """
        project = self.project("""
async def test_asserted(self):
    with self.assertWarns(RuntimeWarning):
        fetch()
async def test_asserted_in_a_task(self):
    await asyncio.create_task(self.test_asserted())
async def test_ignored(self):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fetch()
def test_asserted_without_a_loop(self):
    with self.assertWarns(RuntimeWarning):
        fetch()
async def test_lost_later(self):
    with self.assertWarns(RuntimeWarning):
        fetch()
    fetch()
""")
        for is_aware in (0, 1):
            with self.subTest(is_aware=is_aware):
                option = f"context_aware_warnings={is_aware}"  # older Pythons ignore it
                load = ("-m", "nose2", "--no-user-config", "--plugin", "nose2_aio")
                run = project.python("-X", option, *load, "-v")
                failed = [name for name, outcome in run.outcomes.items() if outcome != "ok"]
                self.assertEqual(failed, ["test_it.Case.test_lost_later"], run.output)
                self.assertEqual(run.ran, 5)

    def test_lost_exceptions(self) -> None:
        """An exception that nobody retrieves fails the test: in tasks, threads, callbacks."""
        run = self.run_tests("""
async def test_dropped(self):
    asyncio.create_task(fails())
    await asyncio.sleep(0.001)
async def test_kept(self):
    self.task = asyncio.create_task(fails(), name="kept")
    await asyncio.sleep(0.001)
async def test_thread(self):
    self.job = asyncio.get_running_loop().run_in_executor(None, int, "no")
    while not self.job.done():
        await asyncio.sleep(0.001)
async def test_callback(self):
    asyncio.get_running_loop().call_soon(self.callback)
    await asyncio.sleep(0.001)
def callback(self):
    raise LookupError("callback")
""")
        head = "nose2_aio.errors.CheckError: this was found at the end of the test:\n\n"
        self.assertRegex(
            found(run, "test_dropped"),
            rf"^{head}test_it.py:7 in test_dropped: the task Task-\d+ \(fails\) failed, and nobody "
            r"asked for it \(lost-exceptions\)\n"
            r"  helpers.py:7 in fails  raise ValueError\(\"no\"\)\n  ValueError: no\n",
        )
        self.assertIn(
            "test_it.py:10 in test_kept: the task kept (fails) failed", found(run, "test_kept")
        )
        self.assertIn(
            "test_it.py:13 in test_thread: a future failed, and nobody asked for it "
            "(lost-exceptions)\n  ValueError: invalid literal for int() with base 10: 'no'",
            found(run, "test_thread"),
        )
        self.assertIn("test_it.py:20 in callback: Exception in", found(run, "test_callback"))

    def test_deleted_task(self) -> None:
        """A task that is deleted before it ends fails the test, with its name and line."""
        run = self.run_tests("""
async def test_deleted(self):
    asyncio.create_task(self.waits())
    await asyncio.sleep(0)
    __import__("gc").collect()
async def waits(self):
    await asyncio.Future()
""")
        self.assertRegex(
            found(run, "test_deleted"),
            r"\n\ntest_it.py:7 in test_deleted: the task Task-\d+ \(Case.waits\) was deleted while "
            r"it was pending: nothing else referred to it \(lost-exceptions\)\n$",
        )

    def test_handled_exceptions(self) -> None:
        """A test with its own exception handler, or assertLogs, handles the exception."""
        run = self.run_tests("""
async def test_handler(self):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, told_of: told.append(told_of))
    asyncio.get_running_loop().call_soon(int, "no")
    await asyncio.sleep(0.001)
    self.assertEqual(len(told), 1)
async def test_log(self):
    with self.assertLogs("asyncio"):
        asyncio.get_running_loop().call_soon(int, "no")
        await asyncio.sleep(0.001)
""")
        self.assertEqual(run.returncode, 0, run.output)

    def test_leaks(self) -> None:
        """Leaked tasks, timers, async generators and transports are reported."""
        run = self.run_tests("""
async def test_task(self):
    asyncio.create_task(poll(), name="poller")
    await asyncio.sleep(0)
async def test_timer(self):
    asyncio.get_running_loop().call_later(30, self.fail)
async def test_asyncgen(self):
    self.numbers = numbers()
    await anext(self.numbers)
async def test_server(self):
    self.server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    address = self.server.sockets[0].getsockname()
    self.reader, self.writer = await asyncio.open_connection(*address)
async def test_process(self):
    self.process = await asyncio.create_subprocess_exec("sleep", "0.05")
""")
        self.assertEqual(run.returncode, 0, run.output)
        for name, *lines in (
            (
                "test_task",
                (
                    r"test_it.py:7 in test_task: the task poller \(poll\) was still pending "
                    r"\(leaked-tasks\)"
                ),
                r"  helpers.py:11 in poll  await asyncio.sleep\(10\)",
                r"  sleeps, .* s to go",
            ),
            (
                "test_timer",
                (
                    r"test_it.py:10 in test_timer: a timer was still set, to call TestCase.fail, "
                    r"unittest/.* in 30 s "
                    r"\(leaked-timers\)"
                ),
            ),
            (
                "test_asyncgen",
                (
                    r"test_it.py:13 in test_asyncgen: the async generator numbers was started, and "
                    r"neither finished nor closed \(open-asyncgens\)"
                ),
            ),
            (
                "test_server",
                (
                    r"test_it.py:15 in test_server: a server on 127\.0\.0\.1:\d+ was "
                    r"still open "
                    r"\(open-transports\)"
                ),
                (
                    r"test_it.py:17 in test_server: a transport to 127\.0\.0\.1:\d+ was "
                    r"still open "
                    r"\(open-transports\)"
                ),
            ),
            (
                "test_process",
                (
                    r"test_it.py:19 in test_process: the transport of the subprocess \d+ was still "
                    r"open \(open-transports\)"
                ),
            ),
        ):
            told = found(run, name).splitlines()
            self.assertEqual(len(told), len(lines), told)
            for one, line in zip(told, lines, strict=True):
                self.assertRegex(one, f"^  {line}$")

    def test_clean(self) -> None:
        """Code that cleans up after itself has no findings, also when all checks fail tests."""
        run = self.run_tests(
            """
async def test_awaited(self):
    await asyncio.gather(fetch(), fetch())
    async with asyncio.TaskGroup() as group:
        group.create_task(fetch())
    await asyncio.wait_for(fetch(), 10)
    async with asyncio.timeout(10):
        await fetch()
    with self.assertRaises(ValueError):
        await asyncio.create_task(fails())
    await asyncio.to_thread(int, "1")
async def test_ends_soon(self):
    asyncio.create_task(fetch())
async def test_broken_off(self):
    async for number in numbers():
        break
async def test_broken_off_in_a_task(self):
    generator = numbers()
    await asyncio.gather(anext(generator))
async def test_cancelled(self):
    task = asyncio.create_task(poll())
    timer = asyncio.get_running_loop().call_later(30, print)
    self.addCleanup(task.cancel)
    self.addCleanup(timer.cancel)
async def test_closed(self):
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reader.read()
        writer.close()
        await writer.wait_closed()
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
async def test_closed_coroutine(self):
    fetch().close()
async def test_mock(self):
    await mock.AsyncMock()()
async def test_kept(self):
    self.numbers = [number async for number in numbers()]
    self.generator = numbers()
    async for number in self.generator:
        pass
    self.timer = asyncio.get_running_loop().call_later(30, print)
    self.timer.cancel()
    self.done = asyncio.get_running_loop().call_later(0, int)
    await asyncio.sleep(0.001)
async def test_ending(self):
    async def slowly():
        try:
            await poll()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
    self.task = asyncio.create_task(slowly())
    await asyncio.sleep(0)
    self.task.cancel()
def test_runs_its_own(self):
    asyncio.run(fetch())
@unittest.expectedFailure
async def test_expected(self):
    self.fail()
async def test_skips(self):
    self.skipTest("now")
""",
            "--aio-strict",
        )
        self.assertEqual(run.returncode, 0, run.output)
        self.assertNotIn("The checks found", run.output)
        self.assertNotIn("destroyed", run.output)

    def test_failed_already(self) -> None:
        """If the test or the fixture has already failed, the findings are added to its report."""
        project = self.project("""
async def test_failed(self):
    fetch()
    self.fail("mine")
async def test_subtests(self):
    self.task = asyncio.create_task(poll())
    for number in 1, 2:
        with self.subTest(number=number):
            self.fail("mine")
async def test_skipped(self):
    self.skipTest("now")
""")
        project.write(
            "test_fixture.py",
            """
import unittest
from helpers import fetch
class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        fetch()
        raise ValueError("mine")
    async def test(self): pass
""",
        )
        for arguments in (), ("--aio-workers=2",), ("--plugin", "nose2.plugins.mp", "-N", "2"):
            with self.subTest(arguments):
                run = project.nose2(*arguments)
                self.assertEqual(len(run.reports), 4, run.output)
                self.assertNotIn("failed no test", run.output)
                head = "\nalso found in this test"
                cause = f"{head}, perhaps the cause:\n\ntest_it.py:7 in test_failed: "
                for test, text in (
                    ("FAIL: test_failed ", f"{cause}the coroutine fetch"),
                    ("(number=1)", f"{head}:\n\ntest_it.py:10 in test_subtests: the task"),
                    ("setUpClass", "\n\ntest_fixture.py:6 in setUpClass: the coroutine fetch"),
                ):
                    report = next(one for one in run.reports if test in one)
                    self.assertIn("mine", report.partition(text)[0])
                    self.assertIn(text, report)
                self.assertEqual(run.output.count(" in test_subtests: the task"), 1, run.output)

    def test_told_once(self) -> None:
        """The error of the test is no finding, too. asyncio's log has nothing that is reported."""
        body = """
async def test_lost(self):
    asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
async def test_callback(self):
    asyncio.get_running_loop().call_soon(int, "no")
    await asyncio.sleep(0)
async def test_raised(self):
    error = ValueError("no")
    asyncio.get_running_loop().call_exception_handler({"message": "m", "exception": error})
    raise RuntimeError("mine") from error
async def test_run(self):
    self.ran = []
    @aio.run_until_complete
    async def inner():
        asyncio.get_running_loop().call_soon(int, "inner")
        await asyncio.sleep(0)
    await asyncio.to_thread(inner)
"""
        project = self.project(body)
        run = project.nose2()
        self.assertEqual(len(run.reports), 3, run.output)
        raised = next(one for one in run.reports if "test_raised" in one)
        self.assertNotIn("lost-exceptions", raised)
        logged = [line for line in run.output.splitlines() if "ERROR:asyncio" in line]
        self.assertEqual(len(logged), 1, run.output)  # nobody looks at what ``inner`` leaves
        self.assertIn("base 10: 'inner'", run.output)
        run = project.nose2("--aio-lost-exceptions=ignore")
        self.assertEqual(run.output.count("ERROR:asyncio"), 4, run.output)
        self.assertEqual(len(run.reports), 1, run.output)

    def test_asyncgen_fails(self) -> None:
        """An error in an async generator that we close belongs to ``open-asyncgens``."""
        body = """
async def broken(self):
    try:
        yield
    finally:
        raise ValueError("no")
async def test_open(self):
    self.generator = self.broken()
    await anext(self.generator)
"""
        run = self.run_tests(body)
        self.assertEqual(run.returncode, 0, run.output)
        self.assertEqual(
            found(run, "test_open"),
            "  test_it.py:13 in test_open: the async generator Case.broken was started, and "
            "neither finished nor closed (open-asyncgens)\n"
            "  test_it.py:13 in test_open: the async generator Case.broken failed when it was "
            "closed at the end (open-asyncgens)\n"
            '    test_it.py:10 in broken  raise ValueError("no")\n'
            "    ValueError: no\n",
        )
        self.assertNotIn("ERROR:asyncio", run.output)

    def test_libraries(self) -> None:
        """A finding takes one line if it is wholly in a library."""
        project = self.project("""
async def test_it(self):
    import library
    library.start()
    await asyncio.sleep(0)
    self.fail("mine")
""")
        project.write(
            "site-packages/library.py",
            """
import asyncio
def start():
    first()
def first():
    second()
def second():
    third()
def third():
    tasks.append(asyncio.create_task(waits(), name="W"))
    tasks.append(asyncio.create_task(fails(), name="F"))
async def waits():
    await asyncio.sleep(9)
async def fails():
    raise ValueError("no")
tasks = []
""",
        )
        project.write(
            "run.py",
            f"""
import sys
sys.path.insert(0, {str(project.folder / "site-packages")!r})
import nose2
nose2.main(module=None)
""",
        )
        run = project.python("run.py", "--no-user-config", "--plugin", "nose2_aio")
        told = run.output.partition("perhaps the cause:\n\n")[2].partition("\n\n")[0]
        self.assertEqual(
            told.splitlines(),
            [
                "library.py:9 in third: the task W (waits) was still pending (leaked-tasks)",
                (
                    "library.py:10 in third: the task F (fails) failed, and nobody asked for it: "
                    "ValueError: no (lost-exceptions)"
                ),
            ],
            run.output,
        )

    def test_innocent(self) -> None:
        """A coroutine lost in a reference cycle by other code fails no later coroutine test."""
        run = self.run_tests("""
def test_1(self):
    circle = [fetch()]
    circle.append(circle)
async def test_2(self):
    await fetch()
""")
        self.assertEqual(run.returncode, 0, run.output)
        self.assertIn("unknown test\n  test_it.py:7 in test_1: the coroutine fe", run.output)

    def test_mixed_filters(self) -> None:
        """Warning filters that are restored in the wrong order disable no check."""
        run = self.run_tests("""
async def waits(self, seconds):
    with warnings.catch_warnings():
        await asyncio.sleep(seconds)
async def test_1(self):
    await asyncio.gather(self.waits(0.001), self.waits(0.01))
async def test_2(self):
    fetch()
@classmethod
def setUpClass(cls):
    fetch.__doc__ = ""
""")
        self.assertEqual(len(run.reports), 1, run.output)

    def test_class_filters(self) -> None:
        """Warning filters that a class sets for its tests apply."""
        run = self.run_tests("""
@classmethod
def setUpClass(cls):
    cls.enterClassContext(warnings.catch_warnings())
    warnings.simplefilter("ignore", RuntimeWarning)
async def test(self):
    fetch()
""")
        self.assertEqual(run.returncode, 0, run.output)

    def test_too_late(self) -> None:
        """A finding that comes after the end of its test is reported with the test's name."""
        run = self.run_tests("""
async def test_circle(self):
    circle = [fetch()]
    circle.append(circle)
def test_then(self):
    import gc
    gc.collect()
""")
        self.assertIn("test_it.py:7 in test_circle: the coroutine fetch was never", run.output)


class Kinds(TestCase):
    """Tests of every kind are checked."""

    def test_kinds(self) -> None:
        """Functions, test classes, parameters, generated tests and ``such`` scenarios."""
        project = Project(self, test_it="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            """
from nose2.tools import params, such
from helpers import *

def test_function():
    fetch()

class TestClass:
    def test_kept(self):
        self.kept = fetch()

@params(1, 2)
async def test_params(number):
    fetch()

def check(number):
    fetch()

def test_generates():
    for number in range(2):
        yield check, number

with such.A("thing") as it:
    @it.should("be checked")
    async def case():
        fetch()
it.createTests(globals())
""",
        )
        run = project.nose2("-v", "--plugin", "nose2.plugins.layers")
        self.assertEqual(set(run.outcomes.values()), {"FAIL"}, run.output)
        found = re.findall(r"in \w+: the coroutine fetch was never awaited", run.output)
        self.assertEqual(len(found), 7, run.output)


class Attribution(TestCase):
    """On a shared loop, each finding is attributed to the test that caused it."""

    def test_class(self) -> None:
        """What a class fixture started belongs to no test. A test's leftovers end with it."""
        project = Project(self, test_it="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            """
import unittest
from helpers import *

async def serve():
    while True:
        await asyncio.sleep(0)
        task = asyncio.create_task(fetch())
        await task

class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.served = asyncio.create_task(serve())
        cls.timer = asyncio.get_running_loop().call_later(100, print)

    @classmethod
    async def tearDownClass(cls):
        cls.served.cancel()

    async def test_1(self):
        await asyncio.sleep(0.001)

    async def test_2(self):
        self.task = asyncio.create_task(poll())
        asyncio.get_running_loop().call_later(100, print)
        await asyncio.sleep(0)

    async def test_3(self):
        self.assertEqual(
            {task.get_coro().__name__ for task in asyncio.all_tasks()} - {"fetch"},
            {"serve", "_serve"},
        )
""",
        )
        run = project.nose2("-v")
        self.assertEqual(run.returncode, 0, run.output)
        told = run.output.partition("The checks found")[2]
        self.assertTrue(told.startswith(" 3 things that"), run.output)
        self.assertNotIn("test_1", told)
        self.assertNotIn("test_3", told)
        self.assertIn("test_it.py:24 in test_2: the task", told)
        self.assertIn("test_it.py:25 in test_2: a timer", told)
        self.assertIn("test_it.Case\n  test_it.py:14 in setUpClass: a timer was still set", told)

    def test_dropped_in_fixtures(self) -> None:
        """A coroutine dropped by a class fixture, async or not, fails the fixture."""
        project = Project(self, test_it="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            """
import unittest
from helpers import *

class Async(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        fetch()
    def test_1(self): pass

class Sync(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        fetch()
    def test_2(self): pass
""",
        )
        run = project.nose2()
        self.assertEqual(len(run.reports), 2, run.output)
        self.assertIn("end of the class test_it.Async:\n\ntest_it.py:7 in setUpCl", run.output)
        self.assertIn("end of the class test_it.Sync:\n\ntest_it.py:13 in setUpC", run.output)
        self.assertNotIn("nose2_aio/", run.output)

    def test_own_loop(self) -> None:
        """What is left on a loop that the test created and closed is reported."""
        project = Project(self, test_it="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            """
import unittest
from helpers import *

class Case(unittest.TestCase):
    def setUp(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
    def tearDown(self):
        self.loop.close()
        asyncio.set_event_loop(None)
    async def test(self):
        self.task = asyncio.create_task(poll())
        self.failed = asyncio.create_task(fails())
        await asyncio.sleep(0.001)
""",
        )
        run = project.nose2()
        self.assertIn("test_it.py:12 in test: the task", run.output)
        self.assertEqual(len(run.reports), 1, run.output)
        self.assertIn("test_it.py:13 in test: the task", run.reports[0])

    def test_layers(self) -> None:
        """A lost exception fails a test that has layers."""
        project = Project(self, test_it="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            """
import unittest
from helpers import *

class Layer:
    @classmethod
    async def testSetUp(cls): pass

class Case(unittest.TestCase):
    layer = Layer
    async def test(self):
        self.task = asyncio.create_task(fails())
        await asyncio.sleep(0.001)
""",
        )
        run = project.nose2("--plugin", "nose2.plugins.layers")
        self.assertIn("test_it.py:11 in test: the task", run.reports[0])

    def test_fixtures_fail(self) -> None:
        """If a check is set to fail, leftovers of a class or module fail that."""
        project = Project(self, test_it="")
        project.write("helpers.py", HELPERS)
        project.write(
            "test_it.py",
            """
import unittest
from helpers import *

async def setUpModule():
    globals()["task"] = asyncio.create_task(poll())
    await asyncio.sleep(0)

class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.task = asyncio.create_task(fails())

    async def test(self):
        await asyncio.sleep(0.001)
""",
        )
        run = project.nose2("--aio-leaked-tasks=fail")
        self.assertEqual(len(run.reports), 2, run.output)
        self.assertIn("test_it.py:11 in setUpClass: the task", run.reports[0])
        self.assertIn("test_it.py:5 in setUpModule: the task", run.reports[1])


class Modes(TestCase):
    """The modes of a check: fail, warn, ignore."""

    CODE = """
import unittest
import nose2_aio as aio
from helpers import *

class Case(unittest.TestCase):
    async def test_plain(self):
        fetch()

    @aio.checks(never_awaited="ignore")
    async def test_ignored(self):
        fetch()

@aio.checks(never_awaited="warn", leaked_tasks="fail")
class Tagged(unittest.TestCase):
    async def test_warned(self):
        fetch()

    async def test_task(self):
        asyncio.create_task(poll())
        await asyncio.sleep(0)

@aio.checks(leaked_tasks="ignore")
class Inherited(Tagged):
    pass

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_isolated(self):
        fetch()
        self.task = asyncio.create_task(poll())
        asyncio.get_running_loop().call_later(100, print)
        await asyncio.sleep(0)
"""

    def setUp(self) -> None:
        """Create the project."""
        self.project = Project(self, test_it="")
        self.project.write("helpers.py", HELPERS)
        self.project.write("test_it.py", self.CODE)

    def failing(self, *arguments: str) -> tuple[set[str], str]:
        """Return the names of the tests that fail, and the findings at the end of the run."""
        run = self.project.nose2("-v", *arguments)
        names = set(re.findall(r"^FAIL: (\w+)", run.output, re.MULTILINE))
        return names, run.output.partition("The checks found")[2].partition("\nFAIL ")[0]

    def test_tags(self) -> None:
        """A tag wins over the settings, a function's over its class's, that over its base's."""
        names, findings = self.failing()
        self.assertEqual(names, {"test_plain", "test_task"})
        self.assertEqual(findings.count("the coroutine fetch was never awaited"), 2)
        self.assertNotIn("test_ignored", findings)
        self.assertNotIn("Inherited.test_task", findings)

    def test_settings(self) -> None:
        """Settings apply to tests without a tag."""
        names, findings = self.failing("--aio-never-awaited=warn")
        self.assertEqual(names, {"test_task"})
        self.assertIn("test_plain", findings)
        names, findings = self.failing("--aio-never-awaited=ignore")
        self.assertEqual(names, {"test_task"})
        self.assertNotIn("test_plain", findings)

    def test_off(self) -> None:
        """If the check is off, Python warns as usual."""
        off = ("--aio-never-awaited=ignore", "--aio-never-awaited-mocks=ignore")
        run = self.project.nose2(*off)
        self.assertIn("RuntimeWarning: coroutine 'fetch' was never awaited", run.output)

    def test_own_cleanups(self) -> None:
        """A class that overrides ``doCleanups`` is checked, and its override is called once."""
        self.project.write(
            "test_it.py",
            """
import unittest
from helpers import *

class Case(unittest.TestCase):
    def doCleanups(self):
        print("cleaning up")
        return super().doCleanups()

    async def test_plain(self):
        fetch()
""",
        )
        names, _ = self.failing()
        self.assertEqual(names, {"test_plain"})
        self.assertEqual(self.project.nose2().output.count("cleaning up"), 1)

    def test_isolated(self) -> None:
        """A setting turns the checks on for IsolatedAsyncioTestCase."""
        run = self.project.nose2("--aio-isolated-checks")
        self.assertEqual(len(run.reports), 3, run.output)
        report = next(one for one in run.reports if "test_isolated" in one)
        mistake, _, also = report.partition("also found:")
        self.assertIn("test_it.py:28 in test_isolated: the coroutine", mistake)
        self.assertIn("test_it.py:29 in test_isolated: the task", also)
        self.assertIn("test_it.py:30 in test_isolated: a timer", also)

    def test_strict(self) -> None:
        """All checks fail tests, also IsolatedAsyncioTestCase, unless a tag says otherwise."""
        names, findings = self.failing("--aio-strict", "--aio-never-awaited=ignore")
        self.assertEqual(names, {"test_plain", "test_task", "test_isolated"})
        self.assertNotIn("test_isolated", findings)
        self.assertNotIn("test_ignored", findings)

    def test_workers(self) -> None:
        """Worker processes have the same findings. They are shown at the end of the run."""
        alone, here = self.failing("--aio-leaked-timers=fail"), self.failing()
        workers = ("--plugin", "nose2.plugins.mp", "-N", "2")
        self.assertEqual(self.failing("--aio-leaked-timers=fail", *workers)[0], alone[0])
        findings = self.failing(*workers)[1]
        self.assertEqual(
            sorted(re.findall(r"^test_it\..*$", findings, re.MULTILINE)),
            sorted(re.findall(r"^test_it\..*$", here[1], re.MULTILINE)),
        )


class Baselines(TestCase):
    """A baseline file."""

    def setUp(self) -> None:
        """Create a project with leaks."""
        self.project = Project(self, test_it="")
        self.project.write("helpers.py", HELPERS)
        self.leak("fetch()")

    def leak(self, *lines: str) -> None:
        """Write the test that leaks."""
        code = "\n".join(f"        {line}" for line in lines)
        self.project.write(
            "test_it.py",
            "import unittest\nfrom helpers import *\n"
            "class Case(unittest.TestCase):\n    async def test(self):\n" + code,
        )

    def test_new(self) -> None:
        """The first run writes the baseline. After that, only new findings count."""
        for workers in ((), ("--plugin", "nose2.plugins.mp", "-N", "2")):
            file = Path(self.project.folder) / f"known{len(workers)}.txt"
            arguments = (f"--aio-baseline={file.name}", *workers)
            self.leak("fetch()")
            run = self.project.nose2(*arguments)
            self.assertEqual(run.returncode, 0, run.output)
            self.assertIn(f"baseline: wrote 1 finding to {file.name}\n", run.output)
            self.assertEqual(
                file.read_text().splitlines()[1:], ["test_it.Case.test\tnever-awaited\tfetch"]
            )
            self.leak("pass", "fetch()")  # on another line
            run = self.project.nose2(*arguments)
            self.assertEqual(run.returncode, 0, run.output)
            self.assertNotIn("The checks found", run.output)
            self.leak("fetch()", "fetch()", "numbers")
            run = self.project.nose2(*arguments)
            self.assertEqual(run.returncode, 1, run.output)
            self.assertEqual(run.output.count("was never awaited"), 1, run.output)

    def test_update(self) -> None:
        """What became of the known findings is told. An update removes those that are stale."""
        self.project.write(
            "test_it.py",
            """
            import asyncio, unittest
            from helpers import *
            class Case(unittest.TestCase):
                async def test_a(self):
                    fetch(), fetch()
                async def test_b(self):
                    fetch()
            class Fixture(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    cls.task = asyncio.create_task(asyncio.sleep(60))
                async def test(self): pass
            """,
        )
        lines = [
            *["test_it.Case.test_a\tnever-awaited\tfetch"] * 2,
            "test_it.Case.test_b\tnever-awaited\tfetch",
            "test_it.Fixture\tleaked-tasks\tsleep",
        ]
        stale = ["test_gone.test\tnever-awaited\tfetch", lines[0]]
        file = self.project.folder / "known.txt"
        partial = "baseline: this run was partial: its tests were selected by"
        kept = "since their tests did not run or did not pass"
        attrib = ("--plugin", "nose2.plugins.attrib", "-A", "none")
        mp = ("--plugin", "nose2.plugins.mp", "-N", "2")
        file.write_text("".join(f"{line}\n" for line in [*lines, *stale]))
        for arguments, told in (
            ((), ["4 found again and not reported, 2 stale", "--aio-baseline-update removes them"]),
            (("--aio-workers=2",), ["4 found again and not reported, 2 stale"]),
            (mp, ["4 found again and not reported, 2 stale"]),
            (("test_it.Case.test_a",), [f"3 findings not checked, {kept}", f"{partial} name"]),
            (attrib, [f"6 findings not checked, {kept}", f"{partial} -A or -E"]),
            (
                ("test_it.Case.test_a", "--aio-baseline-update"),
                ["has 5 findings now: 0 added, 1 removed", f"baseline: 3 findings kept, {kept}"],
            ),
            (
                ("--aio-baseline-update", "--aio-workers=2"),
                ["baseline: known.txt has 4 findings now: 0 added, 1 removed"],
            ),
        ):
            run = self.project.nose2("--aio-strict", "--aio-baseline=known.txt", *arguments)
            self.assertEqual(run.returncode, 0, run.output)
            for text in told:
                self.assertIn(text, run.output, arguments)
        self.assertEqual(file.read_text().splitlines()[1:], lines)

    def test_mistakes(self) -> None:
        """A bad baseline file ends the run before any test."""
        self.project.write("notes.txt", "buy milk\n")
        for name, message in {
            "notes.txt": (
                "baseline: notes.txt can't be read: 'buy milk' is not a line of a baseline"
            ),
            ".": "baseline must be the path of a file, got '.'",
            "notes.txt/where.txt": (
                "baseline must be in a directory that can be written to, got 'notes.txt/where.txt'"
            ),
        }.items():
            run = self.project.nose2(f"--aio-baseline={name}")
            self.assertEqual(run.returncode, 2, run.output)
            self.assertIn(f"nose2: error: {message} (--aio-baseline)\n", run.output)
