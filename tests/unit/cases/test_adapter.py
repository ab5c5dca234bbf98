"""nose2_aio.cases.adapter"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import unittest
import warnings
from typing import Any
from unittest import TestCase, mock

import nose2_aio as aio
from nose2_aio.cases import hooks
from nose2_aio.cases.adapter import Adapter
from nose2_aio.cases.attribution import Attribution
from nose2_aio.cases.fixture_calls import FixtureCaller
from nose2_aio.cases.scopes import Scopes
from nose2_aio.config.settings import Settings
from nose2_aio.errors import DefinitionError, InvalidTypeError
from nose2_aio.reporting.check_results import CheckResults
from nose2_aio.reporting.timings import Timings
from nose2_aio.running.interrupts import Interrupts


def run(case: TestCase, settings: Settings | None = None) -> unittest.TestResult:
    """Run a test case as nose2 does with the plugin."""
    settings = settings or Settings()
    scopes = Scopes(settings)
    fixtures = FixtureCaller(settings, scopes, Interrupts())
    adapter = Adapter(
        settings,
        scopes,
        fixtures,
        Attribution(settings, CheckResults(settings)),
        Timings(settings, is_recorded=False),
    )

    class Result(unittest.TestResult):
        def startTest(self, test: TestCase) -> None:
            super().startTest(test)
            adapter.attach(test)

        def stopTest(self, test: TestCase) -> None:
            super().stopTest(test)
            adapter.detach()

    result = Result()
    with hooks.replaced(adapter):
        case.run(result)
    return result


def report(result: unittest.TestResult) -> str:
    """Return the only report of a run."""
    ((_, found),) = result.errors + result.failures
    return found


def error(result: unittest.TestResult) -> str:
    """Return the last line of a run's only report."""
    return report(result).rstrip().splitlines()[-1]


class InternalMethods(TestCase):
    """Results of unittest's internal methods are seen on the instance."""

    def test_plain(self) -> None:
        """A coroutine test runs. A test that returns no awaitable is only called."""
        ran = []

        class Case(TestCase):
            async def test_coroutine(self) -> None:
                ran.append(await asyncio.sleep(0, "coroutine"))

            def test_sync(self) -> None:
                ran.append("sync")

        for name in ("test_coroutine", "test_sync"):
            self.assertTrue(run(Case(name)).wasSuccessful())
        self.assertEqual(ran, ["coroutine", "sync"])

    def test_untouched_afterwards(self) -> None:
        """When the test runs, its instance is already restored."""

        class Case(TestCase):
            def test(self) -> None:
                assert "_callTestMethod" not in vars(self)

        case = Case("test")
        self.assertTrue(run(case).wasSuccessful())
        self.assertNotIn("_callTestMethod", vars(case))

    def test_others(self) -> None:
        """A class that overrides such a method keeps it. Other objects are left alone."""

        class Case(TestCase):
            def _callTestMethod(self, method: Any) -> None:
                method().close()

            async def test(self) -> None:
                raise AssertionError

        self.assertTrue(run(Case("test")).wasSuccessful())
        scopes = Scopes(Settings())
        fixtures = FixtureCaller(Settings(), scopes, Interrupts())
        settings = Settings()
        timings = Timings(settings, is_recorded=False)
        attribution = Attribution(settings, CheckResults(settings))
        Adapter(settings, scopes, fixtures, attribution, timings).attach(object())

    def test_internal_method(self) -> None:
        """unittest still runs a test through ``_callTestMethod``."""
        self.assertTrue(callable(TestCase._callTestMethod))
        isolated = unittest.IsolatedAsyncioTestCase._callTestMethod
        self.assertIsNot(isolated, TestCase._callTestMethod)

    def test_future(self) -> None:
        """A future that a test returns is awaited on its own loop."""

        class Case(TestCase):
            def setUp(self) -> None:
                self.loop = asyncio.new_event_loop()
                self.addCleanup(self.loop.close)

            def test(self) -> Any:
                return self.loop.create_task(self.later())

            async def later(self) -> None:
                self.assertIs(asyncio.get_running_loop(), self.loop)
                raise LookupError

        self.assertEqual(error(run(Case("test"))), "LookupError")

    def test_bad_tag(self) -> None:
        """A wrong tag set by hand fails the test."""

        class Case(TestCase):
            async def test(self) -> None: ...

            test.timeout = "5"

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            self.assertIn(InvalidTypeError.__name__, error(run(Case("test"))))
            gc.collect()
        self.assertEqual(warned, [])

    def test_value(self) -> None:
        """A coroutine test that returns a value gives the same warning as others."""

        class Case(TestCase):
            async def test_coroutine(self) -> int:
                return 5

            def test_sync(self) -> int:
                return 5

        for name in ("test_coroutine", "test_sync"):
            with self.assertWarnsRegex(DeprecationWarning, rf"not None .*Case\.{name}"):
                run(Case(name))

    def test_debug(self) -> None:
        """Settings reach the loop."""

        class Case(TestCase):
            async def test(self) -> None:
                self.assertTrue(asyncio.get_running_loop().get_debug())

        self.assertTrue(run(Case("test"), Settings(debug=True)).wasSuccessful())


class Generators(TestCase):
    """Generators that nobody has begun."""

    def test_unknown(self) -> None:
        """A generator of another function, or one that generates tests, is left as it is."""

        class Case(TestCase):
            def test_expression(self) -> Any:
                return (number for number in range(3))

            def generates(self) -> Any:
                yield 1

            def test_generates(self) -> Any:
                return self.generates()

        for name in ("test_expression", "test_generates"):
            with self.assertWarns(DeprecationWarning):
                self.assertTrue(run(Case(name)).wasSuccessful())

    def test_wrapped_generates(self) -> None:
        """So is one under a decorator, unless it is a coroutine test."""

        def generates(self: TestCase) -> Any:
            yield 1

        def wrapped(self: TestCase) -> Any:
            return generates(self)

        wrapped.__wrapped__ = generates
        case = type("Case", (TestCase,), {"test": wrapped})("test")
        with self.assertWarns(DeprecationWarning):
            self.assertTrue(run(case).wasSuccessful())
        case = type("Case", (TestCase,), {"test": wrapped})("test")
        self.assertIn(
            "yielded 1", "".join(run(case, Settings(generators="coroutine")).errors[0][1])
        )

    def test_begun(self) -> None:
        """A generator that was started already isn't run again."""
        steps = []

        def test(self: TestCase) -> Any:
            steps.append("begun")
            yield from asyncio.sleep(0)

        def begins(self: TestCase) -> Any:
            generator = test(self)
            with contextlib.suppress(TypeError), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the sleep is never awaited
                next(generator)
            return generator

        begins.__wrapped__ = test
        case = type("Case", (TestCase,), {"test": begins})("test")
        with self.assertWarns(DeprecationWarning):
            self.assertTrue(run(case).wasSuccessful())
        self.assertEqual(steps, ["begun"])


class Decorated(TestCase):
    """Decorated tests are coroutine tests like any other."""

    def test_shared(self) -> None:
        """Without ``loop=``, they run on the plugin's loop."""

        class Case(TestCase):
            @aio.run_until_complete
            async def test(self) -> None:
                self.assertTrue(asyncio.get_running_loop().get_debug())

            @aio.run_forever(timeout=0)
            async def test_forever(self) -> Any:
                await self.test()
                return lambda case: case.fail("called back")

        self.assertTrue(run(Case("test"), Settings(debug=True)).wasSuccessful())
        forever = run(Case("test_forever"), Settings(debug=True))
        self.assertEqual(error(forever), "AssertionError: called back")

    def test_own_loop(self) -> None:
        """With ``loop=``, they keep their own loop."""

        @contextlib.contextmanager
        def own() -> Any:
            with contextlib.closing(asyncio.new_event_loop()) as loop:
                self.loop = loop
                yield loop

        outer = self

        class Case(TestCase):
            @aio.run_until_complete(loop=own)
            async def test(self) -> None:
                self.assertIs(asyncio.get_running_loop(), outer.loop)

        self.assertTrue(run(Case("test"), Settings(debug=True)).wasSuccessful())

    def test_limit_on_own_loop(self) -> None:
        """The run's time limit applies there too."""

        class Case(TestCase):
            @aio.run_until_complete(loop=lambda: contextlib.closing(asyncio.new_event_loop()))
            async def test(self) -> None:
                await asyncio.sleep(5)

        limited = Settings(time_limit=0.01, places={"time_limit": "here"})
        self.assertIn("time limit of 0.01 s (here)", report(run(Case("test"), limited)))

    def test_function(self) -> None:
        """The callback of a decorated function gets its test case."""
        seen = []

        @aio.run_forever(timeout=0)
        def test() -> Any:
            return seen.append

        case = unittest.FunctionTestCase(test)
        self.assertTrue(run(case).wasSuccessful())
        self.assertEqual(seen, [case])


class Isolated(TestCase):
    """IsolatedAsyncioTestCase."""

    def test_limits(self) -> None:
        """Time limits apply to it, by setting and by tag."""

        class Case(unittest.IsolatedAsyncioTestCase):
            async def test_setting(self) -> None:
                await asyncio.sleep(5)

            @aio.timeout(0.05)
            async def test_tag(self) -> None:
                await asyncio.sleep(5)

            @aio.timeout(5)
            async def test_in_time(self) -> None:
                await asyncio.sleep(0)

            def test_sync(self) -> None: ...

        limited = Settings(time_limit=0.05, places={"time_limit": "here"})
        for name, place in (("test_setting", "here"), ("test_tag", "@timeout")):
            self.assertIn(f"time limit of 0.05 s ({place})", report(run(Case(name), limited)))
        for name in ("test_in_time", "test_sync"):
            self.assertTrue(run(Case(name), limited).wasSuccessful())

    def test_generators(self) -> None:
        """Async generator functions are refused. Generator tests run, also under decorators."""

        class Case(unittest.IsolatedAsyncioTestCase):
            async def test_plain(self) -> Any:
                yield

            @mock.patch("os.getcwd")
            async def test_patched(self, _: object) -> Any:
                yield

            def test_returns(self) -> Any:
                return self.fails()

            def test_returns_a_value(self) -> Any:
                return 5

            async def fails(self) -> None:
                await asyncio.sleep(0)
                raise LookupError

            @mock.patch("os.getcwd")
            def test_patched_generator(self, _: object) -> Any:
                yield from asyncio.sleep(0)
                raise LookupError

        for settings in (Settings(), Settings(time_limit=5)):
            for name in ("test_plain", "test_patched"):
                ((_, report),) = run(Case(name), settings).errors
                self.assertIn(DefinitionError.__name__, report)
            with self.assertWarnsRegex(DeprecationWarning, r"Case\.test_returns_a_value"):
                run(Case("test_returns_a_value"), settings)
            for name in ("test_patched_generator", "test_returns"):
                self.assertEqual(error(run(Case(name), settings)), "LookupError")
