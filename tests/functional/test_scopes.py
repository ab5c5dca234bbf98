"""Which event loop a test runs on, and how long the loop lives."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project, Run

SUITE = """
    import asyncio, unittest
    import nose2_aio as aio

    loops = []

    def note(name):
        loop = asyncio.get_running_loop()
        if loop not in loops:
            loops.append(loop)
        print("@", name, loops.index(loop), [one.is_closed() for one in loops].count(False))

    class Untagged(unittest.TestCase):
        async def test_1(self): note("Untagged")
        async def test_2(self): note("Untagged")

    @aio.loop_scope("class")
    class OfClass(unittest.TestCase):
        async def test_1(self): note("OfClass")
        async def test_2(self): note("OfClass")

    class Inherits(OfClass):
        pass

    @aio.loop_scope("module")
    class OfModule(unittest.TestCase):
        @classmethod
        async def setUpClass(cls): note("OfModule")
        async def test_1(self): note("OfModule")

    @aio.loop_scope("test")
    class OfTest(unittest.TestCase):
        async def test_1(self): note("OfTest")
        async def test_2(self): note("OfTest")

    @aio.loop_scope("class")
    class TestClass:
        async def test_1(self): note("TestClass")
        async def test_2(self): note("TestClass")

    async def test_function(): note("function")
    """


def loops(run: Run) -> dict[str, list[int]]:
    """Return the numbers of the loops that each class ran on."""
    found: dict[str, list[int]] = {}
    for name, loop, _ in re.findall(r"@ (\w+) (\d+) (\d+)", run.output):
        found.setdefault(name, []).append(int(loop))
    return found


class Widened(TestCase):
    """``loop-scope``, as a setting and as a tag."""

    def run_with(self, *arguments: str) -> dict[str, list[int]]:
        """Run a suite and return the loops of each class."""
        run = Project(self, test_it=SUITE).nose2(*arguments)
        self.assertEqual((run.returncode, run.ran), (0, 12), run.output)
        return loops(run)

    def shared(self, found: dict[str, list[int]], name: str) -> bool:
        """True if all tests of a class ran on one loop."""
        return len(set(found[name])) == 1

    def test_default(self) -> None:
        """Each test has its own loop, unless a tag says otherwise."""
        found = self.run_with()
        self.assertFalse(self.shared(found, "Untagged"))
        self.assertEqual(len(set(found["OfClass"])), 2)  # one is of the class that inherits
        for name in ("OfModule", "TestClass"):
            self.assertTrue(self.shared(found, name), name)
        self.assertFalse(self.shared(found, "OfTest"))

    def test_class(self) -> None:
        """Each class has one loop."""
        found = self.run_with("--aio-loop-scope", "class")
        self.assertTrue(self.shared(found, "Untagged"))
        self.assertNotEqual(found["Untagged"][0], found["OfClass"][0])
        self.assertFalse(self.shared(found, "OfTest"))

    def test_module(self) -> None:
        """The module has one loop. Classes and tests with a tag have others."""
        found = self.run_with("--aio-loop-scope", "module")
        self.assertEqual({*found["Untagged"]}, {*found["OfModule"]})
        self.assertEqual({*found["Untagged"]}, {*found["function"]})
        self.assertFalse({*found["Untagged"]} & {*found["OfClass"], *found["OfTest"]})

    def test_run(self) -> None:
        """All modules share one loop."""
        project = Project(self, test_it=SUITE, test_other="from test_it import *\n")
        project.write("unittest.cfg", "[aio]\nloop-scope = run\n")
        run = project.nose2("test_it", "test_other")
        self.assertEqual((run.returncode, run.ran), (0, 24), run.output)
        self.assertEqual(len({*loops(run)["Untagged"]}), 1)
        self.assertFalse({*loops(run)["Untagged"]} & {*loops(run)["OfModule"]})

    def test_processes(self) -> None:
        """In a worker process, the loop of the run is that of the process."""
        project = Project(self, test_it=SUITE)
        mp = ["--plugin", "nose2.plugins.mp", "-N", "1"]
        run = project.nose2(*mp, "--aio-loop-scope", "run")
        self.assertEqual((run.returncode, run.ran), (0, 12), run.output)
        self.assertEqual(len({*loops(run)["Untagged"]}), 1)

    def test_torn_down_once(self) -> None:
        """A worker process doesn't tear a class down again in its next share."""
        project = Project(
            self,
            test_it="""
            import unittest

            class Base(unittest.TestCase):
                @classmethod
                async def setUpClass(cls): ...
                @classmethod
                async def tearDownClass(cls): print("torn down", cls.__name__)
                async def test(self): ...

            class One(Base): ...
            class Two(Base): ...
            class Three(Base): ...
            """,
        )
        run = project.nose2("--plugin", "nose2.plugins.mp", "-N", "1")
        self.assertEqual(run.output.count("torn down One"), 1, run.output)
        self.assertNotIn("never awaited", run.output)


class Closed(TestCase):
    """When loops are closed."""

    def test_before_the_next(self) -> None:
        """A class's loop is closed before anything of the next class runs."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest

            loops = []

            class First(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    loops.append(asyncio.get_running_loop())
                    loops[0].create_task(asyncio.sleep(30))
                async def test(self): ...
                @classmethod
                def tearDownClass(cls):
                    assert not loops[0].is_closed()

            class Second(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    assert loops[0].is_closed()
                def test(self): ...

            @unittest.skip("for the order")
            class Skipped(First):
                pass

            class Third(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    loops.append(asyncio.get_running_loop())
                    raise LookupError
                def test(self): ...

            def tearDownModule():
                assert all(loop.is_closed() for loop in loops), loops
                assert len(loops) == 2
            """,
        )
        run = project.nose2()
        self.assertIn("FAILED (errors=1, skipped=1)", run.output)
        self.assertIn("LookupError", run.output)


class Given(TestCase):
    """A loop that a synchronous fixture makes current."""

    def assert_ok(self, text: str) -> None:
        """Run a module that passes."""
        run = Project(self, test_it=text).nose2("-v")
        self.assertEqual(run.returncode, 0, run.output)
        for word in ("ResourceWarning", "never awaited", "destroyed"):
            self.assertNotIn(word, run.output)

    def test_of_a_test(self) -> None:
        """The loop of setUp is the test's loop. Nobody else closes it."""
        self.assert_ok(
            """
            import asyncio, functools, unittest

            class Base(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(self.loop)
                    self.future = self.loop.create_future()
                    self.loop.call_soon(self.future.set_result, 5)

                def tearDown(self):
                    assert not asyncio.all_tasks(self.loop)
                    self.loop.run_until_complete(asyncio.sleep(0))
                    self.loop.close()
                    asyncio.set_event_loop(None)

                async def check(self):
                    assert asyncio.get_running_loop() is self.loop
                    self.assertEqual(await self.future, 5)

            class Declared(Base):
                async def test(self):
                    await self.check()

            class Undeclared(Base):
                def test(self):
                    return self.check()

            class Sync(Base):
                def test(self):
                    self.loop.run_until_complete(self.check())

            class Cleanup(Base):
                def tearDown(self): ...

                async def test(self):
                    self.addCleanup(self.loop.close)
                    self.addCleanup(self.check)

            class AsyncTearDown(Base):
                def test(self): ...

                async def tearDown(self):
                    await self.check()
                    self.loop.call_soon(self.loop.stop)
                    self.addCleanup(self.loop.close)
            """
        )

    def test_of_a_class(self) -> None:
        """The tests of the class run on its loop, each in one task."""
        self.assert_ok(
            """
            import asyncio, unittest

            async def tearDownModule(): ...

            class Case(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    cls.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(cls.loop)

                @classmethod
                def tearDownClass(cls):
                    assert not asyncio.all_tasks(cls.loop)
                    cls.loop.close()
                    asyncio.set_event_loop(None)

                async def setUp(self):
                    self.task = asyncio.current_task()

                async def test_1(self):
                    self.assertIs(asyncio.get_running_loop(), self.loop)
                    self.assertIs(asyncio.current_task(), self.task)

                async def test_2(self):
                    self.assertIs(asyncio.get_running_loop(), self.loop)

            class Next(unittest.TestCase):
                async def test(self):
                    self.assertIsNot(asyncio.get_running_loop(), Case.loop)
            """
        )

    def test_in_the_run(self) -> None:
        """A class's own loop is separate from the loop of the run, which stays open."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest

            class A(unittest.TestCase):
                async def test(self):
                    A.loop = asyncio.get_running_loop()

            class B(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    cls.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(cls.loop)
                @classmethod
                def tearDownClass(cls):
                    cls.loop.close()
                async def test(self):
                    self.assertIs(asyncio.get_running_loop(), self.loop)

            class C(unittest.TestCase):
                async def test(self):
                    self.assertIs(asyncio.get_running_loop(), A.loop)
            """,
        )
        for names in (["test_it"], ["test_it.B"]):
            run = project.nose2("--aio-loop-scope", "run", *names)
            self.assertEqual(run.returncode, 0, run.output)

    def test_closed_under_us(self) -> None:
        """If a test or tearDown closes our loop, the rest runs on another one."""
        self.assert_ok(
            """
            import asyncio, unittest

            class InTearDown(unittest.TestCase):
                async def setUp(self): ...
                async def test(self):
                    self.addCleanup(self.clean)
                def tearDown(self):
                    asyncio.get_event_loop().close()
                async def clean(self):
                    await asyncio.sleep(0)

            class OfAClass(unittest.TestCase):
                @classmethod
                async def setUpClass(cls): ...
                def test_1(self):
                    asyncio.get_event_loop().close()
                async def test_2(self):
                    await asyncio.sleep(0)
            """
        )

    def test_not_for_us(self) -> None:
        """A loop that runs in a thread, or is left by asyncio.run, is not used."""
        self.assert_ok(
            """
            import asyncio, threading, unittest

            class Thread(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(self.loop)
                    self.thread = threading.Thread(target=self.loop.run_forever)
                    self.thread.start()

                def test(self):
                    future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 5), self.loop)
                    self.assertEqual(future.result(5), 5)

                def tearDown(self):
                    self.loop.call_soon_threadsafe(self.loop.stop)
                    self.thread.join()
                    self.loop.close()
                    asyncio.set_event_loop(None)

            class Runs(unittest.TestCase):
                def setUp(self):
                    asyncio.run(asyncio.sleep(0))
                async def test(self):
                    self.assertIs(asyncio.get_event_loop(), asyncio.get_running_loop())
                async def tearDown(self):
                    await asyncio.sleep(0)

            class Asks(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.get_event_loop()
                async def test_1(self):
                    self.assertIs(asyncio.get_running_loop(), self.loop)
                async def test_2(self):
                    self.assertIs(asyncio.get_running_loop(), self.loop)
            """
        )

    def test_decorated(self) -> None:
        """A decorated test runs on the test's loop and in its task, unless it chose another."""
        self.assert_ok(
            """
            import asyncio, contextlib, unittest
            import nose2_aio as aio

            @contextlib.contextmanager
            def other():
                loop = asyncio.new_event_loop()
                yield loop
                loop.close()

            class Case(unittest.TestCase):
                async def setUp(self):
                    self.task = asyncio.current_task()

                @aio.run_until_complete
                async def test_default(self):
                    self.assertIs(asyncio.current_task(), self.task)

                @aio.run_until_complete(loop=aio.current_loop)
                async def test_current(self):
                    self.assertIs(asyncio.current_task(), self.task)

                @aio.run_until_complete(loop=other)
                async def test_other(self):
                    self.assertIsNot(asyncio.get_running_loop(), self.task.get_loop())

                @aio.run_forever(timeout=0)
                async def test_forever(self):
                    self.assertIs(asyncio.current_task(), self.task)

                def test_future(self):
                    return asyncio.get_event_loop().create_task(asyncio.sleep(0))
            """
        )


class Overriding(TestCase):
    """Classes that override unittest's internal methods."""

    def test_kept(self) -> None:
        """A class that overrides ``_callSetUp`` keeps its method."""
        project = Project(
            self,
            test_it="""
            import unittest

            class Case(unittest.TestCase):
                def _callSetUp(self):
                    self.prepared = True
                    super()._callSetUp()
                def setUp(self): ...
                def test(self):
                    self.assertTrue(self.prepared)

            class Inner(unittest.TestCase):
                def _callTestMethod(self, method):
                    method()
                def setUp(self): ...
                def test(self): ...
            """,
        )
        self.assertEqual(project.nose2().returncode, 0)

    def test_async_fixtures(self) -> None:
        """A class that calls its tests by itself can have no async fixture."""
        project = Project(
            self,
            test_it="""
            import unittest

            class Case(unittest.TestCase):
                def _callTestMethod(self, method):
                    method()
                async def setUp(self): ...
                def test(self): ...

            class CallsThemToo(Case):
                def _callSetUp(self):
                    self.setUp().close()
            """,
        )
        run = project.nose2("-v")
        self.assertEqual(run.outcomes["test_it.CallsThemToo.test"], "ok")
        self.assertIn(
            "setUp, test_it.py:6: Case overrides _callTestMethod to call its tests by itself",
            run.output,
        )


class Hypothesis(TestCase):
    """Coroutine tests under ``@given``."""

    def test_examples(self) -> None:
        """Each example runs in the test's task. A failing example is shrunk."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest
            import nose2_aio as aio
            from hypothesis import given, settings, strategies as st

            quick = settings(database=None, deadline=None, max_examples=50)

            class Case(unittest.TestCase):
                async def setUp(self):
                    self.task = asyncio.current_task()

                @quick
                @given(st.integers())
                async def test_ok(self, number):
                    await asyncio.sleep(0)
                    self.assertIs(asyncio.current_task(), self.task)

                @quick
                @given(st.integers())
                async def test_fails(self, number):
                    await asyncio.sleep(0)
                    self.assertLess(number, 17)

            class Bare(unittest.TestCase):
                tasks = set()

                @quick
                @given(st.integers())
                async def test_ok(self, number):
                    self.tasks.add(asyncio.current_task())

                def tearDown(self):
                    self.assertEqual(len(self.tasks), 1)

            class Executes(unittest.TestCase):
                def execute_example(self, function):
                    return asyncio.run(function())

                @quick
                @given(st.integers())
                async def test_ok(self, number): ...

            class Isolated(unittest.IsolatedAsyncioTestCase):
                async def asyncSetUp(self):
                    self.loop = asyncio.get_running_loop()

                @quick
                @given(st.integers())
                async def test_ok(self, number):
                    self.assertIs(asyncio.get_running_loop(), self.loop)

                @quick
                @given(st.integers())
                async def test_fails(self, number):
                    await asyncio.sleep(0)
                    self.assertLess(number, 17)

            class Crashes(unittest.TestCase):
                async def setUp(self):
                    group = await aio.enter_async_context(self, asyncio.TaskGroup())
                    group.create_task(self.crash())

                async def crash(self):
                    await asyncio.sleep(0.01)
                    raise LookupError("in the background")

                @quick
                @given(st.integers())
                async def test_waits(self, number):
                    await asyncio.Event().wait()

            @quick
            @given(st.integers())
            async def test_function(number):
                await asyncio.sleep(0)
                if number >= 17:
                    raise LookupError("a number")
            """,
        )
        run = project.nose2("-v")
        ok = re.findall(r"test_ok \(test_it\.(\w+)\.test_ok\) \.\.\. ok", run.output)
        self.assertEqual(ok, ["Bare", "Case", "Executes", "Isolated"])
        self.assertEqual("".join(run.reports).count("AssertionError: 17 not less than 17"), 2)
        self.assertIn("test_function(\n    number=17,\n)", run.output)
        self.assertIn("LookupError: in the background", run.output)
        self.assertEqual(len(run.reports), 4)
        self.assertRegex(run.output, r"(?m)^Hypothesis ran it with number=-?\d+$")
        self.assertIn("always and only run by failing test cases:\n", run.output)
        self.assertNotIn("/nose2_aio/", "".join(run.reports))  # asyncio's log may name slow tasks
        self.assertNotIn("async_case", "".join(run.reports))

    def test_limits(self) -> None:
        """A time limit or a deadlock ends the test at once, with the example that ran."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest
            import nose2_aio as aio
            from hypothesis import example, given, settings, strategies as st

            quick = settings(database=None, deadline=None)
            long = "x" * 300

            class Case(unittest.TestCase):
                @quick
                @given(st.booleans())
                async def test_deadlock(self, flag):
                    await asyncio.Event().wait()

                @quick
                @example(text=long)
                @given(text=st.text())
                async def test_explicit(self, text):
                    await asyncio.Event().wait()

                @quick
                @aio.timeout(0.5)
                @given(st.integers())
                async def test_slow(self, number):
                    await asyncio.sleep(0.4)

                @quick
                @aio.timeout(0.5)
                @given(st.integers())
                async def test_swallows(self, number):
                    while True:
                        try:
                            await asyncio.sleep(30)
                        except asyncio.CancelledError:
                            pass

            class Isolated(unittest.IsolatedAsyncioTestCase):
                @quick
                @given(st.booleans())
                async def test(self, flag):
                    await asyncio.Event().wait()
            """,
        )
        run = project.nose2("--aio-grace=0.05")
        self.assertEqual(len(run.reports), 5, run.output)
        self.assertEqual("".join(run.reports).count("errors.DeadlockError: "), 3)
        self.assertEqual("".join(run.reports).count("errors.TimeLimitError: "), 2)
        for line in ("False", f"text='{'x' * 199}...", r"number=-?\d+"):
            self.assertRegex(run.output, rf"(?m)^Hypothesis ran it with (flag=)?{line}$")
        self.assertNotRegex(run.output, "Flaky|Failing|hypothesis/core.py")

    def test_not_imported(self) -> None:
        """The plugin doesn't import Hypothesis by itself."""
        project = Project(
            self,
            test_it="""
            import sys

            async def test():
                assert "hypothesis" not in sys.modules
            """,
        )
        self.assertEqual(project.nose2().returncode, 0)
