"""nose2_aio.needs"""

from __future__ import annotations

import asyncio
import selectors
import sys
from collections.abc import Callable
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase, TestSuite, mock, skipIf

from hypothesis import given, strategies
from nose2.plugins.loader import parameters
from nose2.tools import params

import nose2_aio as aio
from nose2_aio import loops, needs, settings, units, variants
from nose2_aio.errors import InvalidValueError
from nose2_aio.selecting import WatchedSelector

MANY = settings.resolve({"concurrency": "8"}, {})

made: list[str] = []


class Blind(asyncio.SelectorEventLoop):
    """A loop whose selector ours can't stand in for."""

    def __init__(self) -> None:
        super().__init__(selectors.PollSelector())


def blind() -> Blind:
    made.append("blind")
    return Blind()


def fast() -> asyncio.SelectorEventLoop:
    made.append("fast")
    return asyncio.SelectorEventLoop()


def nothing() -> None:
    return None


def broken() -> None:
    raise OSError


def unit(test: Any, given: settings.Settings = MANY, **keywords: Any) -> units.Unit:
    (found,) = units.units(TestSuite([test]), given, **keywords)
    return found


class Alone(TestCase):
    """What runs with nothing beside it."""

    def alone(self, case: type[TestCase]) -> dict[str, bool]:
        names = [name for name in vars(case) if name[0] != "_" and callable(getattr(case, name))]
        return {name: unit(case(name)).is_alone for name in names if name != "loop_factory"}

    def test_declared(self) -> None:
        """All that isn't declared to be a coroutine test, or that has chosen its loop."""

        class Case(TestCase):
            async def test(self) -> None: ...

            @aio.run_until_complete
            def generator(self) -> Any:
                yield from asyncio.sleep(0)

            @mock.patch("asyncio.sleep")
            async def patched(self, _: Any) -> None: ...

            @aio.run_forever
            async def forever(self) -> None: ...

            def sync(self) -> None: ...

            def gives(self) -> Any:
                return asyncio.sleep(0)

            @aio.run_until_complete(loop=aio.current_loop)
            async def chosen(self) -> None: ...

        beside = {"test", "generator", "patched", "forever"}
        for name, is_alone in self.alone(Case).items():
            self.assertEqual(is_alone, name not in beside, name)
        self.assertTrue(unit(Case("test"), settings.resolve({"loop-scope": "run"}, {})).is_alone)

    def test_isolated(self) -> None:
        """The same with IsolatedAsyncioTestCase."""

        class Case(IsolatedAsyncioTestCase):
            async def test(self) -> None: ...

            def sync(self) -> None: ...

        self.assertEqual(self.alone(Case), {"test": False, "sync": True})

    def test_wrapped(self) -> None:
        """What nose2 has put around a function to give it its arguments is looked through."""

        @params(1)
        async def test(_: int) -> None: ...

        session: Any = mock.Mock()
        session.config.as_str.return_value = None
        plugin = parameters.Parameters(session=session)
        (case,) = plugin._generateFuncTests(test)
        self.assertFalse(unit(case).is_alone)

    def test_left_alone(self) -> None:
        """A class that runs its tests by itself, and what is no test case at all."""

        class Runs(TestCase):
            def run(self, result: Any = None) -> Any: ...

            async def test(self) -> None: ...

        class Calls(TestCase):
            def _callTestMethod(self, method: Callable[[], Any]) -> None: ...

            async def test(self) -> None: ...

        for test in (Runs("test"), Calls("test"), lambda _: None):
            self.assertTrue(unit(test).is_alone)

    def test_serial(self) -> None:
        """What is tagged; a unit with one of these altogether."""

        @aio.serial
        class Class(TestCase):
            async def test(self) -> None: ...

        class Case(TestCase):
            @aio.serial
            @aio.exclusive("key")
            async def tagged(self) -> None: ...

            async def test(self) -> None: ...

        class Fixtures(Case):
            @classmethod
            async def setUpClass(cls) -> None: ...

        self.assertTrue(unit(Class("test")).is_alone)
        self.assertEqual(self.alone(Case), {"tagged": True, "test": False})
        self.assertEqual(unit(Case("tagged")).keys, {"key"})
        both = TestSuite([Fixtures("test"), Fixtures("tagged")])
        self.assertTrue(unit(both).is_alone)
        self.assertFalse(unit(Fixtures("test")).is_alone)

    def test_hypothesis(self) -> None:
        """What Hypothesis calls, which sets the random state of the process."""

        class Case(TestCase):
            @given(strategies.integers())
            async def test(self, number: int) -> None: ...

            @aio.run_until_complete
            @given(strategies.integers())
            async def decorated(self, number: int) -> None: ...

        self.assertEqual(self.alone(Case), {"test": True, "decorated": True})

    def test_invalid(self) -> None:
        """What is tagged with something invalid: the test says so when it runs."""

        class Case(TestCase):
            async def serial(self) -> None: ...

            serial.serial = 5

            async def exclusive(self) -> None: ...

            exclusive.exclusive = 5

            async def loop(self) -> None: ...

            loop.loop = 5

            @aio.loop("tests.nowhere.loop")
            async def nowhere(self) -> None: ...

            @aio.loop(nothing)
            async def nothing(self) -> None: ...

            @aio.loop(broken)
            async def broken(self) -> None: ...

        found = self.alone(Case)
        self.assertFalse(found.pop("broken"))
        self.assertEqual(set(found.values()), {True})
        self.assertEqual(len(found), 5)


class Loops(TestCase):
    """Loops that don't tell when they wait."""

    def setUp(self) -> None:
        made.clear()

    def test_tag(self) -> None:
        """A test that is tagged with one runs alone, with a reason."""

        class Case(TestCase):
            @aio.loop(fast)
            async def fast(self) -> None: ...

            @aio.loop(blind)
            async def blind(self) -> None: ...

            @aio.loop("tests.unit.test_needs.blind")
            async def named(self) -> None: ...

        self.assertFalse(unit(Case("fast")).is_alone)
        for name in ("blind", "named"):
            found = unit(Case(name))
            self.assertTrue(found.is_alone)
            self.assertRegex(
                found.reason,
                r"^tests on tests\.unit\.test_needs\.Blind run alone: it has no selector of "
                r"Python's to tell when it waits \(attribute loop of (blind|named), "
                r".*test_needs\.py:\d+\)$",
            )
        made.clear()
        units.units(TestSuite([Case("blind"), Case("blind"), Case("fast")]), MANY)
        self.assertEqual(made, ["blind", "fast"])
        units.units(TestSuite([Case("blind")]), settings.resolve({}, {}))
        self.assertEqual(made, ["blind", "fast"])

    def test_unit(self) -> None:
        """A unit keeps the first reason."""

        @aio.loop_scope("class")
        class Case(TestCase):
            async def plain(self) -> None: ...

            @aio.loop(blind)
            async def blind(self) -> None: ...

        found = unit(TestSuite([Case("plain"), Case("blind"), Case("plain")]))
        self.assertTrue(found.is_alone)
        self.assertIn("Blind", found.reason)

    def test_repetition(self) -> None:
        """With several, it is the one of the repetition; any of them where that isn't known."""

        class Case(TestCase):
            @aio.loop(fast, blind)
            async def test(self) -> None: ...

        found = [unit(Case("test"), repetition=number).is_alone for number in (0, 1, 2, None)]
        self.assertEqual(found, [False, True, False, True])

    def test_isolated(self) -> None:
        """IsolatedAsyncioTestCase may have its own, or make them itself; a tag wins."""

        class Isolated(IsolatedAsyncioTestCase):
            loop_factory = staticmethod(blind)

            async def test(self) -> None: ...

            @aio.loop(fast)
            async def tagged(self) -> None: ...

            @aio.loop(blind)
            async def blind(self) -> None: ...

        class Fast(Isolated):
            loop_factory = staticmethod(fast)

        class Makes(IsolatedAsyncioTestCase):
            def _setupAsyncioRunner(self) -> None: ...

            async def test(self) -> None: ...

        class Invalid(IsolatedAsyncioTestCase):
            loop_factory = 5

            async def test(self) -> None: ...

        found = unit(Isolated("test"))
        self.assertTrue(found.is_alone)
        place = f"(loop_factory of {__name__}.{Isolated.__qualname__})"
        self.assertTrue(found.reason.endswith(place), found.reason)
        self.assertFalse(unit(Fast("test")).is_alone)
        suite = TestSuite([Isolated("tagged"), Fast("blind")])
        variants.repeated(suite, MANY)
        tagged, other = units.units(suite, MANY)
        self.assertEqual((tagged.is_alone, tagged.reason), (False, ""))
        self.assertIn("(attribute loop of blind, ", other.reason)
        self.assertIn("(attribute loop of blind, ", unit(Fast("blind")).reason)
        for case in (Makes, Invalid):
            found = unit(case("test"))
            self.assertEqual((found.is_alone, found.reason), (True, ""))
            self.assertEqual(unit(case("test"), settings.resolve({}, {})).is_alone, False)


class Check(TestCase):
    """Whether the loops of a run can be waited for at all."""

    def refusal(self, *names: str, concurrency: str = "8") -> str:
        """What is wrong with loops, or nothing."""
        loop = {"loop": ", ".join(names)} if names else {}
        try:
            needs.check_loops(settings.resolve({"concurrency": concurrency, **loop}, {}))
        except InvalidValueError as error:
            return str(error)
        return ""

    def test_setting(self) -> None:
        """All of those that were chosen; without concurrency none is made."""
        made.clear()
        self.assertEqual(self.refusal(f"{__name__}.blind", concurrency="1"), "")
        self.assertEqual(made, [])
        self.assertEqual(self.refusal(f"{__name__}.fast", "asyncio"), "")
        self.assertEqual(self.refusal(f"{__name__}.fast", f"{__name__}.broken"), "")
        self.assertEqual(
            self.refusal(f"{__name__}.fast", f"{__name__}.blind"),
            "concurrency must be 1 on tests.unit.test_needs.Blind, which has no selector of "
            "Python's to tell when it waits, got 8 ([aio] concurrency, [aio] loop)",
        )
        self.assertIn("must return a new event loop", self.refusal(f"{__name__}.nothing"))

    def test_no_file(self) -> None:
        """A selector of Python's that no other one can wait for is none to tell."""

        def missing(_: object) -> None:
            raise AttributeError("fileno")

        with mock.patch.object(WatchedSelector, "fileno", property(missing), create=True):
            self.assertIn("WatchedLoop, which has no selector", self.refusal())

    def test_policy(self) -> None:
        """Where none was chosen, what asyncio makes."""
        self.assertEqual(self.refusal(), "")
        with mock.patch.object(loops, "new", lambda _: Blind()):
            self.assertIn("got 8 ([aio] concurrency, asyncio.new_event_loop)", self.refusal())

    @skipIf(sys.platform == "win32", "there is none")
    def test_uvloop(self) -> None:
        """uvloop's can't be."""
        self.assertIn("concurrency must be 1 on uvloop.Loop, which", self.refusal("uvloop"))
