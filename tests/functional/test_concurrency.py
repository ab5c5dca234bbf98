"""Many tests at once."""

from __future__ import annotations

import os
import re
import signal
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase, skipIf, skipUnless

from tests.runs import SCENARIOS, Project, Run, nose2, python, start

FOLDER = SCENARIOS / "many"
HEAD = """
import asyncio, os, signal, sys, threading, time, unittest
import nose2_aio as aio

def say(*words):
    print(*words, flush=True)

async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)

"""
LAYERS = ("--plugin", "nose2.plugins.layers")
JUNIT = ("--plugin", "nose2.plugins.junitxml", "--junit-xml")
SECONDS = re.compile(r"\d+\.\d+ ?s\b|(?<=\btime=\")[\d.]+|(?<=\btimestamp=\")[^\"]+")
NAMED_TASK = re.compile(r"\bTask-\d+")
POSIX = skipIf(sys.platform == "win32", "no signals for one process there")


def steady(text: str) -> str:
    """A text without what differs from run to run: seconds, and numbers of tasks."""
    return NAMED_TASK.sub("Task-N", SECONDS.sub("N s", text))


class Running(TestCase):
    """Runs of small projects."""

    def project(self, code: str, **files: str) -> Project:
        project = Project(self, **files)
        project.write("test_it.py", HEAD + textwrap.dedent(code))
        return project

    def run_tests(self, code: str, *arguments: str, width: int | None = 8, **files: str) -> Run:
        """Run tests, so many at once; None: as the arguments say."""
        wide = [] if width is None else [f"--aio-concurrency={width}"]
        return self.project(code, **files).nose2(*wide, *arguments)

    def assert_passes(self, run: Run, count: int) -> None:
        self.assertEqual((run.returncode, run.ran), (0, count), run.output)

    def junit(self, project: Project) -> dict[str, ET.Element]:
        """The report of a project: its entries by their names."""
        tree = ET.parse(project.folder / "nose2-junit.xml")
        return {f"{one.get('classname')}.{one.get('name')}": one for one in tree.iter("testcase")}


class Same(Running):
    """Results are those of a serial run."""

    def outcome(self, width: int, *arguments: str) -> tuple[str, str]:
        """What a run of all kinds of tests prints, and its report as XML."""
        with TemporaryDirectory() as folder:
            report = Path(folder) / "junit.xml"
            run = nose2(
                "-v",
                f"--aio-concurrency={width}",
                *(*LAYERS, *JUNIT, f"--junit-xml-path={report}"),
                *("--plugin", "nose2.plugins.logcapture"),
                *arguments,
                folder=FOLDER,
            )
            return steady(run.output), steady(report.read_text())

    def assert_same(self, times: int, *arguments: str) -> tuple[str, str]:
        """Compare runs with a serial one, which is returned."""
        serial = self.outcome(1, *arguments)
        for _ in range(times):
            beside = self.outcome(16, *arguments)
            for one, other in zip(beside, serial, strict=True):
                self.assertEqual(one, other)
        return serial

    def test_same(self) -> None:
        """All that is printed is the same, and so is JUnit's report, but for times."""
        printed, _ = self.assert_same(5)
        self.assertIn(
            "FAILED (failures=13, errors=7, skipped=2, expected failures=1, "
            "unexpected successes=1)",
            printed,
        )
        for part in (
            "TimeLimitError: not done within",
            "DeadlockError: it can never finish",
            "LookupError: in setUpClass",
            "LookupError: in tearDownClass",
            "the coroutine forgotten was never awaited",
            "the task left (sleep) was still pending",
            "in a thread\n",
            "in the inner layer\n",
        ):
            self.assertIn(part, printed)

    def test_captured(self) -> None:
        """So it is where output is captured for each test, and what is logged."""
        printed, report = self.assert_same(1, "-B", "--log-capture")
        self.assertIn("on stdout 0\non stdout 1\non stdout 2\nin a thread\n", printed)
        for found in (printed, report):
            self.assertIn("many: WARNING: logged 0\nmany: WARNING: logged 1\n", found)


class Beside(Running):
    """What runs beside what."""

    def test_main_thread(self) -> None:
        """Sync tests, and those tagged so, run alone in the main thread."""
        run = self.run_tests(
            """
            running = 0

            def is_alone():
                return threading.current_thread() is threading.main_thread() and not running

            class Beside(unittest.TestCase):
                async def run_beside(self):
                    global running
                    assert threading.current_thread() is not threading.main_thread()
                    running += 1
                    await asyncio.sleep(0.02)
                    running -= 1
                test_1 = test_3 = test_5 = run_beside

                def test_2(self):
                    assert is_alone()

                @aio.serial
                async def test_4(self):
                    assert is_alone()
                    await asyncio.sleep(0.01)
                    assert is_alone()

            @aio.serial
            class Serial(unittest.IsolatedAsyncioTestCase):
                async def test_1(self):
                    await asyncio.sleep(0.01)
                    assert is_alone()
                test_2 = test_1
                def test_3(self):
                    assert is_alone()

            class Last(Beside):
                pass
            """
        )
        self.assert_passes(run, 13)

    def test_at_once(self) -> None:
        """So many run at once and no more, each on a loop and in a thread of its own."""
        run = self.run_tests(
            """
            running, seen, most = set(), set(), []

            class Case(unittest.TestCase):
                async def case(self):
                    loop = asyncio.get_running_loop()
                    assert loop not in running
                    running.add(loop)
                    seen.add(threading.get_ident())
                    if not most:
                        await until(lambda: len(running) == 4)
                    most.append(len(running))
                    await asyncio.sleep(0.005)
                    running.remove(loop)

            for number in range(40):
                setattr(Case, f"test_{number:02}", Case.case)

            class Last(unittest.TestCase):
                def test_most(self):
                    self.assertEqual(max(most), 4)
                    self.assertEqual(len(most), 40)
                    self.assertLessEqual(len(seen), 4)
                    names = {thread.name for thread in threading.enumerate()}
                    ours = {name for name in names if name.startswith("nose2_aio-")}
                    self.assertLessEqual(ours, {f"nose2_aio-{number}" for number in (1, 2, 3, 4)})
            """,
            width=4,
        )
        self.assert_passes(run, 41)

    @skipUnless(Path("/proc/self/fd").exists(), "no way to count files there")
    def test_files(self) -> None:
        """When all have run, no more files are open than before, and no thread is left."""
        project = self.project(
            """
            class Case(unittest.TestCase):
                async def case(self):
                    await asyncio.sleep(0.005)
                    await asyncio.to_thread(time.sleep, 0.001)

            for number in range(60):
                setattr(Case, f"test_{number:02}", Case.case)
            """,
            count="""
            import os, threading, nose2
            def count():
                return len(os.listdir("/proc/self/fd"))
            before = count()
            nose2.main(module=None, exit=False)
            print("files", count() - before, "threads", threading.active_count() - 1)
            """,
        )
        run = project.python(
            *("count.py", "--no-user-config", "--plugin=nose2_aio", "--aio-concurrency=16")
        )
        self.assert_passes(run, 60)
        self.assertIn("files 0 threads 0\n", run.output)

    def test_exclusive(self) -> None:
        """Tests with a key in common run one after another; others beside them."""
        run = self.run_tests(
            """
            running = []

            async def run(*keys):
                for key in keys:
                    assert running.count(key) == 0, running
                running.extend(keys)
                if keys == ("a",) and not run.is_done:
                    run.is_done = True
                    await until(lambda: "c" in running)  # it comes, though b waits for a
                await asyncio.sleep(0.01)
                for key in keys:
                    running.remove(key)
            run.is_done = False

            class Case(unittest.TestCase):
                @aio.exclusive("a")
                async def test_1(self):
                    await run("a")

                @aio.exclusive("a", "b")
                async def test_2(self):
                    await run("a", "b")

                @aio.exclusive("b")
                async def test_3(self):
                    await run("b")

                @aio.exclusive("a")
                async def test_4(self):
                    await run("a")

                @aio.exclusive("c")
                async def test_5(self):
                    await run("c")

            @aio.exclusive("a")
            class Whole(unittest.IsolatedAsyncioTestCase):
                async def test_1(self):
                    await run("a")

                @aio.exclusive("b")
                async def test_2(self):
                    await run("a", "b")
            """
        )
        self.assert_passes(run, 7)

    def test_units(self) -> None:
        """What shares fixtures or a loop runs in order in one place, beside others."""
        run = self.run_tests(
            """
            notes = {}

            def note(owner, what):
                notes.setdefault(owner, []).append((what, threading.get_ident()))

            class Fixtures:
                @classmethod
                async def setUpClass(cls):
                    cls.loop = asyncio.get_running_loop()
                    note(cls, "set up")

                @classmethod
                async def tearDownClass(cls):
                    note(cls, "torn down")

                async def test_1(self):
                    assert self.loop is asyncio.get_running_loop()
                    note(type(self), 1)
                    await until(lambda: len(notes) >= 3)  # those of the others have begun
                    note(type(self), 1)

                async def test_2(self):
                    assert self.loop is asyncio.get_running_loop()
                    note(type(self), 2)

            class First(Fixtures, unittest.TestCase):
                pass

            class Second(Fixtures, unittest.TestCase):
                pass

            class Third(Fixtures, unittest.TestCase):
                pass

            @aio.loop_scope("class")
            class Scope(unittest.TestCase):
                loops = set()
                async def test_1(self):
                    self.loops.add(asyncio.get_running_loop())
                    await asyncio.sleep(0.01)

                async def test_2(self):
                    self.loops.add(asyncio.get_running_loop())
                    await asyncio.sleep(0.01)
                    assert len(self.loops) == 1

            class Y_with_a_sync_one(Fixtures, unittest.TestCase):
                def test_3(self):
                    note(type(self), 3)

            class Z(unittest.TestCase):
                def test(self):
                    for owner in (First, Second, Third):
                        what, threads = zip(*notes[owner])
                        self.assertEqual(what, ("set up", 1, 1, 2, "torn down"))
                        self.assertEqual(len(set(threads)), 1)
                        self.assertNotIn(threading.get_ident(), threads)
                    what, threads = zip(*notes[Y_with_a_sync_one])
                    self.assertEqual(what, ("set up", 1, 1, 2, 3, "torn down"))
                    self.assertEqual(set(threads), {threading.get_ident()})
            """
        )
        self.assert_passes(run, 12)
