"""Setup covers the test: one task, one context. A scope entered in setUp bounds the test."""

from __future__ import annotations

import asyncio
import importlib.util
from unittest import TestCase

from tests.runs import Project, Run


class Covered(TestCase):
    """Runs of small suites."""

    def run_it(self, text: str, *arguments: str) -> Run:
        """Run a module."""
        return Project(self, test_it=text).nose2("-v", *arguments)

    def loops(self) -> list[str]:
        """Return the names of asyncio's loop, and of uvloop's if it is installed."""
        return ["asyncio", "uvloop"] if importlib.util.find_spec("uvloop") else ["asyncio"]

    def assert_ok(self, text: str, *arguments: str) -> Run:
        """Run a module that passes, and prints nothing to stderr except nose2's lines."""
        run = self.run_it(text, *arguments)
        self.assertEqual(run.returncode, 0, run.output)
        self.assertNotIn("Warning", run.output)
        self.assertNotIn("destroyed", run.output)
        return run


class Task(Covered):
    """One task runs a test. No task of ours is visible."""

    def test_alone(self) -> None:
        """On a test's own loop, all parts of the test run in one task, the only one."""
        self.assert_ok(
            """
            import asyncio, unittest

            class Case(unittest.TestCase):
                async def setUp(self):
                    self.task = asyncio.current_task()
                    self.assertEqual(asyncio.all_tasks(), {self.task})
                    self.addCleanup(self.check)

                async def check(self):
                    self.assertIs(asyncio.current_task(), self.task)
                    self.assertEqual(asyncio.all_tasks(), {self.task})

                async def test(self):
                    await self.check()

                def tearDown(self):
                    self.assertEqual(asyncio.all_tasks(asyncio.get_event_loop()), set())

            class Late(unittest.TestCase):
                async def test(self):
                    self.task = asyncio.current_task()
                    self.addCleanup(self.check)

                async def check(self):
                    self.assertIs(asyncio.current_task(), self.task)
            """
        )

    def test_started_last(self) -> None:
        """A task that the last step of a test or a fixture starts runs its first step then."""
        text = """
            import asyncio, unittest
            import nose2_aio as aio

            class Case(unittest.TestCase):
                def setUp(self):
                    self.configuration = []

                def tearDown(self):
                    self.assertEqual(self.configuration.pop(), 1)

                async def use(self):
                    self.configuration.append(1)

                @aio.run_until_complete
                def test_decorated(self):
                    asyncio.ensure_future(self.use())

                async def test(self):
                    asyncio.ensure_future(self.use())

            class Fixtures(Case):
                async def setUp(self):
                    self.configuration = []
                    self.addCleanup(self.assertEqual, self.configuration, [])
                    asyncio.ensure_future(self.use())

                def test_decorated(self):
                    self.assertEqual(self.configuration, [1])

                async def test(self):
                    self.assertEqual(self.configuration, [1])

            class Shared(Case):
                used = []

                @classmethod
                async def setUpClass(cls):
                    async def use():
                        cls.used.append(1)
                    asyncio.ensure_future(use())

                def test_plain(self):
                    self.assertEqual(self.used, [1])
                    self.configuration.append(1)
            """
        for loop in self.loops():
            self.assert_ok(text, f"--aio-loop={loop}")

    def test_gathered(self) -> None:
        """A test on a class's loop can wait for all other tasks. Ours are not among them."""
        self.assert_ok(
            """
            import asyncio, unittest

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    cls.served = asyncio.create_task(asyncio.sleep(0.01))

                async def test(self):
                    others = asyncio.all_tasks() - {asyncio.current_task()}
                    self.assertLessEqual(others, {self.served})
                    await asyncio.gather(*others)

                def test_sync(self):
                    async def wait_for_others():
                        me = asyncio.current_task()
                        await asyncio.gather(*(asyncio.all_tasks() - {me}))

                    asyncio.get_event_loop().run_until_complete(wait_for_others())

                def tearDown(self):
                    loop = asyncio.get_event_loop()
                    tasks = asyncio.all_tasks(loop)
                    for task in tasks:
                        task.cancel()
                    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            """
        )

    def test_late_cancellation(self) -> None:
        """A cancellation in the last step of the test reaches what follows."""
        run = self.run_it(
            """
            import asyncio, unittest

            class Case(unittest.TestCase):
                async def test(self):
                    asyncio.current_task().cancel()

                async def tearDown(self):
                    await asyncio.sleep(0)

            class Next(unittest.TestCase):
                async def test(self): ...
            """
        )
        self.assertIn("CancelledError", run.reports[0])
        self.assertNotIn("stopped", run.output)
        self.assertIn("test (test_it.Next.test) ... ok", run.output)


class Context(Covered):
    """Context variables."""

    def test_nested(self) -> None:
        """Values of a wider fixture are seen inside. Values that a test sets don't get out."""
        self.assert_ok(
            """
            import contextvars, unittest

            var = contextvars.ContextVar("var", default="nothing")

            async def setUpModule():
                var.set("module")

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    assert var.get() == "module"
                    var.set("class")

                async def setUp(self):
                    self.assertEqual(var.get(), "class")
                    self.token = var.set("test")
                    self.addCleanup(var.reset, self.token)

                async def test_one(self):
                    self.assertEqual(var.get(), "test")
                    var.set("one")

                def test_two(self):
                    self.assertEqual(var.get(), "test")
                    var.set("two")

                def tearDown(self):
                    self.assertIn(var.get(), ("one", "two"))

                @classmethod
                def tearDownClass(cls):
                    assert var.get() == "class"

            class Other(unittest.TestCase):
                def test_sync(self):
                    self.assertEqual(var.get(), "module")

                async def test_async(self):
                    self.assertEqual(var.get(), "module")
            """
        )

    def test_sync_setup(self) -> None:
        """A value that a sync setUp sets is seen by its test, and by no other."""
        self.assert_ok(
            """
            import contextvars, unittest

            var = contextvars.ContextVar("var", default="nothing")

            class Async(unittest.TestCase):
                def setUp(self):
                    self.token = var.set("setUp")

                async def test(self):
                    self.assertEqual(var.get(), "setUp")
                    var.reset(self.token)
                    var.set("test")

            class AsyncTearDown(unittest.TestCase):
                def setUp(self):
                    self.assertEqual(var.get(), "nothing")
                    self.token = var.set("setUp")

                def test(self):
                    var.set("test")

                async def tearDown(self):
                    var.reset(self.token)

            class AsyncTearDownClass(unittest.TestCase):
                @classmethod
                def setUpClass(cls):
                    cls.token = var.set("class")

                @classmethod
                async def tearDownClass(cls):
                    var.reset(cls.token)

                async def test(self):
                    self.assertEqual(var.get(), "class")

            class Last(unittest.TestCase):
                async def test(self):
                    self.assertEqual(var.get(), "nothing")
            """
        )


class Bounded(Covered):
    """Task groups, timeouts and cancel scopes."""

    CRASH = """
        import asyncio, unittest
        import nose2_aio as aio

        async def crash():
            await asyncio.sleep(0.01)
            raise LookupError("in the background")
        """

    def of(self, text: str) -> Run:
        """Run a module in which a background task crashes."""
        return self.run_it(self.CRASH + text)

    def test_group_of_a_test(self) -> None:
        """A crash ends the test at once, with the task's own error. Teardown still runs."""
        run = self.of(
            """
        class Case(unittest.TestCase):
            async def setUp(self):
                self.group = await aio.enter_async_context(self, asyncio.TaskGroup())
                self.group.create_task(crash())

            async def tearDown(self):
                await asyncio.sleep(0)
                print("torn down")

            async def test(self):
                await asyncio.sleep(30)

        class Next(unittest.TestCase):
            async def test(self):
                await asyncio.sleep(0.02)
        """
        )
        self.assertIn("torn down", run.output)
        self.assertIn("test (test_it.Next.test) ... ok", run.output)
        (report,) = run.reports
        self.assertIn(", in crash\n", report)
        self.assertIn("LookupError: in the background\n", report)
        self.assertIn("The running code was cancelled in test, test_it.py:18", report)
        self.assertNotIn("CancelledError", report)

    def test_group_by_hand(self) -> None:
        """The same for a group left in tearDown. tearDown gets the errors of the group."""
        run = self.of(
            """
        class Case(unittest.TestCase):
            async def setUp(self):
                self.group = asyncio.TaskGroup()
                await self.group.__aenter__()
                self.group.create_task(crash())

            async def tearDown(self):
                with self.assertRaises(ExceptionGroup):
                    await self.group.__aexit__(None, None, None)
                await asyncio.sleep(0)

            async def test(self):
                await asyncio.sleep(30)
        """
        )
        (report,) = run.reports
        self.assertIn("LookupError: in the background\n", report)

    def test_group_of_a_class(self) -> None:
        """A crash ends the running test. The next one runs."""
        run = self.of(
            """
        class Case(unittest.TestCase):
            @classmethod
            async def setUpClass(cls):
                cls.group = asyncio.TaskGroup()
                await cls.group.__aenter__()

            @classmethod
            async def tearDownClass(cls):
                try:
                    await cls.group.__aexit__(None, None, None)
                except* LookupError:
                    print("told")

            async def test_1(self):
                self.group.create_task(crash())
                await asyncio.sleep(30)

            async def test_2(self):
                await asyncio.sleep(0.02)
        """
        )
        self.assertIn("told", run.output)
        self.assertIn("test_2 (test_it.Case.test_2) ... ok", run.output)
        (report,) = run.reports
        self.assertIn("LookupError: in the background\n", report)
        self.assertIn("The running code was cancelled in test_1, test_it.py", report)

    def test_timeout(self) -> None:
        """A timeout entered in setUp bounds the test. It is reported once."""
        run = self.of(
            """
        class Entered(unittest.TestCase):
            async def setUp(self):
                await aio.enter_async_context(self, asyncio.timeout(0.01))

            async def test(self):
                await asyncio.sleep(30)

        class ByHand(unittest.TestCase):
            async def setUp(self):
                self.timeout = asyncio.timeout(0.01)
                await self.timeout.__aenter__()

            async def tearDown(self):
                await self.timeout.__aexit__(None, None, None)

            async def test(self):
                await asyncio.sleep(30)

        class InTime(unittest.TestCase):
            async def setUp(self):
                await aio.enter_async_context(self, asyncio.timeout(30))

            async def test(self): ...
        """
        )
        self.assertEqual(len(run.reports), 2, run.output)
        for report in run.reports:
            self.assertIn("await asyncio.sleep(30)", report)
            self.assertIn("TimeoutError: an asyncio.timeout that was entered in a fixture", report)

    def test_group_in_a_timeout(self) -> None:
        """If a task of the group fails while it is cancelled, group and timeout end cleanly."""
        run = self.of(
            """
        class Case(unittest.TestCase):
            async def setUp(self):
                await aio.enter_async_context(self, asyncio.timeout(0.01))
                group = await aio.enter_async_context(self, asyncio.TaskGroup())
                group.create_task(self.fails_late())

            async def fails_late(self):
                try:
                    await asyncio.sleep(30)
                finally:
                    raise ValueError("while it was cancelled")

            async def test(self):
                await asyncio.sleep(30)
        """
        )
        self.assertNotIn("stopped", run.output)
        self.assertIn("ValueError: while it was cancelled", run.output)
        self.assertIn("TimeoutError: an asyncio.timeout", run.output)

    def test_no_false_cause(self) -> None:
        """A test that is cancelled for another reason is not reported with the first one."""
        run = self.of(
            """
        class Case(unittest.TestCase):
            async def test_timeout(self):
                try:
                    async with asyncio.timeout(0.001):
                        await asyncio.sleep(30)
                except TimeoutError:
                    pass
                future = asyncio.get_running_loop().create_future()
                future.cancel()
                await future

            async def test_task(self):
                task = asyncio.create_task(crash())
                try:
                    await task
                except LookupError:
                    pass
                asyncio.current_task().cancel()
                await asyncio.sleep(0)

            async def test_timeout_of_its_own(self):
                async with asyncio.timeout(0.001):
                    await asyncio.sleep(30)
        """
        )
        self.assertEqual(len(run.reports), 3)
        self.assertNotIn("fixture", run.output)
        for report in run.reports[:2]:
            self.assertIn("CancelledError", report.splitlines()[-2] + report.splitlines()[-1])

    def test_swallowed(self) -> None:
        """If unittest takes the cancellation, its report shows the reason."""
        run = self.of(
            """
        class Case(unittest.TestCase):
            async def setUp(self):
                self.group = await aio.enter_async_context(self, asyncio.TaskGroup())
                self.group.create_task(crash())

            async def test(self):
                with self.subTest(1):
                    await asyncio.sleep(30)
        """
        )
        self.assertIn("CancelledError: for LookupError: in the background", run.output)

    def test_anyio(self) -> None:
        """Task groups and cancel scopes of anyio bound the test too."""
        run = self.of(
            """
        import anyio

        class Group(unittest.TestCase):
            async def setUp(self):
                self.group = await aio.enter_async_context(self, anyio.create_task_group())
                self.group.start_soon(crash)

            async def test(self):
                await anyio.sleep(30)

        class OfAClass(unittest.TestCase):
            @classmethod
            async def setUpClass(cls):
                cls.group = await aio.enter_class_async_context(cls, anyio.create_task_group())
                cls.group.start_soon(crash)

            async def test_1(self):
                await anyio.sleep(30)

            async def test_2(self):
                await anyio.sleep(30)

        class Passing(unittest.TestCase):
            async def setUp(self):
                self.group = await aio.enter_async_context(self, anyio.create_task_group())
                await aio.enter_async_context(self, anyio.fail_after(30).__class__ and Later())
                self.group.start_soon(anyio.sleep, 0.001)

            async def test(self):
                await anyio.sleep(0)

        class Later:
            async def __aenter__(self): ...
            async def __aexit__(self, *_): ...
        """
        )
        self.assertIn("test (test_it.Passing.test) ... ok", run.output)
        tests = [report for report in run.reports if "Class (test_it" not in report]
        self.assertEqual(len(tests), 3, run.output)
        for report in tests:
            self.assertIn("LookupError: in the background", report)
            self.assertNotIn("CancelledError", report)

    def test_plain_contexts(self) -> None:
        """A context that a coroutine enters with ``enterContext`` is left in the same task."""
        run = self.of(
            """
        import contextlib
        import anyio

        @contextlib.contextmanager
        def in_task(names):
            task = asyncio.current_task()
            try:
                yield task
            except asyncio.CancelledError:
                names.append("cancelled")
                raise
            finally:
                assert task is asyncio.current_task()
                names.append("left")

        async def setUpModule():
            unittest.enterModuleContext(in_task([]))

        class Entered(unittest.TestCase):
            @classmethod
            async def setUpClass(cls):
                cls.enterClassContext(anyio.move_on_after(30))

            async def setUp(self):
                self.names = []
                self.addCleanup(lambda: self.assertEqual(self.names, ["left", "left"]))
                self.task = self.enterContext(in_task(self.names))
                self.enterContext(anyio.move_on_after(5))

            async def test(self):
                self.assertIs(self.task, asyncio.current_task())
                self.enterContext(in_task(self.names))
                with self.assertRaises(TypeError):
                    self.enterContext(5)

        class Cancelled(unittest.TestCase):
            async def setUp(self):
                self.names = []
                self.addCleanup(lambda: self.assertEqual(self.names, ["cancelled", "left"]))
                self.enterContext(in_task(self.names))
                self.enterContext(anyio.fail_after(0.01))

            async def test(self):
                await asyncio.sleep(30)

        class Plain(unittest.TestCase):
            def setUp(self):
                self.names = []
                self.enterContext(self.outside())

            @contextlib.contextmanager
            def outside(self):
                yield
                asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))

            async def test(self): ...

        class Isolated(unittest.IsolatedAsyncioTestCase):
            @contextlib.contextmanager
            def outside(self):
                yield
                asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))

            async def test(self):
                self.enterContext(self.outside())

        class Needs(unittest.TestCase):
            async def test(self):
                self.addCleanup(asyncio.current_task)
        """
        )
        failed = [name for name, outcome in run.outcomes.items() if outcome != "ok"]
        self.assertEqual(failed, ["test_it.Cancelled.test", "test_it.Needs.test"], run.output)
        self.assertEqual(len(run.reports), 2, run.output)
        expired = "\nTimeoutError: an anyio cancel scope that was entered in a fixture has expired"
        self.assertIn(expired, run.reports[0])
        self.assertIn(
            "RuntimeError: no running event loop\nPlain functions are called while no loop runs. "
            "Make it a coroutine function.",
            run.reports[1],
        )
        self.assertEqual(run.ran, 5)

    def test_as_it_ends(self) -> None:
        """A crash or a cancellation in the last step of a test reaches the context that it is for.

        That gives one error for a crash, and none for a cancellation that the test has asked for.
        """
        text = """
        import time
        import anyio

        class Anyio(unittest.TestCase):
            async def setUp(self):
                self.addCleanup(asyncio.sleep, 0.001)
                self.group = await aio.enter_async_context(self, anyio.create_task_group())

            async def test_crash(self):
                self.group.start_soon(crash)
                await asyncio.sleep(0)
                time.sleep(0.02)

            async def test_deadline(self):
                self.group.cancel_scope.deadline = anyio.current_time() + 0.01
                time.sleep(0.02)

            async def test_cancel(self):
                self.group.cancel_scope.cancel()

        class ByHand(Anyio):
            async def setUp(self):
                self.group = anyio.create_task_group()
                await self.group.__aenter__()

            async def tearDown(self):
                await self.group.__aexit__(None, None, None)

        class Group(unittest.TestCase):
            async def setUp(self):
                self.addCleanup(asyncio.sleep, 0.001)
                self.group = await aio.enter_async_context(self, asyncio.TaskGroup())

            async def test_crash(self):
                self.group.create_task(crash())
                await asyncio.sleep(0)
                time.sleep(0.02)

        class Timeout(unittest.TestCase):
            async def setUp(self):
                self.addCleanup(asyncio.sleep, 0.001)
                await aio.enter_async_context(self, asyncio.timeout(0.01))

            async def test_blocks(self):
                time.sleep(0.02)
        """
        crash = ["Anyio.test_crash", "ByHand.test_crash", "Group.test_crash"]
        for loop in self.loops():
            run = self.run_it(self.CRASH + text, f"--aio-loop={loop}")
            failed = [name for name, outcome in run.outcomes.items() if outcome != "ok"]
            self.assertEqual(sorted(failed), [f"test_it.{name}" for name in crash], run.output)
            self.assertEqual(run.ran, 8)
            self.assertEqual(len(run.reports), 3)
            self.assertEqual("".join(run.reports).count(" LookupError: in the background"), 3)
            self.assertNotIn("CancelledError", run.output)

    def test_whenever(self) -> None:
        """Whenever a task crashes, between two fixtures too, each report has its error."""
        text = """
        import anyio

        def case(kind, is_of_class, count):
            async def crash():
                for _ in range(count):
                    await asyncio.sleep(0)
                raise LookupError("in the background")

            async def enter(enter_context):
                if kind == "anyio":
                    group = await enter_context(anyio.create_task_group())
                    group.start_soon(crash)
                else:
                    group = await enter_context(asyncio.TaskGroup())
                    group.create_task(crash())

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    if is_of_class:
                        await enter(lambda group: aio.enter_class_async_context(cls, group))

                async def setUp(self):
                    self.addCleanup(asyncio.sleep, 0)
                    if not is_of_class:
                        await enter(lambda group: aio.enter_async_context(self, group))

                async def test_1(self):
                    await asyncio.sleep(0)

                async def test_2(self):
                    await asyncio.sleep(0)

                async def tearDown(self):
                    await asyncio.sleep(0)

            Case.__name__ = Case.__qualname__ = f"{kind}_{is_of_class:d}_{count}"
            globals()[Case.__name__] = Case

        for kind in ("anyio", "asyncio"):
            for is_of_class in (False, True):
                for count in range(15):
                    case(kind, is_of_class, count)
        """
        for loop in self.loops():
            run = self.run_it(self.CRASH + text, f"--aio-loop={loop}")
            self.assertEqual(run.ran, 120, run.output)
            self.assertGreater(len(run.reports), 100)
            for report in run.reports:
                self.assertIn("LookupError: in the background", report)
                self.assertNotIn("CancelledError", report)

    def test_eager(self) -> None:
        """A task that is started eagerly, and crashes at once, ends the test with its own error."""
        if not hasattr(asyncio, "eager_task_factory"):
            self.skipTest("Python 3.12 and later start tasks eagerly")
        run = self.of(
            """
        def eager():
            loop = asyncio.new_event_loop()
            loop.set_task_factory(asyncio.eager_task_factory)
            return loop

        async def crash_at_once():
            raise LookupError("in the background")

        @aio.loop(eager)
        class Case(unittest.TestCase):
            async def setUp(self):
                self.group = await aio.enter_async_context(self, asyncio.TaskGroup())

            async def test(self):
                self.group.create_task(crash_at_once())
                await asyncio.sleep(30)

        @aio.loop(eager)
        class OfAClass(unittest.TestCase):
            @classmethod
            async def setUpClass(cls):
                cls.group = await aio.enter_class_async_context(cls, asyncio.TaskGroup())

            async def test(self):
                self.group.create_task(crash_at_once())
                await asyncio.sleep(30)
        """
        )
        in_class = "".join(run.reports).count("Class (test_it")
        self.assertEqual(len(run.reports), 2 + in_class, run.output)
        for report in run.reports:
            self.assertIn("LookupError: in the background", report)
        self.assertNotIn("CancelledError", run.output)


class CleanupsByHand(Covered):
    """``doCleanups()`` and the like, called by the user as unittest's documentation allows."""

    def test_sync_tear_down(self) -> None:
        """Cleanups of all kinds run at that call. The scope stays open to its end."""
        self.assert_ok(
            """
            import asyncio, unittest

            class Case(unittest.TestCase):
                async def setUp(self):
                    self.called = []
                    self.addCleanup(self.note)
                    self.addCleanup(self.called.append, 1)

                async def note(self):
                    await asyncio.sleep(0)
                    self.called.append(2)

                async def test(self):
                    self.loop = asyncio.get_running_loop()

                def tearDown(self):
                    self.doCleanups()
                    self.assertEqual(self.called, [1, 2])
                    self.assertFalse(self.loop.is_closed())
                    self.addCleanup(self.note)

            class InATest(Case):
                def test(self):
                    self.loop = asyncio.get_event_loop()
                    self.doCleanups()

            class NoScope(unittest.TestCase):
                def setUp(self):
                    self.called = []
                    self.addCleanup(self.note)

                note = Case.note

                def test(self):
                    self.doCleanups()
                    self.assertEqual(self.called, [2])

            class Old(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(self.loop)
                    self.addCleanup(self.loop.close)

                def test(self):
                    self.loop.run_until_complete(asyncio.sleep(0))

                def tearDown(self):
                    self.doCleanups()
                    asyncio.set_event_loop(None)
            """
        )

    def test_in_a_coroutine(self) -> None:
        """A coroutine can call sync cleanups. An async one is refused."""
        run = self.run_it(
            """
            import asyncio, unittest

            class Sync(unittest.TestCase):
                async def setUp(self):
                    self.addCleanup(print, "cleaned up")

                async def test(self):
                    self.doCleanups()
                    await asyncio.sleep(0)

            class Async(unittest.TestCase):
                async def test(self):
                    self.addCleanup(self.clean)
                    self.doCleanups()

                async def clean(self): ...

            class Future(unittest.TestCase):
                async def test(self):
                    self.addCleanup(asyncio.get_running_loop().create_future)
                    self.doCleanups()
            """
        )
        self.assertIn("cleaned up", run.output)
        self.assertIn("test (test_it.Sync.test) ... cleaned up\nok", run.output)
        report, future = run.reports
        self.assertIn("clean, test_it.py:16: an async cleanup can't be run while a loop", report)
        self.assertIn("create_future", future)
        self.assertNotIn("never awaited", run.output)

    def test_classes_and_modules(self) -> None:
        """Cleanups of classes and modules run at that call. Their scopes end after it."""
        self.assert_ok(
            """
            import asyncio, unittest

            called = []

            async def note(name):
                await asyncio.sleep(0)
                called.append(name)

            def setUpModule():
                unittest.addModuleCleanup(note, "module")

            def tearDownModule():
                unittest.doModuleCleanups()
                assert called == ["class", "module"], called

            class Case(unittest.TestCase):
                @classmethod
                async def setUpClass(cls):
                    cls.loop = asyncio.get_running_loop()
                    cls.addClassCleanup(note, "class")

                @classmethod
                def tearDownClass(cls):
                    cls.doClassCleanups()
                    assert not cls.loop.is_closed()

                async def test(self):
                    self.assertIs(asyncio.get_running_loop(), self.loop)
            """
        )

    def test_a_suite_in_a_test(self) -> None:
        """A test that runs a suite by itself keeps the loop of its module."""
        self.assert_ok(
            """
            import asyncio, unittest

            async def setUpModule():
                global loop
                loop = asyncio.get_running_loop()

            class Case(unittest.TestCase):
                def test_1(self):
                    class Inner(unittest.TestCase):
                        def test(self):
                            self.addCleanup(print)

                    unittest.TestSuite([Inner("test")]).run(unittest.TestResult())

                async def test_2(self):
                    self.assertIs(asyncio.get_running_loop(), loop)
            """
        )
