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
    """The names of what is given."""
    return [factory.name for factory in loop_factories.checked(values, place="here")]


class Names(TestCase):
    """What a factory is called in ids."""

    def test_dotted(self) -> None:
        """By the last part, or by the module of a new_event_loop."""
        self.assertEqual(names("uvloop.new_event_loop"), ["uvloop"])
        self.assertEqual(names("package.module.new_event_loop"), ["module"])
        self.assertEqual(names("asyncio.SelectorEventLoop"), ["SelectorEventLoop"])
        self.assertEqual(names("uvloop"), ["uvloop"])
        self.assertEqual(names("new_event_loop"), ["new_event_loop"])

    def test_callables(self) -> None:
        """The same, by their own names; nothing that would break an id."""
        self.assertEqual(names(asyncio.new_event_loop), ["asyncio"])
        self.assertEqual(names(make), ["make"])
        self.assertEqual(names(new_event_loop), [__name__.rpartition(".")[2]])
        self.assertEqual(names(functools.partial(make)), ["make"])
        self.assertEqual(names(Maker()), ["Maker"])
        self.assertEqual(names(lambda: make()), ["<lambda>"])

        def odd() -> None: ...

        odd.__name__ = "a b.c[d]"
        self.assertEqual(names(odd), ["a_b_c_d_"])

    def test_same(self) -> None:
        """Those of the same name are numbered."""
        self.assertEqual(
            names("one.fast", "two.fast", "slow", "three.fast"),
            ["fast", "fast-2", "slow", "fast-3"],
        )

    def test_lists(self) -> None:
        """With commas, by line, as a list or its text."""
        for given in (
            ("one,two",),
            ("one, two,",),
            ("\none\ntwo",),
            ("['one', 'two']",),
            (["one", "two"],),
            (("one", ["two"]),),
            ("one", "two"),
        ):
            self.assertEqual(names(*given), ["one", "two"])


class Checked(TestCase):
    """What is no factory."""

    def test_values(self) -> None:
        """It is named with its place."""

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
                loop_factories.checked([value], place="here")
            self.assertIs(type(caught.exception), error)
            self.assertRegex(
                str(caught.exception), rf"^loop {RULE}, got {re.escape(repr(value))}.* \(here\)$"
            )

    def test_names(self) -> None:
        """What is no dotted name, or the name of nothing that could make a loop."""
        several = "several have commas between them"
        for text in ("fast loop", "", ","):
            with self.assertRaises(InvalidValueError) as caught:
                loop_factories.parsed(text, name="loop", place="here")
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
                loop_factories.parsed(text, name="loop", place="here")
            self.assertEqual(str(caught.exception), f"loop {RULE}, got '{text}': {why} (here)")

    def test_none(self) -> None:
        """There has to be one."""
        for values in ((), ([],)):
            with self.assertRaisesRegex(InvalidValueError, r"got none \(here\)$"):
                loop_factories.checked(values, place="here")

    def test_no_signature(self) -> None:
        """A callable that has no signature is taken as it is."""
        with mock.patch("inspect.signature", side_effect=ValueError):
            self.assertTrue(loop_factories.takes_nothing(int))


class CreatedObject(TestCase):
    """What a factory makes."""

    def test_found(self) -> None:
        """What is named is imported, a module's new_event_loop where that is named."""
        for text, function in (
            ("asyncio", asyncio.new_event_loop),
            ("asyncio.events.new_event_loop", asyncio.new_event_loop),
            (f"{HERE}.make", make),
            (HERE, new_event_loop),
            ("concurrent.futures.thread.ThreadPoolExecutor", None),
        ):
            (factory,) = loop_factories.parsed(text, name="loop", place="here")
            if function is not None:
                self.assertIs(factory.function, function)

    def test_wrong(self) -> None:
        """Something else than a fresh loop."""
        running = mock.Mock(spec=asyncio.AbstractEventLoop)
        running.is_closed.return_value = False
        closed = make()
        closed.close()
        for value, error, text in (
            (5, InvalidTypeError, r"it returned 5 \(here\)"),
            (running, LoopError, r"runs already \(here\)"),
            (closed, LoopError, r"is closed \(here\)"),
        ):
            with self.assertRaisesRegex(error, text):
                loop_factories.made(Factory("x", lambda value=value: value, "here"))

    def test_same(self) -> None:
        """One factory by two names is the same; none is asyncio's."""
        first, second = loop_factories.checked([make, f"{HERE}.make"], place="here")
        default = Factory("asyncio", "asyncio", "here")
        self.assertTrue(loop_factories.same(first, first))
        self.assertTrue(loop_factories.same(first, second))
        self.assertTrue(loop_factories.same(None, default))
        self.assertTrue(loop_factories.same(default, None))
        self.assertTrue(loop_factories.same(None, None))
        self.assertFalse(loop_factories.same(first, None))
        self.assertFalse(loop_factories.same(first, default))
