"""docs/troubleshooting.rst: each example fails with the message that the page shows."""

from __future__ import annotations

import itertools
import sys
from unittest import TestCase, skipIf

from nose2_aio import errors
from nose2_aio.config.checks import CHECKS
from tests.functional.test_docs import blocks, comparable
from tests.runs import TOP, Project

PAGE = "docs/troubleshooting.rst"


class Troubleshooting(TestCase):
    """The page."""

    @skipIf(sys.version_info < (3, 13), "older Pythons print less")
    def test_examples(self) -> None:
        """A text block after a file is part of what a run of all files prints."""
        project = Project(self)
        shown = []
        for block, following in itertools.pairwise(blocks(PAGE)):
            if block.name and following.language == "text":
                project.write(block.name, block.code)
                shown.append(following.code)
        self.assertGreater(len(shown), 10)
        run = project.nose2("--aio-grace", "0.1")
        for one in shown:
            self.assertIn(comparable(one), comparable(run.output))

    def test_complete(self) -> None:
        """The page names all errors and all checks."""
        text = (TOP / PAGE).read_text()
        names = {*errors.__all__, *(f"({check.name})" for check in CHECKS)} - {"AioError"}
        self.assertEqual({name for name in names if name not in text}, set())
