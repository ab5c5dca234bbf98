"""nose2's own plugins in a session: they are known by their modules, and may be on or off."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ATTRIB",
    "DEBUGGER",
    "DISCOVERY",
    "JUNIT",
    "MP",
    "PRETTY",
    "REPORTER",
    "defined_in",
    "is_on",
    "keep_hooks",
]

ATTRIB = "nose2.plugins.attrib"
DEBUGGER = "nose2.plugins.debugger"
DISCOVERY = "nose2.plugins.loader.discovery"
JUNIT = "nose2.plugins.junitxml"
MP = "nose2.plugins.mp"
PRETTY = "nose2.plugins.prettyassert"
REPORTER = "nose2.plugins.result"
_HOOKS_OF_EACH_TEST = (
    *("startTest", "reportStartTest", "stopTest"),
    *("setTestOutcome", "testOutcome", "reportSuccess"),
)


def defined_in(module: str, session: Any) -> list[Any]:
    """Return the plugins of a session that are defined in a module of nose2."""
    return [one for one in session.plugins if type(one).__module__ == module]


def is_on(module: str, session: Any) -> bool:
    """True if a plugin of this nose2 module is registered."""
    return any(plugin.registered for plugin in defined_in(module, session))


def keep_hooks(session: Any) -> None:
    """Keep the hooks that a session calls for each test where Python finds them at once.

    nose2 makes a new hook each time that it looks one up, and then takes the old one. For an empty
    test that is a fifth of its time.
    """
    for name in _HOOKS_OF_EACH_TEST:
        setattr(session.hooks, name, getattr(session.hooks, name))
