"""The kinds of test case that drop what the user's functions give: what they are about to call.

Test functions, test classes and scenarios stand in a test case that unittest or nose2 has made
around them, and that calls them without looking at what comes back. Each kind is known by
the name of its method; then what that is about to call is called in its stead.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.introspection import locations

__all__ = [
    "TESTS",
    "UserCall",
    "called",
    "class_fixtures",
    "declared",
    "fixture",
    "has_fixture",
    "is_layer",
    "rename",
    "renew",
    "run_class_fixture",
    "target",
    "users_class",
    "users_object",
    "users_owner",
]

Run = Callable[..., Any]
"""Calls one of the user's functions, with its arguments, and sees to what it gives."""


class UserCall(NamedTuple):
    """What a test case is about to call."""

    call: Callable[[], Any]
    """Calls it, and returns what it gives."""
    function: Any
    """The user's function or method, which has the tags."""
    owner: type
    """The user's class, where there is one, or else `object`."""
    case: Any
    """What a callback gets that takes an argument."""
    speaks: bool = False
    """Whether unittest looks at what it returns, and speaks up if that isn't None."""


def called(test: TestCase, method: Callable[[], Any]) -> UserCall | None:
    """Return what the test method of one of these kinds is about to call; None for any other."""
    kind = TESTS.get(getattr(method, "__qualname__", ""))  # called for each test: no detours
    return None if kind is None or kind[0] != method.__module__ else kind[1](test, method)


def target(test: TestCase) -> tuple[Any, type]:
    """Return the user's function that is the test, and the user's class."""
    method: Any = getattr(test, unittest_internals.method_name(test), None)
    found = called(test, method)
    return (method, type(test)) if found is None else (found.function, found.owner)


def declared(function: Any) -> Any:
    """Return the user's function under what nose2 has put around it to give it its arguments."""
    while True:
        inner = getattr(function, "__func__", function)
        if getattr(inner, "__globals__", {}).get("__name__") not in _AROUND:
            return function
        function = getattr(inner, "__wrapped__", None)


def rename(test: Any, name: str) -> None:
    """Have nose2 take a name for that of a test function, which it asks for no id."""
    if hasattr(test, "_testFunc"):
        own, before = vars(test), getattr(test, "_funcName", None)
        if before in own:  # what a test generator has yielded stands under its name
            own[name] = own[before]
        test._funcName = name


def renew(test: Any) -> None:
    """Give a copy of a test an object of its own, where it has one of the user's class."""
    if users_object(test) is not test:
        test.obj = type(test.obj)()


def fixture(method: Callable[[], Any]) -> Callable[[Run, Any, Any], None] | None:
    """Return what calls, through ``Run``, what such a ``setUp`` or ``tearDown`` is about to call.

    It takes the test case and the method too. None for any other method.
    """
    kind: Callable[[Run, Any, Any], None] | None = _found(_FIXTURES, method)
    return kind


def run_class_fixture(run: Run, case: type, method: Callable[..., Any]) -> None:
    """Hand ``run`` what the ``setUpClass`` of a class, or the ``setUp`` of a layer, calls."""
    kind = _found(_CLASS_FIXTURES, method)
    if kind is None:
        run(method)
    else:
        kind(run, case, method)


def class_fixtures(case: Any, function: Any) -> list[Any]:
    """Return the user's functions that a fixture of a class or a layer calls: itself, or others."""
    if _found(_CLASS_FIXTURES, function) is _scenario_layer_fixture:
        return list(_layer_functions(case, function))
    return [function]


def has_fixture(test: Any, name: str) -> bool:
    """Tell whether a test case has anything to call for a ``setUp`` or ``tearDown`` of its own."""
    method = getattr(type(test), name)
    kind = _found(_FIXTURES, method)
    if kind is None:
        return True
    if kind is _function_fixture:
        return getattr(test, f"_{name}Func") is not None
    return kind is not _test_class_fixture or hasattr(test.obj, name)


def is_layer(suite: object) -> bool:
    """Tell whether a suite is that of a layer, which sets that up and tears it down by itself."""
    kind = type(suite)
    return kind.__name__ == "LayerSuite" and kind.__module__ == "nose2.suite"


def users_class(test: Any) -> type:
    """Return the class of a test case, or the user's where nose2 has made one around that."""
    case = type(test)
    if case.__name__ == "_MethodTestCase" and _found(_FIXTURES, case.setUp) is not None:
        return type(test.obj)
    return case


def users_owner(case: type) -> type:
    """Return the user's class, given that of a test case whose class fixtures are called."""
    method = locations.unwrap(getattr(case, "setUpClass", None))
    if _found(_CLASS_FIXTURES, method) is _test_class_class_fixture:
        owner: type = _enclosed(method, "cls")
        return owner
    return case


def users_object(test: Any) -> object:
    """Return a test case, or the object of the user's class that nose2 has made one around."""
    return test if users_class(test) is type(test) else test.obj


def _function(test: Any, _: Callable[[], Any]) -> UserCall:
    function = test._testFunc
    # a test class's method that one of its test generators has yielded
    method = getattr(function, "__wrapped__", function)
    owner = type(method.__self__) if inspect.ismethod(method) else object
    return UserCall(function, function, owner, test)


def _function_fixture(run: Run, test: Any, method: Callable[[], Any]) -> None:
    function = getattr(test, f"_{method.__name__}Func")
    if function is not None:
        run(function)


def _test_class(test: Any, _: Callable[[], Any]) -> UserCall:
    function = getattr(test.obj, test.method)
    return UserCall(function, function, type(test.obj), test.obj)


def _test_class_fixture(run: Run, test: Any, method: Callable[[], Any]) -> None:
    run(getattr(test.obj, method.__name__))


def _test_class_class_fixture(run: Run, _: type, method: Any) -> None:
    function = getattr(_enclosed(method, "cls"), method.__name__, None)
    if function is not None:
        run(function)


def _scenario(test: TestCase, method: Any) -> UserCall:
    """A ``such`` case: it has the user's function and calls it with what it takes."""
    case, function = method.case, method.case.func

    def call() -> Any:
        given: list[Any] = []
        case.func = _faced(lambda *args: given.append(function(*args)), function)
        try:
            method()
        finally:
            case.func = function
        return given[0] if given else None

    return UserCall(call, function, object, test)


def _scenario_fixture(run: Run, _: TestCase, method: Any) -> None:
    _run_each(run, _enclosed(method, _SCENARIO_LISTS[method.__name__]), method)


def _scenario_layer_fixture(run: Run, layer: Any, method: Any) -> None:
    _run_each(run, _layer_functions(layer, method), method)


def _layer_functions(layer: Any, method: Any) -> list[Any]:
    functions: list[Any] = getattr(layer, _SCENARIO_LISTS[method.__name__])
    return functions


def _run_each(run: Run, functions: list[Any], method: Callable[[], Any]) -> None:
    """Hand ``run`` each of the functions that a method is about to call, as it calls them."""
    own = functions[:]
    functions[:] = [_faced(partial(run, function), function) for function in own]
    try:
        method()
    finally:
        functions[:] = own


def _faced(face: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``face`` take what ``function`` takes, for nose2, which counts its arguments."""

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return face(*args)

    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return call


def _enclosed(method: Any, name: str) -> Any:
    """Return what a function, defined inside of another, has from there."""
    cells = dict(zip(method.__code__.co_freevars, method.__closure__, strict=True))
    return cells[name].cell_contents


def _found(kinds: dict[str, tuple[str, Any]], method: Any) -> Any:
    kind = kinds.get(getattr(method, "__qualname__", ""))
    return None if kind is None or kind[0] != method.__module__ else kind[1]


_SCENARIO_LISTS = {"setUp": "setups", "tearDown": "teardowns"}
_TEST_CLASSES = "nose2.plugins.loader.testclasses"
_GENERATORS = "nose2.plugins.loader.generators"
_AROUND = (_GENERATORS, "nose2.plugins.loader.parameters")
_SUCH = "nose2.tools.such"
TESTS: dict[str, tuple[str, Callable[[Any, Any], UserCall]]] = {
    "FunctionTestCase.runTest": ("unittest.case", _function),
    "MethodTestCase.<locals>._MethodTestCase.runTest": (_TEST_CLASSES, _test_class),
    "Scenario._makeTestCase.<locals>._make_test_func.<locals>._test": (_SUCH, _scenario),
}
"""The test methods that drop what the user's function gives, by name and module."""
_FIXTURES: dict[str, tuple[str, Callable[[Run, Any, Any], None]]] = {
    "FunctionTestCase.setUp": ("unittest.case", _function_fixture),
    "FunctionTestCase.tearDown": ("unittest.case", _function_fixture),
    "MethodTestCase.<locals>._MethodTestCase.setUp": (_TEST_CLASSES, _test_class_fixture),
    "MethodTestCase.<locals>._MethodTestCase.tearDown": (_TEST_CLASSES, _test_class_fixture),
    "Scenario._makeTestCase.<locals>.setUp": (_SUCH, _scenario_fixture),
    "Scenario._makeTestCase.<locals>.tearDown": (_SUCH, _scenario_fixture),
}
"""The same for their ``setUp`` and ``tearDown``."""
_CLASS_FIXTURES: dict[str, tuple[str, Callable[[Run, type, Any], None]]] = {
    "MethodTestCase.<locals>._MethodTestCase.setUpClass": (
        _TEST_CLASSES,
        _test_class_class_fixture,
    ),
    "MethodTestCase.<locals>._MethodTestCase.tearDownClass": (
        _TEST_CLASSES,
        _test_class_class_fixture,
    ),
    "GeneratorMethodCase.<locals>._GeneratorMethodCase.setUpClass": (
        _GENERATORS,
        _test_class_class_fixture,
    ),
    "GeneratorMethodCase.<locals>._GeneratorMethodCase.tearDownClass": (
        _GENERATORS,
        _test_class_class_fixture,
    ),
    "Scenario._makeLayer.<locals>.setUp": (_SUCH, _scenario_layer_fixture),
    "Scenario._makeLayer.<locals>.tearDown": (_SUCH, _scenario_layer_fixture),
}
"""The same for classes and layers."""
