"""
Run coroutine and generator tests for real, on an event loop.

Without this plugin nose2 calls an ``async def`` test, drops the coroutine and prints ``ok``.
With it, each such test runs on an event loop of its own: methods of test cases and test
classes, test functions, tests with parameters, functions that test generators yield, and the
cases of ``such`` scenarios; whatever gives an awaitable when nose2 calls it.

Activation
----------

.. code-block:: bash

    nose2 --plugin nose2_aio

or, in :file:`unittest.cfg` or :file:`nose2.cfg`,

.. code-block:: ini

    [unittest]
    plugins = nose2_aio

    [aio]
    time-limit = 5

Name ``nose2_aio``, not ``nose2_aio.plugin``: with both, each option would be defined twice.
Once loaded, the plugin is on. ``always-on = false`` in ``[aio]`` or ``--no-aio`` turns it off,
``--aio`` on again.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from configparser import InterpolationError
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from nose2.events import Plugin, StopTestRunEvent

from nose2_aio.config import config_files, environment, nose2_plugins, switches
from nose2_aio.config.options import OPTIONS, SECTION
from nose2_aio.config.settings import Settings, resolve
from nose2_aio.errors import InvalidValueError
from nose2_aio.workers import role

if TYPE_CHECKING:
    from nose2_aio.run import Execute, Run

__all__ = ["AioPlugin"]

_FOUND = "nose2_aio"


class _PluginType(type(Plugin)):  # type: ignore[misc]  # nose2 has no types
    """Creates the plugin. nose2 reads the section of a plugin before it calls ``__init__``."""

    def __call__(cls, *args: Any, session: Any = None, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, session=session, **kwargs)
        except InterpolationError as error:
            message = config_files.explain_interpolation(error, session.config)
            session.argparse.exit(2, f"nose2: error: {message}\n")


class AioPlugin(Plugin, metaclass=_PluginType):  # type: ignore[misc]  # nose2 has no types
    """Runs coroutine and generator tests on an event loop."""

    configSection = SECTION
    alwaysOn = True
    registered: bool

    def __init__(self) -> None:
        for option in OPTIONS:
            self.config.as_str(option.key)
        switches.define(self.session)
        self.command_line: dict[str, str] = {}
        self._has_names = False
        """True if the command line names tests."""
        self._last_stop: Any = None
        """The event of the last test that ended."""
        self._is_replaying = False
        """True if the events of this process report what happened in worker processes."""
        self._is_worker = False
        """True if this process is a worker."""

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings; in a worker process of nose2, the file has all of them."""
        given = {} if self._is_worker else environment.read(os.environ)
        return resolve(self._file, self.command_line, self.session.config.defaults(), given)

    @functools.cached_property
    def _file(self) -> dict[str, str]:
        return config_files.read(self.session, config_files.read_by_nose2())

    @functools.cached_property
    def _test_run(self) -> Run:
        from nose2_aio.run import Run

        return Run(
            self.settings,
            is_kept=self._is_worker or self.session.verbosity > 1,
            is_debugging=functools.partial(
                nose2_plugins.is_on, nose2_plugins.DEBUGGER, self.session
            ),
        )

    def register(self) -> None:
        """Register before nose2's own loaders of tests: they iterate generator functions."""
        super().register()
        for name in ("loadTestsFromModule", "loadTestsFromName"):
            plugins = self.session.hooks.hooks[name].plugins
            plugins.remove(self)
            # discovery imports the module of a named test
            discovery = [p for p in plugins if type(p).__module__ == nose2_plugins.DISCOVERY]
            plugins.insert(plugins.index(discovery[0]) + 1 if discovery else 0, self)

    def handleArgs(self, event: Any) -> None:
        """End the run before any test if the value of a setting is not valid."""
        self.command_line = switches.given(event.args)
        self._has_names = bool(event.args.testNames)
        for plugin in nose2_plugins.defined_in(nose2_plugins.ATTRIB, self.session):
            from nose2_aio.suites import selection

            plugin.validateAttrib = selection.with_class_tags(plugin.validateAttrib)
        try:
            self.settings  # noqa: B018 -- resolved here, once
        except InvalidValueError as error:
            self.session.argparse.exit(2, f"nose2: error: {error}\n")
        switched = getattr(event.args, SECTION)
        if switched and not self.registered:
            self.register()
        if not self.settings.time_limit:  # then this hook has nothing to do in this process
            self._unregister("stopTest")
        self._unregister("setTestOutcome")  # in worker processes only
        if switched is False:
            self._unregister(*self.session.hooks.hooks)
            self.registered = False

    def registerInSubprocess(self, event: Any) -> None:
        """Load this plugin in nose2's worker processes; the config has the command line's settings.

        The fixture wrappers of this process are removed: each process installs its own.
        """
        self._test_run.fixture_wrappers.remove()
        self._is_replaying = True
        self._unregister("stopTest")
        self.session.hooks.register("stopTest", self)
        event.pluginClasses.append(type(self))
        config = self.session.config
        if not config.has_section(SECTION):
            config.add_section(SECTION)
        given = {**self._file, **environment.read(os.environ), **self.command_line}
        for key, text in given.items():
            config.set(SECTION, key, text.replace("%", "%%"))
        config.set(SECTION, "shuffle", "false")  # the shares are in order already

    def loadTestsFromModule(self, event: Any) -> None:
        """Convert the generator tests of a module before nose2 looks for tests in it."""
        self._convert(event.module)

    def loadTestsFromName(self, event: Any) -> Any:
        """Convert the generator tests of the module of a named test, which discovery has imported.

        Of a name with a loop, ``module.Case.test[uvloop]``, the test on that loop is selected.
        """
        from nose2_aio.suites import loop_variants

        named = loop_variants.split_name(event.name, event.module)
        if named is not None:
            event.handled = True
            return self._load_variant(event, *named)
        parts = event.name.partition(":")[0].split(".")
        prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
        imported = [sys.modules[prefix] for prefix in prefixes if prefix in sys.modules]
        for module in [event.module] if event.module else imported[:1]:
            self._convert(module)
        return None

    def startTestRun(self, event: Any) -> None:
        """Begin the run: its signals, and how its suite is executed."""
        from nose2_aio.feedback import Feedback
        from nose2_aio.running import process_end
        from nose2_aio.suite_execution import SuiteExecution
        from nose2_aio.suites import arrangement

        nose2_plugins.keep_hooks(self.session)
        is_worker = role.current_worker() is not None
        reporters = nose2_plugins.defined_in(nose2_plugins.REPORTER, self.session)
        if is_worker:
            for hook in ("stopTestRun", "afterTestRun"):  # the main process reports
                self.session.hooks.hooks.pop(hook, None)
        else:
            Feedback(self._test_run).begin(self.session, reporters)
            self._test_run.outcomes.register(self.session.hooks)
        if self._has_names or nose2_plugins.is_on(nose2_plugins.ATTRIB, self.session):
            by = "name" if self._has_names else "-A or -E"
            self._test_run.part = f"its tests were selected by {by}"
        conflict = (
            self.settings.conflict_with_mp()
            if nose2_plugins.is_on(nose2_plugins.MP, self.session)
            else ""
        )
        if conflict:
            self.session.argparse.exit(2, f"nose2: error: {conflict}\n")
        self._test_run.begin(event.result.stop, self._tell)
        execution = SuiteExecution(self._test_run, self.session)
        event.executeTests = functools.partial(execution, event.executeTests)
        if process_end.will_exit() and not self.settings.workers:
            self._test_run.time_limits.on_stuck = functools.partial(self._end_stuck, event)
        event.suite, lines, part = arrangement.begin(
            event.suite, self.settings, self.session, is_main=not is_worker
        )
        self._test_run.part = self._test_run.part or part
        self._test_run.planned = event.suite.countTestCases()  # with -N, nobody else counts them
        lines += arrangement.order_note(self.settings) * (self.session.verbosity > 0)
        for plugin in () if is_worker else reporters:
            for line in lines:
                plugin.stream.writeln(line)

    def stopTestRun(self, _: Any) -> None:
        """Close the loop of the run."""
        self._test_run.end()

    def afterTestRun(self, event: Any) -> None:
        """Let nothing that tests have left hold up the end of the process."""
        from nose2_aio.running import process_end

        process_end.guard(event.result, self.settings.exit_grace)

    def startSubprocess(self, event: Any) -> None:
        """Begin a share of the run in one of nose2's worker processes."""
        from nose2_aio.workers import pickling  # noqa: F401 -- before a test has opened all files

        self._is_worker = True
        nose2_plugins.keep_hooks(self.session)
        self._test_run.begin(event.result.stop, self._tell)
        event.executeTests = functools.partial(self._execute_share, event.executeTests)

    def stopSubprocess(self, _: Any) -> None:
        """Close the loop that all shares of a worker process use."""
        self._test_run.end()
        from nose2_aio.running import process_end

        process_end.watch(self.settings.exit_grace, 0)

    def startTest(self, event: Any) -> None:
        """Prepare a test case, so that the awaitables of its test and fixtures are run."""
        if not (self._is_replaying or self._test_run.is_replaying):
            self._test_run.adapter.attach(event.test)

    def setTestOutcome(self, event: Any) -> None:
        """Replace an error that a worker process can't send."""
        if event.exc_info is not None:
            from nose2_aio.workers import pickling

            event.exc_info = pickling.portable(event.exc_info)

    def testOutcome(self, event: Any) -> None:
        """Note which tests fail."""
        if event.exc_info is not None:
            from nose2_aio.introspection import tracebacks

            tracebacks.trim(event.exc_info[1], head=False)  # a hook of the user's may call ours
            self._test_run.failures.note(event)

    def stopTest(self, event: Any) -> None:
        """End a test, or take the findings on one that ran in a worker process."""
        if self._is_replaying:
            found = event.metadata.get(_FOUND)
            if found is not None:
                self._test_run.merge(found)
            return
        if not self._test_run.is_replaying:
            self._test_run.adapter.detach()
        self._last_stop = event

    def wasSuccessful(self, event: Any) -> None:
        """A run that was interrupted by Ctrl-C is no success."""
        if self._test_run.is_cut:
            event.success = False

    def outcomeDetail(self, event: Any) -> None:
        """Add to the report of a failed test what was found in it, and if it is flaky."""
        event.extraDetail += self._test_run.details(event.outcomeEvent)

    def beforeErrorList(self, event: Any) -> None:
        """Report flaky tests in a category of their own, and fixtures by their names."""
        from nose2_aio.cases import nose2_cases
        from nose2_aio.workers import retries

        categories, is_failure = event.reportCategories, self.settings.flaky == "fail"
        nose2_cases.name_fixtures(categories)
        retries.move_to_category(self._test_run.failures, categories, is_failure=is_failure)

    def beforeSummaryReport(self, event: Any) -> None:
        """Print findings that have failed no test."""
        from nose2_aio.suites import arrangement

        lines = self._test_run.report()
        ran = sum(
            plugin.testsRun
            for plugin in nose2_plugins.defined_in(nose2_plugins.REPORTER, self.session)
        )
        notes = self._test_run.final_notes(ran)
        order = arrangement.order_note(self.settings)
        if order and not event.stopTestEvent.result.wasSuccessful():
            lines += order
        for line in [*lines, *notes, *([""] if notes else [])]:
            event.stream.writeln(line)

    def afterSummaryReport(self, event: Any) -> None:
        """Print how long all tests have waited, with ``-v``."""
        if self.session.verbosity > 1:
            for line in self._test_run.timings.summary():
                event.stream.writeln(line)

    def startLayerSetup(self, event: Any) -> None:
        """Begin a layer."""
        self._test_run.fixture_wrappers.begin_layer(event.layer)

    def stopLayerTeardown(self, event: Any) -> None:
        """End a layer, also one without ``tearDown``."""
        self._test_run.fixture_wrappers.end_layer(event.layer)

    def startLayerSetupTest(self, event: Any) -> None:
        """Begin a test, before the fixtures that its layers have for it."""
        self._test_run.adapter.begin_layered(event.test)

    def stopLayerTeardownTest(self, event: Any) -> None:
        """End a test, after the fixtures that its layers have for it."""
        self._test_run.adapter.end_layered(event.test)

    def _end_stuck(self, start: Any, error: BaseException, frame: FrameType | None) -> None:
        """Report a test that nothing can interrupt, write all reports, and end the process."""
        from nose2_aio.running import process_end

        now = time.time()
        self._unregister("stopTest", "stopTestRun", "afterTestRun")  # its loop still runs
        self._test_run.fail_running(start.result, error, frame)
        event = StopTestRunEvent(start.runner, start.result, now, now - start.startTime)
        self.session.hooks.stopTestRun(event)
        self.session.hooks.afterTestRun(event)
        process_end.leave(1)

    def _load_variant(self, event: Any, name: str, loop: str) -> Any:
        """Load a named test on one of its loops."""
        from nose2_aio.suites import loop_variants

        suite = event.loader.loadTestsFromName(name, event.module)
        try:
            return event.loader.suiteClass(loop_variants.select(suite, loop, name, self.settings))
        except InvalidValueError as error:
            return event.loader.failedLoadTests(event.name, error)

    def _execute_share(self, execute: Execute, suite: Any, result: Any) -> Any:
        from nose2_aio.cases import unittest_internals
        from nose2_aio.suite_execution import SuiteExecution

        try:
            execution = SuiteExecution(self._test_run, self.session, is_share=True)
            return execution(execute, suite, result)
        finally:
            # or unittest would tear the class and the module down again, in the next share
            unittest_internals.forget_previous_class(result)
            if self._last_stop is not None:  # nose2 sends it after this
                self._last_stop.metadata[_FOUND] = self._test_run.take()

    def _tell(self, frame: FrameType | None) -> str:
        """Describe what is running."""
        if self._is_replaying:
            return "the tests run in worker processes"
        return self._test_run.describe_running(frame)

    def _convert(self, module: ModuleType) -> None:
        from nose2_aio.cases import generator_tests

        generator_tests.convert(module, self.session.testMethodPrefix, self.settings.generators)

    def _unregister(self, *hooks: str) -> None:
        for name in hooks:
            hook = self.session.hooks.hooks.get(name)
            if hook is not None and self in hook.plugins:
                hook.plugins.remove(self)
