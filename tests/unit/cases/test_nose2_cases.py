"""nose2_aio.cases.nose2_cases"""

from __future__ import annotations

from types import SimpleNamespace
from unittest import TestCase, suite

from nose2_aio.cases import nose2_cases


class Names(TestCase):
    """The names of fixtures in a report."""

    def test_fixture(self) -> None:
        """A fixture has its name, where unittest has a placeholder. A test stays as it is."""
        holder = suite._ErrorHolder("setUpClass (a.Case)")  # type: ignore[attr-defined]
        fixture, test = SimpleNamespace(test=holder), SimpleNamespace(test=self)
        nose2_cases.name_fixtures({"errors": [fixture], "failures": [test]})
        self.assertEqual(fixture.test.id(), "setUpClass (a.Case)")
        self.assertEqual(str(fixture.test), "setUpClass (a.Case)")
        self.assertIs(test.test, self)
