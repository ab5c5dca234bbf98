"""What README.rst and docs/ say is true: every Python block runs, every console block is printed.

``CONTRIBUTING.rst`` has the rules for the blocks of a page. README.rst gives the names of files as
``:name:``, since plain docutils doesn't know ``:caption:``.
"""

from __future__ import annotations

import ast
import configparser
import doctest
import os
import re
import shlex
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from typing import NamedTuple
from unittest import TestCase, mock, skipIf

from nose2.tools import params

import nose2_aio
from nose2_aio import errors
from nose2_aio.config import environment
from nose2_aio.config.checks import CHECKS
from nose2_aio.config.options import OPTIONS, SECTION
from tests.runs import TOP, Project, nose2, python, run_nose2

PAGES = [
    "README.rst",
    *sorted(
        path.relative_to(TOP).as_posix()
        for path in (TOP / "docs").rglob("*.rst")
        if "_build" not in path.parts
    ),
]
OPTION = {option.key: option for option in OPTIONS}
IMPORTS = "import asyncio\nimport unittest\nimport nose2_aio as aio\n"
"""What a Python block without a file name need not say."""
_BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>\w+)\n"
    r"(?P<options>(?:(?P=indent) +:.*\n)*)\n"
    r"(?P<code>(?:(?P=indent) +\S.*\n|\n)+)",
    re.MULTILINE,
)


class Block(NamedTuple):
    """A code block of a page."""

    language: str
    name: str
    """The name of its file, or an empty string."""
    code: str

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with what it prints; none in other blocks."""
        if self.language != "console":
            return []
        _, *commands = re.split(r"^\$ ", self.code, flags=re.MULTILINE)
        pairs = (one.replace("\\\n", "").partition("\n") for one in commands)
        return [(command, printed) for command, _, printed in pairs]

    @property
    def excerpt(self) -> str:
        """The text of a console block without a command; "" for other blocks."""
        return "" if self.language != "console" or self.commands else self.code


def blocks(page: str) -> list[Block]:
    """Return the code blocks of a page."""
    found = []
    for one in _BLOCK.finditer((TOP / page).read_text()):
        name = re.search(r":(?:caption|name): (.+)", one["options"])
        code = textwrap.dedent(one["code"]).strip("\n") + "\n"
        found.append(Block(one["language"], name[1] if name else "", code))
    return found


def given(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the keys and texts of the settings of a block."""
    if block.language == "ini":
        parser = configparser.ConfigParser(allow_no_value=True)
        parser.read_string(block.code)
        yield from parser.items(SECTION) if SECTION in parser else ()
    if block.language == "toml":
        table = tomllib.loads(block.code)["tool"]["nose2"].get(SECTION, {})
        yield from ((key, str(value)) for key, value in table.items())
    for command, printed in block.commands:
        switches = re.findall(r"--aio-([a-z-]+)(?:[= ]([^\s-]\S*))?", command)
        for key, text in [] if printed else switches:
            yield key, text or OPTION[key].const or "true"


def comparable(printed: str) -> str:
    """Return a report without the parts that depend on the machine, the time and the Python."""
    printed = re.sub(r'File ".*/', 'File "', printed)
    printed = re.sub(r"^ +[~^]+\n", "", printed, flags=re.MULTILINE)
    printed = re.sub(r"0x[0-9a-f]+", "0x", printed)
    printed = re.sub(r"Task-\d+", "Task-0", printed)
    printed = re.sub(r"(127\.0\.0\.1\D{1,3})\d+", r"\1PORT", printed)
    printed = re.sub(r"\d+\.\d+", "0.0", printed)
    return re.sub(r"\d+(\.\d+)? s\b", "0 s", printed).strip()


def run(project: Project, command: str) -> str:
    """Run a command of a page. Return what it prints."""
    words = shlex.split(command)
    environment = {}
    while "=" in words[0]:
        name, _, environment[name] = words.pop(0).partition("=")
    program, *arguments = words
    with mock.patch.dict(os.environ, environment):
        if program == "nose2":
            return run_nose2("--no-user-config", *arguments, folder=project.folder).stdout
        start = {"pytest": ("-m", "pytest", "-p", "no:cacheprovider"), "python": ()}[program]
        return project.python(*start, *arguments).output


class Pages(TestCase):
    """The pages."""

    maxDiff = None

    @skipIf(sys.version_info < (3, 13), "older Pythons print less")
    @params(
        *(
            page
            for page in PAGES
            if any(one.commands or one.excerpt or one.name for one in blocks(page))
        )
    )
    def test_console(self, page: str) -> None:
        """Each console block is what its command prints."""
        project = Project(self)
        unused = set()
        for number, block in enumerate(blocks(page)):
            for command, shown in filter(all, block.commands):
                unused.clear()
                self.compare(run(project, command), shown)
            if block.name:
                project.write(block.name, block.code)
                # Python keeps the bytecode of a file of the same size and second
                os.utime(project.folder / block.name, (number, number))
                unused.add(block.name)
        excerpts = [block.excerpt for block in blocks(page) if block.excerpt]
        if excerpts:
            unused.clear()
            printed = comparable(run(project, "nose2 --plugin nose2_aio"))
            for excerpt in excerpts:
                self.assertIn(comparable(excerpt), printed)
        self.assertEqual(unused, set(), "no command of the page uses these files")

    def compare(self, printed: str, shown: str) -> None:
        """Fail if something else was printed. ``...`` stands for any lines."""
        start, end = "(start)\n", "\n(end)\n"
        printed, shown = (f"{start}{comparable(one)}{end}" for one in (printed, shown))
        parts = re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE)
        if len(parts) == 1:
            self.assertEqual(printed, shown)
        for part in parts:
            self.assertIn(part, printed)
            printed = printed.partition(part)[2]

    def test_fragments(self) -> None:
        """The Python blocks without a file name run, and their tests pass."""
        project = Project(self)
        for page in PAGES:
            code = [
                block.code
                for block in blocks(page)
                if block.language == "python" and not block.name
            ]
            if code:
                names = [one.name for one in ast.parse("".join(code)).body if hasattr(one, "name")]
                self.assertCountEqual(names, set(names), page)
                name = re.sub(r"\W", "_", page.removesuffix(".rst"))
                project.write(f"test_{name}.py", "\n".join([IMPORTS, *code]))
        result = project.nose2()
        self.assertEqual(result.returncode, 0, result.output)

    def test_doctests(self) -> None:
        """The doctests pass."""
        for page in PAGES:
            examples = doctest.DocTestParser().get_doctest(
                (TOP / page).read_text(), {}, page, page, 0
            )
            with self.subTest(page):
                self.assertEqual(doctest.DocTestRunner().run(examples).failed, 0)

    def test_settings(self) -> None:
        """The settings in all examples that don't run are valid."""
        for page in PAGES:
            for block in blocks(page):
                for key, text in [] if block.name else given(block):
                    if key != "always-on":
                        OPTION[key].parse(text, name=key, place=page)

    def test_names(self) -> None:
        """Every switch and every environment variable that a page names exists."""
        keys = {"", *OPTION}
        switches = {f"--aio-{key}".removesuffix("-") for key in keys}
        switches |= {switch.replace("--", "--no-", 1) for switch in switches}
        for page in PAGES:
            text = re.sub(r".*unknown.*", "", (TOP / page).read_text())
            named = set(re.findall(r"--(?:no-)?aio(?:-[a-z]+)*\b(?!-)", text))
            self.assertLessEqual(named, switches, page)
            named = set(re.findall(rf"{environment.PREFIX}[A-Z_]*[A-Z]", text))
            variables = {environment.PREFIX + option.name.upper() for option in OPTIONS}
            self.assertLessEqual(named, variables, page)

    def test_reference(self) -> None:
        """Each setting and each public name has its place in the reference."""
        text = "".join((TOP / page).read_text() for page in PAGES)
        settings = re.findall(r"^\.\. setting:: (\S+)$", text, re.MULTILINE)
        self.assertCountEqual(settings, OPTION)
        named = re.findall(
            r"^\.\. auto(?:decorator|function|class):: (\w+)(?:\(\))?$", text, re.MULTILINE
        )
        named += [*errors.__all__, "AioPlugin"]
        self.assertLessEqual(set(nose2_aio.__all__), set(named))

    def test_troubleshooting(self) -> None:
        """The page names all errors and all checks."""
        text = (TOP / "docs" / "troubleshooting.rst").read_text()
        for name in {*errors.__all__, *(f"({check.name})" for check in CHECKS)} - {"AioError"}:
            self.assertIn(name, text)

    def test_links(self) -> None:
        """The files that README.rst and CONTRIBUTING.rst link to exist. The site links to pages."""
        for page in ("README.rst", "CONTRIBUTING.rst"):
            for target in re.findall(r"<([^>:]+\.rst)>`_", (TOP / page).read_text()):
                self.assertTrue((TOP / target).exists(), target)
        for page in PAGES:
            if page.startswith("docs/"):  # Sphinx checks ``:doc:`` only
                self.assertNotIn(".rst>`_", (TOP / page).read_text(), page)


class Readme(TestCase):
    """README.rst, beyond what holds for all pages."""

    def test_doctest(self) -> None:
        """The doctests pass with no loop, with a current loop, and where none was ever current."""
        run = "import doctest; print(doctest.testfile('README.rst', module_relative=False))"
        for before in ("None", "asyncio.new_event_loop()", ""):
            prepare = f"import asyncio; asyncio.set_event_loop({before});" if before else ""
            printed = python("-c", prepare + run, folder=TOP).output
            self.assertRegex(printed, r"^TestResults\(failed=0, attempted=\d\d?\)")

    def test_first_example(self) -> None:
        """The failing suite passes with nose2 alone, and fails with the configuration files."""
        first = next(one for one in blocks("README.rst") if one.language == "python")
        for name, language in (("unittest.cfg", "ini"), ("pyproject.toml", "toml")):
            project = Project(self)
            project.write("test_account.py", first.code)
            alone = project.nose2(plugin=False)
            self.assertEqual((alone.returncode, alone.ran), (0, 2))
            (shown,) = (one for one in blocks("README.rst") if one.language == language)
            project.write(name, shown.code)
            self.assertEqual(project.nose2(plugin=False).returncode, 1)


class Examples(TestCase):
    """The example suite, run as README.rst says."""

    def test_green(self) -> None:
        """It passes."""
        run = nose2("-v", "-s", "examples", folder=TOP, plugin=False)
        self.assertEqual((run.returncode, run.ran), (0, 11), run.output)
