"""Read the tags of a test: those of its function, of its class, and of the bases of the class.

`nose2_aio.config.tags` has the decorators, and says where a tag is stored. The functions here that
read a tag take a test's function, and ``owner``: the user's class, or `object` if there is none.
Unless they say otherwise, the tag of the function wins over that of the class, and the tag of the
class over those of its bases.

An attribute of the function counts as a tag, also if it was set by hand. If its value is not valid,
they raise `InvalidTypeError` or `InvalidValueError`.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from nose2_aio.config import loop_factories, seconds
from nose2_aio.config.checks import CHECKS, MODES
from nose2_aio.config.loop_factories import Factory
from nose2_aio.config.options import either
from nose2_aio.errors import InvalidTypeError, InvalidValueError
from nose2_aio.introspection import locations

__all__ = [
    "CHECK_NAMES",
    "CLASS_ATTRIBUTE",
    "DurationTags",
    "ExclusiveKey",
    "class_tags",
    "class_with_timeout",
    "has_tags",
    "is_coroutine_tagged",
    "own_keys",
    "own_tags",
    "read_all",
    "read_checks",
    "read_durations",
    "read_exclusive",
    "read_loop",
    "read_loop_scope",
    "read_retries",
    "read_serial",
    "read_virtual_time",
    "validate_keys",
    "validate_modes",
    "validate_whole",
]

CLASS_ATTRIBUTE = "__nose2_aio_tags__"
"""The attribute of a class that maps the names of its tags to their values."""
CHECK_NAMES = tuple(check.name.replace("-", "_") for check in CHECKS)
"""The names of the checks, as the tag ``checks`` spells them."""
_DURATIONS = frozenset({"timeout", "sleep"})
_COROUTINE_TAGS = _DURATIONS | {"loop", "virtual_time"}
"""Tags that make a generator function a coroutine test."""


class DurationTags(NamedTuple):
    """The tags ``timeout`` and ``sleep`` of a test, in seconds. None: the test has no such tag."""

    timeout: float | None = None
    sleep: float | None = None


_NO_DURATIONS = DurationTags()


class ExclusiveKey(str):
    """A key of the tag ``exclusive``."""

    __slots__ = ("at_most",)
    at_most: int
    """How many tests with this key may run at the same time."""


def has_tags(owner: type) -> bool:
    """Return True if a class or one of its bases has tags."""
    return hasattr(owner, CLASS_ATTRIBUTE)


def is_coroutine_tagged(function: object) -> bool:
    """Return True if a function itself has a tag that only a coroutine test can have."""
    own = own_tags(function)
    return any(own.get(name) is not None for name in _COROUTINE_TAGS)


def own_tags(tagged: object) -> dict[str, Any]:
    """Return the tags of a class without its bases, or the attributes of a function.

    A `functools.partial` has the attributes of its function.
    """
    if isinstance(tagged, type):
        own: dict[str, Any] = vars(tagged).get(CLASS_ATTRIBUTE, {})
        return own
    while isinstance(tagged, functools.partial):
        tagged = tagged.func
    return getattr(tagged, "__dict__", {})


def read_durations(function: object, owner: type) -> DurationTags:
    """Return the tags ``timeout`` and ``sleep`` of a test."""
    own = own_tags(function)
    if not own and not has_tags(owner):
        return _NO_DURATIONS
    found = {name: value for name, value in class_tags(owner).items() if name in _DURATIONS}
    for name in own.keys() & _DURATIONS:
        value = own[name]
        if value is not None:
            found[name] = seconds.validate(value, name=name, place=_place(name, function))
    return DurationTags(**found) if found else _NO_DURATIONS


def class_with_timeout(function: object, owner: type) -> str:
    """Return the name of the class whose tag ``timeout`` holds for a test; "" for none."""
    if has_tags(owner) and own_tags(function).get("timeout") is None:
        for base in owner.__mro__:
            if "timeout" in own_tags(base):
                return base.__name__
    return ""


def read_loop(function: object, owner: type) -> tuple[Factory, ...]:
    """Return the loop factories of a test; none if it has no tag ``loop``."""
    own = own_tags(function).get("loop")
    if own is not None:
        return loop_factories.validate([own], place=_place("loop", function))
    found: tuple[Factory, ...] = class_tags(owner).get("loop", ())
    return found


def read_loop_scope(owner: type) -> str | None:
    """Return the tag ``loop_scope`` of a class; None if it has none."""
    return class_tags(owner).get("loop_scope")


def read_virtual_time(function: object, owner: type) -> bool | str | None:
    """Return the tag ``virtual_time`` of a test; None if it has none.

    ``"wall"`` means True, and that the time of day is moved together with virtual time.
    """
    value: Any = own_tags(function).get("virtual_time")
    if value is None:
        return class_tags(owner).get("virtual_time")
    if value not in (True, False, "wall"):
        raise InvalidTypeError(
            f"virtual_time must be True, False or 'wall', got {value!r} "
            f"({_place('virtual_time', function)})"
        )
    return value  # type: ignore[no-any-return]


def read_checks(function: object, owner: type) -> dict[str, str]:
    """Return the modes of the checks that a test is tagged with, for each check by itself.

    The names of the checks are those of the settings, with hyphens.
    """
    own = own_tags(function).get("checks")
    found = dict(class_tags(owner).get("checks", ()))
    if own is not None:
        place = _place("checks", function)
        if not isinstance(own, dict):
            raise InvalidTypeError(f"checks must be a dict, got {own!r} ({place})")
        validate_modes(own, place)
        found.update(own)
    return {name.replace("_", "-"): mode for name, mode in found.items()}


def read_serial(function: object, owner: type) -> bool:
    """Return True if a test is tagged with ``serial``."""
    value = own_tags(function).get("serial")
    if value is None:
        return bool(class_tags(owner).get("serial"))
    if not isinstance(value, bool):
        place = _place("serial", function)
        raise InvalidTypeError(f"serial must be True or False, got {value!r} ({place})")
    return value


def read_exclusive(function: object, owner: type) -> dict[str, int]:
    """Return the keys of the tag ``exclusive``: those of the function, the class and its bases.

    Each key is mapped to how many tests with this key may run at the same time. If several tags
    have the same key, the smallest number counts.
    """
    found: dict[str, int] = {}
    for key in (*class_tags(owner).get("exclusive", ()), *own_keys(function)):
        at_most = getattr(key, "at_most", 1)
        found[str(key)] = min(at_most, found.get(key, at_most))
    return found


def read_retries(function: object, owner: type) -> int | None:
    """Return the tag ``retries`` of a test; None if it has none."""
    value = own_tags(function).get("retries")
    if value is None:
        return class_tags(owner).get("retries")
    return validate_whole(value, least=0, name="retries", place=_place("retries", function))


def read_all(function: object, owner: type) -> dict[str, Any]:
    """Return all tags of a test by their names, with values that JSON has."""
    timeout, sleep = read_durations(function, owner)
    found = {
        "timeout": timeout,
        "sleep": sleep,
        "loop": [factory.name for factory in read_loop(function, owner)] or None,
        "loop_scope": read_loop_scope(owner),
        "virtual_time": read_virtual_time(function, owner),
        "checks": read_checks(function, owner) or None,
        "serial": read_serial(function, owner) or None,
        "exclusive": read_exclusive(function, owner) or None,
        "retries": read_retries(function, owner),
    }
    return {name: value for name, value in found.items() if value is not None}


def own_keys(function: object) -> tuple[str, ...]:
    """Return the keys of the tag ``exclusive`` of a function itself.

    Set by hand, the attribute may be a string or several strings.
    """
    own = own_tags(function).get("exclusive")
    if own is None:
        return ()
    if isinstance(own, str) or not isinstance(own, Iterable):
        own = [own]
    keys = tuple(own)
    validate_keys(keys, _place("exclusive", function))
    return keys


def validate_keys(keys: Iterable[Any], place: str) -> None:
    """Raise `InvalidTypeError` if one of the keys of ``exclusive`` is not a string.

    Raises `InvalidValueError` for an empty one.
    """
    for key in keys:
        message = f"exclusive must be one or more non-empty strings, got {key!r} ({place})"
        if not isinstance(key, str):
            raise InvalidTypeError(message)
        if not key.strip():
            raise InvalidValueError(message)


def validate_modes(modes: Mapping[str, object], place: str) -> None:
    """Raise `InvalidValueError` or `InvalidTypeError` for an unknown check or mode."""
    for name, mode in modes.items():
        if name not in CHECK_NAMES:
            raise InvalidValueError(f"unknown check {name!r}: {either(CHECK_NAMES)} ({place})")
        if mode not in MODES:
            kind = InvalidValueError if isinstance(mode, str) else InvalidTypeError
            raise kind(f"{name} must be {either(MODES)}, got {mode!r} ({place})")


def validate_whole(value: object, *, least: int, name: str, place: str) -> int:
    """Return ``value`` if it is a whole number of at least ``least``.

    Raises `InvalidTypeError` if it is not an `int`, and `InvalidValueError` if it is too small.
    """
    message = f"{name} must be a whole number >= {least}, got {value!r} ({place})"
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTypeError(message)
    if value < least:
        raise InvalidValueError(message)
    return value


def class_tags(owner: type) -> dict[str, Any]:
    """Return the tags of a class and its bases. Those of the class win over those of its bases.

    For ``checks`` that holds for each check by itself. The keys of ``exclusive`` are added up.
    """
    found: dict[str, Any] = {}
    if has_tags(owner):
        for base in reversed(owner.__mro__):
            own = own_tags(base)
            modes = {**found.get("checks", {}), **own.get("checks", {})}
            keys = (*found.get("exclusive", ()), *own.get("exclusive", ()))
            found.update(own)
            if modes:
                found["checks"] = modes
            if keys:
                found["exclusive"] = keys
    return found


def _place(name: str, function: object) -> str:
    """Describe the attribute of a function that is a tag, for messages."""
    return f"attribute {name} of {locations.describe(function)}"
