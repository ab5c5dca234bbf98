"""The test cases that unittest and nose2 make for functions, test classes and ``such`` scenarios.

Such a test case calls the user's function and drops the value that it returns. So we call the
function in place of the test case. The kind of a test case is known by the qualified name and the
module of its method, since the classes are local to functions of nose2.
"""

import functools
import inspect
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from unittest import TestCase

from nose2_aio.cases import unittest_internals
from nose2_aio.config import tag_lookup
from nose2_aio.introspection import locations

__all__ = [
    "TESTS",
    "UserCall",
    "call_class_fixture",
    "class_fixtures",
    "fixture_name",
    "function_and_owner",
    "has_fixture",
    "inner_fixture_call",
    "is_layer_suite",
    "may_have_tags",
    "name_fixtures",
    "renew_user_object",
    "set_function_name",
    "unwrap_nose2",
    "user_call",
    "user_class_of_case",
    "user_class_of_test",
    "user_object",
]

CallFixture = Callable[..., Any]
"""Calls one of the user's functions, with its arguments, and runs the awaitable it returns."""


class UserCall(NamedTuple):
    """The call of the user's function by a test case."""

    call: Callable[[], Any]
    """Calls the function, and returns its value."""
    function: Any
    """The user's function or method. It has the tags."""
    owner: type
    """The user's class; `object` if there is none."""
    case: Any
    """The test case, or the user's object: the argument of a callback that takes one."""
    is_return_checked: bool = False
    """True if unittest warns when the function returns a value that isn't None."""


def user_call(test: TestCase, method: Callable[[], Any]) -> UserCall | None:
    """Return the call that a test case of these kinds is about to make; None for any other."""
    kind = TESTS.get(getattr(method, "__qualname__", ""))  # `_lookup` would cost time for each test
    return None if kind is None or kind[0] != method.__module__ else kind[1](test, method)


def function_and_owner(test: TestCase) -> tuple[Any, type]:
    """Return the user's function that is the test, and the user's class, or `object`."""
    method: Any = getattr(test, unittest_internals.method_name(test), None)
    found = user_call(test, method)
    return (method, type(test)) if found is None else (found.function, found.owner)


def may_have_tags(test: TestCase) -> bool:
    """Return True if a test, or its class, has attributes that tags may have set."""
    method = getattr(test, unittest_internals.method_name(test), None)
    return (
        bool(getattr(method, "__dict__", None))
        or getattr(method, "__qualname__", "") in TESTS
        or hasattr(type(test), tag_lookup.CLASS_ATTRIBUTE)
    )


def unwrap_nose2(function: Any) -> Any:
    """Return the user's function without the wrappers that nose2 uses to pass arguments."""
    while True:
        inner = getattr(function, "__func__", function)
        if getattr(inner, "__globals__", {}).get("__name__") not in _WRAPPING_MODULES:
            return function
        function = getattr(inner, "__wrapped__", None)


def set_function_name(test: Any, name: str) -> None:
    """Set the name by which nose2 reports a test function. For other tests, do nothing."""
    if hasattr(test, "_testFunc"):
        own, before = vars(test), getattr(test, "_funcName", None)
        if before in own:  # a function that a test generator has yielded is stored under its name
            own[name] = own[before]
        test._funcName = name


def renew_user_object(test: Any) -> None:
    """Give a copy of a test a new object of the user's class, if it has one."""
    if user_object(test) is not test:
        test.obj = type(test.obj)()


def inner_fixture_call(method: Callable[[], Any]) -> Callable[[CallFixture, Any, Any], None] | None:
    """Return a function that calls the user's fixtures in place of a ``setUp`` or ``tearDown``.

    It takes the function that calls each, the test case and the method. None for other methods.
    """
    kind: Callable[[CallFixture, Any, Any], None] | None = _lookup(_FIXTURES, method)
    return kind


def call_class_fixture(call_fixture: CallFixture, case: type, method: Callable[..., Any]) -> None:
    """Call the user's fixtures in place of ``setUpClass`` of a class, or ``setUp`` of a layer."""
    kind = _lookup(_CLASS_FIXTURES, method)
    if kind is None:
        call_fixture(method)
    else:
        kind(call_fixture, case, method)


def class_fixtures(case: Any, function: Any) -> list[Any]:
    """Return the user's functions that a fixture of a class or a layer calls, or the fixture."""
    if _lookup(_CLASS_FIXTURES, function) is _call_layer_fixture_of_scenario:
        return list(_layer_functions(case, function))
    return [function]


def fixture_name(reported: Any) -> str:
    """Return the name of what is reported in place of a test: a fixture, or the suite of a layer.

    For a fixture it is "setUpClass (module.Class)".
    """
    if is_layer_suite(reported):
        return f"layer {reported.layer.__module__}.{reported.layer.__qualname__}"
    return getattr(reported, "description", None) or str(reported)


def name_fixtures(categories: dict[str, list[Any]]) -> None:
    """Let nose2's reports show the names of fixtures. ``categories`` has the events to report."""
    for event in itertools.chain(*categories.values()):
        if not isinstance(event.test, TestCase):
            event.test = _Fixture(event.test)


def has_fixture(test: Any, name: str) -> bool:
    """Return True if the ``setUp`` or ``tearDown`` of a test case calls anything."""
    method = getattr(type(test), name)
    kind = _lookup(_FIXTURES, method)
    if kind is None:
        return True
    if kind is _call_function_fixture:
        return getattr(test, f"_{name}Func") is not None
    return kind is not _call_test_class_fixture or hasattr(test.obj, name)


def is_layer_suite(suite: object) -> bool:
    """Return True if a suite is that of a layer: it sets up and tears down the layer itself."""
    kind = type(suite)
    return kind.__name__ == "LayerSuite" and kind.__module__ == "nose2.suite"


def user_class_of_test(test: Any) -> type:
    """Return the class of a test case; for a test class of nose2, the user's class."""
    case = type(test)
    if case.__name__ == "_MethodTestCase" and _lookup(_FIXTURES, case.setUp) is not None:
        return type(test.obj)
    return case


def user_class_of_case(case: type) -> type:
    """Return the user's class that nose2 has made this class for; any other class as it is."""
    method = locations.unwrap(getattr(case, "setUpClass", None))
    if _lookup(_CLASS_FIXTURES, method) is _call_class_fixture_of_test_class:
        owner: type = _closure_variable(method, "cls")
        return owner
    return case


def user_object(test: Any) -> object:
    """Return a test case; for a test class of nose2, the object of the user's class."""
    return test if user_class_of_test(test) is type(test) else test.obj


def _function_call(test: Any, _: Callable[[], Any]) -> UserCall:
    function = test._testFunc
    # a method of a test class, which one of its test generators has yielded
    method = getattr(function, "__wrapped__", function)
    owner = type(method.__self__) if inspect.ismethod(method) else object
    return UserCall(function, function, owner, test)


def _call_function_fixture(call_fixture: CallFixture, test: Any, method: Callable[[], Any]) -> None:
    function = getattr(test, f"_{method.__name__}Func")
    if function is not None:
        call_fixture(function)


def _test_class_call(test: Any, _: Callable[[], Any]) -> UserCall:
    function = getattr(test.obj, test.method)
    return UserCall(function, function, type(test.obj), test.obj)


def _call_test_class_fixture(
    call_fixture: CallFixture, test: Any, method: Callable[[], Any]
) -> None:
    call_fixture(getattr(test.obj, method.__name__))


def _call_class_fixture_of_test_class(call_fixture: CallFixture, _: type, method: Any) -> None:
    function = getattr(_closure_variable(method, "cls"), method.__name__, None)
    if function is not None:
        call_fixture(function)


def _scenario_call(test: TestCase, method: Any) -> UserCall:
    case, function = method.case, method.case.func

    def call() -> Any:
        values: list[Any] = []
        case.func = _with_signature(lambda *args: values.append(function(*args)), function)
        try:
            method()
        finally:
            case.func = function
        return values[0] if values else None

    return UserCall(call, function, object, test)


def _call_scenario_fixture(call_fixture: CallFixture, _: TestCase, method: Any) -> None:
    _call_each(call_fixture, _closure_variable(method, _SCENARIO_LISTS[method.__name__]), method)


def _call_layer_fixture_of_scenario(call_fixture: CallFixture, layer: Any, method: Any) -> None:
    _call_each(call_fixture, _layer_functions(layer, method), method)


def _layer_functions(layer: Any, method: Any) -> list[Any]:
    functions: list[Any] = getattr(layer, _SCENARIO_LISTS[method.__name__])
    return functions


def _call_each(call_fixture: CallFixture, functions: list[Any], method: Callable[[], Any]) -> None:
    """Let a method call each of its functions through ``call_fixture``."""
    own = functions[:]
    functions[:] = [_with_signature(partial(call_fixture, function), function) for function in own]
    try:
        method()
    finally:
        functions[:] = own


def _with_signature(
    wrapper: Callable[..., Any], function: Callable[..., Any]
) -> Callable[..., Any]:
    """Return ``wrapper`` with the signature of ``function``: nose2 counts the arguments."""

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return wrapper(*args)

    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return call


def _closure_variable(method: Any, name: str) -> Any:
    """Return a variable that a function has from the function around it."""
    cells = dict(zip(method.__code__.co_freevars, method.__closure__, strict=True))
    return cells[name].cell_contents


def _lookup(kinds: dict[str, tuple[str, Any]], method: Any) -> Any:
    kind = kinds.get(getattr(method, "__qualname__", ""))
    return None if kind is None or kind[0] != method.__module__ else kind[1]


class _Fixture(TestCase):
    """Stands for a fixture in a report, or for a layer: nose2 shows the name of a test case."""

    def __init__(self, reported: object) -> None:
        super().__init__("run")
        self._name = fixture_name(reported)

    def id(self) -> str:
        """Return the name of the fixture, such as "setUpClass (module.Class)"."""
        return self._name

    def __str__(self) -> str:
        return self._name

    def shortDescription(self) -> None:  # noqa: N802 -- unittest's name
        """Return None: there is nothing else to say."""


_SCENARIO_LISTS = {"setUp": "setups", "tearDown": "teardowns"}
_TEST_CLASSES = "nose2.plugins.loader.testclasses"
_GENERATORS = "nose2.plugins.loader.generators"
_WRAPPING_MODULES = (_GENERATORS, "nose2.plugins.loader.parameters")
_SUCH = "nose2.tools.such"
TESTS: dict[str, tuple[str, Callable[[Any, Any], UserCall]]] = {
    "FunctionTestCase.runTest": ("unittest.case", _function_call),
    "MethodTestCase.<locals>._MethodTestCase.runTest": (_TEST_CLASSES, _test_class_call),
    "Scenario._makeTestCase.<locals>._make_test_func.<locals>._test": (_SUCH, _scenario_call),
}
"""The test methods that drop the value of the user's function, by name and module."""
_FIXTURES: dict[str, tuple[str, Callable[[CallFixture, Any, Any], None]]] = {
    "FunctionTestCase.setUp": ("unittest.case", _call_function_fixture),
    "FunctionTestCase.tearDown": ("unittest.case", _call_function_fixture),
    "MethodTestCase.<locals>._MethodTestCase.setUp": (_TEST_CLASSES, _call_test_class_fixture),
    "MethodTestCase.<locals>._MethodTestCase.tearDown": (_TEST_CLASSES, _call_test_class_fixture),
    "Scenario._makeTestCase.<locals>.setUp": (_SUCH, _call_scenario_fixture),
    "Scenario._makeTestCase.<locals>.tearDown": (_SUCH, _call_scenario_fixture),
}
"""The same for their ``setUp`` and ``tearDown``."""
_CLASS_FIXTURES: dict[str, tuple[str, Callable[[CallFixture, type, Any], None]]] = {
    "MethodTestCase.<locals>._MethodTestCase.setUpClass": (
        _TEST_CLASSES,
        _call_class_fixture_of_test_class,
    ),
    "MethodTestCase.<locals>._MethodTestCase.tearDownClass": (
        _TEST_CLASSES,
        _call_class_fixture_of_test_class,
    ),
    "GeneratorMethodCase.<locals>._GeneratorMethodCase.setUpClass": (
        _GENERATORS,
        _call_class_fixture_of_test_class,
    ),
    "GeneratorMethodCase.<locals>._GeneratorMethodCase.tearDownClass": (
        _GENERATORS,
        _call_class_fixture_of_test_class,
    ),
    "Scenario._makeLayer.<locals>.setUp": (_SUCH, _call_layer_fixture_of_scenario),
    "Scenario._makeLayer.<locals>.tearDown": (_SUCH, _call_layer_fixture_of_scenario),
}
"""The same for classes and layers."""
