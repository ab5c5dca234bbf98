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
Once loaded, the plugin is on. ``always-on = false`` in ``[aio]`` turns it off, and ``--aio``
on again.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any

from nose2 import util
from nose2.events import Plugin

from nose2_aio import adapters, generators
from nose2_aio.errors import InvalidValueError
from nose2_aio.settings import OPTIONS, SECTION, Option, Settings, resolve

__unittest = True

__all__ = ["AioPlugin"]


class AioPlugin(Plugin):  # type: ignore[misc]  # nose2 has no types
    """Runs coroutine and generator tests on an event loop."""

    configSection = SECTION
    alwaysOn = True

    def __init__(self) -> None:
        for option in OPTIONS:
            self.config.as_str(option.key)
            action: dict[str, Any] = {"metavar": option.metavar}
            if option.metavar is None:
                action = {"action": argparse.BooleanOptionalAction}
            self.session.pluginargs.add_argument(_switch(option), help=option.help, **action)
        self.addFlag(self._register_cb, None, SECTION, "Run coroutine tests (on by default)")
        self.command_line: dict[str, str] = {}

    @functools.cached_property
    def settings(self) -> Settings:
        """What file and command line say; the file alone in a worker process."""
        return resolve(_section(self.session), self.command_line)

    def register(self) -> None:
        """Register before nose2's own loaders: they iterate generator functions."""
        super().register()
        for hook in ("loadTestsFromModule", "loadTestsFromName"):
            plugins = self.session.hooks.hooks[hook].plugins
            plugins.remove(self)
            plugins.insert(0, self)

    def handleArgs(self, event: Any) -> None:
        """End the run before any test where a setting has a value that it can't have."""
        for option in OPTIONS:
            value = getattr(event.args, f"{SECTION}_{option.name}", None)
            if value is not None:
                self.command_line[option.key] = str(value)
        try:
            self.settings  # noqa: B018 -- resolved here, once
        except InvalidValueError as error:
            self.session.argparse.exit(2, f"nose2: error: {error}\n")

    def registerInSubprocess(self, event: Any) -> None:
        """Come along to worker processes; what the command line said comes in the config."""
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
        """Convert the generator test that is named, or those of the class that is."""
        try:
            parent, named, *_ = util.test_from_name(event.name, event.module)
        except Exception:  # nose2's own loaders will say what is wrong with it
            return
        self._convert(named if isinstance(named, type) or parent is None else parent)

    def startTest(self, event: Any) -> None:
        """Step in where the test gives an awaitable."""
        adapters.attach(event.test, self.settings)

    def _convert(self, namespace: object) -> None:
        generators.convert(namespace, self.session.testMethodPrefix, self.settings.generators)


def _switch(option: Option) -> str:
    return f"--{SECTION}-{option.key}"


def _section(session: Any) -> dict[str, str]:
    """The texts of our section, without those of a section of defaults."""
    if not session.config.has_section(SECTION):
        return {}
    defaults = session.config.defaults()
    items = session.config.items(SECTION)
    return {key: text for key, text in items if defaults.get(key) != text}
