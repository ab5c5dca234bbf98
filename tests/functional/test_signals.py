"""Signals: Ctrl-C, SIGTERM, SIGQUIT and Ctrl-Z, serially and with worker processes."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple
from unittest import skipIf

from tests.runs import Project, Run, start
from tests.workers import NOTE, Workers

FIXTURES = (
    NOTE
    + """
import signal

def tearDownModule():
    note("module torn down")

class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.addClassCleanup(note, "class cleaned up")
    @classmethod
    async def tearDownClass(cls):
        note("class torn down")
    async def setUp(self):
        self.addCleanup(note, "cleaned up")
    async def tearDown(self):
        await asyncio.sleep(0)
        note("torn down")
    async def test_0(self):
        pass
    async def test_1(self):
        try:
            note("waiting")
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            note("finally")
    async def test_2(self):
        note("never run")
"""
)
TORN_DOWN = [
    *("cleaned up", "waiting", "finally", "torn down", "cleaned up"),
    *("class torn down", "class cleaned up", "module torn down"),
]


class Step(NamedTuple):
    """Signals that are sent when a number of tests are waiting."""

    waiting: int
    signals: tuple[signal.Signals, ...]
    pause: float = 0.0
    """Seconds between two signals."""


@skipIf(sys.platform == "win32", "no such signals there")
class Signals(Workers):
    """Runs that receive signals."""

    def run_signalled(self, project: Project, steps: Iterable[Step], *arguments: str) -> Run:
        """Run nose2; send signals when the notes say that tests are waiting."""
        load = ("-m", "nose2", "--no-user-config", "--plugin", "nose2_aio")
        process = start(*load, *arguments, folder=project.folder)
        watchdog = threading.Timer(40, process.kill)
        watchdog.start()
        path = project.folder / "notes.txt"
        try:
            for step in steps:
                while not path.exists() or path.read_text().count("waiting\n") < step.waiting:
                    self.assertIsNone(process.poll(), "it has ended")
                    time.sleep(0.005)
                time.sleep(0.05)  # until they do
                for number, one in enumerate(step.signals):
                    if number:
                        time.sleep(step.pause)
                    process.send_signal(one)
            output, _ = process.communicate()
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        return Run(process.returncode, output)


class Interrupts(Signals):
    """Ctrl-C and SIGTERM."""

    def assert_torn_down(self, number: signal.Signals, cause: str, *arguments: str) -> None:
        """The first signal tears down the running tests. Results so far are reported."""
        project = Project(self, test_it=FIXTURES)
        run = self.run_signalled(project, [Step(1, (number,))], "-v", *arguments)
        self.assertEqual((run.returncode, run.ran), (1, 2), run.output)
        notes = self.notes(project)
        self.assertEqual(notes[:2], ["torn down", "cleaned up"])
        self.assertEqual(notes[1:], TORN_DOWN, run.output)
        self.assertEqual(list(run.outcomes.values()), ["ok", "ERROR"])
        self.assertIn(f"InterruptedRunError: interrupted by {cause}\n", run.output)
        self.assertRegex(
            run.output, r"It waits here:\n  test_it.py:\d+ in test_1  await asyncio.sleep\(60\)"
        )
        self.assertNotIn("nose2_aio/", run.output)
        self.assertNotIn("lost", run.output)

    def test_first(self) -> None:
        """Ctrl-C tears down the running test and its class, and shows where the test waited."""
        self.assert_torn_down(signal.SIGINT, "Ctrl-C", "--aio-workers=2")
        self.assert_torn_down(
            signal.SIGINT, "Ctrl-C", "--aio-workers=1", "--aio-worker-start=spawn"
        )

    def test_terminated(self) -> None:
        """SIGTERM does the same, in a serial run and in workers."""
        self.assert_torn_down(signal.SIGTERM, "SIGTERM")
        self.assert_torn_down(signal.SIGTERM, "SIGTERM", "--aio-workers=2")

    def test_all_of_them(self) -> None:
        """All running tests are torn down and show where they were, sync ones too."""
        project = Project(
            self,
            test_it=NOTE
            + """
class Case(unittest.TestCase):
    def tearDown(self):
        note("torn down")
    async def test_1(self):
        note("waiting")
        await asyncio.sleep(60)
    def test_2(self):
        note("waiting")
        time.sleep(60)
    def test_3(self):
        self.fail("never run")

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        note("torn down")
    async def test(self):
        note("waiting")
        await asyncio.sleep(60)
""",
        )
        project.write(
            "test_0.py",
            "import unittest\n\n"
            "class Zero(unittest.TestCase):\n"
            "    def test(self): self.fail('told')\n",
        )
        run = self.run_signalled(
            project,
            [Step(3, (signal.SIGINT,))],
            "--aio-workers=3",
            "test_0",
            "test_it.Case.test_1",
            "test_it.Case.test_2",
            "test_it.Isolated",
            "test_it.Case.test_3",
        )
        self.assertEqual(run.returncode, 1, run.output)
        self.assertEqual(self.notes(project), ["waiting"] * 3 + ["torn down"] * 3)
        self.assertEqual((run.ran, len(run.reports)), (4, 4), run.output)
        self.assertIn("\nthe run was interrupted by Ctrl-C: 1 test did not run\n", run.output)
        self.assertIn("told", run.output)
        reports = "".join(run.reports)
        self.assertEqual(reports.count("InterruptedRunError: interrupted by Ctrl-C"), 3)
        for line in (r"await asyncio.sleep\(60\)", r"time.sleep\(60\)"):
            self.assertRegex(run.output, line)

    def test_second(self) -> None:
        """A second Ctrl-C kills the workers. Results so far are reported."""
        project = Project(
            self,
            test_it=NOTE
            + """
class Case(unittest.TestCase):
    def test_0(self):
        self.fail("told")
    async def test_1(self):
        note("waiting")
        await asyncio.sleep(60)
    async def tearDown(self):
        if self._testMethodName == "test_1":
            note("waiting")
            await asyncio.sleep(60)
""",
        )
        steps = [Step(1, (signal.SIGINT,)), Step(2, (signal.SIGINT,))]
        began = time.monotonic()
        run = self.run_signalled(project, steps, "--aio-workers=2")
        self.assertLess(time.monotonic() - began, 15)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("told", run.output)
        self.assertIn("its worker process was killed by Ctrl-C\n", run.output)
        self.assertNotIn("nose2_aio/", run.output)

    def test_runs_itself(self) -> None:
        """A test of a class that runs its own tests is reported too."""
        project = self.project(
            """
class Own(unittest.TestCase):
    def _callTestMethod(self, method):
        method()
    def test_1(self):
        note("waiting")
        time.sleep(60)
    def test_2(self):
        self.fail("never run")
"""
        )
        run = self.run_signalled(project, [Step(1, (signal.SIGINT,))], "-v", "--aio-workers=1")
        self.assertEqual((run.returncode, run.ran), (1, 1), run.output)
        (report,) = run.reports
        self.assertIn("in test_1\n    time.sleep(60)\n", report)
        self.assertIn("\nKeyboardInterrupt\n", report)

    def test_own_interrupt(self) -> None:
        """A test that raises KeyboardInterrupt ends the run, as in a serial run."""
        code = """
class Case(unittest.TestCase):
    def test_1(self):
        raise KeyboardInterrupt
    def test_2(self):
        pass
"""
        for arguments in ((), ("--aio-workers=1",)):
            run = self.project(code).nose2("-v", *arguments)
            self.assertEqual((run.returncode, run.ran), (1, 1), run.output)
            self.assertIn("interrupted by Ctrl-C", run.output)


class Questions(Signals):
    """SIGQUIT."""

    def test_quit(self) -> None:
        """SIGQUIT lists all running tests, and where each waits. The run goes on."""
        project = Project(
            self,
            test_it=NOTE
            + """
class Case(unittest.TestCase):
    async def test_1(self):
        note("waiting")
        await asyncio.sleep(0.6)
    def test_2(self):
        note("waiting")
        time.sleep(0.6)
""",
        )
        run = self.run_signalled(project, [Step(2, (signal.SIGQUIT,))], "--aio-workers=2")
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
        self.assertIn("\nThese tests run in worker processes:\n", run.output)
        for name, line in (
            (
                "test_it.Case.test_1",
                r"slow at .*\n\nIt waits here:\n  test_it.py:\d+ in test_1",
            ),
            ("test_it.Case.test_2", r"It runs here:\n  test_it.py:\d+ in test_2  time.sleep"),
        ):
            self.assertRegex(run.output, rf"\n{name} has run for 0\.\d\d s\n")
            self.assertRegex(run.output, rf"{name} runs for 0\.\d\d s\n\n{line}")


class Suspensions(Signals):
    """SIGTSTP and SIGCONT."""

    def test_suspended(self) -> None:
        """Time in which the run is suspended doesn't count for time limits."""
        project = Project(
            self,
            test_it=NOTE
            + """
class Case(unittest.TestCase):
    async def test_1(self):
        note("waiting")
        last = time.monotonic()
        while time.monotonic() - last < 0.4:
            last = time.monotonic()
            await asyncio.sleep(0.002)
    def test_2(self):
        note("waiting")
        last = time.monotonic()
        while time.monotonic() - last < 0.4:
            last = time.monotonic()
            time.sleep(0.002)
        note("gap", time.monotonic() - last)
""",
        )
        stop = (signal.SIGTSTP, signal.SIGCONT)
        for workers, steps in (("0", (1, 2)), ("2", (2,))):
            with self.subTest(workers=workers):
                began = time.monotonic()
                run = self.run_signalled(
                    project,
                    [Step(count, stop, pause=2.2) for count in steps],
                    f"--aio-workers={workers}",
                    "--aio-time-limit=2",
                    "--aio-grace=0.05",
                )
                self.assertGreater(time.monotonic() - began, 2.2)
                self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
                (gap,) = (line for line in self.notes(project) if line.startswith("gap"))
                self.assertGreater(float(gap.split()[1]), 0.4)


class Children(Signals):
    """Child processes that tests fork."""

    def test_default(self) -> None:
        """They have none of our signal handlers: SIGTERM ends them."""
        code = """
import signal

class Case(unittest.TestCase):
    def test(self):
        child = os.fork()
        if not child:
            is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os.write(2, b"default\\n" if is_default else b"ours\\n")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            os._exit(9)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGTERM)
    def test_next(self):
        self.assertTrue(callable(signal.getsignal(signal.SIGTERM)))
"""
        for workers in ("0", "1"):
            run = self.project(code).nose2(f"--aio-workers={workers}")
            self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
            self.assertEqual(len(re.findall("^.*default$", run.output, re.MULTILINE)), 1)
