"""Generator functions that are coroutine tests, made coroutine functions before anyone looks.

nose2 iterates generator tests while it loads them, so what is a coroutine has to stop being a
generator function by then: in place, on the module or the class that defines it.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.introspection import locations
from nose2_aio.running import coroutines

__all__ = ["called_again", "convert", "is_coroutine"]


def convert(namespace: object, prefix: str, mode: str) -> None:
    """Convert the coroutine tests among the generator functions of a module or a class.

    Tests are what has a name that begins with ``prefix``; ``mode`` is the setting
    `Settings.generators`. In a module, its test classes are converted too; in a class, what it
    inherits. A class that runs its tests by itself is left alone.
    """
    if isinstance(namespace, type):
        if not issubclass(namespace, TestCase) or unittest_internals.is_unittests(namespace):
            for base in namespace.__mro__:
                _convert_functions(base, prefix, mode)
        return
    _convert_functions(namespace, prefix, mode)
    for name, value in list(vars(namespace).items()):
        if isinstance(value, type) and _holds_tests(name, value, prefix):
            convert(value, prefix, mode)


def is_coroutine(function: types.FunctionType, mode: str) -> bool:
    """Tell whether a generator function is a coroutine test."""
    if (
        tag_lookup.is_coroutine_tagged(function)
        or function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
    ):
        return True
    if mode == "auto":
        return coroutines.delegates(function.__code__)
    return mode == "coroutine"


def called_again(
    call: Callable[[], Any], function: Any, generator: types.GeneratorType[Any, Any, Any], mode: str
) -> Any:
    """Call anew what gave a generator that nobody has begun, if it is a coroutine; or return that.

    It came from under a decorator (``mock.patch``), a partial or a scenario, where nothing that
    looks at the function sees that it is a generator function. A generator can't become a
    coroutine, only its function can: so the decorator is called twice, the body runs once.
    """
    inner = locations.unwrap(function)
    if getattr(inner, "__code__", None) is not generator.gi_code:
        return generator
    if inspect.getgeneratorstate(generator) != inspect.GEN_CREATED:
        return generator
    if not is_coroutine(inner, mode):
        return generator
    generator.close()
    types.coroutine(inner)
    return coroutines.explained(call(), function)


def _convert_functions(namespace: object, prefix: str, mode: str) -> None:
    for name, value in list(vars(namespace).items()):
        function = getattr(value, "__func__", value) if _is_wrapped(value) else value
        if not isinstance(function, types.FunctionType):
            continue
        if not (name.startswith(prefix) or function.__name__.startswith(prefix)):
            continue
        if inspect.isgeneratorfunction(function) and is_coroutine(function, mode):
            face: Any = coroutines.as_coroutine_function(function)
            setattr(namespace, name, type(value)(face) if _is_wrapped(value) else face)


def _is_wrapped(value: object) -> bool:
    return isinstance(value, staticmethod | classmethod)


def _holds_tests(name: str, value: type, prefix: str) -> bool:
    return issubclass(value, TestCase) or name.lower().startswith(prefix)
