"""Failed tests that are run again: --aio-retries and @retries."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from tests.runs import Project, Run
from tests.workers import NOTE, Workers

HEAD = (
    NOTE
    + """
def count(name):
    note(name)
    with open(os.path.join(os.path.dirname(__file__), "notes.txt")) as file:
        return file.read().split().count(name)

"""
)
CODE = """
class Case(unittest.TestCase):
    def tearDown(self):
        note(f"in:{os.getpid()}")

    def test_error(self):
        if count("error") < 3:
            raise LookupError("twice")

    def test_fails(self):
        count("fails")
        self.fail("always")

    async def test_flaky(self):
        if count("flaky") < 2:
            asyncio.sleep(0)
            self.fail("the first time")

    @aio.retries(0)
    def test_never(self):
        count("never")
        self.fail("not again")

    def test_passes(self):
        count("passes")

    def test_subtests(self):
        is_first = count("subtests") < 2
        for number in range(3):
            with self.subTest(number=number):
                self.assertFalse(is_first and number)

class Fixtures(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        count("fixture")
        cls.ready = True
    async def test_1(self):
        self.assertTrue(self.ready)
        self.assertGreater(count("1"), 1)
    async def test_2(self):
        count("2")
"""
COUNTS = dict(error=3, fails=3, flaky=2, never=1, passes=1, subtests=2, fixture=2)
COUNTS |= {"1": 2, "2": 1}
JUNIT = ("--plugin", "nose2.plugins.junitxml", "--junit-xml")


class Retries(Workers):
    """Runs in which failed tests run again."""

    def run_tests(self, code: str, *arguments: str, folder: Project | None = None) -> Run:
        """Run tests that can ``count``; note how often each counted, and in which processes."""
        self.its = folder or Project(self, test_it=HEAD + code)
        run = self.its.nose2("-v", *arguments)
        lines = self.notes(self.its)
        self.counts = Counter(line for line in lines if not line.startswith("in:"))
        self.processes = [line for line in lines if line.startswith("in:")]
        return run

    def test_setting(self) -> None:
        """A failed test runs again, up to the given number of times. If it passes, it is flaky."""
        for workers in ("0", "2"):
            with self.subTest(workers=workers):
                run = self.run_tests(CODE, "--aio-retries=2", f"--aio-workers={workers}", *JUNIT)
                self.assertEqual(self.counts, COUNTS)
                self.assertEqual((run.returncode, run.ran), (1, 8), run.output)
                self.assertIn("\nFAILED (failures=2, flaky=5)\n", run.output)
                self.assertRegex(
                    run.output,
                    r"\nretries: 5 failed tests run again in \d+\.\d s, 4 flaky\n",
                )
                kinds = [report.partition(":")[0] for report in run.reports]
                self.assertEqual(kinds, ["FAIL"] * 2 + ["FLAKY"] * 5)
                self.assertEqual(run.output.count("\nflaky: it passed on try 2, alone in a "), 3)
                self.assertEqual(run.output.count("\nflaky: it passed on try 3, alone in a "), 1)
                self.assertIn("LookupError: twice", run.output)
                self.assertEqual(
                    run.output.count("ran at the same time"), 4 * (workers == "2"), run.output
                )
                self.assert_junit(ET.parse(self.its.folder / "nose2-junit.xml"))

    def assert_junit(self, tree: ET.ElementTree) -> None:
        """In the JUnit report, flaky tests have their own elements and are no failures."""
        (suite,) = tree.iter("testsuite")
        self.assertEqual((suite.get("failures"), suite.get("errors")), ("2", "0"))
        found = {
            case.get("name"): [child.tag for child in case if child.tag != "system-out"]
            for case in tree.iter("testcase")
        }
        self.assertEqual(
            found,
            {
                "test_error": ["flakyError"],
                "test_fails": ["failure"],
                "test_flaky": ["flakyFailure"],
                "test_never": ["failure"],
                "test_passes": [],
                "test_subtests (number=1)": ["flakyFailure"],
                "test_subtests (number=2)": ["flakyFailure"],
                "test_1": ["flakyFailure"],
                "test_2": [],
            },
        )
        for flaky in tree.iter("flakyFailure"):
            self.assertIn("flaky: it passed on try 2", flaky.text or "")
            self.assertIn("Traceback", flaky.text or "")
        (leak,) = tree.iterfind(".//testcase[@name='test_flaky']/flakyFailure")
        self.assertIn("also found in this test, perhaps the cause:", leak.text or "")

    def test_fresh(self) -> None:
        """Each retry runs in another process."""
        code = "class Case(unittest.TestCase):\n    def test(self):\n"
        code += '        note(f"in:{os.getpid()}")\n        self.fail()\n'
        for workers in ("0", "1"):
            run = self.run_tests(code, "--aio-retries=2", f"--aio-workers={workers}")
            self.assertEqual(len(set(self.processes)), 3)
            self.assertRegex(
                run.output, r"\nretries: 1 failed test run again in \d+\.\d s, 0 flaky\n"
            )

    def test_tag(self) -> None:
        """A tag sets the number of retries. If nothing fails, nothing is reported."""
        code = """
class Case(unittest.TestCase):
    @aio.retries(1)
    def test_tagged(self):
        self.assertGreater(count("tagged"), FIRST)
    def test_other(self):
        count("other")
"""
        run = self.run_tests(code.replace("FIRST", "1"), "--aio-workers=2")
        self.assertEqual(self.counts, {"tagged": 2, "other": 1})
        self.assertIn("\nFAILED (flaky=1)\n", run.output)
        run = self.run_tests(code.replace("FIRST", "0"), "--aio-workers=2", "--aio-retries=2")
        self.assertEqual(self.counts, {"tagged": 1, "other": 1})
        self.assertNotIn("retries", run.output)
        self.assertEqual(run.returncode, 0)

    def test_pass(self) -> None:
        """``flaky = pass``: flaky tests don't fail the run. They are still reported."""
        code = """
class Case(unittest.TestCase):
    def test(self):
        self.assertGreater(count("test"), 1)
"""
        for setting, code_expected, summary in (
            ("fail", 1, r"FAILED \(flaky=1\)"),
            ("pass", 0, r"OK \(flaky=1\)"),
        ):
            for workers in ("0", "2"):
                with self.subTest(setting, workers=workers):
                    run = self.run_tests(
                        code,
                        "--aio-retries=1",
                        f"--aio-flaky={setting}",
                        f"--aio-workers={workers}",
                    )
                    self.assertEqual(run.returncode, code_expected, run.output)
                    self.assertRegex(run.output, rf"\n{summary}\n")
                    self.assertIn("FLAKY: test (test_it.Case.test)", run.output)
        run = self.run_tests(
            code + "    def test_fails(self): self.fail()\n", "--aio-retries=1", "--aio-flaky=pass"
        )
        self.assertEqual(run.returncode, 1)
        self.assertIn("\nFAILED (failures=1, flaky=1)\n", run.output)

    def test_beside(self) -> None:
        """The report names the tests that ran at the same time as the failed one."""
        run = self.run_tests(
            """
def meet(name):
    note(name)
    end = time.monotonic() + 5
    path = os.path.join(os.path.dirname(__file__), "notes.txt")
    while time.monotonic() < end:
        with open(path) as file:
            names = file.read().split()
        if names.count("flaky") > 1 or {"flaky", "other"} <= set(names):
            return names.count("flaky")
        time.sleep(0.002)

class Case(unittest.TestCase):
    def test_flaky(self):
        self.assertGreater(meet("flaky"), 1)
    def test_other(self):
        meet("other")
        time.sleep(0.02)
""",
            "--aio-workers=2",
            "--aio-retries=1",
        )
        self.assertIn(
            "\nWhen it failed, these tests ran at the same time:\n  test_it.Case.test_other\n",
            run.output,
        )
        run = self.run_tests(
            "class Case(unittest.TestCase):\n    def test(self):\n"
            "        self.assertGreater(count('it'), 1)\n",
            "--aio-workers=2",
            "--aio-retries=1",
        )
        self.assertIn("\nWhen it failed, no other test ran at the same time.\n", run.output)

    def test_deaths(self) -> None:
        """A test whose worker died may be flaky. The worker of a retry may die too."""
        run = self.run_tests(
            """
class Case(unittest.TestCase):
    def test_dies_once(self):
        if count("once") < 2: os._exit(3)
    def test_dies(self):
        count("always")
        os._exit(3)
""",
            "--aio-workers=1",
            "--aio-retries=2",
        )
        self.assertEqual(self.counts, {"once": 2, "always": 3})
        self.assertIn("\nFAILED (errors=1, flaky=1)\n", run.output)

    def test_not_run_again(self) -> None:
        """No retry after ``-F``, for an expected failure, or for a class fixture."""
        code = """
class Case(unittest.TestCase):
    @unittest.expectedFailure
    def test_0_expected(self):
        count("expected")
        self.fail()
    def test_1(self):
        count("1")
        self.fail()

class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        count("fixture")
        raise LookupError
    def test(self): pass
"""
        for workers in ("0", "1"):
            run = self.run_tests(code, f"--aio-workers={workers}", "--aio-retries=1", "-F")
            self.assertEqual(self.counts["1"], 1, run.output)
            self.assertNotIn("retries:", run.output)
            self.run_tests(code, f"--aio-workers={workers}", "--aio-retries=1")
            self.assertEqual(self.counts, {"expected": 1, "1": 2, "fixture": 1})

    def test_output(self) -> None:
        """The output of a retry is not shown, and its checks report nothing."""
        run = self.run_tests(
            """
class Case(unittest.TestCase):
    async def test(self):
        print("printed by", "the test")
        asyncio.create_task(asyncio.sleep(9), name="left")
        await asyncio.sleep(0)
        self.fail()
""",
            "--aio-workers=1",
            "--aio-retries=2",
        )
        self.assertEqual(run.output.count("printed by the test"), 1)
        self.assertEqual(run.output.count("the task left"), 1, run.output)

    def test_names(self) -> None:
        """Parameters, loops and functions are found again if the tests ran in the main process."""
        run = self.run_tests(
            """
from nose2.tools import params

@params("a", "b")
def test_params(name):
    assert count(name) > 1

@aio.loop("asyncio")
async def test_function():
    assert count("function") > 1

def test_generator():
    def check(number):
        assert count(f"g{number}") > 1
    yield check, 0

class Case(unittest.TestCase):
    async def test(self):
        name = type(asyncio.get_running_loop()).__module__.split(".")[0]
        assert count(name) > 1
""",
            "--aio-retries=1",
            "--aio-loop=asyncio,uvloop.new_event_loop",
        )
        self.assertEqual(run.ran, 6, run.output)
        self.assertIn("\nFAILED (flaky=6)\n", run.output)
