"""What an object keeps in its attributes: coroutines that were never started, open resources.

They may be in containers, and in containers inside of containers. Objects in the attributes are
looked into too, but not the objects that those refer to.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    NoneType,
)
from typing import Any
from unittest import TestCase

__all__ = ["release", "unstarted"]

_MAPPINGS = frozenset({dict, defaultdict, OrderedDict})
_CONTAINERS = frozenset({list, tuple, set, frozenset, deque}) | _MAPPINGS
_LEAVES = frozenset(
    {str, bytes, int, float, bool, type, NoneType, FunctionType, MethodType, ModuleType}
)
_NOT_ENTERED = (type, TestCase, asyncio.Future, asyncio.AbstractEventLoop)
_IS_HEAP_TYPE = 1 << 9
"""A flag of types: it is set for all classes that are defined in Python."""
_MOCK = "unittest.mock"
_NEVER_RELEASED = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
_ONE = {"": object()}
_UNSHARED = sys.getrefcount(_ONE[""])
"""What `sys.getrefcount` returns for a value that only one dictionary refers to."""
_MAX_OBJECTS = 2000
"""How many objects are looked at, those nearest first. Each takes about 0.1 µs."""


def unstarted(
    values: Iterable[object], *, with_objects: bool = True
) -> Iterator[CoroutineType[Any, Any, Any]]:
    """Yield the coroutines among these values, and inside of them, that were never started.

    Without ``with_objects``, only containers are looked into.
    """
    for value in _kept(values, with_objects=with_objects):
        is_coroutine = type(value) is CoroutineType
        if is_coroutine and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            yield value


def release(owner: object, names: Iterable[str]) -> Iterator[str]:
    """Delete attributes of an object whose finalizers may report something; yield their names.

    These are the attributes among ``names`` whose value has the method ``__del__``, or keeps an
    object that has it. Values that something else refers to are left alone.
    """
    own = owner.__dict__
    for name in names:
        if (
            sys.getrefcount(own[name]) <= _UNSHARED
            and type(own[name]) not in _NEVER_RELEASED
            and any(hasattr(type(one), "__del__") for one in _kept([own[name]]))
        ):
            del own[name]
            yield name


def _kept(values: Iterable[object], *, with_objects: bool = True) -> Iterator[Any]:
    """Yield these values, and what is inside of them."""
    waiting: list[tuple[Any, bool]] = [(value, with_objects) for value in values]
    seen: set[int] = set()
    for value, is_entered in waiting:  # it grows
        kind = type(value)
        if kind in _LEAVES or id(value) in seen:
            continue
        yield value
        if kind in _CONTAINERS:
            inner = value.values() if kind in _MAPPINGS else value
            waiting += [(one, is_entered) for one in _first(inner, len(waiting))]
            seen.add(id(value))
        elif is_entered and _is_entered(kind):
            waiting += [(one, False) for one in _first(gc.get_referents(value), len(waiting))]
            seen.add(id(value))


def _first(values: Iterable[object], count: int) -> Iterable[object]:
    return itertools.islice(values, max(0, _MAX_OBJECTS - count))


def _is_entered(kind: type) -> bool:
    """Return True for plain objects. A task has a coroutine to run; a mock records calls."""
    return bool(
        kind.__flags__ & _IS_HEAP_TYPE
        and kind.__module__ != _MOCK
        and not issubclass(kind, _NOT_ENTERED)
    )
