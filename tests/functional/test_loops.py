"""Loop factories: by setting and by tag, several of them, and loops without a selector."""

from __future__ import annotations

import sys
import textwrap
import xml.etree.ElementTree as ET
from unittest import TestCase, skipIf

from tests.runs import SCENARIOS, Project, Run, nose2, python

FACTORIES = """
import asyncio
import selectors


class Fast(asyncio.SelectorEventLoop):
    pass


class Blind(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(selectors.PollSelector())


def fast():
    return Fast()


def blind():
    return Blind()


def none():
    return None


def shut():
    loop = asyncio.new_event_loop()
    loop.close()
    return loop


def needs(argument):
    pass


number = 5


def kind():
    return type(asyncio.get_running_loop()).__name__
"""
TWO = "--aio-loop=factories.fast, factories.blind"
KINDS = """
import asyncio
import unittest

from nose2.tools import params, such

import nose2_aio as aio
from factories import kind

told = []

class Case(unittest.TestCase):
    async def test_x(self):
        assert kind() in self.id().title(), (kind(), self.id())

    @params(1, 2)
    async def test_params(self, number):
        assert kind() in self.id().title(), (kind(), self.id())

    def test_yields(self):
        async def check(number):
            told.append(f"yields:{number} {kind()}")
        yield check, 1

    def test_plain(self):
        pass

    def test_gives(self):
        async def test():
            assert kind() == "Fast", kind()
        return test()

    @aio.run_until_complete
    def test_decorated(self):
        assert kind() in self.id().title(), (kind(), self.id())

    @aio.run_until_complete(loop=aio.child_loop)
    def test_generator(self):
        yield from asyncio.sleep(0)
        told.append(f"generator {kind()}")

async def test_function():
    told.append(f"function {kind()}")

@params(1, 2)
async def test_params(number):
    told.append(f"params:{number} {kind()}")

async def test_yields():
    pass

def test_many():
    async def check(number):
        told.append(f"many:{number} {kind()}")
    yield check, 1
    yield check, 2

class TestClass:
    def __init__(self):
        self.own = []

    async def test_method(self):
        told.append(f"method {kind()}")
        self.own.append(1)
        assert self.own == [1]

    @params(1)
    async def test_params(self, number):
        told.append(f"method params:{number} {kind()}")

class Isolated(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.loop = asyncio.get_event_loop()

    async def test_isolated(self):
        assert self.loop is asyncio.get_running_loop()
        assert kind() in self.id().title(), (kind(), self.id())

    def test_plain(self):
        assert type(self.loop).__name__ == "Fast", self.loop

with such.A("system") as it:
    @it.should("run")
    async def test():
        with open("such.txt", "a") as file:
            print(kind(), file=file)

it.createTests(globals())

def tearDownModule():
    with open("told.txt", "a") as file:
        print("repetition", *sorted(told), sep="\\n", file=file)
    told.clear()
"""


def project(case: TestCase, tests: str, **files: str) -> Project:
    """Return a project with loop factories, a test module, and other files."""
    head = "import asyncio, unittest\nimport nose2_aio as aio\nfrom factories import kind\n"
    return Project(case, factories=FACTORIES, test_it=head + textwrap.dedent(tests), **files)


class OneLoop(TestCase):
    """With one loop factory, only the loop changes."""

    TESTS = """
    class Case(unittest.TestCase):
        async def test_x(self):
            assert kind() == "Fast", kind()

        def test_plain(self):
            pass

    class Isolated(unittest.IsolatedAsyncioTestCase):
        async def test_x(self):
            assert kind() == "Fast", kind()
    """
    IDS = ("test_it.Case.test_x", "test_it.Case.test_plain", "test_it.Isolated.test_x")

    def assert_fast(self, run: Run) -> None:
        """All tests pass on the fast loop, under their usual ids."""
        self.assertEqual(run.outcomes, dict.fromkeys(self.IDS, "ok"), run.output)

    def test_switch(self) -> None:
        """``--aio-loop`` chooses the loop."""
        self.assert_fast(project(self, self.TESTS).nose2("-v", "--aio-loop=factories.fast"))

    def test_setting(self) -> None:
        """``loop`` in [aio], in unittest.cfg or pyproject.toml. The switch wins."""
        one = project(self, self.TESTS)
        one.write("unittest.cfg", "[aio]\nloop = factories.fast\n")
        self.assert_fast(one.nose2("-v"))
        one.write("unittest.cfg", "[aio]\nloop = factories.blind\n")
        self.assertEqual(one.nose2("-v").returncode, 1)
        self.assert_fast(one.nose2("-v", "--aio-loop", "factories.fast"))
        other = project(self, self.TESTS)
        other.write("pyproject.toml", '[tool.nose2.aio]\nloop = ["factories.fast"]\n')
        self.assert_fast(other.nose2("-v"))

    def test_workers(self) -> None:
        """The loop reaches worker processes."""
        run = project(self, self.TESTS).nose2(
            "-v", "--aio-loop=factories.fast", "--plugin=nose2.plugins.mp", "-N", "2"
        )
        self.assert_fast(run)

    def test_without(self) -> None:
        """Without a choice, and with ``asyncio``, the loops are those of asyncio."""
        tests = """
        class Case(unittest.TestCase):
            async def test_x(self):
                assert kind() == "_UnixSelectorEventLoop", kind()

        class Isolated(unittest.IsolatedAsyncioTestCase):
            async def test_x(self):
                assert kind() == type(asyncio.new_event_loop()).__name__, kind()
        """
        run = project(self, tests).nose2()
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
        for name in ("asyncio", "asyncio.new_event_loop"):
            run = project(self, tests).nose2(f"--aio-loop={name}", "test_it.Case")
            self.assertEqual((run.returncode, run.ran), (0, 1), run.output)


class Tags(TestCase):
    """``@aio.loop``."""

    def test_order(self) -> None:
        """A function's tag wins over its class's, that over a base's, that over the setting."""
        run = project(
            self,
            """
            from factories import Fast, blind

            @aio.loop(Fast)
            class Base(unittest.TestCase):
                async def test_base(self):
                    assert kind() == "Fast", kind()

                @aio.loop("asyncio")
                async def test_function(self):
                    assert kind() == "_UnixSelectorEventLoop", kind()

                async def test_by_hand(self):
                    assert kind() == "Blind", kind()

                test_by_hand.loop = blind

            class Derived(Base):
                pass

            @aio.loop("factories.blind")
            class Overridden(Base):
                async def test_base(self):
                    assert kind() == "Blind", kind()

            @aio.loop("factories.fast")
            class TestClass:
                async def test_method(self):
                    assert kind() == "Fast", kind()

            @aio.loop("factories.fast")
            class TestWithFixture:
                @classmethod
                async def setUpClass(cls):
                    assert kind() == "Fast", kind()

                async def test_method(self):
                    assert kind() == "Fast", kind()

            async def test_setting():
                assert kind() == "Blind", kind()

            @aio.loop(Fast)
            async def test_tagged():
                assert kind() == "Fast", kind()
            """,
        ).nose2("-v", "--aio-loop=factories.blind")
        self.assertEqual((run.returncode, run.ran), (0, 13), run.output)
        self.assertNotIn("[", run.output)

    def test_generators(self) -> None:
        """A generator function with the tag is a coroutine test, as with any tag."""
        run = project(
            self,
            """
            @aio.loop("factories.fast")
            def test_tagged():
                yield from asyncio.sleep(0)
                assert kind() == "Fast", kind()
            """,
        ).nose2("-v", "--aio-generators=nose2")
        self.assertEqual(run.outcomes, {"test_it.test_tagged": "ok"}, run.output)

    def test_several(self) -> None:
        """With several loops, the tests of a class run on each. Other tests run once, on theirs."""
        run = project(
            self,
            """
            @aio.loop("factories.fast", ["factories.blind", "asyncio"])
            class Case(unittest.TestCase):
                async def test_x(self):
                    print(self.id(), kind())

                @aio.loop("factories.blind")
                async def test_one(self):
                    print(self.id(), kind())

            async def test_other():
                print("other", kind())
            """,
        ).nose2("-v", "--aio-loop=factories.fast,factories.blind")
        self.assertEqual((run.returncode, run.ran), (0, 6), run.output)
        for line in (
            "Case.test_x[fast] Fast",
            "Case.test_x[blind] Blind",
            "Case.test_x[asyncio] _UnixSelectorEventLoop",
            "Case.test_one Blind",
            "other Fast",
            "other Blind",
        ):
            self.assertIn(f"{line}\n", run.output)

    def test_attributes(self) -> None:
        """``-A`` selects by this tag as by any other."""
        run = project(
            self,
            """
            @aio.loop("asyncio")
            async def test_x(): pass

            async def test_y(): pass
            """,
        ).nose2("-v", "--plugin", "nose2.plugins.attrib", "-A", "loop=asyncio")
        self.assertEqual(run.outcomes, {"test_it.test_x": "ok"})

    def test_given(self) -> None:
        """A loop from ``loop=``, or from a synchronous setUp, wins over tag and setting."""
        run = project(
            self,
            """
            class Case(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(self.loop)
                    self.addCleanup(self.loop.close)

                async def test_set_up(self):
                    assert asyncio.get_running_loop() is self.loop

                @aio.loop("factories.fast")
                @aio.run_until_complete(loop=aio.current_loop)
                async def test_given(self):
                    assert asyncio.get_running_loop() is self.loop

                @aio.run_until_complete
                async def test_fresh(self):
                    assert kind() == "Fast", kind()

            class Wide(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    cls.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(cls.loop)
                    cls.addClassCleanup(cls.loop.close)

                @aio.loop("factories.blind")
                async def test_class(self):
                    assert asyncio.get_running_loop() is self.loop
            """,
        ).nose2("--aio-loop=factories.fast")
        self.assertEqual((run.returncode, run.ran), (0, 4), run.output)

    def test_other_runners(self) -> None:
        """Any runner runs a decorated function on the loop of its tag."""
        run = project(
            self,
            """
            class Case(unittest.TestCase):
                @aio.loop("factories.fast")
                @aio.run_until_complete
                async def test_above(self):
                    assert kind() == "Fast", kind()

                @aio.run_forever(timeout=0)
                @aio.loop("factories.fast")
                async def test_below(self):
                    assert kind() == "Fast", kind()

                @aio.loop("factories.fast")
                @aio.run_until_complete(loop=aio.current_loop)
                async def test_given(self):
                    assert kind() == "Blind", kind()

                def setUp(self):
                    from factories import blind
                    loop = blind()
                    self.addCleanup(loop.close)
                    asyncio.set_event_loop(loop)
            """,
        ).python("-W", "error", "-m", "unittest", "test_it")
        self.assertEqual((run.returncode, run.ran), (0, 3), run.output)


class SeveralLoops(TestCase):
    """With several loop factories, each coroutine test runs once on each loop."""

    def test_kinds(self) -> None:
        """Tests of every kind run on each loop. Undeclared ones run once, on the first."""
        one = Project(self, factories=FACTORIES, test_it=KINDS)
        run = one.nose2("-v", TWO, "--plugin=nose2.plugins.layers")
        self.assertEqual(set(run.outcomes.values()), {"ok"}, run.output)
        both = {
            "Case.test_decorated",
            "Case.test_generator",
            "Case.test_params:1",
            "Case.test_params:2",
            "Case.test_x",
            "Case.test_yields:1",
            "Isolated.test_isolated",
            "TestClass.test_method",
            "TestClass.test_params:1",
            "test_function",
            "test_many:1",
            "test_many:2",
            "test_params:1",
            "test_params:2",
            "test_yields",
        }
        expected = {f"test_it.{name}[{loop}]" for name in both for loop in ("fast", "blind")}
        expected |= {
            f"test_it.{name}"
            for name in ("Case.test_plain", "Case.test_gives", "Isolated.test_plain")
        }
        found = {name for name in run.outcomes if "should" not in name}
        self.assertEqual(found, expected)
        text = (one.folder / "told.txt").read_text()
        first, second = text.split("repetition\n")[1:]
        self.assertEqual(first.count("Fast"), 9, text)
        self.assertEqual(first.replace("Fast", "Blind"), second)
        self.assertEqual((one.folder / "such.txt").read_text(), "Fast\nBlind\n")

    def test_fixtures(self) -> None:
        """Fixtures of classes, modules and layers are set up again on each loop."""
        run = project(
            self,
            """
            class Layer:
                @classmethod
                async def setUp(cls):
                    print("layer up", kind())

                @classmethod
                async def tearDown(cls):
                    print("layer down", kind())

            async def setUpModule():
                print("module up", kind())

            async def tearDownModule():
                print("module down", kind())

            class Async(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    Async.loop = asyncio.get_running_loop()
                    print("class up", kind())

                @classmethod
                async def tearDownClass(cls):
                    print("class down", kind())

                async def test_x(self):
                    assert type(self) is Async
                    assert asyncio.get_running_loop() is Async.loop
                    print("async x", kind())

                def test_plain(self):
                    print("async plain")

            class Layered(unittest.TestCase):
                layer = Layer

                async def test_x(self):
                    print("layered x", kind())

            class Plain(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    print("plain up")

                def test_plain(self):
                    print("plain plain")

            class Sync(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    print("sync up")

                @classmethod
                def tearDownClass(cls):
                    print("sync down")

                async def test_x(self):
                    print("sync x", kind())
            """,
        ).nose2("--plugin=nose2.plugins.layers", TWO)
        self.assertEqual((run.returncode, run.ran), (0, 8), run.output)
        printed = [
            line
            for line in (line.lstrip(".") for line in run.output.splitlines())
            if line[:4] in ("laye", "modu", "clas", "asyn", "plai", "sync")
        ]
        told = printed.index("module up Blind")
        first, second = printed[:told], printed[told:]
        layer = ["layer up {0}", "layered x {0}", "layer down {0}"]
        self.assertEqual(
            [line for line in first if not line.startswith("layer")],
            [
                "module up Fast",
                "class up Fast",
                "async plain",
                "async x Fast",
                "class down Fast",
                "plain up",
                "plain plain",
                "sync up",
                "sync x Fast",
                "sync down",
                "module down Fast",
            ],
        )
        self.assertEqual(
            [line for line in second if not line.startswith("layer")],
            [
                "module up Blind",
                "class up Blind",
                "async x Blind",
                "class down Blind",
                "sync up",
                "sync x Blind",
                "sync down",
                "module down Blind",
            ],
        )
        for part, name in ((first, "Fast"), (second, "Blind")):
            self.assertEqual(
                [line for line in part if line.startswith("layer")],
                [line.format(name) for line in layer],
            )

    def test_run_scope(self) -> None:
        """With ``loop-scope = run``, each repetition has one loop."""
        run = project(
            self,
            """
            loops = set()

            class Case(unittest.TestCase):
                async def test_x(self):
                    loops.add(asyncio.get_running_loop())

                async def test_y(self):
                    loops.add(asyncio.get_running_loop())

                async def test_z(self):
                    loops.add(asyncio.get_running_loop())
                    print(kind(), len(loops))
            """,
        )
        for arguments in ((), ("--plugin=nose2.plugins.mp", "-N", "1")):
            found = run.nose2(TWO, "--aio-loop-scope=run", *arguments)
            self.assertEqual((found.returncode, found.ran), (0, 6), found.output)
            if not arguments:
                self.assertIn("Fast 1\n", found.output)
                self.assertIn("Blind 2\n", found.output)

    def test_fresh(self) -> None:
        """Each repetition has fresh test cases, in the state in which they were created."""
        run = project(
            self,
            """
            import contextvars

            variable = contextvars.ContextVar("variable", default=0)

            class Case(unittest.TestCase):
                def __init__(self, name):
                    super().__init__(name)
                    self.items = []
                    self.addCleanup(self.items.append, 0)

                async def test_x(self):
                    self.items.append(1)
                    assert self.items == [1], self.items

            class Isolated(unittest.IsolatedAsyncioTestCase):
                async def test_x(self):
                    assert variable.get() == 0
                    variable.set(1)
            """,
        ).nose2(TWO)
        self.assertEqual((run.returncode, run.ran), (0, 4), run.output)

    def test_stops(self) -> None:
        """``-F`` stops the repetitions too."""
        run = project(self, "async def test_x(): assert False").nose2("-F", TWO)
        self.assertEqual(run.ran, 1, run.output)

    def test_is_freed(self) -> None:
        """Finished tests are freed in every repetition."""
        run = project(
            self,
            """
            import gc
            import weakref

            done = weakref.WeakSet()

            class Case(unittest.TestCase):
                def tearDown(self):
                    done.add(self)

                async def test_1(self): pass
                async def test_2(self): pass
                async def test_3(self): pass
                async def test_4(self):
                    gc.collect()
                    assert len(done) < 2, list(done)
            """,
        ).nose2(TWO)
        self.assertEqual((run.returncode, run.ran), (0, 8), run.output)

    def test_junit(self) -> None:
        """The JUnit file has each repetition of a test under its id."""
        one = project(
            self,
            """
            class Case(unittest.TestCase):
                async def test_x(self): pass
            """,
        )
        one.nose2(TWO, "--plugin=nose2.plugins.junitxml", "--junit-xml")
        cases = list(ET.parse(one.folder / "nose2-junit.xml").getroot().iter("testcase"))
        self.assertEqual(
            [(case.get("classname"), case.get("name")) for case in cases],
            [("test_it.Case", "test_x[fast]"), ("test_it.Case", "test_x[blind]")],
        )

    def test_load_tests(self) -> None:
        """Foreign objects in a suite run once, in the first repetition, unchanged."""
        run = project(
            self,
            """
            class Suite:
                def __iter__(self):
                    return iter([])

                def countTestCases(self):
                    return 0

                def __call__(self, result):
                    print("called")

            class Case(unittest.TestCase):
                async def test_x(self): pass

            def load_tests(loader, tests, pattern):
                tests.addTest(Suite())
                return tests
            """,
        ).nose2(TWO, "--plugin=nose2.plugins.loader.loadtests")
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
        self.assertEqual(run.output.count("called"), 1)


class Workers(TestCase):
    """nose2.plugins.mp."""

    MP = ("--plugin=nose2.plugins.mp", "-N", "2")

    def test_kinds(self) -> None:
        """The same tests run under the same ids, each in the worker that has its share."""
        text = KINDS.partition("with such")[0]
        one = Project(self, factories=FACTORIES, test_it=text)
        found = []
        for arguments in ((), self.MP):  # workers print too: what they print may be mixed
            junit = ("--plugin=nose2.plugins.junitxml", "--junit-xml")
            run = one.nose2(TWO, *junit, *arguments)
            self.assertEqual((run.returncode, run.ran), (0, 33), run.output)
            tests = ET.parse(one.folder / "nose2-junit.xml").iter("testcase")
            found.append(sorted((test.attrib["classname"], test.attrib["name"]) for test in tests))
        self.assertEqual(*found)
        self.assertEqual(len(set(found[0])), 33)

    def test_fixtures(self) -> None:
        """A class with fixtures is one share. It is set up once for each loop."""
        one = project(
            self,
            """
            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    cls.kind = kind()

                async def test_x(self):
                    assert self.kind == kind()
                    assert self.kind in self.id().title()

                async def test_y(self):
                    assert self.kind == kind()
            """,
        )
        expected = {f"test_it.Case.test_{x}[{loop}]" for x in "xy" for loop in ("fast", "blind")}
        for arguments in (self.MP, self.MP[:1]):
            run = one.nose2("-v", TWO, *arguments)
            self.assertEqual(run.outcomes, dict.fromkeys(expected, "ok"), run.output)
            self.assertEqual(run.ran, 4, run.output)
            one.write("unittest.cfg", "[multiprocess]\nalways-on = True\nprocesses = 2\n")

    def test_selected(self) -> None:
        """A test selected by its loop runs on that loop only."""
        one = Project(self, factories=FACTORIES, test_it=KINDS.partition("with such")[0])
        names = [
            f"test_it.{name}[blind]"
            for name in ("Case.test_x", "test_function", "test_params:2", "test_many:1")
        ]
        run = one.nose2("-v", TWO, *self.MP, *names)
        self.assertEqual(run.outcomes, dict.fromkeys(names, "ok"), run.output)


class Selection(TestCase):
    """Selection by name."""

    def test_kinds(self) -> None:
        """A test of each kind can be selected with one of its loops."""
        one = Project(self, factories=FACTORIES, test_it=KINDS.partition("with such")[0])
        names = [
            f"test_it.{name}[{loop}]"
            for name in (
                "Case.test_x",
                "Case.test_params:2",
                "Case.test_yields:1",
                "Isolated.test_isolated",
                "TestClass.test_method",
                "TestClass.test_params:1",
                "test_function",
                "test_params:2",
                "test_many:2",
            )
            for loop in ("fast", "blind")
        ]
        run = one.nose2("-v", TWO, *names)
        self.assertEqual(run.outcomes, dict.fromkeys(names, "ok"), run.output)
        self.assertEqual(run.ran, len(names), run.output)

    def test_layers(self) -> None:
        """A layer is not set up in a repetition that runs none of its tests."""
        one = project(
            self,
            """
            class Layer:
                @classmethod
                async def setUp(cls):
                    print("set up", kind())

            class Case(unittest.TestCase):
                layer = Layer

                async def test_x(self): pass

            async def test_y(): pass
            """,
        )
        names = ("test_it.Case.test_x[blind]", "test_it.test_y[fast]")
        run = one.nose2("-v", TWO, "--plugin=nose2.plugins.layers", *names)
        self.assertEqual(run.ran, 2, run.output)
        self.assertIn("set up Blind\n", run.output)
        self.assertNotIn("set up Fast", run.output)

    def test_wider(self) -> None:
        """A class or module can be selected with one of its loops."""
        one = project(
            self,
            """
            class Case(unittest.TestCase):
                async def test_x(self): pass
                def test_plain(self): pass

            async def test_y(): pass
            """,
        )
        run = one.nose2("-v", TWO, "test_it.Case[blind]")
        self.assertEqual(run.outcomes, {"test_it.Case.test_x[blind]": "ok"}, run.output)
        run = one.nose2("-v", TWO, "test_it[fast]")
        names = ("test_it.Case.test_x[fast]", "test_it.test_y[fast]")
        self.assertEqual(run.outcomes, dict.fromkeys(names, "ok"), run.output)

    def test_without(self) -> None:
        """A test named without a loop runs on all of them. A test with one loop may name it."""
        one = project(
            self, "@aio.loop('asyncio')\nasync def test_x(): pass\nasync def test_y(): pass"
        )
        run = one.nose2("-v", TWO, "test_it.test_y", "test_it.test_x[asyncio]")
        names = ("test_it.test_y[fast]", "test_it.test_y[blind]", "test_it.test_x[asyncio]")
        self.assertEqual(run.outcomes, dict.fromkeys(names, "ok"), run.output)

    def test_unknown(self) -> None:
        """The error for an unknown loop lists the known ones."""
        one = project(self, "async def test_x(): pass\ndef test_plain(): pass")
        run = one.nose2(TWO, "test_it.test_x[slow]")
        self.assertIn(
            "InvalidValueError: test_it.test_x doesn't run on a loop of the name 'slow': "
            "known: fast, blind\n",
            run.output,
        )
        for arguments, hint in (
            (("test_it.test_x[slow]",), "no loop was chosen for it; add --aio-loop or @aio.loop"),
            ((TWO, "test_it.test_plain[fast]"), "it is no coroutine test, so it runs once"),
        ):
            run = one.nose2(*arguments)
            self.assertIn(hint, run.output)
            self.assertEqual((run.returncode, run.ran), (1, 1), run.output)
        run = one.nose2(TWO, "test_it.test_z[fast]")
        self.assertIn("has no attribute 'test_z'", run.output)

    def test_own_brackets(self) -> None:
        """Brackets that are part of a test's own name stay part of it."""
        one = project(
            self,
            """
            class Case(unittest.TestCase):
                pass

            async def test(self):
                print("ran on", kind())

            test.__name__ = "test_x[fast]"
            setattr(Case, "test_x[fast]", test)
            """,
        )
        run = one.nose2(TWO, "test_it.Case.test_x[fast]")
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
        run = one.nose2(TWO, "test_it.Case.test_x[fast][blind]")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertIn("ran on Blind", run.output)


class Isolated(TestCase):
    """IsolatedAsyncioTestCase."""

    def test_own(self) -> None:
        """The class's own loop factory wins over the setting. A tag wins over it."""
        run = project(
            self,
            """
            from factories import Fast, blind

            class Own(unittest.IsolatedAsyncioTestCase):
                loop_factory = staticmethod(blind)

                async def test_own(self):
                    print(self.id(), kind())

                @aio.loop("factories.fast", "asyncio")
                async def test_tagged(self):
                    print(self.id(), kind())

            class Runner(unittest.IsolatedAsyncioTestCase):
                def _setupAsyncioRunner(self):
                    self._asyncioRunner = asyncio.Runner(loop_factory=blind)

                async def test_runner(self):
                    print(self.id(), kind())

            @aio.loop("factories.fast")
            class Current(unittest.IsolatedAsyncioTestCase):
                def setUp(self):
                    self.loop = asyncio.get_event_loop()

                async def test_current(self):
                    assert self.loop is asyncio.get_running_loop()
                    assert self.loop.get_debug()
                    print(self.id(), kind())
            """,
        ).nose2("-v", TWO)
        self.assertEqual((run.returncode, run.ran), (0, 5), run.output)
        own = "Blind" if sys.version_info >= (3, 13) else "_UnixSelectorEventLoop"
        for line in (
            f"Own.test_own {own}",
            "Own.test_tagged[fast] Fast",
            "Own.test_tagged[asyncio] _UnixSelectorEventLoop",
            "Runner.test_runner Blind",
            "Current.test_current Fast",
        ):
            self.assertIn(f"test_it.{line}\n", run.output)

    def test_debug(self) -> None:
        """Debug mode can be turned off, with every loop factory. Then ``debug`` counts."""
        one = project(
            self,
            """
            class Case(unittest.IsolatedAsyncioTestCase):
                async def test_debug(self):
                    print("debug:", asyncio.get_running_loop().get_debug())

            @aio.loop("asyncio")
            class Tagged(Case):
                pass
            """,
        )
        off = "--no-aio-isolated-debug"
        for options, is_on in (((), True), ((off,), False), ((off, "--aio-debug"), True)):
            run = one.nose2(*options)
            self.assertEqual(run.output.count(f"debug: {is_on}\n"), 2, run.output)

    def test_classes_of_others(self) -> None:
        """Classes that run their own tests are unchanged."""
        run = project(
            self,
            """
            class Own(unittest.TestCase):
                def _callTestMethod(self, method):
                    asyncio.run(method())

                async def test_x(self):
                    assert kind() == "_UnixSelectorEventLoop", kind()
            """,
        ).nose2("-v", TWO)
        self.assertEqual(run.outcomes, {"test_it.Own.test_x": "ok"}, run.output)


class Mistakes(TestCase):
    """Mistakes, with the full error messages."""

    RULE = (
        "must be a callable without arguments that returns an event loop, or the dotted name of one"
    )

    def test_settings(self) -> None:
        """A factory that doesn't exist ends the run before any test."""
        one = project(self, "print('imported')")
        text, why = "factories.fats", "'factories' has no 'fats'"
        run = one.nose2(f"--aio-loop={text}")
        self.assertIn(f"error: loop {self.RULE}, got '{text}': {why} (--aio-loop)\n", run.output)
        self.assertEqual(run.returncode, 2)
        self.assertNotIn("imported", run.output)
        one.write("unittest.cfg", "[aio]\nloop =\n")
        run = one.nose2()
        several = "several have one comma between them"
        self.assertIn(f"loop {self.RULE}, got ''; {several} ([aio] loop)\n", run.output)
        self.assertEqual(run.returncode, 2)

    def test_tags(self) -> None:
        """A wrong tag fails its test. The others run."""
        run = project(
            self,
            """
            from factories import none, shut

            class Case(unittest.TestCase):
                @aio.loop("uvlop.new_event_loop")
                async def test_missing(self): pass

                @aio.loop(none)
                async def test_none(self): pass

                @aio.loop("factories.shut")
                async def test_shut(self): pass

                async def test_by_hand(self): pass
                test_by_hand.loop = 5

                def test_plain(self): pass
                test_plain.loop = 5

                async def test_good(self): pass

            class Isolated(unittest.IsolatedAsyncioTestCase):
                @aio.loop("uvlop.new_event_loop")
                async def test_isolated(self): pass

                async def test_isolated_by_hand(self): pass
                test_isolated_by_hand.loop = 5

                async def test_isolated_good(self): pass
            """,
        ).nose2("-v")
        self.assertEqual(list(run.outcomes.values()).count("ERROR"), 7, run.output)
        self.assertEqual(list(run.outcomes.values()).count("ok"), 2, run.output)
        what = "must return a new event loop, but"
        gone = "there is no module 'uvlop'"
        none = f"InvalidTypeError: the loop factory none, factories.py:22 {what}"
        shut = f"LoopError: the loop factory factories.shut {what} the one that it returned is"
        five = f"InvalidTypeError: loop {self.RULE}, got 5"
        missing = f"InvalidValueError: loop {self.RULE}, got 'uvlop.new_event_loop': {gone}"
        for line in (
            f"{missing} (attribute loop of test_missing, test_it.py:8)",
            f"{none} it returned None (attribute loop of test_none, test_it.py:11)",
            f"{shut} closed (attribute loop of test_shut, test_it.py:14)",
            f"{five} (attribute loop of test_by_hand, test_it.py:17)",
            f"{five} (attribute loop of test_plain, test_it.py:20)",
            f"{missing} (attribute loop of test_isolated, test_it.py:26)",
            f"{five} (attribute loop of test_isolated_by_hand, test_it.py:29)",
        ):
            self.assertIn(f"nose2_aio.errors.{line}\n", run.output)
        for report in run.reports:
            self.assertNotIn("nose2_aio/", report)
        run = project(self, "async def test_x(): pass\ntest_x.loop = 5").nose2("test_it.test_x[a]")
        self.assertIn("got 5 (attribute loop of test_x, test_it.py:4)", run.output)

    def test_shared(self) -> None:
        """A test can't run on another loop than its class, or a wider scope, has."""
        text = """
        class Case(unittest.TestCase):
            @aio.loop("factories.fast", "factories.blind")
            async def test_x(self): pass

            @aio.loop("asyncio")
            async def test_y(self): pass

            async def test_z(self): pass
        """
        fixture = """
            @classmethod
            async def setUpClass(cls): pass
        """
        run = project(
            self, textwrap.dedent(text) + textwrap.indent(textwrap.dedent(fixture), "    ")
        )
        found = run.nose2("-v")
        self.assertEqual(
            found.outcomes,
            {
                "test_it.Case.test_x[fast]": "ERROR",
                "test_it.Case.test_x[blind]": "ERROR",
                "test_it.Case.test_y": "ok",
                "test_it.Case.test_z": "ok",
            },
            found.output,
        )
        remedy = "or remove the reason for the shared loop: an async fixture, or loop-scope.\n"
        self.assertIn(
            "DefinitionError: test_it.Case.test_x[fast]: it needs a loop of fast, but it "
            "shares the loop of its class, which is one of asyncio.\n"
            f"Tag the class, {remedy}",
            found.output,
        )
        module = project(
            self,
            """
            async def setUpModule(): pass

            @aio.loop("factories.blind")
            class Case(unittest.TestCase):
                async def setUp(self): pass

                async def test_x(self): pass

            @aio.loop("factories.fast")
            class Same(unittest.TestCase):
                async def test_x(self): pass

            @aio.loop("factories.blind")
            class Wide(unittest.TestCase):
                @classmethod
                async def setUpClass(cls): pass

                async def test_x(self): pass
            """,
        ).nose2("-v", "--aio-loop=factories.fast")
        self.assertEqual(
            module.outcomes, {"test_it.Case.test_x": "ERROR", "test_it.Same.test_x": "ok"}
        )
        self.assertIn("Wide'>: it needs a loop of blind, but it shares", module.output)
        self.assertIn(
            "test_it.Case.test_x: it needs a loop of blind, but it shares the loop of its module, "
            f"which is one of fast.\nSet loop for all, {remedy}",
            module.output,
        )

    def test_several(self) -> None:
        """Several loops need the plugin."""
        run = project(
            self,
            """
            class Case(unittest.TestCase):
                @aio.loop("factories.fast", "factories.blind")
                @aio.run_until_complete
                async def test_x(self): pass
            """,
        ).python("-m", "unittest", "test_it")
        self.assertIn(
            "DefinitionError: test_x, test_it.py:6: to run it on several loops (fast, blind) takes "
            "nose2 with the plugin.\nTag it with one.\n",
            run.output,
        )


class Sharing(TestCase):
    """What the repetitions of a run share."""

    def run_it(self, code: str, *arguments: str) -> Run:
        """Run a module of tests on two loops."""
        made = Project(self, factories=FACTORIES, test_it="")
        head = "import asyncio, collections, unittest\nimport nose2_aio as aio\n"
        made.write("test_it.py", f"{head}from factories import kind\n{code}")
        return made.nose2("-v", TWO, *arguments)

    def test_tag_inside(self) -> None:
        """A test tagged with one of its class's loops runs when the class has that loop."""
        run = self.run_it("""
class Case(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.kind = kind()
    async def test_both(self):
        assert kind() == self.kind
    @aio.loop("factories.blind")
    async def test_one(self):
        assert kind() == self.kind == "Blind"
    @aio.loop("factories.blind", "factories.fast")
    async def test_turned(self):
        assert kind() == self.kind
    def test_plain(self): pass

@aio.loop("factories.blind", "factories.fast")
class Turned(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.kind = kind()
    @aio.loop("factories.fast", "factories.no_such")
    async def test_one(self):
        assert kind() == self.kind
""")
        errors = [name for name, outcome in run.outcomes.items() if outcome != "ok"]
        self.assertEqual(errors, ["test_it.Turned.test_one[no_such]"], run.output)
        self.assertEqual(run.ran, 8)
        self.assertIn(
            "it needs a loop of no_such, but it shares the loop of its class,", run.output
        )

    def test_made_by_init(self) -> None:
        """Each repetition has its own objects from the ``__init__`` of the test case."""
        run = self.run_it("""
class Case(unittest.TestCase):
    def __init__(self, *args):
        super().__init__(*args)
        self.queue, self.deque = asyncio.Queue(1), collections.deque()
        self.nested, self.own = {"log": []}, self.helper
    def helper(self):
        return self
    async def test_all(self):
        self.deque.append(1)
        self.nested["log"].append(1)
        assert len(self.deque) == len(self.nested["log"]) == 1
        assert self.own() is self
        await self.queue.put(1)
        waiting = asyncio.create_task(self.queue.put(2))
        await asyncio.sleep(0)
        await self.queue.get()
        await waiting

class Odd(unittest.TestCase):
    def __init__(self, *args):
        super().__init__(*args)
        self.generator = (one for one in ())
    async def test(self): pass
""")
        self.assertEqual((run.returncode, run.ran), (0, 4), run.output)

    def test_hypothesis(self) -> None:
        """Hypothesis calls a method for one test case only, so it runs on the first loop."""
        run = self.run_it("""
from hypothesis import given, settings, strategies

class Case(unittest.TestCase):
    @settings(max_examples=3, database=None)
    @given(strategies.integers())
    async def test_method(self, number):
        assert kind() == "Fast"

@settings(max_examples=3, database=None)
@given(strategies.integers())
async def test_function(number): pass
""")
        self.assertEqual((run.returncode, run.ran), (0, 3), run.output)


class NoSelector(TestCase):
    """Loops without a selector of Python's."""

    TESTS = """
    class Case(unittest.TestCase):
        @aio.timeout(0.05)
        async def test_hangs(self):
            await asyncio.get_running_loop().create_future()

        async def test_next(self): pass

    class Isolated(unittest.IsolatedAsyncioTestCase):
        @aio.timeout(0.05)
        async def test_isolated(self):
            await asyncio.get_running_loop().create_future()

        @aio.timeout(0.05)
        async def test_swallows(self):
            while True:
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    pass
    """

    def run_on(self, loop: str, *arguments: str) -> Run:
        """A test that hangs is ended by its time limit, whatever the loop."""
        run = project(self, self.TESTS).nose2(
            "-v", f"--aio-loop={loop}", "--aio-grace=0.05", *arguments
        )
        self.assertEqual(run.ran, 4, run.output)
        self.assertEqual(run.outcomes["test_it.Case.test_hangs"], "ERROR", run.output)
        self.assertEqual(run.outcomes["test_it.Case.test_next"], "ok", run.output)
        self.assertEqual(run.outcomes["test_it.Isolated.test_isolated"], "ERROR", run.output)
        self.assertEqual(run.outcomes["test_it.Isolated.test_swallows"], "ERROR", run.output)
        self.assertNotIn("RuntimeError", run.output)
        self.assertIn("It was cancelled twice and did not end: its event loop was", run.output)
        limit = "errors.TimeLimitError: not done within its time limit of 0.05 s"
        self.assertEqual(run.output.count(limit), 3)
        return run

    def test_deadlocks(self) -> None:
        """``deadlocks = fail`` gives one note that this loop can't find deadlocks."""
        line = (
            "deadlocks = fail: none can be found on factories.Blind, "
            "which has no selector of Python's. Set a time-limit.\n"
        )
        asked = "--aio-deadlocks=fail"
        self.assertEqual(self.run_on("factories.blind", asked).output.count(line), 1)
        for arguments in (("factories.blind",), ("factories.blind", "--aio-deadlocks=ignore")):
            self.assertNotIn("deadlocks", self.run_on(*arguments).output)
        run = project(self, "async def test_x(): pass\nasync def test_y(): pass").nose2(
            "--aio-loop=factories.blind", asked, "--plugin=nose2.plugins.mp", "-N", "2"
        )
        self.assertEqual(run.output.count(line), 1, run.output)
        run = project(
            self,
            """
            class Isolated(unittest.IsolatedAsyncioTestCase):
                async def test_x(self): pass
            """,
        ).nose2("--aio-loop=factories.blind", asked)
        self.assertEqual(run.output.count(line), 1, run.output)
        run = project(self, "async def test_x(): pass").nose2("--aio-loop=factories.fast", asked)
        self.assertNotIn("deadlocks", run.output)


@skipIf(sys.platform == "win32", "there is no uvloop for Windows")
class Uvloop(NoSelector):
    """uvloop, a loop that is not based on asyncio's."""

    def test_deadlocks(self) -> None:
        """The note about deadlocks names uvloop. Time limits work."""
        run = self.run_on("uvloop", "--aio-deadlocks=fail")
        self.assertIn("none can be found on uvloop.Loop, which has no selector", run.output)

    def test_fixtures(self) -> None:
        """Fixtures of all kinds work as on asyncio's loops."""
        folder = SCENARIOS / "fixtures"
        modules = ("test_cases", "test_layers", "test_such")
        on_uvloop = nose2(
            "-v", "--plugin=nose2.plugins.layers", "--aio-loop=uvloop", *modules, folder=folder
        )
        plain = nose2("-v", "--plugin=nose2.plugins.layers", *modules, folder=folder)
        self.assertEqual(on_uvloop.outcomes, plain.outcomes, on_uvloop.output)

    def test_work(self) -> None:
        """Servers, subprocesses, threads, context and cancellation work. Leftovers are ended."""
        run = project(
            self,
            """
            import sys

            async def greet(reader, writer):
                writer.write(await reader.readline())
                writer.close()

            class Case(unittest.TestCase):
                async def setUp(self):
                    self.server = await asyncio.start_server(greet, "127.0.0.1", 0)
                    await aio.enter_async_context(self, self.server)

                async def test_echo(self):
                    assert type(asyncio.get_running_loop()).__module__ == "uvloop"
                    address = self.server.sockets[0].getsockname()
                    reader, writer = await asyncio.open_connection(*address)
                    writer.write(b"hello\\n")
                    assert await reader.read() == b"hello\\n"
                    writer.close()
                    await writer.wait_closed()

                async def test_thread(self):
                    assert await asyncio.to_thread(lambda: 6 * 7) == 42

                async def test_process(self):
                    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
                    assert await process.wait() == 0

                async def test_leaves(self):
                    self.task = asyncio.create_task(asyncio.sleep(60))

                async def test_loses(self):
                    async def fail():
                        raise LookupError("lost")
                    task = asyncio.create_task(fail())
                    await asyncio.sleep(0)
            """,
        ).nose2("-v", "--aio-loop=uvloop.new_event_loop")
        self.assertIn("FAILED (failures=1)", run.output)
        self.assertIn("FAIL: test_loses ", run.output)
        self.assertIn("LookupError: lost", run.output)
        self.assertIn("was still pending (leaked-tasks)", run.output)


class Policies(TestCase):
    """Event loop policies are never touched."""

    def test_warnings(self) -> None:
        """No Python warns about event loop policies."""
        one = project(self, OneLoop.TESTS)
        run = python(
            *("-W", "error::DeprecationWarning", "-m", "nose2", "--plugin=nose2_aio"),
            TWO,
            folder=one.folder,
        )
        self.assertEqual(run.ran, 5, run.output)
        self.assertNotIn("Deprecat", run.output)
