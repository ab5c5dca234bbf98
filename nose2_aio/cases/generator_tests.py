"""Find generator functions that are coroutine tests, and make them coroutine functions.

nose2 iterates generator functions when it loads tests. So a coroutine test must be replaced before
that: in the module or the class that defines it.
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

__all__ = ["call_as_coroutine", "convert", "is_coroutine"]


def convert(namespace: object, prefix: str, mode: str) -> None:
    """Convert the coroutine tests among the generator functions of a module or a class.

    The name of a test begins with ``prefix``. ``mode`` is `Settings.generators`. With a module, its
    test classes are converted too. With a class, its base classes are. A class that runs its tests
    itself is left alone.
    """
    if isinstance(namespace, type):
        if not issubclass(namespace, TestCase) or unittest_internals.is_run_by_unittest(namespace):
            for base in namespace.__mro__:
                _convert_functions(base, prefix, mode)
        return
    _convert_functions(namespace, prefix, mode)
    for name, value in list(vars(namespace).items()):
        if isinstance(value, type) and _is_test_class(name, value, prefix):
            convert(value, prefix, mode)


def is_coroutine(function: types.FunctionType, mode: str) -> bool:
    """Return True if a generator function is a coroutine test."""
    if (
        tag_lookup.is_coroutine_tagged(function)
        or function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE
    ):
        return True
    if mode == "auto":
        return coroutines.delegates(function.__code__)
    return mode == "coroutine"


def call_as_coroutine(
    call: Callable[[], Any], function: Any, generator: types.GeneratorType[Any, Any, Any], mode: str
) -> Any:
    """Return a new result of ``call``, which returned a generator that is a coroutine test.

    1. Under a decorator (``mock.patch``), a partial or a scenario, `convert` can't see that a
       function is a generator function. So its call returns a generator.
    2. A generator can't become a coroutine, only its function can. So the function is converted,
       and ``call`` is called again. The decorator runs twice, the body once.

    Return the generator itself if it has been started, if it is no coroutine test, or if another
    function has created it.
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
    return coroutines.await_or_explain(call(), function)


def _convert_functions(namespace: object, prefix: str, mode: str) -> None:
    for name, value in list(vars(namespace).items()):
        function = getattr(value, "__func__", value) if _is_wrapped(value) else value
        if not isinstance(function, types.FunctionType):
            continue
        if not (name.startswith(prefix) or function.__name__.startswith(prefix)):
            continue
        if inspect.isgeneratorfunction(function) and is_coroutine(function, mode):
            wrapper: Any = coroutines.as_coroutine_function(function)
            setattr(namespace, name, type(value)(wrapper) if _is_wrapped(value) else wrapper)


def _is_wrapped(value: object) -> bool:
    return isinstance(value, staticmethod | classmethod)


def _is_test_class(name: str, value: type, prefix: str) -> bool:
    return issubclass(value, TestCase) or name.lower().startswith(prefix)
