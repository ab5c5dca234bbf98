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
]

ATTRIB = "nose2.plugins.attrib"
DEBUGGER = "nose2.plugins.debugger"
DISCOVERY = "nose2.plugins.loader.discovery"
JUNIT = "nose2.plugins.junitxml"
MP = "nose2.plugins.mp"
PRETTY = "nose2.plugins.prettyassert"
REPORTER = "nose2.plugins.result"


def defined_in(module: str, session: Any) -> list[Any]:
    """Return the plugins of a session that are defined in a module of nose2."""
    return [one for one in session.plugins if type(one).__module__ == module]


def is_on(module: str, session: Any) -> bool:
    """True if a plugin of this nose2 module is registered."""
    return any(plugin.registered for plugin in defined_in(module, session))
