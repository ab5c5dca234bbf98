"""nose2_aio.running.coroutines"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import TestCase, mock

from nose2_aio.errors import DefinitionError
from nose2_aio.running import coroutines


def plain() -> Iterator[Any]:
    yield 1


def delegating() -> Iterator[Any]:
    yield from ()


def both() -> Iterator[Any]:
    yield from ()
    yield 1


@functools.lru_cache
def decorated() -> Iterator[Any]:
    if True:
        for _ in ():
            yield from ()
    return None


def inner_scopes() -> Iterator[Any]:
    def inner() -> Iterator[Any]:
        yield 1

    class Inner:
        def method(self) -> Iterator[Any]:
            yield 1

    (lambda: (yield 1))
    yield from inner()


def same_name() -> Iterator[Any]:
    yield 1


first = same_name


def same_name() -> Iterator[Any]:
    yield from ()


class Delegates(TestCase):
    """Whether a body has ``yield from`` and no plain ``yield``."""

    def test_bodies(self) -> None:
        """Only a body with ``yield from``, in any statement, and without ``yield`` does."""
        found = {
            function.__name__: coroutines.delegates(function.__code__)
            for function in (plain, delegating, both, decorated.__wrapped__, inner_scopes)
        }
        self.assertEqual(
            found,
            {
                "plain": False,
                "delegating": True,
                "both": False,
                "decorated": True,
                "inner_scopes": True,
            },
        )

    def test_same_name(self) -> None:
        """Functions of the same name are distinguished by their lines."""
        self.assertFalse(coroutines.delegates(first.__code__))
        self.assertTrue(coroutines.delegates(same_name.__code__))

    def test_no_source(self) -> None:
        """Without source, or with one that isn't Python's, the answer is no."""
        names: dict[str, Any] = {}
        exec("def nowhere():\n    yield from ()", names)
        self.assertFalse(coroutines.delegates(names["nowhere"].__code__))
        coroutines._definitions.cache_clear()
        with mock.patch("linecache.getlines", return_value=["def ("]):
            self.assertFalse(coroutines.delegates(delegating.__code__))
        coroutines._definitions.cache_clear()


class Converted(TestCase):
    """Generator functions converted to coroutine functions."""

    def test_metadata(self) -> None:
        """The coroutine function has the function's name, docstring and signature."""

        def generator(self: object, number: int = 5) -> Iterator[Any]:
            """Generate."""
            yield from ()

        made = coroutines.as_coroutine_function(generator)
        self.assertTrue(inspect.iscoroutinefunction(made))
        self.assertFalse(inspect.isgeneratorfunction(made))
        self.assertEqual((made.__name__, made.__doc__), ("generator", "Generate."))
        self.assertEqual(inspect.signature(made), inspect.signature(generator))
        self.assertEqual(inspect.getfullargspec(made).args, ["self", "number"])

    async def test_value(self) -> None:
        """It awaits what the function waits for, and returns what it returns."""

        def generator(value: int) -> Any:
            return (yield from asyncio.sleep(0, value))

        self.assertEqual(await coroutines.as_coroutine_function(generator)(5), 5)
        self.assertEqual(await generator(6), 6)

    async def test_bad_yield(self) -> None:
        """The error for an invalid value names the value, function, place and remedy."""

        def generator() -> Iterator[Any]:
            yield 5

        with self.assertRaises(DefinitionError) as caught:
            await coroutines.as_coroutine_function(generator)()
        self.assertRegex(
            str(caught.exception),
            r"^generator, .*test_coroutines\.py:\d+: run as a coroutine, it yielded 5\.\n"
            r"If it generates tests for nose2, use a plain 'yield' in its body and no tag, "
            r"or set 'generators = nose2' in \[aio\]\.$",
        )

    async def test_other_runtime_errors(self) -> None:
        """Other errors of the same type are unchanged."""

        def generator() -> Iterator[Any]:
            yield from asyncio.sleep(0)
            raise RuntimeError("mine")

        with self.assertRaisesRegex(RuntimeError, "^mine$"):
            await coroutines.as_coroutine_function(generator)()


class Calling(TestCase):
    """Calling any kind of function inside a loop."""

    async def test_kinds(self) -> None:
        """Each kind of function returns its value."""

        async def native(value: int) -> int:
            return value

        def generator(value: int) -> Any:
            return (yield from asyncio.sleep(0, value))

        class Callable_:
            async def __call__(self, value: int) -> int:
                return value

        kinds: list[Callable[[int], Any]] = [
            native,
            generator,
            functools.partial(generator),
            lambda value: value,
            lambda value: native(value),
            Callable_(),
            mock.AsyncMock(side_effect=native),
        ]
        for kind in kinds:
            self.assertEqual(await coroutines.call_and_await(kind, 5), 5, kind)

    async def test_generator_object(self) -> None:
        """A generator returned by another function would never run: it is refused."""

        def generator() -> Any:
            yield from asyncio.sleep(0)

        with self.assertRaises(DefinitionError) as caught:
            await coroutines.call_and_await(lambda: generator())
        self.assertRegex(
            str(caught.exception),
            r"^<lambda>, .*test_coroutines\.py:\d+: it gave the generator "
            r"Calling\.test_generator_object\.<locals>\.generator, which nobody would run\.\n"
            r"Decorate generator with types\.coroutine\.$",
        )

    def test_plain_generator(self) -> None:
        """A generator function with a plain yield would never run. A generator is any value."""

        def generator() -> Iterator[int]:
            yield 5

        with self.assertRaises(DefinitionError) as caught:
            coroutines.refuse_generator(generator(), generator)
        self.assertIn("a generator function with a plain 'yield'", str(caught.exception))
        value = (one for one in "ab")
        coroutines.refuse_generator(value, lambda: value)

    async def test_async_generator(self) -> None:
        """The error for an async generator function has name, place and remedy."""

        async def generator() -> AsyncIterator[int]:
            yield 5

        with self.assertRaises(DefinitionError) as caught:
            await coroutines.call_and_await(generator)
        self.assertRegex(
            str(caught.exception),
            r"^generator, .*test_coroutines\.py:\d+: an async generator function can't be a "
            r"test, its body would never run\.\n"
            r"Take the 'yield' out of it, or make it a helper that a test iterates\.$",
        )
