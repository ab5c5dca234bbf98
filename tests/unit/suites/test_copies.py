"""nose2_aio.suites.copies"""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import Any
from unittest import IsolatedAsyncioTestCase, TestCase, TestResult

from nose2 import util
from nose2.plugins.loader import functions, testclasses

from nose2_aio.suites import copies


class Plain(TestCase):
    """A test case without an ``__init__`` of its own."""

    def test(self) -> None:
        self.number = 5
        self.addCleanup(print)


class Own(TestCase):
    """A test case whose ``__init__`` sets attributes."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.deep = {"a": [1]}
        self.me = self

    def test(self) -> None:
        self.deep["a"].append(2)


class Locked(Own):
    """A test case with an attribute that can't be copied."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lock = threading.Lock()


class Isolated(IsolatedAsyncioTestCase):
    """A test case that has a context, as unittest's own have from Python 3.11 on."""

    async def test(self) -> None: ...


class Copied(TestCase):
    """Copies of test cases."""

    def test_before(self) -> None:
        """A test that has not run is copied as it is."""
        test = Plain("test")
        found = copies.copied(test)
        self.assertIsNot(found, test)
        self.assertIs(type(found), Plain)
        self.assertEqual(found.id(), test.id())

    def test_containers(self) -> None:
        """The copy has its own list of cleanups: they run once."""
        test = Plain("test")
        found = copies.copied(test)
        found.addCleanup(print)
        for one in (test, copies.copied(test)):
            self.assertEqual(one._cleanups, [])  # type: ignore[attr-defined]

    def test_users(self) -> None:
        """If the user has written ``__init__``, the attributes are deep copies."""
        test = Own("test")
        found: Any = copies.copied(test)
        test(TestResult())
        self.assertEqual((found.deep, test.deep), ({"a": [1]}, {"a": [1, 2]}))
        self.assertIs(found.me, found)

    def test_no_way(self) -> None:
        """A test and its copy share an object that can't be copied."""
        test = Locked("test")
        found: Any = copies.copied(test)
        self.assertIs(found.lock, test.lock)
        self.assertIsNot(found.deep, test.deep)
        self.assertIs(found.deep["a"], test.deep["a"])

    def test_contexts(self) -> None:
        """Each has its own context: a variable that one sets is not set in the other."""
        variable = contextvars.ContextVar("variable", default="unset")
        for case in (Isolated, Own):
            test: Any = case("test")
            test.context = contextvars.copy_context()
            test.same = test.context
            found: Any = copies.copied(test)
            test.context.run(variable.set, "set")
            self.assertEqual(found.context.run(variable.get), "unset")
            self.assertIs(found.same, found.context)
            self.assertIsNot(found.context, test.context)
            if case is Own:  # a context is no obstacle to copying the rest
                self.assertIsNot(found.deep["a"], test.deep["a"])

    def test_objects(self) -> None:
        """The copy of a test class's test has its own object. A test function is the same."""

        class Users:
            def __init__(self) -> None:
                self.own = list[int]()

            def test(self) -> None:
                self.own.append(1)

        test: Any = util.transplant_class(testclasses.MethodTestCase(Users), __name__)("test")
        found: Any = copies.copied(test)
        test(TestResult())
        self.assertEqual((test.obj.own, found.obj.own), ([1], []))

        def function() -> None: ...

        test = util.transplant_class(functions.FunctionTestCase, __name__)(function)
        found = copies.copied(test)
        self.assertIs(found._testFunc, function)


class Ours(TestCase):
    """The functions that we set as attributes of a test."""

    def test_partial(self) -> None:
        """A partial function with the test as first argument gets the copy instead."""
        test = Ours("test_partial")
        vars(test)["ours"] = functools.partial(print, test, 5, end="")
        vars(test)["other"] = other = functools.partial(print, 5)
        found = vars(copies.copied(test))
        self.assertEqual(found["ours"].args[1:], (5,))
        self.assertIsNot(found["ours"].args[0], test)
        self.assertEqual(found["ours"].keywords, {"end": ""})
        self.assertIs(found["other"], other)
