"""Tests in worker processes: ``--aio-workers``."""

from __future__ import annotations

import re
import shutil
from xml.etree import ElementTree as ET

from tests.runs import SCENARIOS, Project
from tests.workers import NOTE, Streams, Workers, separately, without_times

LOADING = ("--plugin", "nose2.plugins.layers", "--plugin", "nose2.plugins.junitxml")
KINDS = """
import signal

import uvloop
from hypothesis import Phase, given, settings, strategies
from nose2.tools import params

few = settings(max_examples=5, deadline=None, database=None, derandomize=True, phases=[
    Phase.generate
])


class Case(unittest.TestCase):
    def tearDown(self):
        note(os.getpid())

    def test_sync(self):
        self.assertEqual(1, 1)

    def test_sync_fails(self):
        self.assertEqual(1, 2)

    async def test_signal_handler(self):
        loop, got = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, got.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(got.wait(), 5)
        loop.remove_signal_handler(signal.SIGUSR1)

    @aio.loop("uvloop.new_event_loop")
    async def test_uvloop(self):
        self.assertIsInstance(asyncio.get_running_loop(), uvloop.Loop)

    @settings(few)
    @given(strategies.integers())
    async def test_hypothesis(self, number):
        await asyncio.sleep(0)

    @settings(few)
    @given(strategies.integers())
    def test_hypothesis_fails(self, number):
        assert number != 0

    @params(1, 2)
    def test_params(self, number):
        self.assertEqual(number, 1)

    async def test_subtests(self):
        for number in range(3):
            with self.subTest("part", number=number):
                self.assertNotEqual(number, 1)

    def test_skips(self):
        self.skipTest("not today")

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    @unittest.expectedFailure
    async def test_unexpected(self):
        pass


class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        note(os.getpid())

    async def test_passes(self):
        await asyncio.sleep(0)

    async def test_fails(self):
        self.assertIn(1, [2])

    def test_sync(self):
        pass


@unittest.skip("all of it")
class Skipped(unittest.TestCase):
    def test(self):
        pass


def test_generator():
    def check(number):
        note(os.getpid())
        assert number

    yield check, 0
    yield check, 1


def test_function():
    note(os.getpid())
"""


class Equal(Workers):
    """A run in workers prints what a serial run prints."""

    def streams(self, project: Project, *arguments: str) -> tuple[Streams, str]:
        found = separately(project, *LOADING, "--junit-xml", "-v", *arguments)
        report = project.folder / "nose2-junit.xml"
        ET.parse(report)
        return found, without_times(report.read_text())

    def test_mixed(self) -> None:
        """Output and JUnit report are equal: all kinds of tests, outcomes, layers, fixtures."""
        project = Project(self)
        shutil.copytree(SCENARIOS / "many", project.folder, dirs_exist_ok=True)
        serial = self.streams(project)
        self.assertIn("FAILED (failures=13, errors=7, skipped=2,", serial[0].stderr)
        for count, start in ((1, "fork"), (4, "fork"), (2, "spawn")):
            with self.subTest(start, workers=count):
                arguments = (f"--aio-workers={count}", f"--aio-worker-start={start}")
                self.assertEqual(self.streams(project, *arguments), serial)

    def test_kinds(self) -> None:
        """Every kind of test runs in a worker. None runs in the main process."""
        project = self.project(KINDS)
        serial = self.assert_same(project)
        self.assertIn("FAILED (failures=6, skipped=2, expected", serial.stderr)
        notes = self.notes(project)
        half = len(notes) // 2
        self.assertEqual(len(set(notes[:half])), 1)
        self.assertEqual(len(set(notes[half:]) - {notes[0]}), 2)

    def test_loops(self) -> None:
        """With several loops, each test runs on each, in the same order, with any workers."""
        project = self.project(
            """
def setUpModule():
    note("module")

class Fixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.loop = asyncio.get_running_loop()
        note(type(cls.loop).__module__.split(".")[0])

    async def test_1(self):
        self.assertIs(self.loop, asyncio.get_running_loop())

    def test_2(self):
        pass

class Other(unittest.TestCase):
    async def test(self):
        name = type(asyncio.get_running_loop()).__module__
        self.assertNotIn("uvloop", name)
"""
        )
        loops = "--aio-loop=asyncio,uvloop.new_event_loop"
        for workers in ("1", "3"):
            serial = self.assert_same(project, loops, workers=workers)
            self.assertEqual(serial.stderr.count("ok\n"), 4)
            notes = self.notes(project)
            self.assertEqual(sorted(notes[:4]), sorted(notes[4:]))
            self.assertEqual(notes.count("uvloop"), 2)

    def test_uvloop(self) -> None:
        """The loop setting applies in workers."""
        project = self.project(
            """
class Case(unittest.TestCase):
    async def test(self):
        import uvloop
        self.assertIsInstance(asyncio.get_running_loop(), uvloop.Loop)
"""
        )
        run = project.nose2("--aio-loop=uvloop.new_event_loop", "--aio-workers=1")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)

    def test_loop_of_run(self) -> None:
        """With ``loop-scope = run``, all tests run in one worker, in order."""
        project = self.project(
            """
loops = []

class Case(unittest.TestCase):
    async def test_1(self):
        loops.append(asyncio.get_running_loop())
        note(os.getpid())
    async def test_2(self):
        self.assertIs(asyncio.get_running_loop(), loops[0])
        note(os.getpid())

async def test_function():
    loops.append(asyncio.get_running_loop())
    note(os.getpid())
"""
        )
        self.assert_same(project, "--aio-loop-scope=run")
        notes = self.notes(project)[3:]
        self.assertEqual((len(notes), len(set(notes))), (3, 1))


class Fixtures(Workers):
    """Fixtures of classes and modules."""

    def test_once(self) -> None:
        """Each is set up once, in the worker that runs all of its tests in their order."""
        project = self.project(
            """
def setUpModule():
    note("setUpModule", os.getpid())

class Sync(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        note("Sync", os.getpid())
    def test_1(self):
        note("1", os.getpid())
    def test_2(self):
        note("2", os.getpid())
    @classmethod
    def tearDownClass(cls):
        note("torn down", os.getpid())

async def tearDownModule():
    note("tearDownModule", os.getpid())
""",
            test_other=NOTE
            + """
class Async(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        note("Async", os.getpid())
        await asyncio.sleep(0.05)
        cls.loop = asyncio.get_running_loop()
    async def test_1(self):
        note("a", os.getpid())
        self.assertIs(asyncio.get_running_loop(), self.loop)
    async def test_2(self):
        note("b", os.getpid())
        self.assertIs(asyncio.get_running_loop(), self.loop)

class Plain(unittest.TestCase):
    def tearDown(self):
        note("plain", os.getpid())
    def test_1(self):
        time.sleep(0.02)
    def test_2(self):
        time.sleep(0.02)
""",
        )
        run = project.nose2("--aio-workers=3")
        self.assertEqual((run.returncode, run.ran), (0, 6), run.output)
        by_process: dict[str, list[str]] = {}
        for line in self.notes(project):
            name, process = line.rsplit(" ", 1)
            if name != "plain":
                by_process.setdefault(process, []).append(name)
        found = "; ".join(", ".join(names) for names in by_process.values())
        for whole in (
            "setUpModule, Sync, 1, 2, torn down, tearDownModule",
            "Async, a, b",
        ):
            self.assertEqual(found.count(whole), 1, found)
            found = found.replace(whole, "")
        self.assertEqual(found.strip(";, "), "")

    def test_errors(self) -> None:
        """Errors of fixtures are reported as in a serial run."""
        project = self.project(
            """
class SetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print("before it fails")
        raise LookupError("set up")
    def test(self): pass

class TearDown(unittest.TestCase):
    @classmethod
    async def tearDownClass(cls):
        raise LookupError("torn down")
    async def test(self): pass

class Skipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise unittest.SkipTest("not here")
    def test(self): pass

class Test(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.fail, "cleaned up")
    def test(self):
        raise KeyError("both")
""",
            test_module="""
import unittest

async def setUpModule():
    raise LookupError("module")

class Case(unittest.TestCase):
    def test(self): pass
""",
            test_import="import nowhere_to_be_found\n",
        )
        serial = self.assert_same(project)
        self.assertIn("FAILED (failures=1, errors=5, skipped=1)", serial.stderr)

    def test_class_cleanups(self) -> None:
        """Cleanups that a test adds to its class or module run, as in a serial run, at the end."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test(self):
        self.addClassCleanup(note, "class")
        self.addModuleCleanup(note, "module")
        unittest.addModuleCleanup(note, "module")
""".replace('        self.addModuleCleanup(note, "module")\n', "")
        )
        self.assert_same(project)
        self.assertEqual(self.notes(project), ["class", "module"] * 2)


class Errors(Workers):
    """Exceptions that can't be pickled, and similar ones."""

    def test_unpicklable(self) -> None:
        """They are reported with the same words and lines."""
        project = self.project(
            """
class Twice(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

class Hostile(Exception):
    def __reduce__(self):
        raise RuntimeError("no")

class Case(unittest.TestCase):
    def test_local_class(self):
        class Local(Exception): ...
        raise Local("local")

    def test_lambda(self):
        error = ValueError("with a lambda")
        error.function = lambda: None
        raise error

    def test_two_arguments(self):
        raise Twice("a", "b")

    def test_hostile(self):
        raise Hostile("words")

    async def test_chained(self):
        try:
            raise Twice(1, 2)
        except Twice as error:
            raise LookupError(lambda: 0) from error

    async def test_group(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(self.fails())

    async def fails(self):
        raise Twice(3, 4)

    def test_subtests(self):
        class Local:
            def __repr__(self):
                return "<local>"
        for number in range(2):
            with self.subTest(one=Local(), function=len, number=number):
                raise Twice(5, 6)

    def test_message(self):
        class Local:
            def __str__(self):
                return "said"
            __repr__ = __str__
        with self.subTest(Local()):
            self.fail()

    @unittest.expectedFailure
    def test_expected(self):
        raise Twice(7, 8)
"""
        )
        serial = self.assert_same(project)
        self.assertIn("ran 9 tests", serial.stderr.lower())
        self.assertIn("one=<local>, function=<built-in", serial.stderr)

    def test_frames(self) -> None:
        """Tracebacks have the user's own lines, and none of ours."""
        project = self.project(
            """
def helper():
    raise LookupError("lost")

class Case(unittest.TestCase):
    async def test_async(self):
        helper()
    def test_sync(self):
        helper()
"""
        )
        run = project.nose2("--aio-workers=1")
        for report in run.reports:
            frames = re.findall(r'File ".*/(\w+\.py)", line \d+, in (\w+)', report)
            self.assertEqual([file for file, _ in frames], ["test_it.py"] * 2)
            self.assertEqual(frames[1][1], "helper")
        self.assertEqual(len(run.reports), 2)


class Output(Workers):
    """What a worker writes."""

    def test_with_its_test(self) -> None:
        """Output of Python, C code and child processes is shown with its test."""
        project = self.project(
            """
import subprocess

class Case(unittest.TestCase):
    def test_1(self):
        print("1 begins")
        time.sleep(0.03)
        os.write(1, b"1 from C\\n")
        subprocess.run([sys.executable, "-c", "print('1 from a child')"])
        print("1 ends")
    def test_2(self):
        print("2 begins")
        os.write(1, b"2 from C\\n")
        time.sleep(0.03)
        print("2 ends", end="")
    def test_3(self):
        os.write(1, b"\\xff is no text\\n")
        sys.stdout.close()
    def test_4(self):
        os.write(1, "é 4\\n".encode())
"""
        )
        found = separately(project, "--aio-workers=4")
        self.assertEqual(
            found.stdout.splitlines(),
            [
                *("1 begins", "1 from C", "1 from a child", "1 ends"),
                *("2 begins", "2 from C", "2 ends\udcff is no text", "é 4"),
            ],
            found.stderr,
        )

    def test_buffered(self) -> None:
        """``-B`` shows what the child processes of a failed test have written."""
        project = self.project(
            """
def test():
    os.system("echo from a child")
    assert False
def test_passes():
    os.system("echo from another")
"""
        )
        run = project.nose2("--aio-workers=2", "-B")
        (report,) = run.reports
        self.assertIn("from a child\n", report)
        self.assertNotIn("another", run.output)
