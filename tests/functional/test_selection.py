"""nose2's own switches work with coroutine tests as with others."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from unittest import TestCase

from tests.runs import Project

SUITE = """
import asyncio
import logging
import unittest

import nose2_aio as aio


class Case(unittest.TestCase):
    @aio.timeout(5)
    async def test_tagged(self):
        await asyncio.sleep(0)

    async def test_by_hand(self):
        await asyncio.sleep(0)

    test_by_hand.timeout = 7
    test_by_hand.slow = True

    @aio.run_forever(timeout=0, sleep=0.01)
    async def test_decorated(self):
        pass

    async def test_untagged(self):
        print("printed")
        logging.getLogger("suite").warning("logged")
        await asyncio.sleep(0)
        self.fail()


async def test_fails():
    number = 1
    assert number == 2
"""


class Selection(TestCase):
    """Which tests run, and how they are reported."""

    def setUp(self) -> None:
        """Create a suite with tags."""
        self.project = Project(self, test_it=SUITE)

    def selected(self, *arguments: str) -> set[str]:
        """Return the names of the tests that a selection runs."""
        outcomes = self.project.nose2("-v", "--plugin", "nose2.plugins.attrib", *arguments).outcomes
        return {name.rpartition(".")[2] for name in outcomes}

    def test_attributes(self) -> None:
        """``-A`` and ``-E`` see tags as they see other attributes."""
        self.assertEqual(self.selected("-A", "timeout=5"), {"test_tagged"})
        self.assertEqual(self.selected("-A", "slow"), {"test_by_hand"})
        self.assertEqual(self.selected("-A", "timeout"), {"test_tagged", "test_by_hand"})
        self.assertEqual(self.selected("-E", "timeout and timeout > 5"), {"test_by_hand"})
        self.assertEqual(self.selected("-E", "sleep == 0.01"), {"test_decorated"})

    def test_class_tags(self) -> None:
        """``-A`` and ``-E`` find tests by the tags of their class and its bases, too.

        An attribute of the class wins over them, and so does an attribute of the function.
        """
        self.project.write(
            "test_it.py",
            """
import unittest
import nose2_aio as aio

@aio.serial
@aio.exclusive("database")
@aio.loop("asyncio")
class Base: pass

@aio.timeout(5)
class Case(Base, unittest.TestCase):
    async def test_case(self): pass
    @aio.timeout(7)
    @aio.exclusive("file")
    async def test_own(self): pass

@aio.timeout(5)
@aio.loop("asyncio", "asyncio.SelectorEventLoop")
class TestClass(Base):
    async def test_in_class(self): pass

@aio.timeout(5)
class Unrelated(unittest.IsolatedAsyncioTestCase):
    timeout = 3
    async def test_three(self):
        assert self.timeout == 3

class Untagged(unittest.TestCase):
    def test_untagged(self): pass

def test_function(): pass
""",
        )
        case, own, in_class = "test_case", "test_own", "test_in_class"
        for arguments, names in (
            (("-A", "timeout=5"), {case, in_class}),
            (("-E", "timeout == 5"), {case, in_class}),
            (("-A", "timeout=7"), {own}),
            (("-A", "timeout=3"), {"test_three"}),
            (("-A", "serial"), {case, own, in_class}),
            (("-A", "!serial"), {"test_three", "test_untagged", "test_function"}),
            (("-A", "exclusive=database"), {case, own, in_class}),
            (("-A", "exclusive=file"), {own}),
            (("-A", "loop=asyncio"), {case, own, in_class}),
            (("-E", "loop == 'asyncio'"), {case, own}),
        ):
            for workers in ((), ("--aio-workers=2", "--aio-worker-start=spawn")):
                found = {name.split("[")[0] for name in self.selected(*arguments, *workers)}
                self.assertEqual(found, names, arguments)
                if arguments[1] != "serial":  # one suffices
                    break

    def test_fail_fast(self) -> None:
        """``-F`` stops at the first coroutine test that fails."""
        run = self.project.nose2("-v", "-F")
        self.assertEqual(run.outcomes, {"test_it.test_fails": "FAIL"})

    def test_buffer_and_logs(self) -> None:
        """``-B`` and ``--log-capture`` show a test's output and log with its failure."""
        run = self.project.nose2("-B", "--log-capture", "test_it.Case.test_untagged")
        self.assertIn("begin captured stdout", run.reports[0])
        self.assertIn("printed", run.reports[0])
        self.assertIn("suite: WARNING: logged", run.reports[0])
        self.assertNotIn("selector", run.output)

    def test_junit(self) -> None:
        """The JUnit file has the tests, and the failures with their tracebacks."""
        self.project.nose2("--plugin", "nose2.plugins.junitxml", "--junit-xml")
        cases = list(ET.parse(self.project.folder / "nose2-junit.xml").getroot().iter("testcase"))
        self.assertEqual(len(cases), 5)
        failures = {case.get("name"): case.find("failure") for case in cases}
        failed = {name: found.text for name, found in failures.items() if found is not None}
        self.assertEqual(set(failed), {"test_fails", "test_untagged"})
        self.assertIn("assert number == 2", str(failed["test_fails"]))

    def test_pretty_assert(self) -> None:
        """``--pretty-assert`` explains the assert statement of a coroutine test."""
        run = self.project.nose2("--pretty-assert", "test_it.test_fails")
        self.assertIn("number = 1", run.reports[0])

    def test_debugger(self) -> None:
        """``-D`` stops in the frame of the test that failed."""
        self.project.write(
            "steer.py",
            """
            import sys
            sys.stdin = open("commands")
            from nose2 import discover
            discover()
            """,
        )
        self.project.write("commands", "p 'number is', number\nq\n")
        run = self.project.python("steer.py", "--plugin", "nose2_aio", "-D", "test_it.test_fails")
        self.assertIn("('number is', 1)", run.output)
