"""What README.rst and docs/ say is true."""

from __future__ import annotations

import doctest
import re
import sys
import textwrap
from unittest import TestCase, skipIf

from nose2_aio.config.checks import CHECKS
from tests.runs import TOP, Project, nose2, python

TEXT = (TOP / "README.rst").read_text()


def block(language: str) -> str:
    """Return the README's code block in a language."""
    found = re.search(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", TEXT)
    assert found is not None
    return textwrap.dedent(found[1])


def comparable(printed: str) -> str:
    """Return a report without the parts that depend on the machine and the Python."""
    printed = re.sub(r'File ".*/', 'File "', printed)
    printed = re.sub(r"in \d+\.\d+s", "in 0.001s", printed)
    return re.sub(r"^ +[~^]+\n", "", printed, flags=re.MULTILINE).strip()


class Readme(TestCase):
    """Examples of README.rst."""

    maxDiff = None

    def test_doctest(self) -> None:
        """The doctests pass with no loop, with a current loop, and where none was ever current."""
        run = "import doctest; print(doctest.testfile('README.rst', module_relative=False))"
        for before in ("None", "asyncio.new_event_loop()", ""):
            prepare = f"import asyncio; asyncio.set_event_loop({before});" if before else ""
            printed = python("-c", prepare + run, folder=TOP).output
            self.assertRegex(printed, r"^TestResults\(failed=0, attempted=\d\d\)")

    def test_decorators(self) -> None:
        """The doctests of docs/reference/decorators.rst pass."""
        text = (TOP / "docs/reference/decorators.rst").read_text()
        examples = doctest.DocTestParser().get_doctest(text, {}, "decorators.rst", None, 0)
        self.assertGreater(len(examples.examples), 10)
        self.assertEqual(doctest.DocTestRunner().run(examples).failed, 0)

    def test_first_example(self) -> None:
        """The first suite passes with nose2 alone. With the plugin it prints the shown output."""
        project = Project(self, test_account=block("python"))
        alone = project.nose2(plugin=False)
        self.assertEqual((alone.returncode, alone.ran), (0, 2))
        shown = block("console").partition("\n")[2]
        self.assertEqual(comparable(project.nose2().output), comparable(shown))

    def test_fixtures(self) -> None:
        """The class with fixtures passes, as it stands there."""
        section = TEXT.partition("\nAsync fixtures\n")[2].partition("\nLeaked tasks")[0]
        examples = doctest.DocTestParser().get_examples(section)
        project = Project(self, test_it="\n".join(example.source for example in examples))
        run = project.nose2("-v")
        self.assertEqual((run.returncode, run.ran), (0, 2), run.output)

    def test_configuration(self) -> None:
        """The configuration files load the plugin."""
        for name, language in (("unittest.cfg", "ini"), ("pyproject.toml", "toml")):
            project = Project(self, test_account=block("python"))
            project.write(name, block(language))
            self.assertEqual(project.nose2(plugin=False).returncode, 1)

    def test_settings(self) -> None:
        """docs/reference/settings.rst names every switch that there is."""
        switches = set(re.findall(r"--aio(?:-[a-z]+)*", Project(self).nose2("--help").output))
        text = (TOP / "docs/reference/settings.rst").read_text()
        named = set(re.findall(r"``(--aio[a-z-]*)``", text))
        self.assertEqual(named, {one for one in switches if not one.startswith("--no-")})


class Fixtures(TestCase):
    """docs/reference/fixtures.rst"""

    TEXT = (TOP / "docs/reference/fixtures.rst").read_text()

    def blocks(self) -> list[str]:
        """Return the page's examples."""
        found = re.findall(r"code-block:: python\n\n((?:    .*\n|\n)+)", self.TEXT)
        return [textwrap.dedent(one) for one in found]

    def test_report(self) -> None:
        """The page shows the report of a crash as it is printed."""
        (code,) = [block for block in self.blocks() if "def serve" in block]
        project = Project(self, test_service=code)
        shown = self.TEXT[self.TEXT.index("    ERROR: test_answer") :].partition("\n\n")[0]
        (report,) = project.nose2().reports
        self.assertEqual(comparable(report), comparable(textwrap.dedent(shown)))

    def test_examples(self) -> None:
        """All examples are valid Python. The last one passes."""
        for one in self.blocks():
            compile(one, "example", "exec")
        old = "import asyncio, unittest\n" + self.blocks()[-1]
        self.assertEqual(Project(self, test_it=old).nose2().returncode, 0)


class Reports(TestCase):
    """The reports that the pages of docs/ show."""

    maxDiff = None

    def shown(self, name: str, module: str, after: str = "") -> tuple[str, str]:
        """Return what the first example of a page prints, after a heading, and what it shows."""
        text = (TOP / "docs" / name).read_text()
        text = text[text.index(after) :]
        blocks = {
            language: textwrap.dedent(
                re.search(rf"code-block:: {language}\n\n((?:    .*\n|\n)+)", text)[1]
            )
            for language in ("python", "console")
        }
        printed = Project(self, **{module: blocks["python"]}).nose2().output
        return self.same(printed), self.same(blocks["console"])

    def same(self, text: str) -> str:
        """Return a report without the parts that change from run to run, or with the Python."""
        text = comparable(text)
        text = re.sub(r"Task-\d+", "Task-2", re.sub(r"0x[0-9a-f]+", "0x", text))
        text = re.sub("; the last one was put .*", "", text)  # only Python 3.12 and later say it
        text = re.sub(r"failed \d\.\d\d s before", "failed before", text)
        return re.sub(r"sleeps, .* s to go", "sleeps", text)

    def test_checks(self) -> None:
        """The page shows what is printed."""
        printed, shown = self.shown("reference/checks.rst", "test_shop")
        self.assertIn(shown.removesuffix("-" * 70).strip(), printed)

    def test_timeouts(self) -> None:
        """The page, and README.rst, show what is printed."""
        printed, shown = self.shown("reference/timeouts.rst", "test_chat")
        self.assertIn(shown, printed)
        self.assertIn(shown, self.same(textwrap.dedent(TEXT.replace("\n    ", "\n"))))

    @skipIf(sys.version_info < (3, 12), "the report says less")
    def test_whole_report(self) -> None:
        """The page shows what is printed, from the first line to the last one."""
        printed, shown = self.shown(
            "reference/timeouts.rst", "test_upload", after="How to read the report\n"
        )
        self.assertIn(f"{'=' * 70}\n{shown}\n\n{'-' * 70}\nRan 1 test", printed)

    def test_virtual_time(self) -> None:
        """The first and last examples pass. The second passes without the plugin."""
        text = (TOP / "docs/why/virtual_time.rst").read_text()
        first, second, third = (
            textwrap.dedent(one)
            for one in re.findall(r"code-block:: python\n\n((?:    .*\n|\n)+)", text)
        )
        run = Project(self, test_it=first).nose2("-v")
        self.assertEqual((run.ran, run.returncode), (1, 0), run.output)
        self.assertIn("3600.00 s were saved by virtual time", run.output)
        code = f"""
import asyncio
import nose2_aio as aio

async def handle(reader, writer):
    await asyncio.sleep(1800)
    writer.close()

{third}
"""
        run = Project(self, test_it=code).nose2()
        self.assertEqual((run.ran, run.returncode), (1, 0), run.output)
        code = f"import asyncio\nimport nose2_aio as aio\n{second}\ntest_backoff()\n"
        run = Project(self, it=code).python("it.py")
        self.assertEqual((run.returncode, run.output), (0, ""))

    def test_waiting(self) -> None:
        """The page shows what is printed, except for hundredths of a second."""
        text = (TOP / "docs/reference/waiting.rst").read_text()
        code, shown = (
            textwrap.dedent(re.search(rf"code-block:: {language}\n\n((?:    .*\n|\n)+)", text)[1])
            for language in ("python", "console")
        )
        printed = Project(self, test_mail=code).nose2("--aio-durations", "2").output
        same = [re.sub(r"\d\.\d\d", "0.00", one) for one in (shown.strip(), printed)]
        self.assertIn(*same)

    def test_workers(self) -> None:
        """What it shows of crashed and of flaky tests is what is printed, but for the times."""
        text = (TOP / "docs/reference/workers.rst").read_text()
        for module, switches in (
            ("test_parser", ("--aio-workers", "2", "--aio-grace", "0.1")),
            ("test_stock", ("--aio-workers", "4", "--aio-retries", "2")),
        ):
            name = module.removeprefix("test_").title()
            start = text.rindex("code-block:: python\n", 0, text.index(f"class {name}("))
            code, shown = (
                textwrap.dedent(
                    re.search(rf"code-block:: {language}\n\n((?:    .*\n|\n)+)", text[start:])[1]
                )
                for language in ("python", "text")
            )
            printed = Project(self, **{module: code}).nose2(*switches).output
            same = [re.sub(r"\d\.\d s", "0.0 s", comparable(one)) for one in (shown, printed)]
            self.assertEqual(*same)

    def test_tables(self) -> None:
        """The page's table of checks equals the one in the code."""
        rows = re.findall(
            r"^``([a-z-]+)`` +(fail|warn) ",
            (TOP / "docs/reference/checks.rst").read_text(),
            re.MULTILINE,
        )
        self.assertEqual(rows, [(check.name, check.default) for check in CHECKS])


class Examples(TestCase):
    """The example suites, run as README.rst says."""

    def test_green(self) -> None:
        """The main suite passes."""
        run = nose2("-v", "-s", "examples", folder=TOP, plugin=False)
        self.assertEqual((run.returncode, run.ran), (0, 11), run.output)

    def test_silent(self) -> None:
        """All tests of the other suite fail with the plugin, and pass without it."""
        run = nose2("-v", "-s", "examples/silent", folder=TOP, plugin=False)
        self.assertEqual(set(run.outcomes.values()), {"FAIL", "ERROR"}, run.output)
        alone = nose2(
            "-v", "-s", "examples/silent", "--exclude-plugin", "nose2_aio", folder=TOP, plugin=False
        )
        self.assertEqual((alone.ran, set(alone.outcomes.values())), (3, {"ok"}))
