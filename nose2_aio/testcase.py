"""Test cases that run their coroutines under any runner: `TestCase` and `TestCaseMixin`.

``python -m unittest``, pytest and IDEs know nothing of our plugin. A test case of these classes
steps in by itself where unittest calls it:

1. Its ``run`` steps in before unittest's (`nose2_aio.standalone`), as the plugin does when a test
   starts.
2. When a class is defined, its ``setUpClass`` and ``tearDownClass`` get wrappers, since some
   runners look for them long before they run a test.
3. Its ``doClassCleanups`` awaits the cleanups of the class, and closes its loop.

While a run of nose2 with the plugin lasts, none of this does anything: these classes are as others.
"""

from __future__ import annotations

import inspect
import unittest
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import IsolatedAsyncioTestCase, TestResult

from nose2_aio import standalone
from nose2_aio.cases import fixture_wrappers, unittest_internals
from nose2_aio.cases.definitions import never_runs
from nose2_aio.errors import DefinitionError
from nose2_aio.eventloop import event_loops
from nose2_aio.running import coroutines

__all__ = ["TestCase", "TestCaseMixin"]

_MARK = "__nose2_aio_class_fixture__"
"""The attribute of our wrappers for fixtures of classes."""
MYPY = False
"""mypy takes a variable of this name for true, and no other type checker does."""
if MYPY:  # it compares a method with those of all base classes, and TestCase's return None
    _Base: Any = unittest.TestCase
    _MixinBase: Any = unittest.TestCase
else:  # pyright and editors take the last annotation of a name: they know the methods of TestCase
    _Base: type[unittest.TestCase] = unittest.TestCase
    _MixinBase: type[unittest.TestCase] = unittest.TestCase if TYPE_CHECKING else object


def _wrap(case: type[unittest.TestCase], name: str) -> None:
    """Let a class call its ``setUpClass`` or ``tearDownClass`` through a wrapper of ours.

    unittest's own, and one that a base class has wrapped, stay. Other base classes may have it
    from a mixin, which is not changed.
    """
    found = inspect.getattr_static(case, name)
    function = getattr(found, "__func__", found)
    is_plain = function is getattr(unittest.TestCase, name).__func__ or hasattr(function, _MARK)
    if not is_plain and fixture_wrappers.can_be_wrapped(function):
        wrapped = fixture_wrappers.wrapper(partial(_call_in_class, found), function, _MARK)
        setattr(case, name, classmethod(wrapped))


def _call_in_class(found: Any, case: type[unittest.TestCase]) -> Any:
    """Call a fixture of a class; return its awaitable if a loop runs, or a run of nose2 awaits it.

    ``found`` is what a class defines.
    """
    run = None if event_loops.is_running() else standalone.current()
    return fixture_wrappers.bound(found, case)() if run is None else run.call_in_class(found, case)


class TestCaseMixin(_MixinBase):  # type: ignore[misc]  # see above
    """Runs coroutine tests and async fixtures of a class that has another base class already.

    Write it before that base class::

        class Views(aio.TestCaseMixin, SomeTestCase):
            async def test_view(self): ...

    Raises `DefinitionError` when a class is defined that has `unittest.IsolatedAsyncioTestCase` as
    a base class too, or an async method that would never run.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if issubclass(cls, IsolatedAsyncioTestCase):
            raise DefinitionError(
                f"{cls.__module__}.{cls.__qualname__}: aio.TestCase and IsolatedAsyncioTestCase "
                "can't be mixed: each runs the coroutines of its tests.\n"
                "Derive the class from aio.TestCase only, and name asyncSetUp setUp, or from "
                "IsolatedAsyncioTestCase only."
            )
        if issubclass(cls, unittest.TestCase):
            for name in unittest_internals.called_by_unittest(cls):
                if coroutines.is_declared(getattr(cls, name)):
                    raise never_runs(getattr(cls, name))
            for name in standalone.CLASS_FIXTURES:
                _wrap(cls, name)

    @unittest_internals.like_unittests
    def run(self, result: TestResult | None = None) -> Any:
        """Run the test, as unittest does, with its coroutines."""
        run = standalone.current()
        execute = super().run
        return execute(result) if run is None else run.run_test(self, execute, result)

    def debug(self) -> None:
        """Run the test without a result, and raise its first error."""
        result = _Errors()
        self.run(result)
        for error in result.raised:
            raise error

    @classmethod
    def doClassCleanups(cls) -> None:
        """Call the cleanups of the class, and await what they return."""
        run = standalone.current()
        if run is None:
            super().doClassCleanups()
        else:
            run.end_class(cls)


class TestCase(TestCaseMixin, _Base):  # type: ignore[misc]
    """A `unittest.TestCase` whose tests and fixtures may be coroutine functions.

    It runs them under ``python -m unittest``, pytest and IDEs, as nose2 does with the plugin::

        class Orders(aio.TestCase):
            async def setUp(self):
                self.client = await connect()
                self.addCleanup(self.client.close)

            async def test_order(self):
                self.assertEqual(await self.client.order("tea"), "tea")

    These may be async: ``setUp``, ``tearDown``, ``setUpClass``, ``tearDownClass`` and all cleanups.
    Async fixtures of modules need nose2.
    """

    if TYPE_CHECKING:  # the value may be a coroutine

        def setUp(self) -> Any: ...
        def tearDown(self) -> Any: ...
        @classmethod
        def setUpClass(cls) -> Any: ...
        @classmethod
        def tearDownClass(cls) -> Any: ...


class _Errors(TestResult):
    """Keeps the errors of a test."""

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[BaseException] = []

    def addError(self, _: Any, err: Any) -> None:
        self.raised.append(err[1])

    def addFailure(self, _: Any, err: Any) -> None:
        self.raised.append(err[1])

    def addSubTest(self, _: Any, __: Any, err: Any) -> None:
        self.raised += [] if err is None else [err[1]]

    def addSkip(self, _: Any, reason: str) -> None:
        self.raised.append(unittest.SkipTest(reason))
