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
    """Nothing of its own."""

    def test(self) -> None:
        self.number = 5
        self.addCleanup(print)


class Own(TestCase):
    """With things of its own from the beginning."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.deep = {"a": [1]}
        self.me = self

    def test(self) -> None:
        self.deep["a"].append(2)


class Locked(Own):
    """With one that can't be copied."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.lock = threading.Lock()


class Isolated(IsolatedAsyncioTestCase):
    """With a context of its own, from Python 3.11 on."""

    async def test(self) -> None: ...


class Copied(TestCase):
    """Copies of test cases."""

    def test_before(self) -> None:
        """One that has not run is copied as it is."""
        test = Plain("test")
        found = copies.copied(test)
        self.assertIsNot(found, test)
        self.assertIs(type(found), Plain)
        self.assertEqual(found.id(), test.id())

    def test_containers(self) -> None:
        """What unittest keeps in it is its own: the cleanups of one run in no other."""
        test = Plain("test")
        found = copies.copied(test)
        found.addCleanup(print)
        for one in (test, copies.copied(test)):
            self.assertEqual(one._cleanups, [])  # type: ignore[attr-defined]

    def test_users(self) -> None:
        """What the user's own ``__init__`` has made is copied all the way down."""
        test = Own("test")
        found: Any = copies.copied(test)
        test(TestResult())
        self.assertEqual((found.deep, test.deep), ({"a": [1]}, {"a": [1, 2]}))
        self.assertIs(found.me, found)

    def test_no_way(self) -> None:
        """Where something can't be copied, the test has it in common with its copy."""
        test = Locked("test")
        found: Any = copies.copied(test)
        self.assertIs(found.lock, test.lock)
        self.assertIsNot(found.deep, test.deep)
        self.assertIs(found.deep["a"], test.deep["a"])

    def test_contexts(self) -> None:
        """Each has a context of its own; nothing that one sets is seen by the other."""
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
        """One of a test class gets an object of its own, a test function is the same."""

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
    """What we have put on a test for later."""

    def test_partial(self) -> None:
        """A function for the test is one for the copy."""
        test = Ours("test_partial")
        vars(test)["ours"] = functools.partial(print, test, 5, end="")
        vars(test)["other"] = other = functools.partial(print, 5)
        found = vars(copies.copied(test))
        self.assertEqual(found["ours"].args[1:], (5,))
        self.assertIsNot(found["ours"].args[0], test)
        self.assertEqual(found["ours"].keywords, {"end": ""})
        self.assertIs(found["other"], other)
