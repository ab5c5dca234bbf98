"""nose2_aio.reporting.colors"""

from __future__ import annotations

import io
import subprocess
import sys
from unittest import TestCase, skipIf

from nose2_aio.reporting.colors import ColorStream
from nose2_aio.reporting.terminals import has_colors
from tests.runs import TOP


class Rules(TestCase):
    """When the report is coloured."""

    @skipIf(sys.platform == "win32", "Terminals of Windows are not coloured by themselves")
    def test_environment(self) -> None:
        """The first variable that says something decides, and then whether it is a terminal."""
        on, off = {"PYTHON_COLORS": "1"}, {"PYTHON_COLORS": "0"}
        no, force, dumb = {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {"TERM": "dumb"}
        for environment, expected in (
            ({}, (True, False)),
            (on | no, (True, True)),
            (off | force, (False, False)),
            ({"PYTHON_COLORS": "2"}, (True, False)),
            (no | force, (False, False)),
            ({"NO_COLOR": ""}, (True, False)),
            (force | dumb, (True, True)),
            (dumb, (False, False)),
        ):
            with self.subTest(environment):
                found = [has_colors(environment, is_terminal=one) for one in (True, False)]
                self.assertEqual(tuple(found), expected)

    def test_ignored(self) -> None:
        """Python's switch -E ignores the variables."""
        code = (
            f"import sys; sys.path.insert(0, {str(TOP)!r})\n"
            "from nose2_aio.reporting.terminals import has_colors\n"
            "print(has_colors({'PYTHON_COLORS': '1'}, is_terminal=False))\n"
        )
        printed = subprocess.check_output([sys.executable, "-E", "-c", code], text=True)
        self.assertEqual(printed, "False\n")


class Words(TestCase):
    """The words that are coloured."""

    def test_words(self) -> None:
        """Words on outcomes are coloured, alone or before the name of a test; no other text is."""
        stream = ColorStream(io.StringIO())
        for text in (".", "ok", "F", "FAIL: test_x", "FAIL test_x", "FAIL", "skipped now", "OK"):
            stream.write(text)
        green, red, yellow = "\x1b[32m{}\x1b[0m", "\x1b[1;31m{}\x1b[0m", "\x1b[33m{}\x1b[0m"
        expected = [green.format("."), green.format("ok"), red.format("F")]
        expected += [red.format("FAIL") + rest for rest in (": test_x", " test_x", "")]
        expected += [yellow.format("skipped now"), green.format("OK")]
        self.assertEqual(stream.getvalue(), "".join(expected))
        others = ("OK then", "Failure", "FAILURE", "ok (test_x)", ".x", "\n", "")
        plain = ColorStream(io.StringIO())
        for text in others:
            plain.write(text)
        self.assertEqual(plain.getvalue(), "".join(others))
