"""The programs in ``benchmarks/`` run, here with tiny numbers."""

from __future__ import annotations

import json
import re
from unittest import TestCase

from tests.runs import TOP, Project

PROGRAMS = TOP / "benchmarks"
NOT_INSTALLED = """
import sys
sys.modules["pytest_asyncio"] = None
sys.path.insert(0, {folder!r})
import ratios
ratios.main()
"""


class Benchmarks(TestCase):
    """The programs."""

    def test_ratios(self) -> None:
        """A run prints its progress, and says and writes whether the limits are reached."""
        project = Project(self)
        run = project.python(
            str(PROGRAMS / "ratios.py"),
            *("--only", "files", "empty", "sleeps", "servers"),
            *("--tests", "3", "--many", "3", "--timers", "10", "--servers", "4", "--rounds", "1"),
            *("--json", "figures.json"),
        )
        self.assertEqual(run.returncode, 0, run.output)
        self.assertRegex(run.output, r"round 1 of 1 \.{7} \d+ s, about 0 s left\n")
        report = json.loads((project.folder / "figures.json").read_text())
        self.assertEqual([row[0] for row in report["ways"]], ["loop by hand", "coroutine test"])
        self.assertEqual(report["ways"][0][2], "1.00")
        self.assertEqual(len(report["figures"]), 4)
        self.assertEqual(
            report["figures"][-1],
            ["files that many tests leave open", "0.00", "at most 0", "reached"],
        )
        for cells in (*report["ways"], *report["figures"]):
            self.assertRegex(run.output, r"\n" + r" +".join(map(re.escape, cells)) + r"\n")

    def test_not_installed(self) -> None:
        """Ways that can't run are skipped at once, with the figures that need them."""
        project = Project(self, start=NOT_INSTALLED.format(folder=str(PROGRAMS)))
        run = project.python(
            "start.py", "--only", "process", "class", "--tests", "1", "--rounds", "1"
        )
        self.assertEqual(run.returncode, 0, run.output)
        skipped = "skipped: pytest-asyncio, auto mode (pytest_asyncio not installed)\n"
        self.assertEqual(run.output.partition("round 1")[0], skipped)
        self.assertIn("loop of its class / loop by hand", run.output)
        self.assertNotIn("whole process", run.output)

    def test_waiting(self) -> None:
        """Suites that wait are compared, and nothing times out."""
        run = Project(self).python(
            str(PROGRAMS / "waiting.py"), "--rounds", "1", "--tests", "2", "--repeats", "1"
        )
        self.assertEqual(run.returncode, 0, run.output)
        self.assertIn("2 tests that sleep 1 to 60 s, 61 s in all: ", run.output)
        self.assertIn("none timed out", run.output)
