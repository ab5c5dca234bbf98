"""nose2_aio.standalone"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import warnings
from typing import Any
from unittest import TestCase, TestResult, TextTestResult, defaultTestLoader, mock, runner

import nose2_aio as aio
from nose2_aio import standalone
from nose2_aio.cases import hooks
from nose2_aio.config.settings import Settings
from nose2_aio.errors import AioWarning, InvalidValueError
from nose2_aio.running import process_end
from tests.runs import Project


def result_of(*tests: Any) -> TestResult:
    """Run classes and tests, in a run of their own."""
    result = TestResult()
    with mock.patch.dict(standalone._runs, clear=True):
        for one in tests:
            is_class = isinstance(one, type)
            (defaultTestLoader.loadTestsFromTestCase(one) if is_class else one).run(result)
        for run in standalone._runs.values():
            run.end()
    return result


class Files(TestCase):
    """The settings are those of nose2's files, and of the environment."""

    def read(self, files: dict[str, str], **environment: str) -> Settings:
        project = Project(self)
        for name, text in files.items():
            project.write(name, text)
        home = {"HOME": str(project.folder / "home"), "USERPROFILE": str(project.folder / "home")}
        with contextlib.chdir(project.folder), mock.patch.dict(os.environ, home | environment):
            return standalone._settings()

    def test_files(self) -> None:
        """Files of the folder and the home directory; those that nose2 reads last win."""
        files = {
            "unittest.cfg": "[aio]\ntime-limit = 1\ngrace = 2\nslow = 3",
            "pyproject.toml": "[tool.nose2.aio]\ngrace = 5\nslow = 5",
            "home/.nose2.cfg": "[aio]\nslow = 7",
        }
        found = self.read(files, NOSE2_AIO_GENERATORS="nose2")
        self.assertEqual((found.time_limit, found.grace, found.slow), (1, 5, 7))
        self.assertEqual(found.generators, "nose2")
        self.assertEqual(self.read({}).places, {})

    def test_needs_nose2(self) -> None:
        """Settings that need nose2 have no effect. In the environment, a warning says so."""
        variables = {"NOSE2_AIO_SHARDS": "auto", "CI_NODE_TOTAL": "2", "NOSE2_AIO_WORKERS": "x"}
        found = self.read({"unittest.cfg": "[aio]\nrepeat = 3"}, **variables)
        self.assertEqual((found.shard, found.workers, found.repeat), (None, 0, 1))

        class Case(aio.TestCase):
            def test(self) -> None: ...

        with mock.patch.dict(os.environ, variables), self.assertWarns(AioWarning) as caught:
            result_of(Case)
        self.assertEqual(
            str(caught.warning),
            "without nose2, these have no effect: NOSE2_AIO_WORKERS, NOSE2_AIO_SHARDS",
        )

    def test_environment(self) -> None:
        """The environment wins over the files. Messages name the variable."""
        files = {"nose2.cfg": "[aio]\ntime-limit = 1"}
        found = self.read(files, NOSE2_AIO_TIME_LIMIT="2")
        self.assertEqual(found.time_limit, 2)
        self.assertEqual(found.places["time_limit"], "NOSE2_AIO_TIME_LIMIT")

    def test_baseline(self) -> None:
        """A baseline that nose2 has not written yet hides nothing."""
        files = {"unittest.cfg": "[aio]\nbaseline = known.txt\nbaseline-update = on"}
        found = self.read(files)
        self.assertEqual((found.baseline, found.baseline_update), ("", False))
        self.assertTrue(self.read({**files, "known.txt": ""}).baseline.endswith("known.txt"))

    def test_mistakes(self) -> None:
        """A value, a file or a variable that is wrong."""
        for file, environment, message in (
            (
                "[aio]\ntime-limit = soon",
                "",
                "time-limit must be a finite number of seconds >= 0, ",
            ),
            ("", "NOSE2_AIO_DEBUG", "debug must be true or false, got 'maybe' (NOSE2_AIO_DEBUG)"),
            (
                "",
                "NOSE2_AIO_TIMELIMIT",
                (
                    "unknown environment variable 'NOSE2_AIO_TIMELIMIT': did you mean "
                    "'NOSE2_AIO_TIME_LIMIT'?"
                ),
            ),
            ("", "NOSE2_AIO_XYZ", "unknown environment variable 'NOSE2_AIO_XYZ': known: NOSE2_AI"),
            (
                "[aio]\nbaseline = %(here)s",
                "",
                "baseline: in a configuration file, %(name)s stands ",
            ),
            ("time-limit = 5", "", "one of these can't be read: /"),
            ("[nose2_aio]", "", "the section [nose2_aio] is never read: "),
        ):
            given = {environment: "maybe"} if environment else {}
            with self.subTest(message), self.assertRaises(InvalidValueError) as caught:
                self.read({"unittest.cfg": file}, **given)
            self.assertTrue(str(caught.exception).startswith(message), caught.exception)
        for text in ("[tool", "[tool.nose2]\naio = 3"):
            with self.assertRaisesRegex(
                InvalidValueError, "^one of these can't be read: .*project"
            ):
                self.read({"pyproject.toml": text})


class Mistakes(TestCase):
    """Settings that are wrong, and modules with async fixtures, fail each test."""

    def test_setting(self) -> None:
        """Each test and each class fixture fails; nothing runs."""
        wrong = mock.patch.object(standalone, "_settings", side_effect=InvalidValueError("wrong"))

        class Case(aio.TestCase):
            async def test_1(self) -> None: ...
            def test_2(self) -> None: ...

        class Fixture(Case):
            @classmethod
            def setUpClass(cls) -> None: ...

        with wrong:
            errors = result_of(Case, Fixture).errors
        self.assertEqual(len(errors), 3)
        for _, text in errors:
            self.assertTrue(text.endswith("nose2_aio.errors.InvalidValueError: wrong\n"), text)

    def test_module(self) -> None:
        """An async fixture of the module: nobody has awaited it."""

        class Case(aio.TestCase):
            async def test(self) -> None: ...

        async def setUpModule() -> None: ...

        with mock.patch.dict(globals(), setUpModule=setUpModule):
            ((_, text),) = result_of(Case("test")).errors
        self.assertRegex(
            text,
            r"in test\n +async def test.*\nnose2_aio.errors.DefinitionError: setUpModule, "
            r"tests/unit/test_standalone.py:\d+: an async fixture of a module needs nose2 with the "
            "plugin: nobody has awaited it.\n"
            "Make it a fixture of the class, or run 'nose2 --plugin nose2_aio'.\n$",
        )


class Stuck(TestCase):
    """A test that catches every exception."""

    def test_stuck(self) -> None:
        """Under ``python -m unittest`` its error is printed, and the process ends with status 1."""

        class Case(aio.TestCase):
            def test(self) -> None:
                runs.extend(standalone._runs.values())
                runs[0]._run.time_limits.on_stuck(LookupError("stuck"), sys._getframe())

        runs: list[standalone.Standalone] = []
        printed = io.StringIO()
        with (
            mock.patch.object(process_end, "will_exit", return_value=True),
            mock.patch.object(process_end, "leave") as leave,
            mock.patch.dict(standalone._runs, clear=True),
        ):
            Case("test").run(TextTestResult(runner._WritelnDecorator(printed), True, 1))
            self.assertEqual(standalone._runs, {})
        runs[0].end()
        leave.assert_called_once_with(1)
        self.assertIn("LookupError: stuck\n\nIt catches every exception", printed.getvalue())


class Warnings(TestCase):
    """What fails no test becomes a warning."""

    class Case(aio.TestCase):
        @classmethod
        async def setUpClass(cls) -> None:
            cls.task = asyncio.create_task(asyncio.sleep(30), name="left")

        @aio.checks(never_awaited="warn")
        async def test(self) -> None:
            self.kept = self.leave()

        async def leave(self) -> None: ...

        @aio.loop("asyncio", "uvloop")
        async def test_loops(self) -> None: ...

        @aio.loop("asyncio", "uvloop")
        async def test_loops_again(self) -> None: ...

        async def test_wrong(self) -> None: ...

        test_wrong.loop = 5

    def test_warnings(self) -> None:
        """Findings that only warn, at their lines. A test with several loops runs on the first."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = result_of(self.Case)
        ((test, text),) = result.errors
        self.assertIn("test_wrong", test.id())
        self.assertIn("loop must be a callable", text)
        self.assertEqual({one.category for one in caught}, {AioWarning})
        self.assertEqual(caught[0].filename, "tests/unit/test_standalone.py")
        finding, loops, left = (str(one.message) for one in caught)
        self.assertRegex(finding, r"Case.test\n.*leave was never awaited")
        self.assertEqual(
            loops,
            "loop: without nose2, tests run on one loop only, asyncio, and not on uvloop",
        )
        self.assertRegex(left, r"Warnings.Case\n.*the task left \(sleep\) was still pending")

    def test_errors(self) -> None:
        """Where warnings are errors, they fail the test, or the class."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", AioWarning)
            result = result_of(self.Case)
        names = [test.id().rpartition(".")[2] for test, _ in result.errors]
        self.assertEqual(names, ["test", "test_loops", "test_wrong", "Case)"])
        self.assertIn("AioWarning: ", result.errors[0][1])
        self.assertIn("AioWarning: ", result.errors[3][1])


class Nested(TestCase):
    """A suite that a test runs."""

    def test_charge(self) -> None:
        """Its run steps in, and not that of the test; then that of the test does again."""
        seen = []

        class Case(aio.TestCase):
            async def test(self) -> None:
                seen.append(hooks.in_charge())

        before = hooks.in_charge()
        self.assertTrue(result_of(Case).wasSuccessful())
        self.assertIs(hooks.in_charge(), before)
        self.assertIsNot(seen[0], before)
