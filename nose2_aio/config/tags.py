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
from contextlib import suppress
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
_Factory = str | Callable[[], AbstractEventLoop]


def timeout(limit: float, /) -> Callable[[_Tagged], _Tagged]:
    """Limit the time of a test, of each test of a class, or of a fixture, in seconds.

    ::

        @aio.timeout(5)
        async def test_upload(self): ...

    ``limit`` is a number >= 0. 0: no limit. Without this tag, the setting ``time-limit`` holds.

    - The limit of a test counts for its fixtures too. On a fixture, it is for that fixture alone.
    - In virtual time, it counts virtual seconds.
    - For a test that is run forever, it is a wait: the loop goes on for so long before the callback
      that the test returned is called. With `run_forever`, it is no limit. Without it, it also
      limits the body of the test.

    Raises `InvalidTypeError` or `InvalidValueError` for any other value.
    """
    return _tag_seconds("timeout", limit)


def sleep(duration: float, /) -> Callable[[_Tagged], _Tagged]:
    """Set how long the loop of a test that is run forever goes on at its end, in seconds.

    ::

        @aio.sleep(0.1)
        async def test_server(self):
            server = await start()
            return server.stop  # called after the tag timeout's seconds, by default 1

    ``duration`` is a number >= 0. Default: 0.

    Raises `InvalidTypeError` or `InvalidValueError` for any other value.
    """
    return _tag_seconds("sleep", duration)


def loop(factory: _Factory, /, *factories: _Factory) -> Callable[[_Tagged], _Tagged]:
    """Run a test, or each test of a class, on another event loop, or once on each of several.

    ::

        @aio.loop("asyncio", "uvloop")
        async def test_echo(self): ...

    Each argument is one of these:

    - the dotted name of a function without arguments that returns a new event loop, such as
      ``"uvloop.new_event_loop"``. It is imported when the test runs.
    - the name of a module that has such a function by the name ``new_event_loop``
    - the function itself

    Default: the setting ``loop``, and without it asyncio's own loop.

    Raises `InvalidTypeError` or `InvalidValueError` for any other value.
    """
    place = f"@loop, {locations.of_caller()}"
    given = (factory, *factories) if factories else factory
    valid = loop_factories.validate([given], place=place)

    def tag(tagged: _Tagged) -> _Tagged:
        return _put(tagged, "loop", valid if isinstance(tagged, type) else given, place)

    return tag


def loop_scope(scope: LoopScope, /) -> Callable[[_TaggedClass], _TaggedClass]:
    """Let the coroutine tests of a class share an event loop with other tests.

    ::

        @aio.loop_scope("class")
        class Orders(unittest.TestCase): ...

    - ``"test"``: with no other test
    - ``"class"``: with the other tests of the class
    - ``"module"``: with the other tests of the module
    - ``"run"``: with all other tests

    Default: the setting ``loop-scope``, which is ``test`` by default. If a wider scope has an async
    fixture, its tests share the loop of that fixture in any case.

    Raises `InvalidValueError` for any other string. Raises `InvalidTypeError` if it is not a
    string, or if a function is tagged.
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
    """Run a test, or all tests and fixtures of a class, in virtual time.

    ::

        @aio.virtual_time
        async def test_retry_after_an_hour(self):
            await asyncio.sleep(3600)  # takes no time

    In virtual time, to wait for a timer takes no time. The tag `timeout` of such a test counts
    virtual seconds. The setting ``time-limit`` counts real seconds.

    - ``@virtual_time(False)``: time is real, whatever the class or the setting says. Default: the
      setting ``virtual-time``.
    - ``@virtual_time(wall=True)``: ``time.time()`` and ``datetime.now()`` move together with
      virtual time. This needs the package time-machine.

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
    """Set what the checks do about their findings in a test, or in all tests of a class.

    ::

        @aio.checks(leaked_tasks="ignore", open_transports="fail")
        async def test_server(self): ...

    - ``"fail"``: the test fails.
    - ``"warn"``: the findings are listed at the end of the run.
    - ``"ignore"``: nothing happens.

    The names are those of the settings, with underscores. This tag wins over all settings, also
    over ``strict``. For checks that it doesn't name, the settings hold.

    Raises `InvalidValueError` for any other name or string, and if there is no name. Raises
    `InvalidTypeError` for any other value.
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
    """Run a test, or each test of a class, while no other worker runs a test.

    ::

        @aio.serial
        async def test_port_80(self): ...

    Without workers, it changes nothing.

    Raises `InvalidTypeError` if it decorates neither a function nor a class.
    """
    return _put(tagged, "serial", value=True, place=f"@serial, {locations.of_caller()}")


def exclusive(key: str, /, *keys: str, at_most: int = 1) -> Callable[[_Tagged], _Tagged]:
    """Never run tests with the same key at the same time, in different workers.

    ::

        @aio.exclusive("database")
        class Orders(unittest.TestCase): ...

    A key is any string. With ``at_most=4``, up to four tests with these keys run at the same time.
    Default: 1. If a test has several such tags, also by its class, it has all their keys. If these
    give different ``at_most`` to a key, the smallest counts.

    Raises `InvalidTypeError` for a key that is not a string, and `InvalidValueError` for an empty
    one. Raises either if ``at_most`` is not a whole number >= 1.
    """
    place = f"@exclusive, {locations.of_caller()}"
    validate_keys((key, *keys), place)
    count = validate_whole(at_most, least=1, name="at_most", place=place)
    added = tuple(map(ExclusiveKey, (key, *keys)))
    for one in added:
        one.at_most = count

    def tag(tagged: _Tagged) -> _Tagged:
        if isinstance(tagged, type):
            before = own_tags(tagged).get("exclusive", ())
        else:
            before = own_keys(getattr(tagged, "__func__", tagged))
        return _put(tagged, "exclusive", (*before, *added), place)

    return tag


def retries(count: int, /) -> Callable[[_Tagged], _Tagged]:
    """Run a test, or each test of a class, again if it fails, up to ``count`` times.

    ::

        @aio.retries(2)
        async def test_flaky_service(self): ...

    ``count`` is a whole number >= 0. Default: the setting ``retries``, which is 0 by default.
    ``retries(0)``: the test is never run again, whatever the class or the setting says.

    It is run again at the end of the run, alone, in a fresh worker process. If it passes then, it
    is reported as flaky.

    Raises `InvalidTypeError` or `InvalidValueError` for any other value.
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
    if callable(target) and not isinstance(target, TestCase):
        with suppress(AttributeError):  # a bound method, or a function in C
            setattr(target, name, value)
            return tagged
    raise InvalidTypeError(f"@{name} is for functions and classes, got {tagged!r} ({place})")
