"""nose2_aio.suites.units"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import BaseTestSuite, TestCase, TestResult, TestSuite, addModuleCleanup, mock

from nose2 import util
from nose2.plugins.loader import functions, generators, testclasses
from nose2.suite import LayerSuite

import nose2_aio as aio
from nose2_aio.config import settings
from nose2_aio.suites import units
from nose2_aio.suites.units import Unit

SETTINGS = settings.resolve({}, {})


class Plain(TestCase):
    """Its tests share nothing."""

    async def a(self) -> None: ...

    async def b(self) -> None: ...

    def sync(self) -> None: ...


class Other(Plain):
    pass


@aio.serial
class Serial(Plain):
    pass


class Fixtures(Plain):
    @classmethod
    def setUpClass(cls) -> None:
        told.append(f"set up {cls.__name__}")

    def a(self) -> None:
        told.append("a")

    b = a

    @classmethod
    def tearDownClass(cls) -> None:
        told.append(f"tear down {cls.__name__}")


class TornDown(Plain):
    @classmethod
    async def tearDownClass(cls) -> None: ...


class Runs(Plain):
    """A class that runs its tests itself."""

    def run(self, result: TestResult | None = None) -> TestResult | None:
        return super().run(result)


class Own(TestSuite):
    """A suite class of the user's."""

    def run(self, result: TestResult, debug: bool = False) -> TestResult:
        told.append("begin")
        super().run(result, debug)
        told.append("end")
        return result


told: list[str] = []


def tests(case: type[TestCase], names: str = "ab") -> list[TestCase]:
    return [case(name) for name in names]


def names_of(found: list[Unit]) -> list[str]:
    """Return each unit as the names of its tests."""
    return [
        " ".join(f"{type(one).__name__}.{one._testMethodName}" for one in unit.tests)
        for unit in found
    ]


class Grouping(TestCase):
    """Which tests belong together."""

    def names(self, *what: Any, **given: str) -> list[str]:
        return names_of(units.split(TestSuite(what), settings.resolve(given, {})))

    def test_plain(self) -> None:
        """Each test without fixtures is a unit. Nested suites are flattened in order."""
        self.assertEqual(
            self.names(Plain("a"), TestSuite([TestSuite(tests(Other)), Plain("b")]), Other("a")),
            ["Plain.a", "Other.a", "Other.b", "Plain.b", "Other.a"],
        )
        self.assertEqual(units.split(TestSuite(), SETTINGS), [])

    def test_class(self) -> None:
        """Tests of a class with fixtures are one unit, if they are next to each other."""
        found = units.split(
            TestSuite(
                [
                    *tests(Fixtures),
                    *tests(TornDown),
                    Plain("a"),
                    *tests(Fixtures),
                    *tests(Plain),
                ]
            ),
            SETTINGS,
        )
        self.assertEqual(
            names_of(found),
            [
                "Fixtures.a Fixtures.b",
                "TornDown.a TornDown.b",
                "Plain.a",
                "Fixtures.a Fixtures.b",
                "Plain.a",
                "Plain.b",
            ],
        )
        self.assertEqual({len(unit.exclusive_keys) for unit in found}, {0})
        for unit in found:
            self.assertEqual(list(unit.suite), unit.tests)

    def test_loop_scope(self) -> None:
        """Tests that share a loop by a tag or a setting are one unit."""

        @aio.loop_scope("class")
        class Class(Plain): ...

        @aio.loop_scope("module")
        class Module(Plain): ...

        @aio.loop_scope("run")
        class Run(Plain): ...

        @aio.loop_scope("test")
        class Test(Plain): ...

        what = [one for case in (Class, Module, Plain, Run, Test) for one in tests(case)]
        classes = ["Class.a Class.b", "Module.a Module.b"]
        rest = ["Run.a", "Run.b", "Test.a", "Test.b"]
        self.assertEqual(self.names(*what), [*classes, "Plain.a", "Plain.b", *rest])
        self.assertEqual(
            self.names(*what, **{"loop-scope": "class"}), [*classes, "Plain.a Plain.b", *rest]
        )
        found = self.names(*what, **{"loop-scope": "module"})
        whole = " ".join([*classes, "Plain.a", "Plain.b", *rest])
        self.assertEqual(found, [whole])  # the module's loop outlives those that pass it over

    def test_loop_of_some(self) -> None:
        """A module in which some classes share a loop is one unit, with the tests between them."""
        shared = aio.loop_scope("module")
        module = ModuleType("some_share")
        for name in ("First", "Between", "Last"):
            case = type(name, (Plain,), {"__module__": module.__name__})
            setattr(module, name, case if name == "Between" else shared(case))

        with mock.patch.dict(sys.modules, {module.__name__: module}):
            what = [
                one for case in (module.First, module.Between, module.Last) for one in tests(case)
            ]
            found = self.names(*what)
        self.assertEqual(found, ["First.a First.b Between.a Between.b Last.a Last.b"])

    def test_module(self) -> None:
        """All tests of a module with fixtures are one unit."""
        cases = []
        for name in ("set_up", "torn_down"):
            module = sys.modules[name] = ModuleType(name)
            self.addCleanup(sys.modules.pop, name)
            own = {"__module__": name}
            cases += [type(base.__name__, (base,), own) for base in (Plain, Fixtures)]
            setattr(module, "setUpModule" if name == "set_up" else "tearDownModule", print)
        gone = type("Gone", (Plain,), {"__module__": "gone"})
        what = [one for case in (*cases, gone) for one in tests(case, "a")]
        found = units.split(TestSuite([*what, cases[0]("b")]), SETTINGS)
        both = "Plain.a Fixtures.a"
        self.assertEqual(names_of(found), [both, both, "Gone.a", "Plain.b"])

    def test_functions(self) -> None:
        """Test functions have nothing in common."""

        async def test() -> None: ...

        what = [util.transplant_class(functions.FunctionTestCase, __name__)(test) for _ in range(2)]
        found = units.split(TestSuite(what), SETTINGS)
        self.assertEqual([len(unit.tests) for unit in found], [1, 1])

    def test_test_classes(self) -> None:
        """Tests of a test class are one unit, if the user's class has fixtures."""

        class Without:
            async def test(self) -> None: ...

        class With(Without):
            def setUpClass(self) -> None: ...

        @aio.loop_scope("class")
        class Tagged(Without): ...

        for users, count in ((Without, 3), (With, 1), (Tagged, 1)):
            made = [
                util.transplant_class(testclasses.MethodTestCase(users), __name__)("test")
                for _ in range(3)
            ]
            found = units.split(TestSuite(made), SETTINGS)
            self.assertEqual(len(found), count, users)
        made = [util.transplant_class(testclasses.MethodTestCase(With), __name__)("test")]
        yielded = util.transplant_class(generators.GeneratorMethodCase(With), __name__)("test")
        yielded.test = With().test
        self.assertEqual(len(units.split(TestSuite([*made, yielded]), SETTINGS)), 1)

    def test_yielded(self) -> None:
        """Tests from a generator are one unit if they are methods of the same object."""

        class Users:
            async def check(self) -> None: ...

        cases = []
        for method in [Users().check, Users().check]:
            for _ in range(2):
                case = util.transplant_class(generators.GeneratorMethodCase(Users), __name__)(
                    "test"
                )
                case.test = method
                cases.append(case)
        found = units.split(TestSuite(cases), SETTINGS)
        self.assertEqual([unit.tests for unit in found], [cases[:2], cases[2:]])

    def test_keys(self) -> None:
        """A unit has the exclusive keys of all its tests."""

        class Case(Fixtures):
            @aio.exclusive("x")
            async def a(self) -> None: ...

            @aio.exclusive("y", "Case")
            async def b(self) -> None: ...

            async def c(self) -> None: ...

        (unit,) = units.split(TestSuite(tests(Case, "abc")), SETTINGS)
        self.assertEqual(unit.exclusive_keys, {"x": 1, "y": 1, "Case": 1})
        self.assertFalse(unit.is_serial)

    def test_invalid_keys(self) -> None:
        """Invalid tags are ignored here. The test reports them when it runs."""

        class Case(Plain):
            async def a(self) -> None: ...

            a.exclusive = 5  # type: ignore[attr-defined]

            async def b(self) -> None: ...

            b.serial = 5  # type: ignore[attr-defined]

        found = units.split(TestSuite(tests(Case)), SETTINGS)
        self.assertEqual(
            [(unit.exclusive_keys, unit.is_serial) for unit in found], 2 * [({}, False)]
        )

    def test_serial(self) -> None:
        """A unit is serial if one of its tests or classes is tagged."""

        class Case(Plain):
            @aio.serial
            @aio.exclusive("key")
            async def a(self) -> None: ...

        class Shared(Case):
            @classmethod
            async def setUpClass(cls) -> None: ...

        def serial(*what: TestCase) -> list[bool]:
            return [unit.is_serial for unit in units.split(TestSuite(what), SETTINGS)]

        self.assertEqual(serial(*tests(Serial)), [True, True])
        self.assertEqual(serial(*tests(Case)), [True, False])
        self.assertEqual(serial(Plain("sync"), Runs("a")), [False, False])
        self.assertEqual(serial(*tests(Shared)), [True])
        self.assertEqual(serial(Shared("b")), [False])
        self.assertEqual(units.split(Case("a"), SETTINGS)[0].exclusive_keys, {"key": 1})

    def test_no_test_case(self) -> None:
        """Anything else than a test case is a unit by itself."""
        what: list[Any] = [lambda _: None, lambda _: None]
        found = units.split(TestSuite(what), SETTINGS)
        self.assertEqual(
            [(unit.tests, unit.exclusive_keys) for unit in found], [([one], {}) for one in what]
        )


class OfTheRun(TestCase):
    """If ``loop-scope`` is ``run``, all tests are one unit."""

    def test_whole(self) -> None:
        """It has the tests of all units, in order, and is serial if one of them is."""

        class Case(Fixtures):
            @aio.serial
            @aio.exclusive("key")
            async def c(self) -> None: ...

        scope = settings.resolve({"loop-scope": "run"}, {})
        suite = TestSuite([Plain("sync"), *tests(Fixtures), Own(tests(Other)), Case("c")])
        (unit,) = units.split(suite, scope)
        self.assertEqual(
            names_of([unit]), ["Plain.sync Fixtures.a Fixtures.b Other.a Other.b Case.c"]
        )
        self.assertTrue(unit.is_serial)
        self.assertTrue(unit.has_fixtures)
        self.assertEqual(units.split(TestSuite(), scope), [])

    def test_execution(self) -> None:
        """Fixtures are set up and torn down as usual."""
        told.clear()
        scope = settings.resolve({"loop-scope": "run"}, {})
        (unit,) = units.split(TestSuite([Plain("sync"), *tests(Fixtures), Plain("sync")]), scope)
        result = TestResult()
        unit.suite(result)
        self.assertEqual(told, ["set up Fixtures", "a", "a", "tear down Fixtures"])
        self.assertEqual(result.testsRun, 4)


class Whole(TestCase):
    """Suites that run their tests themselves."""

    def setUp(self) -> None:
        told.clear()

    def test_layers(self) -> None:
        """The suite of a layer is one unit, together with the suites in it."""

        class Layer: ...

        class Inner(Layer): ...

        session: Any = SimpleNamespace()
        inner = LayerSuite(session, tests(Other), layer=Inner)
        outer = LayerSuite(session, [Plain("a"), inner], layer=Layer)
        sync = LayerSuite(session, [Plain("a"), Plain("sync")], layer=Inner)
        serial = LayerSuite(session, [Serial("a")], layer=Layer)
        found = units.split(TestSuite([Plain("b"), outer, sync, serial, Plain("b")]), SETTINGS)
        self.assertEqual(
            names_of(found),
            ["Plain.b", "Plain.a Other.a Other.b", "Plain.a Plain.sync", "Serial.a", "Plain.b"],
        )
        self.assertIs(found[1].suite, outer)
        self.assertEqual([unit.is_serial for unit in found], [False, False, False, True, False])
        self.assertEqual([unit.has_fixtures for unit in found], [False, True, True, True, False])

    def test_users(self) -> None:
        """A suite with a ``run`` of its own is one unit, and has the keys of its tests."""
        users = Own([TestSuite(tests(Fixtures))])
        found = units.split(TestSuite([Fixtures("a"), users, Fixtures("a")]), SETTINGS)
        self.assertEqual(names_of(found), ["Fixtures.a", "Fixtures.a Fixtures.b", "Fixtures.a"])
        self.assertTrue(found[1].has_fixtures)
        (only,) = units.split(users, SETTINGS)
        self.assertEqual(names_of([only]), ["Fixtures.a Fixtures.b"])
        found[1].suite(TestResult())
        self.assertEqual(told, ["begin", "set up Fixtures", "a", "a", "end", "tear down Fixtures"])

    def test_other_ways(self) -> None:
        """So is a suite that overrides ``__call__`` or ``__iter__``, and no other suite."""

        class UserCall(TestSuite):
            __call__ = TestSuite.run

        class Lazy(TestSuite):
            def __iter__(self) -> Any:
                return iter(tests(Plain))

        class Harmless(TestSuite):
            attribute = 1

        for kind, count in ((UserCall, 1), (Lazy, 1), (Harmless, 2), (BaseTestSuite, 2)):
            found = units.split(TestSuite([kind(tests(Plain))]), SETTINGS)
            self.assertEqual(len(found), count, kind)


class Execution(TestCase):
    """The fixtures of units."""

    def setUp(self) -> None:
        told.clear()

    def test_fixtures(self) -> None:
        """Each unit sets up and tears down its fixtures, whatever runs before or after it."""
        found = units.split(
            TestSuite([*tests(Fixtures), Plain("sync"), *tests(Fixtures)]), SETTINGS
        )
        result = TestResult()
        for unit in (found[0], found[2], found[1]):
            unit.suite(result)
        self.assertEqual(told, ["set up Fixtures", "a", "a", "tear down Fixtures"] * 2)
        self.assertEqual((result.testsRun, result.errors), (5, []))

    def test_others(self) -> None:
        """A unit forgets which class ran before it, and unittest forgets the unit's class."""
        (unit,) = units.split(TestSuite(tests(Fixtures)), SETTINGS)
        result = TestResult()
        result._previousTestClass = Fixtures
        unit.suite(result)
        self.assertEqual(told, ["set up Fixtures", "a", "a", "tear down Fixtures"])
        LayerSuite(mock.Mock(), [Plain("sync")], layer=object).handle_previous_test_teardown(result)
        self.assertEqual(told[4:], [])


class Parts(TestCase):
    """A part of a unit, and copies."""

    def setUp(self) -> None:
        told.clear()

    def test_part(self) -> None:
        """A part has the tests at some positions, with their fixtures. The unit stays the same."""
        (unit,) = units.split(TestSuite([Fixtures("a"), Fixtures("b"), Fixtures("a")]), SETTINGS)
        suite = unit.part({0, 2})
        self.assertEqual(list(suite), [unit.tests[0], unit.tests[2]])
        result = TestResult()
        suite(result)
        self.assertEqual(told, ["set up Fixtures", "a", "a", "tear down Fixtures"])
        self.assertEqual((result.testsRun, len(unit.tests)), (2, 3))

    def test_part_of_layer(self) -> None:
        """A part keeps its layers. A suite that runs itself stays whole."""

        class Layer: ...

        class Inner(Layer): ...

        session: Any = SimpleNamespace()
        inner = LayerSuite(session, tests(Other), layer=Inner)
        outer = LayerSuite(session, [Plain("a"), inner], layer=Layer)
        (unit,) = units.split(TestSuite([outer]), SETTINGS)
        suite = unit.part({2})
        self.assertIs(suite.layer, Layer)
        (within,) = suite
        self.assertIs(within.layer, Inner)
        self.assertEqual(list(within), [unit.tests[2]])
        (own,) = units.split(TestSuite([Own(tests(Fixtures))]), SETTINGS)
        own.part({1})(TestResult())
        self.assertEqual(told, ["begin", "set up Fixtures", "a", "a", "end", "tear down Fixtures"])

    def test_part_of_run(self) -> None:
        """A part of the only unit of a run has the fixtures of its classes."""
        scope = settings.resolve({"loop-scope": "run"}, {})
        (unit,) = units.split(TestSuite([Plain("sync"), *tests(Fixtures)]), scope)
        result = TestResult()
        unit.part({2})(result)
        self.assertEqual(told, ["set up Fixtures", "a", "tear down Fixtures"])
        self.assertEqual(result.testsRun, 1)

    def test_copied(self) -> None:
        """A copy has copies of the tests, and the same keys."""

        class Case(Fixtures):
            @aio.serial
            @aio.exclusive("key", at_most=3)
            def c(self) -> None: ...

        (unit,) = units.split(TestSuite([*tests(Case), Case("c")]), SETTINGS)
        found = unit.copied()
        self.assertEqual([one.id() for one in found.tests], [one.id() for one in unit.tests])
        self.assertFalse(set(map(id, found.tests)) & set(map(id, unit.tests)))
        self.assertEqual(list(found.suite), found.tests)
        self.assertEqual(
            (found.exclusive_keys, found.is_serial, found.has_fixtures),
            (unit.exclusive_keys, True, True),
        )
        self.assertEqual(found.exclusive_keys["key"], 3)
        found.suite(TestResult())
        self.assertEqual(told, ["set up Case", "a", "a", "tear down Case"])

    def test_fresh(self) -> None:
        """A copy of a suite can run, and changes no test of the suite."""
        suite = TestSuite([TestSuite(tests(Fixtures)), Plain("sync")])
        before = [*suite._tests[0], suite._tests[1]]  # type: ignore[attr-defined]
        found = units.copied_suite(suite)
        result = TestResult()
        found(result)
        suite(result)
        self.assertEqual(result.testsRun, 6)
        self.assertEqual(told, ["set up Fixtures", "a", "a", "tear down Fixtures"] * 2)
        again = units.copied_suite(TestSuite(before))
        self.assertFalse(set(map(id, again)) & set(map(id, before)))
        self.assertEqual(list(units.copied_suite(TestSuite())), [])

    def test_at_most(self) -> None:
        """If tests of a unit differ in ``at_most``, the smallest number counts."""

        class Case(Fixtures):
            @aio.exclusive("key", at_most=4)
            async def c(self) -> None: ...

            @aio.exclusive("key", at_most=2)
            async def d(self) -> None: ...

        (unit,) = units.split(TestSuite(tests(Case, "cd")), SETTINGS)
        self.assertEqual(unit.exclusive_keys["key"], 2)


class Reordered(TestCase):
    """Suites in another order."""

    def test_reordered(self) -> None:
        """The tests move to a new suite, and are deleted after they have run."""
        suite = TestSuite([TestSuite(tests(Fixtures)), TestSuite([Plain("sync")] * 2)])
        told.clear()
        found = units.reordered(suite, SETTINGS, lambda unit: len(unit.tests))
        self.assertEqual((suite.countTestCases(), found.countTestCases()), (0, 4))
        result = TestResult()
        found(result)
        self.assertEqual(told, ["set up Fixtures", "a", "a", "tear down Fixtures"])
        self.assertEqual(result.testsRun, 4)
        self.assertEqual(list(found), [None] * 4)

    def test_cleanups(self) -> None:
        """Cleanups that a test adds to a class or module without fixtures are called once."""
        told.clear()

        class Adds(Plain):
            def sync(self) -> None:
                type(self).addClassCleanup(told.append, "class")
                addModuleCleanup(told.append, "module")

        for sign in (1, -1):
            suite = TestSuite([Adds("sync"), Fixtures("a"), Fixtures("a")])
            result = TestResult()
            units.reordered(suite, SETTINGS, lambda unit, by=sign: by * len(unit.tests))(result)
            self.assertEqual((told.count("class"), told.count("module")), (1, 1))
            self.assertEqual((result.testsRun, result.errors), (3, []))
            told.clear()
        [unit] = units.split(TestSuite([Adds("sync")]), settings.resolve({"loop-scope": "run"}, {}))
        unit.suite.run(TestResult())
        self.assertEqual(told, ["class", "module"])

    def test_whole(self) -> None:
        """Layers and suites of the user's stay whole."""

        class Layer: ...

        session: Any = SimpleNamespace()
        layer, users = LayerSuite(session, tests(Other), layer=Layer), Own(tests(Plain))
        plain = tests(Plain)
        suite = TestSuite([TestSuite(plain), layer, users])
        found = list(units.reordered(suite, SETTINGS, lambda unit: -len(unit.tests)))
        self.assertEqual(found, [layer, users, *plain])
        self.assertIs(next(iter(units.reordered(users, SETTINGS, id))), users)
        self.assertEqual(users.countTestCases(), 2)


class Tests(TestCase):
    def a(self) -> None: ...

    async def b(self) -> None: ...


class Looped(TestCase):
    @aio.loop("asyncio", "uvloop.new_event_loop")
    async def a(self) -> None: ...


class OfRun(TestCase):
    """The units of a run."""

    def of_run(self, *tests: TestCase, **given: str) -> list[tuple[int | None, str]]:
        found = units.units_of_run(TestSuite(tests), settings.resolve(given, {}))
        self.units = found
        return [
            (unit.repetition, one.id().rpartition(".")[2]) for unit in found for one in unit.tests
        ]

    def test_once(self) -> None:
        """Without loops and ``repeat`` they are the units of the suite."""
        self.assertEqual(self.of_run(Tests("a"), Tests("b")), [(None, "a"), (None, "b")])

    def test_repeat(self) -> None:
        """With ``repeat`` all units come several times, as copies."""
        found = self.of_run(Tests("a"), Tests("b"), repeat="3")
        self.assertEqual(found, [(None, "a"), (None, "b")] * 3)
        tests = [one for unit in self.units for one in unit.tests]
        self.assertEqual(len(set(map(id, tests))), 6)

    def test_loops(self) -> None:
        """With loops and ``repeat`` they come several times on each loop."""
        found = self.of_run(Tests("a"), Looped("a"), repeat="2")
        self.assertEqual(
            found,
            [*[(0, "a"), (0, "a[asyncio]")] * 2, *[(1, "a[uvloop]")] * 2],
        )
