"""nose2_aio.config.nose2_plugins"""

from __future__ import annotations

import io
from unittest import TestCase, mock

from nose2.events import PluginInterface
from nose2.plugins.result import ResultReporter
from nose2.result import PluggableTestResult
from nose2.session import Session

from nose2_aio.config import nose2_plugins


class Passing(TestCase):
    """A test that passes."""

    def test(self) -> None:
        """Do nothing."""


class Hooks(TestCase):
    """`keep_hooks`."""

    def setUp(self) -> None:
        """A session that reports."""
        self.session = Session()
        self.reporter = ResultReporter(session=self.session)
        self.reporter.stream = io.StringIO()

    def run_test(self) -> list[str]:
        """Run a test; return the names of the hooks that nose2 looked up, and did not find kept."""
        sought: list[str] = []
        find = PluginInterface.__getattr__

        def look_up(hooks: PluginInterface, name: str) -> object:
            sought.append(name)
            return find(hooks, name)

        with mock.patch.object(PluginInterface, "__getattr__", look_up):
            Passing("test").run(PluggableTestResult(self.session))
        self.assertEqual(self.reporter.testsRun, 1)
        return sought

    def test_not_kept(self) -> None:
        """Without it, nose2 looks up six hooks for a test."""
        self.assertEqual(len(self.run_test()), 6)

    def test_kept(self) -> None:
        """With it, nose2 finds all of them. They are those that plugins are registered at."""
        nose2_plugins.keep_hooks(self.session)
        self.assertEqual(self.run_test(), [])
        for name, hook in self.session.hooks.hooks.items():
            self.assertIs(getattr(self.session.hooks, name), hook)
