"""The setting ``slow``: a line on each test and fixture that runs for long, while it does."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project, start

CODE = """
import asyncio, os, signal, subprocess, sys, time, unittest, warnings
import nose2_aio as aio

LONG = 0.2

class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        time.sleep(LONG)
    async def setUp(self):
        if self._testMethodName == "test_a_set_up":
            await asyncio.sleep(LONG)
    async def test_a_set_up(self): pass
    async def test_awaits(self):
        await asyncio.sleep(LONG)
    async def test_blocks(self):
        time.sleep(LONG)
    async def test_cleanup(self):
        self.addCleanup(time.sleep, LONG)
    async def test_quick(self): pass
    async def test_thread(self):
        await asyncio.to_thread(time.sleep, LONG)

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.task = asyncio.create_task(asyncio.sleep(100))
        await asyncio.sleep(0)
    async def test(self):
        await asyncio.sleep(LONG)
    async def asyncTearDown(self):
        self.task.cancel()

class Late(unittest.TestCase):
    @classmethod
    async def tearDownClass(cls):
        await asyncio.sleep(LONG)
    def test_sync(self):
        time.sleep(LONG)
"""
SLEEPS = r"slow at test_it\.py:\d+ in {}: sleeps, 0\.\d+ s to go$"
BLOCKS = r"is at test_it\.py:\d+ in {}  time\.sleep\(LONG\)$"
LINES = {
    "setUpClass (test_it.Case)": (BLOCKS, "setUpClass"),
    "test_it.Case.test_a_set_up": (SLEEPS, "setUp"),
    "test_it.Case.test_awaits": (SLEEPS, "test_awaits"),
    "test_it.Case.test_blocks": (BLOCKS, "test_blocks"),
    "test_it.Case.test_cleanup": ("is not in the test's own code$", ""),
    "test_it.Case.test_thread": (r"slow at .* in {}: waits for the executor job", "test_thread"),
    "test_it.Isolated.test": (SLEEPS, "test"),
    "tearDownClass (test_it.Late)": (SLEEPS, "tearDownClass"),
    "test_it.Late.test_sync": (BLOCKS, "test_sync"),
}
"""By name of what is slow: what its line says, and in which function."""
ALARMS = """
import os, signal, time, unittest
from nose2_aio.eventloop.alarms import SIGNAL
from nose2_aio.running import slow_tests
slow_tests._LOST = 0.05

class Case(unittest.TestCase):
    def test_a_own_timer(self):
        rings = []
        signal.signal(signal.SIGALRM, lambda *_: rings.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(0.05)
        self.assertEqual(rings, [1])
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    def test_b_slow(self):
        time.sleep(0.2)
    def test_c_forks(self):
        pid = os.fork()
        if not pid:
            os._exit(signal.getsignal(SIGNAL) is not signal.SIG_DFL)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
    def test_d_slow(self):
        time.sleep(0.2)
    def test_e_ignores(self):
        signal.signal(SIGNAL, signal.SIG_IGN)
    def test_f_slow(self):
        time.sleep(0.2)
    def test_g_slow(self):
        time.sleep(0.2)
    def test_h_resets(self):
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        time.sleep(0.2)
    def test_i_slow(self):
        time.sleep(0.2)
"""


class Slow(TestCase):
    """Lines on stderr."""

    def test_kinds(self) -> None:
        """Tests and fixtures of all kinds, however they run; a second line after twice as long."""
        project = Project(self, test_it=CODE)
        for switches in (
            (),
            ("--aio-workers=2",),
            ("--aio-loop=uvloop",),
            ("--plugin=nose2.plugins.mp", "-N2"),
            ("--aio-time-limit=5",),
        ):
            run = project.nose2("--aio-slow=0.05", *switches)
            self.assertEqual(run.returncode, 0, run.output)
            for name, (does, function) in LINES.items():
                what = rf"{re.escape(name)}(\[uvloop\])? has run for 0\.\d+ s"
                self.assertRegex(run.output, rf"(?m)^{what}: {does.format(function)}")
            self.assertRegex(run.output, r"test_awaits(\[uvloop\])? has run for 0\.[12] s: ")
            self.assertNotIn("test_quick", run.output)

    def test_off(self) -> None:
        """0 means never. A test that is debugged gets no line."""
        for switch in ("--aio-slow=0", "-D"):
            run = Project(self, test_it=CODE).nose2("--aio-slow=0.05", switch)
            self.assertEqual(run.returncode, 0, run.output)
            self.assertNotIn("has run for", run.output)

    def test_live(self) -> None:
        """The line is printed while the test runs, also if it runs in a worker process."""
        code = (
            "import asyncio, os\n"
            "async def test():\n"
            "    while not os.path.exists('seen'):\n"
            "        await asyncio.sleep(0.01)\n"
        )
        for switches in ((), ("--aio-workers=1",), ("--plugin=nose2.plugins.mp", "-N2")):
            project = Project(self, test_it=code)
            load = ("-m", "nose2", "--no-user-config", "--plugin", "nose2_aio", "--aio-slow=0.05")
            with start(*load, "--aio-time-limit=30", *switches, folder=project.folder) as process:
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                self.assertTrue(any("test_it.test has run for" in line for line in lines))
                project.write("seen", "")
                self.assertIn("OK", "".join(lines))

    def test_alarms(self) -> None:
        """Tests may use SIGALRM. If one resets our signal, a later test gets its line again."""
        run = Project(self, test_it=ALARMS).nose2("--aio-slow=0.1")
        self.assertEqual((run.returncode, run.ran), (0, 9), run.output)
        told = re.findall(r"test_(\w)_slow has run for 0\.1 s: ", run.output)
        self.assertEqual(told, ["b", "d", "g", "i"], run.output)
