"""The projects of our tests on aio.TestCase: unittest and pytest have the outcomes of nose2.

The first project of each test is taken before it runs. All classes in it are derived from
aio.TestCase, and the modules of all projects are put into one folder. So each runner runs once.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest, TestCase, defaultTestLoader, mock

from nose2_aio.cases import unittest_internals
from tests import runs
from tests.functional.test_testcase import outcomes, pytest_outcomes
from tests.runs import Project

MODULES = ("checks", "fixtures", "limits", "deadlocks", "setup_covers", "scopes", "virtual_time")
_FOREIGN = re.compile(
    r"Isolated|async def (setUp|tearDown)Module|addModuleCleanup|enter_module|[Ll]ayer|os\.kill|"
    r"range\(\d\d\d|pass_fds"
)
"""What needs nose2, or is no part of this test."""


class _Recorded(BaseException):
    """A test was about to run a process."""


class Everywhere(TestCase):
    """The same outcomes under all runners."""

    def test_plain(self) -> None:
        """Without settings."""
        self.check(90)

    def test_limited(self) -> None:
        """With a time limit, by environment variables."""
        self.check(50, time_limit="0.1", grace="0.1")

    def check(self, least: int, **settings: str) -> None:
        """Run all projects of some settings with each runner, and compare."""
        arguments = [f"--aio-{key.replace('_', '-')}={text}" for key, text in settings.items()]
        project = Project(self)
        for number, (given, files) in enumerate(projects()):
            if [one for one in given if one != "-v"] == arguments:
                for name, text in renamed(files, number).items():
                    project.write(name, text)
        variables = {f"NOSE2_AIO_{key.upper()}": "0.3" for key in settings}  # for a busy machine
        with mock.patch.dict(os.environ, variables):
            expected = outcomes(project.nose2("-v"))
            unittests = project.python("-m", "unittest", "-v")
            options = ("-v", "-s", "-p", "no:cacheprovider", "--continue-on-collection-errors")
            pytests = project.python("-m", "pytest", *options)
        ours = [one for one in outcomes(unittests) if one.startswith("test_") and one in expected]
        for run, found in (unittests, outcomes(unittests)), (pytests, pytest_outcomes(pytests)):
            common = [one for one in ours if one in found]
            self.assertGreater(len(common), least, run.output)
            different = {
                one: (expected[one], found[one]) for one in common if found[one] != expected[one]
            }
            self.assertEqual(different, {})


def projects() -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """Yield the arguments of nose2, and the files, of the first run of each test."""
    found: list[tuple[tuple[str, ...], dict[str, str]]] = []

    def record(project: Project, *arguments: str, **_: Any) -> None:
        paths = [path for path in project.folder.rglob("*.py") if path.name != "__init__.py"]
        parts = [reversed(path.relative_to(project.folder).with_suffix("").parts) for path in paths]
        files = {"_".join(one): path.read_text() for one, path in zip(parts, paths, strict=True)}
        if not any(map(_FOREIGN.search, files.values())):
            found.append((arguments, files))
        raise _Recorded

    with (
        mock.patch.object(Project, "nose2", record),
        mock.patch.object(runs, "start", side_effect=_Recorded),
    ):
        for module in MODULES:
            suite = defaultTestLoader.loadTestsFromName(f"tests.functional.test_{module}")
            for test in unittest_internals.flattened(suite):
                with contextlib.suppress(_Recorded, SkipTest):
                    test.debug()
                test.doCleanups()
    yield from found


def renamed(files: dict[str, str], number: int) -> dict[str, str]:
    """Return the files of a project with a number in their names, and all classes on ours."""
    stems = "|".join(files)
    found = {}
    for stem, given in files.items():
        text = re.sub(rf"^(from|import) ({stems})\b", rf"\1 \2_{number}", given, flags=re.MULTILINE)
        text = re.sub(r"unittest\.TestCase\b(?=[,)])", "aio.TestCase", text)
        future, text = re.fullmatch(r"(from __future__.*\n)?([\s\S]*)", text).groups("")
        found[f"{stem}_{number}.py"] = f"{future}import nose2_aio as aio\n{text}"
    return found
