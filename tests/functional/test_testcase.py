"""aio.TestCase: coroutine tests and fixtures under any runner."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from unittest import TestCase

from tests.runs import STARTS_SKIPPED, Project, Run, signalled

SUITE = """
import asyncio
import unittest

import nose2_aio as aio


class Base(aio.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.loop = asyncio.get_running_loop()
        cls.addClassCleanup(cls.clean)

    @classmethod
    async def clean(cls):
        await asyncio.sleep(0)
        print("@ class cleanup", asyncio.get_running_loop() is cls.loop)


class Mixin:
    @classmethod
    async def tearDownClass(cls):
        print("@ tearDownClass", asyncio.get_running_loop() is cls.loop)


class Case(Mixin, Base):
    @classmethod
    async def setUpClass(cls):
        await super().setUpClass()
        print("@ setUpClass")

    async def setUp(self):
        self.addCleanup(self.clean_up)

    async def clean_up(self):
        print("@ cleanup", asyncio.get_running_loop() is self.loop)

    async def tearDown(self):
        print("@ tearDown", asyncio.get_running_loop() is self.loop)

    async def test_fails(self):
        await asyncio.sleep(0)
        self.fail("it ran")

    async def test_passes(self):
        self.assertIs(asyncio.get_running_loop(), self.loop)

    @aio.timeout(0.05)
    async def test_limit(self):
        await asyncio.sleep(300)

    async def test_deadlock(self):
        await asyncio.get_running_loop().create_future()

    @aio.virtual_time
    async def test_virtual(self):
        await asyncio.sleep(300)

    async def test_unawaited(self):
        asyncio.sleep(0)

    async def test_task(self):
        self.task = asyncio.create_task(asyncio.sleep(100), name="left")
        await asyncio.sleep(0)

    @unittest.skip("no")
    async def test_skipped(self):
        pass

    @unittest.expectedFailure
    async def test_expected(self):
        self.fail()


class Plain(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()

    async def test(self):
        self.assertIs(asyncio.get_running_loop(), self.loop)

    def test_sync(self):
        pass


class Inner(aio.TestCase):
    def test(self):
        class Suite(aio.TestCase):
            @classmethod
            async def setUpClass(cls):
                cls.loop = asyncio.get_running_loop()
                cls.addClassCleanup(Base.clean.__func__, cls)

            async def test(self):
                self.assertIs(asyncio.get_running_loop(), self.loop)
                self.fail("it ran")

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Suite).run(result)
        self.assertIn("it ran", result.failures[0][1])
"""


class Runners(TestCase):
    """The same classes under nose2 with the plugin and without, unittest and pytest."""

    def test_outcomes(self) -> None:
        """Outcomes, and calls of fixtures in their order, are equal everywhere."""
        project = Project(self, test_it=SUITE)
        if not STARTS_SKIPPED:
            project.write("test_it.py", SUITE.replace("test_skipped", "skipped"))
        expected = project.nose2("-v")
        self.assertEqual(outcomes(expected)["test_it.Case.test_limit"], "ERROR")
        self.assertEqual(len(calls(expected)), 21, expected.output)
        self.assertNotIn("False", str(calls(expected)))
        for run in (
            project.python("-m", "unittest", "-v", "test_it"),
            project.nose2("-v", plugin=False),
        ):
            self.assertEqual(outcomes(run), outcomes(expected), run.output)
            self.assertEqual(calls(run), calls(expected), run.output)
            self.assertNotIn("nose2_aio/", run.output)
            self.assertRegex(run.output, r"test_it.py:\d+: AioWarning: test_it.Case.test_task\n")
        run = project.python("-m", "pytest", "-v", "-s", "-p", "no:cacheprovider")
        self.assertEqual(pytest_outcomes(run), outcomes(expected), run.output)
        self.assertEqual(sorted(calls(run)), sorted(calls(expected)), run.output)
        self.assertRegex(run.output, r"  test_it.py:\d+: AioWarning: test_it.Case.test_task\n")

    def test_interrupted(self) -> None:
        """Ctrl-C ends the test and runs its fixtures, and the run stops. SIGQUIT shows the test."""
        project = Project(self, test_it=INTERRUPTED)
        for runner in ("unittest",), ("pytest", "-s", "-p", "no:cacheprovider"):
            run = signalled(
                "-m", *runner, signals=[signal.SIGQUIT, signal.SIGINT], folder=project.folder
            )
            self.assertEqual(calls(run), ["finally", "tearDown", "cleanup"], run.output)
            self.assertIn("\nslow at test_it.py:11 in test_1: sleeps", run.output)
            self.assertRegex(
                run.output,
                r"InterruptedRunError: interrupted by Ctrl-C\n(E +)?\n(E +)?slow at test_it.py:13 ",
            )
            self.assertNotEqual(run.returncode, 0)


INTERRUPTED = """
import asyncio

import nose2_aio as aio


class Case(aio.TestCase):
    async def test_1(self):
        self.addCleanup(print, "@ cleanup")
        print("waiting", flush=True)
        try:
            await asyncio.sleep(0.3)
            print("waiting", flush=True)
            await asyncio.sleep(30)
        finally:
            print("\\n@ finally")

    async def tearDown(self):
        print("@ tearDown")

    async def test_2(self):
        print("@ next")
"""


def calls(run: Run) -> list[str]:
    """Return what the fixtures of a suite have printed."""
    return re.findall("@ (.*)", run.output)


def outcomes(run: Run) -> dict[str, str]:
    """Return the outcomes that unittest and nose2 print."""
    text = re.sub(r"@ .*\n", "", run.output)
    text = re.sub(r"\S+: \w+Warning: .*\n(?:.*\n)*?(?=ok$)", "", text, flags=re.MULTILINE)
    return Run(0, text).outcomes


def pytest_outcomes(run: Run) -> dict[str, str]:
    """Return the outcomes that pytest prints, by the names and in the words of unittest."""
    words = {
        "PASSED": "ok",
        "SKIPPED": "skipped",
        "XFAIL": "expected failure",
        "AssertionError": "FAIL",
        "CheckError": "FAIL",
    }
    text = re.sub(r"@ .*\n", "", run.output)
    found = {}
    for name, word in re.findall(r"^(\S+::\w+) (PASSED|SKIPPED|XFAIL|FAILED)", text, re.MULTILINE):
        kind = re.search(rf"^(?:SUB)?FAILED\S* {name} - ([\w.]+)", text, re.MULTILINE)
        error = kind[1].rpartition(".")[2] if kind else word
        unittests = name.replace(".py", "").replace("::", ".").replace("/", ".")
        found[unittests] = words.get(error, "ERROR")
    return found


GUARDED = """
import asyncio
import unittest

import nose2_aio as aio


class Case(unittest.TestCase):
    async def test_coroutine(self):
        pass

    def test_returned(self):
        return asyncio.sleep(0)

    def test_generator(self):
        yield from asyncio.sleep(0).__await__()

    async def test_async_generator(self):
        yield

    @unittest.expectedFailure
    async def test_expected(self):
        self.fail()

    def test_cleanup(self):
        self.addCleanup(asyncio.sleep, 0)

    def test_passes(self):
        for number in range(3):
            with self.subTest(number):
                pass

    @unittest.expectedFailure
    def test_fails(self):
        self.fail()

    def test_returns(self):
        return 5


class SetUp(unittest.TestCase):
    async def setUp(self): pass
    def test(self): pass


class TearDown(unittest.TestCase):
    async def tearDown(self): pass
    def test(self): pass


class SetUpClass(unittest.TestCase):
    @classmethod
    async def setUpClass(cls): pass
    def test(self): pass


class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test(self): pass


class Aio(aio.TestCase):
    async def setUp(self): pass
    async def test(self): pass


class Wrapping(unittest.TestCase):
    def _callTestMethod(self, method):
        asyncio.run(method())

    async def test(self): pass


class Hooked(unittest.TestCase):
    def _callSetUp(self):
        asyncio.run(self.setUp())

    async def setUp(self): pass
    def test(self): pass


class Decorated(unittest.TestCase):
    @aio.run_until_complete
    async def test(self): pass


class Function(unittest.FunctionTestCase):
    def __init__(self, _=None):
        super().__init__(self.function)

    def __str__(self):
        return "test (test_it.Function)"

    async def function(self): pass
"""


class Guard(TestCase):
    """``aio.guard()`` in the package of the tests."""

    def test_guard(self) -> None:
        """Whatever nobody runs is an error; what anybody runs is not touched."""
        project = Project(self)
        project.write("tests/__init__.py", "import nose2_aio as aio\naio.guard()\naio.guard()\n")
        project.write("tests/test_it.py", GUARDED)
        self.check(project.python("-m", "unittest", "-v", "tests.test_it"), outcomes)
        self.check(project.python("-m", "pytest", "-v", "-p", "no:cacheprovider"), pytest_outcomes)

    def check(self, run: Run, outcomes: Callable[[Run], dict[str, str]]) -> None:
        """Check the outcomes and the messages of a run without the plugin."""
        found: dict[str, set[str]] = {}
        for name, outcome in outcomes(run).items():
            case, _, test = name[name.index("test_it.") + 8 :].partition(".")
            found.setdefault(outcome, set()).add(
                test.removeprefix("test_") if case == "Case" else case
            )
        wrong = {"coroutine", "returned", "generator", "async_generator", "cleanup", "expected"}
        right = {"passes", "returns", "Isolated", "Aio", "Wrapping", "Decorated", "Hooked"}
        expected = {
            "ERROR": wrong | {"SetUp", "TearDown", "SetUpClass", "Function"},
            "ok": right,
            "expected failure": {"fails"},
        }
        self.assertEqual(found, expected, run.output)
        self.assertIn(
            "DefinitionError: test_coroutine, tests/test_it.py:8: it was called, and nobody has "
            "run it.",
            run.output,
        )
        self.assertIn("Derive Case from aio.TestCase, or run 'nose2 --plugin nose2_a", run.output)
        self.assertRegex(run.output, "deprecated.* return a value that is not None.*test_returns")
        self.assertEqual(run.output.count("was never awaited"), 1)  # that of setUpClass

    def test_plugin(self) -> None:
        """With the plugin, it does nothing."""
        text = GUARDED.replace("as aio\n", "as aio\naio.guard()\n", 1)
        found = outcomes(Project(self, test_it=text).nose2("-v"))
        wrong = [name for name, outcome in found.items() if outcome == "ERROR"]
        self.assertEqual(wrong, ["test_it.Case.test_async_generator"])
        self.assertEqual(len(found), 18)
