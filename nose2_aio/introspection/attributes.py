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
from functools import partial
from types import (
    AsyncGeneratorType,
    CellType,
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


def _ids(*kinds: type) -> frozenset[int]:
    """Return the ``id()`` of classes: a metaclass of the user may have no hash."""
    return frozenset(map(id, kinds))


_MAPPINGS = _ids(dict, defaultdict, OrderedDict)
_CONTAINERS = _ids(list, tuple, set, frozenset, deque) | _MAPPINGS
_LEAVES = _ids(str, bytes, int, float, bool, type, NoneType, FunctionType, MethodType, ModuleType)
_REFERRING = _CONTAINERS | _ids(MethodType, CellType, partial)
_attribute: Any = type.__getattribute__
"""Returns an attribute of a class. ``getattr`` would call code of a metaclass."""
_NOT_ENTERED = (type, TestCase, asyncio.Future, asyncio.AbstractEventLoop)
_IS_HEAP_TYPE = 1 << 9
"""A flag of types: it is set for all classes that are defined in Python."""
_MOCK = "unittest.mock"
_NEVER_RELEASED = _ids(CoroutineType, GeneratorType, AsyncGeneratorType)
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


def release(owner: object, names: Iterable[str], keepers: Iterable[object]) -> Iterator[str]:
    """Delete attributes of an object whose finalizers may report something; yield their names.

    These are the attributes among ``names`` whose value has the method ``__del__``, or keeps an
    object that has it. Values that something else refers to are left alone. So are all if the
    object itself is in ``keepers`` or in an attribute of its class: they may need them.
    """
    own = getattr(owner, "__dict__", {})  # none with __slots__
    found = [
        name
        for name in names
        if sys.getrefcount(own[name]) <= _UNSHARED
        and id(type(own[name])) not in _NEVER_RELEASED
        and any(_has(type(one), "__del__") for one in _kept([own[name]]))
    ]
    if not found:
        return
    of_class = (value for kind in type(owner).__mro__ for value in vars(kind).values())
    if _reaches([*keepers, *of_class], owner):
        return
    for name in found:
        del own[name]
        yield name


def _reaches(values: Iterable[object], wanted: object) -> bool:
    """Return True if these values have an object in them: in containers, methods or closures."""
    waiting = list(values)
    seen: set[int] = set()
    for value in waiting:  # it grows
        if value is wanted:
            return True
        if id(value) in seen:
            continue
        if type(value) is FunctionType:
            waiting += value.__closure__ or ()
        elif id(type(value)) in _REFERRING:
            waiting += _first(gc.get_referents(value), len(waiting))
            seen.add(id(value))
    return False


def _kept(values: Iterable[object], *, with_objects: bool = True) -> Iterator[Any]:
    """Yield these values, and what is inside of them."""
    waiting: list[tuple[Any, bool]] = [(value, with_objects) for value in values]
    seen: set[int] = set()
    for value, is_entered in waiting:  # it grows
        kind = type(value)
        if id(kind) in _LEAVES or id(value) in seen:
            continue
        yield value
        if id(kind) in _CONTAINERS:
            inner = value.values() if id(kind) in _MAPPINGS else value
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
        _attribute(kind, "__flags__") & _IS_HEAP_TYPE
        and _attribute(kind, "__module__") != _MOCK
        and not issubclass(kind, _NOT_ENTERED)
    )


def _has(kind: type, name: str) -> bool:
    try:
        _attribute(kind, name)
    except AttributeError:
        return False
    return True
