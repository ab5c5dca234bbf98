"""nose2_aio.plugin"""

from __future__ import annotations

import asyncio
import sys
import threading
from configparser import ConfigParser
from types import SimpleNamespace
from typing import Any
from unittest import TestCase, TestResult, TestSuite, mock

from nose2.plugins.prettyassert import PrettyAssert
from nose2.session import Session

from nose2_aio import AioPlugin
from nose2_aio.config.options import OPTIONS
from nose2_aio.errors import UnsentError
from nose2_aio.suite_execution import SuiteExecution


class Documentation(TestCase):
    """nose2's Sphinx directive creates the plugin with a fake session."""

    def test_autoplugin(self) -> None:
        """The directive finds every setting and every switch."""
        asked: list[str] = []
        added: list[str] = []

        class Config:
            section = None

            def __call__(self, items: Any) -> Any:
                return self

            def has_section(self, section: str) -> bool:
                return False

            def as_bool(self, key: str, default: Any = None) -> Any:
                return default

            def as_str(self, key: str, default: Any = None) -> Any:
                asked.append(key)
                return default

        session = Session()
        session.configClass = session.config = Config()
        session.pluginargs = SimpleNamespace(add_argument=lambda name, **_: added.append(name))
        AioPlugin(session=session)
        self.assertEqual(asked, [option.key for option in OPTIONS])
        self.assertEqual(added, ["--aio", *(f"--aio-{option.key}" for option in OPTIONS)])


class Hooks(TestCase):
    """The plugin's place among nose2's own."""

    def test_without_discovery(self) -> None:
        """Without a discovery plugin, ours comes first."""
        session = Session()
        session.config = ConfigParser()
        other = SimpleNamespace(loadTestsFromName=None)
        session.hooks.register("loadTestsFromName", other)
        plugin = AioPlugin(session=session)
        self.assertEqual(session.hooks.hooks["loadTestsFromName"].plugins, [plugin, other])

    def test_shuffle(self) -> None:
        """A worker process has the command line's settings, and keeps the order of its shares."""
        for file, command_line in (({}, {"shuffle": "5"}), ({"aio": {"shuffle": "true"}}, {})):
            session = Session()
            session.config = ConfigParser()
            session.config.read_dict(file)
            plugin = AioPlugin(session=session)
            plugin.command_line = {**command_line, "time-limit": "3"}
            self.assertIsNotNone(plugin.settings.shuffle)
            plugin.registerInSubprocess(SimpleNamespace(pluginClasses=[]))
            other = Session()
            other.config = session.config
            worker = AioPlugin(session=other)
            self.assertEqual((worker.settings.shuffle, worker.settings.time_limit), (None, 3))

    def test_worker(self) -> None:
        """In a worker process, each share has its fixture wrappers. All have the run's loop."""

        class Case(TestCase):
            async def test(self) -> None: ...

        session = Session()
        session.config = ConfigParser()
        session.config.read_dict({"aio": {"loop-scope": "run"}})
        plugin = AioPlugin(session=session)
        event = SimpleNamespace(
            executeTests=lambda suite, result: suite(result), result=SimpleNamespace(stop=None)
        )
        plugin.startSubprocess(event)
        loops = []

        class Result(TestResult):
            def startTest(self, test: TestCase) -> None:
                plugin.startTest(SimpleNamespace(test=test))

            def stopTest(self, test: TestCase) -> None:
                loops.append(asyncio.get_event_loop())

        result = Result()
        for _ in range(2):
            event.executeTests(TestSuite([Case("test")]), result)
            self.assertIsNone(result._previousTestClass)
        stop = SimpleNamespace(metadata={})
        plugin.stopTest(stop)
        event.executeTests(TestSuite(), result)
        found = stop.metadata["nose2_aio"]
        self.assertEqual((found.entries, found.timings.totals.tests, found.notes), ([], 2, []))
        self.assertIn("between two tests", plugin._tell(None))
        self.assertEqual(len(set(loops)), 1)
        self.assertFalse(loops[0].is_closed())
        plugin.stopSubprocess(SimpleNamespace())
        self.assertTrue(loops[0].is_closed())
        self.assertEqual(result.errors, [])


class Workers(TestCase):
    """What worker processes send."""

    def test_nothing_found(self) -> None:
        """A worker may have no findings."""
        plugin = AioPlugin(session=Session())
        plugin._is_replaying = True
        plugin.stopTest(SimpleNamespace(metadata={}))
        self.assertEqual(plugin._test_run.report(), [])

    def test_outcome(self) -> None:
        """The error of a failed test is made picklable."""
        plugin = AioPlugin(session=Session())
        event = SimpleNamespace(exc_info=None)
        plugin.setTestOutcome(event)
        self.assertIsNone(event.exc_info)
        error = ValueError("bad")
        error.lock = threading.Lock()  # type: ignore[attr-defined]
        event.exc_info = ValueError, error, None
        plugin.setTestOutcome(event)
        self.assertIs(event.exc_info[0], UnsentError)


class WorkersOfOurs(TestCase):
    """Our own worker processes."""

    def plugin(self, **settings: str) -> AioPlugin:
        session = Session()
        session.config = ConfigParser()
        session.config.read_dict({"aio": settings})
        return AioPlugin(session=session)

    def test_spawned_worker(self) -> None:
        """A spawned worker doesn't report: the main process does."""
        plugin = self.plugin(workers="2")
        reporter = SimpleNamespace(afterTestRun=None)
        plugin.session.hooks.register("afterTestRun", reporter)
        event = SimpleNamespace(
            suite=TestSuite(),
            executeTests=lambda suite, result: suite(result),
            result=SimpleNamespace(stop=None),
        )
        execution = SuiteExecution(plugin._test_run, plugin.session)
        with mock.patch("nose2_aio.workers.role._current", [mock.Mock()]):
            self.assertTrue(execution.has_workers)
            plugin.startTestRun(event)
        self.addCleanup(plugin.stopTestRun, None)
        self.assertNotIn("afterTestRun", plugin.session.hooks.hooks)
        self.assertNotIn("stopTestRun", plugin.session.hooks.hooks)

    def test_windows(self) -> None:
        """Without worker processes, tests run in the main process, and a line says so."""
        plugin = self.plugin(workers="2")
        execution = SuiteExecution(plugin._test_run, plugin.session)
        self.assertTrue(execution.has_workers)
        with mock.patch("nose2_aio.suite_execution.os", SimpleNamespace(name="nt")):
            self.assertFalse(execution.has_workers)
        self.assertIn(
            "workers: this system has none, so tests run in the main process",
            plugin._test_run.notes.lines,
        )

    def test_prettyassert(self) -> None:
        """What nose2's prettyassert plugin says of a failure is sent with its text."""
        plugin = self.plugin()
        pretty = PrettyAssert(session=plugin.session)
        plugin.session.plugins = [plugin, pretty]
        try:
            assert len("five") == 5
        except AssertionError:
            error = sys.exc_info()
        execution = SuiteExecution(plugin._test_run, plugin.session)
        text = execution.describe_error(self, error)
        self.assertTrue(text.startswith("Traceback (most recent call last):"))
        self.assertNotIn(">>>", text)
        pretty.register()
        self.assertIn('>>> assert len("five") == 5', execution.describe_error(self, error))
