"""Every mistake that a user can make, with the full error message."""

from __future__ import annotations

import os
from unittest import TestCase, mock

from tests.runs import Project, Run


class Settings(TestCase):
    """Bad settings end the run before any test."""

    def assert_refused(self, run: Run, message: str) -> None:
        """The run ends with one line and exit code 2, before a test module is loaded."""
        self.assertEqual(run.output, f"nose2: error: {message}\n")
        self.assertEqual(run.returncode, 2)

    def project(self, *lines: str) -> Project:
        """Return a project with settings. Its test module must not be imported."""
        project = Project(self, test_it="print('imported')\ndef test_it(): pass")
        project.write("unittest.cfg", "\n".join(["[aio]", *lines, ""]))
        return project

    def test_file(self) -> None:
        """A wrong value in the file. tests/unit/config/test_settings.py has all of them."""
        for line, message in {
            "generators = all": (
                "generators must be auto, coroutine or nose2, got 'all' ([aio] generators)"
            ),
            "workers = -1": (
                "workers must be a whole number >= 0 or auto, got '-1' ([aio] workers)"
            ),
            "timelimit = 5": "unknown key 'timelimit' in [aio]: did you mean 'time-limit'?",
        }.items():
            with self.subTest(line):
                self.assert_refused(self.project(line).nose2(), message)

    def test_command_line(self) -> None:
        """A wrong value on the command line."""
        self.assert_refused(
            self.project().nose2("--aio-time-limit=soon"),
            "time-limit must be a finite number of seconds >= 0, got 'soon' (--aio-time-limit)",
        )
        self.assert_refused(
            self.project().nose2("--aio-workers=many"),
            "workers must be a whole number >= 0 or auto, got 'many' (--aio-workers)",
        )

    def test_environment(self) -> None:
        """An unknown environment variable; a wrong value, even if the command line wins over it."""
        with mock.patch.dict(os.environ, NOSE2_AIO_TIMELIMIT="5"):
            message = "unknown environment variable 'NOSE2_AIO_TIMELIMIT': did you mean"
            self.assert_refused(self.project().nose2(), f"{message} 'NOSE2_AIO_TIME_LIMIT'?")
        with mock.patch.dict(os.environ, NOSE2_AIO_WORKERS="-1"):
            self.assert_refused(
                self.project("workers = 1").nose2("--aio-workers=2"),
                "workers must be a whole number >= 0 or auto, got '-1' (NOSE2_AIO_WORKERS)",
            )

    def test_baseline_update(self) -> None:
        """Only the file of a baseline can be updated."""
        hint = "needs the file to update: --aio-baseline FILE"
        self.assert_refused(
            self.project().nose2("--aio-baseline-update"), f"--aio-baseline-update {hint}"
        )
        self.assert_refused(
            self.project("baseline-update = on").nose2(), f"[aio] baseline-update {hint}"
        )

    def test_environment_with_mp(self) -> None:
        """The command line wins in the processes of nose2's plugin mp, too."""
        project = Project(
            self,
            test_it="""
            import asyncio, unittest
            class Case(unittest.TestCase):
                async def test(self): await asyncio.sleep(0.1)
            """,
        )
        with mock.patch.dict(os.environ, NOSE2_AIO_TIME_LIMIT="0.01"):
            mp = ("--plugin", "nose2.plugins.mp", "-N", "1")
            self.assertIn("(NOSE2_AIO_TIME_LIMIT)", project.nose2().output)
            self.assertIn("TimeLimitError", project.nose2(*mp).output)
            run = project.nose2(*mp, "--aio-time-limit=10")
            self.assertEqual(run.returncode, 0, run.output)

    def test_mp(self) -> None:
        """Settings that nose2's own worker processes don't support."""
        hint = "can't be used with nose2's plugin mp (-N): leave out -N, and use --aio-workers=N"
        mp = ("--plugin", "nose2.plugins.mp", "-N", "2")
        for setting, value in (("workers", 2), ("retries", 1), ("repeat", 2)):
            project = Project(self, test_it="def test_it(): print('it ran')")
            run = project.nose2(*mp, f"--aio-{setting}={value}")
            self.assert_refused(run, f"--aio-{setting} {hint}")
            project.write("unittest.cfg", f"[aio]\n{setting} = {value}\n")
            self.assert_refused(project.nose2(*mp), f"[aio] {setting} {hint}")
        run = project.nose2(*mp, "--aio-repeat=1")
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)

    def test_shuffle(self) -> None:
        """The name of a test after a switch that takes an optional value."""
        self.assert_refused(
            self.project().nose2("--aio-shuffle", "test_it"),
            "shuffle must be true, false or a seed, a whole number >= 0, got 'test_it' "
            "(--aio-shuffle): write --aio-shuffle=SEED, or put --aio-shuffle after the names of "
            "tests",
        )

    def test_shards(self) -> None:
        """A shard that there isn't, and variables of a CI system that say nothing."""
        rule = "shard must be I/N, two whole numbers with 1 <= I <= N, such as 2/4, got"
        for text in ("0/4", "5/4", "x", "1/0"):
            run = self.project().nose2(f"--aio-shard={text}")
            self.assert_refused(run, f"{rule} {text!r} (--aio-shard)")
        numbers = "must be whole numbers I and N with 0 <= I < N, got '4' and '4'"
        for variables, message in (
            (
                {"CIRCLE_NODE_INDEX": "4", "CIRCLE_NODE_TOTAL": "4"},
                f"CIRCLE_NODE_INDEX and CIRCLE_NODE_TOTAL of CircleCI {numbers}",
            ),
            (
                {"CI_NODE_TOTAL": "4"},
                "GitLab sets CI_NODE_TOTAL and CI_NODE_INDEX, but here CI_NODE_INDEX is not set",
            ),
        ):
            with mock.patch.dict(os.environ, variables):
                run = self.project("shards = auto").nose2()
            self.assert_refused(run, f"shards: {message} ([aio] shards)")
        project = self.project()
        project.write("durations.txt", "a test")
        self.assert_refused(
            project.nose2("--aio-durations-file=durations.txt"),
            "durations-file: durations.txt can't be read: 'a test' is not a line of a durations "
            "file (--aio-durations-file)",
        )

    def test_interpolation(self) -> None:
        """A value that is invalid in the syntax of the file."""
        for text in ("5%", "%(x)s", "%(report)s"):
            self.assert_refused(
                self.project(f"report = {text}").nose2(),
                "report: in a configuration file, %(name)s stands for the value of another key, "
                f"and %% for a percent sign, got {text!r} ([aio] report)",
            )

    def test_switch(self) -> None:
        """A switch that there isn't. Other unknown switches are argparse's business."""
        for switch, hint in {
            "--aio-time-limt": "did you mean '--aio-time-limit'?",
            "--aio-time_limit=5": "did you mean '--aio-time-limit'?",
            "--no-aio-debg": "did you mean '--no-aio-debug'?",
            "--no-aio-loop-scope": "did you mean '--aio-loop-scope'?",
            "--aio-unheard-of": "'nose2 --help' lists all",
        }.items():
            name = switch.partition("=")[0]
            run = self.project().nose2("--aio-debug", switch, "5")
            self.assert_refused(run, f"unknown switch {name!r}: {hint}")
        for switch, message in {
            "--time-limit": "error: Unrecognized arguments: --time-limit\n",
            "--aio-time-limit": "argument --aio-time-limit: expected one argument\n",
        }.items():
            run = self.project().nose2(switch)
            self.assertEqual(run.returncode, 2)
            self.assertTrue(run.output.endswith(message), run.output)

    def test_section(self) -> None:
        """A section with the name of the plugin, which is never read."""
        where = "its name is [aio], and [tool.nose2.aio] in pyproject.toml"
        for name in ("nose2_aio", "nose2-aio"):
            project = self.project(f"[{name}]", "time-limit = 5")
            self.assert_refused(project.nose2(), f"the section [{name}] is never read: {where}")
            project = Project(self, test_it="print('imported')\ndef test_it(): pass")
            for table, message in {
                f"tool.{name}": (
                    f"the table [tool.{name}] in pyproject.toml is never read: its name is "
                    "[tool.nose2.aio]"
                ),
                f"tool.nose2.{name}": f"the section [{name}] is never read: {where}",
            }.items():
                project.write("pyproject.toml", f"[{table}]\ntime-limit = 5\n")
                self.assert_refused(project.nose2(), message)


class Tests(TestCase):
    """Tests that can't run as they are written fail, and say why."""

    def message(self, source: str) -> str:
        """Return the error of a project's only test."""
        run = Project(self, test_it=source).nose2()
        self.assertEqual((run.ran, run.returncode), (1, 1), run.output)
        (report,) = run.reports
        self.assertNotIn("Traceback", report)
        return report.partition("-" * 70 + "\n")[2].rstrip()

    def test_async_generator(self) -> None:
        """An async generator function as a test."""
        self.assertEqual(
            self.message("async def test_it():\n    yield 1\n"),
            "nose2_aio.errors.DefinitionError: test_it, test_it.py:1: an async generator function "
            "can't be a test, its body would never run.\n"
            "Take the 'yield' out of it, or make it a helper that a test iterates.",
        )

    def test_fixtures_of_isolated(self) -> None:
        """``asyncSetUp`` and the like in a plain class, where nobody calls them."""
        project = Project(
            self,
            test_it="""
            import asyncio, inspect, unittest

            class Base(unittest.TestCase):
                async def asyncSetUp(self): self.client = 1

            class Case(Base):
                async def test_passes(self): pass
                def test_fails(self): self.client
                def test_set_up(self): pass
                def setUp(self):
                    if "set_up" in self.id(): self.fail()

            class TestClass:
                def asyncTearDown(self): pass
                async def test(self): pass
                async def test_skipped(self): raise unittest.SkipTest

            class Cleanups(unittest.TestCase):
                async def test_cleanup(self): self.addAsyncCleanup(print)
                async def setUp(self):
                    if "context" in self.id(): self.enterAsyncContext()
                def test_context(self): pass
                def test_other(self): self.other()

            class Called(Base):
                called = ()
                def setUp(self):
                    self.assertTrue(inspect.iscoroutinefunction(self.asyncSetUp))
                    try: self.asyncSetUp().send(None)
                    except StopIteration: pass
                async def test_called(self): self.assertEqual(self.client, 1)

            class RunsItself(unittest.TestCase):
                def _callTestMethod(self, method): self.asyncSetUp(); method()
                def asyncSetUp(self): pass
                def setUp(self): self.skipTest("before that")
                def test(self): pass

            class CalledInTest(unittest.TestCase):
                def asyncSetUp(self): self.client = 1
                def asyncTearDown(self): self.client = 2
                def setUp(self): self.asyncSetUp()
                async def test_1(self): self.asyncTearDown()
                async def test_2(self): self.asyncTearDown()
                async def test_3(self): raise unittest.SkipTest

            class Mixin:
                async def asyncSetUp(self): pass

            class Both(Mixin, unittest.TestCase):
                def test_both(self): pass
                async def test_meant(self): pass

            class BeforeAndAfter(unittest.TestCase):
                def run(self, result=None):
                    asyncio.run(self.asyncSetUp())
                    super().run(result)
                    asyncio.run(self.asyncTearDown())
                async def asyncSetUp(self): pass
                async def asyncTearDown(self): pass
                def test(self): pass

            class NoFunctions(unittest.TestCase):
                asyncSetUp = None
                @classmethod
                async def asyncTearDown(cls): cls.is_called = True
                async def tearDown(self): await self.asyncTearDown()
                async def test_none(self): pass
            """,
        )
        for workers in ("0", "2"):
            run = project.nose2("-v", "--aio-workers", workers)
            self.assertEqual(
                run.output.count(
                    "DefinitionError: asyncSetUp, test_it.py:4: nobody has called it, since Case "
                    "is no IsolatedAsyncioTestCase.\nName it setUp, or derive the class from "
                    "IsolatedAsyncioTestCase."
                ),
                2,
                run.output,
            )
            reports = "".join(run.reports)
            self.assertEqual(reports.count("nobody has called it"), 4, run.output)
            self.assertIn("since Both is no Isolated", run.output)
            self.assertIn("since TestClass is no Isolated", run.output)
            self.assertIn("Name it tearDown, or", run.output)
            self.assertIn(
                "Only IsolatedAsyncioTestCase has it. Write self.addCleanup(function): it may be "
                "a coroutine function.",
                run.output,
            )
            self.assertIn("Write await aio.enter_async_context(self, manager).", run.output)
            self.assertEqual(run.output.count("Only Isolated"), 2)
            self.assertEqual(
                sorted(run.outcomes.values()),
                sorted(["ERROR"] * 7 + ["FAIL"] + ["ok"] * 6 + ["skipped"] * 3),
                run.output,
            )
            self.assertNotIn("nose2_aio/", run.output)

    def test_async_methods_of_unittest(self) -> None:
        """Methods that unittest calls to run a test can't be coroutine functions."""
        project = Project(self)
        names = ("run", "__call__", "doCleanups", "_callTestMethod")
        for name in names:
            project.write(
                f"test_{name}.py",
                f"""
                import unittest

                class Mixin:
                    async def {name}(self, *args): pass

                class Case(Mixin, unittest.TestCase):
                    async def test(self): self.fail("it ran")
                    def test_sync(self): self.fail("it ran")

                class Other(Mixin, unittest.IsolatedAsyncioTestCase):
                    async def test(self): self.fail("it ran")
                """,
            )
        for workers in ("0", "2"):
            run = project.nose2("-v", "--aio-workers", workers)
            self.assertEqual((run.returncode, run.ran), (1, 12), run.output)
            for name in names:
                message = (
                    f"DefinitionError: {name}, test_{name}.py:4: 'async def {name}' would never "
                    f"run: unittest calls {name} to run a test, and does not await it.\n"
                    "Make it a plain function, or give it another name."
                )
                self.assertEqual(run.output.count(message), 3, run.output)
            self.assertNotIn("it ran", run.output)

    def test_generates_tests(self) -> None:
        """A generator of tests that is treated as a coroutine."""
        self.assertEqual(
            self.message(
                """
                def cases():
                    yield len, ()

                def test_it():
                    yield from cases()
                """
            ),
            "nose2_aio.errors.DefinitionError: test_it, test_it.py:4: run as a coroutine, "
            "it yielded (<built-in function len>, ()).\n"
            "If it generates tests for nose2, use a plain 'yield' in its body and no tag, "
            "or set 'generators = nose2' in [aio].",
        )

    def test_returned_callable(self) -> None:
        """A test with run_until_complete that returns a callable."""
        self.assertEqual(
            self.message(
                """
                import nose2_aio as aio

                @aio.run_until_complete
                async def test_it():
                    return print
                """
            ),
            "nose2_aio.errors.DefinitionError: the test returned print, "
            "which run_until_complete would never call.\n"
            "Use run_forever, or await it in the test.",
        )

    def test_stopped(self) -> None:
        """A test that stops its loop."""
        self.assertEqual(
            self.message(
                """
                import asyncio

                async def test_it():
                    asyncio.get_running_loop().stop()
                    await asyncio.sleep(0)
                """
            ),
            "nose2_aio.errors.LoopStoppedError: the loop was stopped before the test was done\n\n"
            "busy at test_it.py:5 in test_it: is about to run\n\n"
            "It waits here:\n  test_it.py:5 in test_it  await asyncio.sleep(0)\n  is about to run",
        )

    def test_no_current_loop(self) -> None:
        """``current_loop`` without a current loop."""
        self.assertEqual(
            self.message(
                """
                import nose2_aio as aio

                @aio.run_until_complete(loop=aio.current_loop)
                async def test_it():
                    pass
                """
            ),
            "nose2_aio.errors.LoopError: there is no current event loop for current_loop to give: "
            "make one in a fixture, with asyncio.set_event_loop(asyncio.new_event_loop()), "
            "or leave out loop=",
        )

    def test_loop_factory(self) -> None:
        """A loop factory in place of a function that returns a context manager."""
        message = self.message(
            """
            import asyncio
            import nose2_aio as aio

            @aio.run_until_complete(loop=asyncio.new_event_loop)
            async def test_it():
                pass
            """
        )
        self.assertRegex(
            message,
            r"^nose2_aio\.errors\.InvalidTypeError: loop= must return a context manager that "
            r"gives an event loop, got <_UnixSelectorEventLoop .*> \(new_event_loop, .*:\d+\)",
        )

    def test_closed_loop(self) -> None:
        """A context manager that yields a closed loop, or None."""
        for given, message in {
            "loop": "LoopError: the context manager of loop= gave a closed event loop",
            "None": "InvalidTypeError: the context manager of loop= must give an event loop, "
            "got None",
        }.items():
            source = f"""
                import asyncio
                import contextlib
                import nose2_aio as aio

                loop = asyncio.new_event_loop()
                loop.close()

                @contextlib.contextmanager
                def context():
                    yield {given}

                @aio.run_until_complete(loop=context)
                async def test_it():
                    pass
                """
            self.assertEqual(
                self.message(source), f"nose2_aio.errors.{message} (context, test_it.py:8)"
            )

    def test_tag_by_hand(self) -> None:
        """An attribute that is not a number."""
        self.assertEqual(
            self.message(
                """
                async def test_it():
                    pass

                test_it.timeout = "5"
                """
            ).splitlines()[-1],
            "nose2_aio.errors.InvalidTypeError: timeout must be a finite number of seconds >= 0, "
            "got '5' (attribute timeout of test_it, test_it.py:1)",
        )


class Imports(TestCase):
    """A mistake where a test is defined makes the import of its module fail."""

    def assert_refused(self, messages: dict[str, str]) -> None:
        """A module with one of the lines can't be imported. The error says why."""
        project = Project(self)
        for number, line in enumerate(messages):
            project.write(
                f"test_{number}.py",
                f"import nose2_aio as aio\n\n{line}\nasync def test_it():\n    pass\n",
            )
        run = project.nose2()
        self.assertEqual((run.returncode, len(run.reports)), (1, len(messages)), run.output)
        for number, (line, message) in enumerate(messages.items()):
            with self.subTest(line):
                (report,) = (one for one in run.reports if f"test_{number}\n" in one)
                report = report.replace(f"test_{number}.py", "test_it.py")
                self.assertIn(f"nose2_aio.errors.{message}", report)

    def test_values(self) -> None:
        """Tags with invalid values."""
        rule = "must be a finite number of seconds >= 0, got"
        self.assert_refused(
            {
                "@aio.timeout(-1)": (
                    f"InvalidValueError: timeout {rule} -1 (@timeout, test_it.py:3)"
                ),
                "@aio.timeout(True)": (
                    f"InvalidTypeError: timeout {rule} True (@timeout, test_it.py:3)"
                ),
                "@aio.sleep('1')": f"InvalidTypeError: sleep {rule} '1' (@sleep, test_it.py:3)",
                "@aio.sleep(float('nan'))": (
                    f"InvalidValueError: sleep {rule} nan (@sleep, test_it.py:3)"
                ),
                "@aio.run_forever(timeout=-1)": (
                    f"InvalidValueError: timeout {rule} -1 (@run_forever, test_it.py:3)"
                ),
                "@aio.serial(5)": (
                    "InvalidTypeError: @serial is for functions and classes, got 5 "
                    "(@serial, test_it.py:3)"
                ),
                "@aio.exclusive": (
                    "InvalidTypeError: exclusive must be one or more non-empty strings, got <funct"
                ),
                "@aio.exclusive('a', at_most=0)": (
                    "InvalidValueError: at_most must be a whole number >= 1, got 0 "
                    "(@exclusive, test_it.py:3)"
                ),
                "@aio.exclusive('a', at_most=True)": (
                    "InvalidTypeError: at_most must be a whole number >= 1, got True "
                    "(@exclusive, test_it.py:3)"
                ),
                "@aio.retries(-1)": (
                    "InvalidValueError: retries must be a whole number >= 0, got -1 "
                    "(@retries, test_it.py:3)"
                ),
                "@aio.retries": (
                    "InvalidTypeError: retries must be a whole number >= 0, got <funct"
                ),
                "@aio.exclusive('a', 5)": (
                    "InvalidTypeError: exclusive must be one or more non-empty strings, got 5 "
                    "(@exclusive, test_it.py:3)"
                ),
            }
        )

    def test_missing_call(self) -> None:
        """A tag without its value, and a decorator with its value in the wrong place."""
        self.assert_refused(
            {
                "@aio.run_forever(5)": (
                    "InvalidTypeError: @run_forever is for functions, got 5; "
                    "its settings are given by name (@run_forever, test_it.py:3)"
                ),
                "@aio.timeout": (
                    "InvalidTypeError: timeout must be a finite number of seconds >= 0, got <funct"
                ),
                "@aio.run_until_complete(loop=None)": (
                    "InvalidTypeError: loop= must be a callable without arguments that returns a "
                    "context manager giving an event loop, got None "
                    "(@run_until_complete, test_it.py:3)"
                ),
            }
        )
