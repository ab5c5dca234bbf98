"""Worker processes that die, or are stuck in code that can't be interrupted."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
import uuid
from pathlib import Path
from unittest import mock, skipUnless

from tests.runs import Project, Run, start
from tests.workers import NOTE, Workers, marked

HEAD = (
    NOTE
    + """
import ctypes
import re
import signal
import sqlite3
import subprocess
import threading

"""
)
DEATHS = """
class Case(unittest.TestCase):
    def test_01_segmentation_fault(self):
        print("printed before")
        os.write(2, b"written before\\n")
        ctypes.string_at(0)

    def test_02(self): pass

    async def test_03_exit(self):
        await asyncio.sleep(0)
        os._exit(3)

    async def test_04(self): pass

    def test_05_exit_0(self):
        os._exit(0)

    def test_06(self): pass

    def test_07_kill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def test_08(self): pass

    def test_09_sleep(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
        time.sleep(60)

    def test_10(self): pass

    def test_11_expression(self):
        re.match(r"(a|aa)+$", "a" * 60 + "b")

    def test_12(self): pass

    async def test_13_sqlite(self):
        path = os.path.join(os.path.dirname(__file__), "data")
        one, two = (sqlite3.connect(path, timeout=60, isolation_level=None) for _ in range(2))
        one.execute("begin exclusive")
        two.execute("begin exclusive")

    async def test_14(self): pass

    async def test_15_blocks(self):
        time.sleep(60)

    def test_16(self): pass
"""
PLACES = {  # what the report of each says, and the user's last line
    "test_01_segmentation_fault": ("died of SIGSEGV", "ctypes.string_at(0)"),
    "test_03_exit": ("ended with exit status 3", "os._exit(3)"),
    "test_05_exit_0": ("ended with exit status 0", "os._exit(0)"),
    "test_07_kill": ("died of SIGKILL (test_07_kill, test_it.py:", ""),
    "test_09_sleep": ("killed", "time.sleep(60)"),
    "test_11_expression": ("not done within its time limit of 0.5 s", "re.match("),
    "test_13_sqlite": ("killed", 'two.execute("begin exclusive")'),
    "test_15_blocks": ("not done within its time limit of 0.5 s", "time.sleep(60)"),
}
LOST = ": its worker process was lost, and so was its teardown"


class Deaths(Workers):
    """A test whose worker dies fails. The run goes on."""

    def run_project(self, code: str, *arguments: str) -> tuple[Run, list[str]]:
        """Run tests in workers; return the run and the tests' notes."""
        project = Project(self, test_it=HEAD + code)
        run = project.nose2("-v", *arguments)
        return run, self.notes(project)

    def test_all(self) -> None:
        """Each test fails at the user's line, with its output. The next test passes."""
        began = time.monotonic()
        run, _ = self.run_project(
            DEATHS, "--aio-workers=2", "--aio-time-limit=0.5", "--aio-grace=0.2"
        )
        self.assertLess(time.monotonic() - began, 2 * len(PLACES))
        passed = re.findall(r"^(test_\d+) \(.*\.\.\. ok$", run.output, re.MULTILINE)
        self.assertEqual(passed, [f"test_{number:02}" for number in range(2, 17, 2)], run.output)
        self.assertEqual((run.ran, run.returncode), (16, 1))
        self.assertEqual(len(run.reports), len(PLACES))
        for report, (name, (words, line)) in zip(run.reports, PLACES.items(), strict=True):
            with self.subTest(name):
                self.assertIn(name, report)
                self.assertIn(words, report)
                self.assertIn(line, report)
                self.assertNotIn("nose2_aio/", report)
        head = run.output.partition("test_02 ")[0]
        self.assertIn("printed before\n", run.output)
        self.assertIn("written before\n", head)
        for name, (words, _) in PLACES.items():
            lost = f"test_it.Case.{name}{LOST}\n"
            is_lost = not words.startswith("not done")
            self.assertEqual(run.output.count(lost), is_lost, name)

    def test_fixtures(self) -> None:
        """The rest of a unit runs in a new worker, with its fixtures set up again."""
        run, notes = self.run_project(
            """
class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        note("set up", os.getpid())
    def test_1(self):
        note("1", os.getpid())
    def test_2(self):
        os._exit(3)
    async def test_3(self):
        note("3", os.getpid())
    def test_4(self):
        note("4", os.getpid())
    @classmethod
    def tearDownClass(cls):
        note("torn down", os.getpid())
""",
            "--aio-workers=2",
        )
        names, processes = zip(*(line.rsplit(" ", 1) for line in notes), strict=True)
        self.assertEqual(names, ("set up", "1", "set up", "3", "4", "torn down"))
        self.assertEqual(len(set(processes[:2])), 1)
        self.assertEqual(len(set(processes[2:])), 1)
        self.assertEqual(len(set(processes)), 2)
        self.assertEqual(list(run.outcomes.values()), ["ok", "ERROR", "ok", "ok"])
        self.assertIn(f"test_it.Case.test_2{LOST}, and that of its class or module\n", run.output)

    def test_in_fixtures(self) -> None:
        """A death in a class fixture is reported once, at its line."""
        run, _ = self.run_project(
            """
class SetUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os._exit(5)
    def test_1(self): pass
    def test_2(self): pass

class TearDown(unittest.TestCase):
    def test_1(self): pass
    def test_2(self): pass
    @classmethod
    async def tearDownClass(cls):
        os._exit(6)

class Stuck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
        time.sleep(60)
    def test_1(self): pass

class Last(unittest.TestCase):
    def test(self): pass
""",
            "--aio-workers=2",
            "--aio-time-limit=0.3",
            "--aio-grace=0.1",
        )
        self.assertEqual((run.ran, len(run.reports)), (3, 3), run.output)
        for report, words, place in zip(
            sorted(run.reports, key=lambda text: re.findall(r"in (\w+)\n", text)[0] + text),
            ("exit status 5", "limit of 0.3 s", "exit status 6"),
            ("setUpClass", "setUpClass", "tearDownClass"),
            strict=True,
        ):
            self.assertIn(words, report)
            self.assertIn(f"in {place}\n", report)
        for name in ("SetUp", "TearDown", "Stuck"):
            self.assertIn(f"fixtures of test_it.{name}{LOST}\n", run.output)

    def test_no_line(self) -> None:
        """If no worker dies, no line says so. With ``-F``, nothing runs after a death."""
        code = """
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls): note("set up")
    def test_1(self): note("1")
    def test_2(self):
        if DIES: os._exit(3)
    def test_3(self): note("3")
"""
        run, _ = self.run_project(code.replace("DIES", "False"), "--aio-workers=1")
        self.assertEqual((run.returncode, run.ran), (0, 3), run.output)
        self.assertNotIn("lost", run.output)
        run, notes = self.run_project(code.replace("DIES", "True"), "--aio-workers=1", "-F")
        self.assertEqual(notes[:2], ["set up", "1"])
        self.assertEqual(run.ran, 2, run.output)
        self.assertIn("exit status 3", run.output)

    def test_child_leaves(self) -> None:
        """A child process that a test forks may end with ``os._exit``."""
        run, _ = self.run_project(
            """
class Case(unittest.TestCase):
    def test_1(self):
        child = os.fork()
        if not child:
            os._exit(7)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 7)
    def test_2(self):
        raise LookupError("at its own line")
""",
            "--aio-workers=1",
        )
        self.assertEqual(list(run.outcomes.values()), ["ok", "ERROR"], run.output)
        self.assertNotIn("lost", run.output)


@skipUnless(sys.platform == "linux", "the processes of a system are listed in /proc")
class Processes(Workers):
    """Processes that end with others."""

    def wait_for_none(self, marker: str) -> float:
        """Wait until no process of a run is left; return the seconds that it took."""
        began = time.monotonic()
        while marked(marker) and time.monotonic() - began < 5:
            time.sleep(0.02)
        self.assertEqual(marked(marker), [])
        return time.monotonic() - began

    def test_children(self) -> None:
        """The child processes of a test are killed with its worker."""
        project = Project(
            self,
            test_it=HEAD
            + """
class Case(unittest.TestCase):
    def test_1(self):
        subprocess.Popen(["sleep", "60"])
        ctypes.string_at(0)
    def test_2(self):
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])
        time.sleep(60)
    def test_3(self): pass
""",
        )
        marker = uuid.uuid4().hex
        with mock.patch.dict(os.environ, {"MARKER": marker}):
            run = project.nose2("--aio-workers=1", "--aio-time-limit=0.3", "--aio-grace=0.1")
        self.assertEqual((run.ran, len(run.reports)), (3, 2), run.output)
        self.wait_for_none(marker)

    def test_parent_killed(self) -> None:
        """``kill -9`` of the main process ends its workers, whatever they run."""
        for method in ("fork", "spawn"):
            project = Project(
                self,
                test_it=HEAD
                + """
class Case(unittest.TestCase):
    def test_1(self):
        note("runs")
        time.sleep(60)
    async def test_2(self):
        note("runs")
        await asyncio.sleep(60)
    def test_3(self):
        note("runs")
        re.match(r"(a|aa)+$", "a" * 60 + "b")
""",
            )
            marker = uuid.uuid4().hex
            with (
                tempfile.TemporaryDirectory() as folder,
                mock.patch.dict(os.environ, {"MARKER": marker, "TMPDIR": folder}),
            ):
                load = ("-m", "nose2", "--plugin", "nose2_aio", "--aio-workers=3")
                process = start(*load, f"--aio-worker-start={method}", folder=project.folder)
                try:
                    notes = project.folder / "notes.txt"
                    end = time.monotonic() + 20
                    while not (notes.exists() and notes.read_text().count("runs") == 3):
                        self.assertLess(time.monotonic(), end)
                        time.sleep(0.01)
                    self.assertGreaterEqual(len(marked(marker)), 4)
                finally:
                    process.kill()
                    process.wait()
                    assert process.stdout is not None
                    process.stdout.close()
                self.assertLess(self.wait_for_none(marker), 2)

    def test_files(self) -> None:
        """The files of killed workers are removed."""
        project = Project(self, test_it=HEAD + "def test(): os.kill(os.getpid(), signal.SIGKILL)\n")
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.dict(os.environ, {"TMPDIR": folder}),
        ):
            run = project.nose2("--aio-workers=1")
            self.assertIn("died of SIGKILL", run.output)
            self.assertEqual(list(Path(folder).iterdir()), [])
