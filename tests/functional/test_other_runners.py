"""The decorators without the plugin: python -m unittest, pytest, a plain call."""

from __future__ import annotations

from unittest import TestCase

from tests.runs import Project

SUITE = """
import asyncio
import unittest

import nose2_aio as aio


class Case(unittest.TestCase):
    @aio.run_until_complete
    async def test_passes(self):
        await asyncio.sleep(0)

    @aio.run_until_complete
    def test_generator_fails(self):
        yield from asyncio.sleep(0)
        self.fail()

    @aio.run_forever(timeout=0.01)
    def test_forever_fails(self):
        def callback(case):
            yield from asyncio.sleep(0)
            case.fail()
        return callback

    @aio.run_forever(timeout=0.01)
    def test_forever_passes(self):
        return lambda: asyncio.sleep(0)


class Isolated(unittest.IsolatedAsyncioTestCase):
    @aio.run_until_complete
    async def test_fails(self):
        self.fail()
"""

PYTEST_SUITE = """
import asyncio

import pytest

import nose2_aio as aio


@pytest.fixture
def number():
    return 5


@pytest.mark.parametrize("other", [5, 6])
@aio.run_until_complete
async def test_fixture(number, other):
    await asyncio.sleep(0)
    assert number == other


@aio.run_until_complete
async def helper():
    raise LookupError


def test_helper():
    helper()
"""


class Runners(TestCase):
    """Each runner runs decorated tests."""

    def test_unittest(self) -> None:
        """``python -m unittest`` runs decorated tests."""
        outcomes = Project(self, test_it=SUITE).python("-m", "unittest", "-v", "test_it").outcomes
        self.assertEqual(
            outcomes,
            {
                "test_it.Case.test_passes": "ok",
                "test_it.Case.test_generator_fails": "FAIL",
                "test_it.Case.test_forever_fails": "FAIL",
                "test_it.Case.test_forever_passes": "ok",
                "test_it.Isolated.test_fails": "FAIL",
            },
        )

    def test_pytest(self) -> None:
        """pytest runs them with fixtures and parameters. Its report hides our frame."""
        project = Project(self, test_it=SUITE, test_fixtures=PYTEST_SUITE)
        run = project.python("-m", "pytest", "-q", "-p", "no:cacheprovider")
        self.assertIn("5 failed, 3 passed", run.output)
        self.assertIn("assert number == other", run.output)
        self.assertNotIn("nose2_aio/", run.output)

    def test_plain_call(self) -> None:
        """A plain call in a script runs the test. The traceback has one frame of ours."""
        project = Project(
            self,
            script="""
            import asyncio
            import nose2_aio as aio

            @aio.run_until_complete
            async def main():
                await asyncio.sleep(0)
                raise LookupError("lost")

            main()
            """,
        )
        run = project.python("script.py")
        self.assertTrue(run.output.rstrip().endswith("LookupError: lost"), run.output)
        self.assertEqual(run.output.count("nose2_aio"), 1, run.output)
        self.assertNotIn("asyncio/", run.output)


class Ancestor(TestCase):
    """Examples from the documentation of aio.testing."""

    def test_examples(self) -> None:
        """The examples work with any runner, the callback with and without ``self``."""
        project = Project(
            self,
            test_it="""
            import asyncio
            import unittest

            import nose2_aio as aio


            class MyTestCase(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    cls.loop = asyncio.new_event_loop()
                    cls.addClassCleanup(cls.loop.close)
                    asyncio.set_event_loop(cls.loop)

                @aio.run_until_complete
                def test_example(self):
                    yield from asyncio.sleep(0.01)
                    self.assertIsNot(asyncio.get_event_loop(), MyTestCase.loop)

                @aio.run_until_complete(loop=aio.current_loop)
                def test_current_loop(self):
                    yield from asyncio.sleep(0.01)
                    self.assertEqual(asyncio.get_event_loop(), MyTestCase.loop)

                def test_current_again(self):
                    self.assertIs(asyncio.get_event_loop(), MyTestCase.loop)


            class MyFutureTestCase(unittest.TestCase):
                called = []

                @aio.run_forever(timeout=0.01)
                def test_with_self(self):
                    yield from asyncio.sleep(0.01)

                    def callback_test(self):
                        yield from asyncio.sleep(0.01)
                        self.called.append("with")

                    return callback_test

                @aio.run_forever(timeout=0.01, sleep=0.01)
                def test_without_self(self):
                    yield from asyncio.sleep(0.01)

                    def callback_test():
                        yield from asyncio.sleep(0.01)
                        self.called.append("without")

                    return callback_test

                @classmethod
                def tearDownClass(cls):
                    assert sorted(cls.called) == ["with", "without"]
            """,
        )
        for run in (project.nose2("-v"), project.python("-m", "unittest", "-v", "test_it")):
            self.assertEqual(set(run.outcomes.values()), {"ok"}, run.output)
            self.assertEqual((run.ran, run.returncode), (5, 0), run.output)
