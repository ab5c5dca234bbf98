"""A failure shows the user's own lines, without our frames and those of asyncio."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import LOAD, Project, Run

SUITE = """
import asyncio
import functools
import unittest

import nose2_aio as aio


async def helper():
    await asyncio.sleep(0)
    raise LookupError("lost")


def outer(function):
    @functools.wraps(function)
    def wrapper(self):
        return function(self)
    return wrapper


class Case(unittest.TestCase):
    @aio.run_until_complete
    async def test_decorated(self):
        await helper()

    @outer
    @aio.run_until_complete
    async def test_decorated_twice(self):
        await helper()

    @aio.run_until_complete(loop=aio.child_loop)
    async def test_own_loop(self):
        await helper()

    @aio.run_forever(timeout=0)
    def test_callback(self):
        return helper

    @aio.run_until_complete
    async def test_chained(self):
        try:
            await helper()
        except LookupError as error:
            raise ValueError from error

    @aio.run_until_complete
    async def test_asserts(self):
        self.assertEqual(1, 2)
"""
BARE = re.sub(
    r"    @(aio|outer).*\n", "", SUITE.replace("def test_callback", "async def test_callback")
)

LINES = {
    "test_decorated": ["test_decorated", "helper"],
    "test_decorated_twice": ["test_decorated_twice", "helper"],
    "test_own_loop": ["test_own_loop", "helper"],
    "test_callback": ["helper"],
    "test_chained": ["test_chained", "helper", "test_chained"],
    "test_asserts": ["test_asserts"],
}


class Frames(TestCase):
    """The functions that a traceback shows, outermost first."""

    maxDiff = None

    def assert_frames(self, run: Run, **other: list[str]) -> None:
        """Each report shows the test's own frames and no others."""
        frames = {}
        for report in run.reports:
            name = re.search(r"(?<=: )test_\w+", report)
            assert name is not None
            frames[name[0]] = re.findall(r'^  File ".*", line \d+, in (\w+)$', report, re.MULTILINE)
        self.assertEqual(frames, {**LINES, **other}, run.output)

    def test_plugin(self) -> None:
        """With the plugin, undecorated tests."""
        project = Project(self, test_it=BARE)
        project.write("unittest.cfg", "[aio]\ntime-limit = 5\n")
        self.assert_frames(project.nose2())

    def test_plugin_decorated(self) -> None:
        """With the plugin, decorated tests. A decorator of the user's own is shown."""
        run = Project(self, test_it=SUITE).nose2()
        twice = ["wrapper", "test_decorated_twice", "helper"]
        self.assert_frames(run, test_decorated_twice=twice)

    def test_workers(self) -> None:
        """In worker processes, the tracebacks are the same."""
        run = Project(self, test_it=BARE).nose2("--plugin", "nose2.plugins.mp", "-N", "2")
        self.assert_frames(run)

    def test_unsent(self) -> None:
        """An error that a worker process can't send is reported. Other errors are too."""
        source = """
            import threading
            import unittest

            class Bad(Exception):
                def __init__(self, text):
                    super().__init__(text)
                    self.lock = threading.Lock()

            class Case(unittest.TestCase):
                async def test_1(self):
                    raise Bad("bad")

                async def test_2(self):
                    self.fail("real")
        """
        run = Project(self, test_it=source).nose2("--plugin", "nose2.plugins.mp", "-N", "2")
        self.assertEqual((run.returncode, run.ran, len(run.reports)), (1, 2, 2), run.output)
        self.assertIn("UnsentError: test_it.Bad: bad\n", run.output)
        self.assertIn("AssertionError: real", run.output)

    def test_unittest(self) -> None:
        """With unittest alone, decorated tests."""
        run = Project(self, test_it=SUITE).python("-m", "unittest", "test_it")
        # between two frames of the user's, the one in between can't be hidden from unittest
        twice = ["wrapper", "run", "test_decorated_twice", "helper"]
        self.assert_frames(run, test_decorated_twice=twice)

    def test_below_the_users(self) -> None:
        """If a user's frame calls ours, the report still shows the line that failed."""
        source = """
            import asyncio
            import os
            import unittest
            from unittest import mock

            import nose2_aio as aio

            class Case(unittest.TestCase):
                @mock.patch("os.getcwd")
                @aio.run_until_complete
                async def test_patched(self, _):
                    self.fail("here")

                @aio.run_until_complete
                async def helper(self):
                    self.fail("here")

                def test_sync(self):
                    self.helper()

            class Isolated(unittest.IsolatedAsyncioTestCase):
                @aio.run_until_complete
                async def test_decorated(self):
                    self.fail("here")

                GENERATOR
            """
        generator = "def test_generator(self): yield from self.helper_()"
        helper = "async def helper_(self): self.fail('here')"
        project = Project(self, test_it=source.replace("GENERATOR", ""))
        run = project.python("-m", "unittest", "test_it")
        self.assertEqual(run.output.count('self.fail("here")\n'), 3, run.output)
        project.write(
            "test_it.py", source.replace("GENERATOR", f"{generator}\n                {helper}")
        )
        run = project.nose2()
        self.assertEqual(run.output.count("in helper_\n"), 1, run.output)
        self.assertEqual(run.output.count('self.fail("here")\n'), 3, run.output)
        self.assertNotIn("nose2_aio", run.output)

    def test_groups(self) -> None:
        """Tracebacks of the members of an exception group have no frames of ours either."""
        run = Project(
            self,
            test_it="""
            import asyncio

            async def fails(number):
                raise LookupError(number)

            async def test_group():
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails(1))
                    group.create_task(fails(2))

            async def test_forever():
                asyncio.get_running_loop().call_soon(int, "no number")
                asyncio.create_task(fails(3))
                return lambda: fails(4)

            test_forever.timeout = 0
            """,
        ).nose2("-B")
        self.assertNotIn("nose2_aio", run.output)
        self.assertIn("ExceptionGroup: 3 things failed while the loop ran forever", run.output)
        for ending in ("LookupError: 1", "LookupError: 2", "LookupError: 3", "LookupError: 4"):
            self.assertIn(ending, run.output)
        self.assertIn("ValueError: invalid literal for int() with base 10: 'no number'", run.output)

    def test_time_limit(self) -> None:
        """A test that reaches its time limit shows the lines where it waited."""
        run = Project(
            self,
            test_it="""
            import asyncio
            import unittest
            import nose2_aio as aio

            async def helper():
                await asyncio.sleep(60)

            class Plain(unittest.TestCase):
                @aio.timeout(0.2)
                async def test_plain(self):
                    await helper()

            class Isolated(unittest.IsolatedAsyncioTestCase):
                @aio.timeout(0.2)
                async def test_isolated(self):
                    await helper()
            """,
        ).nose2()
        for report, name in zip(run.reports, ("test_isolated", "test_plain"), strict=True):
            frames = re.findall(r"^  File .*, in (\w+)$", report, re.MULTILINE)
            self.assertEqual(frames, [name, "helper"], run.output)
            self.assertIn(
                "TimeLimitError: not done within its time limit of 0.2 s (@timeout)", report
            )

    def test_hooks_overridden(self) -> None:
        """A class that overrides hooks of unittest has reports without frames of ours, too."""
        source = """
            import asyncio, unittest
            import nose2_aio as aio

            class Seams:
                def _callSetUp(self): return super()._callSetUp()
                def _callTearDown(self): return super()._callTearDown()
                def _callCleanup(self, *args, **kwargs):
                    return super()._callCleanup(*args, **kwargs)
                def run(self, result=None): return super().run(result)
                def doCleanups(self): return super().doCleanups()

            class TestSeam:
                def _callTestMethod(self, method): return super()._callTestMethod(method)

            def fails(): raise LookupError
            """
        for number, bases in enumerate(
            (
                "Seams, unittest.TestCase",
                "TestSeam, unittest.TestCase",
                "Seams, unittest.IsolatedAsyncioTestCase",
                "TestSeam, unittest.IsolatedAsyncioTestCase",
            )
        ):
            source += f"""
            class Case{number}({bases}):
                def setUp(self):
                    if "set_up" in self.id(): fails()
                def tearDown(self):
                    if "tear_down" in self.id(): fails()
                def test_set_up(self): ...
                def test_sync(self): fails()
                async def test(self): fails()
                def test_tear_down(self): ...
                def test_cleanup(self): self.addCleanup(fails)
                async def test_forgotten(self): asyncio.sleep(0)
                def test_forgotten_sync(self): asyncio.sleep(0)
            """
        source += """
            class Isolated(TestSeam, unittest.IsolatedAsyncioTestCase):
                @aio.timeout(0.1)
                async def test_limit(self): await asyncio.sleep(5)
                async def test_deadlock(self): await asyncio.Event().wait()
            """
        project = Project(self, test_it=source)
        for workers in ("0", "2"):
            run = project.nose2("-v", "--aio-strict", "--aio-workers", workers)
            self.assertEqual(run.ran, 30, run.output)
            self.assertNotIn("ok", run.outcomes.values(), run.output)
            for error, count in (("CheckError", 9), ("TimeLimitError", 1), ("DeadlockError", 1)):
                reports = "".join(run.reports)
                self.assertEqual(reports.count(f"nose2_aio.errors.{error}"), count, error)
            self.assertNotIn("nose2_aio/", run.output)

    def test_fixtures(self) -> None:
        """A report of a fixture has its name, and says how many tests did not run."""
        project = Project(
            self,
            test_classes="""
            import unittest

            class Base(unittest.TestCase):
                @classmethod
                def setUpClass(cls): raise LookupError

            class Inherits(Base):
                @classmethod
                async def setUpClass(cls): await cls.helper()
                @classmethod
                async def helper(cls): super().setUpClass()
                async def test_1(self): ...
                def test_2(self): ...

            class Plain(Base):
                @classmethod
                def setUpClass(cls): super().setUpClass()
                def test(self): ...

            class Skips(Base):
                @classmethod
                def setUpClass(cls): raise unittest.SkipTest
                def test(self): ...

            class TearsDown(unittest.TestCase):
                @classmethod
                async def tearDownClass(cls): raise LookupError
                async def test(self): ...
            """,
            test_module="""
            import unittest

            async def setUpModule(): raise LookupError

            class Case(unittest.TestCase):
                async def test_1(self): ...
                async def test_2(self): ...

            class Other(unittest.TestCase):
                async def test(self): ...
            """,
            test_layers="""
            import unittest

            class Layer:
                @classmethod
                async def setUp(cls): raise LookupError

            class Case(unittest.TestCase):
                layer = Layer
                async def test_1(self): ...
                async def test_2(self): ...
            """,
        )
        for workers in ("0", "2"):
            layers = ("--plugin", "nose2.plugins.layers")
            run = project.nose2(*layers, "--aio-workers", workers)
            heads = {}
            for report in run.reports:
                head, *_, end = report.strip().splitlines()
                heads[head] = end
            self.assertEqual(
                heads,
                {
                    "ERROR: layer test_layers.Layer": "2 tests did not run.",
                    "ERROR: setUpClass (test_classes.Inherits)": "2 tests did not run.",
                    "ERROR: setUpClass (test_classes.Plain)": "1 test did not run.",
                    "ERROR: setUpModule (test_module)": "3 tests did not run.",
                    "ERROR: tearDownClass (test_classes.TearsDown)": "LookupError",
                },
                run.output,
            )
            self.assertEqual(run.output.count("did not run"), 4, run.output)

    def test_no_files(self) -> None:
        """If a test has opened all files, all failures are reported: nothing has to be imported."""
        project = Project(
            self,
            test_it="""
            import asyncio, os, resource, unittest
            import nose2_aio as aio
            files = []
            class Case(unittest.TestCase):
                @aio.virtual_time
                async def test_0(self):
                    loop, (reader, writer) = asyncio.get_running_loop(), os.pipe()
                    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
                    try:
                        while True:
                            files.append(os.open(os.devnull, os.O_RDONLY))
                    except OSError:
                        loop.add_reader(reader, print)
                        await asyncio.sleep(0.01)
                @aio.retries(1)
                async def test_1(self):
                    self.fail("all files")
                async def test_2(self):
                    await asyncio.Event().wait()
                async def test_3(self):
                    asyncio.ensure_future(self.test_2())
                    self.fail("with a task")
            """,
        )
        run = project.python("-m", "nose2", *LOAD)
        for line in (
            "FAIL test_it.Case.test_1, test_it.py:17: AssertionError: all files",
            "ERROR test_it.Case.test_2, test_it.py:19: DeadlockError: stuck at test_it.py:19",
            "FAIL test_it.Case.test_3, test_it.py:22: AssertionError: with a task",
            "leaked-tasks",
            "retries: failed tests could not be run again: [Errno 24]",
            "FAILED (failures=2, errors=1)",
        ):
            self.assertIn(line, run.output)
