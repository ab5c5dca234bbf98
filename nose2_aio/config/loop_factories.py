"""Loop factories: callables without arguments that give a new event loop, by name or as they are.

A factory is given as the dotted name of one (``uvloop.new_event_loop``), of a module that has a
``new_event_loop`` (``uvloop``), or as the callable. Each has a short name, which stands in the ids
of tests that run on several loops.
"""

from __future__ import annotations

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

__all__ = ["Factory", "checked", "made", "parsed", "same", "takes_nothing"]

_RULE = "must be a callable without arguments that returns an event loop, or the dotted name of one"
_NEW = "new_event_loop"
_UNFIT = re.compile(r"[^\w<>-]")


class Factory(NamedTuple):
    """One loop factory."""

    name: str
    """Its short name."""
    given: str | Callable[[], Any]
    """The dotted name, or the callable."""
    place: str
    """Where it was given."""

    @property
    def function(self) -> Callable[[], Any]:
        """The callable, imported if need be.

        Raises `InvalidValueError` where there is none of that name.
        """
        if not isinstance(self.given, str):
            return self.given
        found = _imported(self.given, self.place)
        if isinstance(found, ModuleType) and callable(getattr(found, _NEW, None)):
            found = getattr(found, _NEW)
        if _is_test(found) or not takes_nothing(found):
            what = f"is {found!r}, which can't be called"
            if isinstance(found, ModuleType):
                what = f"is a module that has no {_NEW}"
            elif callable(found):
                what = "is a coroutine function or a test" if _is_test(found) else "needs arguments"
            raise _invalid(self.given, self.place, f"it {what}")
        function: Callable[[], Any] = found
        return function

    @property
    def is_asyncio(self) -> bool:
        """Whether it is `asyncio.new_event_loop`, which is what makes loops where none is given."""
        return self.function is asyncio.new_event_loop


def parsed(text: str, *, name: str, place: str) -> tuple[Factory, ...]:
    """Return the factories that the text of a setting names, with commas or as a list.

    Raises `InvalidValueError` where it names none, or where one of them can't be imported.
    """
    found = checked([text], name=name, place=place)
    for factory in found:
        factory.function  # noqa: B018 -- imported here, before any test
    return found


def checked(values: Iterable[Any], *, name: str = "loop", place: str) -> tuple[Factory, ...]:
    """Return the factories that were given: dotted names and callables, and lists of them.

    A name is imported when it is needed. Raises `InvalidTypeError` or `InvalidValueError` for what
    is neither a dotted name nor a callable without arguments, and where there is none.
    """
    given = list(_flattened(values))
    if not given:
        raise InvalidValueError(f"{name} {_RULE}, got none ({place})")
    found: list[Factory] = []
    for one in given:
        _check(one, name, place)
        short = _short(one)
        number = sum(_short(other.given) == short for other in found) + 1
        found.append(Factory(short if number == 1 else f"{short}-{number}", one, place))
    return tuple(found)


def made(factory: Factory) -> AbstractEventLoop:
    """Return a new event loop from a factory.

    Raises `InvalidTypeError` where it gives something else, `LoopError` where it gives a loop that
    is closed or that runs already, and what it raises itself.
    """
    loop = factory.function()
    what = f"the loop factory {_text(factory.given)} must return a new event loop"
    if not isinstance(loop, AbstractEventLoop):
        raise InvalidTypeError(f"{what}, but it returned {loop!r} ({factory.place})")
    if loop.is_closed():
        raise LoopError(f"{what}, but the one that it returned is closed ({factory.place})")
    if loop.is_running():
        raise LoopError(f"{what}, but the one that it returned runs already ({factory.place})")
    return loop


def same(one: Factory | None, other: Factory | None) -> bool:
    """Tell whether two factories make the same kind of loop; None is that of asyncio."""
    if one is None or other is None:
        factory = one or other
        return factory is None or factory.is_asyncio
    if one.given == other.given:
        return True
    try:
        return one.function == other.function
    except InvalidValueError:  # who needs it is going to say so
        return False


def takes_nothing(value: object) -> bool:
    """Tell whether something can be called without arguments."""
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
            # the text of a list, too: that is what a TOML file comes to
            names = [name.strip(" \t'\"") for name in re.split(r"[,\n]", value.strip("[] \n"))]
            yield from [name for name in names if name] or [value]
        elif isinstance(value, list | tuple):
            yield from _flattened(value)
        else:
            yield value


def _check(value: Any, name: str, place: str) -> None:
    if isinstance(value, str):
        if not all(part.isidentifier() for part in value.split(".")):
            several = "several have commas between them"
            raise InvalidValueError(f"{name} {_RULE}, got {value!r}; {several} ({place})")
        return
    if _is_test(value) or not takes_nothing(value):
        raise InvalidTypeError(f"{name} {_RULE}, got {value!r} ({place})")


def _is_test(value: Any) -> bool:
    """Tell whether it is no factory, but what the tag for one was to stand on."""
    is_class = isinstance(value, type)
    return inspect.iscoroutinefunction(value) or (is_class and issubclass(value, TestCase))


def _imported(text: str, place: str) -> Any:
    """Return what stands under a dotted name, importing the modules on the way."""
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
    """Import a module; None where there is none of that name."""
    try:
        return importlib.import_module(path)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == path:
            return None
        why = f"importing {path!r} failed with {type(error).__name__}: {error}"
        raise _invalid(text, place, why) from error


def _invalid(text: str, place: str, why: str) -> InvalidValueError:
    return InvalidValueError(f"loop {_RULE}, got {text!r}: {why} ({place})")


def _short(given: Any) -> str:
    """Return a short name that is fit for ids."""
    if given is asyncio.new_event_loop:
        return "asyncio"
    if isinstance(given, str):
        owner, _, name = given.rpartition(".")
    else:
        inner = locations.innermost(given)
        owner = str(getattr(inner, "__module__", ""))
        name = str(getattr(inner, "__name__", type(inner).__name__))
    if name == _NEW and owner:
        name = owner.rpartition(".")[2]
    return _UNFIT.sub("_", name)


def _text(given: Any) -> str:
    return given if isinstance(given, str) else locations.describe(given)
