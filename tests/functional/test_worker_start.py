"""How workers start, which tests run concurrently, and what a run leaves."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple
from unittest import mock, skipUnless

from tests.runs import Project
from tests.workers import Workers, marked

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
    async def test_2(self): time.sleep(0.1)  # others would begin meanwhile

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
    """Which tests run concurrently, and in which order they start."""

    def spans(self, project: Project) -> list[Span]:
        found = [line.split() for line in self.notes(project)]
        return [Span(name, float(began), float(ended)) for name, began, ended in found]

    def test_tags(self) -> None:
        """Serial tests run alone. Exclusive ones never run concurrently beyond their number."""
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
        """Tests start by the durations of an earlier run. The output keeps its order."""
        names = [f"test_{number}" for number in range(5)]
        seconds = {"test_1": 1.0, "test_3": 2.0, "test_0": 0.5, "test_2": 0.1, "test_4": 0.2}
        project = self.project(
            "@aio.exclusive('one at a time')\n"
            "class Case(unittest.TestCase):\n"
            + "".join(f"    def {name}(self): note({name!r})\n" for name in names)
        )
        lines = [f"test_it.Case.{name}\t{one}\t0\n" for name, one in seconds.items()]
        project.write("durations.txt", "".join(lines))
        run = project.nose2("-v", "--aio-workers=2", "--aio-durations-file=durations.txt")
        longest = sorted(seconds, key=lambda name: -seconds[name])
        self.assertEqual(self.notes(project), longest)
        self.assertEqual([name.rpartition(".")[2] for name in run.outcomes], names)
        project.nose2("--aio-workers=2", "--aio-durations-file=new.txt")
        self.assertEqual(self.notes(project), names)

    def test_several_at_once(self) -> None:
        """As many tests run concurrently as there are workers, each in its own process."""
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
    """How workers start."""

    def test_methods(self) -> None:
        """``auto`` forks. If the main process has another thread, it spawns."""
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
        """If fork was requested, forking with threads gives no warning, also under -W error."""
        project = self.project(
            "import threading\n"
            "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
            "def test(): pass\n"
        )
        load = ("-m", "nose2", "--no-user-config", "--plugin", "nose2_aio")
        for mode in ("error", "always"):  # as an error it would not be seen
            run = project.python("-W", mode, *load, "--aio-workers=2", "--aio-worker-start=fork")
            self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
            self.assertNotIn("DeprecationWarning", run.output)

    def test_other_tests(self) -> None:
        """A spawned worker that has loaded other tests is refused. The first one is named."""
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
        """Output that a module prints at import is shown once."""
        project = self.project("print('imported')\ndef test(): print('it ran')\n")
        run = project.nose2("--aio-workers=2", "--aio-worker-start=spawn")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertEqual((run.output.count("imported"), run.output.count("it ran")), (1, 1))


class Traces(Workers):
    """A run leaves nothing."""

    def test_nothing_left(self) -> None:
        """After a run, no process and no file is left."""
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
                    self.assertEqual(list(Path(folder).iterdir()), [])
                    if sys.platform == "linux":
                        self.assertEqual(marked(marker), [])

    def test_exit_functions(self) -> None:
        """atexit functions of tests run in each worker. Those of the main process don't."""
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
