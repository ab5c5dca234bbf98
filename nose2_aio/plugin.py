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

import argparse
import functools
import sys
from types import ModuleType
from typing import Any

from nose2.events import Plugin

from nose2_aio import generators
from nose2_aio.adapters import Adapter
from nose2_aio.errors import InvalidValueError
from nose2_aio.faces import Faces
from nose2_aio.fixtures import Fixtures
from nose2_aio.scopes import Scopes
from nose2_aio.settings import OPTIONS, SECTION, Settings, resolve

__all__ = ["AioPlugin"]

_DISCOVERY = "nose2.plugins.loader.discovery"


class AioPlugin(Plugin):  # type: ignore[misc]  # nose2 has no types
    """Runs coroutine and generator tests on an event loop."""

    configSection = SECTION
    alwaysOn = True

    def __init__(self) -> None:
        self._add_switch(None, help="Run coroutine tests (default: on)")
        for option in OPTIONS:
            self.config.as_str(option.key)
            self._add_switch(option.key, metavar=option.metavar, help=option.help)
        self.command_line: dict[str, str] = {}

    @functools.cached_property
    def settings(self) -> Settings:
        """What file and command line say; the file alone in a worker process."""
        config = self.session.config
        file = dict(config.items(SECTION)) if config.has_section(SECTION) else {}
        return resolve(file, self.command_line, everywhere=config.defaults())

    @functools.cached_property
    def _scopes(self) -> Scopes:
        return Scopes(self.settings)

    @functools.cached_property
    def _fixtures(self) -> Fixtures:
        return Fixtures(self.settings, self._scopes)

    @functools.cached_property
    def _adapter(self) -> Adapter:
        return Adapter(self.settings, self._scopes, self._fixtures)

    @functools.cached_property
    def _faces(self) -> Faces:
        return Faces(self.settings, self._scopes, self._fixtures)

    def register(self) -> None:
        """Register before nose2's own loaders of tests: they iterate generator functions."""
        super().register()
        for name in ("loadTestsFromModule", "loadTestsFromName"):
            plugins = self.session.hooks.hooks[name].plugins
            plugins.remove(self)
            # what is named is imported there, once
            discovery = [p for p in plugins if type(p).__module__ == _DISCOVERY]
            plugins.insert(plugins.index(discovery[0]) + 1 if discovery else 0, self)

    def handleArgs(self, event: Any) -> None:
        """End the run before any test where a setting has a value that it can't have."""
        for option in OPTIONS:
            value = getattr(event.args, f"{SECTION}_{option.name}")
            if value is not None:
                self.command_line[option.key] = str(value)
        try:
            self.settings  # noqa: B018 -- resolved here, once
        except InvalidValueError as error:
            self.session.argparse.exit(2, f"nose2: error: {error}\n")
        switched = getattr(event.args, SECTION)
        if switched and not self.registered:
            self.register()
        if switched is False:
            self._unregister()

    def registerInSubprocess(self, event: Any) -> None:
        """Come along to worker processes; what the command line said comes in the config.

        The faces that stand here don't come along: each process puts on its own.
        """
        self._faces.take_off()
        event.pluginClasses.append(type(self))
        config = self.session.config
        if not config.has_section(SECTION):
            config.add_section(SECTION)
        for key, text in self.command_line.items():
            config.set(SECTION, key, text)

    def loadTestsFromModule(self, event: Any) -> None:
        """Convert the generator tests of a module before nose2 looks for tests in it."""
        self._convert(event.module)

    def loadTestsFromName(self, event: Any) -> None:
        """Convert those of the module that has what is named, which discovery has imported."""
        parts = event.name.partition(":")[0].split(".")
        prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
        imported = [sys.modules[prefix] for prefix in prefixes if prefix in sys.modules]
        for module in [event.module] if event.module else imported[:1]:
            self._convert(module)

    def startTestRun(self, event: Any) -> None:
        """Cover the fixtures of all that is run, and close what was opened for it."""
        event.executeTests = functools.partial(self._execute, event.executeTests)

    def stopTestRun(self, _: Any) -> None:
        """Close the loop of the run."""
        self._scopes.close()

    def startSubprocess(self, event: Any) -> None:
        """Do in a worker process, for each of its shares, what is done for a run."""
        event.executeTests = functools.partial(self._execute_share, event.executeTests)

    def stopSubprocess(self, _: Any) -> None:
        """Close the loop that the shares of a worker process have in common."""
        self._scopes.close()

    def startTest(self, event: Any) -> None:
        """Step in where the test or a fixture of it gives an awaitable."""
        self._adapter.attach(event.test)

    def startLayerSetup(self, event: Any) -> None:
        """Arrive at a layer."""
        self._faces.begin_layer(event.layer)

    def stopLayerTeardown(self, event: Any) -> None:
        """Leave a layer; one without ``tearDown`` as well."""
        self._faces.end_layer(event.layer)

    def startLayerSetupTest(self, event: Any) -> None:
        """Arrive at a test, ahead of what its layers do for it."""
        self._adapter.begin_layered(event.test)

    def stopLayerTeardownTest(self, event: Any) -> None:
        """Leave a test, behind what its layers do for it."""
        self._adapter.end_layered(event.test)

    def _execute(self, execute: Any, suite: Any, result: Any) -> Any:
        try:
            with self._faces.on(suite), self._adapter.on():
                return execute(suite, result)
        finally:
            self._scopes.close(but_run=True)

    def _execute_share(self, execute: Any, suite: Any, result: Any) -> Any:
        try:
            return self._execute(execute, suite, result)
        finally:
            # or unittest would tear the class and the module down again, in the next share
            result._previousTestClass = None

    def _convert(self, module: ModuleType) -> None:
        generators.convert(module, self.session.testMethodPrefix, self.settings.generators)

    def _add_switch(self, key: str | None, *, help: str, metavar: str | None = None) -> None:  # noqa: A002
        """Add ``--aio`` or ``--aio-key``; without a metavar, with its ``--no-`` form."""
        name = f"--{SECTION}-{key}" if key else f"--{SECTION}"
        options: dict[str, Any] = {"metavar": metavar}
        if metavar is None:
            options = {"action": argparse.BooleanOptionalAction}
        self.session.pluginargs.add_argument(name, help=help, **options)

    def _unregister(self) -> None:
        for hook in self.session.hooks.hooks.values():
            if self in hook.plugins:
                hook.plugins.remove(self)
        self.registered = False
