"""nose2_aio.reporting.github"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

from nose2_aio.reporting.github import annotation, summary
from nose2_aio.reporting.outcomes import Place
from tests.unit.reporting.test_failure_lines import failure


class Annotations(TestCase):
    """The line that GitHub reads."""

    def test_escapes(self) -> None:
        """Characters with a meaning are escaped; more of them in the properties."""
        one = failure("a: 100%, b\r\nc", Place("/repo/a,b:c%.py", 3))
        self.assertEqual(
            annotation(one, "/repo"),
            "::error file=a%2Cb%3Ac%25.py,line=3,title=FAIL test_x.Case.test_y"
            "::a: 100%25, b%0D%0Ac",
        )

    def test_kinds(self) -> None:
        """A flaky test is a warning. Without a place and a message there are none."""
        title = "title=FLAKY test_x.Case.test_y"
        self.assertEqual(
            annotation(failure("", None, label="FLAKY"), ""), f"::warning {title}::FLAKY"
        )

    def test_paths(self) -> None:
        """A path is relative to the workspace, also if that is a link; another one is absolute."""
        with TemporaryDirectory() as name:
            folder = Path(name).resolve()
            (folder / "real").mkdir()
            (folder / "link").symlink_to("real")
            for file, expected in (
                (folder / "real" / "a" / "b.py", "a/b.py"),
                (folder / "link" / "b.py", "b.py"),
                (folder / "b.py", str(folder / "b.py")),
            ):
                one = annotation(failure("no", Place(str(file), 1)), str(folder / "link"))
                self.assertIn(f" file={expected},line=1,", one)


class Summary(TestCase):
    """The summary of the job."""

    def test_none(self) -> None:
        """Without failures it is a heading."""
        self.assertEqual(summary([], "OK: 3 tests in 0.1 s"), "### OK: 3 tests in 0.1 s\n\n\n")

    def test_rows(self) -> None:
        """Each failure is a row. No character of it has a meaning, and long tables are cut."""
        lines = summary([failure("a | <b> `c`", None)] * 201, "FAILED").splitlines()
        row = "| FAIL | test&#95;x.Case.test&#95;y |  | a &#124; &#60;b&#62; &#96;c&#96; |"
        self.assertEqual(
            lines[2:5], ["| | Test | Place | Error |", "| --- | --- | --- | --- |", row]
        )
        self.assertEqual(len([one for one in lines if one == row]), 200)
        self.assertEqual(lines[-2], "and 1 more")
