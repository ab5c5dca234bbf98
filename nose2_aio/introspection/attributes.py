"""Find coroutines that an object keeps in its attributes, and that were never started.

They may be in containers, and in containers inside of containers. Objects in the attributes are
looked into too, but not the objects that those refer to.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from types import CoroutineType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any
from unittest import TestCase

__all__ = ["unstarted"]

_MAPPINGS = frozenset({dict, defaultdict, OrderedDict})
_CONTAINERS = frozenset({list, tuple, set, frozenset, deque}) | _MAPPINGS
_LEAVES = frozenset(
    {str, bytes, int, float, bool, type, NoneType, FunctionType, MethodType, ModuleType}
)
_NOT_ENTERED = (type, TestCase, asyncio.Future, asyncio.AbstractEventLoop)
_IS_HEAP_TYPE = 1 << 9
"""A flag of types: it is set for all classes that are defined in Python."""
_MOCK = "unittest.mock"
_MAX_OBJECTS = 2000
"""How many objects are looked at, those nearest first. Each takes about 0.1 µs."""


def unstarted(
    values: Iterable[object], *, with_objects: bool = True
) -> Iterator[CoroutineType[Any, Any, Any]]:
    """Yield the coroutines among these values, and inside of them, that were never started.

    Without ``with_objects``, only containers are looked into.
    """
    waiting: list[tuple[Any, bool]] = [(value, with_objects) for value in values]
    seen: set[int] = set()
    for value, is_entered in waiting:  # it grows
        kind = type(value)
        if kind is CoroutineType:
            if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
                yield value
        elif kind in _LEAVES or id(value) in seen:
            continue
        elif kind in _CONTAINERS:
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
