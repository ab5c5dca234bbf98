"""Ctrl-C and SIGQUIT."""

from __future__ import annotations

import signal
import sys
from unittest import TestCase, skipIf

from tests.runs import Project, Run

HEAD = """
import asyncio, os, signal, sys, time, unittest

def say(*words):
    print(*words, flush=True)

"""
FIXTURES = """
def tearDownModule():
    say("module torn down")

class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.addClassCleanup(say, "class cleaned up")
    @classmethod
    async def tearDownClass(cls):
        say("class torn down")
    async def setUp(self):
        self.addCleanup(say, "cleaned up")
    async def tearDown(self):
        await asyncio.sleep(0)
        say("torn down")
"""
TORN_DOWN = ["torn down", "cleaned up", "class torn down", "class cleaned up", "module torn down"]


@skipIf(sys.platform == "win32", "no SIGINT for one process there")
class Signals(TestCase):
    """A run that receives signals."""

    def run_tests(
        self, code: str, *signals: signal.Signals, arguments: tuple[str, ...] = ()
    ) -> Run:
        """Run tests, and send each signal when a test says that it waits."""
        project = Project(self)
        project.write("test_it.py", HEAD + code)
        return project.signalled(*arguments, signals=signals)

    def test_waiting(self) -> None:
        """Ctrl-C shows where the test waited, tears fixtures down, and ends the run after it."""
        run = self.run_tests(
            FIXTURES
            + """
    async def test_1(self):
        try:
            say("waiting")
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            say("finally")
    async def test_2(self):
        say("never run")
""",
            signal.SIGINT,
            arguments=("--plugin", "nose2.plugins.junitxml", "--junit-xml"),
        )
        self.assertEqual((run.returncode, run.ran), (1, 1), run.output)
        self.assertNotIn("never run", run.output)
        lines = [line.removeprefix("E") for line in run.output.splitlines()]
        lines = [line for line in lines if line in {"finally", *TORN_DOWN}]
        self.assertEqual(lines, ["finally", *TORN_DOWN], run.output)
        self.assertIn("InterruptedRunError: interrupted by Ctrl-C\n", run.output)
        self.assertIn("\nthe run was interrupted by Ctrl-C: 1 test did not run\n", run.output)
        self.assertIn("It waits here:\n  test_it.py:26 in test_1  await asyncio.sl", run.output)
        self.assertNotIn("nose2_aio/", run.output)

    def test_anywhere(self) -> None:
        """Ctrl-C works in blocking code, in a sync test, and in fixtures of every kind."""
        for body, place in (
            ("async def test(self):\n        say('waiting')\n        time.sleep(60)", "test"),
            ("def test(self):\n        say('waiting')\n        time.sleep(60)", "test"),
            (
                (
                    "async def setUp(self):\n        say('waiting')\n        await "
                    "asyncio.sleep(60)\n"
                    "    async def test(self): pass"
                ),
                "setUp",
            ),
            (
                (
                    "async def tearDown(self):\n        say('waiting')\n"
                    "        await asyncio.sleep(60)\n    async def test(self): pass"
                ),
                "tearDown",
            ),
            (
                (
                    "async def clean(self):\n        say('waiting')\n        await "
                    "asyncio.sleep(60)\n"
                    "    def test(self):\n        self.addCleanup(self.clean)"
                ),
                "clean",
            ),
            (
                (
                    "@classmethod\n    async def tearDownClass(cls):\n        say('waiting')\n"
                    "        await asyncio.sleep(60)\n    async def test(self): pass"
                ),
                "tearDownClass",
            ),
            (
                (
                    "@classmethod\n    def setUpClass(cls):\n        say('waiting')\n"
                    "        time.sleep(60)\n    async def test(self): pass"
                ),
                "setUpClass",
            ),
        ):
            with self.subTest(place):
                run = self.run_tests(
                    "def tearDownModule():\n    say('module torn down')\n"
                    f"class Case(unittest.TestCase):\n    {body}\n"
                    "class Other(unittest.TestCase):\n    async def test_other(self):\n"
                    "        say('never run')\n",
                    signal.SIGINT,
                )
                self.assertEqual(run.returncode, 1, run.output)
                self.assertIn("InterruptedRunError: interrupted by Ctrl-C", run.output)
                self.assertRegex(run.output, rf"test_it\.py\S* line 1\d, in {place}|in {place}  ")
                self.assertIn("module torn down", run.output)
                if place != "tearDownClass":  # unittest has begun with the next class there
                    self.assertNotIn("never run", run.output)

    def test_isolated(self) -> None:
        """IsolatedAsyncioTestCase is torn down too, and shows where it waited."""
        run = self.run_tests(
            """
class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncTearDown(self):
        say("torn down")
    async def test(self):
        say("waiting")
        await asyncio.sleep(60)
""",
            signal.SIGINT,
        )
        self.assertIn("torn down", run.output)
        self.assertIn(
            "It waits here:\n  test_it.py:12 in test  await asyncio.sleep(60)", run.output
        )
        self.assertEqual((run.returncode, run.ran), (1, 1), run.output)

    def test_in_grace(self) -> None:
        """A test that is being cancelled already shows its limit, and where it waited."""
        for base, args in (("TestCase", ""), ("IsolatedAsyncioTestCase", ""), ("TestCase", "dead")):
            run = self.run_tests(
                f"""
class Case(unittest.{base}):
    async def test(self):
        try:
            await asyncio.sleep({60 if not args else "float('inf')"})
        finally:
            say("waiting")
            await asyncio.sleep(60)
    async def test_next(self): pass
""",
                signal.SIGINT,
                arguments=("--aio-time-limit=0.1", "--aio-grace=9", "-v"),
            )
            self.assertEqual((run.returncode, run.ran), (1, 1), run.output)
            why = "it can never finish" if args else "not done within its time limit of 0.1 s"
            self.assertIn("InterruptedRunError: interrupted by Ctrl-C\n\nIt was being", run.output)
            self.assertIn(f"\nIt was being cancelled: {why}", run.output)
            self.assertIn("It waits here:\n  test_it.py:10 in test  await", run.output)
            self.assertRegex(run.output, r"0\.\d[1-9] s of it waiting")

    def test_ignored(self) -> None:
        """A test of IsolatedAsyncioTestCase that ignores its cancellation doesn't hold up the end.

        One that catches it and ends goes on, as with asyncio.
        """
        run = self.run_tests(
            """
class Case(unittest.IsolatedAsyncioTestCase):
    async def test_1(self):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
    async def test_2(self):
        say("waiting")
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
    async def test_3(self): pass
""",
            signal.SIGINT,
            arguments=("--aio-grace=0.1", "-v"),
        )
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 1), run.output)
        self.assertIn("It waits here:\n  test_it.py:18 in test_2  await", run.reports[0])

    def test_shutdown(self) -> None:
        """Ctrl-C while leftovers of any scope are shut down is reported as everywhere."""
        stubborn = """
async def stubborn():
    try:
        await asyncio.sleep(60)
    finally:
        say("waiting")
        await asyncio.sleep(60)
"""
        in_class = """
class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.task = asyncio.create_task(stubborn())
    async def test(self): pass
"""
        in_test = """
class Case(unittest.TestCase):
    async def setUp(self):
        self.task = asyncio.create_task(stubborn())
    async def test(self): pass
"""
        in_module = """
async def setUpModule():
    globals()["task"] = asyncio.create_task(stubborn())
async def test(): pass
"""
        for code, arguments in (
            (in_class, ()),
            (in_test, ()),
            (in_test, ("--aio-loop-scope=class",)),
            (in_module, ()),
        ):
            run = self.run_tests(stubborn + code, signal.SIGINT, arguments=arguments)
            self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 1, 1), run.output)
            self.assertIn("InterruptedRunError: interrupted by Ctrl-C\n", run.reports[0])
            self.assertNotIn("KeyboardInterrupt", run.output)
            self.assertNotIn("destroyed", run.output)

    def test_twice(self) -> None:
        """A second Ctrl-C stops the run at once."""
        run = self.run_tests(
            """
class Case(unittest.TestCase):
    async def tearDown(self):
        say("waiting")
        await asyncio.sleep(60)
    async def test_1(self):
        say("waiting")
        await asyncio.sleep(60)
""",
            signal.SIGINT,
            signal.SIGINT,
        )
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("\nKeyboardInterrupt\n", run.output)

    def test_expected(self) -> None:
        """A test that catches its own KeyboardInterrupt passes."""
        run = self.run_tests(
            """
class Case(unittest.TestCase):
    async def test(self):
        with self.assertRaises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    async def test_next(self): pass
"""
        )
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)

    def test_quit(self) -> None:
        """SIGQUIT shows the running tests, for how long, and where they wait. The run goes on."""
        run = self.run_tests(
            """
class Case(unittest.TestCase):
    async def test(self):
        say("waiting")
        await asyncio.sleep(0.5)
    def test_blocks(self):
        say("waiting")
        time.sleep(0.5)
""",
            signal.SIGQUIT,
            signal.SIGQUIT,
        )
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
        for report in (
            (
                r"\ntest_it\.Case\.test runs for 0\.\d\d s\n\nslow at .*\n\nIt waits here:\n"
                r"  test_it\.py:10 in test  await asyncio\.sleep\(0\.5\)\n  sleeps, "
                r"0\.\d+ s to go\n"
            ),
            (
                r"\ntest_it\.Case\.test_blocks runs for 0\.\d\d s\n\nIt runs here:\n"
                r"  test_it\.py:13 in test_blocks  time\.sleep\(0\.5\)\n"
            ),
        ):
            self.assertRegex(run.output, report)

    def test_quit_workers(self) -> None:
        """In worker processes SIGQUIT shows the same. The main process goes on too."""
        project = Project(self, test_it="")
        project.write(
            "test_it.py",
            HEAD
            + """
async def test():
    os.kill(os.getppid(), signal.SIGQUIT)
    os.kill(os.getpid(), signal.SIGQUIT)
    await asyncio.sleep(0.1)
""",
        )
        run = project.nose2("--plugin", "nose2.plugins.mp", "-N", "1")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertIn("the tests run in worker processes", run.output)
        self.assertRegex(run.output, r"test_it\S* runs for 0\.\d\d s\n\n.*\n\nIt runs here:\n")

    def test_own_handler(self) -> None:
        """A SIGQUIT handler of the user's is kept."""
        run = self.run_tests(
            """
signal.signal(signal.SIGQUIT, lambda *_: say("mine"))
async def test():
    os.kill(os.getpid(), signal.SIGQUIT)
    await asyncio.sleep(0.01)
"""
        )
        self.assertIn("mine", run.output)
        self.assertEqual(run.returncode, 0)
