"""Tags: decorators that record something on a test, and reading that back.

On a function a tag is one plain attribute of its name, so that nose2's ``-A`` and ``-E`` select
on it, and an attribute set by hand counts the same. On a class, tags stand in one attribute
of our own, so that an unrelated ``timeout = 3`` of the class is never taken for one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

from nose2_aio.config import loop_factories, seconds, settings
from nose2_aio.config.checks import CHECKS, MODES
from nose2_aio.config.loop_factories import Factory
from nose2_aio.errors import InvalidTypeError, InvalidValueError
from nose2_aio.introspection import locations

__all__ = [
    "Tags",
    "are_on",
    "checks",
    "exclusive",
    "is_tagged",
    "loop",
    "loop_scope",
    "read",
    "read_checks",
    "read_exclusive",
    "read_loop",
    "read_loop_scope",
    "read_retries",
    "read_serial",
    "read_virtual_time",
    "retries",
    "serial",
    "sleep",
    "timeout",
    "virtual_time",
]

_Tagged = TypeVar("_Tagged", bound=Callable[..., Any])

_TaggedClass = TypeVar("_TaggedClass", bound=type)

_NAMES = frozenset({"timeout", "sleep"})
_ON_FUNCTIONS = _NAMES | {"loop", "virtual_time"}
"""Tags that say that a function is a coroutine test."""
_CHECKS = tuple(check.name.replace("-", "_") for check in CHECKS)
_ON_CLASS = "__nose2_aio_tags__"


class Tags(NamedTuple):
    """What is tagged on a test, in seconds; None where nothing is."""

    timeout: float | None = None
    sleep: float | None = None


_NONE = Tags()


def timeout(limit: float, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with a number of seconds >= 0.

    For a test that is run until complete it is the time limit, with its fixtures (0: none), for one
    that is run forever the time to wait before its callback is called. On a fixture it is the limit
    of that alone.

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


def loop(*factories_: Any) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with the loop that it is to run on.

    A factory is the dotted name of a callable without arguments that returns a new event loop,
    ``"uvloop.new_event_loop"``, or that callable itself. With several a test runs once on each.
    A name is imported when the test runs.

    Raises `InvalidTypeError` or `InvalidValueError` for anything else, and where there is none.
    """
    place = f"@loop, {locations.of_caller()}"
    found = loop_factories.checked(factories_, place=place)

    def tag(tagged: _Tagged) -> _Tagged:
        if isinstance(tagged, type):
            return _put(tagged, "loop", found, place)
        return _put(tagged, "loop", factories_[0] if len(factories_) == 1 else factories_, place)

    return tag


def read_loop(function: object, owner: type) -> tuple[Factory, ...]:
    """Return what `loop` says for a test: of its function, or else of its class and its bases.

    Raises `InvalidTypeError` or `InvalidValueError` for an attribute that was set by hand to
    something else.
    """
    own = _attributes(function).get("loop")
    if own is not None:
        return loop_factories.checked(
            [own], place=f"attribute loop of {locations.describe(function)}"
        )
    found: tuple[Factory, ...] = _of_class(owner).get("loop", ()) if are_on(owner) else ()
    return found


def loop_scope(scope: str, /) -> Callable[[_TaggedClass], _TaggedClass]:
    """Tag a class with what its coroutine tests share a loop with.

    ``"class"``: the other tests of the class; ``"module"``: those of the module; ``"run"``: all;
    ``"test"``: none, also where the setting ``loop-scope`` says otherwise. An async fixture of a
    wider scope lends its loop in any case.

    Raises `InvalidValueError` for any other value, `InvalidTypeError` for what is no string and
    where it stands on a function.
    """
    place = f"@loop_scope, {locations.of_caller()}"
    if not isinstance(scope, str):
        raise InvalidTypeError(
            f"loop_scope must be {settings.either(settings.LOOP_SCOPES)}, got {scope!r} ({place})"
        )
    if scope not in settings.LOOP_SCOPES:
        raise InvalidValueError(
            f"loop_scope must be {settings.either(settings.LOOP_SCOPES)}, got {scope!r} ({place})"
        )

    def tag(tagged: _TaggedClass) -> _TaggedClass:
        if not isinstance(tagged, type):
            raise InvalidTypeError(
                f"@loop_scope is for classes, got {tagged!r}: tag the class that the test is in "
                f"({place})"
            )
        return _tag_class(tagged, "loop_scope", scope)

    return tag


@overload
def virtual_time(tagged: _Tagged, /) -> _Tagged: ...
@overload
def virtual_time(
    what: bool = ...,  # noqa: FBT001 -- the one thing that it is about
    /,
    *,
    wall: bool = ...,
) -> Callable[[_Tagged], _Tagged]: ...
def virtual_time(what: Any = True, /, *, wall: bool = False) -> Any:  # noqa: FBT002 -- the same
    """Tag a test function, or all tests and fixtures of a class: its time is virtual.

    Waiting for a timer takes no time then: see `nose2_aio.eventloop.virtual_clock`. Works bare and called;
    ``virtual_time(False)`` says that its time is real, where the class or the setting says
    otherwise. With ``wall=True``, ``time.time()`` and ``datetime.now()`` move along, by the
    package time-machine. The time limit of such a test is one in virtual time.

    Raises `InvalidTypeError` for anything else, `InvalidValueError` for ``wall`` in real time.
    """
    place = f"@virtual_time, {locations.of_caller()}"
    if not isinstance(wall, bool):
        raise InvalidTypeError(f"wall must be True or False, got {wall!r} ({place})")
    if isinstance(what, bool):
        if wall and not what:
            raise InvalidValueError(f"wall=True is for virtual time alone ({place})")
        value = "wall" if wall else what
        return lambda tagged: _put(tagged, "virtual_time", value, place)
    return _put(what, "virtual_time", "wall" if wall else True, place)


def read_virtual_time(function: object, owner: type) -> bool | str | None:
    """Return what `virtual_time` says of a test: its function's own before its class's.

    True or False; ``"wall"`` where the time of day moves along; None where it stands nowhere.
    """
    value: Any = _attributes(function).get("virtual_time")
    if value is None:
        return _of_class(owner).get("virtual_time") if are_on(owner) else None
    if value not in (True, False, "wall"):
        raise InvalidTypeError(
            f"virtual_time must be True, False or 'wall', got {value!r} "
            f"(attribute virtual_time of {locations.describe(function)})"
        )
    return value  # type: ignore[no-any-return]


def checks(**modes: str) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with what its checks do.

    ``checks(leaked_tasks="ignore")``: the names are those of the settings, with underscores; each
    is ``"fail"``, ``"warn"`` or ``"ignore"``. A tag wins over the settings, ``strict`` included.

    Raises `InvalidTypeError` or `InvalidValueError` for anything else, and where it names none.
    """
    place = f"@checks, {locations.of_caller()}"
    if not modes:
        raise InvalidValueError(f"@checks needs at least one of {_either_check()} ({place})")
    _checked_modes(modes, place)

    def tag(tagged: _Tagged) -> _Tagged:
        own = vars(tagged).get(_ON_CLASS, {}) if isinstance(tagged, type) else _attributes(tagged)
        return _put(tagged, "checks", {**(own.get("checks") or {}), **modes}, place)

    return tag


def read_checks(function: object, owner: type) -> dict[str, str]:
    """Return what `checks` says for a test: the function's own before its class's.

    The names are those of the settings, with hyphens.
    """
    own = _attributes(function).get("checks")
    found = dict(_of_class(owner).get("checks", ())) if are_on(owner) else {}
    if own is not None:
        place = f"attribute checks of {locations.describe(function)}"
        if not isinstance(own, dict):
            raise InvalidTypeError(f"checks must be a dict, got {own!r} ({place})")
        _checked_modes(own, place)
        found.update(own)
    return {name.replace("_", "-"): mode for name, mode in found.items()}


def serial(tagged: _Tagged, /) -> _Tagged:
    """Tag a test function, or all tests of a class: no other worker is busy while it runs.

    Raises `InvalidTypeError` for anything else than a function or a class.
    """
    return _put(tagged, "serial", value=True, place=f"@serial, {locations.of_caller()}")


def read_serial(function: object, owner: type) -> bool:
    """True if a test is tagged with `serial`: its function's own tag wins over its class's."""
    value = _attributes(function).get("serial")
    if value is None:
        return bool(_of_class(owner).get("serial")) if are_on(owner) else False
    if not isinstance(value, bool):
        raise InvalidTypeError(
            f"serial must be True or False, got {value!r} "
            f"(attribute serial of {locations.describe(function)})"
        )
    return value


class Key(str):
    """A key of `exclusive`: a string, with how many tests may have it at the same time."""

    __slots__ = ("at_most",)
    at_most: int


def exclusive(*keys: str, at_most: int = 1) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with keys, one or more strings.

    Tests that share a key never run at the same time in different workers:
    ``exclusive("database")``. With ``at_most=4`` at most four of them do. The keys of several tags
    add up, and those of a function and its class; the smallest ``at_most`` of a key wins.

    Raises `InvalidTypeError` for a key that is no string, `InvalidValueError` where there is no key
    and for ``at_most`` below 1.
    """
    place = f"@exclusive, {locations.of_caller()}"
    if not keys:
        raise InvalidValueError(f"@exclusive needs at least one key, a string ({place})")
    _check_keys(keys, place)
    count = whole(at_most, least=1, name="at_most", place=place)
    made = tuple(map(Key, keys))
    for key in made:
        key.at_most = count

    def tag(tagged: _Tagged) -> _Tagged:
        if isinstance(tagged, type):
            before = vars(tagged).get(_ON_CLASS, {}).get("exclusive", ())
        else:
            before = _keys_of(getattr(tagged, "__func__", tagged))
        return _put(tagged, "exclusive", (*before, *made), place)

    return tag


def read_exclusive(function: object, owner: type) -> dict[str, int]:
    """Return the keys that `exclusive` gives a test: those of its function and of its class.

    With each stands how many tests that have it may run at the same time.
    """
    keys = _of_class(owner).get("exclusive", ()) if are_on(owner) else ()
    found: dict[str, int] = {}
    for key in (*keys, *_keys_of(function)):
        at_most = getattr(key, "at_most", 1)
        found[str(key)] = min(at_most, found.get(key, at_most))
    return found


def _keys_of(function: object) -> tuple[str, ...]:
    """Return the keys of a function itself: by hand, they may be a string, or some."""
    own = _attributes(function).get("exclusive")
    if own is None:
        return ()
    if isinstance(own, str) or not isinstance(own, Iterable):
        own = [own]
    keys = tuple(own)
    _check_keys(keys, f"attribute exclusive of {locations.describe(function)}")
    return keys


def _check_keys(keys: tuple[Any, ...], place: str) -> None:
    for key in keys:
        if not isinstance(key, str):
            raise InvalidTypeError(f"exclusive must be one or more strings, got {key!r} ({place})")


def retries(count: int, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class: run it again, so often, where it fails.

    It is run again at the end of the run, alone, in a fresh worker process. If it passes then, it
    is reported as flaky. ``retries(0)`` says not to, where the class or the setting says so.

    Raises `InvalidTypeError` or `InvalidValueError` for anything else than a whole number >= 0.
    """
    place = f"@retries, {locations.of_caller()}"
    whole(count, least=0, name="retries", place=place)
    return lambda tagged: _put(tagged, "retries", count, place)


def read_retries(function: object, owner: type) -> int | None:
    """Return what `retries` says of a test: its function's own tag wins over its class's.

    None where it stands nowhere.
    """
    value = _attributes(function).get("retries")
    if value is None:
        return _of_class(owner).get("retries") if are_on(owner) else None
    place = f"attribute retries of {locations.describe(function)}"
    return whole(value, least=0, name="retries", place=place)


def whole(value: object, *, least: int, name: str, place: str) -> int:
    """Return ``value`` if it is a whole number of at least ``least``.

    Raises `InvalidTypeError` or `InvalidValueError` for anything else.
    """
    message = f"{name} must be a whole number >= {least}, got {value!r} ({place})"
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTypeError(message)
    if value < least:
        raise InvalidValueError(message)
    return value


def _either_check() -> str:
    return settings.either(_CHECKS)


def _checked_modes(modes: dict[str, str], place: str) -> None:
    for name, mode in modes.items():
        if name not in _CHECKS:
            raise InvalidValueError(f"unknown check {name!r}: {_either_check()} ({place})")
        if mode not in MODES:
            kind = InvalidValueError if isinstance(mode, str) else InvalidTypeError
            raise kind(f"{name} must be {settings.either(MODES)}, got {mode!r} ({place})")


def are_on(owner: type) -> bool:
    """Tell whether a class or one of its bases has tags."""
    return hasattr(owner, _ON_CLASS)


def read_loop_scope(owner: type) -> str | None:
    """Return what `loop_scope` says of a class or its bases; None where it stands nowhere."""
    return _of_class(owner).get("loop_scope") if are_on(owner) else None


def is_tagged(function: object) -> bool:
    """Tell whether a function itself carries a tag."""
    own = _attributes(function)
    return any(own.get(name) is not None for name in _ON_FUNCTIONS)


def read(function: object, owner: type) -> Tags:
    """Return the tags of a test: its function's own, then those of its class and its bases.

    ``owner`` is the user's class, or any class without tags where there is none.
    """
    own = _attributes(function)
    if not own and not are_on(owner):
        return _NONE
    found = {name: value for name, value in _of_class(owner).items() if name in _NAMES}
    for name in own.keys() & _NAMES:
        value = own[name]
        if value is not None:
            place = f"attribute {name} of {locations.describe(function)}"
            found[name] = seconds.checked(value, name=name, place=place)
    return Tags(**found) if found else _NONE


def _of_class(owner: type) -> dict[str, Any]:
    """The tags of a class, its own before those of its bases; of checks and keys all."""
    found: dict[str, Any] = {}
    if are_on(owner):
        for base in reversed(owner.__mro__):
            own = vars(base).get(_ON_CLASS, {})
            modes = {**found.get("checks", {}), **own.get("checks", {})}
            keys = (*found.get("exclusive", ()), *own.get("exclusive", ()))
            found.update(own)
            if modes:
                found["checks"] = modes
            if keys:
                found["exclusive"] = keys
    return found


def _tag_class(tagged: _TaggedClass, name: str, value: object) -> _TaggedClass:
    setattr(tagged, _ON_CLASS, {**vars(tagged).get(_ON_CLASS, {}), name: value})
    return tagged


def _attributes(function: object) -> dict[str, Any]:
    """The attributes of a function, also under `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__dict__", {})


def _put(tagged: _Tagged, name: str, value: object, place: str) -> _Tagged:
    if isinstance(tagged, type):
        _tag_class(tagged, name, value)
    elif isinstance(tagged, staticmethod | classmethod):
        setattr(tagged.__func__, name, value)
    elif callable(tagged):
        setattr(tagged, name, value)
    else:
        raise InvalidTypeError(f"@{name} is for functions and classes, got {tagged!r} ({place})")
    return tagged


def _tag(name: str, value: float) -> Callable[[_Tagged], _Tagged]:
    place = f"@{name}, {locations.of_caller()}"
    seconds.checked(value, name=name, place=place)

    def tag(tagged: _Tagged) -> _Tagged:
        return _put(tagged, name, value, place)

    return tag
