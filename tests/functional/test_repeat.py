"""Tests that run several times: --aio-repeat."""

from __future__ import annotations

from collections import Counter

from tests.runs import Project
from tests.workers import NOTE, Workers

CODE = (
    NOTE
    + """
def count(name, number=1):
    path = os.path.join(os.path.dirname(__file__), f"{name}.{number}")
    try:
        open(path, "x").close()
    except FileExistsError:  # another round was first, maybe in another process
        return count(name, number + 1)
    note(name)
    return number

class Case(unittest.TestCase):
    def test_1(self):
        self.own = getattr(self, "own", 0) + 1
        self.assertEqual(self.own, 1)
        count("1")
    async def test_2(self):
        self.assertNotEqual(count("2"), 2)
    def test_3(self):
        count("3")
        self.fail()
    def test_4(self):
        self.skipTest("never")

class Fixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        note("set up")
    async def test_1(self):
        note("f1")
    async def test_2(self):
        note("f2")
    @classmethod
    def tearDownClass(cls):
        note("torn down")
"""
)


class Repeat(Workers):
    """Each test runs N times."""

    def test_counts(self) -> None:
        """Tests run N times with their fixtures. A line names each test that failed sometimes."""
        for workers in ("0", "2"):
            with self.subTest(workers=workers):
                project = Project(self, test_it=CODE)
                run = project.nose2("--aio-repeat=3", f"--aio-workers={workers}")
                self.assertEqual((run.returncode, run.ran), (1, 18), run.output)
                notes = self.notes(project)
                counts = Counter(notes)
                self.assertEqual(
                    counts,
                    {
                        **dict.fromkeys(("1", "2", "3", "f1", "f2"), 3),
                        "set up": 3,
                        "torn down": 3,
                    },
                )
                if workers == "0":  # or rounds of a class may run at the same time
                    fixtures = [line for line in notes if line not in {"1", "2", "3"}]
                    self.assertEqual(fixtures, ["set up", "f1", "f2", "torn down"] * 3)
                lines = [line for line in run.output.splitlines() if ": passed " in line]
                self.assertCountEqual(
                    lines,
                    [
                        "test_it.Case.test_2: passed 2 of 3 times",
                        "test_it.Case.test_3: passed 0 of 3 times",
                    ],
                )
                self.assertIn("FAILED (failures=4, skipped=3)", run.output)

    def test_passes(self) -> None:
        """If all tests pass each time, there is no such line."""
        for workers in ("0", "1"):
            run = self.project("def test(): note('ran')\n").nose2(
                "--aio-repeat=5", f"--aio-workers={workers}"
            )
            self.assertEqual((run.returncode, run.ran), (0, 5), run.output)
            self.assertNotIn("passed", run.output)

    def test_failfast(self) -> None:
        """``-F`` ends the run at the first failure."""
        for workers in ("0", "1"):
            project = self.project(
                """
class Case(unittest.TestCase):
    def test(self):
        note("ran")
        path = os.path.join(os.path.dirname(__file__), "notes.txt")
        with open(path) as file:
            self.assertLess(len(file.read().split()), 3)
"""
            )
            run = project.nose2("--aio-repeat=1000", "-F", f"--aio-workers={workers}")
            self.assertEqual((run.returncode, run.ran), (1, 3), run.output)
            self.assertIn("test_it.Case.test: passed 2 of 3 times\n", run.output)
            if workers == "0":
                self.assertEqual(len(self.notes(project)), 3)

    def test_selected(self) -> None:
        """Only selected tests run again."""
        project = Project(self, test_it=CODE)
        run = project.nose2("--aio-repeat=3", "--aio-workers=2", "test_it.Case.test_1")
        self.assertEqual((run.ran, self.notes(project)), (3, ["1"] * 3), run.output)

    def test_loops(self) -> None:
        """Each test runs N times on each of its loops."""
        code = """
async def test():
    note(type(asyncio.get_running_loop()).__module__.split(".")[0])
"""
        for workers in ("0", "2"):
            project = self.project(code)
            run = project.nose2(
                "--aio-repeat=2",
                "--aio-loop=asyncio,uvloop.new_event_loop",
                f"--aio-workers={workers}",
            )
            self.assertEqual((run.returncode, run.ran), (0, 4), run.output)
            notes = Counter(self.notes(project))
            self.assertEqual((notes["uvloop"], sum(notes.values())), (2, 4))
