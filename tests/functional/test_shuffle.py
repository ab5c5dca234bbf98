"""Random orders: --aio-shuffle."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project, Run

MIXED = """
import asyncio
import unittest

def note(what):
    with open("ran.txt", "a") as file:
        print(what, file=file)

class Fixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        cls.loop = asyncio.get_running_loop()
        note("set up")

    async def test_1(self):
        assert self.loop is asyncio.get_running_loop()
        note("fixtures 1")

    async def test_2(self):
        assert self.loop is asyncio.get_running_loop()
        note("fixtures 2")

    def test_3(self):
        note("fixtures 3")

    @classmethod
    async def tearDownClass(cls):
        assert cls.loop is asyncio.get_running_loop()
        note("tear down")

class Plain(unittest.TestCase):
    async def test_1(self):
        note("plain 1")

    async def test_2(self):
        note("plain 2")

    def test_3(self):
        note("plain 3")

async def test_function():
    note("function")

class TestClass:
    async def test_method(self):
        note("method")
"""
CLASS = ["set up", "fixtures 1", "fixtures 2", "fixtures 3", "tear down"]
LINE = re.compile(r"^shuffled with --aio-shuffle=(\d+)$", re.MULTILINE)


class Shuffled(TestCase):
    """The order of a run."""

    def setUp(self) -> None:
        """Create a project that notes which tests have run."""
        self.project = Project(self, test_mixed=MIXED)

    def ran(self, *arguments: str) -> tuple[list[str], Run]:
        """Return the names of the tests that have run, in order."""
        file = self.project.folder / "ran.txt"
        file.unlink(missing_ok=True)
        run = self.project.nose2(*arguments)
        return file.read_text().splitlines(), run

    def assert_whole(self, ran: list[str]) -> None:
        """All tests ran, and the class with fixtures ran in one piece and in its order."""
        begin = ran.index("set up")
        self.assertEqual(ran[begin : begin + len(CLASS)], CLASS)
        rest = ["plain 1", "plain 2", "plain 3", "function", "method"]
        self.assertCountEqual(ran, [*CLASS, *rest])

    def test_seed(self) -> None:
        """A seed gives the same order each time. Another seed gives another order."""
        plain, run = self.ran()
        self.assertNotIn("shuffled", run.output)
        orders = set()
        for seed in range(2):
            ran, run = self.ran(f"--aio-shuffle={seed}")
            self.assertEqual((run.returncode, run.ran), (0, 8), run.output)
            self.assert_whole(ran)
            orders.add(tuple(ran))
        self.assertEqual(self.ran("--aio-shuffle=1")[0], ran)
        self.assertEqual(len(orders - {tuple(plain)}), 2)

    def test_drawn(self) -> None:
        """Without a seed, one is drawn and printed before the tests. It repeats the order."""
        for arguments in (["test_mixed", "--aio-shuffle"], ["--aio-shuffle", "-v"]):
            ran, run = self.ran(*arguments)
            (seed,) = LINE.findall(run.output)
            self.assertTrue(run.output.startswith("shuffled with"), run.output)
            self.assertEqual(self.ran("--aio-shuffle", seed)[0], ran)
        quiet = self.ran("-q", "--aio-shuffle")[1]
        self.assertNotIn("shuffled", quiet.output)

    def test_file(self) -> None:
        """The setting can stand in the file. The command line wins."""
        self.project.write("unittest.cfg", "[aio]\nshuffle = 3\n")
        ran, run = self.ran()
        self.assertEqual(LINE.findall(run.output), ["3"])
        self.assertEqual(ran, self.ran("--aio-shuffle=3")[0])
        ran, run = self.ran("--aio-shuffle=false")
        self.assertEqual(LINE.findall(run.output), [])
        self.project.write("unittest.cfg", "")
        self.assertEqual(ran, self.ran()[0])

    def test_failed(self) -> None:
        """A failed run prints the seed at its end. With ``-q`` it is printed only there."""
        self.project.write("test_fails.py", "async def test_fails(): assert False\n")
        for quiet, count in (([], 2), (["-q"], 1)):
            run = self.ran("--aio-shuffle=5", *quiet)[1]
            self.assertEqual(LINE.findall(run.output), ["5"] * count)
            last = list(LINE.finditer(run.output))[-1]
            self.assertGreater(last.start(), run.output.index("FAIL: test_fails"))
            self.assertEqual(run.returncode, 1)

    def test_stops(self) -> None:
        """``-F`` ends the run after the first failure."""
        self.project.write("test_fails.py", "async def test_fails(): assert False\n")
        stopped = {self.project.nose2("-F", f"--aio-shuffle={seed}").ran for seed in range(2)}
        self.assertEqual(len(stopped), 2)

    def test_loops(self) -> None:
        """Each repetition on another loop is shuffled, with its own fixtures."""
        self.project.write(
            "factories.py", "import asyncio\ndef other(): return asyncio.SelectorEventLoop()\n"
        )
        ran, run = self.ran("--aio-shuffle=1", "--aio-loop=asyncio,factories.other")
        self.assertEqual((run.returncode, run.ran), (0, 14), run.output)
        self.assert_whole(ran[:10])
        self.assertEqual(sorted(ran[10:]), sorted(set(ran) - {"fixtures 3", "plain 3"}))
        begin = ran.index("set up", 10)
        again = [one for one in CLASS if one != "fixtures 3"]
        self.assertEqual(ran[begin : begin + 4], again)

    def test_workers(self) -> None:
        """The main process shuffles the units. Workers keep the order that they get."""
        workers = ("--plugin", "nose2.plugins.mp", "-N", "1")
        orders = set()
        for seed in range(2):
            ran, run = self.ran(*workers, f"--aio-shuffle={seed}", "-v")
            self.assertEqual((run.returncode, run.ran), (0, 8), run.output)
            self.assertEqual(LINE.findall(run.output), [str(seed)])
            self.assertEqual(ran[-len(CLASS) :], CLASS)  # nose2 has those last
            rest = [one for one in self.ran(f"--aio-shuffle={seed}")[0] if one not in CLASS]
            self.assertEqual(ran[: -len(CLASS)], rest)
            orders.add(tuple(ran))
        self.assertGreater(len(orders), 1)
        self.project.write("unittest.cfg", "[aio]\nshuffle = true\n")
        self.project.write("test_mixed.py", "def setUpModule(): pass\n" + MIXED)
        ran, run = self.ran(*workers)
        self.assertEqual((run.returncode, run.ran), (0, 8), run.output)
        plain, _ = self.ran(*workers, "--aio-shuffle=false")
        self.assertEqual(ran, plain)

    def test_layers(self) -> None:
        """A layer stays in one piece, with its fixtures and inner layers."""
        self.project.write(
            "test_layers.py",
            """
            import unittest
            from test_mixed import note

            class Outer:
                @classmethod
                async def setUp(cls):
                    note("outer")

                @classmethod
                async def tearDown(cls):
                    note("end of outer")

            class Inner(Outer):
                @classmethod
                async def setUp(cls):
                    note("inner")

            class InOuter(unittest.TestCase):
                layer = Outer

                async def test(self):
                    note("in outer")

            class InInner(unittest.TestCase):
                layer = Inner

                async def test(self):
                    note("in inner")
            """,
        )
        whole = ["outer", "in outer", "inner", "in inner", "end of outer"]
        places = set()
        for seed in range(2):
            ran, run = self.ran("--plugin=nose2.plugins.layers", f"--aio-shuffle={seed}")
            self.assertEqual((run.returncode, run.ran), (0, 10), run.output)
            begin = ran.index("outer")
            self.assertEqual(ran[begin : begin + 5], whole)
            self.assert_whole([*ran[:begin], *ran[begin + 5 :]])
            places.add(begin)
        self.assertGreater(len(places), 1)

    def test_modules(self) -> None:
        """A module with fixtures stays in one piece. Import errors are reported as usual."""
        self.project.write(
            "test_module.py",
            """
            import unittest
            from test_mixed import note

            async def setUpModule():
                note("module")

            class One(unittest.TestCase):
                async def test(self):
                    note("one")

            class Two(unittest.TestCase):
                async def test(self):
                    note("two")

            async def tearDownModule():
                note("end of module")
            """,
        )
        self.project.write("test_broken.py", "import nowhere\n")
        for seed in range(2):
            ran, run = self.ran(f"--aio-shuffle={seed}")
            self.assertEqual((run.returncode, run.ran), (1, 11), run.output)
            begin = ran.index("module")
            self.assertEqual(ran[begin : begin + 4], ["module", "one", "two", "end of module"])
            self.assert_whole([*ran[:begin], *ran[begin + 4 :]])
            self.assertEqual(len(run.reports), 1)
