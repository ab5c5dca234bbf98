"""The end of the process: nothing that tests have left can hold it up."""

from __future__ import annotations

import time
from unittest import TestCase

from tests.runs import Project

LEAVES = """
import asyncio, atexit, multiprocessing, threading, time, unittest
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

def block():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

class Leaves(unittest.TestCase):
    async def test_job(self):
        ThreadPoolExecutor(1, "pool").submit(block)
    async def test_default_executor(self):
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "default"))
        asyncio.get_running_loop().run_in_executor(None, block)
    async def test_thread(self):
        threading.Thread(target=block, name="thread").start()
    async def test_builtin(self):
        threading.Thread(target=threading.Event().wait, name="builtin").start()
    async def test_ends(self):
        threading.Thread(target=time.sleep, args=(0.01,)).start()
        ThreadPoolExecutor(1).submit(int).result()
    def test_own_executor(self):
        async def run():
            asyncio.get_running_loop().run_in_executor(None, block)
            await asyncio.sleep(0)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(run())
        loop.close()
    async def test_at_exit(self):
        atexit.register(print, "called at exit")
"""
CHILDREN = """
class Children(unittest.TestCase):
    def test_process(self):
        multiprocessing.get_context("spawn").Process(target=block, name="child").start()
    def test_pool(self):
        context = multiprocessing.get_context("spawn")
        ProcessPoolExecutor(1, mp_context=context).submit(block)
"""
HEAD = "\nThe process ends without what tests have left running (exit-grace: 0.2 s):\n"
THREADS = [
    "  thread pool_0: test_it.py:7 in block  lock.acquire()",
    "  thread default_0: test_it.py:7 in block  lock.acquire()",
    "  thread thread: test_it.py:7 in block  lock.acquire()",
    "  thread builtin",
]


class Exit(TestCase):
    """A process whose tests have left something that blocks."""

    def setUp(self) -> None:
        self.began = time.monotonic()

    def test_each(self) -> None:
        """What is left is told with its line. All reports are written, the status stays."""
        project = Project(self)
        project.write("test_it.py", LEAVES + CHILDREN)
        run = project.nose2(
            "--aio-exit-grace=0.2", "--plugin", "nose2.plugins.junitxml", "--junit-xml"
        )
        self.assertLess(time.monotonic() - self.began, 30)
        self.assertEqual((run.returncode, run.ran), (0, 9), run.output)
        self.assertTrue((project.folder / "nose2-junit.xml").exists())
        summary, _, told = run.output.partition(HEAD)
        self.assertIn("called at exit", told)
        for line in THREADS:
            self.assertIn(f"{line}\n", told)
        self.assertRegex(told, r"\n  child process child \(pid \d+\)\n")
        self.assertIn("\nOK\n", summary)

    def test_default_executor(self) -> None:
        """A job of the default executor that runs on is told. It holds up nothing."""
        project = Project(self)
        head = LEAVES.partition("class Leaves")[0]
        for base in ("TestCase", "IsolatedAsyncioTestCase"):
            project.write(
                f"test_{base}.py",
                f"{head}class Case(unittest.{base}):\n    async def test(self):\n"
                "        asyncio.get_running_loop().run_in_executor(None, block)\n",
            )
        for workers in ("--aio-workers=0", "--aio-workers=1"):
            run = project.nose2(workers, "--aio-grace=0.05")
            self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
            for base in ("TestCase", "IsolatedAsyncioTestCase"):
                line = rf"\nstill running: thread asyncio_\d_0: test_{base}.py:7 in block  lock.acq"
                self.assertRegex(run.output, line)
            self.assertNotIn("The process ends", run.output)

    def test_workers(self) -> None:
        """Worker processes don't hold up the run either."""
        project = Project(self)
        project.write("test_it.py", LEAVES)
        for arguments in (["--aio-workers=1"], ["--plugin", "nose2.plugins.mp", "-N", "1"]):
            run = project.nose2("--aio-exit-grace=0.2", *arguments)
            self.assertEqual((run.returncode, run.ran), (0, 7), run.output)
            for line in THREADS:
                self.assertIn(f"{line}\n", run.output.partition(HEAD)[2])

    def test_interrupted(self) -> None:
        """A run that failed, or that Ctrl-C has ended, ends with the status of that."""
        failing = "\n    async def test_fails(self): self.fail()\n"
        interrupted = (
            "\n    def interrupt(self): raise KeyboardInterrupt\n"
            "    async def test_raises(self):\n"
            "        self.addCleanup(self.interrupt)\n"
            "        self.interrupt()\n"
        )
        for code, status in ((failing, 1), (interrupted, 130)):
            project = Project(self)
            project.write("test_it.py", LEAVES.partition("    async def test_builtin")[0] + code)
            run = project.nose2("--aio-exit-grace=0.2")
            self.assertEqual(run.returncode, status, run.output)
            self.assertIn(HEAD, run.output)

    def test_embedded(self) -> None:
        """A program that goes on after the run is left alone."""
        project = Project(self)
        project.write("test_it.py", LEAVES.partition("    async def test_thread")[0])
        project.write(
            "program.py",
            """
            import os, threading, nose2
            arguments = ["nose2", "--plugin", "nose2_aio", "--aio-exit-grace=0"]
            nose2.main(module=None, argv=arguments, exit=False)
            threading.Timer(0.3, os._exit, [3]).start()
            """,
        )
        run = project.python("program.py")
        self.assertEqual((run.returncode, run.ran), (3, 2), run.output)
        self.assertNotIn("exit-grace", run.output)


STUCK = """
import asyncio, time, unittest
from nose2_aio.running import time_limits
time_limits._PATIENCE = 0.02
time_limits._MAX_TIMES = 8

def swallow():
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass

"""
STUCK_IN = {
    "a test": "class Case(unittest.TestCase):\n    def test(self): swallow()",
    "a coroutine": "class Case(unittest.TestCase):\n    async def test(self): swallow()",
    "an Isolated test": (
        "class Case(unittest.IsolatedAsyncioTestCase):\n    async def test(self): swallow()"
    ),
    "a fixture": (
        "class Case(unittest.TestCase):\n    @classmethod\n"
        "    async def setUpClass(cls): swallow()\n    async def test(self): pass"
    ),
    "a leftover task": (
        "class Case(unittest.TestCase):\n    async def test(self):\n"
        "        self.task = asyncio.create_task(self.wait())\n        await asyncio.sleep(0)\n"
        "    async def wait(self):\n        try:\n            await asyncio.sleep(60)\n"
        "        finally:\n            swallow()"
    ),
}


class Stuck(TestCase):
    """Code that catches every exception."""

    def test_each(self) -> None:
        """The run ends with its reports. They say what would go on."""
        for name, code in STUCK_IN.items():
            with self.subTest(name):
                project = Project(self)
                project.write(
                    "test_it.py",
                    STUCK + code + "\n\natexit = __import__('atexit')\n"
                    "atexit.register(print, 'called at exit')\n",
                )
                run = project.nose2(
                    *("--aio-time-limit=0.1", "--aio-grace=0.05"),
                    *("--plugin", "nose2.plugins.junitxml", "--junit-xml"),
                )
                self.assertEqual(run.returncode, 1, run.output)
                (report,) = run.reports
                self.assertRegex(report, r"test_it.py:\d+ in swallow +time.sleep\(0.01\)\n")
                self.assertIn("With workers = 1", report)
                self.assertIn("FAILED (errors=1)", run.output)
                self.assertIn("called at exit", run.output)
                self.assertNotIn("nose2_aio/", run.output)
                self.assertIn('errors="1"', (project.folder / "nose2-junit.xml").read_text())

    def test_embedded(self) -> None:
        """A program that goes on after the run is not ended. Nor is a worker: it is killed."""
        code = STUCK.replace("while True", "for _ in range(12)") + STUCK_IN["a test"]
        program = "import nose2; nose2.main(module=None, argv=['nose2', '--plugin', 'nose2_aio', "
        project = Project(self)
        project.write("test_it.py", code)
        run = project.python("-c", program + "'--aio-time-limit=0.1'], exit=False); print('on')")
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (0, 1, 1), run.output)
        self.assertIn("on\n", run.output)
