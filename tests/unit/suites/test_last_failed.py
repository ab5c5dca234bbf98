"""nose2_aio.suites.last_failed"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import TestCase
from unittest.mock import Mock

from nose2_aio.cases import unittest_internals
from nose2_aio.suites.last_failed import LastFailed


class Layer: ...


class Case(TestCase):
    layer = Layer

    def a(self) -> None: ...

    def b(self) -> None: ...


class Names(TestCase):
    """What is saved."""

    def setUp(self) -> None:
        """Make a folder."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def has(self, *failed: object) -> tuple[list[str], bool]:
        """The names that are saved, and whether they select a test."""
        events = [SimpleNamespace(test=test) for test in failed]
        event = SimpleNamespace(reportCategories={"errors": events}, stream=Mock())
        LastFailed(self.folder).beforeSummaryReport(event)
        lines = Path(self.folder, ".nose2_aio", "failed.txt").read_text().splitlines()
        return lines, LastFailed(self.folder).has(Case("a"))

    def test_names(self) -> None:
        """A fixture stands for its class, module or layer. A test may have failed on a loop."""
        holder = unittest_internals.error_holder
        layer, case = f"{__name__}.Layer", f"{__name__}.Case"
        for reported, name in (
            (holder(f"setUpClass ({case})"), case),
            (holder(f"setUpModule ({__name__})"), __name__),
            (holder(f"layer {layer}"), layer),
            (holder(f"{case}.a[uvloop]"), f"{case}.a[uvloop]"),
            (Case("a"), f"{case}.a"),
            (SimpleNamespace(test_case=Case("a")), f"{case}.a"),
        ):
            with self.subTest(name):
                self.assertEqual(self.has(reported), ([name], True))
            Path(self.folder, ".nose2_aio", "failed.txt").unlink()
        self.assertEqual(self.has(Case("b"))[1], False)

    def test_separators(self) -> None:
        """A name may have characters that separate lines elsewhere."""
        name = f"{__name__}.Case.x\u2028y"
        self.has(unittest_internals.error_holder(name))
        self.assertTrue(LastFailed(self.folder).has(Mock(id=lambda: name)))

    def test_not_text(self) -> None:
        """A file that is no text counts as empty."""
        folder = Path(self.folder, ".nose2_aio")
        folder.mkdir()
        (folder / "failed.txt").write_bytes(b"\xff\n")
        self.assertFalse(LastFailed(self.folder).has(Case("a")))

    def test_removed(self) -> None:
        """A name is removed once a test of it has ended without a failure, on whatever loop."""
        case = f"{__name__}.Case"
        for name, test, is_removed in (
            (case, Case("b"), True),
            (f"{case}.a", Case("a"), True),
            (f"{case}.a", Case("b"), False),
            (f"{case}.a[uvloop]", Case("a"), True),
            (f"{case}.a", SimpleNamespace(test_case=Case("a")), True),
            (f"{case}.a", unittest_internals.error_holder(f"{case}.a"), False),
        ):
            folder = Path(self.folder, ".nose2_aio")
            folder.mkdir(exist_ok=True)
            (folder / "failed.txt").write_text(f"{name}\n")
            failed = LastFailed(self.folder)
            failed.testOutcome(SimpleNamespace(test=test))
            failed.beforeSummaryReport(SimpleNamespace(reportCategories={}))
            with self.subTest(name):
                text = (folder / "failed.txt").read_text()
                self.assertEqual(text, "" if is_removed else f"{name}\n")

    def test_memory(self) -> None:
        """Nothing is kept of tests that did not fail last."""
        self.has(Case("a"))
        failed = LastFailed(self.folder)
        failed.testOutcome(SimpleNamespace(test=Case("b")))
        self.assertEqual(failed._ended, set())
