"""Loop factories: callables without arguments that return a new event loop.

A factory is given as one of these:

- the dotted name of a callable: ``uvloop.new_event_loop``
- the name of a module that has a ``new_event_loop``: ``uvloop``
- the callable itself

Each has a short name. It is part of the id of a test that runs on several loops.
"""

import asyncio
import importlib
import inspect
import re
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio.errors import InvalidTypeError, InvalidValueError, LoopError
from nose2_aio.introspection import locations

__all__ = ["Factory", "are_same", "make_loop", "parse", "takes_no_arguments", "validate"]

_RULE = "must be a callable without arguments that returns an event loop, or the dotted name of one"
_DEFAULT_NAME = "new_event_loop"
"""The name of the factory in a module that is given as a factory."""
_NOT_IN_IDS = r"[^\w<>-]"
"""Characters that can't be part of a test's id."""


class Factory(NamedTuple):
    """One loop factory."""

    name: str
    """Its short name, for ids of tests."""
    given: str | Callable[[], Any]
    """The dotted name, or the callable."""
    place: str
    """Where it was given, for messages."""

    @property
    def function(self) -> Callable[[], Any]:
        """The callable. If a name is given, its module is imported.

        Raises `InvalidValueError` if the name can't be imported, or is not that of a factory.
        """
        if not isinstance(self.given, str):
            return self.given
        found = _imported(self.given, self.place)
        if isinstance(found, ModuleType) and callable(getattr(found, _DEFAULT_NAME, None)):
            found = getattr(found, _DEFAULT_NAME)
        if _is_test(found) or not takes_no_arguments(found):
            what = f"is {found!r}, which can't be called"
            if isinstance(found, ModuleType):
                what = f"is a module that has no {_DEFAULT_NAME}"
            elif callable(found):
                what = "is a coroutine function or a test" if _is_test(found) else "needs arguments"
            raise _invalid(self.given, self.place, f"it {what}")
        function: Callable[[], Any] = found
        return function

    @property
    def is_asyncio(self) -> bool:
        """True if it is `asyncio.new_event_loop`, which is also the default."""
        return self.function is asyncio.new_event_loop


def parse(text: str, *, name: str, place: str) -> tuple[Factory, ...]:
    """Return the factories in the text of a setting: dotted names, on lines or with commas between.

    Their modules are imported. ``name`` and ``place`` are for messages: the name of the setting,
    and where it was given. Raises `InvalidValueError` if there is no name, and for a name that is
    not that of a factory.
    """
    factories = validate([text], name=name, place=place)
    for factory in factories:
        factory.function  # noqa: B018 -- imported here, before any test
    return factories


def validate(values: Iterable[Any], *, name: str = "loop", place: str) -> tuple[Factory, ...]:
    """Return the factories for dotted names, callables, and lists of these.

    Names are not imported here, but when `Factory.function` is first used. ``name`` and ``place``
    are as for `parse`.

    Raises `InvalidTypeError` or `InvalidValueError` if there is no value, and for a value that is
    neither a dotted name nor a callable without arguments.
    """
    given = list(_flattened(values))
    if not given:
        raise InvalidValueError(f"{name} {_RULE}, got none ({place})")
    factories: list[Factory] = []
    for one in given:
        _check(one, name, place)
        short = _short_name(one)
        number = sum(_short_name(other.given) == short for other in factories) + 1
        factories.append(Factory(short if number == 1 else f"{short}-{number}", one, place))
    return tuple(factories)


def make_loop(factory: Factory) -> AbstractEventLoop:
    """Return a new event loop of a factory.

    Raises `InvalidTypeError` if the factory returns anything else, and `LoopError` if it returns a
    loop that is closed or running. An exception of the factory itself is passed on.
    """
    loop = factory.function()
    what = f"the loop factory {_text(factory.given)} must return a new event loop"
    if not isinstance(loop, AbstractEventLoop):
        raise InvalidTypeError(f"{what}, but it returned {loop!r} ({factory.place})")
    if loop.is_closed():
        raise LoopError(f"{what}, but the one that it returned is closed ({factory.place})")
    if loop.is_running():
        raise LoopError(
            f"{what}, but the one that it returned is already running ({factory.place})"
        )
    return loop


def are_same(one: Factory | None, other: Factory | None) -> bool:
    """Return True if two factories are the same callable. None stands for asyncio's."""
    if one is None or other is None:
        factory = one or other
        return factory is None or factory.is_asyncio
    if one.given == other.given:
        return True
    try:
        return one.function == other.function
    except InvalidValueError:  # raised again where the factory is used
        return False


def takes_no_arguments(value: object) -> bool:
    """Return True if a value can be called without arguments."""
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind()
    except TypeError:
        return False
    except ValueError:  # some builtins have no signature
        return True
    return True


def _flattened(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, str):
            # also the text of a list: nose2 turns a TOML list into text
            lines = [line.strip() for line in value.strip("[] \n").splitlines()]
            text = ",".join(line.removesuffix(",") for line in lines if line)
            names = [name.strip(" \t'\"") for name in text.split(",")]
            yield from names if all(names) else [value]
        elif isinstance(value, list | tuple):
            yield from _flattened(value)
        else:
            yield value


def _check(value: Any, name: str, place: str) -> None:
    if isinstance(value, str):
        if not all(part.isidentifier() for part in value.split(".")):
            several = "several have one comma between them"
            raise InvalidValueError(f"{name} {_RULE}, got {value!r}; {several} ({place})")
        return
    if _is_test(value) or not takes_no_arguments(value):
        raise InvalidTypeError(f"{name} {_RULE}, got {value!r} ({place})")


def _is_test(value: Any) -> bool:
    """Return True for a test: somebody wrote ``@loop`` and forgot the parentheses."""
    is_class = isinstance(value, type)
    return inspect.iscoroutinefunction(value) or (is_class and issubclass(value, TestCase))


def _imported(text: str, place: str) -> Any:
    """Return the object with a dotted name, and import the modules on the way to it."""
    path, *rest = text.split(".")
    found: Any = _module(path, text, place)
    if found is None:
        raise _invalid(text, place, f"there is no module {path!r}")
    for part in rest:
        path = f"{path}.{part}"
        if not hasattr(found, part) and hasattr(found, "__path__"):
            _module(path, text, place)
        if not hasattr(found, part):
            owner = path.rpartition(".")[0]
            raise _invalid(text, place, f"{owner!r} has no {part!r}")
        found = getattr(found, part)
    return found


def _module(path: str, text: str, place: str) -> ModuleType | None:
    """Import a module; None if there is no module of that name."""
    try:
        return importlib.import_module(path)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == path:
            return None
        why = f"importing {path!r} failed with {type(error).__name__}: {error}"
        raise _invalid(text, place, why) from error


def _invalid(text: str, place: str, why: str) -> InvalidValueError:
    return InvalidValueError(f"loop {_RULE}, got {text!r}: {why} ({place})")


def _short_name(given: Any) -> str:
    """Return a short name that can be part of a test's id."""
    if given is asyncio.new_event_loop:
        return "asyncio"
    if isinstance(given, str):
        owner, _, name = given.rpartition(".")
    else:
        inner = locations.unwrap(given)
        owner = str(getattr(inner, "__module__", ""))
        name = str(getattr(inner, "__name__", type(inner).__name__))
    if name == _DEFAULT_NAME and owner:
        name = owner.rpartition(".")[2]
    return re.sub(_NOT_IN_IDS, "_", name)


def _text(given: Any) -> str:
    return given if isinstance(given, str) else locations.describe(given)
