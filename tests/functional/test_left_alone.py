"""Tests that don't need the plugin run exactly as without it."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import SCENARIOS, Project, Run, nose2, python


def comparable(run: Run) -> str:
    """Return what a run printed, without times, addresses, asyncio's frames, and our last lines.

    Tests of IsolatedAsyncioTestCase have no such frames with the plugin. A report of a fixture has
    its name with the plugin, and how many tests did not run.
    """
    output = re.sub(r"\d+ coroutine tests: .* waiting\n\Z", "", run.output)
    frame = r'  File "[^"]*/asyncio/(?:runners|base_events)\.py", .*\n(?:    .*\n)+'
    output = re.sub(frame, "", output)
    output = re.sub(r"(?m)^ERROR: (?:setUp|tearDown)\w+ \(\S+\)$", "ERROR: _ErrorHolder", output)
    output = re.sub(r"(?m)^ERROR: layer \S+$", "ERROR: LayerSuite", output)
    output = re.sub(r"(?m)^\d+ tests? did not run\.\n", "", output)
    output = re.sub(r"(?m)(?:^(?:ERROR|FAIL) .*\n)+\n", "", output)
    return re.sub(r"0x[0-9a-f]+|in \d+\.\d+s", "", output)


class Synchronous(TestCase):
    """A suite without a coroutine test."""

    maxDiff = None

    def assert_same(self, *arguments: str) -> None:
        """Assert that the output is the same with and without the plugin."""
        with_it = nose2(*arguments, folder=SCENARIOS / "mixed")
        without = nose2(*arguments, folder=SCENARIOS / "mixed", plugin=False)
        self.assertEqual(comparable(with_it), comparable(without))
        self.assertEqual(with_it.returncode, without.returncode)

    def test_verbose(self) -> None:
        """``-v``: outcomes, reports and order are the same."""
        self.assert_same("-v")

    def test_plugins_of_nose2(self) -> None:
        """Output buffer, log capture, pretty assertions and layers work the same."""
        self.assert_same("-B", "--log-capture", "--pretty-assert")
        self.assert_same("-v", "--plugin", "nose2.plugins.layers")

    def test_fail_fast(self) -> None:
        """``-F`` stops at the same test."""
        self.assert_same("-v", "-F")

    def test_named(self) -> None:
        """Names, indexes, and names that don't exist give the same output."""
        self.assert_same(
            "-v", "test_sync.Case.test_params:2", "test_sync.TestClass.test_generates:2"
        )
        self.assert_same("-v", "test_sync.Case.test_none", "test_none", "test_sync.py")

    def test_warnings(self) -> None:
        """A returned value gives the warning of unittest at its place, also as an error."""
        for action in ("always", "error"):
            run = ["-W", action, "-m", "nose2", "-v", "test_sync.Case"]
            without = python(*run, folder=SCENARIOS / "mixed")
            with_it = python(*run, "--plugin", "nose2_aio", folder=SCENARIOS / "mixed")
            self.assertEqual(comparable(with_it), comparable(without))
            self.assertIn("DeprecationWarning", with_it.output)


class SelfRunning(TestCase):
    """Classes that run their own coroutine tests."""

    maxDiff = None

    def test_same(self) -> None:
        """Outcomes, order, loops and reports are those of nose2 alone, and of unittest."""
        arguments = ["-v", "test_owners"]
        with_it = nose2(*arguments, folder=SCENARIOS / "owners")
        without = nose2(*arguments, folder=SCENARIOS / "owners", plugin=False)
        alone = python("-m", "unittest", *arguments, folder=SCENARIOS / "owners")
        self.assertEqual(comparable(with_it), comparable(without))
        self.assertEqual(with_it.outcomes, alone.outcomes)
        self.assertNotIn("somebody else", with_it.output)

    def test_generators_anyway(self) -> None:
        """The same, with ``generators = coroutine``."""
        arguments = ["-v", "test_owners", "--aio-generators=coroutine"]
        with_it = nose2(*arguments, folder=SCENARIOS / "owners")
        without = nose2("-v", "test_owners", folder=SCENARIOS / "owners", plugin=False)
        self.assertEqual(comparable(with_it), comparable(without))

    def test_async_fixtures(self) -> None:
        """With an async fixture of ours, their tests would run on another loop: an error."""
        project = Project(
            self,
            test_it="""
            import asyncio, functools, unittest
            from unittest import mock
            import nose2_aio as aio

            def runs_it(function):
                @functools.wraps(function)
                def run(*args):
                    return asyncio.run(function(*args))
                return run

            def checks_before(function):
                @functools.wraps(function)
                def run(*args):
                    raise AssertionError("before the test")
                return run

            class OfInstance(unittest.TestCase):
                '''Wraps its tests as Django does: without a trace on the wrapper.'''

                def __call__(self, result=None):
                    method = getattr(self, self._testMethodName)
                    setattr(self, self._testMethodName, lambda: asyncio.run(method()))
                    super().__call__(result)

            class SetUp(OfInstance):
                async def setUp(self): pass
                async def test(self): raise LookupError("its own")

            class TearDown(unittest.TestCase):
                async def tearDown(self): pass
                @runs_it
                async def test(self): pass

            class Class(unittest.TestCase):
                @classmethod
                async def setUpClass(cls): pass
                @runs_it
                async def test(self): pass

            class Class2(Class):
                pass

            class TestClass:
                async def setUp(self): pass
                @runs_it
                async def test(self): pass

            class Good(unittest.TestCase):
                async def setUp(self): self.loop = asyncio.get_running_loop()
                @mock.patch("os.sep")
                async def test_patched(self, _): self.check()
                @aio.run_until_complete
                async def test_decorated(self): self.check()
                @runs_it
                async def test_skipped(self): self.skipTest("it")
                @aio.run_until_complete
                async def test_fails(self): raise ValueError("as usual")
                @checks_before
                async def test_checked(self): pass
                def test_sync(self): pass
                def check(self): assert asyncio.get_running_loop() is self.loop

            class Sync(OfInstance):
                def setUp(self): pass
                async def test(self): pass

            class Isolated(unittest.IsolatedAsyncioTestCase):
                async def asyncSetUp(self): pass
                @runs_it
                async def test(self): pass
            """,
        )
        for workers in ("0", "2"):
            run = project.nose2("-v", "--aio-workers", workers)
            for name in ("SetUp", "TearDown", "Class", "Class2", "TestClass"):
                self.assertEqual(run.outcomes[f"test_it.{name}.test"], "ERROR", name)
            self.assertRegex(
                run.output,
                r"DefinitionError: setUp, test_it.py:26: the test ran on another event loop than "
                r"this fixture. A decorator or a base class has run the test's coroutine.\n"
                r"Make the fixture a plain function, or leave the test to the plugin.",
            )
            self.assertIn("LookupError: its own", run.output)
            self.assertEqual("".join(run.reports).count("DefinitionError"), 5)
            self.assertIn("FAILED (failures=1, errors=6, skipped=1)", run.output)
            self.assertNotIn("nose2_aio/", run.output)


class DebugMode(TestCase):
    """asyncio's debug mode, in which IsolatedAsyncioTestCase runs its tests."""

    def test_stacks(self) -> None:
        """What is saved of a test is the same as without the plugin, with few frames of ours."""
        project = Project(self)
        project.write(
            "test_it.py",
            """
            import asyncio
            import unittest

            class Case(unittest.IsolatedAsyncioTestCase):
                async def test_stacks(self):
                    loop = asyncio.get_running_loop()

                    async def nothing():
                        pass

                    def made():
                        yield loop.call_soon(print)
                        yield loop.call_later(9, print)
                        yield loop.create_task(nothing())
                        yield loop.create_future()
                        yield asyncio.Future()

                    for one in made():
                        stack = one._source_traceback
                        users = [frame for frame in stack if frame.filename == __file__]
                        print("saved", type(one), type(stack), [(*frame,) for frame in users])
                        print("ours", sum("/nose2_aio/" in frame.filename for frame in stack))
                        one.cancel()
            """,
        )
        found = [project.nose2(plugin=plugin).output for plugin in (True, False)]
        ours, theirs = (re.findall("^saved .*", one, re.MULTILINE) for one in found)
        self.assertEqual((ours, len(ours)), (theirs, 5))
        self.assertEqual(re.findall(r"^ours (\d+)", found[0], re.MULTILINE), [*"11454"])
