"""nose2_aio.reporting.baselines"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import TestCase, mock

from nose2_aio.cases import unittest_internals
from nose2_aio.config.settings import Settings
from nose2_aio.eventloop.problems import Finding
from nose2_aio.reporting.baselines import Baseline
from nose2_aio.reporting.outcomes import Outcome

FINDING = Finding("leaked-tasks", "", "the task", (), "poll")


class Case(TestCase):
    def __init__(self, name: str) -> None:
        super().__init__("run")
        self.name = name

    def id(self) -> str:
        return self.name


class FailedLoad(Case):
    """Stands for a module that could not be loaded."""

    __module__ = "nose2.loader"


class Baselines(TestCase):
    """What becomes of the known findings."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "known.txt")

    def known(self, *names: str) -> None:
        """Write a file that has the finding in these tests."""
        self.path.write_text("".join(f"{name}\tleaked-tasks\tpoll\n" for name in names))

    def baseline(self, *ended: Any, is_updated: bool = False, mode: str = "fail") -> Baseline:
        """Return a baseline after these tests have ended: names, statuses, and others."""
        baseline = Baseline(
            Settings(
                baseline=str(self.path),
                baseline_update=is_updated,
                modes={"leaked-tasks": mode},
            )
        )
        for one in ended:
            test, status = (Case(one[0]), one[1]) if isinstance(one, tuple) else (one, "error")
            baseline.begin(test)
            baseline.end(Outcome(test, "", status, 0.0, "", None))
        return baseline

    def names(self) -> list[str]:
        """Return the tests in the file."""
        return [line.split("\t")[0] for line in self.path.read_text().splitlines()[1:]]

    def test_stale(self) -> None:
        """A finding is stale if nothing but its absence explains that it was not found."""
        a, b = ("m.A.a", "passed"), ("m.A.b", "passed")
        fixture = unittest_internals.error_holder("setUpClass (m.A)")
        for known, ended, planned, is_stale in (
            ("m.A.a", [a], 1, True),
            ("m.A.a", [a], 2, True),
            ("m.A.a", [("m.A.a", "expected failure")], 1, True),
            ("m.A.a", [("m.A.a", "skipped")], 1, False),
            ("m.A.a", [("m.A.a", "failed")], 1, False),
            ("m.A.a", [("m.A.a", "failed"), a], 1, False),
            ("m.A.p:1 'x y'", [("m.A.p:1\n'x  y'", "passed")], 1, True),
            ("m.A", [a, b], 2, True),
            ("m.A", [a, b], 3, False),
            ("m.A", [a, ("m.A.b", "failed")], 2, False),
            ("m.A", [a, fixture], 1, False),
            ("m.gone", [a, b], 2, True),
            ("m.gone", [a, FailedLoad("m")], 2, False),
        ):
            with self.subTest(known, ended=ended, planned=planned):
                self.known(known)
                lines = self.baseline(*ended).report("", planned)
                what = ("0 found again and not reported", f"{int(is_stale)} stale")
                self.assertEqual(lines[0].split(": ")[2], ", ".join(what))
                self.assertIs(any("1 finding not checked" in one for one in lines), not is_stale)
                is_partial = "baseline: this run was partial: not all tests ran" in lines
                has_gap = not all(isinstance(one, tuple) for one in ended)
                self.assertIs(is_partial, planned > len(ended) or has_gap)
                self.baseline(*ended, is_updated=True).report("", planned)
                self.assertEqual(self.names(), [] if is_stale else [known])

    def test_elsewhere(self) -> None:
        """A finding of a module that exists and was not loaded stays."""
        for name, is_stale in (
            ("lib2to3x.A.a", True),
            ("antigravity.A.a", False),
            ("unittest.antigravity.A.a", True),
            (f"{__name__}.A.a", True),
            (__name__, True),
            ("..A", True),
        ):
            with self.subTest(name):
                self.known(name)
                lines = self.baseline(("m.A.a", "passed")).report("", 1)
                self.assertIn(f"{int(is_stale)} stale", lines[0])

    def test_unwritable(self) -> None:
        """If the file can't be written, a line says so."""
        self.known("a")
        with mock.patch.object(Path, "write_text", side_effect=OSError("full")):
            lines = self.baseline(("a", "passed"), is_updated=True).report("", 1)
        self.assertRegex(lines[0], r"^baseline: \S+ could not be written: full$")

    def test_ignored(self) -> None:
        """A check that is off finds nothing, so its findings are not stale."""
        self.known("a")
        lines = self.baseline(("a", "passed"), mode="ignore").report("", 1)
        self.assertIn("0 stale", lines[0])

    def test_many_stale(self) -> None:
        """At most 20 stale findings are shown."""
        self.known(*["a"] * 22)
        lines = self.baseline(("a", "passed")).report("", 1)
        self.assertEqual(lines[-4:], [*["  a  leaked-tasks  poll"] * 2, "  and 2 more", ""])

    def test_repeated(self) -> None:
        """A test that runs twice has each of its findings once."""
        baseline = self.baseline()
        self.assertEqual(baseline.new("a", [FINDING, FINDING]), [FINDING] * 2)
        self.assertEqual(baseline.new("a", [FINDING, FINDING]), [FINDING] * 2)
        self.assertEqual(baseline.report("", 0)[0][:27], "baseline: wrote 2 findings ")
        self.assertEqual(self.names(), ["a", "a"])
        again = self.baseline()
        self.assertEqual(again.new("a", [FINDING]), [])
        (line,) = again.take()
        self.assertEqual((line, again.take()), ("a\tleaked-tasks\tpoll", {}))

    def test_update(self) -> None:
        """New findings are added; of a test that ran only in part, nothing is removed."""
        self.known("a", "b")
        baseline = self.baseline(("b", "passed"), is_updated=True)
        self.assertEqual(baseline.new("c", [FINDING]), [FINDING])
        self.assertEqual(
            [line.replace(str(self.path), "PATH") for line in baseline.report("by name", 1)],
            [
                "baseline: PATH has 2 findings now: 1 added, 1 removed",
                "baseline: 1 finding kept, since their tests did not run or did not pass",
                "baseline: this run was partial: by name",
                "",
            ],
        )
        self.assertEqual(self.names(), ["a", "c"])
