"""The file of --aio-report: each test with its outcome, place, tags, tries and times."""

from __future__ import annotations

import json
from typing import Any
from unittest import TestCase

import jsonschema

from nose2_aio.reporting.report_file import VERSION
from tests.runs import TOP, Project, Run

SCHEMA = json.loads((TOP / "docs" / "reference" / "report.schema.json").read_text())
CODE = """
import asyncio, os, unittest
import nose2_aio as aio
from nose2.tools import params

@aio.exclusive("db", at_most=2)
@aio.checks(leaked_tasks="fail")
class Case(unittest.TestCase):
    @aio.timeout(5)
    async def test_error(self):
        helper()
    def test_fails(self):
        for number in range(2):
            with self.subTest(number=number):
                self.assertEqual(number, 2)
    async def test_leaks(self):
        helper_later()
    @unittest.expectedFailure
    def test_expected(self):
        self.fail("known")
    @unittest.expectedFailure
    async def test_unexpected(self): ...
    @unittest.skip("later")
    def test_skipped(self): ...
    @aio.virtual_time
    @aio.loop(asyncio.new_event_loop)
    async def test_waits(self):
        await asyncio.sleep(60)
    @aio.retries(2)
    def test_flaky(self):
        with open("tries", "a+") as file:
            file.write("x")
            file.seek(0)
            self.assertEqual(file.read(), "xx")
    @aio.timeout(1)
    async def test_mistake(self): ...
    test_mistake.timeout = "soon"

def helper():
    raise LookupError("gone\\nfor ever")

async def helper_later(): ...

@params(1, 2)
async def test_params(number): ...

class Fixture(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        helper()
    def test(self): ...

@aio.loop_scope("class")
@aio.serial
@aio.sleep(0)
class Skipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.skipTest(cls, "not here")
    def test(self): ...
"""


class Reports(TestCase):
    """The file of a run that has everything."""

    maxDiff = None

    def report(self, *arguments: str) -> tuple[Run, dict[str, Any]]:
        """Return the run, and its file. It must fit the schema."""
        project = Project(self, test_it=CODE)
        run = project.nose2("--aio-report=report.json", *arguments)
        report = json.loads((project.folder / "report.json").read_text())
        jsonschema.Draft202012Validator(SCHEMA).validate(report)
        return run, report

    def test_schema(self) -> None:
        """The schema is valid, and knows the version."""
        jsonschema.Draft202012Validator.check_schema(SCHEMA)
        self.assertEqual(SCHEMA["properties"]["version"]["const"], VERSION)
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({"version": VERSION}, SCHEMA)

    def test_all(self) -> None:
        """Each test has its outcome, place, message, tags and tries, with workers too."""
        line = {text.strip(): number for number, text in enumerate(CODE.splitlines())}
        keys = {"checks": {"leaked-tasks": "fail"}, "exclusive": {"db": 2}}
        raised = line['raise LookupError("gone\\nfor ever")']
        leak = "CheckError: the coroutine helper_later was never awaited (never-awaited)"
        expected = {
            "Case.test_error": ("error", raised, "LookupError: gone", {**keys, "timeout": 5}, 1),
            "Case.test_expected": (
                "expected failure",
                line['self.fail("known")'],
                "AssertionError: known",
                keys,
                1,
            ),
            "Case.test_fails": (
                "failed",
                line["self.assertEqual(number, 2)"],
                "AssertionError: 0 != 2",
                keys,
                1,
            ),
            "Case.test_flaky": (
                "failed",
                line['self.assertEqual(file.read(), "xx")'],
                "AssertionError: 'x' != 'xx'",
                {**keys, "retries": 2},
                2,
            ),
            "Case.test_leaks": ("failed", line["helper_later()"], leak, keys, 1),
            "Case.test_skipped": ("skipped", line['@unittest.skip("later")'], "later", keys, 1),
            "Case.test_unexpected": (
                "unexpected success",
                line["async def test_unexpected(self): ..."] - 1,
                "",
                keys,
                1,
            ),
            "Case.test_waits": (
                "passed",
                line["@aio.virtual_time"],
                "",
                {**keys, "virtual_time": True, "loop": ["asyncio"]},
                1,
            ),
            "test_params:1": ("passed", line["@params(1, 2)"], "", {}, 1),
            "test_params:2": ("passed", line["@params(1, 2)"], "", {}, 1),
        }
        for arguments in ((), ("--aio-workers=2",)):
            run, report = self.report(*arguments)
            self.assertEqual(run.returncode, 1, run.output)
            tests = {one["id"].removeprefix("test_it."): one for one in report["tests"]}
            mistake = tests.pop("Case.test_mistake")
            self.assertEqual((mistake["outcome"], mistake["tags"]), ("error", {}))
            found = {
                name: (one["outcome"], one["line"], one["message"], one["tags"], one["tries"])
                for name, one in tests.items()
            }
            self.assertEqual(found, expected)
            for kind, rows in (("test", report["tests"]), ("fixture", report["fixtures"])):
                for row in rows:
                    self.assertEqual(set(row), set(SCHEMA["$defs"][kind]["properties"]))
            self.assertEqual({one["file"] for one in tests.values()}, {"test_it.py"})
            self.assertEqual([n for n, one in tests.items() if one["flaky"]], ["Case.test_flaky"])
            self.assertEqual(tests["Case.test_waits"]["virtual_time_saved"], 60)
            self.assertIsNone(tests["Case.test_fails"]["waiting"])
            self.assertEqual(
                [tuple(one.values()) for one in report["fixtures"]],
                [
                    (
                        "setUpClass (test_it.Fixture)",
                        "error",
                        "test_it.py",
                        raised,
                        "LookupError: gone",
                    ),
                    ("setUpClass (test_it.Skipped)", "skipped", None, None, "not here"),
                ],
            )
            totals = report["totals"]
            self.assertEqual(
                totals["outcomes"],
                {
                    "error": 2,
                    "failed": 3,
                    "passed": 3,
                    "skipped": 1,
                    "expected failure": 1,
                    "unexpected success": 1,
                },
            )
            self.assertEqual(
                (totals["tests"], totals["flaky"], totals["virtual_time_saved"]), (11, 1, 60)
            )

    def test_repeat(self) -> None:
        """A test that runs twice is there twice, each time with its own times."""
        _, report = self.report("--aio-repeat=2", "test_it.Case.test_waits")
        self.assertEqual([one["virtual_time_saved"] for one in report["tests"]], [60, 60])
