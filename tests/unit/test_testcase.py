"""nose2_aio.testcase"""

from __future__ import annotations

import asyncio
import unittest
from typing import Any
from unittest import IsolatedAsyncioTestCase, SkipTest, TestCase, mock

import nose2_aio as aio
from nose2_aio.errors import DefinitionError
from tests.unit.test_standalone import result_of


class Definitions(TestCase):
    """Classes that can't work are errors where they are defined."""

    def test_isolated(self) -> None:
        """IsolatedAsyncioTestCase can't be mixed in."""
        for bases in ((aio.TestCase, IsolatedAsyncioTestCase), (aio.TestCaseMixin, Isolated)):
            with self.assertRaises(DefinitionError) as caught:
                type("Case", bases, {"__module__": "tests.test_x"})
            self.assertEqual(
                str(caught.exception),
                "tests.test_x.Case: aio.TestCase and IsolatedAsyncioTestCase can't be mixed: each "
                "runs the coroutines of its tests.\n"
                "Derive the class from aio.TestCase only, and name asyncSetUp setUp, or from "
                "IsolatedAsyncioTestCase only.",
            )

    def test_never_runs(self) -> None:
        """So are methods by which unittest runs a test, if they are async."""
        for name in ("run", "__call__", "doCleanups"):

            async def method(self: Any) -> None: ...

            method.__name__ = name
            with self.assertRaisesRegex(DefinitionError, f"'async def {name}' would never run"):
                type("Case", (aio.TestCase,), {name: method})

    def test_mixin_alone(self) -> None:
        """A mixin of one's own may derive from ours."""

        class Mine(aio.TestCaseMixin):
            async def test(self) -> None:
                await asyncio.sleep(0)
                self.fail("it ran")

        class Case(Mine, TestCase):
            pass

        self.assertIn("it ran", result_of(Case).failures[0][1])


class Isolated(IsolatedAsyncioTestCase):
    """A base class with a loop of its own."""


class Fixtures(TestCase):
    """Fixtures of classes."""

    def test_replaced(self) -> None:
        """A mock stays as it is. An AsyncMock is awaited."""
        replaced, awaited = mock.Mock(), mock.AsyncMock()

        class Case(aio.TestCase):
            setUpClass = replaced
            tearDownClass = awaited

            def test(self) -> None: ...

        self.assertIs(Case.setUpClass, replaced)
        self.assertTrue(result_of(Case).wasSuccessful())
        replaced.assert_called_once_with()
        awaited.assert_awaited_once_with()


class Debug(TestCase):
    """``debug`` raises the first error, with the coroutines run."""

    def test_debug(self) -> None:
        """An error, a failure, one of a subtest, a skip; nothing."""

        class Case(aio.TestCase):
            async def test_error(self) -> None:
                await asyncio.sleep(0)
                raise LookupError

            async def test_failure(self) -> None:
                self.fail("it ran")

            async def test_subtest(self) -> None:
                with self.subTest(1):
                    pass
                with self.subTest(2):
                    raise LookupError

            @unittest.skip("no")
            async def test_skip(self) -> None: ...

            async def test_passes(self) -> None: ...

        for name, kind in (
            ("test_error", LookupError),
            ("test_failure", AssertionError),
            ("test_subtest", LookupError),
            ("test_skip", SkipTest),
        ):
            with self.assertRaises(kind):
                Case(name).debug()
        Case("test_passes").debug()
