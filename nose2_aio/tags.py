"""Tags: decorators that record something on a test, and reading that back.

On a function a tag is one plain attribute of its name, so that nose2's ``-A`` and ``-E`` select
on it, and an attribute set by hand counts the same. On a class, tags stand in one attribute
of our own, so that an unrelated ``timeout = 3`` of the class is never taken for one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from nose2_aio import places, seconds
from nose2_aio.errors import InvalidTypeError

__all__ = ["Tags", "is_tagged", "read", "sleep", "timeout"]

_Tagged = TypeVar("_Tagged", bound=Callable[..., Any])

_NAMES = frozenset({"timeout", "sleep"})
_ON_CLASS = "__nose2_aio_tags__"


class Tags(NamedTuple):
    """What is tagged on a test, in seconds; None where nothing is."""

    timeout: float | None = None
    sleep: float | None = None


_NONE = Tags()


def timeout(limit: float, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with a number of seconds >= 0.

    For a test that is run until complete it is the time limit (0: none), for one that is run
    forever the time to wait before its callback is called.

    Raises `InvalidTypeError` or `InvalidValueError` for anything else than a finite
    number >= 0.
    """
    return _tag("timeout", limit)


def sleep(duration: float, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with a number of seconds >= 0.

    It says for how long the loop of a test that is run forever runs on after its callback.

    Raises `InvalidTypeError` or `InvalidValueError` for anything else than a finite
    number >= 0.
    """
    return _tag("sleep", duration)


def is_tagged(function: object) -> bool:
    """Tell whether a function itself carries a tag."""
    own = _attributes(function)
    return any(own.get(name) is not None for name in _NAMES)


def read(function: object, owner: type) -> Tags:
    """Return the tags of a test: its function's own, then those of its class and its bases.

    ``owner`` is the user's class, or any class without tags where there is none.
    """
    own = _attributes(function)
    found = {}
    if hasattr(owner, _ON_CLASS):
        for base in reversed(owner.__mro__):
            found.update(vars(base).get(_ON_CLASS, {}))
    for name in own.keys() & _NAMES:
        value = own[name]
        if value is not None:
            place = f"attribute {name} of {places.describe(function)}"
            found[name] = seconds.checked(value, name=name, place=place)
    return Tags(**found) if found else _NONE


def _attributes(function: object) -> dict[str, Any]:
    """The attributes of a function, also under `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__dict__", {})


def _tag(name: str, value: float) -> Callable[[_Tagged], _Tagged]:
    place = f"@{name}, {places.of_caller()}"
    seconds.checked(value, name=name, place=place)

    def tag(tagged: _Tagged) -> _Tagged:
        if isinstance(tagged, type):
            setattr(tagged, _ON_CLASS, {**vars(tagged).get(_ON_CLASS, {}), name: value})
        elif isinstance(tagged, staticmethod | classmethod):
            setattr(tagged.__func__, name, value)
        elif callable(tagged):
            setattr(tagged, name, value)
        else:
            raise InvalidTypeError(
                f"@{name} is for functions and classes, got {tagged!r} ({place})"
            )
        return tagged

    return tag
