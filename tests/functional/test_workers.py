"""Tests in worker processes: --aio-workers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple
from unittest import TestCase, mock, skipUnless
from xml.etree import ElementTree as ET

from tests.runs import SCENARIOS, TOP, Project, Run

TIMES = re.compile(r"\d+\.\d+ ?s\b|0x[0-9a-f]+|(?<= time=\")[^\"]*|(?<= timestamp=\")[^\"]*")
"""Parts of the output that differ between two runs: times, addresses, attributes of JUnit."""
LOADING = ("--plugin", "nose2.plugins.layers", "--plugin", "nose2.plugins.junitxml")

NOTE = """
import asyncio
import os
import sys
import time
import unittest

import nose2_aio as aio


def note(*words):
    with open(os.path.join(os.path.dirname(__file__), "notes.txt"), "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

"""

KINDS = """
import signal

import uvloop
from hypothesis import given, settings, strategies
from nose2.tools import params


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

    @settings(max_examples=5, deadline=None, database=None)
    @given(strategies.integers())
    async def test_hypothesis(self, number):
        await asyncio.sleep(0)

    @settings(max_examples=5, deadline=None, database=None)
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


class Streams(NamedTuple):
    """What a run printed, without times."""

    returncode: int
    stdout: str
    stderr: str


def without_times(text: str) -> str:
    """Replace what differs between two runs."""
    return TIMES.sub("N", text)


def separately(project: Project, *arguments: str) -> Streams:
    """Run nose2 in a project, with stdout and stderr apart: workers keep the order of each."""
    found = subprocess.run(
        [sys.executable, "-m", "nose2", "--no-user-config", "--plugin", "nose2_aio", *arguments],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(TOP), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Streams(found.returncode, without_times(found.stdout), without_times(found.stderr))


def marked(marker: str) -> list[str]:
    """The processes that have a word in their environment, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


class Workers(TestCase):
    """A project that takes notes."""

    maxDiff = None

    def project(self, code: str, **others: str) -> Project:
        """A project with tests that can ``note``."""
        return Project(self, test_it=NOTE + code, **others)

    def notes(self, project: Project) -> list[str]:
        """The notes that a run has taken."""
        path = project.folder / "notes.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def assert_same(self, project: Project, *arguments: str, workers: str = "2") -> Streams:
        """A run in workers prints what the serial run prints; return that."""
        arguments = ("-v", *arguments)
        serial = separately(project, *arguments)
        self.assertEqual(separately(project, *arguments, f"--aio-workers={workers}"), serial)
        return serial


class Equal(Workers):
    """A run in workers tells what a serial run tells."""

    def streams(self, project: Project, *arguments: str) -> tuple[Streams, str]:
        found = separately(project, *LOADING, "--junit-xml", "-v", *arguments)
        report = project.folder / "nose2-junit.xml"
        ET.parse(report)
        return found, without_times(report.read_text())

    def test_mixed(self) -> None:
        """All kinds of tests and outcomes, layers, fixtures: the output and JUnit's report."""
        project = Project(self)
        shutil.copytree(SCENARIOS / "many", project.folder, dirs_exist_ok=True)
        serial = self.streams(project)
        self.assertIn("FAILED (failures=13, errors=7, skipped=2,", serial[0].stderr)
        for count, start in ((1, "fork"), (4, "fork"), (2, "spawn")):
            with self.subTest(start, workers=count):
                arguments = (f"--aio-workers={count}", f"--aio-worker-start={start}")
                self.assertEqual(self.streams(project, *arguments), serial)

    def test_kinds(self) -> None:
        """Every kind of test runs in a worker: none has to run in the main process."""
        project = self.project(KINDS)
        serial = self.assert_same(project)
        self.assertIn("FAILED (failures=6, skipped=2, expected", serial.stderr)
        notes = self.notes(project)
        half = len(notes) // 2
        self.assertEqual(len(set(notes[:half])), 1)
        self.assertEqual(len(set(notes[half:]) - {notes[0]}), 2)

    def test_loops(self) -> None:
        """With several loops each test runs on each, in the same order, in one worker or more."""
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
        """The setting for a loop holds in workers."""
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
        """Where all tests share the loop of the run they run in one worker, in order."""
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
        """Each is set up once, in the worker that runs all of its tests, in their order."""
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
            by_process.setdefault(process, []).append(name)
        found = [[name for name in names if name != "plain"] for names in by_process.values()]
        found = [names for names in found if names]
        self.assertCountEqual(
            found,
            [
                ["setUpModule", "Sync", "1", "2", "torn down", "tearDownModule"],
                ["Async", "a", "b"],
            ],
        )

    def test_errors(self) -> None:
        """Errors of fixtures are told as in a serial run."""
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
        """Cleanups that a test adds to its class or module run at the end, as in a serial run."""
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


FAILING = """
class A(unittest.TestCase):
    def test_1(self):
        time.sleep(0.03)

class B(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        note("set up")
    def test_1(self):
        time.sleep(0.02)
        self.fail("first")
    def test_2(self):
        note("never")
    @classmethod
    def tearDownClass(cls):
        note("torn down")

class C(unittest.TestCase):
    def test_1(self):
        self.fail("second")
    def test_2(self):
        pass
"""


class Options(Workers):
    """nose2's options."""

    def test_failfast(self) -> None:
        """-F: what comes after the first failure, in the order of the suite, is not told."""
        project = self.project(FAILING)
        serial = self.assert_same(project, "-F", workers="3")
        self.assertIn("Ran 2 tests", serial.stderr)
        self.assertNotIn("second", serial.stderr)
        self.assertEqual(self.notes(project), ["set up", "torn down"] * 2)

    def test_buffer_and_log_capture(self) -> None:
        """-B and --log-capture show what a failed test has printed and logged, with it."""
        project = self.project(
            """
import logging

log = logging.getLogger("it")

class Case(unittest.TestCase):
    def test_fails(self):
        print("printed by", "test_fails")
        print("to stderr by", "test_fails", file=sys.stderr)
        log.error("logged %s by test_fails", object)
        self.fail()
    def test_logs_error(self):
        try:
            raise LookupError("lost")
        except LookupError:
            log.exception("logged with an error")
        self.fail()
    def test_passes(self):
        print("printed by", "test_passes")
        log.error("logged by test_passes")
"""
        )
        serial = self.assert_same(
            project, "--plugin=nose2.plugins.logcapture", "--log-capture", "-B"
        )
        reports = serial.stderr.partition("=" * 70)[2]
        for text in ("printed by test_fails", "logged <class 'object'> by test_fails"):
            self.assertEqual(reports.count(text), 1, reports)
        self.assertIn("LookupError: lost", reports)
        self.assertNotIn("by test_passes", reports)
        self.assertEqual(serial.stdout, "")

    def test_selection(self) -> None:
        """-A selects tests; so do names."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test_1(self): pass
    def test_2(self): pass
    test_2.fast = True
"""
        )
        found = self.assert_same(project, "--plugin=nose2.plugins.attrib", "-A", "fast")
        self.assertIn("Ran 1 test in", found.stderr)
        found = self.assert_same(project, "test_it.Case.test_1")
        self.assertIn("Ran 1 test in", found.stderr)

    def test_prettyassert(self) -> None:
        """nose2's plugin that explains assert statements does so."""
        project = self.project(
            """
def test():
    number = 3
    assert number == 4, "no"
"""
        )
        arguments = ("--plugin=nose2.plugins.prettyassert", "--pretty-assert")
        found = self.assert_same(project, *arguments)
        self.assertIn("number = 3", found.stderr)

    def test_debugger_option(self) -> None:
        """-D: tests run in the main process, and a line says so."""
        project = self.project("def test():\n    note(os.getpid(), os.getppid())\n")
        arguments = ("--plugin=nose2.plugins.debugger", "--aio-workers=2")
        run = project.nose2(*arguments, "-D")
        self.assertEqual(run.output.count("workers: with -D, tests run in the main process\n"), 1)
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertIn(f" {os.getpid()}", self.notes(project)[0])
        run = project.nose2(*arguments)
        self.assertNotIn("-D", run.output)
        self.assertNotIn(f" {os.getpid()}", self.notes(project)[0])

    def test_breakpoint(self) -> None:
        """A test that calls ``breakpoint()`` runs in the main process; a line says so."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test_1(self):
        note(1, os.getppid())
    def test_2(self):
        print("asked")
        word = "found"
        breakpoint()
        note(2, os.getppid(), word)
    async def test_3(self):
        note(3, os.getppid())
"""
        )
        found = subprocess.run(
            [sys.executable, "-m", "nose2", "--plugin", "nose2_aio", "--aio-workers=2"],
            cwd=project.folder,
            env={**os.environ, "PYTHONPATH": str(TOP), "NO_COLOR": "1"},
            input="p word * 2\nword = 'changed'\ncontinue\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertIn("'foundfound'", found.stdout)
        self.assertEqual(found.stdout.count("asked"), 1, found.stdout)
        self.assertEqual(
            found.stderr.count(
                "test_it.Case.test_2: it asks for a debugger, so it ran in the main process\n"
            ),
            1,
            found.stderr,
        )
        self.assertIn("Ran 3 tests", found.stderr)
        notes = sorted(self.notes(project))
        self.assertEqual(notes[1], f"2 {os.getpid()} changed")
        self.assertNotIn(str(os.getpid()), notes[0] + notes[2])

    def test_shuffle(self) -> None:
        """A random order is the same in workers."""
        project = self.project("".join(f"def test_{n}(): pass\n" for n in range(8)))
        found = self.assert_same(project, "--aio-shuffle=3")
        self.assertIn("shuffled with --aio-shuffle=3", found.stderr)
        spawn = separately(
            project, "-v", "--aio-shuffle=3", "--aio-workers=2", "--aio-worker-start=spawn"
        )
        self.assertEqual(spawn, found)
        drawn = separately(project, "--aio-shuffle", "--aio-workers=2", "--aio-worker-start=spawn")
        self.assertEqual(drawn.returncode, 0, drawn.stderr)

    def test_checks_and_reports(self) -> None:
        """What checks find and what tests cost is gathered in the main process."""
        project = self.project(
            """
class Case(unittest.TestCase):
    async def test_1(self):
        asyncio.create_task(asyncio.sleep(9), name="left")
        await asyncio.sleep(0.01)
    async def test_2(self):
        await asyncio.sleep(0.02)
"""
        )
        arguments = ("--aio-report=report.json", "--aio-leaked-tasks=warn", "--aio-baseline=known")
        reports = []
        for workers in ("0", "2"):
            (project.folder / "known").unlink(missing_ok=True)
            run = project.nose2(*arguments, f"--aio-workers={workers}")
            self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
            known = (project.folder / "known").read_text()
            report = json.loads((project.folder / "report.json").read_text())
            self.assertIn("leaked-tasks", known)
            reports.append((known, [test["id"] for test in report["tests"]]))
        self.assertEqual(*reports)


class Errors(Workers):
    """Exceptions that can't be pickled, and their like."""

    def test_unpicklable(self) -> None:
        """They are told with the same words and lines."""
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
        """Tracebacks are the user's own lines, with none of ours."""
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
                *("2 begins", "2 from C", r"2 ends\xff is no text", "é 4"),
            ],
            found.stderr,
        )

    def test_buffered(self) -> None:
        """-B shows what child processes of a failed test have written, too."""
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


TAGGED = """
class Noted(unittest.TestCase):
    def setUp(self):
        self.began = time.monotonic()
    def tearDown(self):
        time.sleep(0.02)
        note(type(self).__name__, self.began, time.monotonic())

class Plain(Noted):
    def test_1(self): pass
    def test_2(self): pass
    def test_3(self): pass
    def test_4(self): pass
    def test_5(self): pass
    def test_6(self): pass
    def test_7(self): pass
    def test_8(self): pass

@aio.serial
class Serial(Noted):
    def test_1(self): pass
    async def test_2(self): pass

@aio.exclusive("database")
class Database(Noted):
    def test_1(self): pass
    async def test_2(self): pass
    def test_3(self): pass

@aio.exclusive("port", at_most=2)
class Port(Noted):
    def test_1(self): pass
    async def test_2(self): pass
    def test_3(self): pass
    def test_4(self): pass
    def test_5(self): pass
"""


class Span(NamedTuple):
    """When a test has run, by the monotonic clock."""

    name: str
    began: float
    ended: float

    def meets(self, other: Span) -> bool:
        """True if both ran at the same time."""
        return self.began < other.ended and other.began < self.ended


class Placement(Workers):
    """Which tests run at the same time, and in which order they start."""

    def spans(self, project: Project) -> list[Span]:
        found = [line.split() for line in self.notes(project)]
        return [Span(name, float(began), float(ended)) for name, began, ended in found]

    def test_tags(self) -> None:
        """Serial tests run alone; exclusive ones never meet, or at most so many of them do."""
        project = self.project(TAGGED)
        run = project.nose2("--aio-workers=4")
        self.assertEqual((run.returncode, run.ran), (0, 18), run.output)
        spans = self.spans(project)
        at_once = {
            name: max(
                sum(two.began <= one.began < two.ended for two in spans if two.name == name)
                for one in spans
                if one.name == name
            )
            for name in ("Plain", "Database", "Port", "Serial")
        }
        self.assertEqual((at_once["Database"], at_once["Port"], at_once["Serial"]), (1, 2, 1))
        self.assertGreater(at_once["Plain"], 1)
        for one in spans:
            if one.name == "Serial":
                others = [two for two in spans if two is not one and two.meets(one)]
                self.assertEqual(others, [])

    def test_longest_first(self) -> None:
        """Tests start by their durations in the report of an earlier run; the output does not."""
        names = [f"test_{number}" for number in range(5)]
        seconds = {"test_1": 1.0, "test_3": 2.0, "test_0": 0.5, "test_2": 0.1, "test_4": 0.2}
        project = self.project(
            "class Case(unittest.TestCase):\n"
            + "".join(f"    def {name}(self): note({name!r})\n" for name in names)
        )
        report = {"tests": [{"id": f"test_it.Case.{n}", "seconds": s} for n, s in seconds.items()]}
        project.write("report.json", json.dumps(report))
        run = project.nose2("-v", "--aio-workers=1", "--aio-report=report.json")
        longest = sorted(seconds, key=lambda name: -seconds[name])
        self.assertEqual(self.notes(project), longest)
        self.assertEqual([name.rpartition(".")[2] for name in run.verdicts], names)
        project.write("report.json", "no report")
        project.nose2("--aio-workers=1", "--aio-report=report.json")
        self.assertEqual(self.notes(project), names)

    def test_several_at_once(self) -> None:
        """As many tests run at the same time as there are workers; each has its own process."""
        project = self.project(
            """
import pathlib

def wait_for(count):
    note(os.getpid())
    end = time.monotonic() + 10
    while time.monotonic() < end:
        lines = pathlib.Path(__file__).with_name("notes.txt").read_text().split()
        if len(set(lines)) == count:
            return
        time.sleep(0.002)
    raise AssertionError(lines)

class Case(unittest.TestCase):
    def test_1(self): wait_for(3)
    async def test_2(self): wait_for(3)
    def test_3(self): wait_for(3)
"""
        )
        run = project.nose2("--aio-workers=3")
        self.assertEqual((run.returncode, run.ran), (0, 3), run.output)


@skipUnless(sys.platform == "linux", "where fork is the default")
class Start(Workers):
    """How workers begin."""

    def test_methods(self) -> None:
        """``auto`` forks, unless there is another thread; then it spawns."""
        code = """
import threading

{}
loaded_in = os.getpid()

def test():
    note("spawned" if os.getpid() == loaded_in else "forked")
"""
        thread = "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
        for line, arguments, method in (
            ("", (), "forked"),
            ("", ("--aio-worker-start=spawn",), "spawned"),
            (thread, (), "spawned"),
            (thread, ("--aio-worker-start=fork",), "forked"),
        ):
            with self.subTest(arguments, thread=bool(line)):
                project = self.project(code.format(line))
                run = project.nose2("--aio-workers=1", *arguments)
                self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
                self.assertEqual(self.notes(project), [method])

    def test_no_warning(self) -> None:
        """Forking where fork was asked for warns of no thread, even where warnings are errors."""
        project = self.project(
            "import threading\n"
            "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
            "def test(): pass\n"
        )
        load = ("-m", "nose2", "--no-user-config", "--plugin", "nose2_aio")
        run = project.python("-W", "error", *load, "--aio-workers=2", "--aio-worker-start=fork")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertNotIn("Warning", run.output)

    def test_other_tests(self) -> None:
        """A spawned worker that has loaded other tests is refused; the first one is named."""
        code = """
import multiprocessing
import unittest

class Case(unittest.TestCase):
    def test_1(self): pass
    if {}:
        def test_2(self): pass
    def test_3(self): pass
"""
        is_main = "multiprocessing.parent_process() is None"
        rule = "nose2: error: a worker process has loaded other tests than the main process: test "
        for condition, difference in (
            (is_main, "2 is test_it.Case.test_3 there, and test_it.Case.test_2 here"),
            (f"not ({is_main})", "2 is test_it.Case.test_2 there, and test_it.Case.test_3 here"),
        ):
            project = Project(self, test_it=code.format(condition))
            run = project.nose2("--aio-workers=2", "--aio-worker-start=spawn")
            self.assertEqual(run.returncode, 2, run.output)
            self.assertIn(f"{rule}{difference}\n", run.output)
            self.assertNotIn("Traceback", run.output)
        project = Project(self, test_it=code.format(is_main).replace("    def test_3", "    def t"))
        run = project.nose2("--aio-workers=1", "--aio-worker-start=spawn")
        self.assertIn(f"{rule}2 is missing there, and test_it.Case.test_2 here\n", run.output)

    def test_import_output(self) -> None:
        """What a module prints when it is imported is shown once."""
        project = self.project("print('imported')\ndef test(): print('it ran')\n")
        run = project.nose2("--aio-workers=2", "--aio-worker-start=spawn")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertEqual((run.output.count("imported"), run.output.count("it ran")), (1, 1))


class Traces(Workers):
    """What a run leaves behind: nothing."""

    def test_nothing_left(self) -> None:
        """No process and no file is left after a run."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test_1(self): pass
    def test_2(self): self.fail()
    def test_3(self): os._exit(3)
    def test_4(self): pass
"""
        )
        marker = uuid.uuid4().hex
        with tempfile.TemporaryDirectory() as folder:
            with mock.patch.dict(os.environ, {"TMPDIR": folder, "MARKER": marker}):
                for start in ("fork", "spawn"):
                    run = project.nose2("--aio-workers=3", f"--aio-worker-start={start}")
                    self.assertEqual((run.returncode, run.ran), (1, 4), run.output)
                    self.assertEqual(os.listdir(folder), [])
                    if sys.platform == "linux":
                        self.assertEqual(marked(marker), [])

    def test_exit_functions(self) -> None:
        """What tests register with atexit is called in each worker; what others did is not."""
        project = self.project(
            """
import atexit

atexit.register(lambda: note("main", os.getpid()))

def test():
    atexit.register(note, "test", os.getpid())
"""
        )
        run = project.nose2("--aio-workers=1", "--aio-worker-start=fork")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        notes = [line.split() for line in self.notes(project)]
        self.assertEqual([name for name, _ in notes], ["test", "main"])
        self.assertNotEqual(notes[0][1], notes[1][1])
