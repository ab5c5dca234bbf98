"""Options of nose2, and ours, for tests in worker processes."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from unittest import mock
from xml.etree import ElementTree as ET

from tests.runs import TOP
from tests.workers import Workers, separately

FAILING = """
class A(unittest.TestCase):
    def test_1(self):
        time.sleep(0.03)

class B(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        note("set up")
    def test_1(self):
        time.sleep(0.02)
        self.fail("first")
    def test_2(self):
        note("never")
    @classmethod
    def tearDownClass(cls):
        note("torn down")

class C(unittest.TestCase):
    def test_1(self):
        self.fail("second")
    def test_2(self):
        pass
"""


class Options(Workers):
    """Options of nose2."""

    def test_failfast(self) -> None:
        """``-F``: tests after the first failure, in the suite's order, are not reported."""
        project = self.project(FAILING)
        serial = self.assert_same(project, "-F", workers="3")
        self.assertIn("Ran 2 tests", serial.stderr)
        self.assertNotIn("second", serial.stderr)
        self.assertEqual(self.notes(project), ["set up", "torn down"] * 2)

    def test_buffer_and_log_capture(self) -> None:
        """``-B`` and ``--log-capture`` show a failed test's output and log."""
        project = self.project(
            """
import logging

log = logging.getLogger("it")

class Case(unittest.TestCase):
    def test_fails(self):
        print("printed by", "test_fails")
        print("to stderr by", "test_fails", file=sys.stderr)
        log.error("logged %s by test_fails", object)
        self.fail()
    def test_logs_error(self):
        try:
            raise LookupError("lost")
        except LookupError:
            log.exception("logged with an error")
        self.fail()
    def test_passes(self):
        print("printed by", "test_passes")
        log.error("logged by test_passes")
"""
        )
        serial = self.assert_same(
            project, "--plugin=nose2.plugins.logcapture", "--log-capture", "-B"
        )
        reports = serial.stderr.partition("=" * 70)[2]
        for text in ("printed by test_fails", "logged <class 'object'> by test_fails"):
            self.assertEqual(reports.count(text), 1, reports)
        self.assertIn("LookupError: lost", reports)
        self.assertNotIn("by test_passes", reports)
        self.assertEqual(serial.stdout, "")

    def test_selection(self) -> None:
        """``-A`` selects tests; so do names."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test_1(self): pass
    def test_2(self): pass
    test_2.fast = True
"""
        )
        found = self.assert_same(project, "--plugin=nose2.plugins.attrib", "-A", "fast")
        self.assertIn("Ran 1 test in", found.stderr)
        found = self.assert_same(project, "test_it.Case.test_1")
        self.assertIn("Ran 1 test in", found.stderr)

    def test_prettyassert(self) -> None:
        """nose2's prettyassert plugin explains assert statements."""
        project = self.project(
            """
def test():
    number = 3
    assert number == 4, "no"
"""
        )
        arguments = ("--plugin=nose2.plugins.prettyassert", "--pretty-assert")
        found = self.assert_same(project, *arguments)
        self.assertIn("number = 3", found.stderr)

    def test_debugger_option(self) -> None:
        """``-D``: tests run in the main process, and a line says so."""
        project = self.project(
            "import multiprocessing\ndef test():\n    note(multiprocessing.parent_process())\n"
        )
        arguments = ("--plugin=nose2.plugins.debugger", "--aio-workers=2")
        run = project.nose2(*arguments, "-D")
        self.assertEqual(run.output.count("workers: with -D, tests run in the main process\n"), 1)
        self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
        self.assertEqual(self.notes(project), ["None"])
        run = project.nose2(*arguments)
        self.assertNotIn("-D", run.output)
        self.assertNotEqual(self.notes(project), ["None"])

    def test_breakpoint(self) -> None:
        """A test that calls ``breakpoint()`` runs in the main process. A line says so."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test_1(self):
        note(1, os.getppid())
    def test_2(self):
        print("asked")
        word = "found"
        breakpoint()
        note(2, os.getppid(), word)
    async def test_3(self):
        note(3, os.getppid())
"""
        )
        found = subprocess.run(
            [sys.executable, "-m", "nose2", "--plugin", "nose2_aio", "--aio-workers=2"],
            cwd=project.folder,
            env={**os.environ, "PYTHONPATH": str(TOP), "NO_COLOR": "1"},
            input="p word * 2\nword = 'changed'\ncontinue\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertIn("'foundfound'", found.stdout)
        self.assertEqual(found.stdout.count("asked"), 1, found.stdout)
        self.assertEqual(
            found.stderr.count(
                "test_it.Case.test_2: it asks for a debugger, so it ran in the main process\n"
            ),
            1,
            found.stderr,
        )
        self.assertIn("Ran 3 tests", found.stderr)
        notes = sorted(self.notes(project))
        self.assertEqual(notes[1], f"2 {os.getpid()} changed")
        self.assertNotIn(str(os.getpid()), notes[0] + notes[2])

    def test_shuffle(self) -> None:
        """A random order is the same in workers."""
        project = self.project("".join(f"def test_{n}(): pass\n" for n in range(8)))
        found = self.assert_same(project, "--aio-shuffle=3")
        self.assertIn("shuffled with --aio-shuffle=3", found.stderr)
        spawn = separately(
            project, "-v", "--aio-shuffle=3", "--aio-workers=2", "--aio-worker-start=spawn"
        )
        self.assertEqual(spawn, found)
        drawn = separately(project, "--aio-shuffle", "--aio-workers=2", "--aio-worker-start=spawn")
        self.assertEqual(drawn.returncode, 0, drawn.stderr)

    def test_checks_and_reports(self) -> None:
        """Findings and timings are collected in the main process."""
        project = self.project(
            """
class Case(unittest.TestCase):
    async def test_1(self):
        asyncio.create_task(asyncio.sleep(9), name="left")
        await asyncio.sleep(0.01)
    async def test_2(self):
        await asyncio.sleep(0.02)
"""
        )
        arguments = ("--aio-report=report.json", "--aio-leaked-tasks=warn", "--aio-baseline=known")
        reports = []
        for workers in ("0", "2"):
            (project.folder / "known").unlink(missing_ok=True)
            run = project.nose2(*arguments, f"--aio-workers={workers}")
            self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
            known = (project.folder / "known").read_text()
            report = json.loads((project.folder / "report.json").read_text())
            self.assertIn("leaked-tasks", known)
            reports.append((known, [test["id"] for test in report["tests"]]))
        self.assertEqual(*reports)

    def test_times(self) -> None:
        """The JUnit report has the times at which tests ran, not those of their replay."""
        project = self.project(
            """
class Case(unittest.TestCase):
    def test_1(self):
        note(time.time())
        time.sleep(0.6)
    def test_2(self):
        note(time.time())
"""
        )
        run = project.nose2("--plugin=nose2.plugins.junitxml", "--junit-xml", "--aio-workers=2")
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
        tree = ET.parse(project.folder / "nose2-junit.xml")
        first, second = tree.iter("testcase")
        self.assertGreaterEqual(float(first.get("time", "")), 0.6)
        self.assertLess(float(second.get("time", "")), 0.3)
        began = [
            dt.datetime.fromisoformat(one.get("timestamp", "")).timestamp()
            for one in (first, second)
        ]
        for said, noted in zip(sorted(began), sorted(self.notes(project)), strict=True):
            self.assertAlmostEqual(said, float(noted), delta=0.3)

    def test_coverage(self) -> None:
        """With its multiprocessing settings, coverage measures code in workers."""
        project = self.project(
            """
import code_under_test

class Case(unittest.TestCase):
    def test_1(self):
        self.assertEqual(code_under_test.one(), 1)
    async def test_2(self):
        self.assertEqual(await code_under_test.two(), 2)
""",
            code_under_test="def one():\n    return 1\n\nasync def two():\n    return 2\n",
        )
        project.write(
            ".coveragerc",
            "[run]\nconcurrency = multiprocessing, thread\nparallel = true\n"
            "include = code_under_test.py\n",
        )
        # these tests may run under coverage themselves
        names = [name for name in os.environ if name.startswith("COVERAGE_")]
        for start in ("fork", "spawn"):
            with self.subTest(start), mock.patch.dict(os.environ):
                for name in names:
                    del os.environ[name]
                run = project.python(
                    *("-m", "coverage", "run", "-m", "nose2", "--plugin", "nose2_aio"),
                    *("--aio-workers=2", f"--aio-worker-start={start}"),
                )
                self.assertEqual((run.returncode, run.ran), (0, 2), run.output)
                self.assertEqual(project.python("-m", "coverage", "combine", "-q").returncode, 0)
                report = project.python("-m", "coverage", "report")
                self.assertRegex(report.output, r"code_under_test.py +4 +0 +100%")
