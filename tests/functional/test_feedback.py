"""What is printed besides nose2's reports: lines on failures, colours, annotations for GitHub."""

from __future__ import annotations

import os
import re
from pathlib import Path
from unittest import TestCase, mock

from tests.runs import Project

CODE = """
import unittest

class Account(unittest.TestCase):
    async def test_balance(self):
        for number in range(2):
            with self.subTest(number=number):
                self.assertEqual(number, 1)

    def test_close(self):
        pass

    def test_open(self):
        raise KeyError("one\\ntwo")

class Broken(unittest.TestCase):
    @classmethod
    async def setUpClass(cls):
        raise OSError("down")

    def test_it(self):
        pass
"""
LINES = [
    "ERROR test_account.Account.test_open, test_account.py:13: KeyError: 'one\\ntwo'",
    "ERROR setUpClass (test_account.Broken), test_account.py:18: OSError: down",
    (
        "ERROR nose2.loader.ModuleImportFailure.test_syntax, test_syntax.py:1: SyntaxError: "
        "invalid syntax"
    ),
    "FAIL test_account.Account.test_balance (number=0), test_account.py:7: AssertionError: 0 != 1",
]


class Lines(TestCase):
    """A line for each failure."""

    def test_lines(self) -> None:
        """Several failures have a line each, above the summary, also with workers."""
        project = Project(self, test_account=CODE, test_syntax="def f(:\n")
        for switch in ("--aio-workers=0", "--aio-workers=2"):
            with self.subTest(switch):
                run = project.nose2(switch)
                end = run.output.partition("\n" + "-" * 70 + "\nRan ")[0].splitlines()
                self.assertEqual(end[-5], "")
                self.assertCountEqual(end[-4:], LINES)

    def test_one(self) -> None:
        """A single failure has none: its report is there."""
        run = Project(self, test_account=CODE).nose2("test_account.Account")
        self.assertRegex(run.output, r"(?m)^FAIL test")
        run = Project(self, test_account=CODE).nose2("test_account.Account.test_open")
        self.assertNotRegex(run.output, r"(?m)^ERROR test")

    def test_flaky(self) -> None:
        """A flaky test is named as such."""
        code = """
            import pathlib
            import unittest

            class Case(unittest.TestCase):
                def test_1(self):
                    tried = pathlib.Path(__file__).parent / "tried"
                    if not tried.exists():
                        tried.touch()
                        self.fail("once")

                def test_2(self):
                    self.fail("always")
        """
        run = Project(self, test_it=code).nose2("--aio-retries=1")
        self.assertRegex(
            run.output, r"(?m)^FAIL test_it.Case.test_2, .*\nFLAKY test_it.Case.test_1"
        )


class Colours(TestCase):
    """The colours of the report."""

    def test_colours(self) -> None:
        """With colours, the report is the same after they are taken away."""
        project = Project(self, test_account=CODE)
        for switch in ("-q", "-v", "--aio-workers=2"):
            with self.subTest(switch):
                plain = project.nose2(switch).output
                with mock.patch.dict(os.environ, {"PYTHON_COLORS": "1"}):
                    coloured = project.nose2(switch).output
                for word in ("ERROR\x1b[0m: test_open", "FAILED\x1b[0m (", "FAIL\x1b[0m test_acc"):
                    self.assertIn(f"\x1b[1;31m{word}", coloured)
                found = re.sub("\x1b.*?m", "", coloured)
                seconds = r"\d+\.\d+ ?s"
                self.assertEqual(re.sub(seconds, "", found), re.sub(seconds, "", plain))
                self.assertNotIn("\x1b", plain)


class GitHub(TestCase):
    """In GitHub Actions."""

    def run_there(self, project: Project, *arguments: str, **variables: str) -> str:
        variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(project.folder.parent),
            "GITHUB_STEP_SUMMARY": str(project.folder / "summary.md"),
            **variables,
        }
        with mock.patch.dict(os.environ, variables):
            return project.nose2(*arguments).output

    def test_annotations(self) -> None:
        """Each failure has an annotation, once also with workers, and a row in the summary."""
        project = Project(self, test_account=CODE)
        for switch in ("--aio-workers=0", "--aio-workers=2"):
            printed = self.run_there(project, switch)
            file = f"{project.folder.name}/test_account.py"
            expected = [
                (
                    f"::error file={file},line=13,title=ERROR test_account.Account.test_open"
                    "::KeyError: 'one\\ntwo'"
                ),
                (
                    f"::error file={file},line=18,title=ERROR setUpClass (test_account.Broken)"
                    "::OSError: down"
                ),
                (
                    f"::error file={file},line=7,title=FAIL test_account.Account.test_balance "
                    "(number=0)::AssertionError: 0 != 1"
                ),
            ]
            self.assertEqual(re.findall("^::.*$", printed, re.MULTILINE), expected)
        summaries = (project.folder / "summary.md").read_text().split("### ")[1:]
        self.assertEqual(len(summaries), 2)
        for one in summaries:
            self.assertRegex(one, r"^FAILED: 3 failures in 3 tests in \d+\.\d s\n\n\| \|")
            self.assertIn("| ERROR | test&#95;account.Account.test&#95;open |", one)

    def test_good(self) -> None:
        """A run without failures has a summary alone."""
        project = Project(self, test_account=CODE)
        printed = self.run_there(project, "test_account.Account.test_close")
        self.assertNotIn("::", printed)
        summary = (project.folder / "summary.md").read_text()
        self.assertRegex(summary, r"^### OK: 1 test in 0\.\d s\n\n\n$")

    def test_off(self) -> None:
        """The setting turns it off. Without a file for the summary there is none."""
        project = Project(self, test_account=CODE)
        self.assertNotIn("::", self.run_there(project, "--aio-ci-annotations=off"))
        printed = self.run_there(project, GITHUB_STEP_SUMMARY="")
        self.assertIn("::error ", printed)
        self.assertEqual([one.name for one in Path(project.folder).glob("*.md")], [])

    def test_unwritable(self) -> None:
        """A summary that can't be written is named, and the run is the same."""
        project = Project(self, test_account=CODE)
        printed = self.run_there(project, GITHUB_STEP_SUMMARY=str(project.folder))
        self.assertIn("\nci-annotations: no summary could be written: ", printed)
