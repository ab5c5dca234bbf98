"""Resources that only an attribute of the test case keeps, and that nobody has closed."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project

RESOURCES = """
import asyncio

class Session:
    def __init__(self):
        self.is_closed = False
        self.loop = asyncio.get_running_loop()

    def close(self):
        self.is_closed = True

    def __del__(self):
        if not self.is_closed:
            self.loop.call_exception_handler({"message": "Unclosed session"})

class Client:
    def __init__(self):
        self.session = Session()
"""
TESTS = """
import asyncio, unittest
from resources import Client, Session

class Case(unittest.TestCase):
    async def test_session(self):
        self.session = Session()
    async def test_client(self):
        self.client = Client()
    async def test_list(self):
        self.list = [[Session()]]
    async def test_future(self):
        self.future = asyncio.get_running_loop().create_future()
        self.future.set_exception(ValueError("no"))
    async def test_closed(self):
        self.session = Session()
        self.session.close()
    async def test_other(self):
        self.numbers = [1, 2]
        self.generator = iter(one for one in self.numbers)
        next(self.generator)

class TestPlain:
    async def test_plain(self):
        self.session = Session()

class Wide(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.session = Session()
    @classmethod
    def tearDownClass(cls):
        cls.session.close()
    async def test_shared(self):
        self.shared = self.session
    async def test_cleaned_up(self):
        self.mine = Session()
        self.addClassCleanup(self.mine.close)
    async def test_own(self):
        self.own = Session()

class Isolated(unittest.IsolatedAsyncioTestCase):
    async def test_isolated(self):
        self.session = Session()
"""


class KeptResources(TestCase):
    """What finalizers report is a finding of the test, though nose2 keeps the test case."""

    def test_found(self) -> None:
        """Shared resources, and those of the class, are left alone."""
        project = Project(self, resources=RESOURCES, test_it=TESTS)
        known = "a future failed, and nobody asked for it"
        logged = "Future exception was never retrieved: self.future"
        for arguments, future in (
            (("--aio-isolated-checks",), known),
            (("--aio-strict", "--aio-workers=2"), known),
            (("--aio-strict", "--aio-loop=uvloop"), logged),
        ):
            with self.subTest(arguments):
                run = project.nose2("-v", *arguments)
                found = {}
                for report in run.reports:
                    name = re.match(r"FAIL: [\w.]*?(\w+)(?:\[uvloop\])?(?= |\n)", report)
                    text = re.search(r"^(.*) \(lost-exceptions\)", report, re.MULTILINE)
                    assert name and text, report
                    found[name[1]] = text[1]
                self.assertEqual(
                    found,
                    {
                        "test_session": "Unclosed session: self.session",
                        "test_client": "Unclosed session: self.client",
                        "test_list": "Unclosed session: self.list",
                        "test_future": future,
                        "test_plain": "Unclosed session: self.session",
                        "test_own": "Unclosed session: self.own",
                        "test_isolated": "Unclosed session: self.session",
                    },
                    run.output,
                )

    def test_layers(self) -> None:
        """A layer may still need the attributes of the test."""
        project = Project(
            self,
            resources=RESOURCES,
            test_it="""
            import unittest
            from resources import Session
            class Layer:
                @classmethod
                def testTearDown(cls, test):
                    test.session.close()
            class Case(unittest.TestCase):
                layer = Layer
                async def test(self):
                    self.session = Session()
            """,
        )
        run = project.nose2("--plugin", "nose2.plugins.layers")
        self.assertEqual(run.returncode, 0, run.output)
        self.assertNotIn("Unclosed", run.output)

    def test_kept_test_cases(self) -> None:
        """A class or a cleanup that keeps the test case may still need its attributes."""
        project = Project(
            self,
            resources=RESOURCES,
            test_it="""
            import unittest
            from resources import Session
            class Case(unittest.TestCase):
                kept = []
                kept.append(kept)
                async def test_class(self):
                    self.session = Session()
                    self.kept.append({"self": self})
                async def test_class_cleanup(self):
                    self.session = Session()
                    self.addClassCleanup(lambda: self.session.close())
                async def test_module_cleanup(self):
                    self.session = Session()
                    unittest.addModuleCleanup(self.close)
                def close(self):
                    self.session.close()
                @classmethod
                def tearDownClass(cls):
                    for one in cls.kept[1:]:
                        one["self"].close()
            class RunsMore(unittest.TestCase):
                def run(self, result=None):
                    super().run(result)
                    self.session.close()
                async def test_more(self):
                    self.session = Session()
            class TestPlain:
                kept = []
                async def test_plain(self):
                    self.session = Session()
                    self.kept.append(self)
                @classmethod
                def tearDownClass(cls):
                    cls.kept[0].session.close()
            """,
        )
        run = project.nose2()
        self.assertEqual((run.ran, run.returncode), (5, 0), run.output)
        self.assertNotIn("Unclosed", run.output)

    def test_hostile_classes(self) -> None:
        """No code of a metaclass is called, and a test class may have no ``__dict__``."""
        project = Project(
            self,
            hostile="""
            class Meta(type):
                __hash__ = None
                def __getattribute__(cls, name):
                    raise ZeroDivisionError
            class Hostile(metaclass=Meta):
                pass
            """,
            test_it="""
            import hostile, unittest
            class Case(unittest.TestCase):
                async def test(self):
                    self.one = hostile.Hostile()
                    self.two = [self.one]
            class TestSlots:
                __slots__ = ("one",)
                async def test(self):
                    self.one = hostile.Hostile()
            """,
        )
        run = project.nose2()
        self.assertEqual((run.ran, run.returncode), (2, 0), run.output)
