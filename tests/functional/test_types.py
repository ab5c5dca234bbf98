"""The types of the public names, for mypy and pyright: see ``tests/support/scenario/typed``.

The gate checks that folder with both, as the project of a user who has installed the package.
"""

from __future__ import annotations

import re
from typing import get_type_hints
from unittest import TestCase

import nose2_aio
from nose2_aio.config.checks import Modes
from nose2_aio.config.tag_lookup import CHECK_NAMES
from tests.runs import SCENARIOS, nose2

FOLDER = SCENARIOS / "typed"


class Typed(TestCase):
    """The typed project."""

    def test_passes(self) -> None:
        """Its tests pass."""
        run = nose2(folder=FOLDER, plugin=False)
        self.assertEqual(run.returncode, 0, run.output)

    def test_names(self) -> None:
        """It uses every public name."""
        text = "".join(path.read_text() for path in FOLDER.glob("test_*.py"))
        used = set(re.findall(r"\baio\.(\w+)", text))
        self.assertLessEqual(set(nose2_aio.__all__), used)

    def test_checks(self) -> None:
        """The type of the arguments of the tag ``checks`` has each check, in the same order."""
        self.assertEqual(tuple(get_type_hints(Modes)), CHECK_NAMES)
