"""Time limits: a test that hangs is reported and ended or abandoned. The run goes on."""

from __future__ import annotations

import time
from unittest import TestCase

from tests.runs import Project

HEAD = """
import asyncio, threading, time, unittest
import nose2_aio as aio

async def stubborn():
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            pass

"""

EVERYTHING = """async def {name}(self):
    queue = asyncio.Queue()
    while True:
        try:
            await queue.get()
        except (Exception, asyncio.CancelledError):
            pass"""
"""Also catches what ``close`` raises in it, after its loop was closed: it would never end."""

HANGS = {
    # name of the hang: its class body, the lines of its report, how often it has to be cancelled
    "sleeps": (
        "async def test(self):\n    await asyncio.sleep(300)",
        ["slow at test_it.py:14 in test: sleeps, "],
    ),
    "swallows": (
        "async def test(self):\n    await stubborn()",
        [
            (
                "  test_it.py:14 in test     await stubborn()\n"
                "  test_it.py:7 in stubborn  await asyncio.sleep(100)\n  sleeps, "
            ),
            "It was cancelled twice and did not end: its event loop was abandoned",
        ],
    ),
    "swallows_everything": (
        EVERYTHING.format(name="test"),
        [
            "  test_it.py:17 in test  await queue.get()\n  waits for",
            "It was cancelled twice and did not end: its event loop was abandoned",
        ],
    ),
    "set_up_swallows_everything": (
        EVERYTHING.format(name="swallow") + "\nasync def setUp(self):\n"
        "    if self._testMethodName == 'test':\n"
        "        await self.swallow()\nasync def test(self): pass",
        ["  test_it.py:17 in swallow  await queue.get()\n  waits for"],
    ),
    "blocks": (
        "async def test(self):\n    time.sleep(300)",
        ["It runs here:\n  test_it.py:14 in test  time.sleep(300)\n"],
    ),
    "spins": (
        "async def test(self):\n    while True:\n        pass",
        ["It runs here:\n  test_it.py:1"],
    ),
    "spins_in_sleep": (
        "async def test(self):\n    while True:\n        await asyncio.sleep(0)",
        ["busy at test_it.py:15 in test: is about to run\n"],
    ),
    "background": (
        (
            "async def test(self):\n    self.task = asyncio.create_task(stubborn())\n"
            "    await asyncio.sleep(0)"
        ),
        [
            (
                "AbandonedLoopError: the event loop was abandoned: a task was "
                "cancelled twice and did "
                "not end\n"
            ),
            (
                "(stubborn), made at test_it.py:14 in test:\n"
                "  test_it.py:7 in stubborn  await asyncio.sleep(100)\n  sleeps, "
            ),
        ],
    ),
    "executor": (
        "async def test(self):\n    await asyncio.to_thread(time.sleep, 300)",
        [
            (
                "slow at test_it.py:14 in test: waits for the executor job time.sleep, "
                "handed over at test_it.py:14 in test\n"
            ),
            "A thread of the executor runs time.sleep, handed over at test_it.py:14 in test\n",
        ],
    ),
    "set_up": (
        (
            "async def setUp(self):\n    if self._testMethodName == 'test':\n"
            "        await asyncio.sleep(300)\nasync def test(self): pass"
        ),
        ["slow at test_it.py:15 in setUp: sleeps, "],
    ),
    "set_up_swallows": (
        (
            "async def setUp(self):\n    if self._testMethodName == 'test':\n"
            "        await stubborn()\nasync def test(self): pass"
        ),
        ["  test_it.py:15 in setUp    await stubborn()\n"],
    ),
    "tagged_set_up": (
        (
            "@aio.timeout(0.01)\nasync def setUp(self):\n    if self._testMethodName == 'test':\n"
            "        await asyncio.sleep(300)\nasync def test(self): pass"
        ),
        ["time limit of 0.01 s (@timeout)", "slow at test_it.py:16 in setUp: sleeps, "],
    ),
    "late": (
        "async def test(self):\n    time.sleep(0.15)",
        ["It ended all the same: it blocked, or caught what was to end it.\n"],
    ),
    "fails_then": (
        (
            "async def test(self):\n    try:\n        await asyncio.sleep(300)\n    finally:\n"
            "        raise LookupError('then')"
        ),
        [
            "LookupError: then\n\nThe above exception was the direct cause",
            "TimeLimitError: not done",
        ],
    ),
    "tear_down": (
        (
            "async def tearDown(self):\n    if self._testMethodName == 'test':\n"
            "        await asyncio.sleep(300)\nasync def test(self): pass"
        ),
        ["slow at test_it.py:15 in tearDown: sleeps, "],
    ),
    "cleanup": (
        (
            "async def clean(self):\n    await asyncio.sleep(300)\n"
            "async def test(self):\n    self.addCleanup(self.clean)"
        ),
        ["slow at test_it.py:14 in clean: sleeps, "],
    ),
    "callback": (
        (
            "async def callback(self):\n    await asyncio.sleep(300)\n"
            "@aio.run_forever(timeout=0.01)\nasync def test(self):\n    return self.callback"
        ),
        ["slow at test_it.py:14 in callback: sleeps, "],
    ),
    "sync": (
        "def test(self):\n    time.sleep(300)",
        ["It runs here:\n  test_it.py:14 in test  time.sleep(300)\n"],
    ),
    "sync_set_up": (
        (
            "def setUp(self):\n    if self._testMethodName == 'test':\n        time.sleep(300)\n"
            "async def test(self): pass"
        ),
        ["It runs here:\n  test_it.py:15 in setUp  time.sleep(300)\n"],
    ),
    "own_loop": (
        "def test(self):\n    asyncio.run(asyncio.sleep(300))",
        ["It runs here:\n  test_it.py:14 in test  asyncio.run(asyncio.sleep(300))\n"],
    ),
    "nested": (
        (
            "def test(self):\n    aio.run_until_complete(self.hangs)()\n"
            "async def hangs(self):\n    await asyncio.sleep(300)"
        ),
        ["It runs here:\n  test_it.py:14 in test  aio.run_until_complete(self.hangs)()\n"],
    ),
    "in_c": (
        "def test(self):\n    self.addCleanup(time.sleep, 300)",
        ["not done within its time limit of 0.1 s"],
    ),
    "no_name": (
        "def test(self):\n    exec('while True: pass', {})",
        ["It runs here:\n  test_it.py:14 in test"],
    ),
    "swallows_in_tear_down": (
        (
            "def tearDown(self):\n    try:\n"
            "        time.sleep(300 * (self._testMethodName == 'test'))\n"
            "    except BaseException: pass\ndef test(self): pass"
        ),
        ["It ended all the same: it blocked, or caught what was to end it.\n"],
    ),
    "swallows_in_cleanup": (
        (
            "def clean(self):\n    try:\n        time.sleep(300)\n"
            "    except BaseException: pass\ndef test(self):\n    self.addCleanup(self.clean)"
        ),
        ["It ended all the same: it blocked, or caught what was to end it.\n"],
    ),
    "asyncgen": (
        (
            "async def numbers(self):\n    try:\n        yield 1\n    finally:\n"
            "        while True:\n            try:\n                await asyncio.sleep(100)\n"
            "            except BaseException: pass\n"
            "async def test(self):\n    self.kept = self.numbers()\n    await anext(self.kept)"
        ),
        ["AbandonedLoopError: the event loop was abandoned"],
    ),
}
"""Ways to hang: the body of a class, and what is in the report."""

CLASS = """
class {name}(unittest.TestCase):
{body}
    async def test_next(self):
        await asyncio.sleep(0)
"""


def project(case: TestCase, code: str) -> Project:
    """Return a project with one module."""
    made = Project(case, test_it="")
    made.write("test_it.py", HEAD + code)
    return made


class Hangs(TestCase):
    """Each way to hang."""

    def test_each(self) -> None:
        """Each hanging test fails with its await chain. The next one passes, the run ends."""
        made = Project(self)
        expected = {}
        for name, (body, _) in HANGS.items():
            indented = "\n".join(f"    {line}" for line in body.splitlines())
            made.write(f"{name}/__init__.py", "")
            made.write(f"{name}/test_it.py", HEAD + CLASS.format(name="Case", body=indented))
            expected |= {
                f"{name}.test_it.Case.test": "ERROR",
                f"{name}.test_it.Case.test_next": "ok",
            }
        began = time.monotonic()
        run = made.nose2("-v", "--aio-time-limit=0.1", "--aio-grace=0.1")
        self.assertLess(time.monotonic() - began, len(HANGS))
        self.assertEqual(run.outcomes, expected, run.output)
        self.assertNotIn("nose2_aio/", run.output)
        for name, (_, lines) in HANGS.items():
            with self.subTest(name):
                (report,) = (one for one in run.reports if f"({name}.test_it." in one)
                report = report.replace(f"{name}/test_it.py", "test_it.py")
                for line in lines:
                    self.assertIn(line, report)
                if name != "fails_then":  # its own error's traceback is the user's
                    self.assertNotIn("/asyncio/", report)

    def test_wider_fixtures(self) -> None:
        """Fixtures of classes and modules, async or not, each have a limit of their own."""
        made = project(
            self,
            """
async def setUpModule():
    await asyncio.sleep(0.06)

class SetUp(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(300)
    async def test(self): pass

class Blocks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        time.sleep(300)
    async def test(self): pass

class Catches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            time.sleep(300)
        except BaseException:
            pass
    async def test(self): pass

class TearDown(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(0.06)
    @classmethod
    async def tearDownClass(cls):
        await asyncio.sleep(300)
    async def test(self):
        await asyncio.sleep(0.06)

class Tagged(unittest.TestCase):
    @classmethod
    @aio.timeout(5)
    async def setUpClass(cls):
        await asyncio.sleep(0.15)
    async def test(self): pass
""",
        )
        run = made.nose2("-v", "--aio-time-limit=0.1", "--aio-grace=0.1")
        self.assertEqual(len(run.reports), 4, run.output)
        for name in ("SetUp", "Blocks", "Catches"):
            self.assertNotIn(f"test_it.{name}.test", run.outcomes)
        self.assertEqual(run.outcomes["test_it.TearDown.test"], "ok", run.output)
        self.assertEqual(run.outcomes["test_it.Tagged.test"], "ok", run.output)
        for line in (
            "slow at test_it.py:18 in setUpClass: sleeps, ",
            "test_it.py:24 in setUpClass  time.sleep(300)",
            "slow at test_it.py:42 in tearDownClass: sleeps, ",
        ):
            self.assertIn(line, run.output)

    def test_shared_loop(self) -> None:
        """A class's loop is abandoned with a task that won't end. The next test gets another."""
        made = project(
            self,
            """
class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.loop = asyncio.get_running_loop()
    @classmethod
    async def tearDownClass(cls):
        print("torn down")
    async def tearDown(self):
        print("torn down", self._testMethodName)
    async def test_1(self):
        await stubborn()
    async def test_2(self):
        self.assertIsNot(asyncio.get_running_loop(), self.loop)
        self.assertTrue(self.loop.is_closed())
class Leaves(unittest.TestCase):
    @classmethod
    async def setUpClass(cls): pass
    async def test_1(self):
        self.task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
    async def test_2(self): pass
""",
        )
        run = made.nose2("--aio-time-limit=0.1", "--aio-grace=0.1")
        self.assertEqual((run.ran, len(run.reports)), (4, 2), run.output)
        self.assertIn("torn down test_2", run.output)
        self.assertEqual(run.output.count("torn down"), 1, run.output)


class Behaviour(TestCase):
    """Further rules of time limits."""

    def test_fixtures(self) -> None:
        """The limit covers the test with its fixtures. After it, the rest gets as long again."""
        run = project(
            self,
            """
class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(print, "cleaned up")
    async def tearDown(self):
        await asyncio.sleep(0.06)
        print("torn down")
    async def test(self):
        await asyncio.sleep(0.06)
        try:
            await asyncio.sleep(300)
        finally:
            await asyncio.sleep(0.01)
            print("finally")
    async def test_in_all(self):
        await asyncio.sleep(0.06)
""",
        ).nose2("-v", "--aio-time-limit=0.1")
        self.assertEqual(len(run.reports), 2, run.output)
        self.assertIn("slow at test_it.py:21 in test: sleeps, ", run.reports[0])
        self.assertIn("slow at test_it.py:16 in tearDown: sleeps, ", run.reports[1])
        printed = [
            line for line in run.output.splitlines() if line.endswith(("ed up", "ly", "own"))
        ]
        self.assertEqual(len(printed), 5, run.output)

    def test_tag_wins(self) -> None:
        """``@timeout`` wins over the setting, longer or shorter. 0 means no limit."""
        run = project(
            self,
            """
class Case(unittest.TestCase):
    @aio.timeout(5)
    async def test_longer(self):
        await asyncio.sleep(0.15)
    @aio.timeout(0)
    def test_none(self):
        time.sleep(0.25)
    @aio.timeout(0.01)
    def test_shorter(self):
        time.sleep(300)
    @aio.run_forever(timeout=0.1, sleep=0.1)
    async def test_waits(self):
        return lambda: None
""",
        ).nose2("-v", "--aio-time-limit=0.1")
        self.assertEqual(
            run.outcomes,
            {
                f"test_it.Case.test_{name}": outcome
                for name, outcome in {
                    "longer": "ok",
                    "none": "ok",
                    "shorter": "ERROR",
                    "waits": "ok",
                }.items()
            },
            run.output,
        )

    def test_swallowed_interrupt(self) -> None:
        """Code that catches our interrupt is interrupted again."""
        run = project(
            self,
            """
class Case(unittest.TestCase):
    def test(self):
        for _ in range(2):
            try:
                time.sleep(300)
            except BaseException:
                pass
    def test_next(self): pass
""",
        ).nose2("-v", "--aio-time-limit=0.05")
        self.assertEqual(run.outcomes["test_it.Case.test_next"], "ok")
        self.assertEqual(len(run.reports), 1, run.output)

    def test_own_alarm(self) -> None:
        """A test may use SIGALRM and its timer for itself. Its limit still applies."""
        run = project(
            self,
            """
import signal
class Case(unittest.TestCase):
    def setUp(self):
        self.rung = []
        before = signal.signal(signal.SIGALRM, lambda *_: self.rung.append(1))
        self.addCleanup(signal.signal, signal.SIGALRM, before)
    def test(self):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(0.05)
        self.assertEqual(self.rung, [1])
    async def test_awaits(self):
        await asyncio.sleep(300)
    async def test_blocks(self):
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(300)
class All(unittest.TestCase):
    async def test_1(self):
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
    def test_2(self):
        time.sleep(300)
""",
        ).nose2("-v", "--aio-time-limit=0.2")
        self.assertEqual(list(run.outcomes.values()), [*["ok", "ERROR"] * 2, "ERROR"], run.output)

    def test_c_code(self) -> None:
        """Of C code that can't be interrupted, the report shows the line that called it."""
        run = project(
            self,
            """
from nose2_aio.running import time_limits
time_limits._BLOCKED = 0.02
def compute():
    return sum(range(25_000_000))
def later():
    for _ in range(3): pass
class Case(unittest.TestCase):
    def test(self):
        compute()
        later()
    async def test_error(self):
        try:
            raise LookupError("own")
        except LookupError:
            compute()
            later()
    async def test_last(self):
        await asyncio.sleep(0)
        return compute() and None
""",
        ).nose2("-v", "--aio-time-limit=0.05")
        self.assertEqual(list(run.outcomes.values()), ["ERROR"] * 3, run.output)
        for report in run.reports:
            self.assertRegex(
                report, r"\nIt ran C code, which can't be interrupted, for \d\.\d s, and came to:\n"
            )
            self.assertIn("test_it.py:15 in compute", report)
            self.assertNotIn("in later", report.partition("nose2_aio.errors.")[2])
        self.assertIn("LookupError: own\n\nThe above exception was the direct", run.reports[1])

    def test_debugger(self) -> None:
        """Under a debugger there are no limits."""
        code = """
class Case(unittest.TestCase):
    def test(self):
        {trace}
        time.sleep(0.25)
        sys.settrace(None)
    def test_next(self): pass
"""
        trace = "import bdb, sys; b = bdb.Bdb(); b.reset(); sys.settrace(b.trace_dispatch)"
        run = project(self, code.format(trace=trace)).nose2("--aio-time-limit=0.05")
        self.assertEqual(run.returncode, 0, run.output)
        run = project(self, code.format(trace="import sys")).nose2("--aio-time-limit=0.05", "-D")
        self.assertEqual(run.returncode, 0, run.output)

    def test_isolated(self) -> None:
        """IsolatedAsyncioTestCase is limited everywhere. Its next test passes."""
        run = project(
            self,
            """
class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        if self._testMethodName == "test_set_up":
            await asyncio.sleep(300)
    async def asyncTearDown(self):
        if self._testMethodName == "test_tear_down":
            await asyncio.sleep(300)
    async def test_blocks(self):
        time.sleep(300)
    async def test_cleanup(self):
        self.addAsyncCleanup(asyncio.sleep, 300)
    async def test_cleanup_blocks(self):
        self.addCleanup(time.sleep, 300)
    def test_catches_sync(self):
        try:
            time.sleep(300)
        except BaseException:
            pass
    async def test_next(self): pass
    async def test_set_up(self): pass
    async def test_sleeps(self):
        await asyncio.sleep(300)
    async def test_swallows(self):
        await stubborn()
    async def test_catches(self):
        try:
            await asyncio.sleep(300)
        except asyncio.CancelledError:
            pass
    async def test_tear_down(self): pass
    async def test_z(self): pass
    @unittest.skip("now")
    async def test_skipped(self): pass
    @aio.run_forever(timeout=0.15)
    async def test_waits(self): pass
class Leaves(unittest.IsolatedAsyncioTestCase):
    async def test(self):
        self.task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
    async def test_fails(self):
        await self.test()
        self.fail()
    async def test_next(self): pass
class Blocks(unittest.IsolatedAsyncioTestCase):
    async def blocks(self):
        try:
            await asyncio.sleep(300)
        finally:
            time.sleep(300)
    async def test(self):
        self.task = asyncio.create_task(self.blocks())
        await asyncio.sleep(0)
""",
        ).nose2("-v", "--aio-time-limit=0.1", "--aio-grace=0.1")
        self.assertIn(run.ran, (16, 17), run.output)  # some don't start what is skipped
        self.assertNotIn("Task exception was never retrieved", run.output)
        self.assertEqual(
            [report.partition(" ")[2].partition(" ")[0] for report in run.reports],
            [
                "test",  # of Blocks
                "test_blocks",
                "test_catches",
                "test_catches_sync",
                "test_cleanup",
                "test_cleanup_blocks",
                "test_set_up",
                "test_sleeps",
                "test_swallows",
                "test_tear_down",
                "test",  # of Leaves
                "test_fails",
            ],
            run.output,
        )
        self.assertIn("AbandonedLoopError: the event loop was abandoned: a task", run.reports[-2])
        self.assertIn("the event loop was abandoned: a task", run.reports[-1])

    def test_workers(self) -> None:
        """Limits apply in worker processes too, and all reports come back."""
        body = "\n".join(
            f"class {name}(unittest.TestCase):\n    async def test(self):\n        {line}\n"
            for name, line in (
                ("Sleeps", "await asyncio.sleep(300)"),
                ("Swallows", "await stubborn()"),
                ("Blocks", "time.sleep(300)"),
                ("Passes", "pass"),
            )
        )
        run = project(self, body).nose2(
            "-v",
            *("--plugin", "nose2.plugins.mp", "-N", "2"),
            *("--plugin", "nose2.plugins.junitxml", "--junit-xml"),
            *("--aio-time-limit=0.1", "--aio-grace=0.1"),
        )
        self.assertEqual(sorted(run.outcomes.values()), ["ERROR"] * 3 + ["ok"], run.output)
        reports = "".join(run.reports)
        self.assertEqual(reports.count("not done within its time limit of 0.1 s"), 3)

    def test_other_runner(self) -> None:
        """The decorators apply limits, and abandon loops, under unittest alone too."""
        run = project(
            self,
            """
class Case(unittest.TestCase):
    @aio.run_until_complete
    @aio.timeout(0.05)
    async def test_blocks(self):
        time.sleep(300)
    @aio.run_until_complete
    async def test_leaves(self):
        self.task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
    @aio.run_until_complete
    @aio.timeout(0.05)
    async def test_swallows(self):
        await stubborn()
    def test_thread(self):
        threads = [threading.Thread(target=self.in_thread)]
        threads[0].start()
        threads[0].join()
        self.assertIsInstance(self.error, TimeoutError)
    def in_thread(self):
        @aio.run_until_complete
        @aio.timeout(0.05)
        async def spins():
            while True:
                time.sleep(0.01)
        try:
            spins()
        except BaseException as error:
            self.error = error
""",
        ).python("-m", "unittest")
        self.assertEqual(run.ran, 4, run.output)
        self.assertIn("FAILED (errors=3)", run.output)
        self.assertIn("AbandonedLoopError", run.output)
