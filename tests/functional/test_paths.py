"""Settings that are paths: what they are relative to, and that their folder is made."""

from __future__ import annotations

import re
from unittest import TestCase

from tests.runs import Project

CODE = "import os\nasync def test():\n    os.chdir('/')\n"
INI = "baseline = out/a%%b/known.txt\nreport = out/times.json\n"
TOML = re.sub(r"= (.*)", r'= "\1"', INI)
SWITCHES = ("--aio-baseline=out/a%b/known.txt", "--aio-report=out/times.json")


class Paths(TestCase):
    """The settings ``baseline`` and ``report``."""

    def assert_written(self, folder: str, name: str, text: str, *arguments: str) -> None:
        """The files are written below this folder, and are found there by the next run."""
        project = Project(self)
        project.write("sub/test_it.py", CODE)
        project.write(name, text)
        for is_first in (True, False):
            run = project.nose2("-s", "sub", *arguments)
            self.assertEqual((run.returncode, run.ran), (0, 1), run.output)
            self.assertIs("baseline: wrote 0 findings to " in run.output, is_first, run.output)
            found = {
                str(path.relative_to(project.folder))
                for path in project.folder.rglob("*")
                if path.name in ("known.txt", "times.json")
            }
            self.assertEqual(found, {f"{folder}out/a%b/known.txt", f"{folder}out/times.json"})

    def test_file(self) -> None:
        """In a file, they are relative to that file. A test may change the current directory."""
        for name, text, *arguments in (
            ("unittest.cfg", f"[aio]\n{INI}"),
            ("unittest.cfg", f"[DEFAULT]\n{INI}[aio]\n", "--aio-workers=2"),
            ("sub/my.cfg", f"[aio]\n{INI}", "-c", "sub/my.cfg"),
            ("sub/unittest.cfg", f"[aio]\n{INI}", "-t", "sub"),
            ("sub/pyproject.toml", f"[tool.nose2.aio]\n{TOML}", "-t", "sub"),
            (
                "sub/unittest.cfg",
                f"[aio]\n{INI}",
                *("-t", "sub", "--plugin", "nose2.plugins.mp", "-N", "2"),
            ),
        ):
            with self.subTest(name=name, arguments=arguments):
                self.assert_written(
                    name.rpartition("/")[0] + "/" * ("/" in name), name, text, *arguments
                )

    def test_several_files(self) -> None:
        """The last file that has the key counts."""
        project = Project(self)
        project.write("sub/test_it.py", CODE)
        project.write("unittest.cfg", "[aio]\nreport = first.json\n")
        project.write("sub/unittest.cfg", "[aio]\nreport = second.json\n")
        project.write("sub/nose2.cfg", "[aio]\ndebug = on\n")
        run = project.nose2("-s", "sub", "-t", "sub")
        self.assertEqual(run.returncode, 0, run.output)
        self.assertEqual(
            [path.name for path in project.folder.rglob("*.json")], ["second.json"], run.output
        )
        self.assertTrue((project.folder / "sub" / "second.json").exists())

    def test_command_line(self) -> None:
        """On the command line, they are relative to the current directory."""
        for more in ((), ("--plugin", "nose2.plugins.mp", "-N", "2")):
            self.assert_written("", "sub/my.cfg", "[aio]\n", "-c", "sub/my.cfg", *SWITCHES, *more)
