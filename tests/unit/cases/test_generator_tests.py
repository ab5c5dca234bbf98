"""nose2_aio.cases.generator_tests"""

from __future__ import annotations

import asyncio
import inspect
import types
from collections.abc import Iterator
from typing import Any
from unittest import TestCase

import nose2_aio as aio
from nose2_aio.cases import generator_tests


def delegating() -> Iterator[Any]:
    yield from asyncio.sleep(0)


def plain() -> Iterator[Any]:
    yield


def copy(function: types.FunctionType, name: str = "test_it") -> types.FunctionType:
    """Return a new function with the same code."""
    made = types.FunctionType(function.__code__, function.__globals__, name)
    made.__name__ = name
    return made


class IsCoroutine(TestCase):
    """Which generator functions are coroutine tests."""

    def test_modes(self) -> None:
        """The mode decides: by the body, all of them, or none."""
        modes = ("auto", "coroutine", "nose2")
        self.assertEqual(
            [generator_tests.is_coroutine(delegating, mode) for mode in modes], [True, True, False]
        )
        self.assertEqual(
            [generator_tests.is_coroutine(plain, mode) for mode in modes], [False, True, False]
        )

    def test_declared(self) -> None:
        """A tag, or types.coroutine, wins over every mode."""
        for declared in (aio.timeout(1)(copy(plain)), types.coroutine(copy(plain))):
            self.assertTrue(generator_tests.is_coroutine(declared, "nose2"))


class Convert(TestCase):
    """Converting in place."""

    def test_module(self) -> None:
        """Test functions and methods of test classes are converted, and nothing else."""
        module = types.ModuleType("module")
        vars(module).update(
            test_it=copy(delegating),
            test_plain=copy(plain),
            alias=copy(delegating),
            helper=copy(delegating, "helper"),
            test_number=5,
            TestClass=type("TestClass", (), {"test_it": copy(delegating)}),
            Case=type("Case", (TestCase,), {"test_it": copy(delegating)}),
            Other=type("Other", (), {"test_it": copy(delegating)}),
        )
        generator_tests.convert(module, "test", "auto")
        converted = {
            name
            for name, value in [
                *vars(module).items(),
                *(
                    (f"{n}.test_it", vars(module)[n].test_it)
                    for n in ("TestClass", "Case", "Other")
                ),
            ]
            if inspect.iscoroutinefunction(value)
        }
        self.assertEqual(converted, {"test_it", "alias", "TestClass.test_it", "Case.test_it"})

    def test_left_alone(self) -> None:
        """A class that runs its own tests keeps its generator functions."""
        by_hook = {"_callTestMethod": lambda self, method: None, "test_it": copy(delegating)}
        by_run = {"run": lambda self, result=None: None, "test_it": copy(delegating)}
        for members in (by_hook, by_run):
            case = type("Case", (TestCase,), members)
            generator_tests.convert(case, "test", "coroutine")
            self.assertTrue(inspect.isgeneratorfunction(case.test_it))

    def test_class(self) -> None:
        """A class and what it inherits are converted once. Static and class methods stay so."""

        class Base:
            test_inherited = copy(delegating)
            helper = copy(delegating, "helper")

        class Derived(Base):
            test_static = staticmethod(copy(delegating))
            test_class = classmethod(copy(delegating))

        for _ in range(2):
            generator_tests.convert(Derived, "test", "auto")
            self.assertTrue(inspect.iscoroutinefunction(Base.test_inherited))
            self.assertIsInstance(vars(Derived)["test_static"], staticmethod)
            self.assertIsInstance(vars(Derived)["test_class"], classmethod)
            self.assertTrue(inspect.iscoroutinefunction(Derived.test_static))
            self.assertTrue(inspect.iscoroutinefunction(Derived.test_class))
            self.assertTrue(inspect.isgeneratorfunction(Base.helper))
        self.assertFalse(hasattr(Base.test_inherited.__wrapped__, "__wrapped__"))
