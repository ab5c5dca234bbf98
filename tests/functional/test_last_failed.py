"""The tests that failed last: --aio-last-failed, --aio-failed-first."""

from __future__ import annotations

from unittest import TestCase

from tests.runs import Project, Run

SUITE = """
import pathlib
import unittest
import nose2_aio as aio

def is_fixed():
    return pathlib.Path(__file__).with_name("fixed").exists()

class Plain(unittest.TestCase):
    async def test_good(self): pass

    async def test_bad(self):
        assert is_fixed()

    def test_subtests(self):
        for number in range(2):
            with self.subTest(number):
                assert is_fixed()

    @aio.loop("asyncio", "asyncio.SelectorEventLoop")
    async def test_loops(self):
        assert is_fixed()

class Broken(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        assert is_fixed()

    async def test_1(self): pass
    async def test_2(self): pass

class Shared(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.is_set_up = True

    async def test_1(self): pass

    async def test_2(self):
        assert self.is_set_up and is_fixed()

    async def test_3(self): pass

if not is_fixed():
    unexpected = unittest.expectedFailure
else:
    def unexpected(function): return function

class Unexpected(unittest.TestCase):
    @unexpected
    async def test(self): pass
"""
SAVED = [
    "test_it.Broken",
    *("test_it.Plain.test_bad", "test_it.Plain.test_loops[SelectorEventLoop]"),
    *("test_it.Plain.test_loops[asyncio]", "test_it.Plain.test_subtests"),
    *("test_it.Shared.test_2", "test_it.Unexpected.test"),
]
BROKEN = ["test_it.Broken.test_1", "test_it.Broken.test_2"]
MP = ("--plugin=nose2.plugins.mp", "-N=2")


class LastFailed(TestCase):
    """Runs of the tests that failed last."""

    def setUp(self) -> None:
        """Write a project, and run it once."""
        self.project = Project(self, test_it=SUITE)
        self.folder = self.project.folder / ".nose2_aio"

    def saved(self) -> list[str]:
        """The names of the tests that failed last."""
        return (self.folder / "failed.txt").read_text().splitlines()

    def names(self, run: Run, line: str) -> list[str]:
        """The names of the tests that ran; the run begins with a line."""
        first, _, rest = run.output.partition("\n")
        self.assertEqual(first, line)
        return sorted(run._replace(output=rest).outcomes)

    def test_way(self) -> None:
        """Failed tests run again until they pass. What else runs changes nothing."""
        for arguments in ([], ["--aio-workers=2"], MP):
            with self.subTest(arguments):
                for file in ("fixed", ".nose2_aio/failed.txt"):
                    (self.project.folder / file).unlink(missing_ok=True)
                run = self.project.nose2(*arguments)
                # nose2's own workers send neither the names of fixtures nor single tests of a class
                saved = [name for name in SAVED if arguments is not MP or "Broken" not in name]
                self.assertEqual((run.returncode, self.saved()), (1, saved), run.output)
                self.assertEqual((self.folder / ".gitignore").read_text(), "*\n")
                run = self.project.nose2("test_it.Plain.test_good", *arguments)
                self.assertEqual((run.returncode, self.saved()), (0, saved))
                (self.project.folder / "fixed").touch()
                run = self.project.nose2("-v", "--aio-last-failed", *arguments)
                names = [*BROKEN, *SAVED[1:]]
                if arguments is MP:
                    names = [*SAVED[1:], "test_it.Shared.test_1", "test_it.Shared.test_3"]
                line = f"last-failed: {5 if arguments is MP else 7} of 10 tests"
                self.assertEqual(self.names(run, line), sorted(names), run.output)
                self.assertEqual((run.returncode, self.saved()), (0, []))
                run = self.project.nose2("-v", "--aio-last-failed", *arguments)
                line = "last-failed: none of these tests failed last, so all run"
                self.assertEqual((run.returncode, len(self.names(run, line))), (0, 11))

    def test_first(self) -> None:
        """Failed tests run first, also in random orders and before longer tests."""
        self.project.nose2()
        names = [f"test_it.Plain.test_{name}" for name in ("bad", "subtests", "good")]
        self.project.write("durations.txt", "test_it.Plain.test_good\t9\t0\n")
        for arguments in (
            [],
            ["--aio-shuffle=1"],
            ["--aio-workers=1"],
            ["--aio-workers=2", "--aio-durations-file=durations.txt"],
        ):
            run = self.project.nose2("-v", "--aio-failed-first", *names[::-1], *arguments)
            self.assertIn("failed-first: 2 of 3 tests run first\n", run.output)
            rest = run.output.partition("failed-first: ")[2].partition("\n")[2]
            found = list(run._replace(output=rest).outcomes)
            self.assertEqual((found[2], sorted(found)), (names[2], sorted(names)), run.output)

    def test_none(self) -> None:
        """Nothing is written as long as no test fails, nor for what could not be loaded."""
        self.project.nose2("test_it.Plain.test_good")
        self.project.nose2("test_it.nothing")
        self.assertFalse(self.folder.exists())

    def test_read_only(self) -> None:
        """If the file can't be written, a line says so."""
        self.folder.touch()
        run = self.project.nose2("test_it.Plain")
        self.assertIn("last-failed: the failed tests could not be saved: ", run.output)
        self.assertIn("FAILED (failures=5)", run.output)

    def test_shard(self) -> None:
        """Of a shard, only the tests that failed last run."""
        self.project.nose2()
        runs = [self.project.nose2("--aio-last-failed", f"--aio-shard={n}/2") for n in (1, 2)]
        counts = [run.output.partition("last-failed: ")[2].split()[0] for run in runs]
        self.assertEqual(sum(map(int, counts)), 7, [run.output for run in runs])

    def test_top(self) -> None:
        """The file is in the top-level folder of the run."""
        self.project.write("tests/test_inner.py", "def test(): raise AssertionError")
        self.project.write("tests/__init__.py", "")
        self.project.nose2("-s", "tests", "-t", ".")
        self.assertEqual(self.saved(), ["tests.test_inner.test"])
