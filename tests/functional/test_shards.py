"""Parts of a suite, for several machines: --aio-shard, --aio-shards, --aio-durations-file."""

from __future__ import annotations

import itertools
import os
import pathlib
import re
from unittest import TestCase, mock

from nose2_aio.config import durations_file
from nose2_aio.config.durations_file import Duration
from tests.runs import STARTS_SKIPPED, Project, Run

SUITE = """
import asyncio
import time
import unittest
import nose2_aio as aio
from nose2.tools import params

def new_loop():
    return asyncio.SelectorEventLoop()

class Fixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        await asyncio.sleep(0.02)

    async def test_1(self): pass
    async def test_2(self): pass

class Inherited(Fixtures):
    @classmethod
    def setUpClass(cls):
        time.sleep(0.01)
        super().setUpClass()

class Plain(unittest.TestCase):
    def test_sync(self): pass
    async def test_async(self): await asyncio.sleep(0.02)
    @unittest.skip("not here")
    async def test_skipped(self): pass
    @aio.loop("asyncio", new_loop)
    async def test_on_loops(self): pass

@params(1, 2)
async def test_params(number): pass

def test_fails(): raise AssertionError
"""
MODULE = """
import unittest

async def setUpModule(): pass

class One(unittest.TestCase):
    async def test(self): pass

class Two(unittest.TestCase):
    async def test(self): pass
"""
LINE = re.compile(
    r"^shard (\d) of (\d): (\d+) of (\d+) tests(?:, about (\S+) s)? \(division (\w+)\)$",
    re.MULTILINE,
)
MP = ("--plugin=nose2.plugins.mp", "-N=2")


def names_in(run: Run) -> list[str]:
    """The names of the tests that ran. nose2 may not know that of a test that never started."""
    return sorted(
        name for name, outcome in run.outcomes.items() if STARTS_SKIPPED or outcome != "skipped"
    )


class Shards(TestCase):
    """Runs that together run the whole suite."""

    def setUp(self) -> None:
        """Write a project."""
        self.project = Project(self, test_it=SUITE, test_module=MODULE)

    def shard(self, number: int, count: int, *arguments: str) -> tuple[list[str], Run, str]:
        """The names of the tests that a shard ran, the run, and the hash of the division."""
        run = self.project.nose2("-v", f"--aio-shard={number}/{count}", *arguments)
        (line,) = LINE.findall(run.output)
        run = run._replace(output=LINE.sub("", run.output))
        again = run.outcomes.keys() & {"test_it.Plain.test_on_loops[new_loop]"}
        unstarted = not STARTS_SKIPPED and "(skipped=1)" in run.output
        expected = (str(number), str(count), str(run.ran - len(again) + unstarted), "13")
        self.assertEqual(line[:4], expected, run.output)
        return names_in(run), run, line[-1]

    def test_parts(self) -> None:
        """All kinds of tests are divided, in one process and in workers, also in nose2's."""
        whole = names_in(self.project.nose2("-v"))
        names, runs, marks = zip(*(self.shard(number, 3) for number in (1, 2, 3)), strict=True)
        self.assertEqual(sorted(itertools.chain(*names)), whole)
        self.assertEqual(sorted(run.returncode for run in runs), [0, 0, 1])
        self.assertEqual(len(set(marks)), 1)
        for part in names:
            for owner in ("test_it.Fixtures.", "test_it.Inherited.", "test_module."):
                self.assertIn(sum(name.startswith(owner) for name in part), (0, 2))
        workers = ("--aio-workers=2", "--aio-worker-start=fork")
        self.assertEqual(self.shard(1, 3, *workers)[0], names[0])
        workers = ("--aio-workers=2", "--aio-worker-start=spawn")
        self.assertEqual(self.shard(2, 3, *workers)[0], names[1])
        self.assertEqual(self.shard(3, 3, *MP)[0], names[2])

    def test_quiet(self) -> None:
        """The line is printed with ``-q``, too. A shard without tests succeeds."""
        project = Project(self, test_it="async def test(): pass")
        runs = [project.nose2("-q", f"--aio-shard={number}/2") for number in (1, 2)]
        self.assertEqual(sorted(run.ran for run in runs), [0, 1])
        for run in runs:
            self.assertRegex(run.output, LINE)
            self.assertEqual(run.returncode, 0)

    def test_not_loaded(self) -> None:
        """A module that can't be imported is an error in each shard."""
        self.project.write("test_broken.py", "import nowhere\n")
        for number in (1, 2):
            run = self.project.nose2(f"--aio-shard={number}/2")
            self.assertIn("nowhere", run.output)
            self.assertEqual(run.returncode, 1)

    def test_auto(self) -> None:
        """The variables of a CI system count only with ``shards = auto``. The switch wins."""
        variables = {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"}
        with mock.patch.dict(os.environ, variables):
            self.assertNotIn("shard", self.project.nose2().output)
            self.project.write("unittest.cfg", "[aio]\nshards = auto\n")
            self.assertIn("shard 2 of 3: ", self.project.nose2().output)
            self.assertIn("shard 1 of 2: ", self.project.nose2("--aio-shard=1/2").output)
        self.assertIn("shards = auto, but", self.project.nose2().output)

    def test_bazel(self) -> None:
        """Bazel's filter, its files and the JUnit report count with ``shards = auto``."""
        files = {
            name: str(self.project.folder / name)
            for name in ("TEST_SHARD_STATUS_FILE", "TEST_PREMATURE_EXIT_FILE", "XML_OUTPUT_FILE")
        }
        variables = {"TEST_SHARD_INDEX": "0", "TEST_TOTAL_SHARDS": "1", **files}
        variables["TESTBRIDGE_TEST_ONLY"] = "Plain.test_?ync test_module"
        self.project.write(
            "test_seen.py",
            """
            import os
            def test_module(): assert os.path.exists(os.environ["TEST_PREMATURE_EXIT_FILE"])
        """,
        )
        self.project.write("test_broken.py", "import nowhere\n")
        junit = ("--plugin=nose2.plugins.junitxml", "--junit-xml")
        with mock.patch.dict(os.environ, variables):
            for workers in ((), ("--aio-workers=2", "--aio-worker-start=spawn")):
                run = self.project.nose2("--aio-shards=auto", *junit, *workers)
                lines = run.output.splitlines()[:2]
                self.assertEqual(lines[0], "TESTBRIDGE_TEST_ONLY: 5 of 15 tests")
                self.assertRegex(lines[1], LINE)
                self.assertEqual((run.ran, run.returncode), (5, 1), run.output)
                self.assertEqual(len(run.reports), 1)
                found = {name for name, path in files.items() if pathlib.Path(path).exists()}
                self.assertEqual(found, {"TEST_SHARD_STATUS_FILE", "XML_OUTPUT_FILE"})
                for path in files.values():
                    pathlib.Path(path).unlink(missing_ok=True)
            run = self.project.nose2(*junit)
            self.assertNotIn("TESTBRIDGE", run.output)
            self.assertGreater(run.ran, 5)
            self.assertTrue(pathlib.Path(self.project.folder, "nose2-junit.xml").exists())
        lost = dict.fromkeys(files, "nowhere/file")
        with mock.patch.dict(os.environ, {"TESTBRIDGE_TEST_ONLY": "nothing", **lost}):
            run = self.project.nose2("--aio-shards=auto", "test_it")
        self.assertIn("TESTBRIDGE_TEST_ONLY: 0 of 11 tests", run.output)
        self.assertIn("shards: a file of Bazel could not be written: ", run.output)
        self.assertNotIn("all tests run", run.output)
        self.assertEqual((run.ran, run.returncode), (0, 0))


class Durations(TestCase):
    """The file with the durations of tests."""

    def recorded(self, project: Project, name: str = "durations.txt") -> dict[str, Duration]:
        """The lines of the file."""
        return durations_file.read(str(project.folder / name))

    def test_written(self) -> None:
        """Any run writes the file: tests that passed or were skipped, and fixtures."""
        project = Project(self, test_it=SUITE, test_module=MODULE)
        tests = {
            *("test_it.Plain.test_sync", "test_it.Plain.test_async", "test_it.Plain.test_skipped"),
            *("test_it.Fixtures.test_1", "test_it.Fixtures.test_2", "test_module.One.test"),
            *("test_it.Inherited.test_1", "test_it.Inherited.test_2", "test_module.Two.test"),
            *("test_it.test_params:1", "test_it.test_params:2"),
            *(f"test_it.Plain.test_on_loops[{loop}]" for loop in ("asyncio", "new_loop")),
        }
        fixtures = {"test_it.Fixtures", "test_it.Inherited", "test_module"}
        for arguments in ([], ["--aio-workers=2"], MP):
            with self.subTest(arguments):
                (project.folder / "durations.txt").unlink(missing_ok=True)
                run = project.nose2("--aio-durations-file=durations.txt", *arguments)
                found = self.recorded(project)
                self.assertEqual({*found}, tests | fixtures, run.output)
                for name, least in (
                    ("test_it.Fixtures", 0.02),
                    ("test_it.Inherited", 0.03),
                    ("test_it.Plain.test_async", 0.02),
                    ("test_it.Plain.test_sync", 0),
                ):
                    seconds, waiting = found[name]
                    self.assertGreaterEqual(seconds, least - 0.0001)
                    self.assertGreaterEqual(waiting, 0.9 * least)
                    self.assertLessEqual(waiting, seconds)
                self.assertEqual(found["test_it.Plain.test_sync"].waiting, 0)

    def test_merged(self) -> None:
        """A run keeps what it did not measure. A shard writes a file of its own."""
        project = Project(self, test_it="def test_1(): pass\ndef test_2(): pass\n")
        old = "test_it.test_1\t9.0000\t1.0000\ngone.test\t1.0000\t0.0000\n"
        project.write("durations.txt", old)
        runs = [
            project.nose2("--aio-durations-file=durations.txt", f"--aio-shard={number}/2")
            for number in (1, 2)
        ]
        self.assertIn("about 9.0 s", "".join(run.output for run in runs))
        self.assertEqual((project.folder / "durations.txt").read_text(), old)
        parts = [self.recorded(project, f"durations-{number}-of-2.txt") for number in (1, 2)]
        self.assertEqual(sorted(map(len, parts)), [1, 1])
        project.nose2("--aio-durations-file=durations.txt", "test_it.test_1")
        found = self.recorded(project)
        self.assertEqual({*found}, {"test_it.test_1", "gone.test"})
        self.assertLess(found["test_it.test_1"].seconds, 9)

    def test_not_written(self) -> None:
        """If the file can't be written, a line says so."""
        text = "import pathlib\ndef test():\n    pathlib.Path('new').write_text('')\n"
        project = Project(self, test_it=text)
        run = project.nose2("--aio-durations-file=new/durations.txt")
        self.assertIn("durations-file: new/durations.txt could not be written: ", run.output)
        self.assertEqual(run.returncode, 0)
