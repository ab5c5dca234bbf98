"""aio.TestCase: coroutine tests and fixtures under any runner."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project, Run

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
        expected = project.nose2("-v")
        self.assertEqual(outcomes(expected)["Case.test_limit"], "ERROR")
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


def calls(run: Run) -> list[str]:
    """Return what the fixtures of a suite have printed."""
    return re.findall("@ (.*)", run.output)


def outcomes(run: Run) -> dict[str, str]:
    """Return the outcomes that unittest and nose2 print, by class and test."""
    text = re.sub(r"@ .*\n", "", run.output)
    text = re.sub(r"\S+: AioWarning: .*\n(?:.*\n)*?(?=ok$)", "", text, flags=re.MULTILINE)
    found = Run(0, text).outcomes
    return {name.partition(".")[2]: outcome for name, outcome in found.items()}


def pytest_outcomes(run: Run) -> dict[str, str]:
    """Return the outcomes that pytest prints, in the words of unittest, by class and test."""
    words = {
        "PASSED": "ok",
        "SKIPPED": "skipped",
        "XFAIL": "expected failure",
        "AssertionError": "FAIL",
        "CheckError": "FAIL",
    }
    text = re.sub(r"@ .*\n", "", run.output)
    found = {}
    for case, test, word in re.findall(r"::(\w+)::(\w+) (PASSED|SKIPPED|XFAIL|FAILED)", text):
        kind = re.search(rf"^FAILED .*::{case}::{test} - ([\w.]+)", text, re.MULTILINE)
        name = kind[1].rpartition(".")[2] if kind else word
        found[f"{case}.{test}"] = words.get(name, "ERROR")
    return found
