"""Tags: decorators that record something on a test function or on a class.

On a function, a tag is one plain attribute with the name of the tag. So nose2's ``-A`` and ``-E``
select by it, and an attribute that was set by hand counts as a tag. On a class, all tags are in one
attribute of ours (`CLASS_ATTRIBUTE`). So an unrelated ``timeout = 3`` of the class is not a tag.
`nose2_aio.suites.selection` lets ``-A`` and ``-E`` find those, too.

`nose2_aio.config.tag_lookup` reads tags back.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any, Literal, TypeVar, Unpack, overload
from unittest import TestCase

from nose2_aio.config import loop_factories, seconds
from nose2_aio.config.checks import Modes
from nose2_aio.config.options import LOOP_SCOPES, LoopScope, either
from nose2_aio.config.tag_lookup import (
    CHECK_NAMES,
    CLASS_ATTRIBUTE,
    ExclusiveKey,
    own_keys,
    own_tags,
    validate_keys,
    validate_modes,
    validate_whole,
)
from nose2_aio.errors import InvalidTypeError, InvalidValueError
from nose2_aio.introspection import locations

__all__ = [
    "checks",
    "exclusive",
    "loop",
    "loop_scope",
    "retries",
    "serial",
    "sleep",
    "timeout",
    "virtual_time",
]

_Tagged = TypeVar("_Tagged", bound="Callable[..., Any] | classmethod[Any, ..., Any]")
_TaggedClass = TypeVar("_TaggedClass", bound=type)


def timeout(limit: float, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with a number of seconds >= 0.

    It means one of two things:

    - A time limit, for a test that is run until complete, with its fixtures (0: no limit). On a
      fixture, it is the limit of that fixture alone.
    - A wait, for a test that is run forever: the loop runs for so long before the callback that the
      test has returned is called. With the decorator `run_forever`, it is no limit. Without it, it
      also limits the body of the test.

    In virtual time, it counts virtual seconds.

    Raises `InvalidTypeError` or `InvalidValueError` if it is not a finite number >= 0.
    """
    return _tag_seconds("timeout", limit)


def sleep(duration: float, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with a number of seconds >= 0.

    For a test that is run forever: how long its loop runs after the test's callback has ended.

    Raises `InvalidTypeError` or `InvalidValueError` if it is not a finite number >= 0.
    """
    return _tag_seconds("sleep", duration)


def loop(*factories_: str | Callable[[], AbstractEventLoop]) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with the event loop that it runs on.

    A factory is a callable without arguments that returns a new event loop, or the dotted name of
    one: ``"uvloop.new_event_loop"``. With several factories, a test runs once on each of their
    loops. A name is imported when the test runs.

    Raises `InvalidTypeError` or `InvalidValueError` for any other value, and if there is no
    factory.
    """
    place = f"@loop, {locations.of_caller()}"
    factories = loop_factories.validate(factories_, place=place)

    def tag(tagged: _Tagged) -> _Tagged:
        if isinstance(tagged, type):
            return _put(tagged, "loop", factories, place)
        return _put(tagged, "loop", factories_[0] if len(factories_) == 1 else factories_, place)

    return tag


def loop_scope(scope: LoopScope, /) -> Callable[[_TaggedClass], _TaggedClass]:
    """Tag a class: which other tests its coroutine tests share an event loop with.

    - ``"test"``: with no other test, whatever the setting ``loop-scope`` says
    - ``"class"``: with the other tests of the class
    - ``"module"``: with the other tests of the module
    - ``"run"``: with all other tests

    If a wider scope has an async fixture, its tests share the loop of that fixture in any case.

    Raises `InvalidValueError` for any other string. Raises `InvalidTypeError` if it is not a
    string, and if a function is tagged.
    """
    place = f"@loop_scope, {locations.of_caller()}"
    if scope not in LOOP_SCOPES:
        kind = InvalidValueError if isinstance(scope, str) else InvalidTypeError
        raise kind(f"loop_scope must be {either(LOOP_SCOPES)}, got {scope!r} ({place})")

    def tag(tagged: _TaggedClass) -> _TaggedClass:
        if not isinstance(tagged, type):
            raise InvalidTypeError(
                f"@loop_scope is for classes, got {tagged!r}: tag the class that the test is in "
                f"({place})"
            )
        return _put(tagged, "loop_scope", scope, place)

    return tag


@overload
def virtual_time(tagged: _Tagged, /) -> _Tagged: ...
@overload
def virtual_time(
    is_virtual: Literal[True] = ...,
    /,
    *,
    wall: bool = ...,
) -> Callable[[_Tagged], _Tagged]: ...
@overload
def virtual_time(is_virtual: bool, /) -> Callable[[_Tagged], _Tagged]: ...  # noqa: FBT001
def virtual_time(what: Any = True, /, *, wall: bool = False) -> Any:  # noqa: FBT002 -- as above
    """Tag a test function, or all tests and fixtures of a class: its time is virtual.

    In virtual time, to wait for a timer takes no time. The tag `timeout` of such a test counts
    virtual seconds. The setting ``time-limit`` counts real seconds.

    It is used as ``@virtual_time`` or ``@virtual_time(…)``. ``@virtual_time(False)``: time is real,
    whatever the class or the setting says. With ``wall=True``, ``time.time()`` and
    ``datetime.now()`` are moved together with virtual time, by the package time-machine.

    Raises `InvalidTypeError` for any other value, and `InvalidValueError` for ``wall=True`` in real
    time.
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


def checks(**modes: Unpack[Modes]) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with the modes of its checks.

    ``checks(leaked_tasks="ignore")``: a name is that of a setting, with underscores. A mode is
    ``"fail"``, ``"warn"`` or ``"ignore"``. A tag wins over all settings, also over ``strict``.

    Raises `InvalidTypeError` or `InvalidValueError` for any other name or mode, and if there is no
    name.
    """
    place = f"@checks, {locations.of_caller()}"
    if not modes:
        raise InvalidValueError(f"@checks needs at least one of {either(CHECK_NAMES)} ({place})")
    validate_modes(modes, place)

    def tag(tagged: _Tagged) -> _Tagged:
        before = own_tags(getattr(tagged, "__func__", tagged)).get("checks") or {}
        return _put(tagged, "checks", {**before, **modes}, place)

    return tag


def serial(tagged: _Tagged, /) -> _Tagged:
    """Tag a test function, or all tests of a class: no other worker runs a test meanwhile.

    Raises `InvalidTypeError` if it is neither a function nor a class.
    """
    return _put(tagged, "serial", value=True, place=f"@serial, {locations.of_caller()}")


def exclusive(*keys: str, at_most: int = 1) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class, with keys: one or more strings.

    Tests with the same key never run at the same time in different workers:
    ``exclusive("database")``. With ``at_most=4``, up to four of them do. If a test has several such
    tags, also by its class, it has all their keys. If these give different ``at_most`` to a key,
    the smallest counts.

    Raises `InvalidTypeError` for a key that is not a string, and `InvalidValueError` for an empty
    one, if there is no key, and if ``at_most`` is below 1.
    """
    place = f"@exclusive, {locations.of_caller()}"
    if not keys:
        raise InvalidValueError(f"@exclusive needs at least one key, a string ({place})")
    validate_keys(keys, place)
    count = validate_whole(at_most, least=1, name="at_most", place=place)
    added = tuple(map(ExclusiveKey, keys))
    for key in added:
        key.at_most = count

    def tag(tagged: _Tagged) -> _Tagged:
        if isinstance(tagged, type):
            before = own_tags(tagged).get("exclusive", ())
        else:
            before = own_keys(getattr(tagged, "__func__", tagged))
        return _put(tagged, "exclusive", (*before, *added), place)

    return tag


def retries(count: int, /) -> Callable[[_Tagged], _Tagged]:
    """Tag a test function, or all tests of a class: how often it is run again if it fails.

    It is run again at the end of the run, alone, in a fresh worker process. If it passes then, it
    is reported as flaky. ``retries(0)``: it is never run again, whatever the class or the setting
    says.

    Raises `InvalidTypeError` or `InvalidValueError` if it is not a whole number >= 0.
    """
    place = f"@retries, {locations.of_caller()}"
    validate_whole(count, least=0, name="retries", place=place)
    return lambda tagged: _put(tagged, "retries", count, place)


def _tag_seconds(name: str, value: float) -> Callable[[_Tagged], _Tagged]:
    place = f"@{name}, {locations.of_caller()}"
    seconds.validate(value, name=name, place=place)
    return lambda tagged: _put(tagged, name, value, place)


def _put(tagged: _Tagged, name: str, value: object, place: str) -> _Tagged:
    """Record a tag."""
    if isinstance(tagged, type):
        setattr(tagged, CLASS_ATTRIBUTE, {**own_tags(tagged), name: value})
        return tagged
    target = tagged.__func__ if isinstance(tagged, staticmethod | classmethod) else tagged
    # a test case can be called, but what it would be tagged with is looked for on its class
    if not callable(target) or isinstance(target, TestCase) or not hasattr(target, "__dict__"):
        raise _refusal(name, tagged, place)
    try:
        setattr(target, name, value)
    except AttributeError:  # a bound method has the attributes of its function, and sets none
        raise _refusal(name, tagged, place) from None
    return tagged


def _refusal(name: str, tagged: object, place: str) -> InvalidTypeError:
    return InvalidTypeError(f"@{name} is for functions and classes, got {tagged!r} ({place})")
