"""nose2_aio.config.loop_factories"""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from typing import Any
from unittest import TestCase, mock

from nose2_aio.config import loop_factories
from nose2_aio.config.loop_factories import Factory
from nose2_aio.errors import InvalidTypeError, InvalidValueError, LoopError
from tests.runs import Project


def make() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def new_event_loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


class Maker:
    def __call__(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()


HERE = __name__
RULE = "must be a callable without arguments that returns an event loop, or the dotted name of one"


def names(*values: Any) -> list[str]:
    """Return the short names of factories."""
    return [factory.name for factory in loop_factories.validate(values, place="here")]


class Names(TestCase):
    """The short names of factories, for ids."""

    def test_dotted(self) -> None:
        """It is the last part of a dotted name. For ``new_event_loop``, it is the module."""
        self.assertEqual(names("uvloop.new_event_loop"), ["uvloop"])
        self.assertEqual(names("package.module.new_event_loop"), ["module"])
        self.assertEqual(names("asyncio.SelectorEventLoop"), ["SelectorEventLoop"])
        self.assertEqual(names("uvloop"), ["uvloop"])
        self.assertEqual(names("new_event_loop"), ["new_event_loop"])

    def test_callables(self) -> None:
        """The same for callables. Characters that can't be in an id are replaced."""
        self.assertEqual(names(asyncio.new_event_loop), ["asyncio"])
        self.assertEqual(names(make), ["make"])
        self.assertEqual(names(new_event_loop), ["test_loop_factories"])
        self.assertEqual(names(functools.partial(make)), ["make"])
        self.assertEqual(names(Maker()), ["Maker"])
        self.assertEqual(names(lambda: make()), ["<lambda>"])

        def odd() -> None: ...

        odd.__name__ = "a b.c[d]"
        self.assertEqual(names(odd), ["a_b_c_d_"])

    def test_same(self) -> None:
        """Factories with the same name are numbered."""
        self.assertEqual(
            names("one.fast", "two.fast", "slow", "three.fast"),
            ["fast", "fast-2", "slow", "fast-3"],
        )

    def test_lists(self) -> None:
        """Several are given with commas, on lines, as a list, or as the text of a list."""
        for given in (
            ("one,two",),
            ("one, two,",),
            ("\none\ntwo",),
            ("\none,\n\ntwo,\n",),
            ("['one', 'two',]",),
            ("['one', 'two']",),
            (["one", "two"],),
            (("one", ["two"]),),
            ("one", "two"),
        ):
            self.assertEqual(names(*given), ["one", "two"])


class Checked(TestCase):
    """Invalid factories."""

    def test_values(self) -> None:
        """The error names the value and its place."""

        async def coroutine() -> None: ...

        for value, error in (
            ("two words", InvalidValueError),
            ("", InvalidValueError),
            ("one..two", InvalidValueError),
            (None, InvalidTypeError),
            (5, InvalidTypeError),
            (lambda one: one, InvalidTypeError),
            (coroutine, InvalidTypeError),
            (Checked, InvalidTypeError),
        ):
            with self.subTest(value), self.assertRaises(InvalidValueError) as caught:
                loop_factories.validate([value], place="here")
            self.assertIs(type(caught.exception), error)
            self.assertRegex(
                str(caught.exception), rf"^loop {RULE}, got {re.escape(repr(value))}.* \(here\)$"
            )

    def test_names(self) -> None:
        """Texts that are not a dotted name, or not that of a factory."""
        several = "several have one comma between them"
        for text in ("fast loop", "", ",", "one,,two", ",one", "one,,", "one,\n,two"):
            with self.assertRaises(InvalidValueError) as caught:
                loop_factories.parse(text, name="loop", place="here")
            message = f"loop {RULE}, got {text!r}; {several} (here)"
            self.assertEqual(str(caught.exception), message)
        project = Project(
            self,
            factories_of_a_project="number = 5\ndef fast(): pass\ndef needs(one): pass",
            broken_project="1 / 0",
        )
        project.write("package_of_a_project/__init__.py", "")
        project.write("package_of_a_project/bad.py", "import nowhere")
        self.enterContext(mock.patch("sys.path", [str(project.folder), *sys.path]))
        self.enterContext(mock.patch.dict("sys.modules"))
        for text, why in (
            ("uvlop.new_event_loop", "there is no module 'uvlop'"),
            ("factories_of_a_project.fats", "'factories_of_a_project' has no 'fats'"),
            ("factories_of_a_project.fast.er", "'factories_of_a_project.fast' has no 'er'"),
            ("factories_of_a_project", "it is a module that has no new_event_loop"),
            ("factories_of_a_project.number", "it is 5, which can't be called"),
            ("factories_of_a_project.needs", "it needs arguments"),
            (
                "broken_project.fast",
                "importing 'broken_project' failed with ZeroDivisionError: division by zero",
            ),
            ("package_of_a_project.none.fast", "'package_of_a_project' has no 'none'"),
            (
                "package_of_a_project.bad.fast",
                (
                    "importing 'package_of_a_project.bad' failed with ModuleNotFoundError: "
                    "No module named 'nowhere'"
                ),
            ),
        ):
            with self.subTest(text), self.assertRaises(InvalidValueError) as caught:
                loop_factories.parse(text, name="loop", place="here")
            self.assertEqual(str(caught.exception), f"loop {RULE}, got '{text}': {why} (here)")

    def test_none(self) -> None:
        """There must be at least one factory."""
        for values in ((), ([],)):
            with self.assertRaisesRegex(InvalidValueError, r"got none \(here\)$"):
                loop_factories.validate(values, place="here")

    def test_no_signature(self) -> None:
        """A callable without a signature is accepted."""
        with mock.patch("inspect.signature", side_effect=ValueError):
            self.assertTrue(loop_factories.takes_no_arguments(int))


class CreatedObject(TestCase):
    """The loops of a factory."""

    def test_found(self) -> None:
        """A dotted name is imported. For a module, it is its ``new_event_loop``."""
        for text, function in (
            ("asyncio", asyncio.new_event_loop),
            ("asyncio.events.new_event_loop", asyncio.new_event_loop),
            (f"{HERE}.make", make),
            (HERE, new_event_loop),
            ("concurrent.futures.thread.ThreadPoolExecutor", None),
        ):
            (factory,) = loop_factories.parse(text, name="loop", place="here")
            if function is not None:
                self.assertIs(factory.function, function)

    def test_wrong(self) -> None:
        """A factory that does not return a new loop."""
        running = mock.Mock(spec=asyncio.AbstractEventLoop)
        running.is_closed.return_value = False
        closed = make()
        closed.close()
        for value, error, text in (
            (5, InvalidTypeError, r"it returned 5 \(here\)"),
            (running, LoopError, r"is already running \(here\)"),
            (closed, LoopError, r"is closed \(here\)"),
        ):
            with self.assertRaisesRegex(error, text):
                loop_factories.make_loop(Factory("x", lambda value=value: value, "here"))

    def test_same(self) -> None:
        """A factory by two names is the same. None is asyncio's."""
        first, second = loop_factories.validate([make, f"{HERE}.make"], place="here")
        default = Factory("asyncio", "asyncio", "here")
        self.assertTrue(loop_factories.are_same(first, first))
        self.assertTrue(loop_factories.are_same(first, second))
        self.assertTrue(loop_factories.are_same(None, default))
        self.assertTrue(loop_factories.are_same(default, None))
        self.assertTrue(loop_factories.are_same(None, None))
        self.assertFalse(loop_factories.are_same(first, None))
        self.assertFalse(loop_factories.are_same(first, default))
