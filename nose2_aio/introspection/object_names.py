"""What the user's code calls an object: the variable or attribute that has it, near where it waits.

``Uploader.jobs`` is an attribute of an `Uploader`, ``jobs`` a local variable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

__all__ = ["name_in"]

_MAX_ITEMS = 1000
"""In how large a container an object is looked for."""
_MAX_KEY = 40
"""How many characters of a key are shown, at most."""
_CONTAINERS = (list, tuple, set, frozenset, deque)


def name_in(frames: Iterable[FrameType], value: object) -> str:
    """Return what the code of suspended frames calls an object; "" if no name is found.

    The innermost frames come last in ``frames``, and are looked at first. Only attributes of
    instances are read, so no code of the user runs.
    """
    for frame in reversed(list(frames)):
        variables = dict(frame.f_locals)
        for name, owner in variables.items():
            attributes = _attributes(owner)
            if attributes is not None and owner is not value:
                shown = type(owner).__name__ if name == "self" else name
                for found in _names_of(value, attributes):
                    return f"{shown}.{found}"
        for found in _names_of(value, variables):
            if found != "self":
                return found
    return ""


def _attributes(owner: object) -> dict[str, Any] | None:
    """Return the attributes of an instance; None for other objects."""
    try:
        attributes = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return None
    return attributes if type(attributes) is dict else None


def _names_of(value: object, namespace: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names that have an object, or a container with it."""
    items = list(namespace.items())
    yield from (name for name, one in items if one is value)
    for name, one in items:
        is_container = type(one) is dict or type(one) in _CONTAINERS
        if is_container and len(one) <= _MAX_ITEMS:
            pairs = one.items() if type(one) is dict else ((None, each) for each in one)
            yield from (f"{name}[{_shown(key)}]" for key, each in pairs if each is value)


def _shown(key: object) -> str:
    """Return a key as code shows it, if it is a short text or a number."""
    text = repr(key) if type(key) in (str, int) else ""
    return text if 0 < len(text) <= _MAX_KEY else "..."
