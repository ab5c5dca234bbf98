"""Async fixtures, wherever nose2 and unittest have fixtures."""

from __future__ import annotations

import re
from typing import NamedTuple
from unittest import TestCase

from tests.runs import SCENARIOS, Project, Run, nose2

FOLDER = SCENARIOS / "fixtures"
CASES = ["test_cases", "test_failing", "test_failing_module"]
LAYERS = ["--plugin", "nose2.plugins.layers"]


class Call(NamedTuple):
    """A call that a scenario has recorded."""

    name: str
    loop: str
    task: str
    trail: str
    """What the functions before it left in a context variable."""


def calls(run: Run) -> list[Call]:
    """Return all recorded calls, in order."""
    found = re.findall(r"@ (.*); loop (.*); task (.*); after (.*)", run.output)
    return [Call(*one) for one in found]


class Order(TestCase):
    """Async fixtures run in the order of sync ones."""

    def assert_same(self, *arguments: str) -> None:
        """Compare with the same fixtures, made sync, without the plugin."""
        sync = Project(self)
        for path in FOLDER.glob("*.py"):
            sync.write(path.name, made_sync(path.read_text()))
        with_it = nose2("-v", *arguments, folder=FOLDER)
        without = sync.nose2("-v", *arguments, plugin=False)
        self.assertEqual(
            [call.name for call in calls(with_it)], [call.name for call in calls(without)]
        )
        self.assertEqual(outcomes(with_it), outcomes(without))
        self.assertEqual(reasons(with_it), reasons(without))
        self.assertNotIn("@ never", with_it.output)
        self.assertNotIn("nose2_aio/", with_it.output)
        self.assertNotIn("Warning", with_it.output)
        self.assertGreater(len(calls(with_it)), 50)

    def test_classes_and_modules(self) -> None:
        """Fixtures of modules, classes, tests, test classes, functions; failed and skipped."""
        self.assert_same(*CASES)

    def test_layers(self) -> None:
        """Fixtures of layers and scenarios."""
        self.assert_same("test_layers", "test_such", *LAYERS)


def made_sync(text: str) -> str:
    """Return a scenario with plain functions, except in IsolatedAsyncioTestCase."""
    parts = re.split(r"(?m)^(?=\S)", text)
    return "".join(
        part if "IsolatedAsyncioTestCase" in part else part.replace("async def", "def")
        for part in parts
    )


def outcomes(run: Run) -> list[str]:
    """Return the outcome of each test, without the calls that are printed in between."""
    text = re.sub(r"@ .*\n", "", run.output)
    return sorted(re.findall(r"(\w+) \((.*?)\) \.\.\. (\w+)", text))


def reasons(run: Run) -> list[str]:
    """Return the last lines of all reports, without the one on tests that did not run."""
    texts = [re.sub(r"\d+ tests? did not run\.\s*$", "", report) for report in run.reports]
    return sorted(text.strip().splitlines()[-1] for text in texts)


class Tasks(TestCase):
    """All parts of a test run in one task. Wider fixtures provide the loop."""

    def setUp(self) -> None:
        self.addTypeEqualityFunc(list, self.assertListEqual)

    def of(self, found: list[Call], prefix: str) -> list[Call]:
        """Return the async calls whose names begin with a prefix."""
        return [call for call in found if call.name.startswith(prefix) and call.loop != "-"]

    def test_cases(self) -> None:
        """A module has one loop. The module, each class and each test have a task on it."""
        found = calls(nose2("test_cases", folder=FOLDER))
        shared = [call for call in found if not call.name.startswith("Isolated")]
        self.assertEqual({call.loop for call in shared} - {"-"}, {"0"})
        self.assertEqual(len({call.loop for call in self.of(found, "Isolated")} - {"0"}), 1)
        names = [call.name for call in found]
        first = found[names.index("First.setUp") : names.index("First cleanup 1") + 1]
        self.assertEqual(len({call.task for call in first if call.loop != "-"}), 1)
        self.assertEqual([call.trail for call in first][:3], ["sF", "sFF", "sFFF"])
        module = self.of(found, "setUpModule") + self.of(found, "tearDownModule")
        module += self.of(found, "module cleanup")
        self.assertEqual(len({call.task for call in module}), 1)
        klass = self.of(found, "First.setUpClass") + self.of(found, "First class cleanup")
        self.assertEqual(len({call.task for call in klass}), 1)
        tests = [call.task for call in self.of(found, "Plain.test")]
        self.assertEqual(len(set(tests)), 2)
        self.assertEqual({call.trail for call in self.of(found, "Plain.test")}, {"s"})

    def test_sync_parts(self) -> None:
        """A sync test with async fixtures, and a sync cleanup, see the fixtures' context."""
        every = calls(nose2("test_cases", folder=FOLDER))
        found = {call.name: call for call in reversed(every)}
        self.assertEqual(found["First.test_sync"].trail, "sFF")
        self.assertEqual(found["First sync cleanup"].trail[:4], "sFFF")
        self.assertEqual(found["test_sync_function"].trail, "sf")

    def test_layers(self) -> None:
        """A layer's test fixtures run in the test's task. Layers nest as tasks on one loop."""
        found = calls(nose2("test_layers", *LAYERS, folder=FOLDER))
        names = [call.name for call in found]
        test = found[
            names.index("Outer.testSetUp test_async") : names.index("Outer.testTearDown") + 1
        ]
        self.assertEqual(len({call.task for call in test if call.loop != "-"}), 1, test)
        outer = self.of(found, "Outer") + self.of(found, "Mixin") + self.of(found, "InInner")
        self.assertEqual(len({call.loop for call in outer}), 1, outer)
        late = self.of(found, "InLate") + self.of(found, "Late")
        self.assertEqual(len({call.loop for call in late}), 1)
        only = self.of(found, "OnlyTests")
        self.assertEqual(len({call.loop for call in only}), 2)
        self.assertNotEqual(outer[0].loop, late[0].loop)
        self.assertEqual(found[names.index("InInner.test")].trail, "OMIOMI")

    def test_scenarios(self) -> None:
        """A scenario's fixtures share the loop of the layer that the scenario uses."""
        found = calls(nose2("test_such", *LAYERS, folder=FOLDER))
        self.assertEqual({call.loop for call in found} - {"-"}, {"0"})
        tests = [call for call in found if call.name in ("test setup", "test", "test teardown")]
        self.assertEqual(len({call.task for call in tests[:3]}), 1)
        self.assertEqual(len({call.task for call in tests}), 3)


class Selected(TestCase):
    """Fixtures run however tests are selected."""

    def test_by_name(self) -> None:
        """A test named on the command line has the fixtures of its class and module."""
        run = nose2("test_cases.First.test_async", folder=FOLDER)
        names = [call.name for call in calls(run)]
        self.assertEqual(
            names[:4], ["setUpModule", "First.setUpClass", "First.setUp", "First.test_async"]
        )
        self.assertEqual(
            names[-5:],
            [
                "First class cleanup 2",
                "First class cleanup 1",
                "tearDownModule",
                "module cleanup 2",
                "module cleanup 1",
            ],
        )
        self.assertEqual({call.loop for call in calls(run)} - {"-"}, {"0"})

    def test_processes(self) -> None:
        """A module with fixtures is one unit of a worker process."""
        mp = ["--plugin", "nose2.plugins.mp", "-N", "2"]
        run = nose2("-v", *mp, *CASES, folder=FOLDER)
        alone = nose2("-v", *CASES, folder=FOLDER)
        self.assertEqual(
            sorted(call.name for call in calls(run)), sorted(call.name for call in calls(alone))
        )
        self.assertEqual(run.ran, alone.ran)
        self.assertNotIn("never awaited", run.output)

    def test_fail_fast(self) -> None:
        """With ``-F``, fixtures that were set up are torn down."""
        run = nose2("-F", "test_cases", folder=FOLDER)
        names = [call.name for call in calls(run)]
        self.assertNotIn("Plain.test_one", names)
        self.assertEqual(names[-4:-2], ["First class cleanup 1", "tearDownModule"])


class Kinds(TestCase):
    """Which fixtures count as async."""

    def test_awaitables(self) -> None:
        """Functions that return an awaitable, and generators with ``yield from``, are async."""
        project = Project(
            self,
            test_it="""
            import asyncio, functools, types, unittest
            from unittest import mock

            done = []

            class Waits:
                def __await__(self):
                    yield from asyncio.sleep(0).__await__()
                    done.append("awaitable")

            class Case(unittest.TestCase):
                def setUp(self):
                    self.addCleanup(Waits)
                    self.addCleanup(functools.partial(self.note, "partial"))
                    self.addCleanup(self.generator, "generator")
                    self.addCleanup(self.coroutine, name="generator coroutine")
                    self.addCleanup(lambda: self.note("lambda"))
                    self.addCleanup(self.patched)
                    self.mocked = mock.AsyncMock()
                    self.addCleanup(self.mocked, 1)
                    return self.note("setUp")

                async def note(self, name):
                    await asyncio.sleep(0)
                    done.append(name)

                def generator(self, name):
                    yield from asyncio.sleep(0).__await__()
                    done.append(name)

                @types.coroutine
                def coroutine(self, name):
                    yield
                    done.append(name)

                @mock.patch("os.getpid", return_value=5)
                async def patched(self, getpid):
                    import os
                    done.append(f"patched {os.getpid()}")

                def tearDown(self):
                    task = asyncio.get_event_loop().create_task(self.note("task"))
                    return task

                async def test(self):
                    pass

            def tearDownModule():
                print(done)
            """,
        )
        run = project.nose2()
        self.assertEqual(run.returncode, 0, run.output)
        self.assertIn(
            "['setUp', 'task', 'patched 5', 'lambda', 'generator coroutine', 'generator', "
            "'partial', 'awaitable']",
            run.output,
        )

    def test_inherited(self) -> None:
        """A fixture can await the one it overrides. A sync fixture that calls it runs it."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest

            class Base(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    await asyncio.sleep(0)
                    cls.base = cls.__name__

                async def setUp(self):
                    await asyncio.sleep(0)
                    self.ready = True

                async def test(self):
                    self.assertEqual((self.base, self.ready), (type(self).__name__, True))

            class Awaits(Base):
                @classmethod
                async def setUpClass(cls):
                    await super().setUpClass()

                async def setUp(self):
                    await super().setUp()

            class Returns(Base):
                @classmethod
                def setUpClass(cls):
                    return super().setUpClass()

                def setUp(self):
                    return super().setUp()

            class Calls(Base):
                @classmethod
                def setUpClass(cls):
                    super().setUpClass()
                    assert cls.base == "Calls"

            class Overrides(Base):
                loops = set()

                @classmethod
                def setUpClass(cls):
                    cls.base = "Overrides"

                async def test_loop(self):
                    self.assertNotIn(asyncio.get_running_loop(), self.loops)
                    self.loops.add(asyncio.get_running_loop())

                test_other_loop = test_loop

            class Static(Base):
                @staticmethod
                async def setUpClass():
                    await asyncio.sleep(0)
                    Static.base = "Static"
            """,
        )
        run = project.nose2("-v")
        self.assertEqual(run.returncode, 0, run.output)
        self.assertEqual(run.ran, 8)

    def test_called(self) -> None:
        """A fixture called by a coroutine returns its result. A future is awaited on its loop."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest

            loop = asyncio.new_event_loop()
            called = []

            async def setUpModule():
                called.append("module")

            def tearDownModule():
                loop.close()

            class Outer:
                @classmethod
                async def setUp(cls): called.append("outer")
                @classmethod
                async def testSetUp(cls): called.append("outer test")

            class Inner(Outer):
                @classmethod
                async def setUp(cls): await super().setUp()
                @classmethod
                async def testSetUp(cls): await super().testSetUp()

            class Layered(unittest.TestCase):
                layer = Inner

                async def test(self):
                    self.assertEqual(called, ["outer"] * 2 + ["outer test"] * 2)
                    called.clear()

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls): called.append("class")

                def setUp(self):
                    self.addCleanup(loop.create_task, self.later())
                    self.addCleanup(lambda: (number for number in range(3)))

                async def later(self):
                    assert asyncio.get_running_loop() is loop

                async def test(self):
                    await setUpModule()
                    await self.setUpClass()
                    self.assertEqual(called, ["module", "class"] * 2)
                    called.clear()
            """,
        )
        run = project.nose2("-v", *LAYERS)
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)

    def test_parts(self) -> None:
        """A function or test class may have only one of its two fixtures."""
        project = Project(
            self,
            test_it="""
            import unittest

            done = []

            class TestSetUpClass:
                @classmethod
                async def setUpClass(cls): done.append("setUpClass")
                def test(self): ...

            class TestTearDownClass:
                @classmethod
                async def tearDownClass(cls): done.append("tearDownClass")
                def test(self): ...

            class TestGenerated:
                @classmethod
                async def setUpClass(cls): done.append("generated")
                def test(self):
                    yield self.check, 1
                async def check(self, number): ...

            def load_tests(loader, tests, pattern):
                class Function(unittest.FunctionTestCase):
                    async def tearDown(self):
                        done.append("tearDown")

                tests.addTest(Function(lambda: None))
                return tests

            def tearDownModule():
                print(sorted(done))
            """,
        )
        run = project.nose2("-v", "--plugin", "nose2.plugins.loader.loadtests")
        self.assertEqual(run.returncode, 0, run.output)
        self.assertIn("['generated', 'setUpClass', 'tearDown', 'tearDownClass']", run.output)

    def test_mocks(self) -> None:
        """A mock in place of a fixture stays there. A mock of a coroutine function runs."""
        project = Project(
            self,
            test_it="""
            import unittest
            from unittest import mock

            class Mocked(unittest.TestCase):
                setUpClass = mock.Mock()
                def test(self):
                    self.setUpClass.assert_called_once()

            awaited = mock.AsyncMock()

            class Async(unittest.TestCase):
                setUpClass = awaited
                def test(self):
                    awaited.assert_awaited_once()

            setUpModule = dict
            """,
        )
        run = project.nose2("-v")
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)


class Left(TestCase):
    """Fixture wrappers are removed after the run."""

    def test_wrappers_removed(self) -> None:
        """After the run, modules, classes and unittest are unchanged."""
        project = Project(
            self,
            test_it="""
            import atexit, inspect, unittest

            async def setUpModule(): ...

            class Base(unittest.TestCase):
                @classmethod
                async def setUpClass(cls): ...

            class Case(Base):
                async def test(self): ...

            def places():
                return [
                    setUpModule,
                    vars(Base)["setUpClass"],
                    vars(unittest.TestCase)["doClassCleanups"],
                    unittest.case.doModuleCleanups,
                    unittest.doModuleCleanups,
                ]

            before = places()

            @atexit.register
            def compare():
                print("same", before == places(), "setUpClass" in vars(Case))
            """,
        )
        self.assertIn("same True False", project.nose2().output)

    def test_inner_test(self) -> None:
        """The cleanups of a test case that a test runs by itself are left to unittest."""
        project = Project(
            self,
            test_it="""
            import unittest

            class Case(unittest.TestCase):
                async def test(self):
                    class Inner(unittest.TestCase):
                        def test(self): self.addCleanup(int, "no number")
                    result = unittest.TestResult()
                    Inner("test").run(result)
                    self.assertIn("no number", result.errors[0][1])
            """,
        )
        run = project.nose2()
        self.assertEqual((run.ran, run.returncode), (1, 0), run.output)


class Mistakes(TestCase):
    """Fixtures that can't run, and their error messages."""

    def assert_said(self, text: str, *messages: str) -> None:
        """Run a module and find a message in its output."""
        run = Project(self, test_it=text).nose2("-v")
        self.assertNotEqual(run.returncode, 0, run.output)
        for message in messages:
            self.assertIn(message, run.output)
        self.assertNotIn("never awaited", run.output)
        self.assertNotIn("nose2_aio/", run.output)

    def test_generators(self) -> None:
        """An async generator is refused, and so is a generator that nose2 doesn't know."""
        self.assert_said(
            """
            import unittest

            class Case(unittest.TestCase):
                async def setUp(self):
                    yield

                async def test(self): ...

            class Plain(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    yield 1

                def test(self): ...

            class Cleanup(unittest.TestCase):
                def test(self):
                    self.addCleanup(self.clean)

                async def clean(self):
                    yield
            """,
            "setUp, test_it.py:4: an async generator function can't be a fixture, "
            "its body would never run.",
            "setUpClass, test_it.py:10: a generator function can't be a fixture, ",
            "clean, test_it.py:20: an async generator function can't be a fixture, ",
            "aio.enter_async_context",
        )

    def test_isolated(self) -> None:
        """In IsolatedAsyncioTestCase, async fixtures have other names."""
        self.assert_said(
            """
            import unittest

            class Case(unittest.IsolatedAsyncioTestCase):
                async def setUp(self): ...

                async def test(self): ...

            class Down(unittest.IsolatedAsyncioTestCase):
                async def tearDown(self): ...

                async def test(self): ...
            """,
            "setUp, test_it.py:4: IsolatedAsyncioTestCase calls setUp outside of its loop, "
            "and does not await it.\nName it asyncSetUp.",
            "Name it asyncTearDown.",
        )

    def test_closed(self) -> None:
        """A test of IsolatedAsyncioTestCase that closes its loop fails. The run goes on."""
        self.assert_said(
            """
            import asyncio, unittest

            class Case(unittest.IsolatedAsyncioTestCase):
                async def test(self): ...

                def tearDown(self):
                    asyncio.get_event_loop().close()

            class Late(unittest.IsolatedAsyncioTestCase):
                async def test(self):
                    self.addCleanup(asyncio.get_running_loop().close)

            class Next(unittest.IsolatedAsyncioTestCase):
                async def test(self): ...
            """,
            "test (test_it.Case.test) ... ERROR",
            "test (test_it.Late.test) ... ERROR",
            "test (test_it.Next.test) ... ok",
            "LoopError: the test has closed its event loop. IsolatedAsyncioTestCase closes",
        )

    def test_stopped(self) -> None:
        """A fixture that stops its loop fails."""
        self.assert_said(
            """
            import asyncio, unittest

            class Case(unittest.TestCase):
                async def setUp(self):
                    asyncio.get_running_loop().stop()
                    await asyncio.sleep(30)

                async def test(self): ...

            class Isolated(unittest.IsolatedAsyncioTestCase):
                async def test(self):
                    asyncio.get_running_loop().stop()
                    await asyncio.sleep(30)
            """,
            "setUp, test_it.py:4: the loop was stopped before the fixture was done\n\n"
            "slow at test_it.py:6 in setUp: sleeps, ",
            "RuntimeError: Event loop stopped before Future completed.\n\n"
            "slow at test_it.py:13 in test: sleeps, ",
        )

    def test_exits(self) -> None:
        """A fixture that is cancelled or exits fails, so does a task. The run goes on."""
        project = Project(self)
        for number, (fixture, exits) in enumerate(
            [
                ("setUpClass", "sys.exit(0)"),
                ("tearDownClass", "sys.exit(0)"),
                ("setUpClass", "asyncio.current_task().cancel()"),
                ("setUpClass", "asyncio.create_task(exits())"),
            ]
        ):
            project.write(
                f"test_{number}.py",
                f"""
                import asyncio, sys, unittest

                async def exits(): sys.exit(0)

                class Case(unittest.TestCase):
                    @classmethod
                    async def {fixture}(cls):
                        {exits}
                        await asyncio.sleep(0.01)

                    async def test(self): ...

                class Next(unittest.TestCase):
                    async def test(self): ...
                """,
            )
        project.write(
            "test_modules.py",
            """
            import sys, unittest

            def setUpModule():
                unittest.addModuleCleanup(clean_up)
                sys.exit(0)

            async def clean_up():
                sys.exit(0)

            async def test(): ...
            """,
        )
        project.write(
            "test_tasks.py",
            """
            import asyncio, sys, unittest

            async def exits():
                try:
                    await asyncio.sleep(100)
                finally:
                    sys.exit(0)

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    cls.task = asyncio.create_task(exits())

                async def test(self):
                    self.task = asyncio.create_task(exits())

                async def tearDown(self):
                    await asyncio.sleep(0)

            class Isolated(unittest.IsolatedAsyncioTestCase):
                async def test(self):
                    self.task = asyncio.create_task(exits())
                    await asyncio.sleep(0)
            """,
        )
        for workers in ("0", "2"):
            run = project.nose2("-v", "--aio-workers", workers)
            reports = "".join(run.reports)
            words = sorted(re.findall(r"FixtureExitError: (.*)", reports))
            self.assertEqual(
                [
                    "clean_up, test_modules.py:7: it raised SystemExit",
                    "setUpClass, test_0.py:6: it raised SystemExit",
                    "setUpClass, test_2.py:6: it was cancelled",
                    "setUpClass, test_3.py:6: it raised SystemExit",
                    "setUpModule, test_modules.py:3: it raised SystemExit",
                    "tearDownClass, test_1.py:6: it raised SystemExit",
                ],
                words,
                run.output,
            )
            self.assertEqual((run.returncode, run.ran), (1, 7), run.output)
            self.assertNotIn("nose2_aio/", reports)
            self.assertEqual(reports.count("(exits) "), 5, run.output)
            self.assertIn("the event loop could not be closed: SystemExit(0)", run.output)

    def test_limit(self) -> None:
        """The time limit applies to each fixture."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    await asyncio.sleep(30)

                async def test(self): ...
            """,
        )
        run = project.nose2("--aio-time-limit", "0.05")
        self.assertIn("not done within its time limit of 0.05 s (--aio-time-limit)", run.output)

    def test_tagged(self) -> None:
        """A fixture may have a time limit of its own."""
        self.assert_said(
            """
            import asyncio, unittest
            import nose2_aio as aio

            class Case(unittest.TestCase):
                @aio.timeout(0.05)
                async def setUp(self):
                    await asyncio.sleep(30)

                async def test(self): ...
            """,
            "not done within its time limit of 0.05 s (@timeout)",
        )


class Resources(TestCase):
    """Resources are released."""

    def test_classes(self) -> None:
        """1,000 classes with async fixtures leave no file and no loop open."""
        project = Project(
            self,
            test_it="""
            import asyncio, gc, os, sys, unittest, weakref

            loops = weakref.WeakSet()
            most = 0

            class Base:
                @classmethod
                async def setUpClass(cls):
                    loops.add(asyncio.get_running_loop())

                async def test(self):
                    global most
                    most = max(most, sum(not loop.is_closed() for loop in loops))

            for number in range(1000):
                name = f"Case{number}"
                globals()[name] = type(name, (Base, unittest.TestCase), {"__module__": __name__})

            def opened():
                probe = os.dup(0)
                os.close(probe)
                return probe

            def setUpModule():
                global before
                before = opened()

            def tearDownModule():
                print("most", most, "more open", opened() - before)
            """,
        )
        run = project.nose2()
        self.assertEqual((run.returncode, run.ran), (0, 1000), run.output)
        self.assertIn("most 1 more open 0", run.output)
